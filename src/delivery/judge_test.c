/* delivery/judge_test.c - see judge.h */
#include "delivery/judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_advice(void **state)
{
    (void)state;
    static const struct {
        const char *reply;
        enum job_result result;
        enum job_advice advice;
        enum judge_site site;
        uint32_t wait_s;
    } cases[] = {
        {"250 2.0.0 fine", JOB_DELIVERED, JOB_usual, JUDGE_SITE_FINE, 0},
        {"550 5.1.1 <x@y.example>: user unknown", JOB_FAILED, JOB_suppress,
         JUDGE_SITE_FINE, 0},
        {"450 4.1.1 <x@y.example>: user unknown", JOB_DEFERRED, JOB_usual,
         JUDGE_SITE_FINE, 0},
        {"552 5.2.2 mailbox is full", JOB_FAILED, JOB_later, JUDGE_SITE_FINE, 0},
        {"452 4.2.2 mailbox is full", JOB_DEFERRED, JOB_later, JUDGE_SITE_FINE, 0},
        {"421 4.7.0 too many connections from your IP address", JOB_DEFERRED, JOB_slow,
         JUDGE_SITE_SLOWER, 0},
        {"554 5.7.1 your IP address is listed at zen.spamhaus.org", JOB_FAILED, JOB_usual,
         JUDGE_SITE_STOP, 0},
        {"450 4.7.1 greylisted, please try again in 10 minutes", JOB_DEFERRED,
         JOB_same_source, JUDGE_SITE_FINE, 600},
        {"450 4.2.0 greylisted", JOB_DEFERRED, JOB_same_source, JUDGE_SITE_FINE,
         JUDGE_GREY_S},
        {"550 5.7.1 message rejected as spam", JOB_FAILED, JOB_usual, JUDGE_SITE_FINE, 0},
        {"452 4.5.3 too many recipients", JOB_DEFERRED, JOB_split, JUDGE_SITE_FINE, 0},
    };
    struct bounce_classifier *c = bounce_classifier_new();
    assert_non_null(c);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct outcome o = {0};
        outcome_set(&o, cases[i].result, slice_of(cases[i].reply));
        enum judge_site site = judge(c, BOUNCE_STAGE_RCPT, SLICE("mx.y.example"), &o);
        print_message("%s: %s\n", cases[i].reply, job_advice_name(o.advice));
        assert_int_equal(o.advice, cases[i].advice);
        assert_int_equal(site, cases[i].site);
        assert_int_equal(o.wait_s, cases[i].wait_s);
    }
    bounce_classifier_free(&c);
}

/* A 4yz suppresses nobody, whatever it says. */
static void test_no_suppression_for_now(void **state)
{
    (void)state;
    struct bounce_classifier *c = bounce_classifier_new();
    assert_non_null(c);
    for (unsigned rule = 0; rule < BOUNCE_RULES_N; rule++) {
        struct outcome o = {0};
        const char *example = bounce_rule_info(rule)->example;
        outcome_set(&o, JOB_DEFERRED, slice_of(example));
        IGNORE(judge(c, BOUNCE_STAGE_RCPT, SLICE(""), &o) == JUDGE_SITE_STOP);
        assert_int_not_equal(o.advice, JOB_suppress);
    }
    bounce_classifier_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_advice),
                                       cmocka_unit_test(test_no_suppression_for_now)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
