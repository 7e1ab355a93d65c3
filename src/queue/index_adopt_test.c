/* queue/index_adopt_test.c - jobs of the queue before, that workers still have. */
#include "queue/index_impl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MIN = 60 * 1000, OLD_JOB = 123456 };

static const struct queue_rules rules = {
    .retry_ms = {MIN}, .retry_n = 1, .expire_ms = 120 * MIN, .in_flight_max = {8, 8}};
static const struct message_id id = {7, 1};

static struct {
    unsigned what[QUEUE_UNTOLD + 1];
    unsigned finished;
} seen;

static void on_changed(void *arg, const struct queue_message *m, uint16_t number,
                       enum queue_what what)
{
    (void)arg, (void)m, (void)number;
    seen.what[what]++;
}

static void on_finished(void *arg, const struct queue_message *m)
{
    (void)arg, (void)m;
    seen.finished++;
}

static const struct queue_ops ops = {on_changed, on_finished};

/* An index with one message to u0 ... u3 at d.test and u4 at other.test. */
static struct queue_index *fresh(void)
{
    struct buf b;
    buf_init(&b, 4096);
    memset(&seen, 0, sizeof seen);
    struct queue_index *ix = queue_new(&rules, &ops, NULL);
    assert_non_null(ix);
    struct spool_recipient r[5];
    static char name[5][20];
    for (unsigned i = 0; i < 5; i++) {
        (void)snprintf(name[i], sizeof name[i], "u%u@%s", i,
                       i < 4 ? "d.test" : "other.test");
        r[i] =
            (struct spool_recipient){slice_of(name[i]), slice_of(name[i]), SPOOL_REMOTE};
    }
    spool_envelope_begin(&b, 0, 0, SLICE("s@t.test"), SLICE("::1"), SLICE("h"),
                         SLICE(""));
    spool_envelope_recipients(&b, r, 5);
    struct spool_entry e = {.segment = 1, .envelope = buf_slice(&b)};
    e.header.id = id;
    assert_int_equal(queue_add(ix, &e, 0), QUEUE_ADDED);
    buf_clear(&b);
    return ix;
}

static struct queue_claim claim(uint16_t first, uint16_t n)
{
    struct queue_claim c = {.job = OLD_JOB, .worker = 2, .id = id, .n = n};
    for (uint16_t i = 0; i < n; i++) {
        c.number[i] = (uint16_t)(first + i);
    }
    return c;
}

static bool say(struct queue_index *ix, uint16_t number, enum job_result result)
{
    struct job_outcome o = {.number = number, .result = result, .reply = SLICE("451 x")};
    return queue_outcome(ix, OLD_JOB, 2, &o, 1000);
}

/* What is claimed is not given out; its outcomes count once. */
static void test_claimed(void **state)
{
    (void)state;
    struct queue_index *ix = fresh();
    struct queue_pick pick = {0};
    uint64_t segment = 1;
    queue_started(ix, 0);
    struct queue_claim c = claim(0, 4);
    assert_true(queue_adopt(ix, &c, 0));
    assert_false(queue_adopt(ix, &c, 0));
    assert_true(queue_validate(ix));
    assert_true(queue_job_adopted(ix, OLD_JOB));
    assert_false(queue_job_adopted(ix, OLD_JOB + 1));
    assert_true(queue_job_segment(ix, OLD_JOB, 2, &segment) && segment == 0);
    assert_false(queue_job_segment(ix, OLD_JOB, 1, &segment));
    queue_worker_up(ix, 2);
    assert_true(queue_take(ix, 0, &pick) && pick.n == 1 && pick.number[0] == 4);
    assert_false(queue_job_adopted(ix, pick.job));
    assert_true(say(ix, 0, JOB_DELIVERED) && say(ix, 1, JOB_DELIVERED) &&
                say(ix, 1, JOB_DELIVERED) && say(ix, 2, JOB_DEFERRED));
    assert_int_equal(seen.what[QUEUE_DELIVERED], 2);
    assert_int_equal(seen.what[QUEUE_DEFERRED], 1);
    assert_true(queue_job_end(ix, OLD_JOB, 2, 1000));
    assert_int_equal(seen.what[QUEUE_DEFERRED], 2); /* nothing was said of the fourth */
    assert_true(queue_validate(ix));
    queue_free(&ix);
}

/* Of what the journal knows already nothing changes again. */
static void test_known(void **state)
{
    (void)state;
    struct queue_index *ix = fresh();
    struct spool_settle s = {.id = id, .target = 0, .outcome = SPOOL_DONE};
    queue_replay(ix, &s);
    s = (struct spool_settle){
        .id = id, .target = 1, .outcome = SPOOL_PENDING, .attempts = 1, .next_ms = 5000};
    queue_replay(ix, &s);
    s = (struct spool_settle){.id = id, .target = 2, .outcome = SPOOL_HELD};
    queue_replay(ix, &s);
    queue_started(ix, 0);
    struct queue_claim c = claim(0, 4);
    c.number[3] = 77; /* no such target */
    assert_true(queue_adopt(ix, &c, 0));
    assert_true(queue_validate(ix));
    for (uint16_t i = 0; i < 3; i++) {
        assert_true(say(ix, i, JOB_DELIVERED));
    }
    assert_true(queue_job_end(ix, OLD_JOB, 2, 1000));
    assert_int_equal(seen.what[QUEUE_DELIVERED], 0);
    const struct queue_message *m = queue_find(ix, id);
    assert_int_equal(m->target[1].attempts, 1);
    assert_int_equal(m->target[1].state, QUEUE_pending);
    assert_int_equal(m->target[2].state, QUEUE_held);
    c.attempts[1] = 1; /* but the second attempt is claimed rightly */
    assert_true(queue_adopt(ix, &c, 0));
    assert_int_equal(m->target[1].state, QUEUE_running);
    assert_true(queue_validate(ix));
    assert_true(say(ix, 1, JOB_DELIVERED));
    assert_int_equal(seen.what[QUEUE_DELIVERED], 1);
    queue_free(&ix);
}

/* A message that nobody knows; and the worker ends with it. */
static void test_unknown(void **state)
{
    (void)state;
    struct queue_index *ix = fresh();
    queue_started(ix, 0);
    struct queue_claim c = claim(0, 1);
    c.id.n = 9;
    assert_true(queue_adopt(ix, &c, 0));
    assert_true(queue_validate(ix));
    assert_int_equal(queue_in_flight(ix), 1);
    assert_true(say(ix, 0, JOB_FAILED));
    queue_worker_down(ix, 2, 0);
    assert_int_equal(queue_in_flight(ix), 0);
    assert_false(say(ix, 0, JOB_FAILED));
    assert_true(queue_validate(ix));
    queue_free(&ix);
}

/* The worker ends: what it claimed is due again. Of two domains only one is a job. */
static void test_worker_ends(void **state)
{
    (void)state;
    struct queue_index *ix = fresh();
    struct queue_pick pick = {0};
    queue_started(ix, 0);
    struct queue_claim c = claim(3, 2);
    assert_true(queue_adopt(ix, &c, 0));
    assert_int_equal(ix->target_n[QUEUE_running], 1);
    queue_worker_down(ix, 2, 0);
    assert_true(queue_validate(ix));
    assert_int_equal(ix->target_n[QUEUE_running], 0);
    queue_worker_up(ix, 2);
    assert_true(queue_take(ix, 0, &pick) && pick.repeated);
    queue_free(&ix);
}

/* Numbers of jobs rise with the clock over the lives of queues, and go around what was adopted. */
static void test_numbers(void **state)
{
    (void)state;
    uint64_t last = 0;
    for (uint64_t now = 1000; now < 1003; now++) {
        struct queue_index *ix = fresh();
        struct queue_pick pick = {0}, other = {0};
        queue_started(ix, now);
        queue_worker_up(ix, 0);
        struct queue_claim c = claim(0, 1);
        c.job = ix->next_job;
        assert_true(queue_adopt(ix, &c, now));
        assert_true(queue_take(ix, now, &pick) && queue_take(ix, now, &other));
        assert_true(pick.job > last && pick.job > c.job && other.job > pick.job);
        last = other.job;
        assert_true(queue_validate(ix));
        queue_free(&ix);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_claimed),     cmocka_unit_test(test_known),
        cmocka_unit_test(test_unknown),     cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_worker_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
