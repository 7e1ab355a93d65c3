/* smtp/params_test.c - a table of parameters: good, unknown, twice, malformed, misplaced. */
#include "smtp/params.h"

#include "smtp/xtext.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MAIL SMTP_PARAMS_MAIL
#define RCPT SMTP_PARAMS_RCPT

static const struct smtp_params_rules no_rules = {0};

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
    {S(" ORCPT=rfc822;a"), MAIL, "a parameter that does not belong to this command", S("ORCPT=rfc822;a"), 0, 0, 0},
    {S(" ORCPT=rfc822;a"), RCPT, "a parameter of an extension that is not offered here", S("ORCPT=rfc822;a"), 0, 0, 0},
    {S(" REQUIRETLS"), MAIL, "a parameter of an extension that is not offered here", S("REQUIRETLS"), 0, 0, 0},
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
        bool good = smtp_params_read(cases[i].in, cases[i].of, &no_rules, &p, &fault);
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

/* What everything offered gives: a parameter, and what is wrong with it or how it shows. */
enum { NOW_S = 1700000000 }; /* 2023-11-14T22:13:20Z */
static const struct smtp_params_rules all_rules = {
    .offered = SMTP_EXT_DSN | SMTP_EXT_REQUIRETLS | SMTP_EXT_DELIVERBY |
               SMTP_EXT_FUTURERELEASE | SMTP_EXT_MT_PRIORITY | SMTP_EXT_AUTH |
               SMTP_EXT_BINARYMIME,
    .utf8 = true,
    .by_least_s = 60,
    .hold_most_s = 1000,
    .now_s = NOW_S,
};
static const char bad_orcpt[] =
    "an original recipient that is not xtext of printable characters";
static const char bad_envid[] =
    "an envelope id that is not xtext of printable characters";
static const char too_short[] = "a time that is shorter than what is offered here";
static const char too_long[] = "a time beyond what is offered here";
static const char no_date[] = "a date that is not as 2030-12-31T23:59:59Z";
static const char no_digits[] = "a time that is not of 1 to 9 digits";
static const char no_priority[] = "a priority that is not between -9 and 9";

/* clang-format off */
static const struct {
    struct slice in;
    enum smtp_params_of of;
    const char *what;
} extended[] = {
#define S SLICE_INIT
    {S(" RET=FULL ENVID=QQ+2B314159"), MAIL, NULL},
    {S(" RET=hdrs"), MAIL, NULL},
    {S(" RET=BODY"), MAIL, "a return that is neither FULL nor HDRS"},
    {S(" ENVID=a+0D+0ADATA"), MAIL, bad_envid},
    {S(" ENVID=a+0"), MAIL, bad_envid},
    {S(" ENVID=a+"), MAIL, bad_envid},
    {S(" ENVID=a+7F"), MAIL, bad_envid},
    {S(" ENVID=a+C3+A9"), MAIL, bad_envid},
    {S(" ENVID=a+00"), MAIL, bad_envid},
    {S(" ENVID=a+20b"), MAIL, NULL},
    {S(" ENVID="), MAIL, "a parameter without its value"},
    {S(" NOTIFY=NEVER"), RCPT, NULL},
    {S(" NOTIFY=success,Failure,DELAY ORCPT=rfc822;bob+2Bx@b.example"), RCPT, NULL},
    {S(" NOTIFY=NEVER,DELAY"), RCPT, "NEVER together with something else"},
    {S(" NOTIFY=DELAY,"), RCPT, "a notify that is none of NEVER, SUCCESS, FAILURE, DELAY"},
    {S(" NOTIFY=,"), RCPT, "a notify that is none of NEVER, SUCCESS, FAILURE, DELAY"},
    {S(" NOTIFY=LATER"), RCPT, "a notify that is none of NEVER, SUCCESS, FAILURE, DELAY"},
    {S(" ORCPT=rfc822;a+0D+0ADATA"), RCPT, bad_orcpt},
    {S(" ORCPT=rfc822;a+0aQUIT"), RCPT, bad_orcpt},
    {S(" ORCPT=rfc822;"), RCPT, "an original recipient without its type"},
    {S(" ORCPT=rfc822"), RCPT, "an original recipient without its type"},
    {S(" ORCPT=;bob@b.example"), RCPT, "an original recipient without its type"},
    {S(" ORCPT=rfc 822;a"), RCPT, "an original recipient without its type"},
    {S(" ORCPT=r/c;a"), RCPT, "an original recipient with a type that is no word"},
    {S(" ORCPT=utf-8;caf\\x{E9}@b.example"), RCPT, NULL},
    {S(" ORCPT=UTF-8;caf\xc3\xa9@b.example"), RCPT, NULL},
    {S(" ORCPT=rfc822;caf\xc3\xa9@b.example"), RCPT, bad_orcpt},
    {S(" ORCPT=utf-8;caf\xc3@b.example"), RCPT, "a parameter with a character that none may have"},
    {S(" ORCPT=utf-8;a\\x{0D}b"), RCPT, bad_orcpt},
    {S(" ORCPT=utf-8;a\\x{7F}b"), RCPT, bad_orcpt},
    {S(" ORCPT=utf-8;a\\x{D800}b"), RCPT, bad_orcpt},
    {S(" ORCPT=utf-8;a\\x{110000}b"), RCPT, bad_orcpt},
    {S(" ORCPT=utf-8;a\\x{}b"), RCPT, bad_orcpt},
    {S(" ORCPT=utf-8;a\\x{41"), RCPT, bad_orcpt},
    {S(" ORCPT=utf-8;a+0Db"), RCPT, bad_orcpt},
    {S(" REQUIRETLS"), MAIL, NULL},
    {S(" REQUIRETLS=1"), MAIL, "a value where none belongs"},
    {S(" BY=120;R"), MAIL, NULL},
    {S(" BY=+60;rt"), MAIL, NULL},
    {S(" BY=59;R"), MAIL, too_short},
    {S(" BY=0;R"), MAIL, too_short},
    {S(" BY=-5;R"), MAIL, too_short},
    {S(" BY=-5;N"), MAIL, NULL},
    {S(" BY=1;NT"), MAIL, NULL},
    {S(" BY=1234567890;N"), MAIL, no_digits},
    {S(" BY=;N"), MAIL, no_digits},
    {S(" BY=--1;N"), MAIL, no_digits},
    {S(" BY=100"), MAIL, "a mode that is neither N nor R"},
    {S(" BY=100;X"), MAIL, "a mode that is neither N nor R"},
    {S(" BY=100;RX"), MAIL, "a mode that is neither N nor R"},
    {S(" BY=100;RTT"), MAIL, "a mode that is neither N nor R"},
    {S(" HOLDFOR=1000"), MAIL, NULL},
    {S(" HOLDFOR=1001"), MAIL, too_long},
    {S(" HOLDFOR=0"), MAIL, no_digits},
    {S(" HOLDFOR=1234567890"), MAIL, no_digits},
    {S(" HOLDUNTIL=2023-11-14T22:30:00Z"), MAIL, NULL},
    {S(" HOLDUNTIL=2023-11-15T00:29:59.999+02:00"), MAIL, NULL},
    {S(" HOLDUNTIL=2023-11-14T20:30:01-02:00"), MAIL, too_long},
    {S(" HOLDUNTIL=2023-11-14T22:30:01Z"), MAIL, too_long},
    {S(" HOLDUNTIL=2001-01-01T00:00:00Z"), MAIL, NULL},
    {S(" HOLDUNTIL=2023-02-29T00:00:00Z"), MAIL, no_date},
    {S(" HOLDUNTIL=2023-11-14"), MAIL, no_date},
    {S(" HOLDFOR=1 HOLDUNTIL=2001-01-01T00:00:00Z"), MAIL, "HOLDFOR and HOLDUNTIL together"},
    {S(" HOLDUNTIL=2001-01-01T00:00:00Z HOLDFOR=1"), MAIL, "HOLDFOR and HOLDUNTIL together"},
    {S(" MT-PRIORITY=9"), MAIL, NULL},
    {S(" MT-PRIORITY=-9"), MAIL, NULL},
    {S(" MT-PRIORITY=0"), MAIL, NULL},
    {S(" MT-PRIORITY=-0"), MAIL, no_priority},
    {S(" MT-PRIORITY=10"), MAIL, no_priority},
    {S(" MT-PRIORITY=-"), MAIL, no_priority},
    {S(" AUTH=<>"), MAIL, NULL},
    {S(" AUTH=e+3Dmc2@b.example"), MAIL, NULL},
    {S(" AUTH=a+0Db"), MAIL, "an identity that is not xtext"},
#undef S
};
/* clang-format on */

static void test_extended(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof extended / sizeof extended[0]; i++) {
        struct smtp_params p;
        struct smtp_params_fault fault = {0};
        bool good =
            smtp_params_read(extended[i].in, extended[i].of, &all_rules, &p, &fault);
        if (good != (extended[i].what == NULL) ||
            (!good && strcmp(fault.what, extended[i].what) != 0)) {
            fail_msg("%.*s: %s", (int)extended[i].in.len,
                     (const char *)extended[i].in.ptr, good ? "taken" : fault.what);
        }
    }
}

static void test_values(void **state)
{
    (void)state;
    struct smtp_params p;
    struct smtp_params_fault fault = {0};
    assert_true(smtp_params_read(SLICE(" RET=HDRS ENVID=a+2Bb BY=-5;NT HOLDFOR=7 "
                                       "MT-PRIORITY=-3 REQUIRETLS"),
                                 MAIL, &all_rules, &p, &fault));
    assert_true(p.ret == SMTP_RET_HDRS && slice_eq(p.envid, SLICE("a+2Bb")));
    assert_true(p.by == SMTP_BY_NOTIFY && p.by_s == -5 && p.by_trace);
    assert_true(p.hold_for_s == 7 && p.priority == -3 && p.requiretls);
    assert_true(smtp_params_read(SLICE(" NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x@b.example"),
                                 RCPT, &all_rules, &p, &fault));
    assert_int_equal(p.notify, SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_DELAY);
    assert_true(slice_eq(p.orcpt, SLICE("rfc822;x@b.example")));
    assert_true(smtp_params_read(SLICE(" HOLDUNTIL=2023-11-14T23:13:21+01:00"), MAIL,
                                 &all_rules, &p, &fault));
    assert_int_equal(p.hold_until_s, NOW_S + 1);
    /* Not on offer, each of them is refused by name. */
    assert_false(smtp_params_read(SLICE(" MT-PRIORITY=1"), MAIL, &no_rules, &p, &fault));
    assert_true(slice_eq(fault.param, SLICE("MT-PRIORITY=1")));
}

/* RFC 3461 4: what is encoded is found again; what is long for its room does not. */
static void test_xtext(void **state)
{
    (void)state;
    unsigned char all[256];
    unsigned char back[256];
    size_t n = 0;
    struct buf b;
    buf_init(&b, 1024);
    for (unsigned i = 0; i < sizeof all; i++) {
        bool as_it_is = i > ' ' && i < 0x7f && i != '=' && i != '+';
        all[i] = (unsigned char)i;
        assert_true(as_it_is ? buf_add_byte(&b, all[i]) : buf_add_fmt(&b, "+%02X", i));
    }
    assert_true(smtp_xtext_decode(buf_slice(&b), back, sizeof back, &n));
    assert_int_equal(n, sizeof all);
    assert_memory_equal(back, all, sizeof all);
    assert_false(smtp_xtext_decode(buf_slice(&b), back, sizeof back - 1, &n));
    assert_false(smtp_xtext_printable(buf_slice(&b)));
    assert_false(smtp_xtext_decode(SLICE("a=b"), back, sizeof back, &n));
    buf_clear(&b);
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
        if (!smtp_params_read((struct slice){in, len}, SMTP_PARAMS_MAIL, &no_rules, &p,
                              &fault)) {
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases), cmocka_unit_test(test_extended),
        cmocka_unit_test(test_values), cmocka_unit_test(test_xtext),
        cmocka_unit_test(test_exhaustive)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
