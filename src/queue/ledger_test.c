/* queue/ledger_test.c - what is written when, against a store that can fail. */
#include "queue/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* The store: keeps what it was told, in order; budget: calls that still succeed. */
static struct {
    struct spool_settle settle[64];
    char reply[64][64];
    size_t settle_n, synced_n, done_n;
    struct message_id done[64];
    int settles, syncs; /* budgets */
    bool broken;        /* a sync failed: takes nothing until one works */
} disk;

bool spool_store_settle(struct spool_store *s, const struct spool_settle *settle)
{
    (void)s;
    if (disk.settles == 0 || disk.broken) {
        return false;
    }
    disk.settles--;
    assert_true(disk.settle_n < 64);
    disk.settle[disk.settle_n] = *settle;
    assert_true(slice_cstr(settle->reply, disk.reply[disk.settle_n], 64));
    disk.settle_n++;
    return true;
}

bool spool_store_sync(struct spool_store *s)
{
    (void)s;
    if (disk.syncs == 0) {
        disk.broken = true;
        return false;
    }
    disk.syncs--;
    disk.broken = false;
    disk.synced_n = disk.settle_n;
    return true;
}

void spool_store_done(struct spool_store *s, struct message_id id)
{
    (void)s;
    /* Never before its own DONE is synced. */
    bool found = false;
    for (size_t i = 0; i < disk.synced_n; i++) {
        found |= disk.settle[i].id.session == id.session &&
                 disk.settle[i].outcome == SPOOL_DONE &&
                 disk.settle[i].target == SPOOL_ALL_TARGETS;
    }
    assert_true(found);
    disk.done[disk.done_n++] = id;
}

static const struct queue_rules rules = {
    .retry_ms = {1000}, .retry_n = 1, .expire_ms = 100000, .in_flight_max = {100, 100}};
static struct queue_ledger ledger;
static struct queue_index *ix;

static void on_changed(void *arg, const struct queue_message *m, uint16_t number,
                       enum queue_what what)
{
    (void)arg, (void)what;
    ledger_changed(&ledger, m, number);
}

static void on_finished(void *arg, const struct queue_message *m)
{
    (void)arg;
    ledger_finished(&ledger, m);
}

static const struct queue_ops ops = {on_changed, on_finished};

static int begin(void **state)
{
    (void)state;
    memset(&disk, 0, sizeof disk);
    disk.settles = disk.syncs = 1000;
    ledger_init(&ledger, NULL);
    ix = queue_new(&rules, &ops, NULL);
    assert_non_null(ix);
    queue_started(ix, 0);
    queue_worker_up(ix, 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    queue_free(&ix);
    ledger_clear(&ledger);
    return 0;
}

static void add(uint64_t session, uint16_t n)
{
    static const struct spool_recipient r[3] = {
        {SLICE_INIT("a@d.test"), SLICE_INIT("a@d.test"), SPOOL_LOCAL},
        {SLICE_INIT("b@d.test"), SLICE_INIT("b@d.test"), SPOOL_LOCAL},
        {SLICE_INIT("c@d.test"), SLICE_INIT("c@d.test"), SPOOL_LOCAL}};
    struct buf b;
    buf_init(&b, 4096);
    spool_envelope_begin(&b, 0, 0, SLICE("s@t.test"), SLICE("::1"), SLICE("h"),
                         SLICE(""));
    spool_envelope_recipients(&b, r, n);
    struct spool_entry e = {.segment = 1, .envelope = buf_slice(&b)};
    e.header.id = (struct message_id){session, 1};
    assert_int_equal(queue_add(ix, &e, 0), QUEUE_ADDED);
    buf_clear(&b);
}

/* Takes the next job and answers it; target i gets result[i]. */
static void deliver(const enum job_result *result, uint64_t now_ms)
{
    struct queue_pick pick = {0};
    assert_true(queue_take(ix, now_ms, &pick));
    for (uint16_t i = 0; i < pick.n; i++) {
        struct job_outcome o = {
            .number = pick.number[i], .result = result[i], .reply = SLICE("450 why")};
        assert_true(queue_outcome(ix, pick.job, 0, &o, now_ms));
    }
    assert_true(queue_job_end(ix, pick.job, 0, now_ms));
    ledger_flush(&ledger);
}

static const enum job_result well[3] = {JOB_DELIVERED, JOB_DELIVERED, JOB_DELIVERED};
static const enum job_result mixed[3] = {JOB_DELIVERED, JOB_DEFERRED, JOB_FAILED};

/* All delivered at once: one entry, whatever the number of targets. */
static void test_one_entry(void **state)
{
    (void)state;
    add(1, 3);
    deliver(well, 0);
    assert_int_equal(disk.settle_n, 1);
    assert_int_equal(disk.settle[0].target, SPOOL_ALL_TARGETS);
    assert_int_equal(disk.done_n, 0);
    assert_true(ledger_waits(&ledger));
    assert_true(ledger_sync(&ledger));
    assert_int_equal(disk.done_n, 1);
    assert_false(ledger_waits(&ledger));
    assert_true(ledger_sync(&ledger));
    assert_int_equal(disk.syncs, 999); /* nothing new: no sync */
}

static void test_mixed(void **state)
{
    (void)state;
    static const enum spool_outcome want[] = {SPOOL_DONE, SPOOL_PENDING, SPOOL_HELD};
    static const char *const replies[] = {"", "450 why", "failed: 450 why"};
    add(1, 3);
    deliver(mixed, 0);
    assert_int_equal(disk.settle_n, 3);
    for (uint16_t i = 0; i < 3; i++) {
        assert_int_equal(disk.settle[i].target, i);
        assert_int_equal(disk.settle[i].outcome, want[i]);
        assert_int_equal(disk.settle[i].attempts, 1);
        assert_string_equal(disk.reply[i], replies[i]);
    }
    assert_int_equal(disk.settle[1].next_ms, 1000);
    assert_true(ledger_sync(&ledger));
    assert_int_equal(disk.done_n, 0);
}

/* The journal fails in the middle: nothing is lost, nothing overtakes, nothing is given up
 * before it is written and synced. */
static void test_failing(void **state)
{
    (void)state;
    add(1, 3);
    add(2, 1);
    disk.settles = 1;
    deliver(mixed, 0);
    assert_false(ledger_ok(&ledger));
    disk.settles = 100;
    deliver(well, 0); /* stands behind what failed */
    assert_int_equal(disk.settle_n, 1);
    disk.settles = 0;
    assert_false(ledger_sync(&ledger));
    disk.settles = 1; /* one more goes, then full again */
    assert_false(ledger_sync(&ledger));
    assert_int_equal(disk.settle_n, 2);
    disk.settles = 100;
    disk.syncs = 0;
    assert_false(ledger_sync(&ledger));
    assert_int_equal(disk.settle_n, 4);
    assert_int_equal(disk.done_n, 0);
    assert_false(ledger_ok(&ledger));
    disk.syncs = 1;
    assert_true(ledger_sync(&ledger));
    assert_true(ledger_ok(&ledger));
    assert_int_equal(disk.settle_n, 4);
    assert_int_equal(disk.settle[1].outcome, SPOOL_PENDING);
    assert_string_equal(disk.reply[1], "450 why");
    assert_string_equal(disk.reply[2], "failed: 450 why");
    assert_int_equal(disk.settle[3].id.session, 2);
    assert_int_equal(disk.done_n, 1);
    assert_int_equal(disk.done[0].session, 2);
}

/* A sync fails, and before the next one there is more to write. */
static void test_broken(void **state)
{
    (void)state;
    add(1, 1);
    add(2, 1);
    deliver(well, 0);
    disk.syncs = 0;
    assert_false(ledger_sync(&ledger));
    deliver(well, 0);
    assert_int_equal(disk.settle_n, 1);
    assert_false(ledger_sync(&ledger));
    disk.syncs = 100;
    assert_true(ledger_sync(&ledger));
    assert_int_equal(disk.settle_n, 2);
    assert_int_equal(disk.synced_n, 2);
    assert_int_equal(disk.done_n, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_entry, begin, end),
        cmocka_unit_test_setup_teardown(test_mixed, begin, end),
        cmocka_unit_test_setup_teardown(test_failing, begin, end),
        cmocka_unit_test_setup_teardown(test_broken, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
