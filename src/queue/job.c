/* queue/job.c - see job.h */
#include "queue/job.h"

#include "base/hash.h"
#include "base/log.h"

#include <string.h>

void job_write(struct buf *b, const struct job *j)
{
    wire_put_u64(b, j->seal);
    wire_put_u64(b, j->job);
    wire_put_u16(b, j->worker);
    wire_put_u64(b, j->id.session);
    wire_put_u32(b, j->id.n);
    wire_put_u64(b, j->segment);
    wire_put_u64(b, j->offset);
    wire_put_u64(b, j->message_len);
    wire_put_u32(b, j->envelope_len);
    wire_put_u32(b, j->head_len);
    wire_put_u64(b, j->arrival_ms);
    wire_put_text(b, j->sender);
    wire_put_text(b, j->account);
    wire_put_u8(b, j->service);
    wire_put_u16(b, j->flags);
    wire_put_u16(b, j->target_n);
}

void job_write_target(struct buf *b, const struct job_target *t)
{
    wire_put_u16(b, t->number);
    wire_put_u16(b, t->attempts);
    wire_put_text(b, t->given);
    wire_put_text(b, t->address);
}

static uint64_t seal_of(struct slice payload, const uint64_t key[2])
{
    return hash_octets(key, slice_from(payload, sizeof(uint64_t)));
}

void job_seal(struct buf *b, const uint64_t key[2])
{
    struct buf seal;
    buf_init(&seal, sizeof(uint64_t));
    wire_put_u64(&seal, seal_of(buf_slice(b), key));
    BUG_ON(seal.failed || b->failed || b->len < seal.len);
    memcpy(b->ptr, seal.ptr, seal.len);
    buf_clear(&seal);
}

bool job_sealed(struct slice payload, const uint64_t key[2])
{
    struct wire_reader r = wire_reader_of(payload);
    uint64_t seal = wire_u64(&r);
    return !r.failed && seal == seal_of(payload, key);
}

static struct job_target read_target(struct wire_reader *r)
{
    struct job_target t = {0};
    t.number = wire_u16(r);
    t.attempts = wire_u16(r);
    t.given = wire_text(r);
    t.address = wire_text(r);
    return t;
}

static bool count_is_sane(uint16_t n)
{
    return n >= 1 && n <= JOB_TARGETS_MAX;
}

bool job_read(struct slice payload, struct job *out)
{
    struct wire_reader r = wire_reader_of(payload);
    struct job j = {0};
    j.seal = wire_u64(&r);
    j.job = wire_u64(&r);
    j.worker = wire_u16(&r);
    j.id.session = wire_u64(&r);
    j.id.n = wire_u32(&r);
    j.segment = wire_u64(&r);
    j.offset = wire_u64(&r);
    j.message_len = wire_u64(&r);
    j.envelope_len = wire_u32(&r);
    j.head_len = wire_u32(&r);
    j.arrival_ms = wire_u64(&r);
    j.sender = wire_text(&r);
    j.account = wire_text(&r);
    j.service = wire_u8(&r);
    j.flags = wire_u16(&r);
    j.target_n = wire_u16(&r);
    j.targets = r;
    if (r.failed || !count_is_sane(j.target_n)) {
        return false;
    }
    for (uint16_t i = 0; i < j.target_n; i++) {
        (void)read_target(&r);
    }
    if (!wire_done(&r)) {
        return false;
    }
    *out = j;
    return true;
}

bool job_next_target(struct job *j, struct job_target *out)
{
    if (j->targets.failed || j->targets.rest.len == 0) {
        return false;
    }
    *out = read_target(&j->targets);
    return !j->targets.failed;
}

const char *job_advice_name(enum job_advice advice)
{
    static const char *const names[] = {
#define X(name) [JOB_##name] = #name,
        JOB_ADVICES(X)
#undef X
    };
    return names[advice];
}

void job_done_write(struct buf *b, uint64_t job, uint16_t target_n)
{
    wire_put_u64(b, job);
    wire_put_u16(b, target_n);
}

void job_done_write_outcome(struct buf *b, const struct job_outcome *o)
{
    wire_put_u16(b, o->number);
    wire_put_u8(b, (uint8_t)o->result);
    wire_put_u16(b, o->code);
    wire_put_u8(b, (uint8_t)o->advice);
    wire_put_u8(b, o->klass);
    wire_put_u32(b, o->wait_s);
    wire_put_u16(b, o->row);
    wire_put_u8(b, (uint8_t)((o->told ? 1 : 0) | (o->own ? 2 : 0)));
    wire_put_text(b, o->transport);
    wire_put_text(b, o->where);
    wire_put_text(b, o->reply);
    wire_put_text(b, o->reporter);
    wire_put_text(b, o->original);
}

/* False: the octets end early, or the result is none of ours. */
static bool read_outcome(struct wire_reader *r, struct job_outcome *out)
{
    struct job_outcome o = {0};
    o.number = wire_u16(r);
    uint8_t result = wire_u8(r);
    o.code = wire_u16(r);
    uint8_t advice = wire_u8(r);
    o.klass = wire_u8(r);
    o.wait_s = wire_u32(r);
    o.row = wire_u16(r);
    uint8_t bits = wire_u8(r);
    o.told = (bits & 1U) != 0;
    o.own = (bits & 2U) != 0;
    o.transport = wire_text(r);
    o.where = wire_text(r);
    o.reply = wire_text(r);
    o.reporter = wire_text(r);
    o.original = wire_text(r);
    if (r->failed || result > JOB_FAILED || advice >= JOB_ADVICE_COUNT) {
        return false;
    }
    o.result = (enum job_result)result;
    o.advice = (enum job_advice)advice;
    *out = o;
    return true;
}

bool job_done_read(struct slice payload, uint64_t *job, uint16_t *target_n,
                   struct wire_reader *rest)
{
    struct wire_reader r = wire_reader_of(payload);
    uint64_t number = wire_u64(&r);
    uint16_t n = wire_u16(&r);
    struct wire_reader at = r;
    if (r.failed || !count_is_sane(n)) {
        return false;
    }
    for (uint16_t i = 0; i < n; i++) {
        struct job_outcome o = {0};
        if (!read_outcome(&r, &o)) {
            return false;
        }
    }
    if (!wire_done(&r)) {
        return false;
    }
    *job = number;
    *target_n = n;
    *rest = at;
    return true;
}

bool job_done_next(struct wire_reader *rest, struct job_outcome *out)
{
    return rest->rest.len > 0 && read_outcome(rest, out);
}
