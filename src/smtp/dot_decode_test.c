/* smtp/dot_decode_test.c - every short message against a slow decoder, cut everywhere. */
#include "smtp/dot_decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { OUT_MAX = 64 };

struct result {
    enum dot_res res; /* DOT_MORE, DOT_END or DOT_BARE_EOL */
    size_t used;      /* up to the end, or the fault */
    size_t len;
    unsigned char out[OUT_MAX];
    bool pending; /* a CR, or a dot, that is not given out yet */
};

static void put(struct result *r, const char *s, size_t n)
{
    assert_true(r->len + n <= OUT_MAX);
    memcpy(r->out + r->len, s, n);
    r->len += n;
}

/* The rules of dot_decode.h one after the other, looking at the whole input. */
static struct result slow(const unsigned char *in, size_t len, bool lenient, bool raw)
{
    struct result r = {.res = DOT_MORE};
    bool line_start = true; /* behind a CRLF */
    size_t i = 0;
    while (i < len) {
        if (line_start && !raw && in[i] == '.') {
            if (i + 2 < len && in[i + 1] == '\r' && in[i + 2] == '\n') {
                r.res = DOT_END;
                r.used = i + 3;
                return r;
            }
            if (i + 2 < len && in[i + 1] == '\r') {
                r.res = DOT_BARE_EOL;
                return r;
            }
            if (i + 2 == len && in[i + 1] == '\r') {
                r.pending = true;
                return r;
            }
            line_start = false;
            i++;
        } else if (in[i] == '\r') {
            if (i + 1 == len) {
                r.pending = true;
                return r;
            }
            if (in[i + 1] != '\n') {
                r.res = DOT_BARE_EOL;
                return r;
            }
            put(&r, "\r\n", 2);
            line_start = true;
            i += 2;
        } else if (in[i] == '\n') {
            if (!lenient) {
                r.res = DOT_BARE_EOL;
                return r;
            }
            put(&r, "\r\n", 2);
            line_start = false;
            i++;
        } else {
            put(&r, (const char *)in + i, 1);
            line_start = false;
            i++;
        }
    }
    return r;
}

static void feed(struct dot_decoder *d, struct slice *in, struct result *r)
{
    struct slice span = {0};
    for (;;) {
        struct dot_decoder before = *d;
        struct slice at = *in;
        r->res = dot_decode(d, in, &span);
        if (r->res != DOT_SPAN) {
            return;
        }
        assert_true(span.len > 0);
        /* undone and done again, it is the same */
        struct dot_decoder again = before;
        struct slice span_again = {0};
        assert_int_equal(dot_decode(&again, &at, &span_again), DOT_SPAN);
        assert_true(span_again.ptr == span.ptr && span_again.len == span.len);
        put(r, (const char *)span.ptr, span.len);
    }
}

/* Decodes in pieces; bit i of cuts: cut behind octet i. */
static struct result fast(const unsigned char *in, size_t len, bool lenient, bool raw,
                          unsigned cuts)
{
    struct dot_decoder d = {.lenient = lenient, .raw = raw};
    struct result r = {.res = DOT_MORE};
    size_t start = 0;
    for (size_t i = 0; i < len && r.res == DOT_MORE; i++) {
        if (i + 1 < len && (cuts >> i & 1U) == 0) {
            continue;
        }
        struct slice piece = {in + start, i + 1 - start};
        feed(&d, &piece, &r);
        r.used = start + (i + 1 - start) - piece.len;
        assert_true(r.res != DOT_MORE || piece.len == 0);
        start = i + 1;
    }
    r.pending = d.state == DOT_CR || d.state == DOT_DOT_CR;
    return r;
}

static void compare(const unsigned char *in, size_t len, bool lenient, bool raw,
                    unsigned cuts)
{
    struct result want = slow(in, len, lenient, raw);
    struct result got = fast(in, len, lenient, raw, cuts);
    if (got.res != want.res || got.len != want.len ||
        memcmp(got.out, want.out, want.len) != 0 ||
        (want.res == DOT_END && got.used != want.used) ||
        (want.res == DOT_MORE && (got.pending != want.pending || got.used != len))) {
        char text[OUT_MAX * 2] = "";
        for (size_t i = 0, at = 0; i < len; i++, at++) {
            text[at] = in[i] == '\r'   ? 'R'
                       : in[i] == '\n' ? 'N'
                       : in[i] == 0    ? '0'
                                       : (char)in[i];
        }
        fail_msg("%s (lenient %d, raw %d, cuts %x): %d, expected %d", text, lenient, raw,
                 cuts, (int)got.res, (int)want.res);
    }
}

static void all_strings(size_t len, bool all_cuts)
{
    static const unsigned char kinds[] = {'\r', '\n', '.', 'a', '\0'};
    size_t total = 1;
    for (size_t i = 0; i < len; i++) {
        total *= sizeof kinds;
    }
    for (size_t n = 0; n < total; n++) {
        unsigned char in[16];
        for (size_t i = 0, rest = n; i < len; i++, rest /= sizeof kinds) {
            in[i] = kinds[rest % sizeof kinds];
        }
        for (unsigned mode = 0; mode < 4; mode++) {
            unsigned last = all_cuts && len > 0 ? 1U << (len - 1) : 1;
            for (unsigned cuts = 0; cuts < last; cuts++) {
                compare(in, len, (mode & 1U) != 0, (mode & 2U) != 0, cuts);
            }
            compare(in, len, (mode & 1U) != 0, (mode & 2U) != 0, ~0U);
        }
    }
}

static void test_exhaustive(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 7; len++) {
        all_strings(len, len <= 5); /* every way to cut the shorter ones */
    }
}

static const struct {
    const char *name;
    struct slice in, out;
    enum dot_res res;
    bool lenient;
} cases[] = {
    {"end", SLICE_INIT(".\r\n"), SLICE_INIT(""), DOT_END, false},
    {"text", SLICE_INIT("a\r\n\r\nb\r\n.\r\n"), SLICE_INIT("a\r\n\r\nb\r\n"), DOT_END,
     false},
    {"stuffed", SLICE_INIT("..\r\n..a\r\n.b\r\n...\r\n.\r\n"),
     SLICE_INIT(".\r\n.a\r\nb\r\n..\r\n"), DOT_END, false},
    {"not at a line's start", SLICE_INIT("a.\r\n"), SLICE_INIT("a.\r\n"), DOT_MORE,
     false},
    {"dot, blank", SLICE_INIT(". \r\n"), SLICE_INIT(" \r\n"), DOT_MORE, false},
    {"LF . CRLF", SLICE_INIT("a\n.\r\n"), SLICE_INIT("a"), DOT_BARE_EOL, false},
    {"LF . CRLF, lenient", SLICE_INIT("a\n.\r\n"), SLICE_INIT("a\r\n.\r\n"), DOT_MORE,
     true},
    {"CRLF . LF, lenient", SLICE_INIT("a\r\n.\n"), SLICE_INIT("a\r\n\r\n"), DOT_MORE,
     true},
    {"LF . LF, lenient", SLICE_INIT("a\n.\n"), SLICE_INIT("a\r\n.\r\n"), DOT_MORE, true},
    {"CR . CR, lenient", SLICE_INIT("a\r.\r"), SLICE_INIT("a"), DOT_BARE_EOL, true},
    {"CRLF . CR, lenient", SLICE_INIT("a\r\n.\ra"), SLICE_INIT("a\r\n"), DOT_BARE_EOL,
     true},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct result r =
            fast(cases[i].in.ptr, cases[i].in.len, cases[i].lenient, false, 0);
        if (r.res != cases[i].res ||
            !slice_eq((struct slice){r.out, r.len}, cases[i].out)) {
            fail_msg("%s: %d, %.*s", cases[i].name, (int)r.res, (int)r.len, r.out);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases),
                                       cmocka_unit_test(test_exhaustive)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
