/* bounce/token.h - the words of a normal text: what the learned words (words.h) are made of and, since
 * most phrases begin where a word does, where the automaton (phrase.h) starts.
 *
 * Pure    no I/O, no allocation; time is linear in the text.
 * Own     nothing: a token says where it stands. */
#ifndef BOUNCE_TOKEN_H
#define BOUNCE_TOKEN_H
#include "base/slice.h"

struct bounce_vocable;

/* A run of letters and digits, a mask, or a single ideograph, as these stand without blanks. */
struct bounce_token {
    uint64_t hash; /* of its octets; all numbers are one word */
    const struct bounce_vocable
        *known; /* by bounce_vocabulary_find(); NULL: not, or not asked */
    uint16_t from, to;
    bool number;
};

/* Those that begin in the first n octets of text, at most max of them, by the text's edges (pattern.h).
 * Returns how many. The BOUNCE_TOKEN_SLACK octets behind the n are read, and do not matter. */
enum { BOUNCE_TOKEN_SLACK = 16 };
MUST_USE size_t bounce_tokens(const unsigned char *text, size_t n, const uint64_t *edges,
                              size_t max, struct bounce_token *out);

/* The hash of a token's octets. */
MUST_USE uint64_t bounce_token_hash(const unsigned char *octets, size_t n);

/* Up to 8 octets from p as a number, zero behind them; 8 are read. */
MUST_USE uint64_t bounce_token_part(const unsigned char *p, size_t n);
#endif
