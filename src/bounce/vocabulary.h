/* bounce/vocabulary.h - all that is asked of a usual word, in one place.
 *
 * A reply's words are mostly a few thousand usual ones. For each of them the table holds, worked out at
 * build time, where the automaton of phrase.h comes to by it and the rows of words.h that it has: in one
 * cache line what would otherwise be some ten places of large tables. It is a shortcut and nothing
 * else: a word that is not in it is followed and looked up octet by octet, and a verdict is the same with
 * and without it.
 *
 * Source  tools/bounce-vocabulary.c, from the words of labelled.tsv and of the rules' examples.
 * Pure    no I/O, no allocation.
 * Limits  words of up to BOUNCE_VOCABLE_OCTETS lower-case ASCII letters and digits. */
#ifndef BOUNCE_VOCABULARY_H
#define BOUNCE_VOCABULARY_H
#include "bounce/normal.h"
#include "bounce/pattern.h"
#include "bounce/token.h"

enum { BOUNCE_VOCABLE_OCTETS = 16 };

struct bounce_vocable {
    uint64_t octets[2]; /* little-endian, zero behind the word; 0: nothing here */
    /* Of a phrase that begins with the word [0], or with a blank and the word [1]: the automaton's last
     * cell (0: there is none), and how it may go on: which usual words may come behind a blank, by
     * bounce_next_bit(), and which two octets, by bounce_follow_bit(), behind a blank or (the first of
     * them is none) at once. What ends at the blank does not count among these. */
    uint64_t next[2], follow[2];
    uint32_t cell[2];
    uint16_t row, stem_row, concept_row; /* of bounce_learned_row; 0: none */
    uint8_t concept;                     /* of concepts.tsv; 0: none */
    uint8_t ends; /* BOUNCE_ENDS_..: where a phrase may end that the cell does not tell */
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct bounce_vocable) == 64, "one cache line");

/* In the word: walk it yourself. At the blank behind it, for [0] and [1]. */
enum { BOUNCE_ENDS_WITHIN = 1, BOUNCE_ENDS_AT_BLANK = 2, BOUNCE_ENDS_AT_BLANK_1 = 4 };

/* An open table of a power of two, by the token's hash. */
extern const struct bounce_vocable bounce_vocabulary[];
extern const uint32_t bounce_vocabulary_mask;

/* Notes in each token which vocable it is. text as for bounce_tokens(). */
void bounce_vocabulary_find(const unsigned char *text, struct bounce_token *token,
                            size_t n);

/* Each bit stands for several words, or pairs of octets. */
static inline uint64_t bounce_next_bit(uint64_t hash)
{
    return (uint64_t)1 << (hash >> 58);
}

static inline uint64_t bounce_follow_bit(unsigned char first, unsigned char second)
{
    return (uint64_t)1 << (first + 27U * second) % 64;
}

/* Whether a phrase of the text (0) or of names (1) may begin with these three octets, by one bit for
 * several such beginnings: mostly none does. Of the text only where the first is neither a mask nor of a
 * word: there too many do. */
enum { BOUNCE_BEGINNINGS = 4096 };
extern const uint64_t bounce_beginnings[2][BOUNCE_BEGINNINGS / 64];

static inline unsigned bounce_beginning(const unsigned char *p)
{
    return (p[0] + 41U * p[1] + 1681U * p[2]) % BOUNCE_BEGINNINGS;
}

static inline bool bounce_beginning_asked(unsigned of, unsigned char first)
{
    return of == 1 || (first > BOUNCE_MASK_ID && !bounce_pattern_word(first));
}

static inline bool bounce_begins(unsigned of, const unsigned char *p)
{
    unsigned i = bounce_beginning(p);
    return !bounce_beginning_asked(of, p[0]) ||
           (bounce_beginnings[of][i / 64] >> i % 64 & 1) != 0;
}
#endif
