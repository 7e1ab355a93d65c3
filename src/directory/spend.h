/* directory/spend.h - inside src/directory only: what users and relay customers sent lately, and
 * whether a message more is within their limits.
 *
 * Source  directory.db. `spent`: how much of whom counts until when; rows of one step of time are
 *         one. `charge`: what each message cost, so that a message which is counted again costs
 *         nothing, and one that was not sent in the end can be given back.
 * Window  what is counted at a time counts for at least the span, and at most a step longer: no
 *         span of that length ever holds more than the limit. The step is a minute of a day; a
 *         second, or a 600th, of shorter spans.
 * Atomic  spend_count() counts against everything or against nothing, in one synced change.
 * Limits  a message can be given back, or counted again without cost, for SPEND_CHARGE_S. */
#ifndef DIRECTORY_SPEND_H
#define DIRECTORY_SPEND_H
#include "directory/db.h"

enum { SPEND_DAY_S = 24 * 60 * 60, SPEND_CHARGE_S = 30 * 60, SPEND_TRIM = 64 };

struct spend_key {
    enum dir_limit_of which;
    struct slice who; /* borrowed */
    uint64_t limit;
    uint32_t span_s;
};

/* What a message counts against. */
struct spend {
    struct spend_key key[DIR_LIMIT_COUNT];
    unsigned n;
    int64_t push; /* id of the push account whose quotas are counted; 0: none */
};

/* One thing more that it counts against: "user ann@example.test", "relay acme", "peak acme", "sender
 * acme ann@acme.test", in the store's arena. A limit of 0 is none, and nothing is added. False: no
 * room. */
MUST_USE bool spend_add(struct dir_store *s, struct spend *sp, enum dir_limit_of which,
                        struct slice first, struct slice second, uint64_t limit,
                        uint32_t span_s);

/* How things stand, with so many recipients more. False: fault. */
MUST_USE bool spend_look(struct dir_store *s, const struct spend *sp, uint64_t recipients,
                         uint64_t now_ms, struct dir_limit out[DIR_LIMIT_COUNT]);
/* When the first of what counts now no longer does, Unix ms; 0: nothing counts. */
MUST_USE bool spend_frees(struct dir_store *s, const struct spend_key *key,
                          uint64_t now_ms, int64_t *ms);

/* Counts the message's recipients, unless out->quota or out->limit say that it does not fit; sets
 * out->spent. False: fault, nothing is counted. */
MUST_USE bool spend_count(struct dir_store *s, const struct spend *sp,
                          const struct dir_mail_ask *ask, uint64_t now_ms,
                          struct dir_mail *out);
/* What the message cost costs nothing any more. */
MUST_USE bool spend_give_back(struct dir_store *s, struct message_id message);
#endif
