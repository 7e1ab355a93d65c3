/* config/units_test.c - sizes and times: values, faults, and text that parses back. */
#include "config/units.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_parse(void **state)
{
    (void)state;
    static const struct {
        struct slice in;
        const char *(*parse)(struct slice, uint64_t *);
        uint64_t value;
        const char *wrong;
    } cases[] = {
        {SLICE_INIT("512"), units_size, 512, NULL},
        {SLICE_INIT("64 KiB"), units_size, 65536, NULL},
        {SLICE_INIT("64kib"), units_size, 65536, NULL},
        {SLICE_INIT("35\t MiB"), units_size, 35 << 20, NULL},
        {SLICE_INIT("1 TiB"), units_size, 1ULL << 40, NULL},
        {SLICE_INIT("0"), units_size, 0, NULL},
        {SLICE_INIT("18446744073709551615"), units_size, UINT64_MAX, NULL},
        {SLICE_INIT("16777215 TiB"), units_size, 16777215ULL << 40, NULL},
        {SLICE_INIT("16777216 TiB"), units_size, 7, "the number is too large"},
        {SLICE_INIT("18446744073709551616"), units_size, 7, "the number is too large"},
        {SLICE_INIT("1 MB"), units_size, 7,
         "its unit is none of KiB, MiB, GiB, TiB (nothing: octets)"},
        {SLICE_INIT("1.5 MiB"), units_size, 7,
         "its unit is none of KiB, MiB, GiB, TiB (nothing: octets)"},
        {SLICE_INIT("-1"), units_size, 7, "it does not start with a whole number"},
        {SLICE_INIT(" 1"), units_size, 7, "it does not start with a whole number"},
        {SLICE_INIT("MiB"), units_size, 7, "it does not start with a whole number"},
        {SLICE_INIT(""), units_size, 7, "it does not start with a whole number"},
        {SLICE_INIT("500 ms"), units_time, 500, NULL},
        {SLICE_INIT("300 s"), units_time, 300000, NULL},
        {SLICE_INIT("5min"), units_time, 300000, NULL},
        {SLICE_INIT("2 H"), units_time, 7200000, NULL},
        {SLICE_INIT("14 d"), units_time, 1209600000, NULL},
        {SLICE_INIT("0"), units_time, 0, NULL},
        {SLICE_INIT("0 d"), units_time, 0, NULL},
        {SLICE_INIT("5"), units_time, 7, "it has no unit (ms, s, min, h, d)"},
        {SLICE_INIT("5 m"), units_time, 7, "its unit is none of ms, s, min, h, d"},
        {SLICE_INIT("5 min 3 s"), units_time, 7, "its unit is none of ms, s, min, h, d"},
        {SLICE_INIT("213503982335 d"), units_time, 7, "the number is too large"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t value = 7;
        const char *wrong = cases[i].parse(cases[i].in, &value);
        assert_int_equal(value, cases[i].value);
        if (cases[i].wrong == NULL) {
            assert_null(wrong);
        } else {
            assert_string_equal(wrong, cases[i].wrong);
        }
    }
}

static void test_text(void **state)
{
    (void)state;
    static const struct {
        uint64_t value;
        const char *size, *time;
    } cases[] = {
        {0, "0", "0"},
        {1, "1", "1 ms"},
        {1000, "1000", "1 s"},
        {1024, "1 KiB", "1024 ms"},
        {90000, "90000", "90 s"},
        {36700160, "35 MiB", "36700160 ms"},
        {86400000, "84375 KiB", "1 d"},
        {1ULL << 40, "1 TiB", "1099511627776 ms"},
        {UINT64_MAX, "18446744073709551615", "18446744073709551615 ms"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[UNITS_TEXT_MAX];
        assert_true(
            slice_eq(units_size_text(cases[i].value, text), slice_of(cases[i].size)));
        assert_string_equal(text, cases[i].size);
        assert_true(
            slice_eq(units_time_text(cases[i].value, text), slice_of(cases[i].time)));
        assert_string_equal(text, cases[i].time);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
