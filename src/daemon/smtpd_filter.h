/* daemon/smtpd_filter.h - a connection to a filter (rspamd, a milter) on smtpd's event loop.
 *
 * Own     the owner has the struct; filter_link_close() frees what is inside, and may be called any time,
 *         from inside ops too. It copies nothing of what it is given but octets to send.
 * Window  of what the filter has not read yet as much is kept as is sent; who cannot stop his source asks
 *         filter_link_full() and waits for room().
 * Errors  what goes wrong closes the link and is told by gone(), once, also from inside filter_link_open();
 *         a function that is MUST_USE says false for memory that is short, then without gone(). */
#ifndef DAEMON_SMTPD_FILTER_H
#define DAEMON_SMTPD_FILTER_H
#include "base/slice.h"

#include <sys/socket.h>

struct bufferevent;
struct event;
struct event_base;

enum { FILTER_WINDOW = 512 * 1024 };

struct filter_link_ops {
    /* What came; it leaves link and owner alone. False: nothing more is wanted. */
    bool (*octets)(void *owner, struct slice s);
    void (*heard)(void *owner); /* behind the last of them */
    void (*room)(void *owner);  /* filter_link_full() was true, and is not any more */
    /* It is over. at_end: the filter closed the connection. why: static. */
    void (*gone)(void *owner, bool at_end, const char *why);
};

struct filter_link {
    const struct filter_link_ops *ops;
    void *owner;
    struct bufferevent *connection; /* NULL: there is none */
    struct event *deadline;
    uint64_t time_ms;
    bool wants_room;
};

/* time_ms: for a connection, for octets that the filter does not take, and for filter_link_wait(). */
MUST_USE bool filter_link_open(struct filter_link *l, struct event_base *base,
                               const struct filter_link_ops *ops, void *owner,
                               uint64_t time_ms);
void filter_link_connect(struct filter_link *l, const struct sockaddr_storage *to,
                         socklen_t len);
/* Instead of connecting: fd is connected, and the link's from now on. */
void filter_link_attach(struct filter_link *l, int fd);
void filter_link_close(struct filter_link *l);
/* The same, with last words, if they can be said at once. */
void filter_link_close_with(struct filter_link *l, struct slice s);
MUST_USE bool filter_link_send(struct filter_link *l, struct slice s);
/* Is more waiting than the window holds? Then room() comes. */
MUST_USE bool filter_link_full(struct filter_link *l);
/* From now on something must come in time_ms, until filter_link_rest(). */
MUST_USE bool filter_link_wait(struct filter_link *l);
void filter_link_rest(struct filter_link *l);

/* To the log, at most once a minute; *said_ms: when it was last, 0: never. */
void filter_say_down(const char *event, const char *server, const char *why,
                     uint64_t *said_ms);
#endif
