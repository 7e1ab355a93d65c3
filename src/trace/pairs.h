/* trace/pairs.h - the index of the trace store: which key stands in which record (pure).
 *
 * A pair is (hash of a key, id of a record). Keys come in no order, so a tree over them
 * would dirty a page per key. Pairs are therefore only appended: in blobs as they come
 * ("fresh"), and, once there are TRACE_RUN_PAIRS of them, sorted, as a run of chunks that
 * never changes again. Looking up searches each run by bisection.
 *
 * Format  a blob of pairs: u64 hash, u64 record, little-endian, nothing between. */
#ifndef TRACE_PAIRS_H
#define TRACE_PAIRS_H
#include "trace/record.h"

struct trace_pair {
    uint64_t hash, record;
};

enum {
    TRACE_PAIR_LEN = 16,
    TRACE_CHUNK_PAIRS = 500, /* a chunk fits a page of 8 KiB */
    TRACE_RUN_PAIRS = 65536,
    TRACE_RUN_CHUNKS_MAX = TRACE_RUN_PAIRS / TRACE_CHUNK_PAIRS + 1,
};

/* Hashes are keyed (the key stands in the database), so that no client can choose
 * addresses that meet another's. They can still meet by chance: compare the record. */
MUST_USE uint64_t trace_hash_session(const uint64_t key[2], uint64_t session);
MUST_USE uint64_t trace_hash_key(const uint64_t key[2], enum trace_key kind,
                                 struct slice text);

void trace_pairs_sort(struct trace_pair *pair, size_t n);
/* <0, 0, >0: by hash, then by record. */
MUST_USE int trace_pair_cmp(struct trace_pair a, struct trace_pair b);

void trace_pairs_put(struct buf *out, const struct trace_pair *pair, size_t n);
MUST_USE size_t trace_pairs_n(struct slice blob);
/* The ith of a blob; i < trace_pairs_n(). */
MUST_USE struct trace_pair trace_pairs_at(struct slice blob, size_t i);
/* How many pairs of a sorted blob are <= p. */
MUST_USE size_t trace_pairs_upto(struct slice blob, struct trace_pair p);
#endif
