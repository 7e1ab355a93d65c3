#include "bounce/phrase.h"

struct finder {
    struct bounce_phrase *out;
    size_t n, max;
};

static void take(struct finder *f, size_t users, size_t at)
{
    const uint16_t *user = bounce_phrase_users + users;
    for (unsigned i = *user++; i > 0 && f->n < f->max; i--) {
        f->out[f->n++] = (struct bounce_phrase){*user++, (uint16_t)at};
    }
}

static inline bool edge(const uint64_t *edges, size_t at)
{
    return (edges[at / 64] >> at % 64 & 1) != 0;
}

/* Follows the automaton from `at`. */
static inline void walk(struct finder *f, const unsigned char *text, size_t at, size_t hi,
                        const uint64_t *edges, size_t state)
{
    size_t end = hi - at > BOUNCE_PHRASE_MAX ? at + BOUNCE_PHRASE_MAX : hi;
    for (size_t i = at; i < end; i++) {
        unsigned klass = bounce_phrase_class[text[i]];
        uint32_t cell = bounce_phrase_cells[state + klass];
        if ((cell & 0xff) != klass) {
            return;
        }
        state = cell >> 8;
        uint32_t users = bounce_phrase_cells[state];
        if ((users & 0xff) == BOUNCE_PHRASE_ANYWHERE ||
            ((users & 0xff) == BOUNCE_PHRASE_USERS && edge(edges, i + 1))) {
            take(f, users >> 8, at);
        }
    }
}

size_t bounce_phrases(const unsigned char *text, size_t n, const uint64_t *edges,
                      struct bounce_phrase *out, size_t max)
{
    struct finder f = {.out = out, .max = max};
    for (size_t word = 0; word <= n / 64; word++) {
        for (uint64_t bits = edges[word]; bits != 0; bits &= bits - 1) {
            size_t at = word * 64 + (size_t)__builtin_ctzll(bits);
            walk(&f, text, at, n, edges, bounce_phrase_root[0]);
        }
    }
    return f.n;
}

size_t bounce_phrases_in_names(const unsigned char *text, size_t lo, size_t hi,
                               struct bounce_phrase *out, size_t max)
{
    struct finder f = {.out = out, .max = max};
    for (size_t at = lo; at < hi; at++) {
        walk(&f, text, at, hi, NULL, bounce_phrase_root[1]);
    }
    return f.n;
}
