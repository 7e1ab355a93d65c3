/* message/fields_test.c - see fields.h */
#include "message/fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_cut(void **state)
{
    (void)state;
    struct slice rest =
        SLICE("From: a@b\r\nSubject : one\r\n\ttwo\r\n \r\nX:\r\n\r\nbody: no\r\n");
    unsigned line = 1;
    struct header_field f;
    assert_true(header_field_next(&rest, &line, &f));
    assert_true(slice_eq(f.raw, SLICE("From: a@b\r\n")) &&
                slice_eq(f.value, SLICE(" a@b")));
    assert_true(header_field_next(&rest, &line, &f));
    assert_true(slice_eq(f.name, SLICE("Subject")));
    assert_true(slice_eq(f.value, SLICE(" one\r\n\ttwo\r\n ")));
    assert_int_equal(f.line, 2);
    assert_true(header_field_next(&rest, &line, &f));
    assert_true(slice_eq(f.name, SLICE("X")) && f.value.len == 0);
    assert_int_equal(f.line, 5);
    assert_false(header_field_next(&rest, &line, &f));
    assert_true(slice_eq(rest, SLICE("\r\nbody: no\r\n")));
}

static void test_ends(void **state)
{
    (void)state;
    static const struct {
        struct slice in, rest;
    } cases[] = {
        {SLICE_INIT("A: b"), SLICE_INIT("")},
        {SLICE_INIT("A: b\r\nno field\r\nC: d\r\n"), SLICE_INIT("no field\r\nC: d\r\n")},
        {SLICE_INIT("A: b\r\n: c\r\n"), SLICE_INIT(": c\r\n")},
        {SLICE_INIT("A: b\r\n\303\244: c\r\n"), SLICE_INIT("\303\244: c\r\n")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slice rest = cases[i].in;
        unsigned line = 1;
        struct header_field f;
        assert_true(header_field_next(&rest, &line, &f));
        assert_true(slice_eq(f.value, SLICE(" b")));
        assert_false(header_field_next(&rest, &line, &f));
        assert_true(slice_eq(rest, cases[i].rest));
    }
    struct slice none = SLICE("");
    unsigned line = 1;
    struct header_field f;
    assert_false(header_field_next(&none, &line, &f));
    none = SLICE(" leading\r\nA: b\r\n");
    assert_false(header_field_next(&none, &line, &f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cut),
                                       cmocka_unit_test(test_ends)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
