/* Tests of message/mime_read.h. */
#include "message/mime_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static struct mime_message m;

static void read_str(const char *s)
{
    mime_read(slice_of(s), &m);
}

static bool is(struct slice s, const char *wanted)
{
    bool same = slice_eq(s, slice_of(wanted));
    if (!same) {
        print_message("got  '%.*s'\nwant '%s'\n", (int)s.len, (const char *)s.ptr,
                      wanted);
    }
    return same;
}

static void test_parts(void **state)
{
    (void)state;
    read_str("Subject: x\r\nContent-Type: multipart/report; boundary=\"a "
             "b\"\r\n\r\npreamble\r\n"
             "--a b\r\n\r\none\r\n--a b\r\nContent-Type: "
             "text/html\r\n\r\n<b>\r\ntwo\r\n--a bc\r\n"
             "--a b--\r\nepilogue");
    assert_int_equal(m.n, 3);
    assert_true(m.part[0].has_parts);
    assert_true(is(m.part[1].body, "one"));
    assert_true(mime_is(&m.part[1], "text/plain"));
    assert_true(mime_is(&m.part[2], "TEXT/*"));
    assert_false(mime_is(&m.part[2], "text/plain"));
    assert_true(is(m.part[2].body, "<b>\r\ntwo\r\n--a bc"));
    assert_int_equal(m.part[2].depth, 1);
}

static void test_nested(void **state)
{
    (void)state;
    read_str("Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: "
             "multipart/mixed;\n"
             "\tboundary=oo\n\n--oo\n\nin\n--oo--\n--o\nContent-Type: message/rfc822\n\n"
             "From: a@b.example\n\nhello\n--o--\n");
    assert_int_equal(m.n, 5);
    assert_true(is(m.part[2].body, "in"));
    assert_int_equal(m.part[2].parent, 1);
    assert_true(m.part[4].is_message);
    assert_true(is(m.part[4].header, "From: a@b.example\n"));
    assert_true(is(m.part[4].body, "hello"));
}

static void test_broken(void **state)
{
    (void)state;
    /* announced wrongly, and not announced at all */
    read_str("Content-Type: multipart/mixed; boundary=x\n\n\n--right/1.2\n"
             "Content-Type: text/plain\n\nhi\n--right/1.2--\n");
    assert_int_equal(m.n, 2);
    assert_true(is(m.part[1].body, "hi"));
    read_str("Subject: x\n\nThis is MIME\n\n--b/1.2\n\nhi\n\n--b/1.2\nContent-Type: "
             "text/html\n\nx\n");
    assert_int_equal(m.n, 3);
    assert_true(is(m.part[1].body, "hi\n"));
    /* a line of text that looks like one */
    read_str("Subject: x\n\n--------\nhi\n--------\nthere\n");
    assert_int_equal(m.n, 1);
    read_str("no header at all\n\nbody");
    assert_int_equal(m.n, 1);
    assert_int_equal(m.part[0].header.len, 0);
    read_str("");
    assert_int_equal(m.n, 1);
    read_str("From x Mon\nSubject: y\n\nz");
    assert_true(is(m.part[0].header, "Subject: y\n"));
}

static void test_limits(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 50; i++) {
        (void)buf_add_str(&b, "Content-Type: message/rfc822\n\n");
    }
    mime_read(buf_slice(&b), &m);
    assert_int_equal(m.n, MIME_DEPTH_MAX);
    buf_reset(&b);
    (void)buf_add_str(&b, "Content-Type: multipart/mixed; boundary=x\n\n");
    for (int i = 0; i < 200; i++) {
        (void)buf_add_str(&b, "--x\n\ny\n");
    }
    mime_read(buf_slice(&b), &m);
    assert_int_equal(m.n, MIME_PARTS_MAX);
    buf_clear(&b);
}

static void test_fields(void **state)
{
    (void)state;
    struct slice header = SLICE("A : one\r\n two\r\ngarbage\r\nb:\r\nA: three\r\n"),
                 value;
    struct mime_field f;
    struct buf b;
    buf_init(&b, 100);
    assert_true(mime_field_find(header, "a", &value));
    assert_true(mime_unfold(value, &b));
    assert_true(is(buf_slice(&b), "one two"));
    assert_true(mime_field_next(&header, &f) && mime_field_next(&header, &f));
    assert_true(is(f.name, "b"));
    assert_int_equal(f.value.len, 0);
    assert_true(mime_field_next(&header, &f));
    assert_true(is(f.value, "three"));
    assert_false(mime_field_next(&header, &f));
    buf_clear(&b);
}

static void test_params(void **state)
{
    (void)state;
    static const struct {
        const char *params, *name, *value; /* NULL: not there */
    } cases[] = {
        {"; charset=utf-8", "charset", "utf-8"},
        {";charset = \"us-\\\"ascii\" ; x=y", "CHARSET", "us-\"ascii"},
        {"; xcharset=a; charset=b", "charset", "b"},
        {"; boundary=a; boundary=b", "boundary", "a"},
        {"; name*0=ab; name*1=\"c d\"", "name", "abc d"},
        {"; report-type", "report-type", NULL},
        {"; a=\"; charset=x", "charset", NULL},
        {"", "charset", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf b;
        buf_init(&b, 100);
        bool found = mime_param(slice_of(cases[i].params), cases[i].name, &b);
        assert_int_equal(found, cases[i].value != NULL);
        assert_true(!found || is(buf_slice(&b), cases[i].value));
        buf_clear(&b);
    }
}

static bool upper_only(void *arg, struct slice charset, struct slice in, struct buf *out)
{
    (void)arg;
    (void)in;
    return slice_ieq(charset, SLICE("iso-2022-jp")) && buf_add_str(out, "[converted]");
}

static const struct mime_charset convert = {upper_only, NULL};

static void test_decoding(void **state)
{
    (void)state;
    static const struct {
        bool base64;
        const char *in, *out;
    } cases[] = {
        {true, "aGVsbG8=", "hello"},
        {true, "aGVs\r\nbG8", "hello"},
        {true, "aGVsbA==", "hell"},
        {true, "YQ==YQ==", "aa"},
        {true, "!!", ""},
        {true, "", ""},
        {false, "a=3Db=\r\nc=\nd", "a=bcd"},
        {false, "=zz=4", "=zz=4"},
        {false, "a= \t\r\nb", "ab"},
        {false, "=", "="},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf b;
        buf_init(&b, 100);
        struct slice in = slice_of(cases[i].in);
        assert_true(cases[i].base64 ? mime_decode_base64(in, &b)
                                    : mime_decode_quoted(in, &b));
        assert_true(is(buf_slice(&b), cases[i].out));
        buf_clear(&b);
    }
}

static void test_words(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"plain\r\n text", "plain text"},
        {"=?utf-8?Q?a_b=3D?= c", "a b= c"},
        {"=?utf-8?B?w6k=?= =?UTF-8?q?=C3=A9?=", "\xc3\xa9\xc3\xa9"},
        {"=?utf-8?Q?=C3?=\r\n =?utf-8?Q?=A9?=", "\xc3\xa9"}, /* split in a character */
        {"=?iso-8859-1?Q?=E9?=", "\xc3\xa9"},
        {"=?windows-1252*en?Q?=80?=", "\xe2\x82\xac"},
        {"=?ISO-2022-JP?B?GyRC?=", "[converted]"},
        {"=?x-unknown?Q?=E9a?=", "\xef\xbf\xbd"
                                 "a"},
        {"=?utf-8?X?a?=", "=?utf-8?X?a?="},
        {"=?utf-8?Q?a", "=?utf-8?Q?a"},
        {"caf\xe9", "caf\xef\xbf\xbd"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf b;
        buf_init(&b, 200);
        assert_true(mime_words(slice_of(cases[i].in), &convert, &b));
        assert_true(is(buf_slice(&b), cases[i].out));
        buf_clear(&b);
    }
}

static void test_text(void **state)
{
    (void)state;
    struct buf store;
    struct slice text;
    buf_init(&store, 1000);
    read_str("Content-Type: text/plain\n\nplain");
    assert_true(mime_text(&m.part[0], NULL, &store, &text));
    assert_true(is(text, "plain"));
    assert_ptr_equal(text.ptr, m.part[0].body.ptr); /* nothing to do, nothing copied */
    read_str("Content-Type: text/plain; charset=iso-8859-1\n"
             "Content-Transfer-Encoding: quoted-printable\n\ncaf=E9");
    assert_true(mime_text(&m.part[0], NULL, &store, &text));
    assert_true(is(text, "caf\xc3\xa9"));
    read_str("\n\x1b$B\x1b(B");
    assert_true(mime_text(&m.part[0], &convert, &store, &text));
    assert_true(is(text, "[converted]"));
    buf_clear(&store);
}

static void test_html(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"a<br>b", "a\nb"},
        {"<head><title>x</title></head>y", "y"},
        {"<style>p{}</style><p>t&amp;u</p>", "\nt&u\n"},
        {"<user@host.example>", "<user@host.example>"},
        {"<a href=\"x@y\">z</a>", "z"},
        {"<div>a</div>\n<div>b\nc</div><div><br></div>d", "a\nb c\n\nd"},
        {"a<pre>b\n  c</pre>d\ne", "a\nb\n  c\nd e"},
        {"1 < 2 &#64; &#x40; &bogus; &", "1 < 2 @ @ &bogus; &"},
        {"a<!-- x -->b<!-- ", "ab"},
        {"<script>if (a<b) {}", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf b;
        buf_init(&b, 200);
        assert_true(mime_html_text(slice_of(cases[i].in), &b));
        assert_true(is(buf_slice(&b), cases[i].out));
        buf_clear(&b);
    }
}

/* Each prefix of a message is read; no part leaves it. */
static void test_prefixes(void **state)
{
    (void)state;
    static const char text[] =
        "Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: "
        "message/rfc822\r\n\r\nSubject: "
        "=?utf-8?B?YQ==?=\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b--\r\n";
    for (size_t n = 0; n < sizeof text; n++) {
        char *copy = malloc(n + 1);
        memcpy(copy, text, n);
        mime_read((struct slice){(unsigned char *)copy, n}, &m);
        assert_in_range(m.n, 1, 5);
        free(copy);
    }
    assert_int_equal(m.n, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),    cmocka_unit_test(test_nested),
        cmocka_unit_test(test_broken),   cmocka_unit_test(test_limits),
        cmocka_unit_test(test_fields),   cmocka_unit_test(test_params),
        cmocka_unit_test(test_decoding), cmocka_unit_test(test_words),
        cmocka_unit_test(test_text),     cmocka_unit_test(test_html),
        cmocka_unit_test(test_prefixes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
