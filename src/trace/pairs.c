/* trace/pairs.c - see pairs.h */
#include "trace/pairs.h"

#include "base/hash.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct trace_pair) == TRACE_PAIR_LEN, "no padding");

uint64_t trace_hash_session(const uint64_t key[2], uint64_t session)
{
    unsigned char in[9] = {0};
    session = htole64(session);
    memcpy(in + 1, &session, sizeof session);
    return hash_octets(key, (struct slice){in, sizeof in});
}

uint64_t trace_hash_key(const uint64_t key[2], enum trace_key kind, struct slice text)
{
    unsigned char in[1 + TRACE_KEY_MAX] = {(unsigned char)kind};
    text = slice_sub(text, 0, TRACE_KEY_MAX);
    for (size_t i = 0; i < text.len; i++) {
        in[1 + i] = ascii_lower(text.ptr[i]);
    }
    return hash_octets(key, (struct slice){in, 1 + text.len});
}

int trace_pair_cmp(struct trace_pair a, struct trace_pair b)
{
    if (a.hash != b.hash) {
        return a.hash < b.hash ? -1 : 1;
    }
    return a.record == b.record ? 0 : a.record < b.record ? -1 : 1;
}

static int by_hash(const void *a, const void *b)
{
    return trace_pair_cmp(*(const struct trace_pair *)a, *(const struct trace_pair *)b);
}

void trace_pairs_sort(struct trace_pair *pair, size_t n)
{
    if (n > 1) {
        qsort(pair, n, sizeof *pair, by_hash);
    }
}

void trace_pairs_put(struct buf *out, const struct trace_pair *pair, size_t n)
{
    unsigned char *at = buf_room(out, n * TRACE_PAIR_LEN);
    if (at == NULL) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t v[2] = {htole64(pair[i].hash), htole64(pair[i].record)};
        memcpy(at + i * TRACE_PAIR_LEN, v, sizeof v);
    }
    buf_grew(out, n * TRACE_PAIR_LEN);
}

size_t trace_pairs_n(struct slice blob)
{
    return blob.len / TRACE_PAIR_LEN;
}

struct trace_pair trace_pairs_at(struct slice blob, size_t i)
{
    uint64_t v[2] = {0};
    memcpy(v, blob.ptr + i * TRACE_PAIR_LEN, sizeof v);
    return (struct trace_pair){le64toh(v[0]), le64toh(v[1])};
}

size_t trace_pairs_upto(struct slice blob, struct trace_pair p)
{
    size_t low = 0, high = trace_pairs_n(blob);
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (trace_pair_cmp(trace_pairs_at(blob, mid), p) <= 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}
