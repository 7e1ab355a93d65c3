/* delivery/lmtp.h - LMTP over a socket: the I/O around lmtp_engine.h.
 *
 * I/O     blocking, with the timeouts of RFC 5321 4.5.3.2; one link a thread.
 * Own     a link owns its connection, which it keeps between messages; lmtp_link_end() when
 *         it was idle for LMTP_IDLE_MS.
 * Errors  in the outcomes. A connection that was kept, and turns out dead before anything was
 *         answered, is made anew once: nothing was delivered over it. */
#ifndef DELIVERY_LMTP_H
#define DELIVERY_LMTP_H
#include "delivery/lmtp_engine.h"
#include "delivery/source.h"

#include <sys/socket.h>

enum { LMTP_IDLE_MS = 30 * 1000, LMTP_NAME_MAX = 300 };

struct lmtp_server {
    struct sockaddr_storage address;
    socklen_t len;
    char name[LMTP_NAME_MAX + 1]; /* as in the setting, for people */
};
/* "unix:/path" or "address:port", numeric. */
MUST_USE bool lmtp_server_parse(const char *setting, struct lmtp_server *out);

/* Our root was set to the directory of the socket, and that directory was deleted (a mail
 * store made anew): only a new process can find the new one. */
MUST_USE bool lmtp_server_unreachable(const struct lmtp_server *s);

struct lmtp_link;
/* server and hostname are borrowed. */
MUST_USE struct lmtp_link *lmtp_link_new(const struct lmtp_server *server,
                                         const char *hostname);
void lmtp_link_free(struct lmtp_link **l);
bool lmtp_link_connected(const struct lmtp_link *l);
void lmtp_link_end(struct lmtp_link *l); /* QUIT, close */

/* One message to n targets (at most LMTP_TARGETS_MAX); src was opened with SOURCE_OK. The
 * outcomes, one a target, are the link's until the next call. */
MUST_USE const struct outcome *lmtp_deliver(struct lmtp_link *l, struct source *src,
                                            const struct job *j,
                                            const struct job_target *target, unsigned n);
#endif
