/* Words and edges are those that one finds octet by octet, and what the vocabulary knows of usual words
 * is what the automaton and the learned rows say of them. */
#include "bounce/pattern.h"
#include "bounce/vocabulary.h"
#include "bounce/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { TEXT_MAX = 400 };
static unsigned char text[TEXT_MAX + BOUNCE_TOKEN_SLACK];
static uint64_t edges[BOUNCE_EDGES(BOUNCE_NORMAL_MAX)];
static struct bounce_token token[BOUNCE_NORMAL_MAX];
static struct bounce_normal normal;

static uint32_t chance(void)
{
    static uint64_t state = 88172645463325252U;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 16);
}

/* Of few different octets, so that all neighbours occur. */
static size_t random_text(void)
{
    static const unsigned char few[] =
        "az09 -@[`{/:\x01\x05\x06\x7f\x80\xbf\xc3\xdf\xe4\xff";
    size_t n = chance() % TEXT_MAX;
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = few[chance() % (sizeof few - 1)];
    }
    return n;
}

static bool plain_word(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || ascii_is_digit(c);
}

static void test_edges(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 3000; round++) {
        size_t n = random_text();
        bounce_pattern_edges(text, n, edges);
        for (size_t i = 0; i <= n; i++) {
            bool within =
                i > 0 && i < n && plain_word(text[i - 1]) && plain_word(text[i]);
            assert_int_equal(edges[i / 64] >> i % 64 & 1, !within);
            if (i < n && !within) {
                size_t next = i + 1;
                while ((edges[next / 64] >> next % 64 & 1) == 0) {
                    next++;
                }
                assert_int_equal(bounce_edge_after(edges, i), next);
            }
        }
        assert_int_equal(edges[n / 64] >> n % 64, 1); /* nothing behind it */
    }
}

static bool in_word(unsigned char c)
{
    return plain_word(c) || (c >= 0x80 && c < 0xe0);
}

/* Where the token at i ends; i: none is there. */
static size_t end_of_token(size_t i, size_t n)
{
    size_t from = i++;
    if (text[from] >= 0xe0) {
        while (i < n && (text[i] & 0xc0) == 0x80) {
            i++;
        }
        return i;
    }
    if (in_word(text[from])) {
        while (i < n && in_word(text[i])) {
            i++;
        }
        return i;
    }
    return text[from] >= 1 && text[from] <= BOUNCE_MASK_ID ? i : from;
}

static void test_tokens(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 3000; round++) {
        size_t n = random_text(), k = 0;
        bounce_pattern_edges(text, n, edges);
        size_t tokens_n = bounce_tokens(text, n, edges, BOUNCE_NORMAL_MAX, token);
        for (size_t i = 0; i < n;) {
            size_t to = end_of_token(i, n);
            if (to == i) {
                i++;
                continue;
            }
            assert_true(k < tokens_n);
            assert_int_equal(token[k].from, i);
            assert_int_equal(token[k].to, to);
            bool number = true;
            for (size_t at = i; at < to; at++) {
                number = number && ascii_is_digit(text[at]);
            }
            assert_int_equal(token[k].number, number);
            assert_int_equal(token[k].hash,
                             number ? bounce_token_hash((const unsigned char[9]){"#"}, 1)
                                    : bounce_token_hash(text + i, to - i));
            k++;
            i = to;
        }
        assert_int_equal(k, tokens_n);
        assert_int_equal(bounce_tokens(text, n, edges, 1, token), tokens_n > 0);
    }
}

/* The hash does not depend on what lies behind the octets. */
static void test_hash(void **state)
{
    (void)state;
    for (size_t n = 0; n < 40; n++) {
        memset(text, 'x', sizeof text);
        uint64_t hash = bounce_token_hash(text, n);
        memset(text + n, 0xff, sizeof text - n);
        assert_int_equal(bounce_token_hash(text, n), hash);
        if (n > 0) {
            text[n - 1] = 'y';
            assert_int_not_equal(bounce_token_hash(text, n), hash);
        }
    }
}

/* All examples of the rules: the same with what the vocabulary knows and without. */
static void test_vocabulary(void **state)
{
    static struct bounce_words_found found;
    static struct bounce_words_seen seen;
    static struct bounce_words_sum with, without;
    size_t known = 0;
    (void)state;
    for (unsigned rule = 0; rule < BOUNCE_RULES_N; rule++) {
        bounce_normalize(slice_of(bounce_rule_info(rule)->example), 0, &normal);
        bounce_pattern_edges(normal.text, normal.main_len, edges);
        size_t n =
            bounce_tokens(normal.text, normal.main_len, edges, BOUNCE_NORMAL_MAX, token);
        bounce_words(&normal, token, n, 550, NULL, 0, &found);
        bool of_text = bounce_words_weigh(&found, &seen, &without);
        bounce_vocabulary_find(normal.text, token, n);
        for (size_t i = 0; i < n; i++) {
            known += token[i].known != NULL;
        }
        bounce_words(&normal, token, n, 550, NULL, 0, &found);
        assert_int_equal(bounce_words_weigh(&found, &seen, &with), of_text);
        assert_memory_equal(with.of, without.of, sizeof with.of);
        assert_int_equal(with.most, without.most);
        assert_true(with.share >= without.share && with.share <= without.share);
    }
    assert_true(known > (size_t)BOUNCE_RULES_N * 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_vocabulary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
