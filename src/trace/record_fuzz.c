/* trace/record_fuzz.c - two properties. As a record: whatever can be read to its end can
 * be written again and reads the same. As a script of writer calls: what is taken is
 * valid and holds the events in order. */
#include "trace/record.h"

#include <stdlib.h>

#define HOLDS(cond)                                                                      \
    do {                                                                                 \
        if (!(cond)) {                                                                   \
            abort();                                                                     \
        }                                                                                \
    } while (0)

static void same_view(const struct trace_view *a, const struct trace_view *b)
{
    HOLDS(a->kind == b->kind && a->n == b->n && a->field_n == b->field_n);
    for (unsigned i = 0; i < a->field_n; i++) {
        HOLDS(slice_eq(a->field[i].value, b->field[i].value));
    }
}

static void write_again(struct slice in, struct buf *out)
{
    struct trace_reader r;
    struct trace_view v;
    struct trace_writer w;
    enum trace_key kind;
    struct slice key;
    HOLDS(trace_open(in, &r));
    trace_init(&w, r.session, r.start_ms);
    while (trace_next_key(&r, &kind, &key)) {
        trace_key(&w, kind, key);
    }
    while (trace_next(&r, &v)) {
        struct fields f;
        fields_reset(&f);
        for (unsigned i = 0; i < v.field_n; i++) {
            fields_add(&f, "name", v.field[i].value);
        }
        trace_event(&w, v.kind, v.ms, v.n, &f);
    }
    trace_take(&w, 0, out);
    trace_clear(&w);
}

static void as_record(struct slice in)
{
    if (!trace_valid(in)) {
        return;
    }
    struct buf out;
    struct trace_reader a, b;
    struct trace_view va, vb;
    buf_init(&out, TRACE_RECORD_MAX);
    write_again(in, &out);
    HOLDS(!out.failed);
    if (out.len != 0) {
        HOLDS(trace_valid(buf_slice(&out)));
        HOLDS(trace_open(in, &a) && trace_open(buf_slice(&out), &b));
        HOLDS(a.session == b.session && a.start_ms == b.start_ms);
        /* Equal until the writer's smaller room for events was used up. */
        while (trace_next(&b, &vb) && trace_next(&a, &va)) {
            if (vb.kind != va.kind) {
                HOLDS(vb.kind == TRACE_note);
                break;
            }
            if (vb.kind != TRACE_note) {
                same_view(&va, &vb);
                HOLDS(va.ms == vb.ms);
            }
        }
    }
    buf_clear(&out);
}

static void as_script(struct slice in)
{
    struct wire_reader r = wire_reader_of(in);
    struct trace_writer w;
    struct buf out;
    buf_init(&out, TRACE_RECORD_MAX);
    trace_init(&w, 1, 0);
    for (uint32_t n = 0; r.rest.len != 0; n++) {
        uint8_t op = wire_u8(&r);
        struct slice s = slice_sub(in, wire_u8(&r), (size_t)wire_u8(&r) * 8);
        struct fields f;
        fields_reset(&f);
        fields_add(&f, "value", s);
        if (op < 128) {
            trace_event(&w, (enum trace_kind)(1 + op % (TRACE_KIND_COUNT - 1)), op, n,
                        &f);
        } else {
            trace_key(&w, op % 2 == 0 ? TRACE_KEY_IP : TRACE_KEY_ADDRESS, s);
        }
    }
    trace_take(&w, 0, &out);
    HOLDS(!out.failed && trace_empty(&w));
    HOLDS(out.len == 0 || trace_valid(buf_slice(&out)));
    struct trace_reader tr;
    struct trace_view v;
    uint32_t last = 0;
    if (out.len != 0) {
        HOLDS(trace_open(buf_slice(&out), &tr));
        while (trace_next(&tr, &v)) {
            HOLDS(v.n >= last || v.kind == TRACE_note);
            last = v.n;
        }
    }
    trace_clear(&w);
    buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    as_record((struct slice){data, size});
    as_script((struct slice){data, size});
    return 0;
}
