/* check/rates.h - under which keys a message is counted, and what their counts say of it.
 *
 * When    a message is counted once, when every check of it has passed and before 250 is said; so what
 *         is refused is counted nowhere. Two processes that judge in the same instant do not see
 *         each other's message: a limit may be passed by as many as there are processes.
 * Who     a domain is counted only where authentication says that it sent the message; an envelope sender
 *         whose SPF did not pass counts together with its network, so that nobody can use up another's
 *         limit. Clients of rate.exempt-networks are not counted on mx.
 * Signs   good: the message was accepted. Bad: rates_refused(), by its table.
 * Pure    facts and counts in, counts changed. */
#ifndef CHECK_RATES_H
#define CHECK_RATES_H
#include "check/check.h"
#include "rate/table.h"

enum {
    RATES_NAME_MAX = 400,
    RATES_DOMAINS_MAX = 30, /* of links, and of recipients, that one message counts for */
    RATES_MEMO_MAX = 12,
    RATES_MEMO_TEXT = 1024,
    RATES_REFUSED_S = 60, /* so long rates_waits() remembers a refusal */
};

struct rates_key {
    struct rate_key key;               /* its name: lower case; cut */
    unsigned char own[RATES_NAME_MAX]; /* where it may stand */
};

/* Keys of one message and what is known of them, so that each is made and looked up once, though checks ask
 * for it several times. Holds the first key of each kind. */
struct rates_memo {
    const void *owner; /* whose message it is about */
    uint8_t
        at[RATE_KIND_COUNT]; /* 0: not asked for yet; else 1 + index, or RATES_NO_KEY */
    uint8_t n;
    size_t used;
    struct {
        struct rate_key key;
        struct rate_view view;
        bool viewed;
    } item[RATES_MEMO_MAX];
    unsigned char text[RATES_MEMO_TEXT];
};
/* Empties it. For facts->memo while one message is judged and counted, in one go: what is known of it
 * may not change but by what checks wait for before they ask for a key. */
void rates_memo_begin(struct rates_memo *m, const void *owner);

/* The message's nth key of that kind, from 0 on. False: there are no more (or nothing is counted). */
MUST_USE bool rates_key(const struct check_facts *f, enum rate_kind kind, unsigned nth,
                        struct rates_key *out);
/* The recipient that is judged (facts->rcpt). */
MUST_USE bool rates_rcpt_key(const struct check_facts *f, struct rates_key *out);

/* What is known of a key; all zero: nothing. */
struct rate_view rates_view(const struct check_facts *f, const struct rates_key *k);

/* What holds for the key of the limit of that setting: an exception's number (config/limits.h), or the setting's. */
#define RATES_LIMIT(field) offsetof(struct config, field)
MUST_USE const struct rate_bound *rates_bound(const struct check_facts *f,
                                              const struct rates_key *k, size_t setting);
/* May there be one? Whether keys have to be made at all. */
MUST_USE bool rates_limited(const struct check_facts *f, size_t setting);

/* n more than view would be more than that limit allows: holds the key, puts measured, limit, time, retry and what
 * into the evidence. */
MUST_USE bool rates_over(const struct check_facts *f, const struct rates_key *k,
                         const struct rate_view *v, size_t setting, uint64_t n,
                         struct check_verdict *out);

/* A client connected: counts it, unless it is over a limit: then true, and why in words. f: config,
 * service, address, ip, rates, now_ms. */
MUST_USE bool rates_connected(const struct check_facts *f, char *out, size_t cap);

/* The message passed all checks. */
void rates_count(const struct check_facts *f);

/* Who sent a message, as one number that nobody outside can make: of the address and the domains that passed SPF and
 * DKIM, in lower case, the latter in any order. rates_count() keeps it with the Message-ID, as long as that
 * is known (unless rate.message-id has a burst); of several messages with one Message-ID that of the last. */
MUST_USE uint64_t rates_origin(const struct rate_table *t, struct slice ip,
                               struct slice spf, const struct slice *dkim,
                               unsigned dkim_n);
/* message_id: the field's value. */
MUST_USE bool rates_is_origin(const struct rate_table *t, struct slice message_id,
                              uint64_t origin);

/* It named a trap (directory/answer.h) as a recipient. */
void rates_trapped(const struct check_facts *f);

/* Something of this client was refused with that row. */
void rates_refused(const struct check_facts *f, enum reply_id id);

/* Is it a row of limits on what a client sends, or of its reputation? */
MUST_USE bool rates_is_limit(enum reply_id id);
/* Has such a row refused this client of mx in the last RATES_REFUSED_S? f: as for rates_connected(). */
MUST_USE bool rates_waits(const struct check_facts *f);
#endif
