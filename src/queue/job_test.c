/* queue/job_test.c - what is written is read; every prefix and every wrong count is not.
 */
#include "queue/job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct job_target targets[] = {
    {0, 0, SLICE_INIT("alice@example.test"), SLICE_INIT("alice@example.test")},
    {7, 3, SLICE_INIT("info@example.test"), SLICE_INIT("bob+info@example.test")},
    {4095, 65535, SLICE_INIT(""), SLICE_INIT("c@example.test")},
};
enum { TARGET_N = sizeof targets / sizeof targets[0] };

static const struct job_outcome outcomes[] = {
    {0,
     0,
     JOB_DELIVERED,
     JOB_usual,
     0,
     true,
     false,
     0,
     0,
     SLICE_INIT("maildir"),
     SLICE_INIT("new/1.x"),
     SLICE_INIT(""),
     {0},
     {0}},
    {7,
     452,
     JOB_DEFERRED,
     JOB_later,
     4,
     false,
     true,
     7,
     86400,
     SLICE_INIT("lmtp"),
     SLICE_INIT(""),
     SLICE_INIT("4.2.2 full"),
     {0},
     {0}},
    {9, 550, JOB_FAILED, JOB_suppress, 255, false, false, 0, 0, SLICE_INIT("lmtp"),
     SLICE_INIT("x"), SLICE_INIT("5.1.1 nobody"), SLICE_INIT("far.test"),
     SLICE_INIT("Message-ID: <a@b>\n")},
};
enum { OUTCOME_N = sizeof outcomes / sizeof outcomes[0] };

static struct job sample(uint16_t target_n)
{
    return (struct job){.seal = 5,
                        .job = 0x1122334455667788U,
                        .worker = 255,
                        .segment = 3,
                        .offset = 4096,
                        .message_len = UINT64_C(1) << 40,
                        .arrival_ms = 1700000000000U,
                        .envelope_len = 99,
                        .head_len = 200,
                        .id = {12345, 6},
                        .sender = SLICE("a@b.test"),
                        .service = 1,
                        .flags = 0x102,
                        .target_n = target_n};
}

static void write_sample(struct buf *b, uint16_t said)
{
    struct job j = sample(said);
    buf_reset(b);
    job_write(b, &j);
    for (size_t i = 0; i < TARGET_N; i++) {
        job_write_target(b, &targets[i]);
    }
    assert_false(b->failed);
}

static void test_job_round_trip(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, JOB_PAYLOAD_MAX);
    write_sample(&b, TARGET_N);
    struct job want = sample(TARGET_N);
    struct job got = {0};
    assert_true(job_read(buf_slice(&b), &got));
    assert_true(got.job == want.job && got.segment == want.segment);
    assert_true(got.seal == want.seal && got.worker == want.worker);
    assert_true(got.offset == want.offset && got.message_len == want.message_len);
    assert_true(got.arrival_ms == want.arrival_ms);
    assert_int_equal(got.envelope_len, want.envelope_len);
    assert_int_equal(got.head_len, want.head_len);
    assert_true(got.id.session == want.id.session && got.id.n == want.id.n);
    assert_true(slice_eq(got.sender, want.sender));
    assert_int_equal(got.service, want.service);
    assert_int_equal(got.flags, want.flags);
    assert_int_equal(got.target_n, TARGET_N);
    for (size_t i = 0; i < TARGET_N; i++) {
        struct job_target t = {0};
        assert_true(job_next_target(&got, &t));
        assert_int_equal(t.number, targets[i].number);
        assert_int_equal(t.attempts, targets[i].attempts);
        assert_true(slice_eq(t.given, targets[i].given));
        assert_true(slice_eq(t.address, targets[i].address));
    }
    struct job_target none = {0};
    assert_false(job_next_target(&got, &none));
    buf_clear(&b);
}

static void test_job_refused(void **state)
{
    (void)state;
    struct buf b;
    struct job got = {0};
    buf_init(&b, JOB_PAYLOAD_MAX);
    static const uint16_t wrong[] = {0, TARGET_N - 1, TARGET_N + 1, JOB_TARGETS_MAX + 1};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        write_sample(&b, wrong[i]);
        assert_false(job_read(buf_slice(&b), &got));
    }
    write_sample(&b, TARGET_N);
    for (size_t cut = 0; cut < b.len; cut++) {
        assert_false(job_read(slice_sub(buf_slice(&b), 0, cut), &got));
    }
    assert_true(buf_add_byte(&b, 0));
    assert_false(job_read(buf_slice(&b), &got));
    buf_clear(&b);

    /* Too many, all of them there. */
    buf_init(&b, JOB_PAYLOAD_MAX);
    struct job j = sample(JOB_TARGETS_MAX + 1);
    job_write(&b, &j);
    for (int i = 0; i <= JOB_TARGETS_MAX; i++) {
        job_write_target(&b, &targets[0]);
    }
    assert_false(job_read(buf_slice(&b), &got));
    buf_clear(&b);
}

/* Under another key, and with any bit changed, it is no seal. */
static void test_job_seal(void **state)
{
    static const uint64_t key[2] = {1, 2}, other[2] = {1, 3};
    (void)state;
    struct buf b;
    struct job got = {0};
    buf_init(&b, JOB_PAYLOAD_MAX);
    write_sample(&b, TARGET_N);
    assert_false(job_sealed(buf_slice(&b), key));
    job_seal(&b, key);
    assert_true(job_read(buf_slice(&b), &got) && got.job == sample(1).job);
    assert_true(job_sealed(buf_slice(&b), key));
    assert_false(job_sealed(buf_slice(&b), other));
    for (size_t i = 0; i < 8 * b.len; i++) {
        b.ptr[i / 8] ^= (unsigned char)(1U << i % 8);
        assert_false(job_sealed(buf_slice(&b), key));
        b.ptr[i / 8] ^= (unsigned char)(1U << i % 8);
    }
    for (size_t cut = 0; cut < b.len; cut++) {
        assert_false(job_sealed(slice_sub(buf_slice(&b), 0, cut), key));
    }
    buf_clear(&b);
}

static void write_done(struct buf *b, uint16_t said)
{
    buf_reset(b);
    job_done_write(b, 77, said);
    for (size_t i = 0; i < OUTCOME_N; i++) {
        job_done_write_outcome(b, &outcomes[i]);
    }
}

static void test_done_round_trip(void **state)
{
    (void)state;
    struct buf b;
    uint64_t job = 0;
    uint16_t n = 0;
    struct wire_reader rest = {0};
    buf_init(&b, JOB_PAYLOAD_MAX);
    write_done(&b, OUTCOME_N);
    assert_true(job_done_read(buf_slice(&b), &job, &n, &rest));
    assert_true(job == 77 && n == OUTCOME_N);
    for (size_t i = 0; i < OUTCOME_N; i++) {
        struct job_outcome o = {0};
        assert_true(job_done_next(&rest, &o));
        assert_int_equal(o.number, outcomes[i].number);
        assert_int_equal(o.code, outcomes[i].code);
        assert_int_equal(o.result, outcomes[i].result);
        assert_true(slice_eq(o.transport, outcomes[i].transport));
        assert_true(slice_eq(o.where, outcomes[i].where));
        assert_int_equal(o.advice, outcomes[i].advice);
        assert_int_equal(o.klass, outcomes[i].klass);
        assert_int_equal(o.told, outcomes[i].told);
        assert_int_equal(o.own, outcomes[i].own);
        assert_int_equal(o.row, outcomes[i].row);
        assert_int_equal(o.wait_s, outcomes[i].wait_s);
        assert_true(slice_eq(o.reply, outcomes[i].reply));
        assert_true(slice_eq(o.reporter, outcomes[i].reporter));
        assert_true(slice_eq(o.original, outcomes[i].original));
    }
    struct job_outcome none = {0};
    assert_false(job_done_next(&rest, &none));
    buf_clear(&b);
}

static void test_done_refused(void **state)
{
    (void)state;
    struct buf b;
    uint64_t job = 0;
    uint16_t n = 0;
    struct wire_reader rest = {0};
    buf_init(&b, JOB_PAYLOAD_MAX);
    write_done(&b, OUTCOME_N + 1);
    assert_false(job_done_read(buf_slice(&b), &job, &n, &rest));
    write_done(&b, 0);
    assert_false(job_done_read(buf_slice(&b), &job, &n, &rest));
    write_done(&b, OUTCOME_N);
    for (size_t cut = 0; cut < b.len; cut++) {
        assert_false(job_done_read(slice_sub(buf_slice(&b), 0, cut), &job, &n, &rest));
    }
    b.ptr[8 + 2 + 2] = JOB_FAILED + 1; /* the first outcome's result */
    assert_false(job_done_read(buf_slice(&b), &job, &n, &rest));
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job_round_trip), cmocka_unit_test(test_job_refused),
        cmocka_unit_test(test_job_seal),       cmocka_unit_test(test_done_round_trip),
        cmocka_unit_test(test_done_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
