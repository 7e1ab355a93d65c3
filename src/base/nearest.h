/* base/nearest.h - "did you mean": the known word nearest to a mistyped one.
 *
 * Pure.
 * Limits  words of more than NEAREST_LEN_MAX octets are near to nothing. */
#ifndef BASE_NEAREST_H
#define BASE_NEAREST_H
#include "base/slice.h"

enum { NEAREST_LEN_MAX = 64 };

/* Single octets to insert, delete, replace or swap with their neighbour, without regard
 * to case; UINT_MAX when a word is too long. */
MUST_USE unsigned nearest_distance(struct slice a, struct slice b);

/* Distance above which a word of that length is a different one, not a slip of the
 * finger. */
MUST_USE unsigned nearest_limit(size_t len);

/* Keeps the best of many: starts empty, offer each known word. */
struct nearest {
    struct slice typed;
    const char *word; /* borrowed from the offers; NULL: none was near */
    unsigned distance;
};
MUST_USE struct nearest nearest_to(struct slice typed);
void nearest_offer(struct nearest *n, const char *word);
#endif
