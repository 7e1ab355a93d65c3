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
#include "bounce/token.h"

enum {
    BOUNCE_WORDS_TOKENS = 128,
    BOUNCE_WORDS_MAX = 7 * BOUNCE_WORDS_TOKENS + 32,
    BOUNCE_WORDS_ONE = 16, /* 1.0 in a row of bounce_learned_row */
    /* entries of a row: a class each, and as many more as make vectors of them */
    BOUNCE_WORDS_ROW = (BOUNCE_CLASSES_N + 15) / 16 * 16,
};

/* What is said by the words of a reply: by rows where the vocabulary knows them, else by hashes. Some may come
 * twice. */
struct bounce_words_found {
    size_t hashes_n, numbers_n, rows_n;
    uint32_t hash[BOUNCE_WORDS_MAX]; /* the first numbers_n are of codes and status */
    uint16_t row[BOUNCE_WORDS_MAX];  /* of bounce_learned_row */
};

/* All words that may have a row, by the tokens of a reply's normal text. */
void bounce_words(const struct bounce_normal *n, const struct bounce_token *token,
                  size_t tokens_n, unsigned code, const struct bounce_status *status,
                  size_t status_n, struct bounce_words_found *out);

/* What a single word says, for the vocabulary. */
struct bounce_word_alone {
    uint32_t word, stem, concept_hash; /* stem: only if has_stem */
    bool has_stem;
    uint8_t concept; /* 0: none */
};
void bounce_word_alone(const unsigned char *text, const struct bounce_token *token,
                       struct bounce_word_alone *out);

/* The same factor for few and for many words: how much of the sum of their rows counts. */
MUST_USE double bounce_words_share(size_t known_n);

/* The caller's memory for it: zero before the first use, and afterwards again. */
struct bounce_words_seen {
    uint64_t row[(UINT16_MAX + 1) / 64];
    size_t n;
    uint16_t list[2 * BOUNCE_WORDS_MAX + 1];
};

/* 0: none. */
MUST_USE unsigned bounce_learned_row_of(uint32_t hash);

/* What all words together say: of each class the sum of their rows, the greatest of the sums, and what to
 * multiply them with. */
struct bounce_words_sum {
    int of[BOUNCE_WORDS_ROW], most;
    double share;
};

/* False: none of the text's words is known. */
MUST_USE bool bounce_words_weigh(const struct bounce_words_found *found,
                                 struct bounce_words_seen *seen,
                                 struct bounce_words_sum *out);

/* How much the words speak for a class, as the logarithm of its likelihood beside the likeliest one's: 0
 * for that, less for all others. */
static inline double bounce_words_say(const struct bounce_words_sum *sum, unsigned klass)
{
    return (sum->of[klass] - sum->most) * sum->share;
}

/* Words of concepts.tsv by their hash, in an open table of a power of two; concept 0: no entry. */
struct bounce_concept {
    uint32_t hash;
    uint8_t concept;
};
extern const struct bounce_concept bounce_concept_table[];
extern const uint32_t bounce_concept_mask;

/* What was learned, in an open table of buckets, a power of two; a bucket is compared at once, without
 * branches. Only behind a full one a hash may stand in the next. */
enum { BOUNCE_LEARNED_BUCKET = 8 };
struct bounce_learned {
    uint32_t hash[BOUNCE_LEARNED_BUCKET];
    uint32_t row[BOUNCE_LEARNED_BUCKET]; /* 0: none, and none behind it */
} __attribute__((aligned(64)));
extern const struct bounce_learned bounce_learned_table[];
extern const uint32_t bounce_learned_mask;
extern const int8_t bounce_learned_row[][BOUNCE_WORDS_ROW];

/* Where in a row a class stands: of 16 classes the first eight stand at the even places, the others between
 * them, as learned.c adds up both halves of 16 bits by themselves. */
static inline unsigned bounce_learned_column(unsigned klass)
{
    return klass / 16 * 16 + klass % 8 * 2 + klass / 8 % 2;
}
#endif
