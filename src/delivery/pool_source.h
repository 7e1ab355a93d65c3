/* delivery/pool_source.h - which of our addresses mail goes out from (config/sources.h).
 *
 * Rule    by the message's number among the addresses of its pool: so it goes from the same one each time, as
 *         greylisting wants. Where that one has no address of a family of the hosts, or is not free (its
 *         site rests for it), the next that is; the system's choice where no pool is named.
 * Pure. */
#ifndef DELIVERY_POOL_SOURCE_H
#define DELIVERY_POOL_SOURCE_H
#include "config/sources.h"
#include "delivery/route.h"

/* May it be used now? */
typedef bool pool_source_free(void *arg, const struct sender_source *source);

enum pool_source_res {
    POOL_SOURCE_OK = 0,
    POOL_SOURCE_BUSY,      /* none is free: *out is the one to wait for */
    POOL_SOURCE_NO_FAMILY, /* none has an address of a family of the hosts */
};
/* keep: the one it was sent from before, free or not. */
MUST_USE enum pool_source_res pool_source_choose(const struct sources *sources,
                                                 unsigned pool, uint64_t seed, bool keep,
                                                 const struct route *route,
                                                 pool_source_free *is_free, void *arg,
                                                 const struct sender_source **out);

/* Leaves only hosts that it can connect to; at least one. */
void pool_source_hops(const struct sender_source *source, struct route *route);
/* The address that goes with that of a host; false: there is none of the family. */
MUST_USE bool pool_source_for(const struct sender_source *source, const struct ip *to,
                              struct ip *out);
#endif
