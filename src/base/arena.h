/* base/arena.h - memory that is given back all at once, with a cap.
 *
 * Own     everything allocated lives until arena_reset() or arena_clear().
 * Errors  NULL when the cap would be passed or memory is short; the arena stays usable.
 * Limits  at most max octets in all, block headers included. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H
#include "base/slice.h"

struct arena_block;
struct arena {
    struct arena_block *head;
    size_t used, max; /* octets taken from malloc, and their cap */
};

void arena_init(struct arena *a, size_t max);
void arena_reset(struct arena *a); /* keeps the first block */
void arena_clear(struct arena *a);

/* Zeroed, aligned for any type. */
MUST_USE void *arena_alloc(struct arena *a, size_t n);

/* Takes back what was allocated after the mark was taken. Marks nest; a reset or clear voids
 * them. */
struct arena_mark {
    struct arena_block *head;
    size_t len;
};
MUST_USE struct arena_mark arena_mark(const struct arena *a);
void arena_release(struct arena *a, struct arena_mark mark);

/* A copy of s that lives in the arena; ok is false when there was no room. */
MUST_USE bool arena_dup(struct arena *a, struct slice s, struct slice *out);
#endif
