/* directory/maildirsize_test.c - sums of Maildir++ quota files. */
#include "directory/maildirsize.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_table(void **state)
{
    (void)state;
    static const struct {
        struct slice in;
        uint64_t octets, messages;
        unsigned wrong_n;
    } cases[] = {
        {SLICE_INIT(""), 0, 0, 0},
        {SLICE_INIT("1000S,10C\n"), 0, 0, 0},
        {SLICE_INIT("1000S,10C\n100 1\n200 2\n"), 300, 3, 0},
        {SLICE_INIT("\n100 1\n-40 -1\n"), 60, 0, 0},
        {SLICE_INIT("1000S\n         100          1\n"), 100, 1, 0},
        {SLICE_INIT("1000S\n100 1\r\n"), 0, 0, 1},
        {SLICE_INIT("1000S\n100 1\n5"), 100, 1, 0},
        {SLICE_INIT("1000S\n100 1\n5 1"), 100, 1, 0},
        {SLICE_INIT("1000S\n100\n100 x\n100 1 1\n\n-\n- 1\n7 1\n"), 7, 1, 6},
        {SLICE_INIT("1000S\n-100 -1\n"), 0, 0, 0},
        {SLICE_INIT("1000S\n-100 -1\n150 2\n"), 50, 1, 0},
        {SLICE_INIT("S\n99999999999999999999 1\n"), 0, 0, 1},
        {SLICE_INIT("S\n4611686018427387904 1\n4611686018427387904 1\n"), INT64_MAX, 2,
         0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct maildirsize m = maildirsize_read(cases[i].in);
        assert_int_equal(m.octets, cases[i].octets);
        assert_int_equal(m.messages, cases[i].messages);
        assert_int_equal(m.wrong_n, cases[i].wrong_n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
