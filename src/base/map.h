/* base/map.h - a hash map from octets to pointers.
 *
 * Keys    copied; hashed with SipHash-2-4 under a key drawn at map_init(), so that nobody
 *         outside can aim at one bucket.
 * Own     values belong to the caller. map_clear() frees the map, not the values.
 * Errors  map_put() is false when max entries are held or memory is short.
 * Limits  max entries, stated at birth; keys of at most 65,535 octets. */
#ifndef BASE_MAP_H
#define BASE_MAP_H
#include "base/slice.h"

struct map_entry;
struct map {
    struct map_entry **bucket;
    size_t bucket_n, n, max;
    uint64_t key[2];
};

void map_init(struct map *m, size_t max);
void map_clear(struct map *m);

MUST_USE void *map_get(const struct map *m, struct slice key);       /* NULL: not there */
MUST_USE bool map_put(struct map *m, struct slice key, void *value); /* replaces */
void *map_take(struct map *m, struct slice key); /* removes; NULL: not there */

/* Calls each(arg, key, value) for all; each may not change the map. */
void map_each(const struct map *m, void (*each)(void *arg, struct slice key, void *value),
              void *arg);

/* A key over an integer: valid as long as *v. */
MUST_USE static inline struct slice map_key_u64(const uint64_t *v)
{
    return (struct slice){(const unsigned char *)v, sizeof *v};
}
#endif
