/* senderauth/dkim_body_test.c - canonical bodies by their hashes, however the octets come */
#include "senderauth/dkim_body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <string.h>

static struct crypto *crypto;

static void hash_of(struct slice s, unsigned char out[CRYPTO_HASH_LEN])
{
    struct crypto_hash h = {0};
    crypto_hash_begin(crypto, &h);
    crypto_hash_add(&h, s);
    assert_true(crypto_hash_end(&h, out));
    crypto_hash_clear(&h);
}

/* Both canonical forms of body, by their definition. */
static const struct row {
    struct slice body, simple, relaxed;
} rows[] = {
    {SLICE_INIT(""), SLICE_INIT("\r\n"), SLICE_INIT("")},
    {SLICE_INIT("\r\n"), SLICE_INIT("\r\n"), SLICE_INIT("")},
    {SLICE_INIT("\r\n\r\n"), SLICE_INIT("\r\n"), SLICE_INIT("")},
    {SLICE_INIT("  "), SLICE_INIT("  \r\n"), SLICE_INIT("")},
    {SLICE_INIT(" \t\r\n\t\r\n"), SLICE_INIT(" \t\r\n\t\r\n"), SLICE_INIT("")},
    {SLICE_INIT("a"), SLICE_INIT("a\r\n"), SLICE_INIT("a\r\n")},
    {SLICE_INIT("a\r\n"), SLICE_INIT("a\r\n"), SLICE_INIT("a\r\n")},
    {SLICE_INIT("a\r\n\r\n\r\n"), SLICE_INIT("a\r\n"), SLICE_INIT("a\r\n")},
    {SLICE_INIT("a\r\n\r\nb"), SLICE_INIT("a\r\n\r\nb\r\n"),
     SLICE_INIT("a\r\n\r\nb\r\n")},
    {SLICE_INIT("a \t b \r\n"), SLICE_INIT("a \t b \r\n"), SLICE_INIT("a b\r\n")},
    {SLICE_INIT(" a\r\n \r\n\tb"), SLICE_INIT(" a\r\n \r\n\tb\r\n"),
     SLICE_INIT(" a\r\n\r\n b\r\n")},
    /* Only CRLF ends a line, only SP and HTAB are blanks. */
    {SLICE_INIT("a\r\r\n"), SLICE_INIT("a\r\r\n"), SLICE_INIT("a\r\r\n")},
    {SLICE_INIT("a\n\n"), SLICE_INIT("a\n\n\r\n"), SLICE_INIT("a\n\n\r\n")},
    {SLICE_INIT("a\r"), SLICE_INIT("a\r\r\n"), SLICE_INIT("a\r\r\n")},
    {SLICE_INIT("a \rb\r\n"), SLICE_INIT("a \rb\r\n"), SLICE_INIT("a \rb\r\n")},
    {SLICE_INIT("\r\n\r"), SLICE_INIT("\r\n\r\r\n"), SLICE_INIT("\r\n\r\r\n")},
    {SLICE_INIT("\v\f \r\n"), SLICE_INIT("\v\f \r\n"), SLICE_INIT("\v\f\r\n")},
    {SLICE_INIT("\0 \0\r\n"), SLICE_INIT("\0 \0\r\n"), SLICE_INIT("\0 \0\r\n")},
};

static struct dkim_body *play(struct slice body, size_t piece, uint64_t length,
                              int wish[2])
{
    struct dkim_body *b = dkim_body_new(crypto);
    assert_non_null(b);
    wish[0] = dkim_body_want(b, false, length);
    wish[1] = dkim_body_want(b, true, length);
    assert_int_equal(dkim_body_want(b, true, length), wish[1]);
    while (body.len > 0) {
        dkim_body_feed(b, slice_sub(body, 0, piece));
        body = slice_from(body, piece);
    }
    dkim_body_end(b);
    return b;
}

static void canonical_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t piece = 1; piece <= rows[i].body.len + 1; piece++) {
            unsigned char want[CRYPTO_HASH_LEN];
            int wish[2];
            struct dkim_body *b = play(rows[i].body, piece, DKIM_BODY_ALL, wish);
            for (int form = 0; form < 2; form++) {
                struct slice canonical = form == 0 ? rows[i].simple : rows[i].relaxed;
                struct dkim_body_hash got = dkim_body_hash(b, wish[form]);
                hash_of(canonical, want);
                assert_int_equal(got.total, canonical.len);
                assert_false(got.too_short);
                assert_memory_equal(got.digest, want, sizeof want);
            }
            dkim_body_free(&b);
        }
    }
}

/* l= from none of it to one more than there is, each alone and all at once. */
static void lengths(void **state)
{
    (void)state;
    static const char text[] = "a  b\r\n\r\n  c \r\nlast\r\n\r\n";
    static const char relaxed[] = "a b\r\n\r\n c\r\nlast\r\n";
    struct dkim_body *all = dkim_body_new(crypto);
    int wish[sizeof relaxed + 1], pair[2];
    for (size_t n = 0; n <= sizeof relaxed; n++) {
        wish[n] = dkim_body_want(all, true, n);
    }
    dkim_body_feed(all, slice_of(text));
    dkim_body_end(all);
    for (size_t n = 0; n <= sizeof relaxed; n++) {
        unsigned char want[CRYPTO_HASH_LEN];
        struct dkim_body *b = play(slice_of(text), 3, n, pair);
        struct dkim_body_hash alone = dkim_body_hash(b, pair[1]);
        struct dkim_body_hash one = dkim_body_hash(all, wish[n]);
        assert_int_equal(one.total, sizeof relaxed - 1);
        if (n < sizeof relaxed) {
            hash_of(slice_sub(slice_of(relaxed), 0, n), want);
            assert_memory_equal(one.digest, want, sizeof want);
            assert_memory_equal(alone.digest, want, sizeof want);
        } else {
            assert_null(one.digest);
            assert_true(one.too_short && alone.too_short);
        }
        dkim_body_free(&b);
    }
    dkim_body_free(&all);
}

static void wishes_are_bounded(void **state)
{
    (void)state;
    struct dkim_body *b = dkim_body_new(crypto);
    for (int i = 0; i < DKIM_BODY_WANTS; i++) {
        assert_int_equal(dkim_body_want(b, false, (uint64_t)i), i);
    }
    assert_int_equal(dkim_body_want(b, true, 1), DKIM_BODY_NO_WISH);
    dkim_body_free(&b);
}

/* Longer than any buffer inside, with blanks and line ends at all places of the wide steps: octet
 * by octet and in large pieces it is the same. */
static void long_body(void **state)
{
    (void)state;
    enum { SIZE = 20000 };
    static unsigned char in[SIZE];
    unsigned seed = 1;
    for (size_t i = 0; i < SIZE; i++) {
        seed = seed * 1103515245 + 12345;
        in[i] = (unsigned char)"abcdefghijklm   \t\r\n\n"[(seed >> 16) % 20];
        if (i > 0 && in[i - 1] == '\r' && seed % 8 != 0) {
            in[i] = '\n';
        }
    }
    unsigned char first[2][CRYPTO_HASH_LEN];
    for (size_t piece = SIZE; piece > 0; piece = piece / 2) {
        int wish[2];
        struct dkim_body *b = play((struct slice){in, SIZE}, piece, DKIM_BODY_ALL, wish);
        for (int form = 0; form < 2; form++) {
            const unsigned char *got = dkim_body_hash(b, wish[form]).digest;
            if (piece == SIZE) {
                memcpy(first[form], got, CRYPTO_HASH_LEN);
            }
            assert_memory_equal(got, first[form], CRYPTO_HASH_LEN);
        }
        dkim_body_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_forms),
        cmocka_unit_test(lengths),
        cmocka_unit_test(wishes_are_bounded),
        cmocka_unit_test(long_body),
    };
    crypto = crypto_new(0);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    crypto_free(&crypto);
    return failed;
}
