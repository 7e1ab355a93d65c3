/* message/line_scan_test.c - texts whole and cut everywhere. */
#include "message/line_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    struct slice in;
    unsigned lines, longest, longest_line, nul_line;
} cases[] = {
    {SLICE_INIT(""), 0, 0, 0, 0},
    {SLICE_INIT("\r\n"), 1, 0, 0, 0},
    {SLICE_INIT("a\r\nbcd\r\nefg\r\n"), 3, 3, 2, 0},
    {SLICE_INIT("a\r\n\r\nb\0\r\n\0\r\n"), 4, 2, 3, 3},
    {SLICE_INIT("\0"), 0, 0, 0, 1},
    {SLICE_INIT("abc\r\n\0"), 1, 3, 1, 2},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t step = 1; step <= cases[i].in.len + 1; step++) {
            struct line_scan s = {0};
            for (size_t at = 0; at < cases[i].in.len; at += step) {
                line_scan_feed(&s, slice_sub(cases[i].in, at, step));
            }
            assert_int_equal(s.ended, cases[i].lines);
            assert_int_equal(s.longest, cases[i].longest);
            assert_int_equal(s.longest_line, cases[i].longest_line);
            assert_int_equal(s.nul_line, cases[i].nul_line);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
