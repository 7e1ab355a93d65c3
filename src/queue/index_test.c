/* queue/index_test.c - the states of targets as tables, and the promises of index.h as
 * properties under random events with a clock of our own. */
#include "queue/index_impl.h"
#include "queue/testing.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MIN = 60 * 1000, FLIGHT = 8 };

static const struct queue_rules rules = {
    .retry_ms = {MIN, 5 * MIN, 15 * MIN},
    .retry_n = 3,
    .expire_ms = 120 * MIN,
    .in_flight_max = {FLIGHT, FLIGHT},
};

/* What the callbacks saw. */
static struct {
    unsigned what[QUEUE_REMOVE + 1];
    unsigned finished;
} seen;

static void on_changed(void *arg, const struct queue_message *m, uint16_t number,
                       enum queue_what what)
{
    (void)arg;
    assert_true(number < m->target_n);
    seen.what[what]++;
}

static void on_finished(void *arg, const struct queue_message *m)
{
    (void)arg;
    assert_int_equal(m->open_n, 0);
    seen.finished++;
}

static const struct queue_ops ops = {on_changed, on_finished};

static struct queue_index *fresh(void)
{
    memset(&seen, 0, sizeof seen);
    struct queue_index *ix = queue_new(&rules, &ops, NULL);
    assert_non_null(ix);
    queue_started(ix, 0);
    return ix;
}

/* A message of that session number from sender to n users of a domain. */
struct mail {
    uint64_t session;
    const char *sender, *domain;
    unsigned n;
    uint64_t arrival_ms;
    enum spool_target kind;
};

static uint8_t service;         /* of what add() adds */
static const char *hold_until;  /* of what add() adds; NULL: not held */
static const char *quarantined; /* likewise: why */
static const char *priority;    /* likewise: MT-PRIORITY */

static enum queue_add add(struct queue_index *ix, struct mail mail)
{
    static struct buf b;
    buf_init(&b, SPOOL_ENVELOPE_MAX);
    spool_envelope_begin(&b, service, SPOOL_8BITMIME, slice_of(mail.sender),
                         SLICE("127.0.0.1"), SLICE("h"), SLICE(""));
    static struct spool_recipient r[200];
    static char name[200][80];
    assert_true(mail.n <= 200);
    for (unsigned i = 0; i < mail.n; i++) {
        (void)snprintf(name[i], sizeof name[i], "u%u@%s", i, mail.domain);
        r[i].given = slice_of(name[i]);
        r[i].target = slice_of(name[i]);
        r[i].kind = mail.kind == 0 ? SPOOL_LOCAL : mail.kind;
    }
    spool_envelope_recipients(&b, r, (uint16_t)mail.n);
    if (hold_until != NULL) {
        spool_envelope_param(&b, "hold-until", slice_of(hold_until));
    }
    if (priority != NULL) {
        spool_envelope_param(&b, "mt-priority", slice_of(priority));
    }
    if (quarantined != NULL) {
        spool_envelope_param(&b, "quarantine", slice_of(quarantined));
    }
    assert_false(b.failed);
    struct spool_entry e = {.segment = 1, .offset = mail.session * 4096};
    e.header.id = (struct message_id){mail.session, 1};
    e.header.message_len = 1000;
    e.header.arrival_ms = mail.arrival_ms;
    e.header.envelope_len = (uint32_t)b.len;
    e.envelope = buf_slice(&b);
    enum queue_add res = queue_add(ix, &e, mail.arrival_ms);
    buf_clear(&b);
    return res;
}

static const struct queue_message *find(struct queue_index *ix, uint64_t session)
{
    return queue_find(ix, (struct message_id){session, 1});
}

static struct job_outcome outcome(uint16_t number, enum job_result result)
{
    return (struct job_outcome){
        .number = number,
        .result = result,
        .reply = result == JOB_DELIVERED ? SLICE("") : SLICE("451 4.2.0 busy")};
}

static void finish_job(struct queue_index *ix, const struct queue_pick *pick,
                       enum job_result result, uint64_t now)
{
    uint64_t job = pick->job;
    unsigned worker = pick->worker;
    for (uint16_t i = 0; i < pick->n; i++) {
        struct job_outcome o = outcome(pick->number[i], result);
        assert_true(queue_outcome(ix, job, worker, &o, now));
        assert_false(queue_outcome(ix, job, worker, &o, now)); /* told twice */
    }
    assert_true(queue_job_end(ix, job, worker, now));
    assert_true(queue_validate(ix));
}

static void test_add(void **state)
{
    (void)state;
    struct queue_index *ix = fresh();
    struct mail mail = {7, "s@x.test", "Example.TEST", 3, 1000, SPOOL_LOCAL};
    assert_int_equal(add(ix, mail), QUEUE_ADDED);
    assert_int_equal(add(ix, mail), QUEUE_KNOWN);
    assert_int_equal(add(ix, (struct mail){8, "", "x.test", 0, 1000, 0}),
                     QUEUE_MALFORMED);
    const struct queue_message *m = find(ix, 7);
    assert_non_null(m);
    assert_true(slice_eq(queue_sender(m), SLICE("s@x.test")));
    assert_true(slice_eq(queue_address(m, 2), SLICE("u2@Example.TEST")));
    assert_true(slice_eq(queue_domain(m, 2), SLICE("example.test")));
    assert_int_equal(m->part_n, 1);
    assert_true(queue_validate(ix));
    queue_free(&ix);
}

/* Envelopes that do not decode, at every length. */
static void test_add_malformed(void **state)
{
    (void)state;
    struct queue_index *ix = fresh();
    struct buf b;
    buf_init(&b, 4096);
    struct spool_recipient r[2] = {{SLICE("a@b.test"), SLICE("c@d.test"), SPOOL_LOCAL},
                                   {SLICE("e@f.test"), SLICE("e@f.test"), SPOOL_LOCAL}};
    spool_envelope_begin(&b, 0, 0, SLICE("s@t.test"), SLICE("::1"), SLICE("h"),
                         SLICE("l"));
    spool_envelope_recipients(&b, r, 2);
    struct spool_entry e = {.segment = 1};
    e.header.id = (struct message_id){9, 1};
    for (size_t cut = 0; cut < b.len; cut++) {
        e.envelope = slice_sub(buf_slice(&b), 0, cut);
        assert_int_equal(queue_add(ix, &e, 0), QUEUE_MALFORMED);
        assert_true(queue_validate(ix));
    }
    e.envelope = buf_slice(&b);
    assert_int_equal(queue_add(ix, &e, 0), QUEUE_ADDED);
    const struct queue_message *m = find(ix, 9);
    assert_int_equal(m->part_n, 2);
    assert_true(slice_eq(queue_given(m, 0), SLICE("a@b.test")));
    assert_true(slice_eq(queue_address(m, 0), SLICE("c@d.test")));
    assert_true(slice_eq(queue_address(m, 1), SLICE("e@f.test")));
    assert_true(queue_validate(ix));
    buf_clear(&b);
    queue_free(&ix);
}

static void test_delivered(void **state)
{
    (void)state;
    struct queue_index *ix = fresh();
    struct queue_pick pick = {0};
    assert_int_equal(add(ix, (struct mail){1, "s@x.test", "d.test", 150, 1000, 0}), 0);
    assert_false(queue_take(ix, 1000, &pick)); /* nobody is up */
    queue_worker_up(ix, 3);
    /* 64 targets at once; the bound of 8 is passed by one job and no more. */
    assert_true(queue_take(ix, 1000, &pick));
    assert_int_equal(pick.n, JOB_TARGETS_MAX);
    assert_int_equal(pick.worker, 3);
    assert_false(pick.repeated);
    struct queue_pick none = {0};
    assert_false(queue_take(ix, 1000, &none));
    struct job_outcome o = outcome(100, JOB_DELIVERED);
    assert_false(queue_outcome(ix, pick.job, 3, &o, 1000)); /* not of this job */
    o.number = 0;
    assert_false(queue_outcome(ix, pick.job, 4, &o, 1000)); /* nor of that worker */
    assert_false(queue_outcome(ix, pick.job + 1, 3, &o, 1000));
    assert_false(queue_job_end(ix, pick.job, 4, 1000));
    finish_job(ix, &pick, JOB_DELIVERED, 1000);
    assert_true(queue_take(ix, 1000, &pick));
    finish_job(ix, &pick, JOB_DELIVERED, 1000);
    assert_true(queue_take(ix, 1000, &pick));
    assert_int_equal(pick.n, 150 - 2 * JOB_TARGETS_MAX);
    assert_int_equal(seen.finished, 0);
    finish_job(ix, &pick, JOB_DELIVERED, 1000);
    assert_int_equal(seen.finished, 1);
    assert_int_equal(seen.what[QUEUE_DELIVERED], 150);
    assert_null(find(ix, 1));
    assert_true(queue_when(ix) == UINT64_MAX);
    queue_free(&ix);
}

/* The waits of the table, the last one repeating; a last attempt when the time is up; then
 * held, never dropped. */
static void test_retry_waits(void **state)
{
    (void)state;
    struct queue_index *ix = fresh();
    struct queue_pick pick = {0};
    uint64_t now = 5000, arrival = now;
    static const uint64_t waits[] = {1, 5, 15, 15, 15, 15, 15, 15, 15, 9};
    queue_worker_up(ix, 0);
    assert_int_equal(add(ix, (struct mail){1, "s@x.test", "d.test", 1, now, 0}), 0);
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        assert_true(queue_take(ix, now, &pick));
        assert_int_equal(pick.repeated, i > 0);
        finish_job(ix, &pick, JOB_DEFERRED, now);
        assert_true(slice_eq(queue_reply(find(ix, 1), 0), SLICE("451 4.2.0 busy")));
        assert_int_equal(queue_when(ix), now + waits[i] * MIN);
        now += waits[i] * MIN;
        assert_false(queue_take(ix, now - 1, &pick));
    }
    assert_int_equal(now, arrival + rules.expire_ms);
    assert_true(queue_take(ix, now, &pick));
    finish_job(ix, &pick, JOB_DEFERRED, now);
    const struct queue_message *m = find(ix, 1);
    assert_non_null(m);
    assert_int_equal(m->target[0].state, QUEUE_held);
    assert_true(slice_eq(queue_reply(m, 0), SLICE("expired: 451 4.2.0 busy")));
    assert_int_equal(seen.what[QUEUE_EXPIRED], 1);
    assert_true(queue_when(ix) == UINT64_MAX);
    queue_free(&ix);
}

/* Neighbours with the same reply share one copy of it. */
/* Of some services each recipient elsewhere has a job of its own, which remembers something. */
static void test_single(void **state)
{
    (void)state;
    struct queue_rules some = rules;
    struct queue_pick first = {0}, pick = {0};
    some.single = 1U << 3;
    memset(&seen, 0, sizeof seen);
    struct queue_index *ix = queue_new(&some, &ops, NULL);
    assert_non_null(ix);
    queue_started(ix, 0);
    queue_worker_up(ix, 0);
    service = 3;
    assert_int_equal(add(ix, (struct mail){1, "s@x", "far", 3, 0, SPOOL_REMOTE}),
                     QUEUE_ADDED);
    assert_true(queue_take(ix, 0, &first) && first.n == 1 && first.remote);
    queue_job_tag(ix, first.job, 77);
    assert_true(queue_take(ix, 0, &pick) && pick.n == 1 &&
                pick.number[0] != first.number[0]);
    assert_int_equal(queue_job_tagged(ix, first.job), 77);
    assert_int_equal(queue_job_tagged(ix, pick.job), 0);
    assert_int_equal(queue_job_tagged(ix, 999), 0);
    /* not of local ones, nor of reports; nor of another service, whatever number it has */
    assert_int_equal(add(ix, (struct mail){2, "s@x", "here", 3, 0, SPOOL_LOCAL}),
                     QUEUE_ADDED);
    assert_true(queue_take(ix, 0, &pick) && pick.n == 3 && !pick.report);
    assert_int_equal(add(ix, (struct mail){3, "", "here", 3, 0, SPOOL_REPORT}),
                     QUEUE_ADDED);
    assert_true(queue_take(ix, 0, &pick) && pick.n == 3 && pick.report && !pick.remote);
    service = 3 + 32;
    assert_true(queue_take(ix, 0, &pick) && pick.n == 1); /* the third of the first */
    assert_int_equal(add(ix, (struct mail){4, "s@x", "far", 3, 0, SPOOL_REMOTE}),
                     QUEUE_ADDED);
    assert_true(queue_take(ix, 0, &pick) && pick.n == 3);
    service = 0;
    queue_free(&ix);
}

static void test_notes_shared(void **state)
{
    (void)state;
    struct queue_index *ix = fresh();
    struct queue_pick pick = {0};
    queue_worker_up(ix, 0);
    assert_int_equal(add(ix, (struct mail){1, "s@x.test", "d.test", 3, 0, 0}), 0);
    assert_true(queue_take(ix, 0, &pick));
    for (uint16_t i = 0; i < 3; i++) {
        struct job_outcome o = outcome(i, JOB_DEFERRED);
        o.reply = i == 2 ? SLICE("451 4.2.0 busz") : o.reply;
        assert_true(queue_outcome(ix, pick.job, 0, &o, 0));
    }
    assert_true(queue_job_end(ix, pick.job, 0, 0));
    const struct queue_target *t = find(ix, 1)->target;
    assert_ptr_equal(t[0].note, t[1].note);
    assert_ptr_not_equal(t[1].note, t[2].note);
    assert_true(slice_eq(queue_reply(find(ix, 1), 2), SLICE("451 4.2.0 busz")));
    queue_free(&ix);
}

/* What its sender wants held waits, here and after a restart; its age counts from then. */
static void test_hold_until(void **state)
{
    (void)state;
    struct queue_index *ix = fresh();
    struct queue_pick pick = {0};
    const uint64_t until = 1000 + 50 * MIN;
    queue_worker_up(ix, 0);
    hold_until = "3001000"; /* 1,000 + 50 minutes */
    assert_int_equal(add(ix, (struct mail){1, "s@x.test", "d.test", 2, 1000, 0}), 0);
    hold_until = "999"; /* over before it came */
    assert_int_equal(add(ix, (struct mail){2, "s@x.test", "d.test", 1, 1000, 0}), 0);
    hold_until = "18446744073709551615";
    assert_int_equal(add(ix, (struct mail){3, "s@x.test", "d.test", 1, 1000, 0}), 0);
    hold_until = "soon";
    assert_int_equal(add(ix, (struct mail){4, "s@x.test", "d.test", 1, 1000, 0}), 0);
    hold_until = NULL;
    assert_true(queue_validate(ix));
    for (unsigned i = 0; i < 2; i++) {
        assert_true(queue_take(ix, 1000, &pick));
        assert_true(pick.message->id.session == 2 || pick.message->id.session == 4);
        finish_job(ix, &pick, JOB_DELIVERED, 1000);
    }
    assert_false(queue_take(ix, until - 1, &pick));
    assert_int_equal(queue_when(ix), until);
    assert_true(queue_take(ix, until, &pick));
    assert_int_equal(pick.n, 2);
    finish_job(ix, &pick, JOB_DEFERRED, until);
    assert_int_equal(find(ix, 1)->target[0].state, QUEUE_pending);
    assert_true(queue_take(ix, until + rules.expire_ms, &pick));
    finish_job(ix, &pick, JOB_DEFERRED, until + rules.expire_ms);
    assert_int_equal(find(ix, 1)->target[0].state, QUEUE_held);
    assert_int_equal(find(ix, 3)->target[0].next_ms, 1000 + UINT64_C(366) * 86400 * 1000);
    queue_free(&ix);
}

/* What a rule quarantines is held, here and after a restart, until it is released. */
/* Priorities, whatever the order of arrival. */
static void test_priority(void **state)
{
    (void)state;
    static const char *const given[] = {"-4", "0", "3", NULL, "-9"};
    static const uint64_t order[] = {3, 2, 4, 1, 5};
    struct queue_index *ix = fresh();
    struct queue_pick pick = {0};
    queue_worker_up(ix, 0);
    for (uint64_t i = 0; i < 5; i++) {
        priority = given[i];
        assert_int_equal(add(ix, (struct mail){i + 1, "s@x.test", "d.test", 1, 1000, 0}),
                         0);
    }
    priority = NULL;
    for (unsigned i = 0; i < 5; i++) {
        assert_true(queue_take(ix, 1000, &pick));
        assert_int_equal(pick.message->id.session, order[i]);
        finish_job(ix, &pick, JOB_DELIVERED, 1000);
    }
    queue_free(&ix);
}

static void test_quarantine(void **state)
{
    (void)state;
    struct queue_pick pick = {0};
    for (unsigned restarted = 0; restarted < 2; restarted++) {
        struct queue_index *ix = restarted == 0 ? fresh() : queue_new(&rules, &ops, NULL);
        queue_worker_up(ix, 0);
        quarantined = "quarantined by rule r of d.test";
        assert_int_equal(add(ix, (struct mail){1, "s@x.test", "d.test", 2, 1000, 0}), 0);
        quarantined = NULL;
        if (restarted == 1) {
            queue_started(ix, 1000);
        }
        assert_true(queue_validate(ix));
        assert_int_equal(find(ix, 1)->target[0].state, QUEUE_held);
        assert_true(slice_eq(queue_reply(find(ix, 1), 1),
                             SLICE("quarantined by rule r of d.test")));
        assert_false(queue_take(ix, 100000, &pick));
        struct queue_did did = {0};
        queue_do(ix, queue_find(ix, (struct message_id){1, 1}), QUEUE_DO_RELEASE, NULL,
                 2000, &did);
        assert_int_equal(did.changed, 2);
        assert_true(queue_take(ix, 100000, &pick));
        queue_free(&ix);
    }
}

static void test_failed_is_held(void **state)
{
    (void)state;
    struct queue_index *ix = fresh();
    struct queue_pick pick = {0};
    struct queue_did did = {0};
    queue_worker_up(ix, 0);
    assert_int_equal(add(ix, (struct mail){1, "s@x.test", "d.test", 2, 0, 0}), 0);
    assert_true(queue_take(ix, 0, &pick));
    struct job_outcome o = outcome(0, JOB_FAILED);
    assert_true(queue_outcome(ix, pick.job, 0, &o, 0));
    assert_true(queue_job_end(ix, pick.job, 0, 0)); /* nothing said of the second */
    struct queue_message *m = queue_find(ix, (struct message_id){1, 1});
    assert_int_equal(m->target[0].state, QUEUE_held);
    assert_int_equal(m->target[1].state, QUEUE_pending);
    assert_int_equal(m->target[1].next_ms, MIN);
    queue_do(ix, m, QUEUE_DO_RETRY, NULL, 10, &did);
    assert_int_equal(did.changed, 1);
    assert_int_equal(did.held, 1);
    assert_int_equal(m->target[1].next_ms, 10);
    queue_do(ix, m, QUEUE_DO_RELEASE, NULL, 10, &did);
    assert_int_equal(m->target[0].state, QUEUE_pending);
    assert_true(queue_validate(ix));
    assert_true(queue_take(ix, 10, &pick));
    assert_int_equal(pick.n, 2);
    finish_job(ix, &pick, JOB_DELIVERED, 10);
    assert_int_equal(seen.finished, 1);
    queue_free(&ix);
}

/* What a command does to a target in each state, and what comes of one in delivery. */
static void test_commands(void **state)
{
    (void)state;
    static const struct {
        enum queue_command command;
        enum queue_state from;
        enum job_result then; /* of the delivery, where from is running */
        enum queue_state to;
    } cases[] = {
        {QUEUE_DO_RETRY, QUEUE_pending, 0, QUEUE_pending},
        {QUEUE_DO_HOLD, QUEUE_pending, 0, QUEUE_held},
        {QUEUE_DO_RELEASE, QUEUE_pending, 0, QUEUE_pending},
        {QUEUE_DO_REMOVE, QUEUE_pending, 0, QUEUE_done},
        {QUEUE_DO_RETRY, QUEUE_held, 0, QUEUE_held},
        {QUEUE_DO_HOLD, QUEUE_held, 0, QUEUE_held},
        {QUEUE_DO_RELEASE, QUEUE_held, 0, QUEUE_pending},
        {QUEUE_DO_REMOVE, QUEUE_held, 0, QUEUE_done},
        {QUEUE_DO_RETRY, QUEUE_running, JOB_DEFERRED, QUEUE_pending},
        {QUEUE_DO_HOLD, QUEUE_running, JOB_DELIVERED, QUEUE_done},
        {QUEUE_DO_HOLD, QUEUE_running, JOB_DEFERRED, QUEUE_held},
        {QUEUE_DO_HOLD, QUEUE_running, JOB_FAILED, QUEUE_held},
        {QUEUE_DO_RELEASE, QUEUE_running, JOB_DEFERRED, QUEUE_pending},
        {QUEUE_DO_REMOVE, QUEUE_running, JOB_DELIVERED, QUEUE_done},
        {QUEUE_DO_REMOVE, QUEUE_running, JOB_DEFERRED, QUEUE_done},
        {QUEUE_DO_REMOVE, QUEUE_running, JOB_FAILED, QUEUE_done},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct queue_index *ix = fresh();
        struct queue_pick pick = {0};
        struct queue_did did = {0};
        queue_worker_up(ix, 0);
        /* The second target, of another domain, stays: the message lives on. */
        assert_int_equal(add(ix, (struct mail){1, "s@x.test", "d.test", 1, 0, 0}), 0);
        assert_int_equal(add(ix, (struct mail){2, "s@x.test", "other.test", 1, 0, 0}), 0);
        struct queue_message *m = queue_find(ix, (struct message_id){1, 1});
        if (cases[i].from == QUEUE_held) {
            queue_do(ix, m, QUEUE_DO_HOLD,
                     &(struct queue_which){SLICE("D.test"), true, QUEUE_pending}, 0,
                     &did);
        } else if (cases[i].from == QUEUE_running) {
            assert_true(queue_take(ix, 0, &pick));
            assert_ptr_equal(pick.message, m);
        }
        assert_int_equal(m->target[0].state, cases[i].from);
        enum queue_state other = cases[i].from == QUEUE_held ? QUEUE_pending : QUEUE_held;
        queue_do(ix, m, cases[i].command,
                 &(struct queue_which){.domain = SLICE("nowhere.test")}, 0, &did);
        queue_do(ix, m, cases[i].command, &(struct queue_which){{0}, true, other}, 0,
                 &did);
        assert_int_equal(m->target[0].state, cases[i].from);
        queue_do(ix, m, cases[i].command, NULL, 0, &did);
        assert_true(queue_validate(ix));
        if (cases[i].from == QUEUE_running) {
            finish_job(ix, &pick, cases[i].then, 0);
        }
        const struct queue_message *after = find(ix, 1);
        assert_int_equal(after == NULL ? QUEUE_done : after->target[0].state,
                         cases[i].to);
        queue_free(&ix);
    }
}

/* What goes to other servers fills its own room only, and a domain stays with its worker. */
static void test_ways(void **state)
{
    (void)state;
    struct queue_index *ix = fresh();
    struct queue_pick pick = {0};
    unsigned remote = 0;
    unsigned worker = 0;
    queue_worker_up(ix, 0);
    queue_worker_up(ix, 1);
    for (uint64_t i = 1; i <= 2 * FLIGHT + 3; i++) {
        assert_int_equal(
            add(ix, (struct mail){i, "s@x.test", "far.test", 1, 0, SPOOL_REMOTE}), 0);
    }
    while (queue_take(ix, 0, &pick)) {
        assert_true(pick.remote);
        worker = remote == 0 ? pick.worker : worker;
        assert_true(remote >= FLIGHT || pick.worker == worker);
        remote++;
    }
    assert_int_equal(remote, 2 * FLIGHT);
    assert_true(queue_when(ix) == UINT64_MAX); /* it waits for room */
    assert_int_equal(
        add(ix, (struct mail){99, "s@x.test", "far.test", 1, 0, SPOOL_LOCAL}), 0);
    assert_int_equal(queue_when(ix), 0);
    assert_true(queue_take(ix, 0, &pick));
    assert_false(pick.remote);
    assert_true(queue_validate(ix));
    queue_free(&ix);
}

static void test_replay(void **state)
{
    (void)state;
    struct queue_index *ix = queue_new(&rules, &ops, NULL);
    memset(&seen, 0, sizeof seen);
    struct queue_pick pick = {0};
    for (uint64_t i = 1; i <= 3; i++) {
        assert_int_equal(add(ix, (struct mail){i, "s@x.test", "d.test", 3, 0, 0}), 0);
    }
    static const struct spool_settle settles[] = {
        {{1, 1}, 0, SPOOL_DONE, 1, 0, SLICE_INIT("")},
        {{1, 1}, 1, SPOOL_HELD, 3, 0, SLICE_INIT("failed: 550 no")}, /* and released */
        {{1, 1}, 1, SPOOL_PENDING, 4, 9000, SLICE_INIT("451 later")},
        {{1, 1}, 2, SPOOL_HELD, 2, 0, SLICE_INIT("failed: 550 no")},
        {{2, 1}, SPOOL_ALL_TARGETS, SPOOL_DONE, 1, 0, SLICE_INIT("")},
        {{2, 1}, 1, SPOOL_PENDING, 1, 0, SLICE_INIT("late word of what is done")},
        {{9, 1}, 0, SPOOL_DONE, 1, 0, SLICE_INIT("")},
        {{3, 1}, 77, SPOOL_DONE, 1, 0, SLICE_INIT("")},
        {{3, 1}, SPOOL_ALL_TARGETS, SPOOL_HELD, 0, 0, SLICE_INIT("held by command")},
        {{3, 1}, 2, SPOOL_PENDING, 0, 50, SLICE_INIT("")},
    };
    for (size_t i = 0; i < sizeof settles / sizeof settles[0]; i++) {
        queue_replay(ix, &settles[i]);
        assert_true(queue_validate(ix));
    }
    assert_int_equal(seen.finished, 0);
    queue_started(ix, 100);
    assert_int_equal(seen.finished, 1);
    assert_null(find(ix, 2));
    assert_true(queue_validate(ix));
    const struct queue_message *m = find(ix, 1);
    assert_int_equal(m->target[0].state, QUEUE_done);
    assert_int_equal(m->target[1].attempts, 4);
    assert_int_equal(m->target[2].state, QUEUE_held);
    assert_true(m->target[2].failed && !m->target[1].failed);
    assert_true(slice_eq(queue_reply(m, 2), SLICE("failed: 550 no")));
    queue_worker_up(ix, 0);
    assert_true(queue_take(ix, 100, &pick));
    assert_true(pick.message == find(ix, 3) && pick.n == 1 && pick.number[0] == 2);
    assert_true(pick.repeated); /* who knows what happened before the crash */
    assert_int_equal(queue_when(ix), 9000);
    queue_moved(ix, (struct message_id){1, 1}, 55, 66);
    assert_true(m->segment == 55 && m->offset == 66);
    queue_free(&ix);
}

/* A worker goes away: due at once, flagged as repeated; what went down with three in a row
 * waits, so that one poisonous message does not stop all others. */
static void test_worker_down(void **state)
{
    (void)state;
    struct queue_index *ix = fresh();
    struct queue_pick pick = {0};
    assert_int_equal(add(ix, (struct mail){1, "s@x.test", "d.test", 1, 0, 0}), 0);
    for (unsigned i = 0; i < QUEUE_CRASHES_MAX; i++) {
        queue_worker_up(ix, 0);
        assert_true(queue_take(ix, 0, &pick));
        assert_int_equal(pick.repeated, i > 0);
        queue_worker_down(ix, 0, 0);
        assert_true(queue_validate(ix));
        struct job_outcome o = outcome(0, JOB_DELIVERED);
        assert_false(queue_outcome(ix, pick.job, 0, &o, 0));
    }
    assert_int_equal(find(ix, 1)->target[0].attempts, 0);
    assert_int_equal(queue_when(ix), MIN);
    queue_worker_up(ix, 0);
    assert_true(queue_take(ix, MIN, &pick));
    queue_give_back(ix, pick.job, MIN);
    assert_int_equal(queue_when(ix), 0);
    /* An attempt that ends otherwise ends the row. */
    uint64_t now = MIN;
    for (unsigned i = 0; i < 2 * QUEUE_CRASHES_MAX; i++) {
        queue_worker_up(ix, 0);
        assert_true(queue_take(ix, now, &pick));
        if (i % 2 == 0) {
            finish_job(ix, &pick, JOB_DEFERRED, now);
            now = queue_when(ix);
        } else {
            queue_worker_down(ix, 0, now);
            assert_int_equal(queue_when(ix), 0);
        }
    }
    assert_true(queue_validate(ix));
    queue_free(&ix);
}

/* One sender's hundred long lists, then one message of somebody else: it goes among the
 * first jobs, though it came last. */
static void test_fair(void **state)
{
    (void)state;
    struct queue_index *ix = fresh();
    struct queue_pick pick = {0};
    for (uint64_t i = 1; i <= 100; i++) {
        assert_int_equal(add(ix, (struct mail){i, "list@x.test", "d.test", 200, 0, 0}),
                         0);
    }
    assert_int_equal(add(ix, (struct mail){500, "me@x.test", "d.test", 1, 0, 0}), 0);
    /* Two keys may share a lane; another sender then does not (its key is random). */
    assert_int_equal(add(ix, (struct mail){501, "you@x.test", "d.test", 1, 0, 0}), 0);
    queue_worker_up(ix, 0);
    unsigned jobs = 0;
    do {
        assert_true(queue_take(ix, 0, &pick));
        finish_job(ix, &pick, JOB_DELIVERED, 0);
        jobs++;
    } while (find(ix, 500) != NULL && find(ix, 501) != NULL);
    assert_true(jobs <= 3);
    queue_free(&ix);
}

static void test_cursor(void **state)
{
    (void)state;
    struct queue_index *ix = fresh();
    struct queue_cursor c;
    struct queue_did did = {0};
    for (uint64_t i = 1; i <= 4; i++) {
        assert_int_equal(add(ix, (struct mail){i, "s@x.test", "d.test", 1, 0, 0}), 0);
    }
    queue_cursor_open(ix, &c);
    assert_int_equal(queue_cursor_next(ix, &c)->id.session, 1);
    for (uint64_t i = 1; i <= 2; i++) { /* the one before, and the one it stands at */
        queue_do(ix, queue_find(ix, (struct message_id){i, 1}), QUEUE_DO_REMOVE, NULL, 0,
                 &did);
    }
    assert_int_equal(queue_cursor_next(ix, &c)->id.session, 3);
    assert_int_equal(queue_cursor_next(ix, &c)->id.session, 4);
    assert_null(queue_cursor_next(ix, &c));
    queue_cursor_close(&c);
    queue_free(&ix);
}

static void test_stats(void **state)
{
    (void)state;
    struct queue_index *ix = fresh();
    struct queue_stats stats = {0};
    const struct queue_domain *top[2] = {0};
    assert_int_equal(add(ix, (struct mail){1, "s@x.test", "few.test", 1, 50, 0}), 0);
    assert_int_equal(add(ix, (struct mail){2, "s@x.test", "many.test", 9, 40, 0}), 0);
    assert_int_equal(add(ix, (struct mail){3, "s@x.test", "some.test", 3, 60, 0}), 0);
    queue_stats(ix, 55, &stats);
    assert_int_equal(stats.messages, 3);
    assert_int_equal(stats.octets, 3000);
    assert_int_equal(stats.target_n[QUEUE_pending], 13);
    assert_int_equal(stats.due_n, 10);
    assert_int_equal(stats.oldest_ms, 40);
    assert_int_equal(queue_top_domains(ix, top, 2), 2);
    assert_memory_equal(top[0]->name, "many.test", 9);
    assert_memory_equal(top[1]->name, "some.test", 9);
    queue_free(&ix);
}

/* --- random events --- */

enum { WORKERS = 3, JOBS = 64, MESSAGES = 400 };

static struct {
    struct queue_pick job[JOBS]; /* in flight, as the workers know them */
    size_t n;
    unsigned targets[WORKERS];
    uint64_t now, added;
} world;

static void forget(size_t i)
{
    world.targets[world.job[i].worker] -= world.job[i].n;
    world.job[i] = world.job[--world.n];
}

static void take_one(struct queue_index *ix)
{
    struct queue_pick pick = {0};
    if (world.n == JOBS || !queue_take(ix, world.now, &pick)) {
        return;
    }
    assert_true(pick.n >= 1 && pick.n <= JOB_TARGETS_MAX);
    assert_true(world.targets[pick.worker] < FLIGHT); /* there was room */
    for (unsigned w = 0; w < WORKERS; w++) {
        assert_true(!ix->worker[w].up || world.targets[w] >= world.targets[pick.worker]);
    }
    for (uint16_t i = 0; i < pick.n; i++) {
        assert_true(pick.message->target[pick.number[i]].next_ms <= world.now);
        for (size_t k = 0; k < world.n; k++) { /* never two jobs for one target */
            const struct queue_pick *other = &world.job[k];
            for (uint16_t t = 0; other->message == pick.message && t < other->n; t++) {
                assert_true(other->number[t] != pick.number[i]);
            }
        }
    }
    world.targets[pick.worker] += pick.n;
    world.job[world.n++] = pick;
}

static void end_one(struct queue_index *ix, bool well)
{
    if (world.n == 0) {
        return;
    }
    size_t at = draw(world.n);
    struct queue_pick pick = world.job[at];
    forget(at);
    for (uint16_t i = 0; i < pick.n; i++) {
        struct job_outcome o =
            outcome(pick.number[i], well ? JOB_DELIVERED : (enum job_result)draw(3));
        if (well || draw(20) > 0) { /* some are forgotten */
            assert_true(queue_outcome(ix, pick.job, pick.worker, &o, world.now));
        }
    }
    assert_true(queue_job_end(ix, pick.job, pick.worker, world.now));
}

static void crash_one(struct queue_index *ix)
{
    unsigned w = (unsigned)draw(WORKERS);
    if (ix->worker[w].up) {
        queue_worker_down(ix, w, world.now);
        for (size_t i = world.n; i > 0; i--) {
            if (world.job[i - 1].worker == w) {
                forget(i - 1);
            }
        }
        assert_int_equal(world.targets[w], 0);
    } else {
        queue_worker_up(ix, w);
    }
}

static void command_one(struct queue_index *ix)
{
    struct queue_did did = {0};
    struct queue_message *m = queue_find(ix, (struct message_id){1 + draw(MESSAGES), 1});
    if (m != NULL) {
        queue_do(ix, m, (enum queue_command)draw(4), NULL, world.now, &did);
    }
}

static void add_one(struct queue_index *ix)
{
    static const char *const senders[] = {"a@x.test", "b@x.test", "", "c@y.test"};
    static const char *const domains[] = {"d.test", "e.test", "f.test"};
    if (world.added < MESSAGES) {
        unsigned n = draw(5) == 0 ? 1 + (unsigned)draw(200) : 1;
        assert_int_equal(add(ix, (struct mail){++world.added, senders[draw(4)],
                                               domains[draw(3)], n, world.now, 0}),
                         QUEUE_ADDED);
    }
}

/* Then everything goes well: all of it must come to an end. */
static void settle_all(struct queue_index *ix)
{
    struct queue_did did = {0};
    for (unsigned w = 0; w < WORKERS; w++) {
        queue_worker_up(ix, w);
    }
    for (uint64_t i = 1; i <= MESSAGES; i++) {
        struct queue_message *m = queue_find(ix, (struct message_id){i, 1});
        if (m != NULL) {
            queue_do(ix, m, QUEUE_DO_RELEASE, NULL, world.now, &did);
        }
    }
    for (int i = 0; i < 100000 && ix->message_n > 0; i++) {
        take_one(ix);
        if (world.n > 0 && draw(2) == 0) {
            end_one(ix, true);
        }
        uint64_t when = queue_when(ix);
        if (world.n == 0 && when != UINT64_MAX && when > world.now) {
            world.now = when;
        }
        if (i % 500 == 0) { /* a hold asked before may still come true */
            for (uint64_t k = 1; k <= MESSAGES; k++) {
                struct queue_message *m = queue_find(ix, (struct message_id){k, 1});
                if (m != NULL) {
                    queue_do(ix, m, QUEUE_DO_RELEASE, NULL, world.now, &did);
                }
            }
        }
    }
}

static void test_random(void **state)
{
    (void)state;
    struct queue_index *ix = fresh();
    memset(&world, 0, sizeof world);
    for (int i = 0; i < 30000; i++) {
        uint64_t dice = draw(100);
        if (dice < 10) {
            add_one(ix);
        } else if (dice < 50) {
            take_one(ix);
        } else if (dice < 85) {
            end_one(ix, false);
        } else if (dice < 95) {
            world.now += draw(2 * MIN);
        } else if (dice < 98) {
            command_one(ix);
        } else {
            crash_one(ix);
        }
        if (i % 100 == 0) {
            assert_true(queue_validate(ix));
        }
    }
    assert_int_equal(world.added, MESSAGES);
    settle_all(ix);
    assert_int_equal(ix->message_n, 0);
    assert_int_equal(seen.finished, MESSAGES);
    assert_int_equal(queue_in_flight(ix), 0);
    assert_int_equal(ix->by_domain.n, 0);
    assert_true(queue_validate(ix));
    queue_free(&ix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add),          cmocka_unit_test(test_add_malformed),
        cmocka_unit_test(test_delivered),    cmocka_unit_test(test_retry_waits),
        cmocka_unit_test(test_hold_until),   cmocka_unit_test(test_priority),
        cmocka_unit_test(test_quarantine),   cmocka_unit_test(test_failed_is_held),
        cmocka_unit_test(test_commands),     cmocka_unit_test(test_ways),
        cmocka_unit_test(test_replay),       cmocka_unit_test(test_worker_down),
        cmocka_unit_test(test_fair),         cmocka_unit_test(test_single),
        cmocka_unit_test(test_notes_shared), cmocka_unit_test(test_cursor),
        cmocka_unit_test(test_stats),        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
