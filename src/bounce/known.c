#include "bounce/known.h"

#include <string.h>

_Static_assert((BOUNCE_KNOWN & (BOUNCE_KNOWN - 1)) == 0, "a power of two");

static bool same(const struct bounce_known_reply *r, const struct bounce_known_key *key,
                 struct slice text)
{
    return r->len == text.len && memcmp(&r->key, key, sizeof *key) == 0 &&
           memcmp(r->text, text.ptr, text.len) == 0;
}

static uint64_t hash(struct slice text)
{
    uint64_t h = text.len, part;
    size_t i = 0;
    for (; i + sizeof part <= text.len; i += sizeof part) {
        memcpy(&part, text.ptr + i, sizeof part);
        h = (h ^ part) * 0x9e3779b97f4a7c15U;
        h ^= h >> 32;
    }
    for (; i < text.len; i++) {
        h = (h ^ text.ptr[i]) * 0x9e3779b97f4a7c15U;
    }
    return h;
}

struct bounce_known_reply *bounce_known_place(struct bounce_known *k,
                                              const struct bounce_known_key *key,
                                              struct slice text, bool *known)
{
    uint64_t h = hash(text);
    struct bounce_known_reply *first = &k->reply[(h >> 40) % BOUNCE_KNOWN],
                              *second = &k->reply[(h >> 52) % BOUNCE_KNOWN];
    if (same(first, key, text)) {
        *known = true;
        return first;
    }
    *known = same(second, key, text);
    return *known || second->len == 0 ? second : first;
}

void bounce_known_keep(struct bounce_known_reply *place,
                       const struct bounce_known_key *key, struct slice text,
                       const struct bounce_verdict *verdict)
{
    place->key = *key;
    place->len = (uint16_t)text.len;
    memcpy(place->text, text.ptr, text.len);
    place->verdict = *verdict;
}
