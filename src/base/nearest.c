/* base/nearest.c - see nearest.h */
#include "base/nearest.h"

#include <limits.h>
#include <string.h>

static unsigned min(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* The optimal string alignment distance, row by row: `row` is the current one, `above`
 * and `above2` the two before it. */
unsigned nearest_distance(struct slice a, struct slice b)
{
    unsigned above2[NEAREST_LEN_MAX + 1] = {0}, above[NEAREST_LEN_MAX + 1];
    unsigned row[NEAREST_LEN_MAX + 1];
    if (a.len > NEAREST_LEN_MAX || b.len > NEAREST_LEN_MAX) {
        return UINT_MAX;
    }
    for (unsigned j = 0; j <= b.len; j++) {
        above[j] = j;
    }
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned char ca = ascii_lower(a.ptr[i - 1]);
        row[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            unsigned char cb = ascii_lower(b.ptr[j - 1]);
            row[j] = min(min(row[j - 1], above[j]) + 1, above[j - 1] + (ca != cb));
            if (i > 1 && j > 1 && ca == ascii_lower(b.ptr[j - 2]) &&
                cb == ascii_lower(a.ptr[i - 2])) {
                row[j] = min(row[j], above2[j - 2] + 1);
            }
        }
        memcpy(above2, above, sizeof above2);
        memcpy(above, row, sizeof above);
    }
    return above[b.len];
}

unsigned nearest_limit(size_t len)
{
    return len < 3 ? 1 : len < 8 ? 2 : 3;
}

struct nearest nearest_to(struct slice typed)
{
    return (struct nearest){typed, NULL, nearest_limit(typed.len) + 1};
}

void nearest_offer(struct nearest *n, const char *word)
{
    unsigned distance = nearest_distance(n->typed, slice_of(word));
    if (distance < n->distance) {
        n->distance = distance;
        n->word = word;
    }
}
