/* spool/index.c - see index.h */
#include "spool/index.h"

#include <stdlib.h>

enum { INDEX_FIRST = 1024 };

void index_init(struct index *ix)
{
    *ix = (struct index){.free = INDEX_NONE};
}

void index_clear(struct index *ix)
{
    free(ix->node);
    free(ix->bucket);
    index_init(ix);
}

/* Sessions are random numbers of our own making: a multiplication spreads them enough. */
static uint32_t bucket_of(const struct index *ix, struct message_id id)
{
    uint64_t h = (id.session + id.n) * 0x9e3779b97f4a7c15U;
    return (uint32_t)(h >> 32) & (ix->bucket_n - 1);
}

static void link_node(struct index *ix, uint32_t at)
{
    uint32_t *bucket = &ix->bucket[bucket_of(ix, index_id(&ix->node[at]))];
    ix->node[at].same_hash = *bucket;
    *bucket = at;
}

static bool grow(struct index *ix)
{
    if (ix->node_cap > UINT32_MAX / 4) {
        return false;
    }
    uint32_t cap = ix->node_cap == 0 ? INDEX_FIRST : ix->node_cap * 2;
    uint32_t *bucket = malloc(cap * sizeof *bucket);
    struct index_node *node =
        bucket == NULL ? NULL : realloc(ix->node, cap * sizeof *node);
    if (node == NULL) {
        free(bucket);
        return false;
    }
    free(ix->bucket);
    ix->node = node;
    ix->bucket = bucket;
    ix->node_cap = ix->bucket_n = cap;
    for (uint32_t i = 0; i < cap; i++) {
        bucket[i] = INDEX_NONE;
    }
    /* Called only with the free list empty: every node is in use. */
    for (uint32_t i = 0; i < ix->node_n; i++) {
        link_node(ix, i);
    }
    return true;
}

uint32_t index_add(struct index *ix, struct message_id id, struct segment *segment,
                   uint64_t offset, uint64_t len, enum index_state state, uint32_t *list)
{
    uint32_t at = ix->free;
    if (at != INDEX_NONE) {
        ix->free = ix->node[at].same_hash;
    } else {
        if (ix->node_n == ix->node_cap && !grow(ix)) {
            return INDEX_NONE;
        }
        at = ix->node_n++;
    }
    uint64_t len8 = len / 8;
    ix->node[at] = (struct index_node){
        .session = id.session,
        .offset = offset,
        .segment = segment,
        .n = id.n,
        .same_segment = *list,
        .len8 = len8 > UINT32_MAX ? UINT32_MAX : (uint32_t)len8,
        .state = state,
    };
    *list = at;
    link_node(ix, at);
    ix->used++;
    return at;
}

uint32_t index_chain(const struct index *ix, struct message_id id)
{
    return ix->bucket_n == 0 ? INDEX_NONE : ix->bucket[bucket_of(ix, id)];
}

uint32_t index_find(const struct index *ix, struct message_id id)
{
    uint32_t best = INDEX_NONE;
    uint32_t at = index_chain(ix, id);
    for (; at != INDEX_NONE; at = ix->node[at].same_hash) {
        const struct index_node *node = &ix->node[at];
        if (node->session != id.session || node->n != id.n) {
            continue;
        }
        if (node->state == NODE_LIVE) {
            return at;
        }
        if (best == INDEX_NONE || node->state == NODE_DONE) {
            best = at;
        }
    }
    return best;
}

static void remove_node(struct index *ix, uint32_t at)
{
    uint32_t *link = &ix->bucket[bucket_of(ix, index_id(&ix->node[at]))];
    while (*link != at) {
        link = &ix->node[*link].same_hash;
    }
    *link = ix->node[at].same_hash;
    ix->node[at] = (struct index_node){.same_hash = ix->free};
    ix->free = at;
    ix->used--;
}

void index_drop(struct index *ix, uint32_t *list)
{
    while (*list != INDEX_NONE) {
        uint32_t at = *list;
        *list = ix->node[at].same_segment;
        remove_node(ix, at);
    }
}
