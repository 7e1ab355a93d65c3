/* bounce/words.h - the words of a reply as evidence: what is counted where no rule speaks clearly.
 *
 * Source  catalogue/bounces/labelled.tsv and the rules' examples, from which tools/bounce-train.c
 *         learns at build time how much each word, pair of words and pair of concepts
 *         (concepts.tsv) speaks for each class.
 * Pure    no I/O, no allocation. The trainer and the classifier see a reply through the same
 *         bounce_words().
 * Own     nothing.
 * Limits  BOUNCE_WORDS_TOKENS words of a reply are read. */
#ifndef BOUNCE_WORDS_H
#define BOUNCE_WORDS_H
#include "bounce/normal.h"

enum {
    BOUNCE_WORDS_TOKENS = 128,
    BOUNCE_WORDS_MAX = 7 * BOUNCE_WORDS_TOKENS + 32,
    BOUNCE_WORDS_ONE = 16, /* 1.0 in a row of bounce_learned_row */
    /* entries of a row: a class each, and as many more as make vectors of them */
    BOUNCE_WORDS_ROW = (BOUNCE_CLASSES_N + 15) / 16 * 16,
};

/* A word and the like, by its hash, and where it stands in the normal text; 0, 0: a code or a
 * status. */
struct bounce_word {
    uint32_t hash;
    uint16_t from, to;
};

/* All words of a reply; some may come twice. Returns how many. */
MUST_USE size_t bounce_words(const struct bounce_normal *n, unsigned code,
                             const struct bounce_status *status, size_t status_n,
                             struct bounce_word out[BOUNCE_WORDS_MAX]);

/* The same factor for few and for many words: how much of the sum of their rows counts. */
MUST_USE double bounce_words_share(size_t known_n);

/* The caller's memory for it: zero before the first use, and afterwards again. */
struct bounce_words_seen {
    uint64_t row[(UINT16_MAX + 1) / 64];
};

/* How much the words speak for each class, as the logarithm of its likelihood beside the likeliest
 * one's: 0 for that, less for all others. False: none of the text's words is known. */
MUST_USE bool bounce_words_weigh(const struct bounce_word *word, size_t n,
                                 struct bounce_words_seen *seen,
                                 double out[BOUNCE_CLASSES_N]);

/* Words of concepts.tsv by their hash, in an open table of a power of two; concept 0: no entry. */
struct bounce_concept {
    uint32_t hash;
    uint8_t concept;
};
extern const struct bounce_concept bounce_concept_table[];
extern const uint32_t bounce_concept_mask;

/* What was learned, in an open table: row 0 is none. */
struct bounce_learned {
    uint32_t hash;
    uint16_t row;
};
extern const struct bounce_learned bounce_learned_table[];
extern const uint32_t bounce_learned_mask;
extern const int8_t bounce_learned_row[][BOUNCE_WORDS_ROW];
#endif
