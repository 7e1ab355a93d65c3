/* bounce/phrase_naive.h - for the tests of phrase.h: what it must find, each pattern tried at each
 * place by itself. Pure. */
#ifndef BOUNCE_PHRASE_NAIVE_H
#define BOUNCE_PHRASE_NAIVE_H
#include "bounce/normal.h"
#include "bounce/pattern.h"
#include "bounce/phrase.h"
#include "bounce/table.h"
#include "bounce/vocabulary.h"

#include <string.h>

enum { PHRASE_NAIVE_MAX = 1 << 16, PHRASE_NAIVE_STEPS = 10000 };

static inline bool phrase_among(const struct bounce_phrase *hit, size_t n,
                                unsigned variant, size_t at)
{
    for (size_t i = 0; i < n; i++) {
        if (hit[i].variant == variant && hit[i].at == at) {
            return true;
        }
    }
    return false;
}

/* The hits in the text, by its tokens or (tokens_n 0) without. */
static inline size_t phrases_of(const struct bounce_normal *n, const uint64_t *edges,
                                const struct bounce_token *token, size_t tokens_n,
                                struct bounce_phrase *hit)
{
    uint64_t conditions[BOUNCE_PHRASE_CONDITIONS];
    return bounce_phrases(n->text, n->main_len, edges, token, tokens_n, hit,
                          PHRASE_NAIVE_MAX, conditions);
}

/* Whether what is known of usual words makes no difference but to time. */
static inline bool phrases_alike(const struct bounce_normal *n)
{
    static struct bounce_phrase hit[2][PHRASE_NAIVE_MAX];
    static struct bounce_token token[BOUNCE_NORMAL_MAX];
    static uint64_t edges[BOUNCE_EDGES(BOUNCE_NORMAL_MAX)];
    bounce_pattern_edges(n->text, n->main_len, edges);
    size_t tokens_n =
        bounce_tokens(n->text, n->main_len, edges, BOUNCE_NORMAL_MAX, token);
    bounce_vocabulary_find(n->text, token, tokens_n);
    size_t with = phrases_of(n, edges, token, tokens_n, hit[0]);
    size_t without = phrases_of(n, edges, NULL, 0, hit[1]);
    return with == without && memcmp(hit[0], hit[1], with * sizeof hit[0][0]) == 0;
}

/* How many of those that match (in *all) phrase.h does not find. */
static inline size_t phrases_missing(const struct bounce_normal *n, size_t *all)
{
    static struct bounce_phrase hit[PHRASE_NAIVE_MAX];
    static uint64_t edges[BOUNCE_EDGES(BOUNCE_NORMAL_MAX)];
    size_t missing = 0;
    *all = 0;
    bounce_pattern_edges(n->text, n->main_len, edges);
    for (unsigned in_url = 0; in_url < 2; in_url++) {
        struct bounce_place text = {n->text, 0, n->main_len, edges};
        struct bounce_place names = {n->text, n->main_len, n->len, NULL};
        const struct bounce_place *p = in_url != 0 ? &names : &text;
        size_t hits_n = in_url != 0 ? bounce_phrases_in_names(n->text, p->lo, p->hi, hit,
                                                              PHRASE_NAIVE_MAX)
                                    : phrases_of(n, edges, NULL, 0, hit);
        for (unsigned v = 0; v < BOUNCE_VARIANTS_N; v++) {
            if (bounce_variant_table[v].in_url != (in_url != 0)) {
                continue;
            }
            for (size_t at = p->lo; at < p->hi; at++) {
                unsigned steps = PHRASE_NAIVE_STEPS;
                size_t to;
                bool edge = in_url != 0 || (edges[at / 64] >> at % 64 & 1) != 0;
                if (edge &&
                    bounce_pattern_fore(p, bounce_programs + bounce_variant_table[v].fore,
                                        at, &steps, &to)) {
                    ++*all;
                    missing += !phrase_among(hit, hits_n, v, at);
                }
            }
        }
    }
    return missing;
}
#endif
