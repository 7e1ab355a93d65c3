/* delivery/pool_source.c - see pool_source.h */
#include "delivery/pool_source.h"

#include "base/log.h"

bool pool_source_for(const struct sender_source *source, const struct ip *to,
                     struct ip *out)
{
    bool v4 = ip_is_v4(to);
    *out = v4 ? source->v4 : source->v6;
    return v4 ? source->has_v4 : source->has_v6;
}

static bool fits(const struct sender_source *source, const struct route *route)
{
    struct ip ip;
    for (unsigned i = 0; i < route->hop_n; i++) {
        if (pool_source_for(source, &route->hop[i].ip, &ip)) {
            return true;
        }
    }
    return false;
}

enum pool_source_res pool_source_choose(const struct sources *sources, unsigned pool,
                                        uint64_t seed, bool keep,
                                        const struct route *route,
                                        pool_source_free *is_free, void *arg,
                                        const struct sender_source **out)
{
    unsigned n = 0;
    const struct sender_source *all = sources_of(sources, pool, &n);
    const struct sender_source *first = NULL;
    for (unsigned i = 0; i < n; i++) {
        const struct sender_source *one = &all[(seed % n + i) % n];
        if (!fits(one, route)) {
            continue;
        }
        first = first == NULL ? one : first;
        if (is_free(arg, one)) {
            *out = one;
            return POOL_SOURCE_OK;
        }
        if (keep) {
            break;
        }
    }
    *out = first;
    return first == NULL ? POOL_SOURCE_NO_FAMILY : POOL_SOURCE_BUSY;
}

void pool_source_hops(const struct sender_source *source, struct route *route)
{
    unsigned kept = 0;
    struct ip ip;
    for (unsigned i = 0; i < route->hop_n; i++) {
        if (pool_source_for(source, &route->hop[i].ip, &ip)) {
            route->hop[kept++] = route->hop[i];
        }
    }
    BUG_ON(kept == 0); /* pool_source_choose() looked */
    route->hop_n = kept;
}
