/* filter/http_answer_test.c - answers whole, cut at every octet, and wrong ones. */
#include "filter/http_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { BODY_MAX = 64 };

struct wanted {
    const char *name, *octets;
    enum http_state state; /* behind all octets */
    bool close;            /* and the connection is closed */
    unsigned status;
    const char *body;
};

/* clang-format off */
static const struct wanted cases[] = {
    {"length", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", HTTP_DONE, false, 200, "abc"},
    {"case of names, no reason", "HTTP/1.1 200\r\ncontent-LENGTH:3 \r\n\r\nabc", HTTP_DONE, false, 200, "abc"},
    {"LF alone", "HTTP/1.0 200 OK\nContent-Length: 1\n\nx", HTTP_DONE, false, 200, "x"},
    {"what follows is nobody's", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef", HTTP_DONE, false, 200, "abc"},
    {"empty", "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", HTTP_DONE, false, 404, ""},
    {"to the end", "HTTP/1.1 200 OK\r\n\r\nabc", HTTP_DONE, true, 200, "abc"},
    {"no content", "HTTP/1.1 204 No\r\n\r\n", HTTP_DONE, false, 204, ""},
    {"interim", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", HTTP_DONE, false, 200, "x"},
    {"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nT: v\r\n\r\n", HTTP_DONE, false, 200, "abc0123456789"},
    {"cut", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", HTTP_BODY, false, 200, "ab"},
    {"cut and closed", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", HTTP_BAD, true, 200, "ab"},
    {"chunk cut and closed", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", HTTP_BAD, true, 200, "abc"},
    {"nothing", "", HTTP_BAD, true, 0, ""},
    {"no HTTP", "220 mx ESMTP\r\n", HTTP_BAD, false, 0, ""},
    {"another version", "HTTP/2.0 200 OK\r\n", HTTP_BAD, false, 0, ""},
    {"status of two digits", "HTTP/1.1 20 OK\r\n", HTTP_BAD, false, 0, ""},
    {"status of four digits", "HTTP/1.1 2000 OK\r\n", HTTP_BAD, false, 0, ""},
    {"another protocol", "HTTP/1.1 101 Switching\r\n\r\n", HTTP_BAD, false, 101, ""},
    {"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", HTTP_BAD, false, 200, ""},
    {"a length that is none", "HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\n", HTTP_BAD, false, 200, ""},
    {"a coding that is unknown", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", HTTP_BAD, false, 200, ""},
    {"compressed", "HTTP/1.1 200 OK\r\nContent-Encoding: zstd\r\nContent-Length: 1\r\n\r\nx", HTTP_BAD, false, 200, ""},
    {"no colon", "HTTP/1.1 200 OK\r\nX\r\n", HTTP_BAD, false, 200, ""},
    {"no name", "HTTP/1.1 200 OK\r\n: x\r\n", HTTP_BAD, false, 200, ""},
    {"chunk of no size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", HTTP_BAD, false, 200, ""},
    {"chunk of a strange size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3x\r\n", HTTP_BAD, false, 200, ""},
    {"chunk too large", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1ffffffff\r\n", HTTP_BAD, false, 200, ""},
    {"chunk longer than it says", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", HTTP_BAD, false, 200, "abc"},
    {"body too large", "HTTP/1.1 200 OK\r\n\r\n0123456789012345678901234567890123456789012345678901234567890123456789", HTTP_BAD, false, 200, NULL},
};
/* clang-format on */

static void check(const struct wanted *w, size_t step)
{
    struct http_answer a;
    struct slice s = slice_of(w->octets);
    http_answer_init(&a, BODY_MAX);
    for (; s.len > 0; s = slice_from(s, step)) {
        (void)http_answer_feed(&a, slice_sub(s, 0, step));
    }
    if (w->close) {
        (void)http_answer_end(&a);
    }
    if (a.state != w->state || a.status != w->status ||
        (w->body != NULL && !slice_eq(buf_slice(&a.body), slice_of(w->body)))) {
        fail_msg("%s, %zu at a time: state %d, status %u, %zu octets", w->name, step,
                 (int)a.state, a.status, a.body.len);
    }
    http_answer_clear(&a);
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t step = 1; step <= 100; step += step < 8 ? 1 : 92) {
            check(&cases[i], step);
        }
    }
}

static void test_limits(void **state)
{
    (void)state;
    struct http_answer a;
    http_answer_init(&a, BODY_MAX);
    assert_int_equal(http_answer_feed(&a, SLICE("HTTP/1.1 200 OK\r\nX: ")), HTTP_FIELDS);
    for (int i = 0; i < HTTP_LINE_MAX; i++) {
        (void)http_answer_feed(&a, SLICE("x"));
    }
    assert_int_equal(a.state, HTTP_BAD); /* a line */
    http_answer_clear(&a);
    http_answer_init(&a, BODY_MAX);
    (void)http_answer_feed(&a, SLICE("HTTP/1.1 200 OK\r\n"));
    for (int i = 0; i < HTTP_HEAD_MAX / 8; i++) {
        (void)http_answer_feed(&a, SLICE("X: abc\r\n"));
    }
    assert_int_equal(a.state, HTTP_BAD); /* all of them */
    http_answer_clear(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
