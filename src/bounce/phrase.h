/* bounce/phrase.h - where the patterns of the catalogue may begin in a text: all in one pass.
 *
 * Source  tools/bounce-compile.c makes one deterministic automaton of all patterns, each up to its first
 *         gap. It is walked from each place of the text where a word may begin or end, and mostly
 *         comes to an end within a word or two.
 * Pure    no I/O, no allocation.
 * Errors  none: each place where pattern.h finds a pattern is among those given (but see Limits), and
 *         few others are.
 * Limits  a phrase is followed for BOUNCE_PHRASE_MAX octets; `max` hits, more are dropped. */
#ifndef BOUNCE_PHRASE_H
#define BOUNCE_PHRASE_H
#include "base/slice.h"
#include "bounce/bounce_ids.h" /* BOUNCE_CONDITIONS_N; generated */
#include "bounce/token.h"

enum {
    BOUNCE_PHRASE_MAX = 512,
    BOUNCE_PHRASE_CONDITIONS =
        (BOUNCE_CONDITIONS_N / 64 + 2) / 2 * 2, /* words, in pairs */
};

/* A variant's program `fore` may match from `at`; its stretch that was looked for ends at `to`. Where
 * it may end at several places there is a hit for each, the longest last. */
struct bounce_phrase {
    uint16_t variant, at, to;
};

/* In the text's first n octets, from one of their edges (pattern.h) to another. In the order of
 * the places. Returns how many. conditions: the bit of each that stands anywhere is set. token: of these
 * octets; from those that are known, and from blanks before them, the first word need not be walked. */
MUST_USE size_t bounce_phrases(const unsigned char *text, size_t n, const uint64_t *edges,
                               const struct bounce_token *token, size_t tokens_n,
                               struct bounce_phrase *out, size_t max,
                               uint64_t conditions[BOUNCE_PHRASE_CONDITIONS]);
/* Those that are looked for in names, which stand in the text from lo to hi, anywhere. */
MUST_USE size_t bounce_phrases_in_names(const unsigned char *text, size_t lo, size_t hi,
                                        struct bounce_phrase *out, size_t max);

/* The automaton. A state is the index of its row in the cells, and the rows lie in each other's
 * gaps: for an octet of class c its cell is that of the row's index + c. The low octet is c if the
 * row has such a cell; then come the next state and, in the top bits, whether something may end
 * there and whether its row has usual cells: one for all letters, or all separators, that have none
 * of their own. If something may end, the row's cell 0, with one of the two classes below, says where in
 * bounce_phrase_users that stands: which of bounce_phrase_condition_rows (0: none), how many variants,
 * then which. */
enum {
    BOUNCE_PHRASE_LETTER = 0xfb,
    BOUNCE_PHRASE_SEPARATOR = 0xfc,
    BOUNCE_PHRASE_NONE = 0xfd,     /* class of the octets that no pattern has */
    BOUNCE_PHRASE_ANYWHERE = 0xfe, /* they may also end within a word */
    BOUNCE_PHRASE_USERS = 0xff,
};
#define BOUNCE_PHRASE_ENDS  ((uint32_t)1 << 31)
#define BOUNCE_PHRASE_USUAL ((uint32_t)1 << 30)
extern const uint32_t bounce_phrase_root[2]; /* of the text, of names */
extern const unsigned char bounce_phrase_class[256];
extern const unsigned char
    bounce_phrase_usual[256]; /* of a class: LETTER, SEPARATOR or NONE */
extern const uint16_t bounce_phrase_users[];
extern const uint64_t bounce_phrase_condition_rows[][BOUNCE_PHRASE_CONDITIONS];
extern const uint32_t bounce_phrase_cells[];

/* The cell that follows on `cell` by an octet; 0: none. At the beginning cell is the root << 8. */
static inline uint32_t bounce_phrase_next(uint32_t cell, unsigned char octet)
{
    uint32_t state = (cell & (BOUNCE_PHRASE_USUAL - 1)) >> 8;
    unsigned klass = bounce_phrase_class[octet];
    uint32_t next = bounce_phrase_cells[state + klass];
    if ((next & 0xff) == klass) {
        return next;
    }
    klass = bounce_phrase_usual[klass];
    if ((cell & BOUNCE_PHRASE_USUAL) == 0 ||
        ((next = bounce_phrase_cells[state + klass]) & 0xff) != klass) {
        return 0;
    }
    return next;
}
#endif
