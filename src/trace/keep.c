/* trace/keep.c - see keep.h */
#include "trace/keep.h"

#include "trace/record.h"

enum { HEAD_LEN = 16, BLOB_LEN = 4 };

void trace_keep_init(struct trace_keep *k, uint64_t life, size_t max,
                     bool (*send)(void *arg, struct slice payload), void *arg)
{
    *k = (struct trace_keep){.send = send, .arg = arg, .life = life};
    buf_init(&k->records, max);
    buf_init(&k->payload, HEAD_LEN + TRACE_RECORD_MAX);
}

void trace_keep_clear(struct trace_keep *k)
{
    buf_clear(&k->records);
    buf_clear(&k->payload);
    k->sent = 0;
}

void trace_keep_put(struct trace_keep *k, struct slice record)
{
    size_t before = k->records.len;
    buf_reset(&k->payload);
    wire_put_u64(&k->payload, k->life);
    wire_put_u64(&k->payload, ++k->last);
    (void)buf_add(&k->payload, record);
    if (k->payload.failed) {
        k->dropped++;
        return;
    }
    bool room = before + BLOB_LEN + k->payload.len <= k->records.max;
    bool sent = k->sent == before && k->send(k->arg, buf_slice(&k->payload));
    if (room) {
        wire_put_blob(&k->records, buf_slice(&k->payload));
    }
    bool kept = room && !k->records.failed;
    if (!kept) {
        k->records.len = before; /* memory may be short */
        k->records.failed = false;
    }
    k->sent = sent ? k->records.len : k->sent;
    k->dropped += !kept && !sent;
}

void trace_keep_again(struct trace_keep *k)
{
    k->sent = 0;
}

void trace_keep_flush(struct trace_keep *k)
{
    struct wire_reader r = wire_reader_of(slice_from(buf_slice(&k->records), k->sent));
    while (r.rest.len > 0 && k->send(k->arg, wire_blob(&r))) {
        k->sent = k->records.len - r.rest.len;
    }
}

void trace_keep_done(struct trace_keep *k, uint64_t number)
{
    struct wire_reader r = wire_reader_of(buf_slice(&k->records));
    size_t done = 0;
    while (r.rest.len > 0) {
        struct wire_reader payload = wire_reader_of(wire_blob(&r));
        (void)wire_u64(&payload);
        if (wire_u64(&payload) > number) {
            break;
        }
        done = k->records.len - r.rest.len;
    }
    buf_consume(&k->records, done);
    k->sent = k->sent > done ? k->sent - done : 0;
}

void trace_keep_save(const struct trace_keep *k, struct buf *out)
{
    wire_put_u64(out, k->life);
    wire_put_u64(out, k->last);
    (void)buf_add(out, buf_slice(&k->records));
}

bool trace_keep_load(struct trace_keep *k, struct slice saved)
{
    struct wire_reader r = wire_reader_of(saved);
    uint64_t life = wire_u64(&r), last = wire_u64(&r), before = 0;
    struct slice records = r.rest;
    while (!r.failed && r.rest.len > 0) {
        struct wire_reader payload = wire_reader_of(wire_blob(&r));
        uint64_t of = wire_u64(&payload), number = wire_u64(&payload);
        if (r.failed || payload.failed || of != life || number <= before ||
            number > last) {
            return false;
        }
        before = number;
    }
    if (r.failed || records.len > k->records.max) {
        return false;
    }
    buf_reset(&k->records);
    (void)buf_add(&k->records, records);
    k->life = life;
    k->last = last;
    k->sent = 0;
    return !k->records.failed;
}

bool trace_keep_read(struct slice payload, uint64_t *life, uint64_t *number,
                     struct slice *record)
{
    struct wire_reader r = wire_reader_of(payload);
    *life = wire_u64(&r);
    *number = wire_u64(&r);
    *record = r.rest;
    return !r.failed;
}
