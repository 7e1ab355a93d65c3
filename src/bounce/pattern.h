/* bounce/pattern.h - whether a pattern of the catalogue stands at one place of a text.
 *
 * Pure    no I/O, no allocation. The programs come from tools/bounce_pattern.py, not from
 *         outside, and are trusted.
 * Limits  each step takes one from *steps; at 0 the answer is no. */
#ifndef BOUNCE_PATTERN_H
#define BOUNCE_PATTERN_H
#include "base/slice.h"

/* As in tools/bounce_pattern.py. */
enum bounce_op {
    BOUNCE_OP_END = 0,
    BOUNCE_OP_LIT, /* n, n octets */
    BOUNCE_OP_ALT, /* offset (2) of a group for each class of octets, and for the end of the text;
                    * then the groups: n, n times where to (2). Offsets count from behind the
                    * classes. */
    BOUNCE_OP_JUMP,    /* offset from behind it (2) */
    BOUNCE_OP_GAP,     /* up to 60 octets of one line, between whole words */
    BOUNCE_OP_SEP,     /* 1 to 12 octets that are no letters or digits */
    BOUNCE_OP_PLUS,    /* up to 12 ASCII letters */
    BOUNCE_OP_LETTERS, /* the same, not behind a letter */
    BOUNCE_OP_NUM,     /* 1 to 6 digits */
    BOUNCE_OP_OPT,     /* at most one blank, hyphen or underscore */
    BOUNCE_OP_MASK,    /* one mask, whichever */
    BOUNCE_OP_BOUND,
};
/* What alternations tell apart, as in tools/bounce_pattern.py. */
enum { BOUNCE_ALT_CLASSES = 40, BOUNCE_NO_GROUP = 0xffff };

/* Whether c may stand in what op repeats. */
MUST_USE bool bounce_pattern_repeats(enum bounce_op op, unsigned char c);

/* The octets from lo up to hi of text; what lies beyond is not looked at. */
struct bounce_place {
    const unsigned char *text;
    size_t lo, hi;
    const uint64_t
        *edges; /* of the text, if lo is 0 and it is one line; NULL: not known */
};

/* Whether c is of a word: a small letter or a digit. */
static inline bool bounce_pattern_word(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || ascii_is_digit(c);
}

/* A bit for each place, n included, where a word may begin or end: of n octets in
 * BOUNCE_EDGES(n) words. */
#define BOUNCE_EDGES(n) ((n) / 64 + 1)
void bounce_pattern_edges(const unsigned char *text, size_t n, uint64_t *edges);

/* The next edge behind `at` < n: n is one. */
static inline size_t bounce_edge_after(const uint64_t *edges, size_t at)
{
    size_t i = at + 1;
    uint64_t bits = edges[i / 64] >> i % 64;
    while (bits == 0) {
        i = (i | 63) + 1;
        bits = edges[i / 64];
    }
    return i + (size_t)__builtin_ctzll(bits);
}

/* Runs a program from `at` forwards (or backwards); *end is where its match ends (begins). */
MUST_USE bool bounce_pattern_fore(const struct bounce_place *p,
                                  const unsigned char *program, size_t at,
                                  unsigned *steps, size_t *end);
MUST_USE bool bounce_pattern_back(const struct bounce_place *p,
                                  const unsigned char *program, size_t at,
                                  unsigned *steps, size_t *start);
#endif
