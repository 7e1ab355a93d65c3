/* directory/throttle.c - see throttle.h */
#include "directory/throttle.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    struct list node;
    uint64_t until; /* when all of it is forgotten */
    size_t key_len;
    unsigned char key[];
};

static uint64_t weight(uint64_t limit, uint64_t span_ms)
{
    return span_ms / limit == 0 ? 1 : span_ms / limit;
}

void throttle_init(struct throttle *t, size_t max)
{
    map_init(&t->map, max);
    list_init(&t->used);
    t->max = max;
}

static void drop(struct throttle *t, struct entry *e)
{
    (void)map_take(&t->map, (struct slice){e->key, e->key_len});
    list_remove(&e->node);
    free(e);
}

void throttle_clear(struct throttle *t)
{
    while (!list_empty(&t->used)) {
        drop(t, LIST_ITEM(t->used.next, struct entry, node));
    }
    map_clear(&t->map);
}

uint64_t throttle_wait(const struct throttle *t, struct slice key, uint64_t limit,
                       uint64_t span_ms, uint64_t now_ms)
{
    const struct entry *e = map_get(&t->map, key);
    uint64_t full = now_ms + weight(limit, span_ms) * (limit - 1);
    return e == NULL || e->until <= full ? 0 : e->until - full;
}

uint64_t throttle_fail(struct throttle *t, struct slice key, uint64_t limit,
                       uint64_t span_ms, uint64_t now_ms)
{
    struct entry *e = map_get(&t->map, key);
    uint64_t step = weight(limit, span_ms);
    if (e == NULL) {
        if (t->map.n >= t->max && !list_empty(&t->used)) {
            drop(t, LIST_ITEM(t->used.next, struct entry, node));
        }
        e = malloc(sizeof *e + key.len);
        if (e == NULL) {
            return 1;
        }
        *e = (struct entry){.key_len = key.len};
        list_init(&e->node);
        if (key.len > 0) {
            memcpy(e->key, key.ptr, key.len);
        }
        if (!map_put(&t->map, key, e)) {
            free(e);
            return 1;
        }
    }
    uint64_t most = now_ms + step * limit;
    e->until = (e->until > now_ms ? e->until : now_ms) + step;
    e->until = e->until > most ? most : e->until;
    list_remove(&e->node);
    list_append(&t->used, &e->node);
    return (e->until - now_ms + step - 1) / step;
}

void throttle_forget(struct throttle *t, struct slice key)
{
    struct entry *e = map_get(&t->map, key);
    if (e != NULL) {
        drop(t, e);
    }
}
