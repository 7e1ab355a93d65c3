/* queue/index_pause_test.c - what pauses keep, what they leave alone, what their ends let go. */
#include "queue/index_impl.h"
#include "queue/testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MIN = 60 * 1000, MESSAGES = 300 };

static const struct queue_rules rules = {
    .retry_ms = {MIN}, .retry_n = 1, .expire_ms = 60 * MIN, .in_flight_max = {8, 8}};

static unsigned changes;

static void on_changed(void *arg, const struct queue_message *m, uint16_t number,
                       enum queue_what what)
{
    (void)arg, (void)m, (void)number, (void)what;
    changes++;
}

static void on_finished(void *arg, const struct queue_message *m)
{
    (void)arg, (void)m;
}

static const struct queue_ops ops = {on_changed, on_finished};

struct world {
    struct queue_index *ix;
    struct pauses *pauses;
};

static struct world fresh(void)
{
    struct world w = {queue_new(&rules, &ops, NULL), pauses_new()};
    assert_true(w.ix != NULL && w.pauses != NULL);
    queue_set_pauses(w.ix, w.pauses);
    queue_started(w.ix, 0);
    queue_worker_up(w.ix, 0);
    changes = 0;
    return w;
}

static void clear(struct world *w)
{
    queue_free(&w->ix);
    pauses_free(&w->pauses);
}

struct mail {
    uint64_t session;
    const char *sender, *login, *account, *to;
    enum spool_target kind;
};

static void add(struct world *w, struct mail mail, uint64_t now)
{
    struct buf b;
    struct spool_recipient r = {slice_of(mail.to), slice_of(mail.to), mail.kind};
    struct spool_entry e = {.segment = 1};
    buf_init(&b, 4096);
    spool_envelope_begin(&b, 0, 0, slice_of(mail.sender), SLICE("::1"), SLICE("h"),
                         slice_of(mail.login));
    spool_envelope_recipients(&b, &r, 1);
    if (mail.account != NULL) {
        spool_envelope_param(&b, "account", slice_of(mail.account));
    }
    e.header.id = (struct message_id){mail.session, 1};
    e.header.arrival_ms = now;
    e.envelope = buf_slice(&b);
    assert_int_equal(queue_add(w->ix, &e, now), QUEUE_ADDED);
    buf_clear(&b);
}

static void put(struct world *w, enum pause_kind kind, const char *name, uint64_t until)
{
    struct pause p;
    assert_true(pause_make(kind, slice_of(name), SLICE("why"), &p));
    p.until_ms = until;
    assert_true(pauses_put(w->pauses, &p));
}

static void end(struct world *w, enum pause_kind kind, const char *name, uint64_t now)
{
    assert_true(pauses_end(w->pauses, kind, slice_of(name)));
    queue_unpaused(w->ix, now);
    assert_true(queue_validate(w->ix));
}

/* The session of the one message that is taken now; 0: none is. It is given back. */
static uint64_t taken(struct world *w, uint64_t now)
{
    struct queue_pick pick = {0};
    assert_true(queue_validate(w->ix));
    if (!queue_take(w->ix, now, &pick)) {
        return 0;
    }
    uint64_t session = pick.message->id.session;
    queue_give_back(w->ix, pick.job, now);
    return session;
}

/* Whose mail it is, and what is left alone. */
static void test_kept(void **state)
{
    (void)state;
    static const struct {
        struct mail mail;
        enum pause_kind kind;
        const char *name;
        bool kept;
    } cases[] = {
        {{1, "s@x.test", "", NULL, "u@d.test", SPOOL_REMOTE},
         PAUSE_domain,
         "D.test",
         true},
        {{1, "s@x.test", "", NULL, "u@e.test", SPOOL_REMOTE},
         PAUSE_domain,
         "d.test",
         false},
        {{1, "s@x.test", "", NULL, "u@d.test", SPOOL_LOCAL},
         PAUSE_domain,
         "d.test",
         false},
        {{1, "s@x.test", "", NULL, "u@d.test", SPOOL_LOCAL},
         PAUSE_account,
         "s@x.test",
         false},
        {{1, "S@x.test", "", NULL, "u@d.test", SPOOL_REMOTE},
         PAUSE_account,
         "s@X.test",
         true},
        {{1, "s@x.test", "ann", NULL, "u@d.test", SPOOL_REMOTE},
         PAUSE_account,
         "s@x.test",
         false},
        {{1, "s@x.test", "ann", NULL, "u@d.test", SPOOL_REMOTE},
         PAUSE_account,
         "Ann",
         true},
        {{1, "s@x.test", "", "acme", "u@d.test", SPOOL_REMOTE},
         PAUSE_account,
         "acme",
         true},
        {{1, "s@x.test", "", "acme", "u@d.test", SPOOL_REMOTE},
         PAUSE_account,
         "s@x.test",
         false},
        {{1, "", "", NULL, "u@d.test", SPOOL_REMOTE}, PAUSE_account, "x", false},
        {{1, "s@x.test", "", NULL, "u@d.test", SPOOL_REMOTE},
         PAUSE_site,
         "d.test",
         false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (unsigned before = 0; before < 2;
             before++) { /* paused before it came; after */
            struct world w = fresh();
            if (before == 1) {
                put(&w, cases[i].kind, cases[i].name, PAUSE_FOREVER);
            }
            add(&w, cases[i].mail, 1000);
            if (before == 0) {
                put(&w, cases[i].kind, cases[i].name, PAUSE_FOREVER);
            }
            const struct queue_message *m = queue_find(w.ix, (struct message_id){1, 1});
            assert_int_equal(taken(&w, 1000), cases[i].kept ? 0 : 1);
            assert_int_equal(queue_paused(w.ix, m, 0) != NULL, cases[i].kept);
            assert_int_equal(taken(&w, 100 * MIN), cases[i].kept ? 0 : 1);
            end(&w, cases[i].kind, cases[i].name, 100 * MIN);
            assert_int_equal(taken(&w, 100 * MIN), 1);
            clear(&w);
        }
    }
}

/* The time of a pause is over by itself; until then nothing wakes the queue. */
static void test_until(void **state)
{
    (void)state;
    struct world w = fresh();
    add(&w, (struct mail){1, "s@x.test", "", NULL, "u@d.test", SPOOL_REMOTE}, 1000);
    put(&w, PAUSE_domain, "d.test", 5000);
    assert_int_equal(taken(&w, 1000), 0);
    assert_int_equal(queue_when(w.ix), 5000);
    assert_int_equal(taken(&w, 4999), 0);
    assert_int_equal(taken(&w, 5000), 1);
    put(&w, PAUSE_domain, "d.test", PAUSE_FOREVER);
    assert_int_equal(taken(&w, 5000), 0);
    assert_true(queue_when(w.ix) >= PAUSE_FOREVER);
    clear(&w);
}

/* A pause is no attempt, and what is older than it may be has one left at its end. */
static void test_age(void **state)
{
    (void)state;
    struct world w = fresh();
    struct queue_pick pick = {0};
    add(&w, (struct mail){1, "s@x.test", "", NULL, "u@d.test", SPOOL_REMOTE}, 1000);
    put(&w, PAUSE_domain, "d.test", 100 * MIN);
    const struct queue_message *m = queue_find(w.ix, (struct message_id){1, 1});
    assert_int_equal(taken(&w, 99 * MIN), 0);
    assert_int_equal(m->target[0].attempts, 0);
    assert_int_equal(changes, 0);
    assert_true(queue_take(w.ix, 100 * MIN, &pick));
    struct job_outcome o = {.result = JOB_DEFERRED, .reply = SLICE("451 4.2.0 busy")};
    assert_true(queue_outcome(w.ix, pick.job, 0, &o, 100 * MIN));
    assert_true(queue_job_end(w.ix, pick.job, 0, 100 * MIN));
    assert_int_equal(m->target[0].state, QUEUE_held);
    assert_true(slice_eq(queue_reply(m, 0), SLICE("expired: 451 4.2.0 busy")));
    clear(&w);
}

/* What a delivery sends back because of a site: the whole domain waits, no attempt is counted; one that
 * names a pause that is none waits a second. */
static void test_site(void **state)
{
    (void)state;
    struct world w = fresh();
    struct queue_pick pick = {0};
    add(&w, (struct mail){1, "s@x.test", "", NULL, "u@d.test", SPOOL_REMOTE}, 1000);
    add(&w, (struct mail){2, "t@x.test", "", NULL, "v@d.test", SPOOL_REMOTE}, 1000);
    put(&w, PAUSE_site, "mx.test", PAUSE_FOREVER);
    struct job_outcome o = {.result = JOB_DEFERRED,
                            .advice = JOB_paused,
                            .where = SLICE("mx.test"),
                            .reply = SLICE("451 4.3.2 paused")};
    assert_true(queue_take(w.ix, 1000, &pick));
    assert_true(queue_outcome(w.ix, pick.job, 0, &o, 1000));
    assert_true(queue_job_end(w.ix, pick.job, 0, 1000));
    assert_int_equal(taken(&w, 2000), 0);
    for (uint64_t i = 1; i <= 2; i++) {
        const struct queue_message *m = queue_find(w.ix, (struct message_id){i, 1});
        assert_int_equal(m->target[0].attempts, 0);
        assert_non_null(queue_paused(w.ix, m, 0));
    }
    assert_int_equal(changes, 0);
    end(&w, PAUSE_site, "mx.test", 2000);
    assert_true(queue_take(w.ix, 2000, &pick));
    o.where = SLICE("other.test");
    assert_true(queue_outcome(w.ix, pick.job, 0, &o, 2000));
    assert_true(queue_job_end(w.ix, pick.job, 0, 2000));
    assert_true(queue_take(w.ix, 2000, &pick));
    assert_true(queue_outcome(w.ix, pick.job, 0, &o, 2000));
    assert_true(queue_job_end(w.ix, pick.job, 0, 2000));
    assert_int_equal(taken(&w, 2999), 0);
    assert_int_not_equal(taken(&w, 3000), 0);
    clear(&w);
}

/* The sessions (one bit each) of all that is taken now; their jobs go on. */
static unsigned all_taken(struct world *w, uint64_t now)
{
    struct queue_pick pick;
    unsigned sessions = 0;
    while (queue_take(w->ix, now, &pick)) {
        sessions |= 1U << pick.message->id.session;
    }
    return sessions;
}

/* A sender that a domain asks to wait waits with all that its account has for it. */
static void test_account_waits(void **state)
{
    (void)state;
    struct world w = fresh();
    struct queue_pick pick = {0};
    add(&w, (struct mail){1, "a@x.test", "ann", NULL, "u@d.test", SPOOL_REMOTE}, 1000);
    add(&w, (struct mail){2, "b@x.test", "ann", NULL, "v@d.test", SPOOL_REMOTE}, 1000);
    assert_true(queue_take(w.ix, 1000, &pick));
    struct job_outcome o = {.result = JOB_DEFERRED,
                            .advice = JOB_pause_sender,
                            .wait_s = 600,
                            .reply = SLICE("451 4.7.0 too much from you")};
    assert_true(queue_outcome(w.ix, pick.job, 0, &o, 1000));
    assert_true(queue_job_end(w.ix, pick.job, 0, 1000));
    /* What comes later waits as well; another account's does not, nor what goes elsewhere. */
    add(&w, (struct mail){3, "c@x.test", "ann", NULL, "x@d.test", SPOOL_REMOTE}, 2000);
    add(&w, (struct mail){4, "c@x.test", "Ann", NULL, "y@d.test", SPOOL_LOCAL}, 2000);
    add(&w, (struct mail){5, "c@x.test", "bob", NULL, "x@d.test", SPOOL_REMOTE}, 2000);
    add(&w, (struct mail){6, "c@x.test", "ann", NULL, "x@e.test", SPOOL_REMOTE}, 2000);
    assert_int_equal(all_taken(&w, 2000), 1 << 4 | 1 << 5 | 1 << 6);
    assert_int_equal(queue_next_ms(queue_find(w.ix, (struct message_id){3, 1}), 0),
                     601 * 1000);
    assert_int_equal(all_taken(&w, 600 * 1000), 0);
    assert_int_equal(all_taken(&w, 601 * 1000), 1 << 1 | 1 << 2 | 1 << 3);
    add(&w, (struct mail){7, "c@x.test", "ann", NULL, "x@d.test", SPOOL_REMOTE},
        601 * 1000);
    assert_int_equal(all_taken(&w, 601 * 1000), 1 << 7);
    assert_true(queue_validate(w.ix));
    clear(&w);
}

/* So many are remembered, and no longer than they wait. */
static void test_many_wait(void **state)
{
    (void)state;
    struct world w = fresh();
    struct job_outcome o = {.result = JOB_DEFERRED,
                            .advice = JOB_pause_sender,
                            .wait_s = 600,
                            .reply = SLICE("451 4.7.0 too much from you")};
    for (uint64_t i = 0; i < 3000; i++) {
        char login[20];
        struct queue_pick pick;
        uint64_t now = 1000 + i * 1000;
        (void)snprintf(login, sizeof login, "ann%llu", (unsigned long long)i);
        add(&w, (struct mail){1 + i, "a@x.test", login, NULL, "u@d.test", SPOOL_REMOTE},
            now);
        assert_true(queue_take(w.ix, now, &pick));
        assert_true(queue_outcome(w.ix, pick.job, 0, &o, now));
        assert_true(queue_job_end(w.ix, pick.job, 0, now));
        assert_true(w.ix->waits.n <= 1200); /* twice the 600 that wait */
    }
    clear(&w);
}

/* A class may have waits of its own; what the reply names is the least. */
static void test_class_waits(void **state)
{
    (void)state;
    static struct queue_waits waits[256] = {[7] = {.ms = {2000, 3000}, .n = 2}};
    struct queue_rules own = rules;
    own.class_waits = waits;
    struct world w = {queue_new(&own, &ops, NULL), pauses_new()};
    struct queue_pick pick = {0};
    static const struct {
        uint8_t klass;
        uint32_t named_s;
        uint64_t wait;
    } steps[] = {{7, 0, 2000}, {7, 0, 3000}, {7, 0, 3000}, {7, 9, 9000}, {8, 0, MIN}};
    uint64_t now = 1000;
    queue_started(w.ix, 0);
    queue_worker_up(w.ix, 0);
    add(&w, (struct mail){1, "s@x.test", "", NULL, "u@d.test", SPOOL_REMOTE}, now);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        assert_true(queue_take(w.ix, now, &pick));
        struct job_outcome o = {.result = JOB_DEFERRED,
                                .klass = steps[i].klass,
                                .wait_s = steps[i].named_s,
                                .reply = SLICE("451 4.2.0 busy")};
        assert_true(queue_outcome(w.ix, pick.job, 0, &o, now));
        assert_true(queue_job_end(w.ix, pick.job, 0, now));
        assert_int_equal(queue_when(w.ix), now + steps[i].wait);
        now += steps[i].wait;
    }
    clear(&w);
}

/* Pauses come and go while mail does: never is anything taken that is paused, and nothing stays
 * behind when all are over. */
static void test_random(void **state)
{
    (void)state;
    static const char *const domains[] = {"d.test", "e.test", "f.test"};
    static const char *const senders[] = {"a@x.test", "b@x.test"};
    struct world w = fresh();
    uint64_t now = 0, added = 0;
    struct queue_pick pick = {0};
    for (int i = 0; i < 20000; i++) {
        enum pause_kind kind = draw(2) == 0 ? PAUSE_domain : PAUSE_account;
        const char *name = kind == PAUSE_domain ? domains[draw(3)] : senders[draw(2)];
        uint64_t dice = draw(100);
        now += draw(20);
        if (dice < 10 && added < MESSAGES) {
            char to[20];
            (void)snprintf(to, sizeof to, "u@%s", domains[draw(3)]);
            add(&w,
                (struct mail){++added, senders[draw(2)], "", NULL, to,
                              draw(4) == 0 ? SPOOL_LOCAL : SPOOL_REMOTE},
                now);
        } else if (dice < 15) {
            put(&w, kind, name, draw(3) == 0 ? PAUSE_FOREVER : now + 1 + draw(500));
            queue_unpaused(w.ix, now); /* it may have become shorter */
        } else if (dice < 20 && pauses_end(w.pauses, kind, slice_of(name))) {
            queue_unpaused(w.ix, now);
        } else if (queue_take(w.ix, now, &pick)) {
            const struct queue_message *m = pick.message;
            struct slice domain = queue_domain(m, pick.number[0]);
            const struct pause *p = pauses_find(w.pauses, PAUSE_domain, domain);
            const struct pause *a =
                pauses_find(w.pauses, PAUSE_account, queue_account(m));
            assert_true(!pick.remote || ((p == NULL || p->until_ms <= now) &&
                                         (a == NULL || a->until_ms <= now)));
            struct job_outcome o = {.number = pick.number[0],
                                    .result =
                                        draw(3) == 0 ? JOB_DELIVERED : JOB_DEFERRED};
            assert_true(queue_outcome(w.ix, pick.job, 0, &o, now));
            assert_true(queue_job_end(w.ix, pick.job, 0, now));
        }
        assert_true(i % 50 != 0 || queue_validate(w.ix));
    }
    while (pauses_next(w.pauses, NULL) != NULL) {
        const struct pause p = *pauses_next(w.pauses, NULL);
        assert_true(pauses_end(w.pauses, p.kind, pause_name(&p)));
    }
    queue_unpaused(w.ix, now);
    for (int i = 0; i < 2 * MESSAGES && w.ix->message_n > 0; i++) {
        now = queue_when(w.ix) > now ? queue_when(w.ix) : now;
        assert_true(queue_take(w.ix, now, &pick));
        struct job_outcome o = {.number = pick.number[0], .result = JOB_DELIVERED};
        assert_true(queue_outcome(w.ix, pick.job, 0, &o, now));
        assert_true(queue_job_end(w.ix, pick.job, 0, now));
    }
    assert_int_equal(w.ix->message_n, 0);
    assert_int_equal(w.ix->by_account.n, 0);
    assert_int_equal(w.ix->by_domain.n, 0);
    clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept),      cmocka_unit_test(test_until),
        cmocka_unit_test(test_age),       cmocka_unit_test(test_site),
        cmocka_unit_test(test_random),    cmocka_unit_test(test_account_waits),
        cmocka_unit_test(test_many_wait), cmocka_unit_test(test_class_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
