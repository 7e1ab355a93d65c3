/* message/binary_mime_test.c - messages with binary parts, whole and cut at every octet. */
#include "message/binary_mime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MULTI "Content-Type: multipart/mixed; boundary=\"b b\"\r\n"
#define CTE   "Content-Transfer-Encoding: "

/* In out: what is as it was is "=". */
static const struct {
    const char *name;
    struct slice in, out;
} cases[] = {
    {"no MIME", SLICE_INIT("Subject: x\r\n\r\nbody\r\n"), SLICE_INIT("=")},
    {"empty", SLICE_INIT(""), SLICE_INIT("=")},
    {"no header", SLICE_INIT("\r\nContent-Transfer-Encoding: binary\r\n\r\n\0"),
     SLICE_INIT("\r\nContent-Transfer-Encoding: binary\r\n\r\n\0\r\n")},
    {"no end", SLICE_INIT("Subject: x\r\n\r\nbody"),
     SLICE_INIT("Subject: x\r\n\r\nbody\r\n")},
    {"a leaf",
     SLICE_INIT("content-transfer-ENCODING : (c) Binary \r\nX: y\r\n\r\n\0\r\n\n\xff"),
     SLICE_INIT("content-transfer-ENCODING: base64\r\nX: y\r\n\r\nAA0KCv8=\r\n")},
    {"a leaf, last line end", SLICE_INIT(CTE "binary\r\n\r\na\r\n"),
     SLICE_INIT(CTE "base64\r\n\r\nYQ0K\r\n")},
    {"a leaf of nothing", SLICE_INIT(CTE "binary\r\n\r\n"),
     SLICE_INIT(CTE "base64\r\n\r\n")},
    {"57 octets",
     SLICE_INIT(CTE "binary\r\n\r\n"
                    "012345678901234567890123456789012345678901234567890123456"),
     SLICE_INIT(CTE "base64\r\n\r\nMDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OT"
                    "AxMjM0NTY3ODkwMTIzNDU2\r\n")},
    {"58 octets",
     SLICE_INIT(CTE "binary\r\n\r\n"
                    "0123456789012345678901234567890123456789012345678901234567"),
     SLICE_INIT(CTE "base64\r\n\r\nMDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OT"
                    "AxMjM0NTY3ODkwMTIzNDU2\r\nNw==\r\n")},
    {"8bit stays", SLICE_INIT(CTE "8bit\r\n\r\n\xe4\r\n"), SLICE_INIT("=")},
    {"two encodings", SLICE_INIT(CTE "binary\r\n" CTE "7bit\r\n\r\n\0\r\n"),
     SLICE_INIT("=")},
    {"a line that is no field", SLICE_INIT(CTE "binary\r\nwhat\r\n\r\n\0\r\n"),
     SLICE_INIT("=")},
    {"parts",
     SLICE_INIT(MULTI CTE "binary\r\n\r\npreamble\r\n--b b\r\n\r\ntext\r\n--b b\r\n" CTE
                          "binary\r\n\r\n\0\r\n--b\r\n--b b--\r\nend\r\n"),
     SLICE_INIT(MULTI CTE "8bit\r\n\r\npreamble\r\n--b b\r\n\r\ntext\r\n--b b\r\n" CTE
                          "base64\r\n\r\nAA0KLS1i\r\n--b b--\r\nend\r\n")},
    {"behind the header at once",
     SLICE_INIT(MULTI "\r\n--b b\r\n" CTE "binary\r\n\r\n--b b\r\n\r\n\r\n--b b--\r\n"),
     SLICE_INIT(MULTI "\r\n--b b\r\n" CTE "base64\r\n\r\n--b b\r\n\r\n\r\n--b b--\r\n")},
    {"empty lines in front of a boundary",
     SLICE_INIT(MULTI "\r\n--b b\r\n" CTE "binary\r\n\r\n\r\n\r\n--b b--"),
     SLICE_INIT(MULTI "\r\n--b b\r\n" CTE "base64\r\n\r\nDQo=\r\n--b b--\r\n")},
    {"only LF before it is content",
     SLICE_INIT(MULTI "\r\n--b b\r\n" CTE "binary\r\n\r\na\n--b b\r\r\n--b b--\r\n"),
     SLICE_INIT(MULTI "\r\n--b b\r\n" CTE "base64\r\n\r\nYQotLWIgYg0=\r\n--b b--\r\n")},
    {"header without its end",
     SLICE_INIT(MULTI "\r\n--b b\r\n" CTE "binary\r\n--b b\r\n\r\nx\r\n--b b--\r\n"),
     SLICE_INIT("=")},
    {"within each other",
     SLICE_INIT(MULTI "\r\n--b b\r\nContent-Type: multipart/x; boundary=\"b bc\"\r\n\r\n"
                      "--b bc\r\n" CTE "binary\r\n\r\n1\r\n--b b\r\n" CTE
                      "binary\r\n\r\n2\r\n--b bc\r\n--b b--\r\n"),
     SLICE_INIT(MULTI "\r\n--b b\r\nContent-Type: multipart/x; boundary=\"b bc\"\r\n\r\n"
                      "--b bc\r\n" CTE "base64\r\n\r\nMQ==\r\n--b b\r\n" CTE
                      "base64\r\n\r\nMg==\r\n--b bc\r\n--b b--\r\n")},
    {"an attached message",
     SLICE_INIT("Content-Type: message/rfc822\r\n" CTE "binary\r\n\r\nSubject: y\r\n" CTE
                "binary\r\n\r\n\0"),
     SLICE_INIT("Content-Type: message/rfc822\r\n" CTE "8bit\r\n\r\nSubject: y\r\n" CTE
                "base64\r\n\r\nAA==\r\n")},
    {"a digest",
     SLICE_INIT("Content-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\n" CTE
                "binary\r\n\r\n\0\r\n--d--\r\n"),
     SLICE_INIT("Content-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\n" CTE
                "base64\r\n\r\nAA==\r\n--d--\r\n")},
    {"an encoded message",
     SLICE_INIT("Content-Type: message/rfc822\r\n" CTE "base64\r\n\r\n" CTE
                "binary\r\n\r\n\0\r\n"),
     SLICE_INIT("=")},
    {"behind the closing boundary",
     SLICE_INIT(MULTI "\r\n--b b--\r\n--b b\r\n" CTE "binary\r\n\r\n\0\r\n"),
     SLICE_INIT("=")},
};

static void check(const char *name, struct slice in, size_t cut, struct slice want)
{
    struct binary_mime b;
    struct buf out;
    buf_init(&out, 1024 * 1024);
    binary_mime_init(&b);
    /* in memory of its own, so that a read behind it is found */
    unsigned char *first = malloc(cut + 1);
    assert_non_null(first);
    if (cut > 0) {
        memcpy(first, in.ptr, cut);
    }
    assert_true(binary_mime_feed(&b, (struct slice){first, cut}, &out));
    free(first);
    for (struct slice rest = slice_from(in, cut); rest.len > 0;) {
        size_t n = cut % 3 == 0 ? 1 : rest.len;
        assert_true(binary_mime_feed(&b, slice_sub(rest, 0, n), &out));
        rest = slice_from(rest, n);
    }
    assert_true(binary_mime_end(&b, &out));
    if (!slice_eq(buf_slice(&out), want)) {
        fail_msg("%s, cut at %zu:\n%.*s", name, cut, (int)out.len, (const char *)out.ptr);
    }
    binary_mime_clear(&b);
    buf_clear(&out);
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool same = slice_eq(cases[i].out, SLICE("="));
        for (size_t cut = 0; cut <= cases[i].in.len; cut++) {
            check(cases[i].name, cases[i].in, cut, same ? cases[i].in : cases[i].out);
        }
    }
}

/* What is beyond a limit stays as it is. */
static void test_limits(void **state)
{
    (void)state;
    struct buf in;
    buf_init(&in, 1024 * 1024);
    (void)buf_add_str(&in, CTE "binary\r\nX: ");
    while (in.len < BINARY_MIME_HEADER_MAX) {
        (void)buf_add_str(&in, "0123456789");
    }
    (void)buf_add(&in, SLICE("\r\n\r\n\0\r\n"));
    check("large header", buf_slice(&in), 100, buf_slice(&in));
    buf_reset(&in);
    for (unsigned i = 0; i <= BINARY_MIME_DEPTH_MAX; i++) {
        (void)buf_add_fmt(
            &in, "Content-Type: multipart/mixed; boundary=%u.\r\n\r\n--%u.\r\n", i, i);
    }
    (void)buf_add(&in, SLICE(CTE "binary\r\n\r\n\0\r\n"));
    check("deep", buf_slice(&in), 1, buf_slice(&in));
    buf_clear(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases),
                                       cmocka_unit_test(test_limits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
