/* phrase.h finds all that patterns tried one by one find. */
#include "bounce/phrase_naive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct bounce_normal normal;

static uint32_t chance(void)
{
    static uint64_t state = 88172645463325252U;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 16);
}

static size_t check(struct slice text)
{
    size_t all;
    bounce_normalize(text, 0, &normal);
    size_t missing = phrases_missing(&normal, &all);
    if (missing > 0) {
        print_error("%zu of %zu phrases not found: %.*s\n", missing, all, (int)text.len,
                    (const char *)text.ptr);
    }
    assert_int_equal(missing, 0);
    assert_true(phrases_alike(&normal));
    return all;
}

/* Some of them: all would take as long as all other tests of the folder. */
static void test_examples(void **state)
{
    size_t all = 0;
    (void)state;
    for (unsigned rule = 0; rule < BOUNCE_RULES_N; rule += 5) {
        all += check(slice_of(bounce_rule_info(rule)->example));
    }
    assert_true(all > BOUNCE_RULES_N / 5);
}

/* Two examples, one put into the other. */
static void test_mixed(void **state)
{
    unsigned char text[2048];
    (void)state;
    for (unsigned n = 0; n < 150; n++) {
        struct slice a = slice_of(bounce_rule_info(chance() % BOUNCE_RULES_N)->example);
        struct slice b = slice_of(bounce_rule_info(chance() % BOUNCE_RULES_N)->example);
        size_t at = chance() % (a.len + 1), from = chance() % (b.len + 1);
        struct slice part[] = {slice_sub(a, 0, at), slice_from(b, from),
                               slice_from(a, at)};
        size_t len = 0;
        for (unsigned i = 0; i < 3 && len + part[i].len <= sizeof text; i++) {
            memcpy(text + len, part[i].ptr, part[i].len);
            len += part[i].len;
        }
        (void)check((struct slice){text, len});
    }
}

/* What repeats, at the pattern's limits. */
static void test_repeats(void **state)
{
    static const char *const texts[] = {
        "dynamic ip",
        "dynamic-xxxxxxxxxxxxpool",
        "user ------------ unknown",
        "user ------------------------ unknown",
        "mailboxxxxxxxxxxxxx is full",
        "try again in 123456 seconds",
        "",
        "a",
        "-",
        "user",
        " user unknown ",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        (void)check(slice_of(texts[i]));
    }
}

/* A long text takes long only in proportion, and places beyond the list are dropped. */
static void test_limits(void **state)
{
    struct bounce_phrase hit[4];
    uint64_t conditions[BOUNCE_PHRASE_CONDITIONS];
    uint64_t edges[BOUNCE_EDGES(BOUNCE_NORMAL_MAX)];
    (void)state;
    for (size_t n = 0; n < BOUNCE_NORMAL_MAX; n++) {
        normal.text[n] = (unsigned char)"user unknown "[n % 13];
    }
    bounce_pattern_edges(normal.text, BOUNCE_NORMAL_MAX - 1, edges);
    assert_int_equal(bounce_phrases(normal.text, BOUNCE_NORMAL_MAX - 1, edges, NULL, 0,
                                    hit, 4, conditions),
                     4);
    bounce_pattern_edges(normal.text, 0, edges);
    assert_int_equal(bounce_phrases(normal.text, 0, edges, NULL, 0, hit, 4, conditions),
                     0);
    assert_int_equal(bounce_phrases_in_names(normal.text, 7, 7, hit, 4), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_mixed),
        cmocka_unit_test(test_repeats),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
