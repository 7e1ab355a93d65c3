/* filter/milter_test.c - what is told, octet by octet, and every answer, whole and cut at every octet. */
#include "filter/milter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define FRAME(octets)                                                                    \
    ((struct slice){(const unsigned char *)(octets), sizeof(octets) - 1})
/* version 6; every change; every step */
#define ALL "\0\0\0\15O\0\0\0\6\0\0\1\377\0\0\0\0"

enum { BODY_MAX = 100 };

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
    check_written(&b, FRAME("\0\0\0\15O\0\0\0\6\0\0\1\377\0\37\367\377"));
    buf_clear(&b);
}

static void start(struct milter *m, struct slice wishes)
{
    milter_init(m, BODY_MAX);
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
    assert_int_equal(milter_due(&m), 6);
    milter_clear(&m);
    buf_reset(&b);
    /* no body, no answer to header fields, blanks as they are */
    start(&m, FRAME("\0\0\0\15O\0\0\0\6\0\0\0\0\0\20\0\220"));
    milter_header(&m, &b, SLICE("A"), SLICE(" b"));
    milter_body(&m, &b, SLICE("x"));
    check_written(&b, FRAME("\0\0\0\6LA\0 b\0"));
    assert_int_equal(milter_due(&m), 0);
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
    assert_int_equal(milter_due(&m), 2);
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
/* To mail and the message's end. */
/* clang-format off */
static const struct answer answers[] = {
    {"one is missing", C("\0\0\0\1c"), MILTER_READY, MILTER_GO_ON, "", 0},
    {"go on", C("\0\0\0\1c\0\0\0\1c"), MILTER_READY, MILTER_ACCEPT, "", 0},
    {"at work", C("\0\0\0\1p\0\0\0\1c\0\0\0\1p\0\0\0\1c"), MILTER_READY, MILTER_ACCEPT, "", 0},
    {"accept", C("\0\0\0\1a"), MILTER_READY, MILTER_ACCEPT, "", 0},
    {"reject", C("\0\0\0\1r"), MILTER_READY, MILTER_REJECT, "", 0},
    {"the first counts", C("\0\0\0\1r\0\0\0\1c"), MILTER_READY, MILTER_REJECT, "", 0},
    {"tempfail", C("\0\0\0\1c\0\0\0\1t"), MILTER_READY, MILTER_TEMPFAIL, "", 0},
    {"shutdown", C("\0\0\0\0014"), MILTER_READY, MILTER_TEMPFAIL, "", 0},
    {"discard", C("\0\0\0\1d"), MILTER_READY, MILTER_DISCARD, "", 0},
    {"own reply", C("\0\0\0\13y550 a\nb\303\0x"), MILTER_READY, MILTER_REJECT, "550 a b?", 0},
    {"own reply of two lines", C("\0\0\0\14y550 a\r\n\r\nb\0"), MILTER_READY, MILTER_REJECT, "550 a b", 0},
    {"own reply for now", C("\0\0\0\7y451 a\0"), MILTER_READY, MILTER_TEMPFAIL, "451 a", 0},
    {"own reply that accepts", C("\0\0\0\7y250 a\0"), MILTER_BROKEN, MILTER_GO_ON, "", 0},
    {"own reply of nothing", C("\0\0\0\1y"), MILTER_BROKEN, MILTER_GO_ON, "", 0},
    {"changes", C("\0\0\0\1c\0\0\0\5hA\0b\0\0\0\0\11i\0\0\0\3A\0b\0\0\0\0\10m\0\0\0\1A\0\0"
                  "\0\0\0\3eA\0\0\0\0\3+A\0\0\0\0\0052A\0b\0\0\0\0\3-A\0\0\0\0\3qA\0\0\0\0\1c"), MILTER_READY, MILTER_ACCEPT, "", 8},
    {"a change, then no", C("\0\0\0\1c\0\0\0\5hA\0b\0\0\0\0\1r"), MILTER_READY, MILTER_REJECT, "", 1},
    {"a change too early", C("\0\0\0\5hA\0b\0"), MILTER_BROKEN, MILTER_GO_ON, "", 0},
    {"a change cut short", C("\0\0\0\1c\0\0\0\3i\0\0"), MILTER_BROKEN, MILTER_GO_ON, "", 0},
    {"another body too early", C("\0\0\0\2bx"), MILTER_BROKEN, MILTER_GO_ON, "", 0},
    {"what is not known", C("\0\0\0\1z"), MILTER_BROKEN, MILTER_GO_ON, "", 0},
    {"an empty frame", C("\0\0\0\0c"), MILTER_BROKEN, MILTER_GO_ON, "", 0},
    {"a long frame", C("\0\100\0\0c"), MILTER_BROKEN, MILTER_GO_ON, "", 0},
    {"more than was asked", C("\0\0\0\1c\0\0\0\1c\0\0\0\1c"), MILTER_BROKEN, MILTER_ACCEPT, "", 0},
};
/* clang-format on */

static unsigned count_edits(const struct milter *m)
{
    static const enum milter_edit_kind kinds[] = {
        MILTER_ADD,      MILTER_INSERT,   MILTER_CHANGE,    MILTER_SENDER,
        MILTER_RCPT_ADD, MILTER_RCPT_ADD, MILTER_RCPT_DROP, MILTER_QUARANTINE};
    struct slice rest = buf_slice(&m->edits);
    struct milter_edit e;
    unsigned n = 0;
    for (; milter_edit_next(&rest, &e); n++) {
        assert_true(slice_eq(e.name, SLICE("A")));
        assert_int_equal(e.kind, kinds[n]); /* the case's order */
        assert_true(slice_eq(e.value, n < 2 || n == 5 ? SLICE("b") : SLICE("")));
        assert_int_equal(e.index, n == 1 ? 3 : n == 2 ? 1 : 0);
    }
    return n;
}

static void feed(struct milter *m, struct slice s, size_t step)
{
    for (; s.len > 0; s = slice_from(s, step)) {
        (void)milter_feed(m, slice_sub(s, 0, step));
    }
}

static void check_answer(const struct answer *a, size_t step)
{
    struct milter m;
    struct buf b;
    buf_init(&b, 1000);
    start(&m, FRAME(ALL));
    milter_mail(&m, &b, SLICE("<>"));
    milter_end(&m, &b);
    feed(&m, a->octets, step);
    if (m.state != a->state || m.message.verdict != a->verdict ||
        count_edits(&m) != a->edits || m.message.text_len != strlen(a->text) ||
        memcmp(m.message.text, a->text, m.message.text_len) != 0 ||
        (m.state == MILTER_BROKEN) != (m.why != NULL)) {
        fail_msg("%s, %zu at a time: state %d, verdict %d", a->name, step, (int)m.state,
                 (int)m.message.verdict);
    }
    milter_clear(&m);
    buf_clear(&b);
}

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        for (size_t step = 1; step < 130; step += step < 9 ? 1 : 120) {
            check_answer(&answers[i], step);
        }
    }
}

/* What it does not say that it may do, it may not. */
static void test_unnamed_changes(void **state)
{
    static const struct slice changes[] = {
        C("\0\0\0\1c\0\0\0\5hA\0b\0"), C("\0\0\0\1c\0\0\0\3eA\0"),
        C("\0\0\0\1c\0\0\0\3+A\0"), C("\0\0\0\1c\0\0\0\2bx"), C("\0\0\0\1c\0\0\0\3qA\0")};
    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct milter m;
        struct buf b;
        buf_init(&b, 1000);
        start(&m, FRAME("\0\0\0\15O\0\0\0\6\0\0\0\0\0\0\0\0"));
        assert_false(milter_may_change(&m));
        milter_mail(&m, &b, SLICE("<>"));
        milter_end(&m, &b);
        assert_int_equal(milter_feed(&m, changes[i]), MILTER_BROKEN);
        milter_clear(&m);
        buf_clear(&b);
    }
}

static void test_body(void **state)
{
    struct milter m;
    struct buf b;
    static unsigned char frame[5 + BODY_MAX] = "\0\0\0\145b";
    (void)state;
    buf_init(&b, 1000);
    start(&m, FRAME(ALL));
    milter_mail(&m, &b, SLICE("<>"));
    milter_end(&m, &b);
    feed(&m, FRAME("\0\0\0\1c\0\0\0\3bab\0\0\0\2bc"), 3);
    assert_true(m.new_body && slice_eq(buf_slice(&m.body), SLICE("abc")));
    assert_int_equal(milter_feed(&m, (struct slice){frame, sizeof frame}), MILTER_BROKEN);
    milter_clear(&m);
    buf_clear(&b);
}

/* Verdicts of a recipient, of a message, of the session; another message behind it. */
static void test_scopes(void **state)
{
    struct milter m;
    struct buf b;
    (void)state;
    buf_init(&b, 1000);
    start(&m, FRAME(ALL));
    milter_connect(&m, &b, SLICE("h"), false, 1, SLICE("192.0.2.1"));
    milter_helo(&m, &b, SLICE("h"));
    milter_mail(&m, &b, SLICE("<>"));
    feed(&m, FRAME("\0\0\0\1c\0\0\0\1c\0\0\0\1c"), 4);
    milter_rcpt(&m, &b, SLICE("<a@b>"));
    feed(&m, FRAME("\0\0\0\13y550 no, a\0"), 4);
    assert_int_equal(m.rcpt.verdict, MILTER_REJECT);
    assert_int_equal(milter_says(&m)->verdict, MILTER_GO_ON);
    milter_rcpt(&m, &b, SLICE("<c@b>"));
    assert_int_equal(m.rcpt.verdict, MILTER_GO_ON);
    feed(&m, FRAME("\0\0\0\1c"), 4);
    assert_true(milter_in_step(&m));
    buf_reset(&b);
    milter_abort(&m, &b);
    check_written(&b, FRAME("\0\0\0\1A"));

    milter_mail(&m, &b, SLICE("<>")); /* a verdict with a step behind it: out of step */
    milter_data(&m, &b);
    feed(&m, FRAME("\0\0\0\1r"), 4);
    assert_int_equal(milter_says(&m)->verdict, MILTER_REJECT);
    buf_reset(&b);
    milter_eoh(&m, &b);
    milter_abort(&m, &b);
    assert_int_equal(b.len, 0);
    assert_false(milter_in_step(&m));
    assert_int_equal(milter_feed(&m, FRAME("\0\0\0\1c")), MILTER_READY);
    assert_false(milter_in_step(&m));
    milter_quit(&m, &b);
    check_written(&b, FRAME("\0\0\0\1Q"));
    milter_clear(&m);

    start(&m, FRAME(ALL));
    milter_connect(&m, &b, SLICE("h"), false, 1, SLICE("192.0.2.1"));
    feed(&m, FRAME("\0\0\0\1a"), 4);
    buf_reset(&b);
    milter_helo(&m, &b, SLICE("h"));
    milter_mail(&m, &b, SLICE("<>"));
    assert_int_equal(b.len, 0);
    assert_int_equal(milter_says(&m)->verdict, MILTER_ACCEPT);
    milter_clear(&m);
    buf_clear(&b);
}

static void test_wishes(void **state)
{
    static const struct slice wrong[] = {
        C("\0\0\0\15O\0\0\0\1\0\0\0\0\0\0\0\0"),   /* an old version */
        C("\0\0\0\15O\0\0\0\7\0\0\0\0\0\0\0\0"),   /* one to come */
        C("\0\0\0\15O\0\0\0\6\0\0\2\0\0\0\0\0"),   /* a change that there is not */
        C("\0\0\0\15O\0\0\0\6\0\0\0\0\100\0\0\0"), /* a step that there is not */
        C("\0\0\0\5O\0\0\0\6"),
        C("\0\0\0\1c"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct milter m;
        milter_init(&m, BODY_MAX);
        assert_int_equal(milter_feed(&m, wrong[i]), MILTER_BROKEN);
        milter_clear(&m);
    }
    struct milter m; /* a list of macros behind it */
    start(&m, FRAME("\0\0\0\25O\0\0\0\6\0\0\1\0\0\0\0\20\0\0\0\2i j\0"));
    assert_false(milter_wants_body(&m));
    milter_clear(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_negotiate), cmocka_unit_test(test_steps),
        cmocka_unit_test(test_long_body), cmocka_unit_test(test_answers),
        cmocka_unit_test(test_wishes),    cmocka_unit_test(test_unnamed_changes),
        cmocka_unit_test(test_body),      cmocka_unit_test(test_scopes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
