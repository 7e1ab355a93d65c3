/* base/map.c - see map.h */
#include "base/map.h"

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

static uint64_t rotl(uint64_t x, unsigned b)
{
    return x << b | x >> (64 - b);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

/* SipHash-2-4, Aumasson and Bernstein 2012. */
static uint64_t siphash(const uint64_t key[2], struct slice s)
{
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575U, key[1] ^ 0x646f72616e646f6dU,
                     key[0] ^ 0x6c7967656e657261U, key[1] ^ 0x7465646279746573U};
    uint64_t last = (uint64_t)s.len << 56;
    for (; s.len >= 8; s = slice_from(s, 8)) {
        uint64_t word = 0;
        memcpy(&word, s.ptr, sizeof word);
        v[3] ^= word;
        sip_round(v);
        sip_round(v);
        v[0] ^= word;
    }
    for (size_t i = 0; i < s.len; i++) {
        last |= (uint64_t)s.ptr[i] << (8 * i);
    }
    v[3] ^= last;
    sip_round(v);
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++) {
        sip_round(v);
    }
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void map_init(struct map *m, size_t max)
{
    *m = (struct map){.max = max};
    if (getrandom(m->key, sizeof m->key, 0) != (ssize_t)sizeof m->key) {
        abort(); /* no kernel that we run on fails this */
    }
}

static void free_entry(void *arg, struct slice key, void *value)
{
    (void)arg;
    (void)value;
    free((void *)(uintptr_t)(key.ptr - offsetof(struct map_entry, key)));
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
    map_each(m, free_entry, NULL);
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
    struct map_entry *e = *place(m, key, siphash(m->key, key));
    return e == NULL ? NULL : e->value;
}

static bool grow(struct map *m)
{
    size_t bucket_n = m->bucket_n == 0 ? MAP_FIRST : m->bucket_n * 2;
    struct map_entry **bucket = calloc(bucket_n, sizeof *bucket);
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
    uint64_t hash = siphash(m->key, key);
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
    struct map_entry **at = place(m, key, siphash(m->key, key));
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
