/* trace/held.h - records that wait to be written to trace.db, in their order (pure).
 *
 * Own     copies; what trace_held_next() gives borrows until the next call that changes h.
 * Limits  TRACE_HELD_MAX octets with their heads. */
#ifndef TRACE_HELD_H
#define TRACE_HELD_H
#include "base/wire.h"

enum { TRACE_HELD_MAX = 4 * 1024 * 1024 };

struct trace_held {
    struct buf blobs;
    unsigned n;
};

struct trace_held_record {
    uint64_t at_ms;        /* when it came */
    uint64_t life, number; /* of an event (trace/keep.h); else 0 */
    struct slice record;
};

void trace_held_init(struct trace_held *h);
void trace_held_clear(struct trace_held *h); /* gives the memory back */
void trace_held_forget(struct trace_held *h);
/* False: no room; nothing changed. */
MUST_USE bool trace_held_add(struct trace_held *h, const struct trace_held_record *r);
struct wire_reader trace_held_all(const struct trace_held *h);
/* False: there is none left. */
bool trace_held_next(struct wire_reader *all, struct trace_held_record *out);
#endif
