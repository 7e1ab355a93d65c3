/* base/nearest_test.c - distances, and the choice among known words. */
#include "base/nearest.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_distance(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        unsigned distance;
    } cases[] = {
        {"", "", 0},           {"a", "", 1},           {"", "ab", 2},
        {"queue", "QUEUE", 0}, {"quue", "queue", 1},   {"queeu", "queue", 1},
        {"quexe", "queue", 1}, {"ab", "ba", 1},        {"kitten", "sitting", 3},
        {"abc", "xyz", 3},     {"xqueue", "queue", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice a = slice_of(cases[i].a), b = slice_of(cases[i].b);
        assert_int_equal(nearest_distance(a, b), cases[i].distance);
        assert_int_equal(nearest_distance(b, a), cases[i].distance);
    }
    unsigned char longer[NEAREST_LEN_MAX + 1] = {0};
    assert_int_equal(nearest_distance((struct slice){longer, sizeof longer}, SLICE("a")),
                     UINT_MAX);
    assert_int_equal(
        nearest_distance((struct slice){longer, NEAREST_LEN_MAX}, SLICE("a")),
        NEAREST_LEN_MAX);
}

static const char *choose(const char *typed)
{
    static const char *const words[] = {"run", "check-config", "domain", "user", "queue"};
    struct nearest n = nearest_to(slice_of(typed));
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        nearest_offer(&n, words[i]);
    }
    return n.word;
}

static void test_choice(void **state)
{
    (void)state;
    assert_string_equal(choose("uesr"), "user");
    assert_string_equal(choose("chek-confg"), "check-config");
    assert_string_equal(choose("domains"), "domain");
    assert_null(choose("mailq"));
    assert_null(choose(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_choice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
