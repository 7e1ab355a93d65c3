/* reply/reply_test.c - properties of all rows, and examples of what a reply looks like.
 *
 * Usage: reply_test REPLIES.TSV (the build passes it). */
#include "reply/reply.h"

#include "base/id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { OUT_MAX = 8192, COLUMN_N = 9, ROW_MAX = 2048 };

static const char *catalogue_path;
static const uint64_t session = UINT64_C(0x123456789abcdef);

static struct slice session_text(void)
{
    static char text[ID_TEXT_MAX];
    return id_text((struct message_id){session, 0}, text);
}

/* A reader of replies that shares nothing with reply.c. */
struct parsed {
    unsigned line_n;
    char code[4];
    char text[OUT_MAX]; /* lines joined by a blank, codes and statuses dropped */
};

static void parse_line(struct slice line, const char *status, bool last, struct parsed *p)
{
    size_t status_len = strlen(status);
    assert_in_range(line.len, 6, 512);
    assert_memory_equal(line.ptr + line.len - 2, "\r\n", 2);
    for (size_t i = 0; i < line.len - 2; i++) {
        assert_in_range(line.ptr[i], 0x20, 0x7e);
    }
    if (p->line_n++ == 0) {
        memcpy(p->code, line.ptr, 3);
    }
    assert_memory_equal(line.ptr, p->code, 3);
    assert_int_equal(line.ptr[3], last ? ' ' : '-');
    line = slice_sub(line, 4, line.len - 6);
    if (status_len > 0) {
        assert_true(line.len > status_len + 1);
        assert_memory_equal(line.ptr, status, status_len);
        assert_int_equal(line.ptr[status_len], ' ');
        line = slice_from(line, status_len + 1);
    }
    size_t at = strlen(p->text);
    assert_true(at + 1 + line.len + 1 <= sizeof p->text);
    (void)snprintf(p->text + at, sizeof p->text - at, "%s%.*s", at > 0 ? " " : "",
                   (int)line.len, (const char *)line.ptr);
}

static void parse(struct slice reply, const char *status, struct parsed *p)
{
    *p = (struct parsed){0};
    assert_true(reply.len > 0);
    while (reply.len > 0) {
        size_t lf = slice_find(reply, '\n');
        assert_true(lf < reply.len);
        struct slice line = slice_sub(reply, 0, lf + 1);
        reply = slice_from(reply, line.len);
        parse_line(line, status, reply.len == 0, p);
    }
    assert_in_range(p->line_n, 1, REPLY_LINES_MAX);
}

static bool ends_in(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* The same value for every hole of the text, and for an administrator's rule on demand.
 */
struct evidence {
    struct fields fields;
    char name[REPLY_HOLES_MAX + 1][32];
};

static void fill(struct evidence *e, const char *text, struct slice value, bool rule)
{
    fields_reset(&e->fields);
    unsigned n = 0;
    for (const char *at = strchr(text, '{'); at != NULL; at = strchr(at + 1, '{')) {
        assert_true(n < REPLY_HOLES_MAX);
        (void)snprintf(e->name[n], sizeof e->name[n], "%.*s", (int)strcspn(at + 1, "}"),
                       at + 1);
        fields_add(&e->fields, e->name[n], value);
        n++;
    }
    if (rule) {
        fields_add(&e->fields, "rule", value);
    }
    assert_int_equal(e->fields.dropped, 0);
}

static void check_row(enum reply_id id, enum reply_profile profile, struct slice value,
                      bool rule, struct slice url)
{
    const struct reply_row *row = reply_row(id);
    struct evidence e;
    struct buf out;
    fill(&e, row->text, value, rule);
    buf_init(&out, OUT_MAX);
    bool rendered = reply_render(&out, id, profile, &e.fields, session, url);
    assert_true(rendered);
    struct parsed p;
    char code[8], marker[64];
    parse(buf_slice(&out), row->status[profile], &p);
    (void)snprintf(code, sizeof code, "%u", row->code[profile]);
    assert_string_equal(p.code, code);
    (void)snprintf(marker, sizeof marker, "%s %.*s postern",
                   rule || id == REPLY_policy_custom_rule ? "" : " -", ID_SESSION_LEN,
                   (const char *)session_text().ptr);
    assert_int_equal(ends_in(p.text, marker), row->refusal);
    if (row->refusal) {
        assert_int_equal(strstr(p.text, " - rule ") != NULL,
                         rule || id == REPLY_policy_custom_rule);
        assert_int_equal(strstr(p.text, "; see ") != NULL, url.len > 0);
    } else {
        assert_int_equal(p.line_n, 1);
        assert_null(strstr(p.text, "postern"));
    }
    buf_clear(&out);
}

static void test_all_rows(void **state)
{
    (void)state;
    static unsigned char x[3000], blanks[3000], high[3000], words[3000], blank_last[3000];
    memset(x, 'x', sizeof x);
    memset(blanks, ' ', sizeof blanks);
    memset(high, 0xff, sizeof high);
    memset(blank_last, 'y', sizeof blank_last);
    blank_last[REPLY_VALUE_MAX - 1] = ' ';
    for (size_t i = 0; i < sizeof words; i++) {
        words[i] = i % 7 == 6 ? ' ' : 'w';
    }
    const struct slice values[] = {
        {0},
        SLICE("alice@example.test"),
        SLICE("\r\n250 2.0.0 ok\r\n"),
        SLICE("\n"),
        SLICE("\r"),
        SLICE("\0"),
        SLICE("{rcpt} [{ip}] %s%n \\ \" ]}{["),
        SLICE("\x80\xc3\xa9\x1b[2J\x7f"),
        {x, sizeof x},
        {blanks, sizeof blanks},
        {high, sizeof high},
        {words, sizeof words},
        {blank_last, sizeof blank_last},
    };
    const struct slice urls[] = {
        {0}, SLICE("https://mail.example.test/why/"), {x, REPLY_URL_MAX}};
    for (unsigned id = REPLY_NONE + 1; id < REPLY_ID_COUNT; id++) {
        if (id == REPLY_ok_auth_challenge) {
            continue; /* not for people: test_challenge() */
        }
        for (size_t v = 0; v < sizeof values / sizeof values[0]; v++) {
            for (size_t u = 0; u < sizeof urls / sizeof urls[0]; u++) {
                check_row((enum reply_id)id, REPLY_GMAIL, values[v], false, urls[u]);
                check_row((enum reply_id)id, REPLY_IANA, values[v], false, urls[u]);
                if (values[v].len > 0) {
                    check_row((enum reply_id)id, REPLY_GMAIL, values[v], true, urls[u]);
                }
            }
        }
    }
}

/* Splits at tabs, in place. */
static unsigned split(char *line, char *column[COLUMN_N])
{
    unsigned n = 0;
    line[strcspn(line, "\n")] = '\0';
    while (n < COLUMN_N) {
        column[n++] = line;
        line += strcspn(line, "\t");
        if (*line == '\0') {
            break;
        }
        *line++ = '\0';
    }
    return n;
}

static const char *or_empty(const char *cell)
{
    return strcmp(cell, "-") == 0 ? "" : cell;
}

/* What is compiled in is what the file says, in its order. */
static void test_file(void **state)
{
    (void)state;
    FILE *f = fopen(catalogue_path, "re");
    assert_non_null(f);
    static char line[ROW_MAX];
    unsigned id = REPLY_NONE;
    bool header = true;
    while (fgets(line, sizeof line, f) != NULL) {
        char *c[COLUMN_N];
        assert_non_null(strchr(line, '\n'));
        if (line[0] == '#') {
            continue;
        }
        assert_int_equal(split(line, c), COLUMN_N);
        if (header) {
            header = false;
            continue;
        }
        const struct reply_row *row = reply_row((enum reply_id)++ id);
        assert_non_null(row);
        assert_string_equal(row->id, c[0]);
        assert_string_equal(row->services, c[1]);
        for (unsigned profile = 0; profile < 2; profile++) {
            char code[8];
            (void)snprintf(code, sizeof code, "%u", row->code[profile]);
            assert_string_equal(code, c[2 + profile * 2]);
            assert_string_equal(row->status[profile], or_empty(c[3 + profile * 2]));
        }
        assert_string_equal(row->stage, c[6]);
        assert_string_equal(row->closes ? "yes" : "no", c[7]);
        assert_string_equal(row->text, c[8]);
        assert_int_equal(row->refusal, strncmp(c[0], "ok-", 3) != 0);
        assert_int_equal(reply_by_name(slice_of(c[0])), id);
    }
    (void)fclose(f);
    assert_int_equal(id + 1, REPLY_ID_COUNT);
}

static void test_names(void **state)
{
    (void)state;
    assert_int_equal(reply_by_name(SLICE("rcpt-mailbox-unknown")),
                     REPLY_rcpt_mailbox_unknown);
    assert_int_equal(reply_by_name(SLICE("rcpt-mailbox-unknow")), REPLY_NONE);
    assert_int_equal(reply_by_name(SLICE("")), REPLY_NONE);
    assert_null(reply_row(REPLY_NONE));
    assert_null(reply_row(REPLY_ID_COUNT));
}

static void expect(enum reply_id id, enum reply_profile profile, const struct fields *f,
                   struct slice url, const char *reply)
{
    struct buf out;
    buf_init(&out, OUT_MAX);
    assert_true(reply_render(&out, id, profile, f, session, url));
    assert_true(buf_add_byte(&out, '\0'));
    assert_string_equal((const char *)out.ptr, reply);
    buf_clear(&out);
}

static void test_examples(void **state)
{
    (void)state;
    struct fields f = {0};
    assert_true(slice_eq(session_text(), SLICE("28t5cy4tqkff")));
    expect(REPLY_ok_mail, REPLY_GMAIL, NULL, SLICE("https://x/"),
           "250 2.1.0 Sender ok\r\n");
    expect(
        REPLY_server_busy, REPLY_GMAIL, NULL, SLICE(""),
        "421 4.4.5 This server is overloaded and takes no more work at present; closing "
        "the connection, try again later - 28t5cy4tqkff postern\r\n");
    /* A hole without evidence shows, a group without its evidence does not. */
    expect(
        REPLY_rcpt_mailbox_over_quota, REPLY_GMAIL, &f, SLICE("https://mx.test/s/"),
        "452 4.2.2 The mailbox unknown is over its storage quota; try again later, its "
        "owner may free space; see https://mx.test/s/28t5cy4tqkff - 28t5cy4tqkff "
        "postern\r\n");
    fields_add_str(&f, "rcpt", "");
    fields_add_str(&f, "used", "");
    fields_add_str(&f, "quota", "");
    expect(
        REPLY_rcpt_mailbox_over_quota, REPLY_GMAIL, &f, SLICE(""),
        "452 4.2.2 The mailbox unknown is over its storage quota; try again later, its "
        "owner may free space - 28t5cy4tqkff postern\r\n");
    fields_reset(&f);
    fields_add_str(&f, "rcpt", "\"b\x01\"@example.test");
    fields_add_u64(&f, "used", 7);
    expect(
        REPLY_rcpt_mailbox_over_quota, REPLY_GMAIL, &f, SLICE(""),
        "452 4.2.2 The mailbox \\x22b\\x01\\x22@example.test is over its storage quota; "
        "try again later, its owner may free space - 28t5cy4tqkff postern\r\n");
    fields_add_u64(&f, "quota", 5);
    expect(REPLY_rcpt_mailbox_over_quota, REPLY_GMAIL, &f, SLICE("https://x\r\n/"),
           "452 4.2.2 The mailbox \\x22b\\x01\\x22@example.test is over its storage "
           "quota (7 of "
           "5 octets used); try again later, its owner may free space - 28t5cy4tqkff "
           "postern\r\n");
    /* The push service's own codes, and the registered ones. */
    expect(REPLY_push_rcpt_suppressed, REPLY_GMAIL, &f, SLICE(""),
           "559 The recipient \\x22b\\x01\\x22@example.test is on this service's list of "
           "invalid addresses, so no delivery is tried; if the address does exist, "
           "report it "
           "to the operator - 28t5cy4tqkff postern\r\n");
    fields_reset(&f);
    fields_add_str(&f, "domain", "example.test");
    fields_add_str(&f, "reason", "no invoices");
    fields_add_str(&f, "rule", "invoices");
    expect(
        REPLY_policy_custom_rule, REPLY_IANA, &f, SLICE(""),
        "550 5.7.1 A mail rule of example.test refuses this message: no invoices - rule "
        "invoices 28t5cy4tqkff postern\r\n");
}

/* A long value is cut where it shows, between two escapes; a line breaks at the last
 * blank that lets it fit. */
static void test_long(void **state)
{
    (void)state;
    enum { PLAIN = REPLY_VALUE_MAX - 5, RULE = 98 };
    static unsigned char value[3000];
    char reply[OUT_MAX];
    struct fields f = {0};
    memset(value, 'v', sizeof value);
    memset(value + PLAIN, 0xff, sizeof value - PLAIN);
    fields_add_str(&f, "domain", "example.test");
    fields_add(&f, "reason", (struct slice){value, sizeof value});
    fields_add(&f, "rule", (struct slice){value, RULE});
    static const char format[] = "550%s5.7.1 A mail rule of example.test refuses this "
                                 "message: %.*s\\xff... - rule "
                                 "%.*s 28t5cy4tqkff%spostern\r\n";
    (void)snprintf(reply, sizeof reply, format, " ", PLAIN, (const char *)value, RULE,
                   (const char *)value, " ");
    assert_int_equal(strlen(reply), REPLY_LINE_MAX - 1);
    expect(REPLY_policy_custom_rule, REPLY_GMAIL, &f, SLICE(""), reply);
    f.item[2].value.len += 1;
    (void)snprintf(reply, sizeof reply, format, " ", PLAIN, (const char *)value, RULE + 1,
                   (const char *)value, " ");
    assert_int_equal(strlen(reply), REPLY_LINE_MAX);
    expect(REPLY_policy_custom_rule, REPLY_GMAIL, &f, SLICE(""), reply);
    f.item[2].value.len += 1;
    (void)snprintf(reply, sizeof reply, format, "-", PLAIN, (const char *)value, RULE + 2,
                   (const char *)value, "\r\n550 5.7.1 ");
    expect(REPLY_policy_custom_rule, REPLY_GMAIL, &f, SLICE(""), reply);
    f.item[2].value.len = RULE + 9; /* the first line is full to the last octet */
    (void)snprintf(reply, sizeof reply, format, "-", PLAIN, (const char *)value, RULE + 9,
                   (const char *)value, "\r\n550 5.7.1 ");
    assert_int_equal(strcspn(reply, "\n") + 1, REPLY_LINE_MAX);
    expect(REPLY_policy_custom_rule, REPLY_GMAIL, &f, SLICE(""), reply);
    f.item[1].value = SLICE("several   blanks");
    f.item[2].value.len = 1;
    expect(
        REPLY_policy_custom_rule, REPLY_GMAIL, &f, SLICE(""),
        "550 5.7.1 A mail rule of example.test refuses this message: several   blanks - "
        "rule v 28t5cy4tqkff postern\r\n");

    fields_reset(&f);
    /* A value of exactly the maximum stays whole. */
    memset(value, 'v', REPLY_VALUE_MAX);
    fields_add(&f, "id", (struct slice){value, REPLY_VALUE_MAX});
    (void)snprintf(reply, sizeof reply, "250 2.0.0 Message queued as %.*s\r\n",
                   REPLY_VALUE_MAX, (const char *)value);
    expect(REPLY_ok_queued, REPLY_GMAIL, &f, SLICE(""), reply);
}

static void test_challenge(void **state)
{
    (void)state;
    static unsigned char value[REPLY_CHALLENGE_MAX + 1];
    struct fields f = {0};
    struct buf out;
    expect(REPLY_ok_auth_challenge, REPLY_GMAIL, NULL, SLICE(""), "334 \r\n");
    fields_add_str(&f, "challenge", "VXNlcm5hbWU6");
    expect(REPLY_ok_auth_challenge, REPLY_GMAIL, &f, SLICE(""), "334 VXNlcm5hbWU6\r\n");

    memset(value, 'A', sizeof value);
    buf_init(&out, 2 * sizeof value);
    fields_reset(&f);
    fields_add(&f, "challenge", (struct slice){value, REPLY_CHALLENGE_MAX});
    assert_true(
        reply_render(&out, REPLY_ok_auth_challenge, REPLY_GMAIL, &f, session, SLICE("")));
    assert_int_equal(out.len, 12288);
    f.item[0].value.len++;
    assert_false(
        reply_render(&out, REPLY_ok_auth_challenge, REPLY_GMAIL, &f, session, SLICE("")));
    f.item[0].value = SLICE("VXNl\r\n");
    assert_false(
        reply_render(&out, REPLY_ok_auth_challenge, REPLY_GMAIL, &f, session, SLICE("")));
    assert_int_equal(out.len, 12288);
    assert_false(out.failed);
    buf_clear(&out);
}

static void test_lines(void **state)
{
    (void)state;
    static unsigned char value[512];
    struct slice lines[] = {SLICE("PIPELINING"), SLICE("SIZE 1000"), {value, 506}};
    struct fields f = {0};
    struct buf out;
    memset(value, 'k', sizeof value);
    fields_add_str(&f, "host", "mx.test");
    buf_init(&out, OUT_MAX);
    assert_true(reply_render_lines(&out, REPLY_ok_ehlo, REPLY_GMAIL, &f, lines, 2));
    assert_true(
        slice_eq(buf_slice(&out),
                 SLICE("250-mx.test greets you\r\n250-PIPELINING\r\n250 SIZE 1000\r\n")));
    buf_reset(&out);
    assert_true(reply_render_lines(&out, REPLY_ok_ehlo, REPLY_GMAIL, &f, NULL, 0));
    assert_true(slice_eq(buf_slice(&out), SLICE("250 mx.test greets you\r\n")));
    buf_reset(&out);
    assert_true(reply_render_lines(&out, REPLY_ok_help, REPLY_GMAIL, &f, lines, 1));
    assert_true(slice_eq(
        buf_slice(&out),
        SLICE("214-2.0.0 Postern knows the commands\r\n214 2.0.0 PIPELINING\r\n")));

    buf_reset(&out);
    assert_true(buf_add_str(&out, "before"));
    assert_true(reply_render_lines(&out, REPLY_ok_ehlo, REPLY_GMAIL, &f, lines, 3));
    lines[2].len++; /* 513 octets with code and CRLF */
    out.len = 6;
    assert_false(reply_render_lines(&out, REPLY_ok_ehlo, REPLY_GMAIL, &f, lines, 3));
    lines[2] = SLICE("A\r\n250 B");
    assert_false(reply_render_lines(&out, REPLY_ok_ehlo, REPLY_GMAIL, &f, lines, 3));
    assert_true(slice_eq(buf_slice(&out), SLICE("before")));
    buf_clear(&out);
}

/* Whatever the buffer has room for: the whole reply, or nothing of it. */
static void test_no_room(void **state)
{
    (void)state;
    static unsigned char value[REPLY_VALUE_MAX];
    struct fields f = {0};
    struct slice line = SLICE("SIZE 1000");
    memset(value, 'v', sizeof value);
    fields_add(&f, "what", (struct slice){value, sizeof value});
    bool fitted = false;
    for (size_t max = 6; max < 600; max++) {
        struct buf out;
        buf_init(&out, max);
        assert_true(buf_add_str(&out, "before"));
        bool ok = reply_render(&out, REPLY_protocol_violation, REPLY_GMAIL, &f, session,
                               SLICE("https://x/"));
        assert_int_equal(ok, !out.failed);
        assert_true(ok || !fitted); /* more room never hurts */
        fitted = fitted || ok;
        assert_true(ok || slice_eq(buf_slice(&out), SLICE("before")));
        buf_clear(&out);

        buf_init(&out, max - 6);
        ok = reply_render_lines(&out, REPLY_ok_ehlo, REPLY_GMAIL, NULL, &line, 1);
        assert_int_equal(ok, !out.failed);
        assert_true(ok || out.len == 0);
        buf_clear(&out);
    }
    assert_true(fitted);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: %s REPLIES.TSV\n", argv[0]);
        return EXIT_FAILURE;
    }
    catalogue_path = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_rows), cmocka_unit_test(test_file),
        cmocka_unit_test(test_names),    cmocka_unit_test(test_examples),
        cmocka_unit_test(test_long),     cmocka_unit_test(test_challenge),
        cmocka_unit_test(test_lines),    cmocka_unit_test(test_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
