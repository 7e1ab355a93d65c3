/* content/text_test.c - texts as people read them. */
#include "content/text.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_read(void **state)
{
    (void)state;
    static const struct {
        struct slice charset;
        bool html;
        struct slice in, out;
    } cases[] = {
        {SLICE_INIT(""), false, SLICE_INIT("a  b\r\nc\r\n\r\nd"), SLICE_INIT("a b c\nd")},
        {SLICE_INIT("utf-8"), false,
         SLICE_INIT("fr\xe2\x80\x8b"
                    "ee pr\xc2\xad"
                    "ize"),
         SLICE_INIT("free prize")},
        {SLICE_INIT("iso-8859-1"), false, SLICE_INIT("gr\xfc\xdf"),
         SLICE_INIT("gr\xc3\xbc\xc3\x9f")},
        {SLICE_INIT("UTF-16LE"), false, SLICE_INIT("f\0r\0e\0e\0"), SLICE_INIT("free")},
        {SLICE_INIT("utf-16"), false, SLICE_INIT("\xfe\xff\0f\0r\0e\0e"),
         SLICE_INIT("free")},
        {SLICE_INIT("utf-8"), true, SLICE_INIT("f<b></b>r&#101;<!-- x -->e&nbsp;prize"),
         SLICE_INIT("free prize")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out;
        buf_init(&out, 100);
        text_read(cases[i].charset, cases[i].html, cases[i].in, &out);
        struct slice s = slice_trim(buf_slice(&out));
        if (!slice_eq(s, cases[i].out)) {
            fail_msg("%zu: %.*s", i, (int)s.len, (const char *)s.ptr);
        }
        buf_clear(&out);
    }
}

static void test_room(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 8);
    text_read(SLICE(""), false, SLICE("one two three"), &out);
    assert_false(out.failed);
    assert_true(slice_starts(SLICE("one two three"), buf_slice(&out)));
    buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
