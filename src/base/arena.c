/* base/arena.c - see arena.h */
#include "base/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BLOCK = 1024 }; /* small: most transactions need a few hundred octets */

struct arena_block {
    struct arena_block *next;
    size_t cap, len;
    alignas(max_align_t) unsigned char data[];
};

void arena_init(struct arena *a, size_t max)
{
    *a = (struct arena){.max = max};
}

/* Frees the blocks from block up to, but without, end. */
static void free_chain(struct arena *a, struct arena_block *block,
                       const struct arena_block *end)
{
    while (block != end) {
        struct arena_block *next = block->next;
        a->used -= sizeof *block + block->cap;
        free(block);
        block = next;
    }
}

void arena_reset(struct arena *a)
{
    if (a->head == NULL) {
        return;
    }
    free_chain(a, a->head->next, NULL);
    a->head->next = NULL;
    a->head->len = 0;
}

void arena_clear(struct arena *a)
{
    free_chain(a, a->head, NULL);
    a->head = NULL;
}

struct arena_mark arena_mark(const struct arena *a)
{
    return (struct arena_mark){a->head, a->head == NULL ? 0 : a->head->len};
}

void arena_release(struct arena *a, struct arena_mark mark)
{
    if (mark.head == NULL) { /* taken when the arena was empty */
        arena_reset(a);
        return;
    }
    free_chain(a, a->head, mark.head);
    a->head = mark.head;
    a->head->len = mark.len;
}

static struct arena_block *add_block(struct arena *a, size_t n)
{
    size_t cap = n > ARENA_BLOCK ? n : ARENA_BLOCK;
    size_t whole = 0;
    if (__builtin_add_overflow(cap, sizeof(struct arena_block), &whole) ||
        whole > a->max - a->used) {
        return NULL;
    }
    struct arena_block *block = malloc(whole);
    if (block == NULL) {
        return NULL;
    }
    *block = (struct arena_block){.next = a->head, .cap = cap};
    a->head = block;
    a->used += whole;
    return block;
}

void *arena_alloc(struct arena *a, size_t n)
{
    size_t align = alignof(max_align_t);
    if (n > SIZE_MAX - align) {
        return NULL;
    }
    n = (n + align - 1) / align * align;
    struct arena_block *block = a->head;
    if (block == NULL || n > block->cap - block->len) {
        block = add_block(a, n);
    }
    if (block == NULL) {
        return NULL;
    }
    void *at = block->data + block->len;
    block->len += n;
    memset(at, 0, n);
    return at;
}

bool arena_dup(struct arena *a, struct slice s, struct slice *out)
{
    unsigned char *copy = arena_alloc(a, s.len == 0 ? 1 : s.len);
    if (copy == NULL) {
        return false;
    }
    if (s.len > 0) {
        memcpy(copy, s.ptr, s.len);
    }
    *out = (struct slice){copy, s.len};
    return true;
}
