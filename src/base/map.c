/* base/map.c - see map.h */
#include "base/map.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { MAP_FIRST = 64, MAP_KEY_MAX = 65535 };

struct map_entry {
    struct map_entry *next;
    void *value;
    uint64_t hash;
    size_t key_len;
    unsigned char key[];
};

void map_init(struct map *m, size_t max)
{
    *m = (struct map){.max = max};
    if (getrandom(m->key, sizeof m->key, 0) != (ssize_t)sizeof m->key) {
        abort(); /* no kernel that we run on fails this */
    }
}

void map_each(const struct map *m, void (*each)(void *arg, struct slice key, void *value),
              void *arg)
{
    for (size_t i = 0; i < m->bucket_n; i++) {
        struct map_entry *next = NULL;
        for (struct map_entry *e = m->bucket[i]; e != NULL; e = next) {
            next = e->next;
            each(arg, (struct slice){e->key, e->key_len}, e->value);
        }
    }
}

void map_clear(struct map *m)
{
    for (size_t i = 0; i < m->bucket_n; i++) {
        while (m->bucket[i] != NULL) {
            struct map_entry *e = m->bucket[i];
            m->bucket[i] = e->next;
            free(e);
        }
    }
    free(m->bucket);
    m->bucket = NULL;
    m->bucket_n = 0;
    m->n = 0;
}

/* Where the pointer to the entry with this key stands (or would stand). */
static struct map_entry **place(const struct map *m, struct slice key, uint64_t hash)
{
    struct map_entry **at = &m->bucket[hash & (m->bucket_n - 1)];
    while (*at != NULL && ((*at)->hash != hash || (*at)->key_len != key.len ||
                           memcmp((*at)->key, key.ptr, key.len) != 0)) {
        at = &(*at)->next;
    }
    return at;
}

void *map_get(const struct map *m, struct slice key)
{
    if (m->n == 0) {
        return NULL;
    }
    struct map_entry *e = *place(m, key, hash_octets(m->key, key));
    return e == NULL ? NULL : e->value;
}

static bool grow(struct map *m)
{
    size_t bucket_n = m->bucket_n == 0 ? MAP_FIRST : m->bucket_n * 2;
    struct map_entry **bucket = calloc(bucket_n, sizeof(struct map_entry *));
    if (bucket == NULL) {
        return false;
    }
    for (size_t i = 0; i < m->bucket_n; i++) {
        struct map_entry *next = NULL;
        for (struct map_entry *e = m->bucket[i]; e != NULL; e = next) {
            next = e->next;
            e->next = bucket[e->hash & (bucket_n - 1)];
            bucket[e->hash & (bucket_n - 1)] = e;
        }
    }
    free(m->bucket);
    m->bucket = bucket;
    m->bucket_n = bucket_n;
    return true;
}

bool map_put(struct map *m, struct slice key, void *value)
{
    if (key.len > MAP_KEY_MAX || (m->n >= m->bucket_n && !grow(m) && m->bucket_n == 0)) {
        return false;
    }
    uint64_t hash = hash_octets(m->key, key);
    struct map_entry **at = place(m, key, hash);
    if (*at != NULL) {
        (*at)->value = value;
        return true;
    }
    if (m->n >= m->max) {
        return false;
    }
    struct map_entry *e = malloc(sizeof *e + key.len);
    if (e == NULL) {
        return false;
    }
    *e = (struct map_entry){.value = value, .hash = hash, .key_len = key.len};
    if (key.len > 0) {
        memcpy(e->key, key.ptr, key.len);
    }
    *at = e;
    m->n++;
    return true;
}

void *map_take(struct map *m, struct slice key)
{
    if (m->n == 0) {
        return NULL;
    }
    struct map_entry **at = place(m, key, hash_octets(m->key, key));
    struct map_entry *e = *at;
    if (e == NULL) {
        return NULL;
    }
    void *value = e->value;
    *at = e->next;
    free(e);
    m->n--;
    return value;
}
