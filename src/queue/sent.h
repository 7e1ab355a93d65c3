/* queue/sent.h - return paths of their own for single recipients (VERP), and to whom they lead back.
 *
 * Address "b-" TOKEN "@" domain. The token is base32 of a serial number (SENT_SERIAL_LEN octets, big
 *         endian) and SENT_MAC_LEN octets of HMAC-SHA-256 over it and the domain, under a key that
 *         nobody but this file has. The serial is the time when it was given out, in us: so the token
 *         tells its age, and serials come in order.
 * Sent    what was delivered under a serial: which message, of which account, to whom. Mail that comes
 *         back long after the queue has forgotten the message is matched by it.
 * Complaints what was sent may be complained of once. How many an account sent, and how many were complained of,
 *         is counted by the day.
 * I/O     one SQLite file (WAL), opened by one process only. Entries are written without a sync: a
 *         power cut may lose the last of them; their tokens then lead nowhere. Some 100 octets of disk
 *         an entry; entries grow at the end and are dropped from the start.
 * Own     slices of an entry that was found live until the next call.
 * Errors  SENT_FAULT, false: the database failed; said in the log once a minute. */
#ifndef QUEUE_SENT_H
#define QUEUE_SENT_H
#include "base/buf.h"
#include "base/id.h"

enum {
    SENT_SERIAL_LEN = 7,
    SENT_MAC_LEN = 10,
    SENT_LOCAL_LEN = 30, /* of the local part */
    SENT_ERROR_MAX = 300,
};

struct sent;

/* Makes the file if it is not there. NULL: why is in error. */
MUST_USE struct sent *sent_open(const char *path, char error[SENT_ERROR_MAX]);
void sent_close(struct sent **s);

/* A new serial; now_us: wall. */
MUST_USE uint64_t sent_serial(struct sent *s, uint64_t now_us);
/* Of a return path of ours. False: it is none. */
MUST_USE bool sent_serial_of(const struct sent *s, struct slice address,
                             uint64_t *serial);
/* The return path of that serial, appended. */
void sent_path(const struct sent *s, uint64_t serial, struct slice domain,
               struct buf *out);

struct sent_entry {
    struct message_id id;
    struct slice account, address;
};
/* It was delivered. Stays in memory until sent_flush(), but for sent_find(). */
bool sent_put(struct sent *s, uint64_t serial, const struct sent_entry *e);

/* To be called before the outcome of a delivery is synced: then whatever is not delivered again has its
 * entry. */
void sent_flush(struct sent *s);

enum sent_res {
    SENT_NOT = 0, /* no return path of ours, or nobody knows any more what it was for */
    SENT_OLD,     /* ours, but older than keep_ms */
    SENT_YES,
    SENT_FAULT,
};
/* What came back to that address, was it sent by us? YES: *out. */
MUST_USE enum sent_res sent_find(struct sent *s, struct slice address, uint64_t now_ms,
                                 uint64_t keep_ms, struct sent_entry *out);

/* Somebody complained of what went out under that return path of ours. YES: the first time. */
MUST_USE enum sent_res sent_complained(struct sent *s, struct slice path,
                                       const struct sent_entry *e, uint64_t now_ms);

/* Of accounts behind that one (or of `only`, if it is not empty), in their order, up to n: what was delivered and
 * complained of since that day. False: the database failed. *seen: how many; fewer than n: that was all. */
struct sent_rate {
    struct slice account;
    uint64_t sent, complained;
};
MUST_USE bool sent_rates(struct sent *s, struct slice behind, struct slice only,
                         uint64_t since_ms, unsigned n, unsigned *seen,
                         void (*each)(void *arg, const struct sent_rate *r), void *arg);

/* Drops up to n entries older than that. */
void sent_tidy(struct sent *s, uint64_t now_ms, uint64_t keep_ms, unsigned n);

/* --- without a file (pure) --- */

/* May the local part be a token, by its form? */
MUST_USE bool sent_is_token(struct slice local);
/* The first address in the text whose local part may be a token, at that domain; "": none. */
MUST_USE struct slice sent_find_text(struct slice text, struct slice domain);
#endif
