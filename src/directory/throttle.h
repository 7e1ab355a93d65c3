/* directory/throttle.h - how often a login was wrong of late (pure: `now` is given).
 *
 * Rule    each failure weighs `span / limit` ms and is forgotten at that pace; once `limit` of
 *         them are remembered, no more is tried until one is forgotten.
 * Limits  `max` keys; beyond, the one that failed longest ago is forgotten. */
#ifndef DIRECTORY_THROTTLE_H
#define DIRECTORY_THROTTLE_H
#include "base/list.h"
#include "base/map.h"

struct throttle {
    struct map map;
    struct list used; /* longest ago first */
    size_t max;
};

void throttle_init(struct throttle *t, size_t max);
void throttle_clear(struct throttle *t);
/* 0: may try; else ms to wait. */
MUST_USE uint64_t throttle_wait(const struct throttle *t, struct slice key,
                                uint64_t limit, uint64_t span_ms, uint64_t now_ms);
/* One more failure; how many are remembered now, 1 at least. */
uint64_t throttle_fail(struct throttle *t, struct slice key, uint64_t limit,
                       uint64_t span_ms, uint64_t now_ms);
void throttle_forget(struct throttle *t, struct slice key);
#endif
