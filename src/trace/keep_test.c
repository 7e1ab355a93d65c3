/* trace/keep_test.c - a trace role that takes what it likes, dies and comes again: it has each record once, in order. */
#include "trace/keep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { LIFE = 77, LIST_MAX = 2000 };

static struct {
    bool deaf;
    unsigned sent;
    uint64_t committed, batch; /* numbers */
    unsigned list[LIST_MAX], list_n, batch_n;
} role;

static bool send(void *arg, struct slice payload)
{
    uint64_t life = 0, number = 0, value = 0;
    struct slice record = {0};
    assert_null(arg);
    if (role.deaf) {
        return false;
    }
    assert_true(trace_keep_read(payload, &life, &number, &record));
    assert_int_equal(life, LIFE);
    role.sent++;
    if (number > role.committed && number > role.batch) {
        assert_true(slice_u64(record, &value));
        assert_true(role.batch_n < LIST_MAX);
        role.list[role.batch_n++] = (unsigned)value;
        role.batch = number;
    }
    return true;
}

static void commit(struct trace_keep *k)
{
    role.list_n = role.batch_n;
    role.committed = role.batch;
    trace_keep_done(k, role.committed);
}

static void die(struct trace_keep *k)
{
    role.batch_n = role.list_n; /* what was not committed is gone */
    role.batch = role.committed;
    trace_keep_again(k);
}

static void put(struct trace_keep *k, unsigned value)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%u", value);
    trace_keep_put(k, slice_of(text));
}

static void fresh(struct trace_keep *k, size_t max)
{
    memset(&role, 0, sizeof role);
    trace_keep_init(k, LIFE, max, send, NULL);
}

static void test_resent(void **state)
{
    (void)state;
    struct trace_keep k;
    fresh(&k, 4096);
    put(&k, 0);
    put(&k, 1);
    commit(&k);
    assert_int_equal(k.records.len, 0);
    put(&k, 2);
    role.deaf = true;
    put(&k, 3);
    role.deaf = false;
    put(&k, 4); /* behind the one that waits */
    assert_int_equal(role.sent, 3);
    die(&k);
    trace_keep_flush(&k);
    commit(&k);
    assert_int_equal(role.list_n, 5);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(role.list[i], i);
    }
    assert_int_equal(k.records.len, 0);
    /* It committed, and died before it said so. */
    put(&k, 5);
    role.list_n = role.batch_n;
    role.committed = role.batch;
    die(&k);
    trace_keep_flush(&k);
    commit(&k);
    assert_int_equal(role.list_n, 6);
    assert_int_equal(k.dropped, 0);
    trace_keep_clear(&k);
}

/* Beyond the bound records still go out; what cannot is counted. */
static void test_bound(void **state)
{
    (void)state;
    struct trace_keep k;
    fresh(&k, 3 * (4 + 16 + 1));
    for (unsigned i = 0; i < 5; i++) {
        put(&k, i);
    }
    assert_int_equal(role.sent, 5);
    assert_int_equal(k.dropped, 0);
    role.deaf = true;
    put(&k, 5);
    assert_int_equal(k.dropped, 1);
    role.deaf = false;
    put(&k, 6);
    assert_int_equal(role.sent, 6);
    commit(&k);
    assert_int_equal(k.records.len, 0);
    role.deaf = true;
    for (unsigned i = 0; i < 5; i++) {
        put(&k, i);
    }
    assert_int_equal(k.dropped, 3);
    trace_keep_clear(&k);
}

static void test_random(void **state)
{
    (void)state;
    struct trace_keep k;
    unsigned x = 12345, put_n = 0;
    fresh(&k, 1024 * 1024);
    for (unsigned i = 0; i < 5000; i++) {
        x = x * 1103515245U + 12345U;
        switch (x >> 16 & 7) {
        case 0:
            die(&k);
            trace_keep_flush(&k);
            break;
        case 1:
            commit(&k);
            break;
        case 2:
            role.deaf = !role.deaf;
            trace_keep_flush(&k);
            break;
        default:
            if (put_n < LIST_MAX) {
                put(&k, put_n++);
            }
        }
    }
    role.deaf = false;
    trace_keep_flush(&k);
    commit(&k);
    assert_int_equal(put_n, LIST_MAX);
    assert_int_equal(role.list_n, LIST_MAX);
    for (unsigned i = 0; i < LIST_MAX; i++) {
        assert_int_equal(role.list[i], i);
    }
    assert_int_equal(k.records.len, 0);
    assert_int_equal(k.dropped, 0);
    trace_keep_clear(&k);
}

/* The process ends in order, another one goes on: each record once, in order. */
static void test_handed_on(void **state)
{
    (void)state;
    struct trace_keep k, next;
    struct buf saved;
    buf_init(&saved, 4096);
    fresh(&k, 2048);
    put(&k, 0);
    commit(&k);
    put(&k, 1);
    role.deaf = true;
    put(&k, 2);
    role.deaf = false;
    trace_keep_save(&k, &saved);
    trace_keep_init(&next, 1, 2048, send, NULL);
    for (size_t cut = 0; cut < saved.len; cut++) {
        struct slice part = slice_sub(buf_slice(&saved), 0, cut);
        /* Whole records, fewer of them, are well-formed. */
        bool whole = cut == 16 || cut == 16 + (saved.len - 16) / 2;
        assert_int_equal(trace_keep_load(&next, part), whole);
    }
    saved.ptr[16 + 4] ^= 1; /* the first record's life */
    assert_false(trace_keep_load(&next, buf_slice(&saved)));
    saved.ptr[16 + 4] ^= 1;
    assert_true(trace_keep_load(&next, buf_slice(&saved)));
    put(&next, 3); /* behind them */
    trace_keep_flush(&next);
    commit(&next);
    assert_int_equal(role.list_n, 4);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(role.list[i], i);
    }
    buf_clear(&saved);
    trace_keep_clear(&k);
    trace_keep_clear(&next);
}

static void test_malformed(void **state)
{
    (void)state;
    uint64_t life = 0, number = 0;
    struct slice record = {0};
    assert_false(trace_keep_read(SLICE("123456781234567"), &life, &number, &record));
    assert_true(trace_keep_read(SLICE("1234567812345678"), &life, &number, &record));
    assert_int_equal(record.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resent),    cmocka_unit_test(test_bound),
        cmocka_unit_test(test_random),    cmocka_unit_test(test_handed_on),
        cmocka_unit_test(test_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
