/* trace/event_test.c - records in, events out. */
#include "trace/event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const uint64_t start = UINT64_C(1700000000000);

/* A record of one event; fields: name, value, ... NULL. */
static struct slice record(enum trace_kind kind, uint32_t n, const char *const *fields)
{
    static struct buf b;
    struct trace_writer w;
    struct fields f = {0};
    trace_init(&w, 77, start);
    trace_event(&w, TRACE_command, start, 0, &f); /* it is no event of an account's */
    for (; fields[0] != NULL; fields += 2) {
        fields_add_str(&f, fields[0], fields[1]);
    }
    trace_event(&w, kind, start + 1000, n, &f);
    buf_clear(&b);
    buf_init(&b, TRACE_RECORD_MAX);
    trace_take(&w, start, &b);
    trace_clear(&w);
    assert_false(b.failed);
    return buf_slice(&b);
}

struct told {
    struct buf json, line;
    unsigned n;
};

static bool tell(void *arg, const struct event *e)
{
    struct told *t = arg;
    buf_reset(&t->json);
    buf_reset(&t->line);
    event_json(e, &t->json);
    event_line(e, &t->line);
    t->n++;
    return true;
}

#define A "account", "news@shop.test", "to", "ann@far.test"
#define J(event, more)                                                                   \
    "{\"id\":\"9.1\",\"time\":\"2023-11-14T22:13:21.000Z\",\"event\":\"" event           \
    "\",\"message\":\"00000000002d.3\",\"account\":\"news@shop.test\","                  \
    "\"recipient\":\"ann@far.test\"" more "}"

static const struct {
    enum trace_kind kind;
    const char *const fields[16];
    const char *json; /* NULL: it is no event */
    const char *line; /* what it ends with */
} cases[] = {
    {TRACE_queued,
     {A},
     J("accepted", ""),
     "  accepted    ann@far.test  00000000002d.3\n"},
    {TRACE_deferred,
     {A, "reply", "421 4.3.2 busy", "next", "1700000060000", "attempt", "2", "class",
      "server-busy", "action", "retry"},
     J("attempted",
       ",\"attempt\":2,\"code\":421,\"status\":\"4.3.2\",\"reply\":\"421 4.3.2 "
       "busy\",\"class\":\"server-busy\",\"action\":\"retry\",\"next\":"
       "\"2023-11-14T22:14:20.000Z\""),
     "  421 4.3.2 busy  class server-busy  action retry  next 2023-11-14 22:14:20\n"},
    {TRACE_delivered,
     {A, "where", "mx.far.test[192.0.2.1]", "reply", "250-2.0.0 ok", "attempt", "1"},
     J("delivered",
       ",\"attempt\":1,\"code\":250,\"status\":\"2.0.0\",\"reply\":\"250-2.0.0 "
       "ok\",\"server\":\"mx.far.test[192.0.2.1]\""),
     "  250-2.0.0 ok\n"},
    {TRACE_failed,
     {A, "reply", "526 no such", "row", "push-dns-no-data", "action", "give-up"},
     J("bounced",
       ",\"code\":526,\"reply\":\"526 no such\",\"action\":\"give-up\",\"row\":"
       "\"push-dns-no-data\""),
     "  526 no such  action give-up\n"},
    {TRACE_bounced,
     {A, "reply", "no \"such\"\nuser", "by", "k3v9x2mq7tza.2"},
     J("bounced", ",\"later\":true,\"reply\":\"no \\\"such\\\"\\u000auser\",\"report\":"
                  "\"k3v9x2mq7tza.2\""),
     "  later  no \\x22such\\x22\\x0auser\n"},
    {TRACE_complained,
     {A, "reply", "abuse"},
     J("complained", ",\"later\":true,\"reply\":\"abuse\""),
     "  abuse\n"},
    {TRACE_note,
     {A, "text", "came back"},
     J("reported", ",\"text\":\"came back\""),
     "  came back\n"},
    {TRACE_removed, {A, "by", "command"}, J("removed", ""), "\n"},
    {TRACE_removed, {A, "by", "the server, which told the sender"}, NULL, NULL},
    {TRACE_close, {A}, NULL, NULL},
    {TRACE_delivered, {"to", "ann@far.test"}, NULL, NULL}, /* mail on mx */
    {TRACE_failed, {A, "reply", "55"}, J("bounced", ",\"reply\":\"55\""), "  55\n"},
    {TRACE_failed,
     {A, "reply", "550 5.1"},
     J("bounced", ",\"code\":550,\"reply\":\"550 5.1\""),
     "  550 5.1\n"},
};

static void test_events(void **state)
{
    (void)state;
    struct told t = {0};
    buf_init(&t.json, 10000);
    buf_init(&t.line, 10000);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice r = record(cases[i].kind, 3, cases[i].fields);
        t.n = 0;
        event_each(9, r, SLICE("News@shop.test"), tell, &t);
        assert_int_equal(t.n, cases[i].json != NULL);
        if (t.n == 0) {
            continue;
        }
        (void)buf_add_byte(&t.json, '\0');
        assert_string_equal((char *)t.json.ptr, cases[i].json);
        size_t len = strlen(cases[i].line);
        assert_true(t.line.len >= len);
        assert_memory_equal(t.line.ptr + t.line.len - len, cases[i].line, len);
        event_each(9, r, SLICE("other@shop.test"), tell, &t);
        assert_int_equal(t.n, 1);
        event_each(9, r, SLICE(""), tell, &t);
        assert_int_equal(t.n, 2);
        for (size_t cut = 0; cut < r.len; cut++) { /* only ever less */
            event_each(9, slice_sub(r, 0, cut), SLICE(""), tell, &t);
        }
        assert_int_equal(t.n, 2);
    }
    buf_clear(&t.json);
    buf_clear(&t.line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_events)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
