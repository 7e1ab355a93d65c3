/* smtp/line_test.c - a table of lines, each by every prefix too, and every string of up to 7
 * octets over the octets that the parser tells apart. */
#include "smtp/line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define OK   SMTP_LINE_OK
#define MORE SMTP_LINE_MORE
#define LONG SMTP_LINE_TOO_LONG
#define BARE SMTP_LINE_BARE_EOL
#define BAD  SMTP_LINE_BAD_OCTET

/* clang-format off */
static const struct {
    const char *name;
    struct slice in;
    size_t max;
    enum smtp_line_res res;
    enum smtp_verb verb;
    struct slice word, args;
} cases[] = {
#define S SLICE_INIT
    {"no args",          S("QUIT\r\n"), 512, OK, SMTP_QUIT, S("QUIT"), S("")},
    {"lower case",       S("ehlo a.example\r\n"), 512, OK, SMTP_EHLO, S("ehlo"), S("a.example")},
    {"mixed case",       S("Mail FROM:<a>\r\n"), 512, OK, SMTP_MAIL, S("Mail"), S("FROM:<a>")},
    {"trailing white",   S("RSET \t\r\n"), 512, OK, SMTP_RSET, S("RSET"), S("")},
    {"trailing SP",      S("HELO a \r\n"), 512, OK, SMTP_HELO, S("HELO"), S("a")},
    {"two SP",           S("HELO  a\r\n"), 512, OK, SMTP_HELO, S("HELO"), S(" a")},
    {"tab is no SP",     S("HELO\ta\r\n"), 512, OK, SMTP_UNKNOWN, S("HELO\ta"), S("")},
    {"leading SP",       S(" QUIT\r\n"), 512, OK, SMTP_UNKNOWN, S(""), S("QUIT")},
    {"only blanks",      S(" \t \r\n"), 512, OK, SMTP_UNKNOWN, S(""), S("")},
    {"empty line",       S("\r\n"), 512, OK, SMTP_UNKNOWN, S(""), S("")},
    {"empty line, max",  S("\r\n"), 2, OK, SMTP_UNKNOWN, S(""), S("")},
    {"not our verb",     S("WIZ\r\n"), 512, OK, SMTP_UNKNOWN, S("WIZ"), S("")},
    {"a longer verb",    S("QUITS\r\n"), 512, OK, SMTP_UNKNOWN, S("QUITS"), S("")},
    {"a shorter verb",   S("QUI\r\n"), 512, OK, SMTP_UNKNOWN, S("QUI"), S("")},
    {"pipelined",        S("NOOP\r\nQUIT\r\n"), 512, OK, SMTP_NOOP, S("NOOP"), S("")},
    {"8bit, controls",   S("NOOP \xff\x01\x0b\x7f\r\n"), 512, OK, SMTP_NOOP, S("NOOP"), S("\xff\x01\x0b\x7f")},
    {"exactly max",      S("NOOP\r\n"), 6, OK, SMTP_NOOP, S("NOOP"), S("")},
    {"LF over max",      S("NOOP \r\n"), 6, LONG, SMTP_UNKNOWN, S(""), S("")},
    {"max, no CRLF",     S("NOOP x"), 6, LONG, SMTP_UNKNOWN, S(""), S("")},
    {"below max",        S("NOOP x"), 7, MORE, SMTP_UNKNOWN, S(""), S("")},
    {"bare LF",          S("DATA\n"), 512, BARE, SMTP_UNKNOWN, S(""), S("")},
    {"bare CR",          S("DATA\r.\r\n"), 512, BARE, SMTP_UNKNOWN, S(""), S("")},
    {"CR CR LF",         S("DATA\r\r\n"), 512, BARE, SMTP_UNKNOWN, S(""), S("")},
    {"quoted CRLF",      S("RCPT TO:<\"a\\\r\nDATA\"@x>\r\n"), 512, OK, SMTP_RCPT, S("RCPT"), S("TO:<\"a\\")},
    {"NUL",              S("NOOP \0\r\n"), 512, BAD, SMTP_UNKNOWN, S(""), S("")},
    {"NUL before LF",    S("\0\n"), 512, BAD, SMTP_UNKNOWN, S(""), S("")},
    {"CR at the end",    S("NOOP\r"), 512, MORE, SMTP_UNKNOWN, S(""), S("")},
    {"nothing",          S(""), 512, MORE, SMTP_UNKNOWN, S(""), S("")},
#define X(v) {"verb " #v, S(#v "\r\n"), 512, OK, SMTP_##v, S(#v), S("")},
    SMTP_VERBS(X)
#undef X
#undef S
};
/* clang-format on */

static bool same(struct smtp_line a, struct smtp_line b)
{
    return a.verb == b.verb && a.used == b.used && a.args.ptr == b.args.ptr &&
           a.args.len == b.args.len && a.word.ptr == b.word.ptr &&
           a.word.len == b.word.len;
}

/* The header's promises, for one input, over every prefix of it. */
static void check_promises(struct slice in, size_t max, const char *name)
{
    struct smtp_line whole = {0};
    enum smtp_line_res want = smtp_line_take(in, max, &whole);
    bool ok = want == OK ? whole.used >= 2 && whole.used <= max && whole.used <= in.len &&
                               memcmp(in.ptr + whole.used - 2, "\r\n", 2) == 0
                         : same(whole, (struct smtp_line){0});
    for (size_t n = 0; n <= in.len && ok; n++) {
        struct smtp_line part = {0};
        enum smtp_line_res got = smtp_line_take(slice_sub(in, 0, n), max, &part);
        ok = got == MORE ? same(part, (struct smtp_line){0}) && n < max
                         : got == want && same(part, whole);
    }
    if (!ok) {
        fail_msg("%s, max %zu: a promise is broken", name, max);
    }
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct smtp_line line = {0};
        enum smtp_line_res res = smtp_line_take(cases[i].in, cases[i].max, &line);
        if (res != cases[i].res || line.verb != cases[i].verb ||
            !slice_eq(line.word, cases[i].word) || !slice_eq(line.args, cases[i].args)) {
            fail_msg("%s: %d", cases[i].name, (int)res);
        }
        check_promises(cases[i].in, cases[i].max, cases[i].name);
    }
}

/* What the answer must be, said another way. */
static enum smtp_line_res expected(const unsigned char *in, size_t len, size_t max)
{
    size_t end = 0;
    len = len < max ? len : max;
    while (end < len && in[end] != '\r' && in[end] != '\n' && in[end] != '\0') {
        end++;
    }
    if (end == len) {
        return len == max ? LONG : MORE;
    }
    if (in[end] != '\r') {
        return in[end] == '\0' ? BAD : BARE;
    }
    if (end + 1 == len) {
        return len == max ? LONG : MORE;
    }
    return in[end + 1] == '\n' ? OK : BARE;
}

static void test_exhaustive(void **state)
{
    (void)state;
    static const unsigned char kinds[] = {'\r', '\n', '\0', ' ', '\t', 'A', 0x80};
    for (size_t len = 0, total = 1; len <= 7; len++, total *= sizeof kinds) {
        for (size_t n = 0; n < total; n++) {
            unsigned char in[7];
            struct smtp_line line;
            for (size_t i = 0, rest = n; i < len; i++, rest /= sizeof kinds) {
                in[i] = kinds[rest % sizeof kinds];
            }
            struct slice s = {in, len};
            assert_int_equal(smtp_line_take(s, 4, &line), expected(in, len, 4));
            assert_int_equal(smtp_line_take(s, 512, &line), expected(in, len, 512));
            if (len <= 6) {
                check_promises(s, 4, "exhaustive");
                check_promises(s, 512, "exhaustive");
            }
        }
    }
}

static void test_names(void **state)
{
    (void)state;
    assert_int_equal(smtp_verb_name(SMTP_UNKNOWN).len, 0);
    assert_true(slice_eq(smtp_verb_name(SMTP_STARTTLS), SLICE("STARTTLS")));
    assert_int_equal(smtp_verb_name(SMTP_VERB_COUNT).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases),
                                       cmocka_unit_test(test_exhaustive),
                                       cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
