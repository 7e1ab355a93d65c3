/* delivery/outcome.c - see outcome.h */
#include "delivery/outcome.h"

#include <stdio.h>
#include <string.h>

static size_t copy(unsigned char *to, size_t max, struct slice from)
{
    size_t n = from.len < max ? from.len : max;
    if (n > 0) {
        memcpy(to, from.ptr, n);
    }
    return n;
}

void outcome_set(struct outcome *o, enum job_result result, struct slice text)
{
    uint64_t code = 0;
    if (o->set) {
        return;
    }
    if (!slice_u64(slice_sub(text, 0, 3), &code)) {
        code = 0;
    }
    o->set = true;
    o->result = result;
    o->code = (uint16_t)code;
    o->reply_len = copy(o->reply, sizeof o->reply, text);
}

void outcome_set_fmt(struct outcome *o, enum job_result result, const char *fmt, ...)
{
    char text[OUTCOME_REPLY_MAX];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    outcome_set(o, result, slice_of(text));
}

void outcome_where(struct outcome *o, struct slice where)
{
    o->where_len = copy(o->where, sizeof o->where, where);
}

void outcome_write(const struct outcome *o, uint16_t number, const char *transport,
                   struct buf *done)
{
    struct job_outcome out = {
        .number = number,
        .code = o->code,
        .result = o->set ? o->result : JOB_DEFERRED,
        .advice = o->advice,
        .klass = o->klass,
        .wait_s = o->wait_s,
        .told = o->told,
        .own = o->own,
        .row = o->row,
        .transport = slice_of(transport),
        .where = {o->where, o->where_len},
        .reply = {o->reply, o->reply_len},
        .reporter = slice_sub(o->reporter, 0, OUTCOME_REPORTER_MAX),
        .original = slice_sub(o->original, 0, OUTCOME_ORIGINAL_MAX),
    };
    if (!o->set) {
        out.code = 451;
        out.reply = SLICE("451 4.3.0 delivery was not attempted");
    }
    job_done_write_outcome(done, &out);
}
