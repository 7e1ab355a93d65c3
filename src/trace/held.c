/* trace/held.c - see held.h */
#include "trace/held.h"

#include "base/log.h"

enum { HEAD_LEN = 3 * sizeof(uint64_t) };

void trace_held_init(struct trace_held *h)
{
    *h = (struct trace_held){0};
    buf_init(&h->blobs, TRACE_HELD_MAX);
}

void trace_held_clear(struct trace_held *h)
{
    buf_clear(&h->blobs);
    h->n = 0;
}

void trace_held_forget(struct trace_held *h)
{
    buf_reset(&h->blobs);
    h->n = 0;
}

bool trace_held_add(struct trace_held *h, const struct trace_held_record *r)
{
    struct buf *b = &h->blobs;
    size_t before = b->len;
    wire_put_u32(b, (uint32_t)(HEAD_LEN + r->record.len));
    wire_put_u64(b, r->at_ms);
    wire_put_u64(b, r->life);
    wire_put_u64(b, r->number);
    if (!buf_add(b, r->record)) {
        b->len = before;
        b->failed = false;
        return false;
    }
    h->n++;
    return true;
}

struct wire_reader trace_held_all(const struct trace_held *h)
{
    return wire_reader_of(buf_slice(&h->blobs));
}

bool trace_held_next(struct wire_reader *all, struct trace_held_record *out)
{
    if (all->rest.len == 0) {
        return false;
    }
    struct wire_reader r = wire_reader_of(wire_blob(all));
    out->at_ms = wire_u64(&r);
    out->life = wire_u64(&r);
    out->number = wire_u64(&r);
    out->record = r.rest;
    BUG_ON(all->failed || r.failed); /* we wrote it */
    return true;
}
