/* rate/limit_test.c - limits as text, what they allow, and levels of reputation. */
#include "rate/limit.h"

#include "rate/reputation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_text(void **state)
{
    static const struct {
        const char *text;
        struct rate_bound bound;
    } cases[] = {
        {"off", {{0, 0, RATE_MINUTE}, 0}},
        {"1/day", {{1, 0, RATE_DAY}, 1}},
        {"1000/hour burst 100", {{1000, 100, RATE_HOUR}, 1000}},
        {"600-50000/hour", {{600, 0, RATE_HOUR}, 50000}},
        {"5/minute", {{5, 0, RATE_MINUTE}, 5}},
        {"16777215/day", {{16777215, 0, RATE_DAY}, 16777215}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rate_bound b = {.most = 77};
        char text[RATE_BOUND_TEXT_MAX];
        assert_null(rate_bound_parse(slice_of(cases[i].text), &b));
        assert_int_equal(b.least.count, cases[i].bound.least.count);
        assert_int_equal(b.least.burst, cases[i].bound.least.burst);
        assert_int_equal(b.least.window, cases[i].bound.least.window);
        assert_int_equal(b.most, cases[i].bound.most);
        assert_string_equal(rate_bound_text(&b, text).ptr, cases[i].text);
    }
}

static void test_bad_text(void **state)
{
    static const char *const bad[] = {
        "",
        "0/hour",
        "1",
        "1/",
        "1/week",
        "1 /hour",
        "16777216/day",
        "-5/hour",
        "5-/hour",
        "5-4/hour",
        "5-0/hour",
        "5/hour bursts",
        "5/hour 7",
        "5/hour burst",
        "5/hourly",
        "5/hour burst 0",
        "5-9/hour burst 2",
        "5/hour burst 2 x",
        "offf",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct rate_bound b = {.most = 77};
        assert_non_null(rate_bound_parse(slice_of(bad[i]), &b));
        assert_int_equal(b.most, 77);
    }
}

static void test_allowed(void **state)
{
    static const struct rate_bound range = {{100, 0, RATE_HOUR}, 1000};
    static const struct rate_bound daily = {{100, 0, RATE_DAY}, 100000};
    static const struct rate_bound burst = {{60, 10, RATE_MINUTE}, 60};
    static const struct {
        const struct rate_bound *bound;
        uint64_t usual, good, bad, allowed;
    } cases[] = {
        {&range, 0, 0, 0, 100},      {&range, 33, 0, 0, 100},
        {&range, 100, 0, 0, 300},    {&range, 5000, 0, 0, 1000},
        {&range, 100, 0, 19, 300}, /* little evidence */
        {&range, 100, 0, 20, 1},     {&range, 100, 10, 10, 150},
        {&range, 100, 90, 10, 270},  {&daily, 100, 0, 0, 7200},
        {&burst, 1000, 0, 1000, 60},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rate_view v = {
            .usual = cases[i].usual, .good = cases[i].good, .bad = cases[i].bad};
        assert_int_equal(rate_allowed(cases[i].bound, &v, 20).count, cases[i].allowed);
    }
}

/* What rate_with() foretells is what rate_add() then does. */
static void test_with(void **state)
{
    static const uint64_t hash_key[2] = {1, 2};
    static const struct rate_limit limits[] = {{3, 0, RATE_MINUTE}, {60, 3, RATE_MINUTE}};
    size_t octets = rate_size_for(1000);
    void *memory = aligned_alloc(4096, (octets + 4095) / 4096 * 4096);
    (void)state;
    assert_non_null(memory);
    memset(memory, 0, octets);
    struct rate_table *t = rate_init(memory, octets, hash_key);
    for (unsigned i = 0; i < 2; i++) {
        uint64_t now = 1700000000000000;
        struct rate_key key = rate_key(t, RATE_ip, i == 0 ? SLICE("a") : SLICE("b"));
        const struct rate_limit *l = &limits[i];
        for (unsigned n = 1; n <= 4; n++) {
            struct rate_view v = {0}, after;
            IGNORE(rate_read(t, &key, now, &v));
            struct rate_view with = rate_with(l, &v, 1, now);
            assert_true(rate_add(t, &key, 1, l->burst > 0 ? l : NULL, now, &after));
            assert_int_equal(rate_measured(l, &with, now), n);
            assert_int_equal(rate_measured(l, &after, now), n);
            assert_int_equal(rate_over(l, &with, now), n > 3);
        }
    }
    free(memory);
}

static void test_reputation(void **state)
{
    static const struct {
        uint64_t good, bad;
        enum reputation level;
    } cases[] = {
        {0, 0, REPUTATION_UNKNOWN},   {19, 0, REPUTATION_UNKNOWN},
        {0, 19, REPUTATION_UNKNOWN},  {20, 0, REPUTATION_GOOD},
        {100, 11, REPUTATION_GOOD},   {90, 10, REPUTATION_NEUTRAL},
        {51, 49, REPUTATION_NEUTRAL}, {50, 50, REPUTATION_LOW},
        {0, 39, REPUTATION_LOW},      {0, 40, REPUTATION_VERY_LOW},
        {21, 80, REPUTATION_LOW},     {20, 80, REPUTATION_VERY_LOW},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(reputation_of(cases[i].good, cases[i].bad, 20), cases[i].level);
    }
    for (int r = 0; r < REPUTATION_COUNT; r++) {
        unsigned good, bad;
        enum reputation again;
        reputation_signs((enum reputation)r, 20, &good, &bad);
        assert_int_equal(reputation_of(good, bad, 20), r);
        assert_true(
            reputation_read(slice_of(reputation_name((enum reputation)r)), &again));
        assert_int_equal(again, r);
    }
    enum reputation level;
    assert_true(reputation_read(SLICE("very-low"), &level));
    assert_int_equal(level, REPUTATION_VERY_LOW);
    assert_false(reputation_read(SLICE("lowest"), &level));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),       cmocka_unit_test(test_bad_text),
        cmocka_unit_test(test_allowed),    cmocka_unit_test(test_with),
        cmocka_unit_test(test_reputation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
