/* trace/story_test.c - scripts of events, and the words that they must become. */
#include "trace/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { EVENTS_MAX = 32, PAIRS_MAX = 6 };
static const uint64_t session = 0x0123456789abcdef;
static const uint64_t start = 1795328146250; /* 2026-11-22 06:15:46.250 */

struct script {
    enum trace_kind kind;
    uint32_t ms, n;
    struct {
        const char *name;
        struct slice value;
    } f[PAIRS_MAX];
};
#define F(name, lit)                                                                     \
    {                                                                                    \
        name, SLICE_INIT(lit)                                                            \
    }

/* All events in one record, except those of queue and delivery: one record each. */
static struct story *tell(const struct script *e)
{
    struct story *s = story_new(session, 1 << 20);
    struct trace_writer own, other;
    struct buf record;
    buf_init(&record, TRACE_RECORD_MAX);
    trace_init(&own, session, start);
    assert_non_null(s);
    for (; e->kind != TRACE_NONE; e++) {
        bool later = (e->kind >= TRACE_queued && e->kind <= TRACE_removed) ||
                     e->kind >= TRACE_bounced;
        struct fields f;
        fields_reset(&f);
        for (size_t i = 0; i < PAIRS_MAX && e->f[i].name != NULL; i++) {
            fields_add(&f, e->f[i].name, e->f[i].value);
        }
        trace_init(&other, session, start);
        trace_event(later ? &other : &own, e->kind, start + e->ms, e->n, &f);
        trace_take(&other, start, &record);
        assert_true(record.len == 0 || story_add(s, buf_slice(&record)));
        buf_reset(&record);
        trace_clear(&other);
    }
    trace_take(&own, start, &record);
    assert_true(record.len == 0 || story_add(s, buf_slice(&record)));
    trace_clear(&own);
    buf_clear(&record);
    return s;
}

static void expect_text(const struct buf *out, const char *want)
{
    char got[8192];
    assert_false(out->failed);
    assert_true(slice_cstr(buf_slice(out), got, sizeof got));
    assert_string_equal(got, want);
}

/* clang-format off */
#define CONNECT {TRACE_connect, 0, 0, {F("ip", "192.0.2.7"), F("port", "40312"), F("service", "mx"), F("listener", "in")}}
#define GREETED {TRACE_reply, 1, 0, {F("row", "ok-greeting"), F("code", "220"), F("text", "mx ESMTP")}}
#define OK(t, row_) {TRACE_reply, t, 0, {F("row", row_), F("code", "250")}}
#define EHLO(t) {TRACE_command, t, 0, {F("verb", "EHLO"), F("argument", "client.example")}}, OK(t, "ok-ehlo")
#define TOP "Session 28t5cy4tqkff, 2026-11-22 06:15:46 UTC, service mx, listener in\n"

static const struct {
    const char *name;
    uint32_t first;
    struct script e[EVENTS_MAX];
    const char *text, *line;
} cases[] = {
    {"accepted and refused", 0, {
        CONNECT, GREETED, EHLO(2),
        {TRACE_command, 3, 0, {F("verb", "STARTTLS")}}, {TRACE_reply, 3, 0, {F("code", "220")}},
        {TRACE_tls, 4, 0, {F("version", "TLSv1.3"), F("cipher", "TLS_AES_256_GCM_SHA384")}},
        EHLO(5),
        {TRACE_command, 6, 1, {F("verb", "MAIL"), F("argument", "FROM:<a@client.example>")}}, OK(6, "ok-mail"),
        {TRACE_command, 7, 1, {F("verb", "RCPT"), F("argument", "TO:<nobody@example.test>")}},
        {TRACE_check, 7, 1, {F("name", "rcpt-mailbox"), F("verdict", "reject"), F("row", "rcpt-mailbox-unknown"), F("rcpt", "nobody@example.test")}},
        {TRACE_reply, 7, 1, {F("row", "rcpt-mailbox-unknown"), F("code", "550"), F("status", "5.1.1"), F("text", "550-5.1.1 No mailbox\r\n550 5.1.1 here\r\n"), F("rcpt", "nobody@example.test")}},
        {TRACE_command, 8, 1, {F("verb", "RCPT"), F("argument", "TO:<alice@example.test>")}},
        {TRACE_check, 8, 1, {F("name", "rcpt-mailbox"), F("verdict", "pass")}}, OK(8, "ok-rcpt"),
        {TRACE_command, 9, 1, {F("verb", "DATA")}}, {TRACE_reply, 9, 1, {F("code", "354")}},
        {TRACE_accepted, 20, 1, {F("id", "x"), F("size", "10240"), F("recipients", "3"), F("from", "a@client.example"), F("to", "alice@example.test"), F("to", "bob@example.test")}},
        OK(21, "ok-queued"),
        {TRACE_delivered, 1000, 1, {F("to", "alice@example.test"), F("target", "al@example.test"), F("transport", "maildir"), F("where", "new/1")}},
        {TRACE_deferred, 86400000, 1, {F("to", "bob@example.test"), F("reply", "451 4.2.1 later"), F("next", "1795414606250")}},
        {TRACE_command, 30, 0, {F("verb", "QUIT")}}, {TRACE_reply, 30, 0, {F("code", "221")}},
        {TRACE_close, 31, 0, {F("reason", "quit")}},
     },
     TOP
     "  192.0.2.7 (port 40312) connected and said EHLO client.example; TLSv1.3 with TLS_AES_256_GCM_SHA384\n"
     "  MAIL FROM:<a@client.example> was accepted\n"
     "  RCPT TO:<nobody@example.test> was refused: 550 5.1.1 (rcpt-mailbox-unknown)\n"
     "      because: check rcpt-mailbox refused (rcpt-mailbox-unknown): rcpt=nobody@example.test\n"
     "      the client was told: \"550-5.1.1 No mailbox / 550 5.1.1 here\"\n"
     "  RCPT TO:<alice@example.test> was accepted\n"
     "      check rcpt-mailbox passed\n"
     "  DATA was accepted\n"
     "  message 28t5cy4tqkff.1 (10,240 octets) from <a@client.example> accepted for alice@example.test, bob@example.test and 1 more: 250, on disk\n"
     "      delivered to alice@example.test, that is al@example.test, by maildir at 06:15:47 (new/1)\n"
     "      not yet delivered to bob@example.test at 2026-11-23 06:15:46: 451 4.2.1 later; next try 2026-11-23 06:16:46\n"
     "  the client said QUIT\n"
     "  the connection ended: quit\n",
     "28t5cy4tqkff  2026-11-22 06:15:46  192.0.2.7  client.example  <a@client.example> -> alice@example.test, bob@example.test"
     "  accepted 1, delivered 1, deferred 1, refused 550 5.1.1 rcpt-mailbox-unknown\n"},

    {"nothing but hostile octets", 0, {
        CONNECT,
        {TRACE_command, 1, 0, {F("verb", "\x1b]0;owned\x07"), F("argument", "\xe2\x80\xae\r\nSession forged\xff\"\\")}},
        {TRACE_reply, 1, 0, {F("code", "\n5"), F("text", "\x9b" "31m"), F("a\nb", "c\nd"), F("empty", "")}},
     },
     TOP
     "  192.0.2.7 (port 40312) connected\n"
     "  \\x1b]0;owned\\x07 \\xe2\\x80\\xae / Session forged\\xff\\x22\\x5c got an answer: \\x0a5\n"
     "      evidence: a\\x0ab=c\\x0ad empty=\"\"\n"
     "      the client was told: \"\\x9b31m\"\n",
     "28t5cy4tqkff  2026-11-22 06:15:46  192.0.2.7  no message\n"},

    {"refused at once, with evidence on the reply", 0, {
        CONNECT,
        {TRACE_reply, 1, 0, {F("row", "server-busy"), F("code", "421"), F("status", "4.3.2"), F("text", "busy"), F("limit", "20 000")}},
     },
     TOP
     "  192.0.2.7 (port 40312) connected\n"
     "  the connection was refused for now: 421 4.3.2 (server-busy)\n"
     "      evidence: limit=\"20 000\"\n"
     "      the client was told: \"busy\"\n",
     "28t5cy4tqkff  2026-11-22 06:15:46  192.0.2.7  refused 421 4.3.2 server-busy\n"},

    {"message refused by a check; one that only watches; timeout", 0, {
        CONNECT, EHLO(1),
        {TRACE_command, 2, 0, {F("verb", "DATA")}}, {TRACE_reply, 2, 0, {F("code", "354")}},
        {TRACE_check, 3, 0, {F("name", "hops"), F("verdict", "reject"), F("hops", "51")}},
        {TRACE_check, 3, 0, {F("name", "spf"), F("verdict", "observe"), F("row", "mail-spf-fail")}},
        {TRACE_check, 3, 0, {F("name", "odd"), F("verdict", "shrug")}},
        {TRACE_check, 3, 0, {F("name", "loop"), F("verdict", "close"), F("row", "hop-limit")}},
        {TRACE_reply, 4, 0, {F("row", "hop-limit"), F("code", "554"), F("hops", "51")}},
        {TRACE_reply, 5, 0, {F("row", "session-timeout"), F("code", "421")}},
        {TRACE_note, 6, 0, {F("text", "so it was"), F("more", "x")}},
     },
     TOP
     "  192.0.2.7 (port 40312) connected and said EHLO client.example\n"
     "  DATA was accepted\n"
     "    because: check hops refused: hops=51\n"
     "    check spf would have refused (mail-spf-fail), but only watches\n"
     "    check odd said shrug\n"
     "    because: check loop ended the connection (hop-limit)\n"
     "  the message was refused: 554 (hop-limit)\n"
     "  the server said: 421 (session-timeout)\n"
     "  note: so it was more=x\n",
     "28t5cy4tqkff  2026-11-22 06:15:46  192.0.2.7  client.example  refused 554 hop-limit and 1 more\n"},

    {"only what became of a message; the one asked for first", 2, {
        {TRACE_queued, 0, 1, {F("to", "a@example.test")}},
        {TRACE_failed, 5, 2, {F("to", "b@example.test"), F("reply", "550 no"), F("attempts", "3")}},
        {TRACE_held, 6, 1, {F("by", "root")}}, {TRACE_released, 7, 1, {F("by", "root")}},
        {TRACE_removed, 8, 1, {{NULL, {NULL, 0}}}},
     },
     "Session 28t5cy4tqkff, 2026-11-22 06:15:46 UTC\n"
     "  (its beginning is not in the trace)\n"
     "  message 28t5cy4tqkff.2\n"
     "      given up for b@example.test at 06:15:46: 550 no; attempts=3\n"
     "  message 28t5cy4tqkff.1\n"
     "      queued for a@example.test at 06:15:46\n"
     "      held at 06:15:46 by root\n"
     "      released at 06:15:46 by root\n"
     "      removed at 06:15:46\n",
     "28t5cy4tqkff  2026-11-22 06:15:46  failed 1, held 1, released 1, removed 1\n"},

    {"a null reverse-path, accepted but not answered; a message that is not there", 9, {
        CONNECT,
        {TRACE_accepted, 1, 1, {F("size", "big"), F("from", ""), F("to", "a@example.test"), F("8bit", "yes")}},
        {TRACE_command, 2, 0, {F("verb", "?")}}, {TRACE_reply, 2, 0, {F("code", "500")}},
        {TRACE_command, 2, 0, {F("verb", "NOOP")}},
        {TRACE_close, 3, 0, {{NULL, {NULL, 0}}}},
     },
     TOP
     "  message 28t5cy4tqkff.9\n"
     "      nothing of it is in the trace\n"
     "  192.0.2.7 (port 40312) connected\n"
     "  message 28t5cy4tqkff.1 (big octets) from <> accepted for a@example.test; 8bit=yes\n"
     "  an unknown command was refused: 500\n"
     "  NOOP: no answer is recorded\n"
     "  the connection ended\n",
     "28t5cy4tqkff  2026-11-22 06:15:46  192.0.2.7  <> -> a@example.test  accepted 1, refused 500\n"},
};
/* clang-format on */

static void test_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out;
        struct story *s = tell(cases[i].e);
        buf_init(&out, 65536);
        story_text(s, cases[i].first, &out);
        expect_text(&out, cases[i].text);
        buf_reset(&out);
        story_line(s, &out);
        expect_text(&out, cases[i].line);
        buf_reset(&out);
        story_text(s, cases[i].first, &out); /* told twice, told the same */
        expect_text(&out, cases[i].text);
        buf_clear(&out);
        story_free(&s);
    }
}

static void test_json(void **state)
{
    (void)state;
    static const struct script e[] = {
        {TRACE_connect, 0, 0, {F("ip", "192.0.2.7"), F("name", "\"\\\x1b\xff")}},
        {TRACE_accepted,
         7,
         2,
         {F("to", "a@x"), F("size", "1"), F("to", "\xc3\xa4@x\xf0\x9f\x93\xa7"),
          F("", "")}},
        {TRACE_close, 8, 0, {{NULL, {NULL, 0}}}},
        {TRACE_NONE, 0, 0, {{NULL, {NULL, 0}}}},
    };
    struct buf out;
    struct story *s = tell(e);
    buf_init(&out, 65536);
    story_json(s, &out);
    expect_text(
        &out, "{\"session\":\"28t5cy4tqkff\",\"time\":\"2026-11-22T06:15:46.250Z\","
              "\"cut\":false,\"events\":["
              "{\"time\":\"2026-11-22T06:15:46.250Z\",\"event\":\"connect\",\"fields\":"
              "{\"ip\":\"192.0.2.7\",\"name\":\"\\\"\\\\\\u001b\\ufffd\"}},"
              "{\"time\":\"2026-11-22T06:15:46.257Z\",\"event\":\"accepted\","
              "\"message\":\"28t5cy4tqkff.2\",\"fields\":"
              "{\"to\":[\"a@x\",\"\\u00e4@x\\ud83d\\udce7\"],\"size\":\"1\",\"\":\"\"}},"
              "{\"time\":\"2026-11-22T06:15:46.258Z\",\"event\":\"close\","
              "\"fields\":{}}]}\n");
    buf_clear(&out);
    story_free(&s);
}

static void test_limits(void **state)
{
    (void)state;
    struct story *s = story_new(session, 8192);
    struct trace_writer w;
    struct buf b, out;
    buf_init(&b, TRACE_RECORD_MAX);
    buf_init(&out, 1 << 20);
    size_t taken = 0;
    for (;;) {
        trace_init(&w, taken == 3 ? session + 1 : session, UINT64_MAX - 1);
        trace_event(&w, TRACE_close, UINT64_MAX, 0, NULL);
        trace_event(&w, TRACE_close, UINT64_MAX - 1, 0, NULL);
        buf_reset(&b);
        trace_take(&w, 0, &b);
        trace_clear(&w);
        if (!story_add(s, buf_slice(&b))) {
            break;
        }
        assert_in_range(++taken, 1, 1000);
    }
    story_text(s, 0, &out);
    static char text[64 * 1024];
    assert_true(slice_cstr(buf_slice(&out), text, sizeof text));
    assert_non_null(strstr(text, "an unknown time UTC"));
    assert_non_null(strstr(text, "more is in the trace than can be told here"));
    buf_clear(&b);
    buf_clear(&out);
    story_free(&s);

    s = story_new(session, 8192);
    assert_true(story_empty(s));
    assert_int_equal(story_begin_ms(s), 0);
    assert_true(story_add(s, SLICE("no record")));
    assert_true(story_empty(s));
    story_free(&s);
    assert_null(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
