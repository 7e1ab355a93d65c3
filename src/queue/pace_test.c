/* queue/pace_test.c - slots: evenly, in bursts, of whom, and never more than the rule says. */
#include "queue/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { MINUTE = 60 * 1000 };
#define START UINT64_C(1800000000000)

static struct pace *p;

static int setup(void **state)
{
    (void)state;
    p = pace_new();
    return p == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    pace_free(&p);
    return p == NULL ? 0 : -1;
}

static uint64_t at(enum pace_kind kind, const char *name, uint64_t now)
{
    return pace_slot(p, kind, slice_of(name), START + now) - START;
}

static void test_even(void **state)
{
    (void)state;
    assert_int_equal(at(PACE_DOMAIN, "a.test", 0), 0); /* no rules: nothing waits */
    assert_int_equal(at(PACE_DOMAIN, "a.test", 0), 0);
    assert_true(pace_put(p, PACE_DOMAIN, SLICE(""), (struct pace_rule){60, MINUTE, 1}));
    for (uint64_t i = 0; i < 100; i++) {
        assert_int_equal(at(PACE_DOMAIN, "a.test", 0), i * 1000);
        assert_int_equal(at(PACE_DOMAIN, "B.test", 0), i * 1000);
    }
    assert_int_equal(at(PACE_DOMAIN, "b.TEST", 50), 100 * 1000);
    assert_int_equal(at(PACE_ACCOUNT, "a.test", 60), 60); /* of another kind */
    assert_int_equal(at(PACE_DOMAIN, "a.test", 200 * 1000), 200 * 1000);
    assert_int_equal(at(PACE_DOMAIN, "a.test", 200 * 1000), 201 * 1000);
    assert_int_equal(at(PACE_DOMAIN, "", 200 * 1000), 200 * 1000); /* nobody's */
}

static void test_burst(void **state)
{
    (void)state;
    assert_true(pace_put(p, PACE_ACCOUNT, SLICE(""), (struct pace_rule){6, MINUTE, 3}));
    assert_int_equal(at(PACE_ACCOUNT, "ann", 0), 0);
    assert_int_equal(at(PACE_ACCOUNT, "ann", 0), 0);
    assert_int_equal(at(PACE_ACCOUNT, "ann", 0), 0);
    assert_int_equal(at(PACE_ACCOUNT, "ann", 0), 10000);
    assert_int_equal(at(PACE_ACCOUNT, "ann", 0), 20000);
    /* half a rest, half a burst */
    assert_int_equal(at(PACE_ACCOUNT, "ann", 40000), 40000);
    assert_int_equal(at(PACE_ACCOUNT, "ann", 40000), 40000);
    assert_int_equal(at(PACE_ACCOUNT, "ann", 40000), 50000);
}

static void test_names(void **state)
{
    (void)state;
    assert_true(pace_put(p, PACE_DOMAIN, SLICE(""), (struct pace_rule){60, MINUTE, 1}));
    assert_true(
        pace_put(p, PACE_DOMAIN, SLICE("Slow.test"), (struct pace_rule){1, MINUTE, 1}));
    assert_true(
        pace_put(p, PACE_DOMAIN, SLICE("free.test"), (struct pace_rule){0, 0, 1}));
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(at(PACE_DOMAIN, "slow.TEST", 0), i * MINUTE);
        assert_int_equal(at(PACE_DOMAIN, "free.test", 0), 0);
        assert_int_equal(at(PACE_DOMAIN, "other.test", 0), i * 1000);
    }
    static const unsigned char octets[PACE_NAME_MAX + 1];
    struct slice name = {octets, sizeof octets};
    assert_false(pace_put(p, PACE_DOMAIN, name, (struct pace_rule){1, MINUTE, 1}));
    assert_int_equal(pace_slot(p, PACE_DOMAIN, name, START), START);
    assert_int_equal(pace_slot(p, PACE_DOMAIN, name, START), START);
}

/* Names at rest are forgotten, others are not. */
static void test_many(void **state)
{
    char name[32];
    (void)state;
    assert_true(pace_put(p, PACE_DOMAIN, SLICE(""), (struct pace_rule){600, MINUTE, 1}));
    assert_true(
        pace_put(p, PACE_DOMAIN, SLICE("slow"), (struct pace_rule){1, 60 * MINUTE, 1}));
    assert_int_equal(at(PACE_DOMAIN, "slow", 0), 0);
    for (uint64_t i = 1; i <= 20000; i++) {
        (void)snprintf(name, sizeof name, "d%llu", (unsigned long long)i);
        assert_int_equal(at(PACE_DOMAIN, name, i), i);
    }
    assert_int_equal(at(PACE_DOMAIN, "d20000", 20000), 20100);
    assert_int_equal(at(PACE_DOMAIN, "d1", 20000), 20000);
    assert_int_equal(at(PACE_DOMAIN, "slow", 20000), 60 * MINUTE);
}

static void test_clock(void **state)
{
    (void)state;
    assert_true(pace_put(p, PACE_DOMAIN, SLICE(""), (struct pace_rule){1, MINUTE, 1}));
    assert_int_equal(at(PACE_DOMAIN, "a", 10000), 10000);
    assert_int_equal(at(PACE_DOMAIN, "a", 9999), 9999); /* set back */
    assert_int_equal(at(PACE_DOMAIN, "a", 9999), 9999 + MINUTE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_even, setup, teardown),
        cmocka_unit_test_setup_teardown(test_burst, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clock, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
