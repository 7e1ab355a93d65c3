/* rule/many_test.c - many expressions at once find what each finds by itself. */
#include "rule/many.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 4096 };

struct fixture {
    struct arena arena;
    struct rule_regex regex[MOST];
    const struct rule_regex *ptr[MOST];
    uint32_t n;
    struct many *many;
};
static struct fixture f;

static void begin(void)
{
    memset(&f, 0, sizeof f);
    arena_init(&f.arena, 64 << 20);
}

static void add(const char *pattern)
{
    size_t at = 0;
    assert_true(f.n < MOST);
    const char *wrong =
        rule_regex_compile(slice_of(pattern), &f.arena, &f.regex[f.n], &at);
    if (wrong != NULL) {
        fail_msg("%s: %s", pattern, wrong);
    }
    f.ptr[f.n] = &f.regex[f.n];
    f.n++;
}

static void end(void)
{
    many_free(&f.many);
    arena_clear(&f.arena);
}

/* Both ways, with bits from an odd place on. */
static unsigned compare(struct slice text)
{
    enum { FROM = 3 };
    static uint64_t bits[MOST / 64 + 2];
    unsigned found = 0;
    memset(bits, 0, sizeof bits);
    assert_true(many_text(f.many, text, bits, FROM));
    for (uint32_t i = 0; i < f.n; i++) {
        bool hit = (bits[(FROM + i) / 64] >> (FROM + i) % 64 & 1) != 0;
        if (hit != rule_regex_search(f.ptr[i], text)) {
            fail_msg("expression %u in '%.*s': %s", i, (int)text.len,
                     (const char *)text.ptr, hit ? "found" : "not found");
        }
        found += hit;
    }
    assert_int_equal(bits[0] & 7, 0);
    return found;
}

static const char *const patterns[] = {
    "abc",         "a.c",         "^abc$",       "a|bc|d",     "^(a|bc|d)+$", "ab*c",
    "^a{2,3}$",    "^(ab){2,}$",  "^(ab){0,1}$", "[a-c]x",     "[^a-c]x",     "\\d{3}",
    "\\D\\d\\D",   "\\bb\\b",     "\\bab",       "ba\\b",      "b\\ba",       "a\\b.",
    "(a*)*b",      "a*?b",        "$",           "^",          "^$",          "\\b",
    "(^|x)a",      "a($|x)",      "(\\b|a)b",    "[^\\n]{3}$", "\\s\\S",      "a\\r?\\n",
    "(a|^)b(c|$)", "(\\d|\\b)x+", "a$\\r",       "\\n^a",      "x{0,3}y",     ".",
};

/* All texts of up to six octets, of those that the expressions tell apart. */
static void test_short_texts(void **state)
{
    (void)state;
    static const unsigned char octets[] = "abcx1 \n\r";
    enum { OCTETS = sizeof octets - 1, LEN = 5 };
    begin();
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        add(patterns[i]);
    }
    f.many = many_new(f.ptr, f.n);
    assert_non_null(f.many);
    unsigned found = 0;
    for (unsigned len = 0, n = 1; len <= LEN; len++, n *= OCTETS) {
        for (unsigned k = 0; k < n; k++) {
            unsigned char text[LEN];
            for (unsigned i = 0, rest = k; i < len; i++, rest /= OCTETS) {
                text[i] = octets[rest % OCTETS];
            }
            found += compare((struct slice){text, len});
        }
    }
    assert_true(found > 100000);
    end();
}

static uint32_t seed = 1;
static unsigned roll(unsigned n)
{
    seed = seed * 1664525U + 1013904223U;
    return (seed >> 8) % n;
}

/* Texts that lead to more states than there is room for, again and again. */
static void test_many_states(void **state)
{
    (void)state;
    begin();
    for (unsigned i = 0; i < 40;
         i++) { /* the sets of a hundred octets past are all apart */
        char text[64];
        (void)snprintf(text, sizeof text, "[a-c][%c-z].{%u}[0-%u]\\b",
                       'a' + (int)(i % 20), 20 + i, 1 + i % 9);
        add(text);
    }
    f.many = many_new(f.ptr, f.n);
    assert_non_null(f.many);
    unsigned found = 0;
    for (unsigned round = 0; round < 30; round++) {
        unsigned char text[2000];
        for (size_t i = 0; i < sizeof text; i++) {
            text[i] = (unsigned char)"abcdxyz0123456789 \n"[roll(19)];
        }
        found += compare((struct slice){text, sizeof text});
    }
    assert_true(found > 100);
    end();
}

static void test_bounds(void **state)
{
    (void)state;
    begin();
    f.many = many_new(f.ptr, 0); /* none at all */
    assert_non_null(f.many);
    assert_int_equal(compare(SLICE("text")), 0);
    many_free(&f.many);
    while (f.n < 600) { /* 500 steps each: more than there may be */
        add("(a{10}b{10}c{10}d{10}){11}");
    }
    assert_null(many_new(f.ptr, f.n));
    f.n = 100;
    f.many = many_new(f.ptr, f.n);
    assert_non_null(f.many);
    assert_int_equal(compare(SLICE("aaaaaaaaaaaabbbbb")), 0);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_texts),
        cmocka_unit_test(test_many_states),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
