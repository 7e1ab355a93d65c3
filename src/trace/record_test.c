/* trace/record_test.c - round trip, cuts, limits, and a reader that stays inside. */
#include "trace/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint64_t session = 0x0123456789abcdef, start = 1700000000000;

static void add(struct trace_writer *w, enum trace_kind kind, uint64_t ms, uint32_t n,
                const char *name, struct slice value)
{
    struct fields f;
    fields_reset(&f);
    fields_add(&f, name, value);
    fields_add_u64(&f, "number", 42);
    trace_event(w, kind, ms, n, &f);
}

static void sample(struct buf *out)
{
    struct trace_writer w;
    trace_init(&w, session, start);
    trace_key(&w, TRACE_KEY_IP, SLICE("2001:DB8::1"));
    trace_key(&w, TRACE_KEY_ADDRESS, SLICE("Alice@Example.TEST"));
    add(&w, TRACE_connect, start, 0, "ip", SLICE("192.0.2.7"));
    trace_event(&w, TRACE_close, start + 5000, 3, NULL);
    add(&w, TRACE_note, start + 70000, UINT32_MAX, "text", SLICE("\0\xff\x1b"));
    trace_take(&w, start + 80000, out);
    assert_true(trace_empty(&w));
    assert_int_equal(w.start_ms, start + 80000);
    trace_clear(&w);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct buf b;
    struct trace_reader r;
    struct trace_view v;
    enum trace_key kind;
    struct slice s;
    buf_init(&b, TRACE_RECORD_MAX);
    sample(&b);
    assert_false(b.failed);
    assert_true(trace_valid(buf_slice(&b)));

    assert_true(trace_open(buf_slice(&b), &r));
    assert_true(r.session == session && r.start_ms == start);
    assert_int_equal(r.key_n, 2);
    assert_true(trace_next_key(&r, &kind, &s));
    assert_int_equal(kind, TRACE_KEY_IP);
    assert_true(slice_eq(s, SLICE("2001:db8::1")));
    assert_true(trace_next_key(&r, &kind, &s));
    assert_int_equal(kind, TRACE_KEY_ADDRESS);
    assert_true(slice_eq(s, SLICE("alice@example.test")));
    assert_false(trace_next_key(&r, &kind, &s));

    assert_true(trace_next(&r, &v));
    assert_int_equal(v.kind, TRACE_connect);
    assert_int_equal(v.ms, start);
    assert_int_equal(v.n, 0);
    assert_int_equal(v.field_n, 2);
    assert_true(trace_get(&v, "ip", &s) && slice_eq(s, SLICE("192.0.2.7")));
    assert_true(trace_get(&v, "number", &s) && slice_eq(s, SLICE("42")));
    assert_false(trace_get(&v, "port", &s));
    assert_true(trace_next(&r, &v));
    assert_int_equal(v.kind, TRACE_close);
    assert_int_equal(v.ms, start + 5000);
    assert_int_equal(v.n, 3);
    assert_int_equal(v.field_n, 0);
    assert_true(trace_next(&r, &v));
    assert_true(v.n == UINT32_MAX);
    assert_true(trace_get(&v, "text", &s) && slice_eq(s, SLICE("\0\xff\x1b")));
    assert_false(trace_next(&r, &v));
    assert_true(wire_done(&r.r));

    /* Events can be read without asking for the keys. */
    assert_true(trace_open(buf_slice(&b), &r));
    assert_true(trace_next(&r, &v));
    assert_int_equal(v.kind, TRACE_connect);
    buf_clear(&b);
}

/* A copy of exactly that size, so that a sanitizer sees one octet too far. A prefix is a
 * record only where it ends between two events. */
static void test_prefixes(void **state)
{
    (void)state;
    struct buf b;
    struct trace_reader r;
    struct trace_view v;
    bool boundary[512] = {false};
    buf_init(&b, TRACE_RECORD_MAX);
    sample(&b);
    assert_true(b.len < sizeof boundary);
    assert_true(trace_open(buf_slice(&b), &r));
    enum trace_key kind;
    struct slice key;
    while (trace_next_key(&r, &kind, &key)) {
    }
    do {
        boundary[b.len - r.r.rest.len] = true;
    } while (trace_next(&r, &v));
    for (size_t cut = 0; cut <= b.len; cut++) {
        unsigned char *copy = malloc(cut == 0 ? 1 : cut);
        assert_non_null(copy);
        memcpy(copy, b.ptr, cut);
        assert_int_equal(trace_valid((struct slice){copy, cut}), boundary[cut]);
        free(copy);
    }
    buf_clear(&b);
}

static void test_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t at;
        unsigned char octet;
    } cases[] = {
        {"version", 0, 2},
        {"key count", 18, 1},
        {"key kind 0", 19, 0},
        {"key kind 3", 19, 3},
        {"key length 0", 20, 0},
        {"event kind 0", 54, 0},
        {"event kind", 54, TRACE_KIND_COUNT},
        {"field count", 63, FIELDS_MAX + 1},
        {"name too long", 64, TRACE_NAME_MAX + 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf b;
        buf_init(&b, TRACE_RECORD_MAX);
        sample(&b);
        assert_int_equal(b.ptr[54], TRACE_connect); /* the offsets above still hold */
        b.ptr[cases[i].at] = cases[i].octet;
        if (trace_valid(buf_slice(&b))) {
            fail_msg("%s was taken", cases[i].name);
        }
        buf_clear(&b);
    }
}

static void test_cuts(void **state)
{
    (void)state;
    static unsigned char big[5000];
    static char name[200];
    memset(big, 'A', sizeof big);
    memset(name, 'n', sizeof name - 1);
    struct trace_writer w;
    struct buf b;
    struct trace_reader r;
    struct trace_view v;
    enum trace_key kind;
    struct slice key;
    buf_init(&b, TRACE_RECORD_MAX);
    trace_init(&w, session, start);
    trace_key(&w, TRACE_KEY_ADDRESS, (struct slice){big, sizeof big});
    trace_key(&w, TRACE_KEY_ADDRESS, (struct slice){big, TRACE_KEY_MAX}); /* the same */
    trace_key(&w, TRACE_KEY_ADDRESS, SLICE(""));
    trace_key(&w, TRACE_KEY_IP, (struct slice){big, TRACE_KEY_MAX}); /* another kind */
    add(&w, TRACE_note, start - 99, 0, name, (struct slice){big, sizeof big});
    trace_take(&w, start, &b);
    assert_true(trace_open(buf_slice(&b), &r));
    assert_int_equal(r.key_n, 2);
    assert_true(trace_next_key(&r, &kind, &key));
    assert_int_equal(key.len, TRACE_KEY_MAX);
    assert_int_equal(key.ptr[TRACE_KEY_MAX - 1], 'a');
    assert_true(trace_next(&r, &v));
    assert_int_equal(v.ms, start); /* a clock that went back is no offset of 4e9 ms */
    assert_int_equal(v.field[0].name.len, TRACE_NAME_MAX);
    assert_int_equal(v.field[0].value.len, TRACE_VALUE_MAX);
    trace_clear(&w);
    buf_clear(&b);
}

static void test_limits(void **state)
{
    (void)state;
    static unsigned char big[TRACE_VALUE_MAX];
    struct trace_writer w;
    struct buf b;
    struct trace_reader r;
    struct trace_view v;
    struct slice s;
    size_t taken = 0, due_after = 0;
    buf_init(&b, TRACE_RECORD_MAX);
    trace_init(&w, session, start);
    for (unsigned i = 0; i < 2000; i++) {
        unsigned char address[300];
        memset(address, 'x', sizeof address);
        memcpy(address, &i, sizeof i);
        trace_key(&w, TRACE_KEY_ADDRESS, (struct slice){address, sizeof address});
        add(&w, TRACE_reply, start, i, "text", (struct slice){big, sizeof big});
        if (due_after == 0 && trace_due(&w)) {
            due_after = i + 1;
        }
    }
    trace_event(&w, TRACE_close, start, 0, NULL); /* would fit; must not follow the gap */
    assert_in_range(due_after, 20, 31);
    trace_take(&w, start + 1, &b);
    assert_false(b.failed);
    assert_in_range(b.len, TRACE_SPLIT, TRACE_RECORD_MAX);
    assert_true(trace_valid(buf_slice(&b)));
    assert_true(trace_open(buf_slice(&b), &r));
    assert_true(r.key_n > due_after);
    while (trace_next(&r, &v) && v.kind == TRACE_reply) {
        assert_int_equal(v.n, taken);
        taken++;
    }
    assert_true(taken > due_after);
    assert_int_equal(v.kind, TRACE_note);
    uint64_t dropped = 0;
    assert_true(trace_get(&v, "events", &s) && slice_u64(s, &dropped));
    assert_int_equal(dropped, 2001 - taken);
    assert_true(trace_get(&v, "keys", &s) && slice_u64(s, &dropped) && dropped > 0);

    /* The next record is whole again, and an idle writer holds little memory. */
    assert_true(w.events.cap + w.keys.cap <= 8192);
    trace_event(&w, TRACE_close, start + 2, 0, NULL);
    buf_reset(&b);
    trace_take(&w, start + 3, &b);
    assert_true(trace_open(buf_slice(&b), &r));
    assert_int_equal(r.key_n, 0);
    assert_true(r.start_ms == start + 1);
    assert_true(trace_next(&r, &v) && v.kind == TRACE_close && !trace_next(&r, &v));

    /* Nothing to say is no record. */
    buf_reset(&b);
    trace_take(&w, start + 4, &b);
    assert_int_equal(b.len, 0);
    trace_clear(&w);
    buf_clear(&b);
}

static void test_many_keys(void **state)
{
    (void)state;
    struct trace_writer w;
    struct buf b;
    buf_init(&b, TRACE_RECORD_MAX);
    trace_init(&w, session, start);
    for (unsigned char i = 0; i < 200; i++) {
        trace_key(&w, TRACE_KEY_IP, (struct slice){&i, 1});
        assert_true(w.key_n <= TRACE_KEYS_MAX);
        if (w.key_n >= TRACE_KEYS_MAX) {
            assert_true(trace_due(&w));
        }
    }
    assert_int_equal(w.key_n, TRACE_KEYS_MAX);
    trace_take(&w, start, &b);
    assert_true(trace_valid(buf_slice(&b)));
    trace_clear(&w);
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_malformed),  cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_limits),     cmocka_unit_test(test_many_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
