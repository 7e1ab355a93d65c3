#include "bounce/phrase.h"

#include <string.h>

struct finder {
    const unsigned char *text;
    const uint64_t *edges; /* NULL: anything may end anywhere */
    uint64_t *conditions;  /* NULL: they are not asked for */
    struct bounce_phrase *out;
    size_t n, max;
};

static inline bool edge(const uint64_t *edges, size_t at)
{
    return (edges[at / 64] >> at % 64 & 1) != 0;
}

/* What may end at `to`, in the state there. */
static void take(struct finder *f, uint32_t state, size_t at, size_t to)
{
    uint32_t users = bounce_phrase_cells[state];
    if ((users & 0xff) == BOUNCE_PHRASE_USERS && f->edges != NULL &&
        !edge(f->edges, to)) {
        return;
    }
    const uint16_t *user = bounce_phrase_users + (users >> 8);
    unsigned row = *user++;
    if (row != 0 && f->conditions != NULL) {
        for (unsigned i = 0; i < BOUNCE_PHRASE_CONDITIONS; i++) {
            f->conditions[i] |= bounce_phrase_condition_rows[row][i];
        }
    }
    for (unsigned i = *user++; i > 0 && f->n < f->max; i--) {
        f->out[f->n++] = (struct bounce_phrase){*user++, (uint16_t)at, (uint16_t)to};
    }
}

/* Follows the automaton from `at`. */
static inline void walk(struct finder *f, size_t at, size_t hi, uint32_t state)
{
    size_t end = hi - at > BOUNCE_PHRASE_MAX ? at + BOUNCE_PHRASE_MAX : hi;
    uint32_t flags = 0;
    for (size_t i = at; i < end; i++) {
        unsigned klass = bounce_phrase_class[f->text[i]];
        uint32_t cell = bounce_phrase_cells[state + klass];
        if ((cell & 0xff) != klass) {
            klass = bounce_phrase_usual[klass];
            if ((flags & BOUNCE_PHRASE_USUAL) == 0 ||
                ((cell = bounce_phrase_cells[state + klass]) & 0xff) != klass) {
                return;
            }
        }
        flags = cell;
        state = (cell & (BOUNCE_PHRASE_USUAL - 1)) >> 8;
        if ((cell & BOUNCE_PHRASE_ENDS) != 0) {
            take(f, state, at, i + 1);
        }
    }
}

size_t bounce_phrases(const unsigned char *text, size_t n, const uint64_t *edges,
                      struct bounce_phrase *out, size_t max,
                      uint64_t conditions[BOUNCE_PHRASE_CONDITIONS])
{
    struct finder f = {text, edges, conditions, out, 0, max};
    memset(conditions, 0, BOUNCE_PHRASE_CONDITIONS * sizeof conditions[0]);
    for (size_t word = 0; word <= n / 64; word++) {
        for (uint64_t bits = edges[word]; bits != 0; bits &= bits - 1) {
            walk(&f, word * 64 + (size_t)__builtin_ctzll(bits), n, bounce_phrase_root[0]);
        }
    }
    return f.n;
}

size_t bounce_phrases_in_names(const unsigned char *text, size_t lo, size_t hi,
                               struct bounce_phrase *out, size_t max)
{
    struct finder f = {.text = text, .out = out, .max = max};
    for (size_t at = lo; at < hi; at++) {
        walk(&f, at, hi, bounce_phrase_root[1]);
    }
    return f.n;
}
