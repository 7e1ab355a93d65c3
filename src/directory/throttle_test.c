/* directory/throttle_test.c - how long who guessed must wait, and what is forgotten when. */
#include "directory/throttle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { LIMIT = 5, SPAN = 100000, STEP = SPAN / LIMIT };
static const uint64_t start = 1000000;

static uint64_t guess(struct throttle *t, struct slice key, uint64_t now)
{
    return throttle_fail(t, key, LIMIT, SPAN, now);
}

static uint64_t must_wait(const struct throttle *t, struct slice key, uint64_t now)
{
    return throttle_wait(t, key, LIMIT, SPAN, now);
}

static void test_up_to_the_limit(void **state)
{
    struct throttle t;
    (void)state;
    throttle_init(&t, 10);
    assert_int_equal(must_wait(&t, SLICE("ann"), start), 0);
    for (uint64_t i = 1; i <= LIMIT; i++) {
        assert_int_equal(must_wait(&t, SLICE("ann"), start), 0);
        assert_int_equal(guess(&t, SLICE("ann"), start), i);
    }
    /* one is forgotten after SPAN / LIMIT */
    assert_int_equal(must_wait(&t, SLICE("ann"), start), STEP);
    assert_int_equal(must_wait(&t, SLICE("ann"), start + STEP - 1), 1);
    assert_int_equal(must_wait(&t, SLICE("ann"), start + STEP), 0);
    assert_int_equal(must_wait(&t, SLICE("bob"), start), 0); /* nobody else waits */
    throttle_clear(&t);
}

/* Whoever goes on beyond the limit is not locked out for longer than one who stops. */
static void test_no_more_than_the_limit(void **state)
{
    struct throttle t;
    (void)state;
    throttle_init(&t, 10);
    for (uint64_t i = 0; i < 3 * LIMIT; i++) {
        assert_true(guess(&t, SLICE("ann"), start) <= LIMIT);
    }
    assert_int_equal(must_wait(&t, SLICE("ann"), start), STEP);
    assert_int_equal(must_wait(&t, SLICE("ann"), start + STEP), 0);
    assert_int_equal(guess(&t, SLICE("ann"), start + STEP), LIMIT);
    throttle_clear(&t);
}

static void test_all_is_forgotten(void **state)
{
    struct throttle t;
    (void)state;
    throttle_init(&t, 10);
    for (uint64_t i = 0; i < LIMIT; i++) {
        (void)guess(&t, SLICE("ann"), start);
    }
    assert_int_equal(guess(&t, SLICE("ann"), start + SPAN), 1); /* the first one again */
    throttle_forget(&t, SLICE("ann"));
    throttle_forget(&t, SLICE("ann")); /* of nobody: nothing */
    assert_int_equal(t.map.n, 0);
    assert_int_equal(guess(&t, SLICE("ann"), start), 1);
    throttle_clear(&t);
}

/* A limit of one, and one that is finer than the clock. */
static void test_odd_limits(void **state)
{
    struct throttle t;
    (void)state;
    throttle_init(&t, 10);
    assert_int_equal(throttle_fail(&t, SLICE("one"), 1, 1000, start), 1);
    assert_int_equal(throttle_wait(&t, SLICE("one"), 1, 1000, start), 1000);
    assert_int_equal(throttle_wait(&t, SLICE("one"), 1, 1000, start + 1000), 0);
    assert_int_equal(throttle_fail(&t, SLICE("fine"), 5000, 1000, start), 1);
    assert_int_equal(throttle_wait(&t, SLICE("fine"), 5000, 1000, start), 0);
    throttle_clear(&t);
}

static void test_the_oldest_goes(void **state)
{
    struct throttle t;
    (void)state;
    throttle_init(&t, 3);
    for (uint64_t i = 0; i < LIMIT; i++) {
        (void)guess(&t, SLICE("a"), start);
        (void)guess(&t, SLICE("b"), start);
        (void)guess(&t, SLICE(""), start); /* a key like others */
    }
    (void)guess(&t, SLICE("a"), start); /* failed again: b is the oldest now */
    (void)guess(&t, SLICE("c"), start);
    assert_int_equal(t.map.n, 3);
    assert_true(must_wait(&t, SLICE("a"), start) > 0);
    assert_int_equal(must_wait(&t, SLICE("b"), start), 0);
    assert_true(must_wait(&t, SLICE(""), start) > 0);
    for (unsigned i = 0; i < 1000; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "%u", i);
        (void)guess(&t, slice_of(key), start);
    }
    assert_int_equal(t.map.n, 3);
    throttle_clear(&t);
    assert_true(list_empty(&t.used));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_up_to_the_limit),
        cmocka_unit_test(test_no_more_than_the_limit),
        cmocka_unit_test(test_all_is_forgotten),
        cmocka_unit_test(test_odd_limits),
        cmocka_unit_test(test_the_oldest_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
