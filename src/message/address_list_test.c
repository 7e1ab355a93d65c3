/* message/address_list_test.c - values, the addresses in them, and what is wrong with others. */
#include "message/address_list.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { LOOSE = ADDRESS_LOOSE | ADDRESS_NONE_OK };

/* out: "display|local|domain" of each with a blank between; in a group with "*" before it. A fault
 * stands behind all, in brackets, as far as it is given here. */
static const struct {
    const char *in;
    unsigned flags;
    const char *out;
} cases[] = {
    {"a@b", 0, "|a|b"},
    {" a.b@c.d ", 0, "|a.b|c.d"},
    {"A <a@b>", 0, "A|a|b"},
    {"\"x, y\" <a@b>, c@d", 0, "\"x, y\"|a|b |c|d"},
    {"A \"B\" C.D. <a@b>", 0, "A \"B\" C.D.|a|b"},
    {"<a@b>", 0, "|a|b"},
    {"\"a b\"@c", 0, "|\"a b\"|c"},
    {"a@[192.0.2.1]", 0, "|a|[192.0.2.1]"},
    {"a@b.", 0, "|a|b."},
    {"\xC3\xA4@\xC3\xB6.example", 0, "|\xC3\xA4|\xC3\xB6.example"},
    /* folds and comments */
    {"A\r\n (x (y) \\) z) <a(x)@(y)b(z).c>(w)", 0, "A\r\n (x (y) \\) z)|a(x)|b.c"},
    {"a . b @ c . d", 0, "|a . b|c.d"},
    {"(a@b) c@d (e@f)", 0, "|c|d"},
    /* obsolete */
    {"<@x.y,@z:a@b>", 0, "|a|b"},
    {", a@b,,c@d,", 0, "|a|b |c|d"},
    {"a.\"b\".c@d", 0, "|a.\"b\".c|d"},
    /* groups */
    {"g:;", 0, ""},
    {"g: a@b, C <c@d>;, e@f", 0, "*|a|b *C|c|d |e|f"},
    {"\"g h\" i : , ;", 0, ""},
    /* only where it is wanted */
    {"", ADDRESS_NONE_OK, ""},
    {"(nobody)", ADDRESS_NONE_OK, ""},
    {"root", LOOSE, "|root|"},
    {"root, A B, c@d", LOOSE, "|root| |A B| |c|d"},
    {"<root>", LOOSE, "|root|"},
    {"a@b <c@d>", LOOSE, "a@b|c|d"},
    {"a@b <c@d>, e@f", LOOSE, "a@b|c|d |e|f"},
    {"a@b, <c@d>", LOOSE, "|a|b |c|d"},
    {"A@B via C <c@d>", LOOSE, "A@B via C|c|d"},
    {"a@b", ADDRESS_ONE, "|a|b"},
    /* faults */
    {"", 0, "[it has no address"},
    {" (x)", 0, "[it has no address"},
    {"a@b, c@d", ADDRESS_ONE, "|a|b |c|d [it may have only one"},
    {"g:;", ADDRESS_ONE, "[it may have only one"},
    {"root", 0, "[something in it is no address"},
    {"<root>", 0, "[an address has no @"},
    {"a@b <c@d>", 0, "|a|b [something stands behind"},
    {"a@b c", LOOSE, "|a|b [something stands behind"},
    {"<>", LOOSE, "[no local part"},
    {"A <>", 0, "[no local part"},
    {"a@", 0, "[no domain"},
    {"@b", 0, "[something in it is no address"},
    {"a..b@c", 0, "[something in it is no address"},
    {".a@c", 0, "[something in it is no address"},
    {"a.@c", 0, "[something in it is no address"},
    {"a b@c", 0, "[something in it is no address"},
    {"a@b..c", 0, "|a|b. [something stands behind"},
    {"a@b@c", 0, "|a|b [something stands behind"},
    {"a@b;", 0, "|a|b [something stands behind"},
    {"<a@b", 0, "[an address has no closing"},
    {"<@x a@b>", 0, "[a source route never ends"},
    {"g: a@b", 0, "*|a|b [a group has no closing"},
    {"g: h: a@b;;", 0, "[something in it is no address"},
    {":;", 0, "[something in it is no address"},
    {"\"a <b@c>", 0, "[a quoted string never ends"},
    {"a (b@c", 0, "[a comment never ends"},
    {"a@[b", 0, "[a bracket is left open"},
    {"a@b\r\n", 0, "|a|b [a control character"},
    {"a\x01@b", 0, "[a control character"},
};

static void seen(void *arg, const struct address *a)
{
    struct buf *out = arg;
    (void)buf_add_str(out, out->len > 0 ? " " : "");
    (void)buf_add_str(out, a->in_group ? "*" : "");
    (void)buf_add(out, a->display);
    (void)buf_add_str(out, "|");
    (void)buf_add(out, a->local);
    (void)buf_add_str(out, "|");
    (void)buf_add(out, a->domain);
}

static void test_cases(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 10000);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        buf_reset(&out);
        struct slice want = slice_of(cases[i].out);
        bool wrong =
            slice_find(want, '[') < want.len && strstr(cases[i].out, "[1") == NULL;
        const char *fault =
            address_list(slice_of(cases[i].in), cases[i].flags, seen, &out);
        if (fault != NULL) {
            (void)buf_add_fmt(&out, "%s[%s", out.len > 0 ? " " : "", fault);
        }
        if (wrong != (fault != NULL) || !(wrong ? slice_starts(buf_slice(&out), want)
                                                : slice_eq(buf_slice(&out), want))) {
            fail_msg("\"%s\": %.*s", cases[i].in, (int)out.len, (char *)out.ptr);
        }
    }
    buf_clear(&out);
}

/* A thousand brackets cost no stack. */
static void test_depth(void **state)
{
    (void)state;
    struct buf in, out;
    buf_init(&in, 10000);
    buf_init(&out, 100);
    for (unsigned i = 0; i < 2000; i++) {
        (void)buf_add_byte(&in, i < 1000 ? '(' : ')');
    }
    (void)buf_add_str(&in, "a@b");
    assert_null(address_list(buf_slice(&in), 0, seen, &out));
    assert_true(slice_eq(buf_slice(&out), SLICE("|a|b")));
    buf_clear(&in);
    buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases),
                                       cmocka_unit_test(test_depth)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
