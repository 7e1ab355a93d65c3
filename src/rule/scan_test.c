/* rule/scan_test.c - all literals in one pass: the same as each looked for alone. */
#include "rule/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static bool is_word(unsigned char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '_' || c >= 0x80;
}

/* Octet by octet, as one would without thinking. */
static bool plainly(struct slice text, struct slice literal, enum scan_how how)
{
    size_t domain = slice_rfind(text, '@');
    domain = domain < text.len ? domain + 1 : 0;
    for (size_t at = 0; at + literal.len <= text.len; at++) {
        size_t end = at + literal.len;
        bool left = at > 0 && literal.len > 0 && is_word(text.ptr[at - 1]) &&
                    is_word(literal.ptr[0]);
        bool right = end < text.len && literal.len > 0 && is_word(text.ptr[end]) &&
                     is_word(literal.ptr[literal.len - 1]);
        if (!slice_ieq(slice_sub(text, at, literal.len), literal)) {
            continue;
        }
        if (how == SCAN_ANYWHERE || (how == SCAN_ALL && literal.len == text.len) ||
            (how == SCAN_WORD && !left && !right) || (how == SCAN_START && at == 0) ||
            (how == SCAN_END && end == text.len) ||
            (how == SCAN_DOMAIN && end == text.len &&
             (at == domain || (at > domain && text.ptr[at - 1] == '.')))) {
            return true;
        }
    }
    return false;
}

static uint32_t seed = 3;
static unsigned roll(unsigned n)
{
    seed = seed * 1664525U + 1013904223U;
    return (seed >> 8) % n;
}

static size_t make(unsigned char *out, size_t max, const char *octets)
{
    size_t n = roll((unsigned)max + 1), kinds = strlen(octets);
    for (size_t i = 0; i < n; i++) {
        out[i] = (unsigned char)octets[roll((unsigned)kinds)];
    }
    return n;
}

/* Few kinds of octets, so that literals overlap and are ends of each other; and many, so that nodes get
 * rows. */
static void compare(const char *octets, unsigned n, size_t len_max)
{
    enum { LITERALS_MAX = 300 };
    static unsigned char literal[LITERALS_MAX][16];
    size_t len[LITERALS_MAX];
    enum scan_how how[LITERALS_MAX];
    uint32_t id[LITERALS_MAX];
    struct arena arena;
    arena_init(&arena, (size_t)16 << 20);
    struct scan_builder *b = scan_builder_new();
    assert_non_null(b);
    for (unsigned i = 0; i < n; i++) {
        len[i] = make(literal[i], len_max, octets);
        how[i] = (enum scan_how)roll(SCAN_HOWS);
        how[i] = len[i] == 0 ? SCAN_ALL : how[i];
        assert_true(
            scan_builder_add(b, (struct slice){literal[i], len[i]}, how[i], &id[i]));
    }
    struct scan *s = scan_new(b, &arena);
    assert_non_null(s);
    assert_true(scan_ids(s) <= n);
    scan_builder_free(&b);
    for (unsigned round = 0; round < 200; round++) {
        unsigned char octet[40];
        uint64_t hits[(LITERALS_MAX + 63) / 64] = {0};
        struct slice text = {octet, make(octet, sizeof octet, octets)};
        scan_text(s, text, hits);
        for (unsigned i = 0; i < n; i++) {
            bool found = (hits[id[i] / 64] >> id[i] % 64 & 1) != 0;
            if (found != plainly(text, (struct slice){literal[i], len[i]}, how[i])) {
                fail_msg("'%.*s' how %d in '%.*s': %d", (int)len[i],
                         (const char *)literal[i], (int)how[i], (int)text.len,
                         (const char *)text.ptr, found);
            }
        }
    }
    arena_clear(&arena);
}

static void test_same(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        compare("aAb", 20, 5);
        compare("ab.@", 100, 6);
        compare("abcdefgh .-@", 300, 4);
    }
}

/* The same literal has one id however often it is added; how makes a difference. */
static void test_ids(void **state)
{
    (void)state;
    struct scan_builder *b = scan_builder_new();
    uint32_t id[4];
    assert_non_null(b);
    assert_true(scan_builder_add(b, SLICE("Free"), SCAN_ANYWHERE, &id[0]));
    assert_true(scan_builder_add(b, SLICE("free"), SCAN_ANYWHERE, &id[1]));
    assert_true(scan_builder_add(b, SLICE("free"), SCAN_WORD, &id[2]));
    assert_true(scan_builder_add(b, SLICE("fre"), SCAN_WORD, &id[3]));
    assert_int_equal(id[0], id[1]);
    assert_int_not_equal(id[0], id[2]);
    assert_int_equal(id[3], 2);
    scan_builder_free(&b);
    assert_null(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same),
        cmocka_unit_test(test_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
