#include "bounce/phrase.h"

#include "bounce/vocabulary.h"

#include <string.h>

struct finder {
    const unsigned char *text;
    const uint64_t *edges; /* NULL: anything may end anywhere */
    uint64_t *conditions;
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
    const uint64_t *row = bounce_phrase_condition_rows[*user++];
    for (unsigned i = 0; i < BOUNCE_PHRASE_CONDITIONS; i++) {
        f->conditions[i] |= row[i];
    }
    unsigned n = *user++;
    for (unsigned i = 0; i < n && f->n < f->max; i++) {
        f->out[f->n++] = (struct bounce_phrase){user[i], (uint16_t)at, (uint16_t)to};
    }
}

static inline uint32_t state_of(uint32_t cell)
{
    return (cell & (BOUNCE_PHRASE_USUAL - 1)) >> 8;
}

/* Follows the automaton on for a phrase that begins at `at`, from `to`, where `cell` was the last. */
static void go_on(struct finder *f, size_t at, size_t to, size_t hi, uint32_t cell)
{
    size_t end = hi - at > BOUNCE_PHRASE_MAX ? at + BOUNCE_PHRASE_MAX : hi;
    for (size_t i = to; i < end; i++) {
        cell = bounce_phrase_next(cell, f->text[i]);
        if (cell == 0) {
            return;
        }
        if ((cell & BOUNCE_PHRASE_ENDS) != 0) {
            take(f, state_of(cell), at, i + 1);
        }
    }
}

/* All phrases of the text (0) or of names (1) that begin at `at`. */
static inline void walk(struct finder *f, size_t at, size_t hi, unsigned of)
{
    if (hi - at < 3 || bounce_begins(of, f->text + at)) {
        go_on(f, at, at, hi, bounce_phrase_root[of] << 8);
    }
}

/* Whether a phrase that begins with a known word may go on behind it: false for most. */
static inline bool goes_on(const struct finder *f, const struct bounce_token *t,
                           const struct bounce_token *tokens_end, unsigned way, size_t n)
{
    const struct bounce_vocable *v = t->known;
    const struct bounce_token *next = t + 1;
    if (n - t->to < 3) {
        return true;
    }
    bool blank = f->text[t->to] == ' ';
    if (blank && next < tokens_end && next->known != NULL && next->from == t->to + 1 &&
        (v->next[way] & bounce_next_bit(next->hash)) == 0) {
        return false;
    }
    const unsigned char *two = f->text + t->to + blank;
    return (v->follow[way] & bounce_follow_bit(two[0], two[1])) != 0;
}

/* As walk(), from a known word [0] or from the blank before it [1]: that far the vocabulary knows the way. */
static void begin(struct finder *f, const struct bounce_token *t,
                  const struct bounce_token *tokens_end, unsigned way, size_t n)
{
    const struct bounce_vocable *v = t->known;
    uint32_t cell = v->cell[way];
    size_t at = t->from - way;
    if ((v->ends & BOUNCE_ENDS_WITHIN) != 0) {
        walk(f, at, n, 0);
        return;
    }
    if (cell == 0) {
        return;
    }
    if ((cell & BOUNCE_PHRASE_ENDS) != 0) {
        take(f, state_of(cell), at, t->to);
    }
    size_t to = t->to;
    if ((v->ends & BOUNCE_ENDS_AT_BLANK << way) != 0 && to < n && f->text[to] == ' ') {
        cell = bounce_phrase_next(cell, ' ');
        take(f, state_of(cell), at, ++to);
    }
    if (goes_on(f, t, tokens_end, way, n)) {
        go_on(f, at, to, n, cell);
    }
}

size_t bounce_phrases(const unsigned char *text, size_t n, const uint64_t *edges,
                      const struct bounce_token *token, size_t tokens_n,
                      struct bounce_phrase *out, size_t max,
                      uint64_t conditions[BOUNCE_PHRASE_CONDITIONS])
{
    struct finder f = {text, edges, conditions, out, 0, max};
    const struct bounce_token *end = tokens_n > 0 ? token + tokens_n : token;
    memset(conditions, 0, BOUNCE_PHRASE_CONDITIONS * sizeof conditions[0]);
    for (size_t word = 0; word <= n / 64; word++) {
        for (uint64_t bits = edges[word]; bits != 0; bits &= bits - 1) {
            size_t at = word * 64 + (size_t)__builtin_ctzll(bits);
            while (token < end && token->from < at) {
                token++;
            }
            if (token < end && token->known != NULL && token->from == at) {
                begin(&f, token, end, 0, n);
            } else if (token < end && token->known != NULL && token->from == at + 1 &&
                       text[at] == ' ') {
                begin(&f, token, end, 1, n);
            } else {
                walk(&f, at, n, 0);
            }
        }
    }
    return f.n;
}

size_t bounce_phrases_in_names(const unsigned char *text, size_t lo, size_t hi,
                               struct bounce_phrase *out, size_t max)
{
    uint64_t conditions[BOUNCE_PHRASE_CONDITIONS]; /* of which names have none */
    struct finder f = {.text = text, .out = out, .max = max, .conditions = conditions};
    memset(conditions, 0, sizeof conditions);
    for (size_t at = lo; at < hi; at++) {
        walk(&f, at, hi, 1);
    }
    return f.n;
}
