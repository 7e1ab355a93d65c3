/* delivery/send_rate.h - how fast mail goes out: to a site, and from an address that is being warmed
 * up. Counted in the memory that all processes share (rate/table.h), which is kept over restarts.
 *
 * Pure    but for that memory; time comes as a parameter, in wall us.
 * Limits  two deliveries that look at the same moment may both find room for the last one. */
#ifndef DELIVERY_SEND_RATE_H
#define DELIVERY_SEND_RATE_H
#include "base/map.h"
#include "rate/limit.h"

/* When those that found no room may come again: each a little later than the one before, so that they do not all
 * come at once. */
struct send_turns {
    struct map by_key; /* u64 tag -> when the next one may, us */
};
enum { SEND_TURNS_MAX = 65536, SEND_WAIT_MAX_S = 3600 };
void send_turns_init(struct send_turns *t);
void send_turns_clear(struct send_turns *t);
/* Forgets what is over. */
void send_turns_sweep(struct send_turns *t, uint64_t now_us);

/* Seconds to wait before n more may go; 0: now. Counts nothing. table NULL: there is no limit. */
MUST_USE uint64_t send_rate_wait_s(const struct rate_table *table,
                                   struct send_turns *turns, enum rate_kind kind,
                                   struct slice name, uint64_t n,
                                   const struct rate_bound *bound, uint64_t now_us);
void send_rate_count(struct rate_table *table, enum rate_kind kind, struct slice name,
                     uint64_t n, const struct rate_bound *bound, uint64_t now_us);

/* The day of a warm-up: recipients of a site (key: our address and the site), of at most `bound`. */
MUST_USE bool send_warm_room(const struct rate_table *table, struct slice key,
                             uint64_t day, uint64_t n, uint64_t bound, uint64_t now_us);
void send_warm_count(struct rate_table *table, struct slice key, uint64_t day, uint64_t n,
                     uint64_t now_us);
#endif
