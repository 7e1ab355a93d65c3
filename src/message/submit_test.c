/* message/submit_test.c - messages, what stays of them, and what they lack; whole and cut. */
#include "message/submit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SAME NULL

static const struct {
    const char *in, *out;
    bool date, id;
} cases[] = {
    {"From: a\r\n\r\nBcc: x\r\n", SAME, false, false},
    {"Bcc: x\r\nFrom: a\r\n\r\n", "From: a\r\n\r\n", false, false},
    {"From: a\r\nbcc : x,\r\n y,\r\n\tz\r\nTo: b\r\n c\r\n\r\nbody\r\n",
     "From: a\r\nTo: b\r\n c\r\n\r\nbody\r\n", false, false},
    {"BCC:\r\nBcc: a\r\n\r\n", "\r\n", false, false},
    {"Resent-Bcc: a\r\nX-Bcc: a\r\nBcca: b\r\nBcc", "X-Bcc: a\r\nBcca: b\r\n", false,
     false},
    {"DATE: now\r\nmessage-id: <x>\r\n\r\n", SAME, true, true},
    {"Subject: Date: x\r\n Message-ID: y\r\n\r\n", SAME, false, false},
    {"A-name-that-is-longer-than-what-is-held-back-and-Bcc: x\r\nBcc: y\r\n",
     "A-name-that-is-longer-than-what-is-held-back-and-Bcc: x\r\n", false, false},
    {"no field\r\nBcc: x\r\n", SAME, false, false},
    {"no field, and longer than what is held back\r\nBcc: x\r\n", SAME, false, false},
    {"\r\nBcc: x\r\n", SAME, false, false},
    {" Bcc: x\r\nBcc: y\r\n b\r\n\r\n", " Bcc: x\r\n\r\n", false, false},
    {"", SAME, false, false},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice in = slice_of(cases[i].in);
        struct slice want = cases[i].out == SAME ? in : slice_of(cases[i].out);
        for (size_t step = 1; step <= in.len + 1; step++) {
            struct submit s = {0};
            struct buf out;
            buf_init(&out, 4096);
            for (size_t at = 0; at < in.len; at += step) {
                submit_feed(&s, slice_sub(in, at, step), &out);
            }
            if (!slice_eq(buf_slice(&out), want)) {
                fail_msg("case %zu, step %zu: %.*s", i, step, (int)out.len,
                         (char *)out.ptr);
            }
            assert_int_equal(s.has_date, cases[i].date);
            assert_int_equal(s.has_message_id, cases[i].id);
            buf_clear(&out);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
