/* Tests of base/prose.h. */
#include "base/prose.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_columns(void **state)
{
    static const struct {
        const char *text;
        unsigned columns;
    } cases[] = {
        {"", 0},
        {"abc", 3},
        {"åäö", 3},
        {"a\xcc\x8a", 1},         /* a, combining ring */
        {"”x”", 3},               /* three octets, one column */
        {"邮件", 4},              /* two each */
        {"（用 DKIM）", 11},      /* brackets of full width */
        {"\xff\xe4z\xe9\x82", 5}, /* no UTF-8: a column an octet */
        {"\xf0\xa0\x80\x80", 2},  /* U+20000 */
        {"\xed\x95\x9c", 2},      /* Hangul */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(prose_columns(slice_of(cases[i].text)), cases[i].columns);
    }
}

static void wrapped(const char *text, unsigned columns, struct buf *out)
{
    struct slice rest = slice_of(text);
    buf_reset(out);
    while (rest.len > 0) {
        size_t len = rest.len;
        (void)buf_add(out, prose_line(&rest, columns));
        (void)buf_add_byte(out, '|');
        assert_true(rest.len < len);
    }
    (void)buf_add_byte(out, '\0');
}

static void test_line(void **state)
{
    static const struct {
        const char *text;
        unsigned columns;
        const char *lines;
    } cases[] = {
        {"", 9, ""},
        {"one two three", 7, "one two|three|"},
        {"one two three", 6, "one|two|three|"},
        {"one  two", 5, "one|two|"},
        {" one", 5, " one|"},
        {"one ", 3, "one|"},
        {"unbreakable word", 4, "unbreakable|word|"},
        {"ett ”egen domän” två", 9, "ett ”egen|domän”|två|"},
        {"郵件伺服器", 4, "郵件|伺服|器|"},
        {"郵件伺服器", 5, "郵件|伺服|器|"},
        {"邮件，信。", 4, "邮|件，|信。|"}, /* no mark begins a line */
        {"邮件（信）", 6, "邮件|（信）|"},  /* none that opens ends one */
        {"由“发件人”写", 5, "由“发|件人”|写|"},
        {"用 SMTP 的", 4, "用|SMTP|的|"},
        {"用 SMTP 的", 9, "用 SMTP|的|"},
        {"用 SMTP 的", 10, "用 SMTP 的|"},
        {"SPF 與 DKIM，兩", 11, "SPF 與|DKIM，兩|"},
        {"\xe9\x82\xe9\x82", 1, "\xe9\x82\xe9\x82|"},
    };
    struct buf out;
    (void)state;
    buf_init(&out, 1000);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wrapped(cases[i].text, cases[i].columns, &out);
        assert_string_equal((const char *)out.ptr, cases[i].lines);
    }
    buf_clear(&out);
}

/* Whatever the text and the width: no octet but blanks is lost, and none is made. */
static void test_all_is_kept(void **state)
{
    static const char *const parts[] = {"a", " ", "邮", "，", "（", "”", "\xff"};
    enum { PARTS = sizeof parts / sizeof parts[0], LEN = 5 };
    struct buf text, lines, plain;
    unsigned all = 1;
    (void)state;
    buf_init(&text, 100);
    buf_init(&lines, 100);
    buf_init(&plain, 100);
    for (unsigned i = 0; i < LEN; i++) {
        all *= PARTS;
    }
    for (unsigned n = 0; n < all; n++) {
        buf_reset(&text);
        buf_reset(&plain);
        for (unsigned i = 0, m = n; i < LEN; i++, m /= PARTS) {
            (void)buf_add_str(&text, parts[m % PARTS]);
            (void)buf_add_str(&plain, parts[m % PARTS][0] == ' ' ? "" : parts[m % PARTS]);
        }
        for (unsigned columns = 1; columns < 12; columns += 2) {
            struct slice rest = buf_slice(&text);
            buf_reset(&lines);
            while (rest.len > 0) {
                struct slice line = prose_line(&rest, columns);
                for (size_t i = 0; i < line.len; i++) {
                    if (line.ptr[i] != ' ') {
                        (void)buf_add_byte(&lines, line.ptr[i]);
                    }
                }
            }
            assert_true(slice_eq(buf_slice(&lines), buf_slice(&plain)));
        }
    }
    buf_clear(&text);
    buf_clear(&lines);
    buf_clear(&plain);
}

static void test_pad_and_fill(void **state)
{
    struct buf out;
    (void)state;
    buf_init(&out, 100);
    prose_pad(&out, SLICE("數量"), 6, true);
    prose_pad(&out, SLICE("占比"), 5, false);
    prose_pad(&out, SLICE("long"), 2, false);
    const struct prose_value values[] = {{"{n}", SLICE("5")}, {"{what}", SLICE("{n}")}};
    prose_fill(&out, "<{n} {what} {n}>", values, 2);
    prose_fill(&out, "<{what}>", values, 1);
    (void)buf_add_byte(&out, '\0');
    assert_string_equal((const char *)out.ptr, "  數量占比 long<5 {n} 5><{what}>");
    buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_all_is_kept),
        cmocka_unit_test(test_pad_and_fill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
