/* filter/milter_test.c - what is told, octet by octet, and every answer, whole and cut at every octet. */
#include "filter/milter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define FRAME(octets)                                                                    \
    ((struct slice){(const unsigned char *)(octets), sizeof(octets) - 1})
/* version 6; header changes; every step */
#define ALL "\0\0\0\15O\0\0\0\6\0\0\0\21\0\0\0\0"

static void check_written(const struct buf *b, struct slice wanted)
{
    assert_int_equal(b->len, wanted.len);
    assert_memory_equal(b->ptr, wanted.ptr, wanted.len);
}

static void test_negotiate(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 100);
    milter_negotiate(&b);
    check_written(&b, FRAME("\0\0\0\15O\0\0\0\6\0\0\0\21\0\37\367\377"));
    buf_clear(&b);
}

static void start(struct milter *m, struct slice wishes)
{
    milter_init(m);
    assert_int_equal(milter_feed(m, wishes), MILTER_READY);
}

static void test_steps(void **state)
{
    struct milter m;
    struct buf b;
    struct fields f;
    (void)state;
    buf_init(&b, 1000);
    start(&m, FRAME(ALL));
    fields_reset(&f);
    fields_add_str(&f, "i", "id");
    fields_add_str(&f, "{auth_authen}", "");
    milter_macros(&b, 'M', &f);
    milter_connect(&m, &b, SLICE("[h]"), false, 258, SLICE("192.0.2.1"));
    milter_rcpt(&m, &b, SLICE("<a@b>"));
    milter_header(&m, &b, SLICE("A"), SLICE(" b\r\n c"));
    milter_eoh(&m, &b);
    milter_body(&m, &b, SLICE("x\r\n"));
    milter_end(&m, &b);
    check_written(&b, FRAME("\0\0\0\7DMi\0id\0"
                            "\0\0\0\22C[h]\0004\1\002192.0.2.1\0"
                            "\0\0\0\7R<a@b>\0"
                            "\0\0\0\10LA\0b\n c\0"
                            "\0\0\0\1N\0\0\0\4Bx\r\n\0\0\0\1E"));
    assert_int_equal(m.due, 6);
    milter_clear(&m);
    buf_reset(&b);
    /* no body, no answer to header fields, blanks as they are */
    start(&m, FRAME("\0\0\0\15O\0\0\0\6\0\0\0\0\0\20\0\220"));
    milter_header(&m, &b, SLICE("A"), SLICE(" b"));
    milter_body(&m, &b, SLICE("x"));
    check_written(&b, FRAME("\0\0\0\6LA\0 b\0"));
    assert_int_equal(m.due, 0);
    milter_clear(&m);
    buf_clear(&b);
}

static void test_long_body(void **state)
{
    static unsigned char octets[MILTER_BODY_MAX + 1];
    struct milter m;
    struct buf b;
    (void)state;
    buf_init(&b, 100000);
    start(&m, FRAME(ALL));
    milter_body(&m, &b, (struct slice){octets, sizeof octets});
    assert_int_equal(b.len, 5 + MILTER_BODY_MAX + 5 + 1);
    assert_int_equal(m.due, 2);
    milter_clear(&m);
    buf_clear(&b);
}

struct answer {
    const char *name;
    struct slice octets;
    enum milter_state state;
    enum milter_verdict verdict;
    const char *text;
    unsigned edits;
};

#define C(octets)                                                                        \
    {                                                                                    \
        (const unsigned char *)(octets), sizeof(octets) - 1                              \
    }
/* To helo and the message's end. */
/* clang-format off */
static const struct answer answers[] = {
    {"one is missing", C("\0\0\0\1c"), MILTER_READY, MILTER_ACCEPT, "", 0},
    {"go on", C("\0\0\0\1c\0\0\0\1c"), MILTER_OVER, MILTER_ACCEPT, "", 0},
    {"at work", C("\0\0\0\1p\0\0\0\1c\0\0\0\1p\0\0\0\1c"), MILTER_OVER, MILTER_ACCEPT, "", 0},
    {"accept", C("\0\0\0\1a"), MILTER_OVER, MILTER_ACCEPT, "", 0},
    {"reject", C("\0\0\0\1r"), MILTER_OVER, MILTER_REJECT, "", 0},
    {"tempfail", C("\0\0\0\1c\0\0\0\1t"), MILTER_OVER, MILTER_TEMPFAIL, "", 0},
    {"shutdown", C("\0\0\0\0014"), MILTER_OVER, MILTER_TEMPFAIL, "", 0},
    {"discard", C("\0\0\0\1d"), MILTER_OVER, MILTER_DISCARD, "", 0},
    {"own reply", C("\0\0\0\13y550 a\nb\303\0x"), MILTER_OVER, MILTER_REJECT, "550 a b?", 0},
    {"own reply for now", C("\0\0\0\7y451 a\0"), MILTER_OVER, MILTER_TEMPFAIL, "451 a", 0},
    {"own reply that accepts", C("\0\0\0\7y250 a\0"), MILTER_OVER, MILTER_BROKEN, "", 0},
    {"own reply of nothing", C("\0\0\0\1y"), MILTER_OVER, MILTER_BROKEN, "", 0},
    {"changes", C("\0\0\0\1c\0\0\0\5hA\0b\0\0\0\0\11i\0\0\0\3A\0b\0\0\0\0\10m\0\0\0\1A\0\0\0\0\0\1c"), MILTER_OVER, MILTER_ACCEPT, "", 3},
    {"a change too early", C("\0\0\0\5hA\0b\0"), MILTER_OVER, MILTER_BROKEN, "", 0},
    {"a change cut short", C("\0\0\0\1c\0\0\0\3i\0\0"), MILTER_OVER, MILTER_BROKEN, "", 0},
    {"a change that was not offered", C("\0\0\0\1c\0\0\0\4+ab\0"), MILTER_OVER, MILTER_BROKEN, "", 0},
    {"another body", C("\0\0\0\1c\0\0\0\2bx"), MILTER_OVER, MILTER_BROKEN, "", 0},
    {"what is not known", C("\0\0\0\1z"), MILTER_OVER, MILTER_BROKEN, "", 0},
    {"an empty frame", C("\0\0\0\0c"), MILTER_OVER, MILTER_BROKEN, "", 0},
    {"a long frame", C("\0\100\0\0c"), MILTER_OVER, MILTER_BROKEN, "", 0},
};
/* clang-format on */

static unsigned count_edits(const struct milter *m)
{
    struct slice rest = buf_slice(&m->edits);
    struct milter_edit e;
    unsigned n = 0;
    for (; milter_edit_next(&rest, &e); n++) {
        assert_true(slice_eq(e.name, SLICE("A")));
        assert_int_equal(e.kind, n); /* the case's order */
        assert_true(slice_eq(e.value, n == 2 ? SLICE("") : SLICE("b")));
        assert_int_equal(e.index, n == 0 ? 0 : n == 1 ? 3 : 1);
    }
    return n;
}

static void check_answer(const struct answer *a, size_t step)
{
    struct milter m;
    struct buf b;
    struct slice s = a->octets;
    buf_init(&b, 1000);
    start(&m, FRAME(ALL));
    milter_helo(&m, &b, SLICE("h"));
    milter_end(&m, &b);
    for (; s.len > 0; s = slice_from(s, step)) {
        (void)milter_feed(&m, slice_sub(s, 0, step));
    }
    if (m.state != a->state || m.verdict != a->verdict || count_edits(&m) != a->edits ||
        m.text_len != strlen(a->text) || memcmp(m.text, a->text, m.text_len) != 0 ||
        (m.verdict == MILTER_BROKEN) != (m.why != NULL)) {
        fail_msg("%s, %zu at a time: state %d, verdict %d", a->name, step, (int)m.state,
                 (int)m.verdict);
    }
    milter_clear(&m);
    buf_clear(&b);
}

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        for (size_t step = 1; step < 70; step += step < 9 ? 1 : 60) {
            check_answer(&answers[i], step);
        }
    }
}

static void test_wishes(void **state)
{
    static const struct slice wrong[] = {
        C("\0\0\0\15O\0\0\0\1\0\0\0\0\0\0\0\0"),   /* an old version */
        C("\0\0\0\15O\0\0\0\7\0\0\0\0\0\0\0\0"),   /* one to come */
        C("\0\0\0\15O\0\0\0\6\0\0\0\2\0\0\0\0"),   /* the body */
        C("\0\0\0\15O\0\0\0\6\0\0\0\0\100\0\0\0"), /* a step that there is not */
        C("\0\0\0\5O\0\0\0\6"),
        C("\0\0\0\1c"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct milter m;
        milter_init(&m);
        assert_int_equal(milter_feed(&m, wrong[i]), MILTER_OVER);
        assert_int_equal(m.verdict, MILTER_BROKEN);
        milter_clear(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_negotiate), cmocka_unit_test(test_steps),
        cmocka_unit_test(test_long_body), cmocka_unit_test(test_answers),
        cmocka_unit_test(test_wishes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
