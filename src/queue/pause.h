/* queue/pause.h - what does not go to other servers for now, because somebody said so: mail of an
 * account, to a domain, to a site.
 *
 * Account the login that brought a message, or the relay customer, or else its sender.
 * Site    the set of MX hosts of a domain as delivery/route.h names it ("mx1.example,mx2.example"),
 *         or one host of it. Only a delivery knows which domains are at a site; it is told of all
 *         pauses and sends back what meets one (JOB_paused).
 * Names   in any case; kept in lower case.
 * File    a line of JSON each, in any order: pause_write(), pauses_read().
 * Pure    no clock, no I/O; time comes as a parameter, in wall ms.
 * Own     all is copied. A pause lives until pauses_end() or a put under its name.
 * Errors  pauses_put(): PAUSES_MAX are there, or no memory.
 * Limits  PAUSES_MAX pauses, names and reasons of at most PAUSE_NAME_MAX and PAUSE_REASON_MAX
 *         octets; longer ones are refused by pause_make(). */
#ifndef QUEUE_PAUSE_H
#define QUEUE_PAUSE_H
#include "base/list.h"
#include "base/wire.h"

#include <jansson.h>

enum { PAUSES_MAX = 4096, PAUSE_NAME_MAX = 512, PAUSE_REASON_MAX = 200 };
/* The end of a pause that has none but by hand; after all times, and not "never". */
#define PAUSE_FOREVER (UINT64_MAX - 1)

/* clang-format off */
#define PAUSE_KINDS(X) X(account) X(domain) X(site)
#define X(name) PAUSE_##name,
enum pause_kind { PAUSE_KINDS(X) PAUSE_KIND_COUNT };
#undef X
/* clang-format on */
const char *pause_kind_name(enum pause_kind kind);
MUST_USE bool pause_kind_read(struct slice name, enum pause_kind *out);

struct pause {
    struct list node;
    uint64_t number; /* of all that were put: none twice */
    enum pause_kind kind;
    uint64_t since_ms, until_ms;
    uint16_t name_len, reason_len;
    char name[PAUSE_NAME_MAX], reason[PAUSE_REASON_MAX];
};

/* A pause of these; false: the name is empty or too long, or the reason is too long. */
MUST_USE bool pause_make(enum pause_kind kind, struct slice name, struct slice reason,
                         struct pause *out);
MUST_USE static inline struct slice pause_name(const struct pause *p)
{
    return (struct slice){(const unsigned char *)p->name, p->name_len};
}
MUST_USE static inline struct slice pause_reason(const struct pause *p)
{
    return (struct slice){(const unsigned char *)p->reason, p->reason_len};
}
/* "domain example.org: they asked for it" */
void pause_text(const struct pause *p, struct buf *out);

struct pauses;
MUST_USE struct pauses *pauses_new(void);
void pauses_free(struct pauses **p);
MUST_USE unsigned pauses_n(const struct pauses *p);

/* Copies it; replaces the one of that kind and name. */
MUST_USE bool pauses_put(struct pauses *p, const struct pause *pause);
/* False: there was none. */
bool pauses_end(struct pauses *p, enum pause_kind kind, struct slice name);
/* NULL: none. Also one whose time is over: who puts them ends them. */
MUST_USE const struct pause *pauses_find(const struct pauses *p, enum pause_kind kind,
                                         struct slice name);
/* NULL: it is no more. */
MUST_USE const struct pause *pauses_numbered(const struct pauses *p, uint64_t number);
/* By the name of the whole set, or else of one of its hosts. */
MUST_USE const struct pause *pauses_find_site(const struct pauses *p, struct slice site);
/* One whose time is over; NULL: none. */
MUST_USE const struct pause *pauses_over(const struct pauses *p, uint64_t now_ms);
/* In the order in which they were put; NULL: the first, and at the end. */
MUST_USE const struct pause *pauses_next(const struct pauses *p,
                                         const struct pause *after);

/* {"kind", "name", "reason", "since_ms", "until_ms" where there is one} */
MUST_USE json_t *pause_json(const struct pause *p);
/* The lines of all. */
void pauses_write(const struct pauses *p, struct buf *out);
/* Puts what the lines say; how many of them say nothing that could be put. */
MUST_USE unsigned pauses_read(struct pauses *p, struct slice lines);

/* MSG_PAUSE, from the queue to deliveries: u8 enum pause_say; of PAUSE_SAY_PUT u8 kind, u64 until ms,
 * text name, text reason; of PAUSE_SAY_END u8 kind, text name. */
enum pause_say { PAUSE_SAY_CLEAR = 0, PAUSE_SAY_PUT, PAUSE_SAY_END };
void pause_say_put(struct buf *b, const struct pause *p);
void pause_say_end(struct buf *b, enum pause_kind kind, struct slice name);
/* Does what it says; false: it is malformed. */
MUST_USE bool pauses_hear(struct pauses *p, struct slice payload);
#endif
