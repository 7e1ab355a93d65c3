/* spool/index.h - which record lies where: one node a record on disk (pure).
 *
 * A message has several nodes while copies of its record are on disk; at most one is live.
 * Nodes are named by number; a number is valid until its node is removed.
 *
 * Own     segments are borrowed; index_drop() must be called before one is freed.
 * Errors  INDEX_NONE: not found, or no memory. */
#ifndef SPOOL_INDEX_H
#define SPOOL_INDEX_H
#include "base/id.h"

enum index_state {
    NODE_LIVE = 0, /* some target of the message is not done */
    NODE_DONE, /* all are; kept so that the journal can say so while the record exists */
    NODE_OLD,  /* another copy is the live one */
};
#define INDEX_NONE UINT32_MAX

struct segment;
struct index_node {
    uint64_t session, offset;
    struct segment *segment; /* NULL: known from the journal alone */
    uint32_t n;
    uint32_t same_hash, same_segment; /* next node, or INDEX_NONE */
    uint32_t len8;                    /* octets of the record / 8, at most UINT32_MAX */
    enum index_state state;
};

struct index {
    struct index_node *node;
    uint32_t *bucket;
    uint32_t node_n, node_cap, bucket_n, free, used; /* free: list of removed nodes */
};

void index_init(struct index *ix);
void index_clear(struct index *ix);

/* *list: first node of the segment (INDEX_NONE: empty); the new one becomes the first. */
MUST_USE uint32_t index_add(struct index *ix, struct message_id id,
                            struct segment *segment, uint64_t offset, uint64_t len,
                            enum index_state state, uint32_t *list);
/* The live node of the message; else a done one; else any. */
MUST_USE uint32_t index_find(const struct index *ix, struct message_id id);
/* The first of the chain (by same_hash) that holds all nodes of the message, and others.
 */
MUST_USE uint32_t index_chain(const struct index *ix, struct message_id id);
/* All nodes of a list. */
void index_drop(struct index *ix, uint32_t *list);

MUST_USE static inline struct message_id index_id(const struct index_node *node)
{
    return (struct message_id){node->session, node->n};
}
#endif
