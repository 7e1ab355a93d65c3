/* directory/cache.c - see cache.h */
#include "directory/cache.h"

#include <stdlib.h>
#include <string.h>

enum { KEY_MAX = 400 }; /* 1 + 64 + 255 and the sign between, with room to spare */

struct cached {
    struct list node;
    uint64_t until_ms;
    size_t key_len, payload_len;
    unsigned char octets[]; /* key, then payload */
};

static struct slice key_of(const struct cached *e)
{
    return (struct slice){e->octets, e->key_len};
}

/* The service's octet, "local@domain": '@' stands in no domain, so two keys are equal only if
 * all parts are. */
static bool make_key(const struct dir_question *q, unsigned char key[KEY_MAX],
                     struct slice *out)
{
    size_t len = 1 + q->local.len + 1 + q->domain.len;
    if (len > KEY_MAX) {
        return false;
    }
    key[0] = q->service;
    if (q->local.len > 0) {
        memcpy(key + 1, q->local.ptr, q->local.len);
    }
    key[1 + q->local.len] = '@';
    if (q->domain.len > 0) {
        memcpy(key + 1 + q->local.len + 1, q->domain.ptr, q->domain.len);
    }
    *out = (struct slice){key, len};
    return true;
}

static void drop(struct dir_cache *c, struct cached *e)
{
    (void)map_take(&c->map, key_of(e));
    list_remove(&e->node);
    free(e);
}

void dir_cache_init(struct dir_cache *c, size_t max)
{
    map_init(&c->map, max);
    list_init(&c->used);
    c->max = max;
}

void dir_cache_clear(struct dir_cache *c)
{
    while (!list_empty(&c->used)) {
        drop(c, LIST_ITEM(c->used.next, struct cached, node));
    }
    map_clear(&c->map);
}

bool dir_cache_get(struct dir_cache *c, const struct dir_question *q, uint64_t now_ms,
                   struct dir_answer *out)
{
    unsigned char octets[KEY_MAX];
    struct slice key = {0};
    if (!make_key(q, octets, &key)) {
        return false;
    }
    struct cached *e = map_get(&c->map, key);
    if (e == NULL) {
        return false;
    }
    struct slice payload = {e->octets + e->key_len, e->payload_len};
    if (now_ms >= e->until_ms || !dir_answer_read(payload, out)) {
        drop(c, e);
        return false;
    }
    list_remove(&e->node);
    list_append(&c->used, &e->node);
    return true;
}

void dir_cache_put(struct dir_cache *c, const struct dir_question *q, uint64_t now_ms,
                   struct slice payload)
{
    unsigned char octets[KEY_MAX];
    struct slice key = {0};
    struct dir_answer answer = {0};
    if (c->max == 0 || !make_key(q, octets, &key) || !dir_answer_read(payload, &answer) ||
        answer.status == DIR_FAULT) {
        return;
    }
    struct cached *old = map_get(&c->map, key);
    if (old != NULL) {
        drop(c, old);
    } else if (c->map.n >= c->max) {
        drop(c, LIST_ITEM(c->used.next, struct cached, node));
    }
    struct cached *e = malloc(sizeof *e + key.len + payload.len);
    if (e == NULL) {
        return;
    }
    *e = (struct cached){.key_len = key.len, .payload_len = payload.len};
    e->until_ms =
        now_ms + (answer.quota != 0 ? DIR_CACHE_QUOTA_TTL_MS : DIR_CACHE_TTL_MS);
    memcpy(e->octets, key.ptr, key.len);
    if (payload.len > 0) {
        memcpy(e->octets + key.len, payload.ptr, payload.len);
    }
    if (!map_put(&c->map, key, e)) {
        free(e);
        return;
    }
    list_append(&c->used, &e->node);
}
