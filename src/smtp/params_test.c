/* smtp/params_test.c - a table of parameters: good, unknown, twice, malformed, misplaced. */
#include "smtp/params.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MAIL SMTP_PARAMS_MAIL
#define RCPT SMTP_PARAMS_RCPT

/* clang-format off */
static const struct {
    struct slice in;
    enum smtp_params_of of;
    const char *what; /* NULL: good */
    struct slice param;
    uint64_t size;
    enum smtp_body body;
    bool utf8;
} cases[] = {
#define S SLICE_INIT
    {S(""), MAIL, NULL, S(""), 0, SMTP_BODY_7BIT, false},
    {S(""), RCPT, NULL, S(""), 0, SMTP_BODY_7BIT, false},
    {S(" "), MAIL, NULL, S(""), 0, SMTP_BODY_7BIT, false},
    {S(" SIZE=0"), MAIL, NULL, S(""), 0, SMTP_BODY_7BIT, false},
    {S(" size=0012"), MAIL, NULL, S(""), 12, SMTP_BODY_7BIT, false},
    {S("  SIZE=1  BODY=8BITMIME   SMTPUTF8 "), MAIL, NULL, S(""), 1, SMTP_BODY_8BITMIME, true},
    {S(" smtputf8 body=7bit"), MAIL, NULL, S(""), 0, SMTP_BODY_7BIT, true},
    {S(" BODY=8bitmime"), MAIL, NULL, S(""), 0, SMTP_BODY_8BITMIME, false},
    {S(" SIZE=18446744073709551615"), MAIL, NULL, S(""), UINT64_MAX, SMTP_BODY_7BIT, false},
    {S(" SIZE=18446744073709551616"), MAIL, NULL, S(""), UINT64_MAX, SMTP_BODY_7BIT, false},
    {S(" SIZE=99999999999999999999"), MAIL, NULL, S(""), UINT64_MAX, SMTP_BODY_7BIT, false},
    {S(" SIZE=000000000000000000001"), MAIL, "a size of more than 20 digits", S("SIZE=000000000000000000001"), 0, 0, 0},
    {S(" SIZE=1k"), MAIL, "a size that is not a number", S("SIZE=1k"), 0, 0, 0},
    {S(" SIZE=-1"), MAIL, "a size that is not a number", S("SIZE=-1"), 0, 0, 0},
    {S(" SIZE=+1"), MAIL, "a size that is not a number", S("SIZE=+1"), 0, 0, 0},
    {S(" SIZE"), MAIL, "a parameter without its value", S("SIZE"), 0, 0, 0},
    {S(" SIZE="), MAIL, "a parameter without its value", S("SIZE="), 0, 0, 0},
    {S(" SIZE=1=1"), MAIL, "a parameter with a character that none may have", S("SIZE=1=1"), 0, 0, 0},
    {S(" SIZE=1\t"), MAIL, "a parameter with a character that none may have", S("SIZE=1\t"), 0, 0, 0},
    {S(" SIZE=\xff"), MAIL, "a parameter with a character that none may have", S("SIZE=\xff"), 0, 0, 0},
    {S(" SIZE=\x7f"), MAIL, "a parameter with a character that none may have", S("SIZE=\x7f"), 0, 0, 0},
    {S(" SIZE=1 BODY=7BIT size=2"), MAIL, "a parameter given twice", S("size=2"), 0, 0, 0},
    {S(" SMTPUTF8 SMTPUTF8"), MAIL, "a parameter given twice", S("SMTPUTF8"), 0, 0, 0},
    {S(" BODY=BINARYMIME"), MAIL, "a body that is neither 7BIT nor 8BITMIME", S("BODY=BINARYMIME"), 0, 0, 0},
    {S(" SMTPUTF8=1"), MAIL, "a value where none belongs", S("SMTPUTF8=1"), 0, 0, 0},
    {S(" SMTPUTF8="), MAIL, "a value where none belongs", S("SMTPUTF8="), 0, 0, 0},
    {S(" SIZE=1 XFOO=1"), MAIL, "an unknown parameter", S("XFOO=1"), 0, 0, 0},
    {S(" SIZES=1"), MAIL, "an unknown parameter", S("SIZES=1"), 0, 0, 0},
    {S(" =1"), MAIL, "an unknown parameter", S("=1"), 0, 0, 0},
    {S(" \xc3\xa9"), MAIL, "an unknown parameter", S("\xc3\xa9"), 0, 0, 0},
    {S(" ORCPT=rfc822;a+0D+0ADATA"), MAIL, "an unknown parameter", S("ORCPT=rfc822;a+0D+0ADATA"), 0, 0, 0},
    {S(" SIZE=1"), RCPT, "a parameter that does not belong to this command", S("SIZE=1"), 0, 0, 0},
    {S(" SMTPUTF8"), RCPT, "a parameter that does not belong to this command", S("SMTPUTF8"), 0, 0, 0},
    {S(" BODY=7BIT"), RCPT, "a parameter that does not belong to this command", S("BODY=7BIT"), 0, 0, 0},
    {S("SIZE=1"), MAIL, "no space after the address", S("SIZE=1"), 0, 0, 0},
    {S("> SIZE=1"), MAIL, "no space after the address", S(">"), 0, 0, 0},
    {S("\tSIZE=1"), MAIL, "no space after the address", S("\tSIZE=1"), 0, 0, 0},
#undef S
};
/* clang-format on */

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct smtp_params p;
        struct smtp_params_fault fault = {0};
        bool good = smtp_params_read(cases[i].in, cases[i].of, &p, &fault);
        if (good != (cases[i].what == NULL)) {
            fail_msg("%.*s: %s", (int)cases[i].in.len, (const char *)cases[i].in.ptr,
                     good ? "taken" : fault.what);
        }
        if (good) {
            assert_null(fault.what);
            assert_true(p.size == cases[i].size && p.body == cases[i].body &&
                        p.smtputf8 == cases[i].utf8);
        } else {
            assert_string_equal(fault.what, cases[i].what);
            assert_true(slice_eq(fault.param, cases[i].param));
        }
    }
}

/* Every string over the octets that matter: a fault always names a part of the input. */
static void test_exhaustive(void **state)
{
    (void)state;
    static const struct slice parts[] = {SLICE_INIT(" "),    SLICE_INIT("="),
                                         SLICE_INIT("SIZE"), SLICE_INIT("BODY"),
                                         SLICE_INIT("7BIT"), SLICE_INIT("SMTPUTF8"),
                                         SLICE_INIT("1"),    SLICE_INIT("\xff")};
    for (unsigned n = 0; n < 1U << 18; n++) { /* six parts */
        unsigned char in[64];
        size_t len = 0;
        for (unsigned i = 0; i < 6; i++) {
            struct slice part = parts[n >> (3 * i) & 7U];
            memcpy(in + len, part.ptr, part.len);
            len += part.len;
        }
        struct smtp_params p;
        struct smtp_params_fault fault = {0};
        if (!smtp_params_read((struct slice){in, len}, SMTP_PARAMS_MAIL, &p, &fault)) {
            assert_true(fault.what != NULL && fault.param.len > 0 &&
                        fault.param.ptr >= in &&
                        fault.param.ptr + fault.param.len <= in + len);
        } else {
            assert_true(p.size == 0 || (p.seen & 1U) != 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases),
                                       cmocka_unit_test(test_exhaustive)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
