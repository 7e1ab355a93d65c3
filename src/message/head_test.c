/* message/head_test.c - a table of messages, each whole and cut everywhere; and changes to their
 * header sections. */
#include "message/head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { SIZE = 60, FIELDS = 4 };

static const struct {
    const char *name, *in, *kept, *body;
    unsigned fields, size, line;
    enum { NO_END, EMPTY_LINE, NO_FIELD } end;
    bool over;
} cases[] = {
    {"empty", "", "", "", 0, 0, 1, NO_END, false},
    {"one field", "Subject: x\r\n\r\nbody\r\n", "Subject: x\r\n", "body\r\n", 1, 14, 3,
     EMPTY_LINE, false},
    {"no body", "Subject: x\r\n", "Subject: x\r\n", "", 1, 12, 2, NO_END, false},
    {"no field at all", "\r\nA: b\r\n", "", "A: b\r\n", 0, 2, 2, EMPTY_LINE, false},
    {"folded", "A: b\r\n \tC: d\r\n\r\n", "A: b\r\n \tC: d\r\n", "", 1, 16, 4, EMPTY_LINE,
     false},
    {"a fold of blanks", "A: b\r\n \r\n\r\n", "A: b\r\n \r\n", "", 1, 11, 4, EMPTY_LINE,
     false},
    {"folded first line", " A: b\r\n\r\n", "", " A: b\r\n\r\n", 0, 0, 1, NO_FIELD, false},
    {"blank before the colon", "A \t: b\r\n\r\n", "A \t: b\r\n", "", 1, 10, 3, EMPTY_LINE,
     false},
    {"blank in a name", "A: b\r\nC D: e\r\n\r\n", "A: b\r\n", "C D: e\r\n\r\n", 1, 6, 2,
     NO_FIELD, false},
    {"no colon", "A: b\r\nhello\r\nC: d\r\n", "A: b\r\n", "hello\r\nC: d\r\n", 1, 6, 2,
     NO_FIELD, false},
    {"no name", "A: b\r\n: c\r\n", "A: b\r\n", ": c\r\n", 1, 6, 2, NO_FIELD, false},
    {"8-bit in a name", "A\xC3\xA4: b\r\n\r\n", "", "A\xC3\xA4: b\r\n\r\n", 0, 0, 1,
     NO_FIELD, false},
    {"From_", "From a Mon\r\nA: b\r\n", "", "From a Mon\r\nA: b\r\n", 0, 0, 1, NO_FIELD,
     false},
    {"as many fields as allowed", "A:\r\nB:\r\nC:\r\nD:\r\n\r\n",
     "A:\r\nB:\r\nC:\r\nD:\r\n", "", 4, 18, 6, EMPTY_LINE, false},
    {"too many fields", "A:\r\nB:\r\nC:\r\nD:\r\nE:\r\n\r\nbody\r\n", NULL, "body\r\n", 5,
     22, 7, EMPTY_LINE, true},
    {"too long",
     "A: 4567890123456789012345678901234567890123456789012345678\r\n\r\nbody\r\n", NULL,
     "body\r\n", 1, 62, 3, EMPTY_LINE, true},
    {"as long as allowed",
     "A: 45678901234567890123456789012345678901234567890123456\r\n\r\n",
     "A: 45678901234567890123456789012345678901234567890123456\r\n", "", 1, 60, 3,
     EMPTY_LINE, false},
};

static void feed(struct message_head *h, struct slice in, struct buf *body)
{
    struct slice held;
    message_head_feed(h, &in, &held);
    assert_true(h->state == HEAD_DONE || (in.len == 0 && held.len == 0));
    (void)buf_add(body, held);
    (void)buf_add(body, in);
}

static void check(struct message_head *h, const struct buf *body, size_t i)
{
    assert_true(message_head_end(h));
    bool end = h->empty_line == (cases[i].end == EMPTY_LINE) &&
               h->no_field == (cases[i].end == NO_FIELD);
    if (h->field_n != cases[i].fields || h->size != cases[i].size ||
        h->over != cases[i].over || h->line != cases[i].line || !end) {
        fail_msg("%s: %u fields, %u octets, over %d, line %u, end %d %d", cases[i].name,
                 (unsigned)h->field_n, (unsigned)h->size, h->over, h->line, h->empty_line,
                 h->no_field);
    }
    if (cases[i].kept != NULL) {
        assert_true(slice_eq(buf_slice(&h->octets), slice_of(cases[i].kept)));
        assert_int_equal(h->n, cases[i].fields);
    }
    assert_true(slice_eq(buf_slice(body), slice_of(cases[i].body)));
}

static void test_cases(void **state)
{
    (void)state;
    struct message_head h;
    struct buf body;
    buf_init(&body, 1000);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice in = slice_of(cases[i].in);
        for (size_t step = 1; step <= in.len + 1; step++) {
            message_head_init(&h, (struct head_limits){SIZE, FIELDS});
            for (size_t at = 0; at < in.len; at += step) {
                feed(&h, slice_sub(in, at, step), &body);
            }
            check(&h, &body, i);
            message_head_clear(&h);
            buf_reset(&body);
        }
    }
    buf_clear(&body);
}

static void read_whole(struct message_head *h, const char *text)
{
    struct slice in = slice_of(text);
    struct slice held;
    message_head_init(h, (struct head_limits){1000, 100});
    message_head_feed(h, &in, &held);
    assert_true(message_head_end(h));
}

static void assert_written(struct message_head *h, const char *want)
{
    struct buf out;
    buf_init(&out, 10000);
    assert_true(message_head_write(h, &out));
    assert_true(slice_eq(buf_slice(&out), slice_of(want)));
    buf_clear(&out);
}

static void test_changes(void **state)
{
    (void)state;
    struct message_head h;
    read_whole(&h, "To: a\r\nBcc: x,\r\n y\r\nSubject: s\r\nbcc : z\r\n\r\nbody");
    assert_int_equal(message_head_count(&h, "BCC"), 2);
    assert_int_equal(message_head_find(&h, "bcc", 2), 3);
    assert_int_equal(message_head_find(&h, "From", 0), h.n);
    assert_int_equal(h.field[3].line, 5);
    message_head_drop_all(&h, "Bcc");
    assert_false(message_head_has(&h, "Bcc"));
    assert_written(&h, "To: a\r\nSubject: s\r\n\r\n");
    assert_true(message_head_insert(&h, 0, SLICE("Received: r\r\n\tfolded\r\n")));
    assert_true(message_head_insert(&h, h.n, SLICE("X-Last: l\r\n")));
    assert_int_equal(message_head_find(&h, "Subject", 0), 3);
    assert_written(&h,
                   "Received: r\r\n\tfolded\r\nTo: a\r\nSubject: s\r\nX-Last: l\r\n\r\n");
    static const char *const no_fields[] = {"", "x\r\n", "X: y", "X: y\r\nZ: z\r\n",
                                            "X: y\r\n\r\n"};
    for (size_t i = 0; i < sizeof no_fields / sizeof no_fields[0]; i++) {
        assert_false(message_head_insert(&h, 0, slice_of(no_fields[i])));
    }
    for (unsigned i = 0; i < 100; i++) { /* beyond the room that it began with */
        assert_true(message_head_insert(&h, 1, SLICE("X: y\r\n")));
    }
    assert_int_equal(message_head_count(&h, "X"), 100);
    assert_true(slice_eq(h.field[0].name, SLICE("Received")));
    message_head_clear(&h);
}

/* A body that began without its empty line gets one: others shall see it begin where we do. */
static void test_end(void **state)
{
    (void)state;
    struct message_head h;
    read_whole(&h, "To: a\r\nno field\r\nFrom: b\r\n");
    assert_written(&h, "To: a\r\n\r\n");
    message_head_clear(&h);
    read_whole(&h, "To: a\r\n");
    assert_written(&h, "To: a\r\n");
    message_head_clear(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
