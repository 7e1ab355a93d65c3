/* queue/index_pace_test.c - mail to other servers goes at its pace, other mail at once. */
#include "queue/index_impl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SECOND = 1000, MINUTE = 60 * SECOND };

static struct queue_index *ix;
static struct pace *pace;
static uint64_t session;

static void on_changed(void *arg, const struct queue_message *m, uint16_t number,
                       enum queue_what what)
{
    (void)arg, (void)m, (void)number, (void)what;
}

static void on_finished(void *arg, const struct queue_message *m)
{
    (void)arg, (void)m;
}

static int setup(void **state)
{
    static const struct queue_rules rules = {.retry_ms = {MINUTE},
                                             .retry_n = 1,
                                             .expire_ms = 600 * MINUTE,
                                             .in_flight_max = {2, 2}};
    static const struct queue_ops ops = {on_changed, on_finished};
    (void)state;
    ix = queue_new(&rules, &ops, NULL);
    pace = pace_new();
    assert_true(ix != NULL && pace != NULL);
    queue_set_pace(ix, pace);
    queue_started(ix, 0);
    queue_worker_up(ix, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    queue_free(&ix);
    pace_free(&pace);
    return 0;
}

static void rule(enum pace_kind kind, const char *name, uint64_t n, uint64_t span_ms)
{
    assert_true(pace_put(pace, kind, slice_of(name), (struct pace_rule){n, span_ms, 1}));
}

/* A message to n recipients at the domain. */
static void add(const char *sender, const char *domain, unsigned n,
                enum spool_target kind, uint64_t now)
{
    static char to[200][64];
    struct spool_recipient r[200];
    struct spool_entry e = {.segment = 1};
    struct buf b;
    for (unsigned i = 0; i < n; i++) {
        (void)snprintf(to[i], sizeof to[i], "u%u@%s", i, domain);
        r[i] = (struct spool_recipient){slice_of(to[i]), slice_of(to[i]), kind};
    }
    buf_init(&b, 65536);
    spool_envelope_begin(&b, 0, 0, slice_of(sender), SLICE("::1"), SLICE("h"), SLICE(""));
    spool_envelope_recipients(&b, r, (uint16_t)n);
    e.header.id = (struct message_id){++session, 1};
    e.header.arrival_ms = now;
    e.envelope = buf_slice(&b);
    assert_int_equal(queue_add(ix, &e, now), QUEUE_ADDED);
    buf_clear(&b);
}

static void finish(const struct queue_pick *pick, enum job_result result, uint64_t now)
{
    for (uint16_t i = 0; i < pick->n; i++) {
        struct job_outcome o = {.number = pick->number[i], .result = result};
        assert_true(queue_outcome(ix, pick->job, 0, &o, now));
    }
    assert_true(queue_job_end(ix, pick->job, 0, now));
}

/* How many jobs are done at that time. */
static unsigned done(uint64_t now)
{
    struct queue_pick pick = {0};
    unsigned n = 0;
    for (; queue_take(ix, now, &pick); n++) {
        finish(&pick, JOB_DELIVERED, now);
    }
    assert_true(queue_validate(ix));
    return n;
}

static void test_domain(void **state)
{
    (void)state;
    rule(PACE_DOMAIN, "slow.test", 60, MINUTE);
    for (int i = 0; i < 50; i++) {
        add("a@x.test", "slow.test", 1, SPOOL_REMOTE, 0);
        add("a@x.test", "fast.test", 1, SPOOL_REMOTE, 0);
        add("a@x.test", "slow.test", 1, SPOOL_LOCAL, 0);
    }
    assert_int_equal(done(0), 101);
    for (uint64_t i = 1; i < 50; i++) {
        assert_int_equal(queue_when(ix), i * SECOND);
        assert_int_equal(done(i * SECOND - 1), 0);
        assert_int_equal(done(i * SECOND), 1);
    }
    assert_int_equal(ix->message_n, 0);
}

/* A slow domain costs its sender nothing; one account nothing of another. */
static void test_account(void **state)
{
    (void)state;
    rule(PACE_DOMAIN, "slow.test", 1, MINUTE);
    rule(PACE_ACCOUNT, "a@x.test", 1, SECOND);
    for (int i = 0; i < 5; i++) {
        add("a@x.test", "slow.test", 1, SPOOL_REMOTE, 0);
        add("A@x.test", "fast.test", 1, SPOOL_REMOTE, 0);
        add("b@x.test", "fast.test", 1, SPOOL_REMOTE, 0);
    }
    assert_int_equal(done(0), 6);
    unsigned n = 0;
    for (uint64_t t = 1; t <= 5; t++) {
        n += done(t * SECOND);
    }
    assert_int_equal(n, 5); /* one a second: four to fast.test, and one */
    for (uint64_t t = 1; t <= 4; t++) {
        assert_int_equal(done(t * MINUTE), 1);
    }
    assert_int_equal(ix->message_n, 0);
}

/* Each job of a long list, and each attempt. */
static void test_every_job(void **state)
{
    struct queue_pick pick = {0};
    (void)state;
    rule(PACE_DOMAIN, "", 60, MINUTE);
    add("a@x.test", "d.test", JOB_TARGETS_MAX + 1, SPOOL_REMOTE, 0);
    assert_true(queue_take(ix, 0, &pick));
    assert_int_equal(pick.n, JOB_TARGETS_MAX);
    finish(&pick, JOB_DELIVERED, SECOND - 1);
    assert_int_equal(done(SECOND - 1), 0);
    assert_int_equal(queue_when(ix), SECOND);
    assert_true(queue_take(ix, SECOND, &pick));
    finish(&pick, JOB_DEFERRED, SECOND);
    add("a@x.test", "d.test", 1, SPOOL_REMOTE, SECOND + MINUTE);
    assert_int_equal(done(SECOND + MINUTE), 1);
    assert_int_equal(done(2 * SECOND + MINUTE), 1);
    assert_int_equal(ix->message_n, 0);
}

/* Who could not use its slot, for lack of a worker or because of a pause, does not rush later. */
static void test_late(void **state)
{
    struct queue_pick busy[2] = {0};
    (void)state;
    rule(PACE_DOMAIN, "slow.test", 60, MINUTE);
    for (int i = 0; i < 2; i++) {
        add("a@x.test", "other.test", 1, SPOOL_REMOTE, 0);
    }
    assert_true(queue_take(ix, 0, &busy[0]) && queue_take(ix, 0, &busy[1]));
    for (int i = 0; i < 30; i++) {
        add("a@x.test", "slow.test", 1, SPOOL_REMOTE, 0);
    }
    finish(&busy[0], JOB_DELIVERED, 0);
    assert_int_equal(done(0), 1); /* the others have their slots */
    queue_worker_down(ix, 0, 0);
    assert_int_equal(done(20 * SECOND), 0);
    queue_worker_up(ix, 0);
    unsigned n = 0;
    for (uint64_t t = 20 * SECOND; t < 25 * SECOND; t += 50) {
        n += done(t);
    }
    assert_in_range(n, 5, 1 + 7); /* that of the worker; a second's more than five */
}

static uint32_t draw(uint32_t n)
{
    static uint32_t seed = 20261122;
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % n;
}

/* However mail comes and goes: never more to the domain than its rate lets, and all goes out. */
static void test_random(void **state)
{
    enum { KEPT = 20 };
    uint64_t now = 0, at[KEPT] = {0};
    unsigned taken = 0;
    (void)state;
    rule(PACE_DOMAIN, "slow.test", 10, SECOND);
    for (int i = 0; i < 20000 || ix->message_n > 0; i++) {
        struct queue_pick pick = {0};
        if (i < 20000) {
            now += draw(20);
        } else {
            now = queue_when(ix) > now ? queue_when(ix) : now;
        }
        if (i < 20000 && draw(8) == 0) {
            add("a@x.test", draw(2) == 0 ? "slow.test" : "fast.test", 1 + draw(3),
                SPOOL_REMOTE, now);
        } else if (queue_take(ix, now, &pick)) {
            if (slice_eq(queue_domain(pick.message, pick.number[0]),
                         SLICE("slow.test"))) {
                assert_true(taken <= now / 100);
                /* a slot is good for a second */
                assert_true(taken < KEPT ||
                            now - at[taken % KEPT] >= KEPT * 100 - SECOND);
                at[taken++ % KEPT] = now;
            }
            finish(&pick, draw(10) == 0 ? JOB_DEFERRED : JOB_DELIVERED, now);
        }
        assert_true(i % 100 != 0 || queue_validate(ix));
        assert_true(i < 1000000);
    }
    assert_true(taken > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_domain, setup, teardown),
        cmocka_unit_test_setup_teardown(test_account, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_job, setup, teardown),
        cmocka_unit_test_setup_teardown(test_late, setup, teardown),
        cmocka_unit_test_setup_teardown(test_random, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
