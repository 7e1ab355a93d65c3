/* queue/schedule_test.c - order by due time, turns between lanes, and our own rules under
 * random use. */
#include "queue/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MANY = 500 };

static struct schedule s;
static struct sched_unit unit[MANY];

static uint64_t draw(uint64_t below)
{
    static uint64_t x = 88172645463325252U; /* xorshift64; the same in every run */
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x % below;
}

static void setup_units(uint16_t lanes)
{
    sched_init(&s);
    assert_true(sched_reserve(&s, MANY));
    for (unsigned i = 0; i < MANY; i++) {
        sched_unit_init(&unit[i], (uint16_t)(i % lanes));
    }
}

static void test_order_by_time(void **state)
{
    (void)state;
    setup_units(1);
    for (size_t i = 0; i < MANY; i++) {
        sched_put(&s, &unit[i], 1000 + draw(300), 0);
    }
    assert_true(sched_validate(&s));
    uint64_t before = 0;
    size_t n = 0;
    /* In jumps of 7 ms, so that several become due together. */
    for (uint64_t now = 990; now < 1310; now += 7) {
        struct sched_unit *u = NULL;
        while ((u = sched_next(&s, now)) != NULL) {
            assert_true(u->due_ms <= now);
            assert_true(u->due_ms >= before);
            before = u->due_ms;
            sched_drop(&s, u);
            n++;
        }
        assert_true(sched_when(&s) > now);
    }
    assert_int_equal(n, MANY);
    assert_true(sched_when(&s) == UINT64_MAX);
    sched_clear(&s);
}

/* One lane full of expensive units, one with a single cheap one: the cheap one waits for no
 * more than one turn, and both lanes get about the same work over time. */
static void test_turns(void **state)
{
    (void)state;
    setup_units(2);
    uint64_t work[2] = {0};
    for (size_t i = 0; i < MANY; i++) {
        sched_put(&s, &unit[i], 5, 10);
    }
    for (int i = 0; i < 2000; i++) {
        struct sched_unit *u = sched_next(&s, 10);
        assert_non_null(u);
        int cost = u->lane == 0 ? 64 : 1;
        work[u->lane] += (uint64_t)cost;
        sched_charge(&s, u, cost);
    }
    assert_true(work[0] < work[1] + 2 * (64 + SCHED_QUANTUM));
    assert_true(work[1] < work[0] + 2 * (64 + SCHED_QUANTUM));
    assert_true(sched_validate(&s));
    sched_clear(&s);
}

/* Units of one lane take turns, too. */
static void test_turns_in_a_lane(void **state)
{
    (void)state;
    setup_units(1);
    for (size_t i = 0; i < 3; i++) {
        sched_put(&s, &unit[i], i, 10);
    }
    for (size_t i = 0; i < 9; i++) {
        struct sched_unit *u = sched_next(&s, 10);
        assert_ptr_equal(u, &unit[i % 3]);
        sched_charge(&s, u, 1);
    }
    sched_clear(&s);
}

/* A unit that was due long ago comes before one put in later, though nobody asked
 * in between. */
static void test_due_before_new(void **state)
{
    (void)state;
    setup_units(1);
    sched_put(&s, &unit[0], 100, 50);
    sched_put(&s, &unit[1], 200, 200);
    assert_ptr_equal(sched_next(&s, 200), &unit[0]);
    sched_put(&s, &unit[0], 900, 200); /* out of its lane, back to the heap */
    assert_ptr_equal(sched_next(&s, 200), &unit[1]);
    sched_drop(&s, &unit[1]);
    assert_null(sched_next(&s, 899));
    assert_ptr_equal(sched_next(&s, 900), &unit[0]);
    sched_clear(&s);
}

/* What is urgent goes first; what has time is not forgotten, and neither is what is usual. */
static void test_bands(void **state)
{
    (void)state;
    setup_units(3);
    uint64_t work[SCHED_BANDS] = {0};
    for (size_t i = 0; i < MANY; i++) {
        unit[i].band = (uint8_t)(i % SCHED_BANDS);
        sched_put(&s, &unit[i], 5, 10);
    }
    for (int i = 0; i < SCHED_AHEAD / 2; i++) {
        struct sched_unit *u = sched_next(&s, 10);
        assert_int_equal(u->band, SCHED_URGENT);
        sched_charge(&s, u, 1);
    }
    for (int i = 0; i < 20 * SCHED_AHEAD; i++) {
        struct sched_unit *u = sched_next(&s, 10);
        work[u->band]++;
        sched_charge(&s, u, 1);
    }
    assert_true(work[SCHED_URGENT] > 19 * SCHED_AHEAD - SCHED_AHEAD / 2);
    assert_in_range(work[SCHED_USUAL], 15, 25);
    assert_in_range(work[SCHED_HAS_TIME], 15, 25);
    assert_true(sched_validate(&s));
    for (size_t i = 0; i < MANY; i += SCHED_BANDS) {
        sched_drop(&s, &unit[i]);
    }
    assert_int_equal(sched_next(&s, 10)->band, SCHED_USUAL);
    assert_int_equal(sched_when(&s), 0);
    sched_clear(&s);
}

static void test_random(void **state)
{
    (void)state;
    setup_units(7);
    for (size_t i = 0; i < MANY; i++) {
        unit[i].band = (uint8_t)draw(SCHED_BANDS);
    }
    uint64_t now = 1000;
    for (int i = 0; i < 20000; i++) {
        struct sched_unit *u = &unit[draw(MANY)];
        switch (draw(4)) {
        case 0:
            sched_put(&s, u, now + draw(200) - 50, now);
            break;
        case 1:
            sched_drop(&s, u);
            break;
        case 2:
            now += draw(3);
            break;
        default:
            u = sched_next(&s, now);
            assert_true(u == NULL || u->due_ms <= now);
            if (u != NULL) {
                sched_charge(&s, u, (int)draw(64));
            }
            break;
        }
        if (i % 50 == 0) {
            assert_true(sched_validate(&s));
        }
    }
    for (size_t i = 0; i < MANY; i++) {
        sched_drop(&s, &unit[i]);
    }
    assert_true(sched_when(&s) == UINT64_MAX);
    sched_clear(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_by_time),   cmocka_unit_test(test_turns),
        cmocka_unit_test(test_turns_in_a_lane), cmocka_unit_test(test_due_before_new),
        cmocka_unit_test(test_bands),           cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
