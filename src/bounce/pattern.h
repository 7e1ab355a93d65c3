/* bounce/pattern.h - whether a pattern of the catalogue stands at one place of a text.
 *
 * Pure    no I/O, no allocation. The programs come from tools/bounce_pattern.py, not from
 *         outside, and are trusted.
 * Limits  each step takes one from *steps; at 0 the answer is no. */
#ifndef BOUNCE_PATTERN_H
#define BOUNCE_PATTERN_H
#include "base/slice.h"

/* The octets from lo up to hi of text; what lies beyond is not looked at. */
struct bounce_place {
    const unsigned char *text;
    size_t lo, hi;
    const uint64_t
        *edges; /* of the text, if lo is 0 and it is one line; NULL: not known */
};

/* A bit for each place, n included, where a word may begin or end: of n octets in
 * BOUNCE_EDGES(n) words. */
#define BOUNCE_EDGES(n) ((n) / 64 + 1)
void bounce_pattern_edges(const unsigned char *text, size_t n, uint64_t *edges);

/* Runs a program from `at` forwards (or backwards); *end is where its match ends (begins). */
MUST_USE bool bounce_pattern_fore(const struct bounce_place *p,
                                  const unsigned char *program, size_t at,
                                  unsigned *steps, size_t *end);
MUST_USE bool bounce_pattern_back(const struct bounce_place *p,
                                  const unsigned char *program, size_t at,
                                  unsigned *steps, size_t *start);
#endif
