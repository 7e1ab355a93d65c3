/* queue/suppress.h - addresses that no mail is sent to: the suppression list.
 *
 * Entry   an address, for one account or (account empty) for all; why, the reply or words that
 *         say so, when first and last, how often, until when. A hard bounce suppresses for
 *         SUPPRESS_FIRST_MS, and each further one after that time for twice as long, up to
 *         SUPPRESS_DOUBLINGS times; complaints and entries by hand stay until they are removed.
 *         Entries whose time is over remain, so that the next bounce finds how often it was.
 * Alive   a delivery to the address removes what bounces put there, for all accounts. Complaints
 *         and entries by hand stay: whoever complained has a mailbox that works.
 * Address local part as it is, without quotes that it does not need; domain in lower case. IDNs
 *         are A-labels, as the spool has them.
 * I/O     one SQLite file (WAL), opened by one process only, which holds it locked. Bounces are
 *         written without a sync: a power cut may lose the last of them, and the address bounces
 *         again. What is put between suppress_begin() and suppress_commit() is synced.
 * Memory  SUPPRESS_CACHE_KIB of pages, whatever the number of entries; `suppress_bench` measures
 *         it, and lookups.
 * Own     slices that come out live until the next call.
 * Errors  SUPPRESS_FAULT, false: the database failed; said in the log once a minute. */
#ifndef QUEUE_SUPPRESS_H
#define QUEUE_SUPPRESS_H
#include "base/slice.h"

enum {
    SUPPRESS_ADDRESS_MAX = 512, /* octets; also of an account */
    SUPPRESS_EVIDENCE_MAX = 400,
    SUPPRESS_DOUBLINGS = 5,
    SUPPRESS_CACHE_KIB = 8 * 1024,
    SUPPRESS_ERROR_MAX = 300,
};
#define SUPPRESS_FIRST_MS (UINT64_C(30) * 24 * 60 * 60 * 1000)

/* clang-format off */
#define SUPPRESS_REASONS(X) X(bounce) X(complaint) X(hand)
#define X(name) SUPPRESS_##name,
enum suppress_reason { SUPPRESS_REASONS(X) SUPPRESS_REASON_COUNT };
#undef X
/* clang-format on */
const char *suppress_reason_name(enum suppress_reason reason);
MUST_USE bool suppress_reason_read(struct slice name, enum suppress_reason *out);

struct suppress_entry {
    struct slice account; /* empty: all */
    struct slice local, domain;
    enum suppress_reason reason;
    uint32_t times;
    uint64_t first_ms, last_ms, until_ms; /* wall; until 0: for good */
    struct slice evidence;
};

struct suppress;

/* Makes the file if it is not there. NULL: why is in error. */
MUST_USE struct suppress *suppress_open(const char *path, char error[SUPPRESS_ERROR_MAX]);
void suppress_close(struct suppress **s);

/* Is it an address that can be listed: something, an @, a domain; nothing below space? */
MUST_USE bool suppress_address_ok(struct slice address);

enum suppress_res { SUPPRESS_NOT = 0, SUPPRESS_YES, SUPPRESS_FAULT };
/* Is the address suppressed now, for the account or for all? YES: *out. */
MUST_USE enum suppress_res suppress_find(struct suppress *s, struct slice account,
                                         struct slice address, uint64_t now_ms,
                                         struct suppress_entry *out);

/* A mail of the account bounced: the address is no good. */
bool suppress_bounced(struct suppress *s, struct slice account, struct slice address,
                      struct slice evidence, uint64_t now_ms);
/* Who has the address complained of a mail of the account: for good. */
bool suppress_complained(struct suppress *s, struct slice account, struct slice address,
                         struct slice evidence, uint64_t now_ms);
/* A mail was delivered there. True: entries were removed. */
bool suppress_alive(struct suppress *s, struct slice address);

/* Puts, or replaces but for the earlier of the first times; e->local and e->domain are not looked
 * at. The address and the account are good. */
MUST_USE bool suppress_put(struct suppress *s, struct slice address,
                           const struct suppress_entry *e);
/* account NULL: of all accounts, and for all. *n: how many went. */
MUST_USE bool suppress_remove(struct suppress *s, const struct slice *account,
                              struct slice address, uint64_t *n);
MUST_USE bool suppress_begin(struct suppress *s);
MUST_USE bool suppress_commit(struct suppress *s);

/* The entries of one address: for all, and of accounts. False: the database failed. */
MUST_USE bool suppress_of(struct suppress *s, struct slice address,
                          void (*each)(void *arg, const struct suppress_entry *e),
                          void *arg);

/* Up to n entries behind the place, in the order of domain, local part, account; each() sees them
 * one by one. domain empty: all. False: the database failed. *seen: how many; fewer than n: that
 * was all. */
struct suppress_place {
    unsigned char octets[3 * SUPPRESS_ADDRESS_MAX];
    size_t domain_len, local_len, account_len;
};
MUST_USE bool suppress_page(struct suppress *s, struct suppress_place *place,
                            struct slice domain, unsigned n, unsigned *seen,
                            void (*each)(void *arg, const struct suppress_entry *e),
                            void *arg);
#endif
