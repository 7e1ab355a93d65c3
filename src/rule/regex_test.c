/* rule/regex_test.c - what patterns find, what is no pattern, and that time stays linear. */
#include "rule/regex.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_search(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool found;
    } cases[] = {
        {"abc", "xxABCxx", true},
        {"abc", "ab c", false},
        {"a.c", "a\nc", false},
        {"a.c", "a-c", true},
        {"^abc$", "x\nabc\r\ny", true},
        {"^abc$", "xabc", false},
        {"a|bc|d", "xbcx", true},
        {"a|bc|d", "xd", true},
        {"^(a|bc|d)$", "bcd", false},
        {"^(a|bc|d)+$", "bcda", true},
        {"x(a|(b|cd)e|f)y", "xcdey", true},
        {"x(a|(b|cd)e|f)y", "xcdy", false},
        {"ab*c", "ac", true},
        {"ab+c", "ac", false},
        {"ab+c", "abbbc", true},
        {"ab?c", "abbc", false},
        {"^a{2,3}$", "aa", true},
        {"^a{2,3}$", "aaaa", false},
        {"^a{2}$", "aa", true},
        {"^(ab){2,}$", "ababab", true},
        {"^(ab){2,}$", "ab", false},
        {"^(ab){0,1}$", "", true},
        {"[a-c]x", "BX", true},
        {"[^a-c]x", "bx", false},
        {"[]a]z", "]z", true},
        {"[a-]z", "-z", true},
        {"\\d{3}", "ab123", true},
        {"\\D\\d\\D", "123", false},
        {"\\bfree\\b", "so free!", true},
        {"\\bfree\\b", "freedom", false},
        {"\\.exe$", "a.exe", true},
        {"\\.exe$", "aexe", false},
        {"v[i1]agra", "V1AGRA", true},
        {"(a*)*b", "aaaaaaaaaaaaaaaaaaaaaaaac", false},
        {"a*?b", "aab", true},
        {"$", "", true},
        {"$", "a", true},
        {"\\bfree\\b", "xfree freedom free", true},
        {"^abc", "xabc\nabc", true},
        {"\\$\\d+", "for $100", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena arena;
        struct rule_regex r;
        size_t at = 0;
        arena_init(&arena, 1 << 20);
        const char *wrong =
            rule_regex_compile(slice_of(cases[i].pattern), &arena, &r, &at);
        if (wrong != NULL ||
            rule_regex_search(&r, slice_of(cases[i].text)) != cases[i].found) {
            fail_msg("%s in %s: %s", cases[i].pattern, cases[i].text,
                     wrong == NULL ? "the other answer" : wrong);
        }
        arena_clear(&arena);
    }
}

static void test_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *wrong;
        size_t at;
    } cases[] = {
        {"", "is empty", 0},
        {"ab(c", "has a ( without its )", 4},
        {"ab)c", "has a ) without its (", 2},
        {"a[bc", "has a [ without its ]", 4},
        {"*a", "repeats nothing", 1},
        {"a**", "repeats nothing", 3},
        {"a{5,2}", "has a repetition", 6},
        {"a{1000}", "has a repetition", 6},
        {"(?=a)", "has a (?", 1},
        {"(a)\\1", "has a back reference", 5},
        {"[z-a]", "has a range that runs backwards", 4},
        {"a\\", "ends in a backslash", 2},
        {"((a{100}){100}){100}", "is too large", 8},
        {"((((((((((((((((((a))))))))))))))))))", "has too many parentheses", 17},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena arena;
        struct rule_regex r;
        size_t at = 0;
        arena_init(&arena, 1 << 20);
        const char *wrong =
            rule_regex_compile(slice_of(cases[i].pattern), &arena, &r, &at);
        if (wrong == NULL ||
            strncmp(wrong, cases[i].wrong, strlen(cases[i].wrong)) != 0) {
            fail_msg("%s: %s", cases[i].pattern, wrong == NULL ? "taken" : wrong);
        }
        assert_true(at <= strlen(cases[i].pattern));
        if (i < 4 && at != cases[i].at) {
            fail_msg("%s: at %zu", cases[i].pattern, at);
        }
        arena_clear(&arena);
    }
}

/* What lets engines that go back try for years. */
static void test_linear(void **state)
{
    (void)state;
    enum { LEN = 64 * 1024 };
    static const char *const patterns[] = {"(a*)*b", "(a|a)*b", "(a|aa)+$b",
                                           "(.*)(.*)(.*)x"};
    unsigned char *text = malloc(LEN);
    assert_non_null(text);
    memset(text, 'a', LEN);
    uint64_t start = clock_mono_ms();
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        struct arena arena;
        struct rule_regex r;
        size_t at = 0;
        arena_init(&arena, 1 << 20);
        assert_null(rule_regex_compile(slice_of(patterns[i]), &arena, &r, &at));
        assert_false(rule_regex_search(&r, (struct slice){text, LEN}));
        arena_clear(&arena);
    }
    assert_true(clock_mono_ms() - start < 20000);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_search),
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_linear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
