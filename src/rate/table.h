/* rate/table.h - counts of who sends how much, in memory that several processes share.
 *
 * One segment of fixed size: a head and slots of 128 octets, eight in a bucket, one slot a key. A key is a kind
 * and a name ("ip" 192.0.2.1, "dkim" example.com). A slot counts how often, in three windows and for a
 * limit with a burst; how much is usual for the key; and how much of its mail was wanted.
 *
 * Shared   every process writes without a lock and waits for nobody: each word of a slot is changed
 *          by one compare-and-swap and is whole at any moment, so a process may die at any
 *          instruction. What then may be wrong: the addition that was under way is missing, or an
 *          hour is missing in what is usual; a slot that was just being taken is free again 2 s later.
 * Exact    additions are exact but for these: two processes that meet a new key in the same instant
 *          may each make a slot for it, and one of them goes with what it counted; what is added to
 *          a key in the instant when its slot is given to another goes to the other. Counts of a
 *          window are sliding: all of the current one, and of the one before it the share that the
 *          last window's length still covers, as if it had come evenly. Counters end at 2^24 - 1.
 * Aim      slots are found by SipHash under a random key: nobody outside can choose neighbours. Two
 *          keys of equal hash (64 bits) count as one.
 * Full     a key may stand in one of two buckets of RATE_BUCKET_SLOTS. Where both are full the key goes that was
 *          used longest ago, each doubling of its volume counting as RATE_VALUE_S seconds;
 *          never one that is under a limit. Is there none to go, the new key is not counted.
 * Pure     memory in, memory out; the caller says what time it is.
 * Source   GCRA: ITU-T I.371 annex A.
 * Units    seconds and microseconds since 1970, of the wall clock: it must survive restarts. Should it jump
 *          back, what was counted "later" counts as now. */
#ifndef RATE_TABLE_H
#define RATE_TABLE_H
#include "base/slice.h"

enum {
    RATE_BUCKET_SLOTS = 8,
    RATE_SLOT_OCTETS = 128,
    RATE_HEAD_OCTETS = 65536, /* a page, whatever the machine: segment.c maps it apart */
    RATE_HEAD_USED = 64,
    RATE_NAME_MAX = 56, /* octets kept of a key's name: for people, not for comparing */
    RATE_VALUE_S = 6 * 3600,
    RATE_COUNT_MAX = (1 << 24) - 1,
    RATE_USUAL_HOURS =
        64, /* an hour ago counts for what is usual 1/64 less than this one */
    RATE_SIGN_DAYS = 10, /* signs of a day ago count a tenth less than today's */
};

/* name, what its keys are */
#define RATE_KINDS(X)                                                                    \
    X(ip, "client address")                                                              \
    X(network, "network of the client address")                                          \
    X(ptr, "domain of the client's name")                                                \
    X(sender, "envelope sender")                                                         \
    X(spf, "domain that passed SPF")                                                     \
    X(dkim, "domain that signed")                                                        \
    X(from, "organizational domain of From")                                             \
    X(url, "registered domain of a link")                                                \
    X(message_id, "Message-ID")                                                          \
    X(rcpt, "recipient")                                                                 \
    X(rcpt_domain, "domain of the recipient")                                            \
    X(login, "login")                                                                    \
    X(customer, "relay customer")                                                        \
    X(ladder, "steps of a check's ladder")                                               \
    X(bulk, "organizational domain of From, whoever sent it")                            \
    X(connect, "connections of a client address")                                        \
    X(connect_network, "connections of a network")                                       \
    X(site_out, "site that mail goes to")                                                \
    X(warm_up, "day, address of ours that is warmed up, and site")                       \
    X(refused, "client address that a limit refused")
#define X(name, what) RATE_##name,
enum rate_kind { RATE_KINDS(X) RATE_KIND_COUNT };
#undef X
const char *rate_kind_name(enum rate_kind kind); /* "message-id" */
MUST_USE bool rate_kind_read(struct slice name, enum rate_kind *out);

enum rate_window { RATE_MINUTE = 0, RATE_HOUR, RATE_DAY, RATE_WINDOWS };
MUST_USE uint64_t rate_window_s(enum rate_window window);

struct rate_table;

/* The octets of a segment for so many keys, and back. */
MUST_USE size_t rate_size_for(size_t keys);
MUST_USE size_t rate_capacity(const struct rate_table *t);

/* Makes an empty table in memory of that size, which is all zero and aligned to a page. */
struct rate_table *rate_init(void *memory, size_t octets, const uint64_t hash_key[2]);
/* The table in memory that rate_init() or another process prepared. NULL: it is none. */
MUST_USE struct rate_table *rate_attach(void *memory, size_t octets);

struct rate_key {
    uint64_t tag;
    enum rate_kind kind;
    uint32_t place;    /* where rate_locate() saw it; 0: look for it */
    struct slice name; /* borrowed */
};
/* name: compared octet for octet; lower case it where case does not matter. */
MUST_USE struct rate_key rate_key(const struct rate_table *t, enum rate_kind kind,
                                  struct slice name);
/* For a key that is used several times: looks for its slot once. Stays right when the slot goes
 * to another key. */
void rate_locate(const struct rate_table *t, struct rate_key *key);
/* Has memory fetched that the key's use will touch. */
void rate_prefetch(const struct rate_table *t, const struct rate_key *key);

/* count a window; with a burst: so many at once at the most, and over time count a window. */
struct rate_limit {
    uint64_t count; /* 0: no limit */
    uint64_t burst; /* 0: counted by the window */
    enum rate_window window;
};

/* What is known of a key. All zero: nothing. */
struct rate_view {
    uint64_t count[RATE_WINDOWS]; /* sliding */
    uint64_t usual;     /* an hour, of the hours before this one: decayed mean */
    uint64_t good, bad; /* signs, decayed */
    uint64_t full_us;   /* the limit with a burst is used up to this time (GCRA's TAT) */
    uint64_t touched_s; /* last addition or sign */
    uint64_t limited_until_s; /* 0: not limited */
};
/* False: nothing is known. */
MUST_USE bool rate_read(const struct rate_table *t, const struct rate_key *key,
                        uint64_t now_us, struct rate_view *out);

/* Adds n. burst: the limit of this kind that has a burst, NULL: none; one a kind. *out (may be
 * NULL): as it is afterwards. False: there was no slot for a new key. */
bool rate_add(struct rate_table *t, const struct rate_key *key, uint64_t n,
              const struct rate_limit *burst, uint64_t now_us, struct rate_view *out);
/* The same, and signs. */
bool rate_add_signed(struct rate_table *t, const struct rate_key *key, uint64_t n,
                     const struct rate_limit *burst, unsigned good, unsigned bad,
                     uint64_t now_us);
/* Signs of what the key's mail is worth. Adds nothing to the counts. */
bool rate_sign(struct rate_table *t, const struct rate_key *key, unsigned good,
               unsigned bad, uint64_t now_us);
/* These signs in the place of those that there are. */
bool rate_set_signs(struct rate_table *t, const struct rate_key *key, unsigned good,
                    unsigned bad, uint64_t now_us);
/* The key is under a limit until then: it keeps its slot. 0 ends that. */
void rate_hold(struct rate_table *t, const struct rate_key *key, uint64_t until_s,
               uint64_t now_us);
void rate_forget(struct rate_table *t, const struct rate_key *key);
/* A number that is kept with a key that is there, for a key without a limit with a burst. 0: there is none. */
void rate_note(struct rate_table *t, const struct rate_key *key, uint64_t note);
MUST_USE uint64_t rate_noted(const struct rate_table *t, const struct rate_key *key);

/* Is so much (as it is after adding) more than the limit allows? */
MUST_USE bool rate_over(const struct rate_limit *limit, const struct rate_view *v,
                        uint64_t now_us);
/* What is measured of that limit: the window's count, or how much of the burst is used. */
MUST_USE uint64_t rate_measured(const struct rate_limit *limit, const struct rate_view *v,
                                uint64_t now_us);
/* Seconds until one more is allowed, if nothing else comes; an estimate, at least 1. */
MUST_USE uint64_t rate_wait_s(const struct rate_limit *limit, const struct rate_view *v,
                              uint64_t now_us);

/* Walks the slots in use: *at begins at 0. */
struct rate_entry {
    uint64_t tag; /* of its key */
    enum rate_kind kind;
    bool cut; /* the name was longer */
    unsigned char name_len;
    unsigned char name[RATE_NAME_MAX];
    struct rate_view view;
};
MUST_USE bool rate_next(const struct rate_table *t, size_t *at, uint64_t now_us,
                        struct rate_entry *out);

/* A slot as it is kept on disk, RATE_SLOT_OCTETS of it, and back into any table of the same hash
 * key. rate_save_next: false, there is none from *at up to the slot `end`. rate_load: false, the octets are no slot or there is no room. */
MUST_USE bool rate_save_next(const struct rate_table *t, size_t *at, size_t end,
                             unsigned char out[RATE_SLOT_OCTETS]);
MUST_USE bool rate_load(struct rate_table *t, const unsigned char in[RATE_SLOT_OCTETS],
                        uint64_t now_us);
void rate_hash_key(const struct rate_table *t, uint64_t out[2]);
#endif
