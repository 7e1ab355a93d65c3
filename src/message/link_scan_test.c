/* message/link_scan_test.c - links of texts and HTML, cut in every way */
#include "message/link_scan.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
    bool html;
    const char *text, *hosts;
} cases[] = {
    {false, "see http://a.example/x, and HTTPS://B.Example.", "a.example b.example "},
    {false, "(www.a.example) xwww.b.example www. http:// ftp://f.example",
     "www.a.example f.example "},
    {false, "http://user:pw@a.example:80/ http://a.example@b.example",
     "a.example b.example "},
    {false, "http://t.example/?u=http://b.example/", "t.example b.example "},
    {false, "xhttp://a.example mailto:a@b.example javascript://x", ""},
    {false, "http://[2001:db8::1]:80/ http://192.0.2.1", "[2001:db8::1] 192.0.2.1 "},
    {false,
     "http://%65vil.example http://b\xc3\xbc"
     "cher.example http://a\xe3\x80\x82"
     "example",
     "evil.example b\xc3\xbc"
     "cher.example a.example "},
    {false, "<http://a.example>\"http://b.example\"", "a.example b.example "},
    {true, "<a href=\"http://a.example/\">http://b.example</a>", "a.example b.example "},
    {true, "<A HREF=http://a.example>x<a href='http:b.example'><a href = //c.example/x >",
     "a.example b.example c.example "},
    {true, "<a href=\"ht\ntp:&#47;&#x2F\\\\a&period;example\">", "a.example "},
    {true, "<a title=\"<a href='http://no.example '>\" href=http://a.example/>",
     "no.example a.example "},
    {true, "<a href=\"mailto:x@y.example\"><img src=cid:1><img src='/x.png'>", ""},
    {true,
     "<!--[if mso]><a href=\"http://a.example\"><![endif]--><!-- > -->"
     "<!DOCTYPE html><img src=http://b.example/x.png />",
     "a.example b.example "},
    {true,
     "<script>if (a<b) x='\"<a href=\"http://s.example\">'</script ><a "
     "href=\"http://a.example\">",
     "s.example a.example "},
    {true,
     "<style>p{background:url(http://s.example/)}</style><p "
     "style='a:url(http://a.example)'>",
     "s.example a.example "},
    {true, "1 < 2 http://a.example </ x> <3 <a/href=http://b.example>",
     "a.example b.example "},
    {true,
     "<meta http-equiv=refresh content='0;url=http://a.example/'></a "
     "href='http://no.example'>",
     "a.example "},
    {true, "h\0t", ""},
};

static void on_found(void *arg, struct slice url, struct slice host)
{
    assert_true(url.len > 0);
    (void)buf_add(arg, host);
    (void)buf_add_byte(arg, ' ');
}

static void check(size_t i, size_t at, size_t step)
{
    static struct link_scan s;
    struct slice text = slice_of(cases[i].text);
    struct buf hosts;
    buf_init(&hosts, 4096);
    link_scan_init(&s, cases[i].html, on_found, &hosts);
    link_scan_feed(&s, slice_sub(text, 0, at));
    for (; at < text.len; at += step) {
        link_scan_feed(&s, slice_sub(text, at, step));
    }
    link_scan_end(&s);
    (void)buf_add_byte(&hosts, '\0');
    assert_string_equal(hosts.ptr, cases[i].hosts);
    buf_clear(&hosts);
}

static void test_links(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t len = slice_of(cases[i].text).len;
        check(i, len, 1);
        check(i, 0, 1);
        for (size_t at = 1; at < len; at++) {
            check(i, at, len);
        }
    }
}

/* UTF-16, and a word that never ends. */
static void test_octets(void **state)
{
    static struct link_scan s;
    struct buf hosts, text;
    (void)state;
    buf_init(&hosts, 65536);
    link_scan_init(&s, false, on_found, &hosts);
    link_scan_feed(&s, SLICE("h\0t\0t\0p\0:\0/\0/\0a\0.\0b\0"));
    link_scan_end(&s);
    assert_true(slice_eq(buf_slice(&hosts), SLICE("a.b ")));
    buf_init(&text, 1 << 20);
    while (text.len < 100000) {
        (void)buf_add_str(&text, "http://a.b/x");
    }
    link_scan_init(&s, true, on_found, &hosts);
    link_scan_feed(&s, SLICE("<a href="));
    link_scan_feed(&s, buf_slice(&text));
    link_scan_feed(&s, SLICE(">"));
    link_scan_feed(&s, buf_slice(&text));
    link_scan_end(&s);
    buf_clear(&text);
    buf_clear(&hosts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_octets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
