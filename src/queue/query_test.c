/* queue/query_test.c - requests as a table: what is answered, what is refused, what changes. */
#include "queue/query.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct queue_rules rules = {
    .retry_ms = {1000}, .retry_n = 1, .expire_ms = 100000, .in_flight_max = {100, 100}};
static struct queue_index *ix;

static void on_changed(void *arg, const struct queue_message *m, uint16_t number,
                       enum queue_what what)
{
    (void)arg, (void)m, (void)number, (void)what;
}

static void on_finished(void *arg, const struct queue_message *m)
{
    (void)arg, (void)m;
}

static const struct queue_ops ops = {on_changed, on_finished};

static void add(uint64_t session, struct slice sender, const char *const *to,
                uint64_t at_ms)
{
    struct buf b;
    struct spool_recipient r[8];
    uint16_t n = 0;
    for (; to[n] != NULL; n++) {
        r[n] = (struct spool_recipient){slice_of(to[n]), slice_of(to[n]), SPOOL_LOCAL};
    }
    buf_init(&b, 4096);
    spool_envelope_begin(&b, 0, 0, sender, SLICE("::1"), SLICE("h"), SLICE(""));
    spool_envelope_recipients(&b, r, n);
    struct spool_entry e = {.segment = 1, .envelope = buf_slice(&b)};
    e.header.id = (struct message_id){session, 1};
    e.header.arrival_ms = at_ms;
    e.header.message_len = 100;
    assert_int_equal(queue_add(ix, &e, at_ms), QUEUE_ADDED);
    buf_clear(&b);
}

/* Session 1: "000000000001.1", two domains. 2: another sender, held. 3: a sender that is no
 * UTF-8. */
static int begin(void **state)
{
    (void)state;
    struct queue_did did = {0};
    static const char *const one[] = {"a@d.test", "b@e.test", NULL};
    static const char *const two[] = {"c@d.test", NULL};
    ix = queue_new(&rules, &ops, NULL);
    assert_non_null(ix);
    queue_started(ix, 0);
    add(1, SLICE("s@t.test"), one, 1000);
    add(2, SLICE("x@t.test"), two, 2000);
    add(3, SLICE("\xff@t.test"), two, 3000);
    queue_do(ix, queue_find(ix, (struct message_id){2, 1}), QUEUE_DO_HOLD, NULL, 0, &did);
    return 0;
}

static int end(void **state)
{
    (void)state;
    queue_free(&ix);
    return 0;
}

static struct {
    json_t *lines;
    size_t room; /* lines per step */
    int status;
    char complaint[QUEUE_COMPLAINT_MAX];
} answer;

static void on_line(void *arg, json_t *line)
{
    (void)arg;
    assert_non_null(line);
    (void)json_array_append_new(answer.lines, line);
}

static bool has_room(void *arg)
{
    return json_array_size(answer.lines) < *(size_t *)arg;
}

/* False: refused, the reason in the complaint. */
static bool ask(const char *request, uint64_t now_ms, size_t room)
{
    const char *wrong = NULL;
    json_t *r = json_loads(request, 0, NULL);
    assert_non_null(r);
    json_decref(answer.lines);
    memset(&answer, 0, sizeof answer);
    answer.lines = json_array();
    struct queue_query *q = queue_query_new(ix, r, &wrong);
    json_decref(r);
    assert_true((q == NULL) == (wrong != NULL));
    if (q == NULL) {
        return false;
    }
    size_t until = room;
    struct queue_query_out out = {on_line, has_room, &until};
    int steps = 0;
    while (queue_query_step(q, now_ms, &out, &answer.status, answer.complaint)) {
        assert_true(json_array_size(answer.lines) <= until + 1);
        until += room;
        assert_true(++steps < 1000);
        assert_true(queue_validate(ix));
    }
    assert_true(json_array_size(answer.lines) <= until + 3);
    queue_query_free(&q);
    return true;
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "{}",
        "{\"do\":\"fly\"}",
        "{\"do\":\"show\"}",
        "{\"do\":\"retry\"}",
        "{\"do\":\"hold\",\"id\":[]}",
        "{\"do\":\"hold\",\"id\":\"000000000001.1\"}",
        "{\"do\":\"hold\",\"id\":[\"nonsense\"]}",
        "{\"do\":\"hold\",\"id\":[\"000000000001\"]}",
        "{\"do\":\"list\",\"state\":\"done\"}",
        "{\"do\":\"list\",\"state\":7}",
        "{\"do\":\"list\",\"domain\":\"\"}",
        "{\"do\":\"list\",\"sender\":[]}",
        "{\"do\":\"list\",\"older_ms\":-1}",
        "{\"do\":\"remove\",\"all\":true}",
        "{\"do\":\"remove\",\"domain\":\"d.test\"}",
        "{\"do\":\"remove\",\"id\":[\"000000000001.1\",\"000000000002.1\"]}",
    };
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        if (ask(requests[i], 5000, 100)) {
            fail_msg("taken: %s", requests[i]);
        }
    }
}

static void test_list(void **state)
{
    (void)state;
    static const struct {
        const char *request, *ids; /* last digits of the sessions */
    } cases[] = {
        {"{\"do\":\"list\"}", "123"},
        {"{\"do\":\"list\",\"domain\":\"D.test\"}", "123"},
        {"{\"do\":\"list\",\"domain\":\"e.test\"}", "1"},
        {"{\"do\":\"list\",\"domain\":\"f.test\"}", ""},
        {"{\"do\":\"list\",\"sender\":\"X@t.test\"}", "2"},
        {"{\"do\":\"list\",\"sender\":\"\"}", ""},
        {"{\"do\":\"list\",\"state\":\"held\"}", "2"},
        {"{\"do\":\"list\",\"state\":\"pending\",\"domain\":\"d.test\"}", "13"},
        {"{\"do\":\"list\",\"older_ms\":3000}", "12"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t room = 1; room < 5; room++) {
            char ids[8] = "";
            assert_true(ask(cases[i].request, 5000, room));
            for (size_t k = 0; k < json_array_size(answer.lines); k++) {
                const json_t *line = json_array_get(answer.lines, k);
                ids[k] = json_string_value(json_object_get(line, "id"))[11];
            }
            assert_string_equal(ids, cases[i].ids);
            assert_int_equal(answer.status, 0);
        }
    }
    assert_true(ask("{\"do\":\"list\"}", 5000, 9));
    const json_t *line = json_array_get(answer.lines, 2);
    assert_string_equal(json_string_value(json_object_get(line, "sender")),
                        "\\xff@t.test");
}

static void test_show(void **state)
{
    (void)state;
    for (size_t room = 1; room < 5; room++) { /* the targets come in pieces */
        assert_true(ask("{\"do\":\"show\",\"id\":[\"000000000001.1\"]}", 5000, room));
        assert_int_equal(json_array_size(answer.lines), 3);
        const json_t *second = json_array_get(answer.lines, 2);
        assert_string_equal(json_string_value(json_object_get(second, "target")),
                            "b@e.test");
        assert_string_equal(json_string_value(json_object_get(second, "state")),
                            "pending");
    }
    assert_true(ask("{\"do\":\"show\",\"id\":[\"000000000009.1\"]}", 5000, 9));
    assert_int_equal(answer.status, 1);
    assert_non_null(strstr(answer.complaint, "000000000009.1"));
}

static void test_changes(void **state)
{
    (void)state;
    const struct queue_message *m = queue_find(ix, (struct message_id){1, 1});
    assert_true(ask("{\"do\":\"hold\",\"domain\":\"e.test\"}", 5000, 9));
    assert_int_equal(m->target[0].state, QUEUE_pending);
    assert_int_equal(m->target[1].state, QUEUE_held);
    /* By state: what is pending of the same message stays. */
    assert_true(ask("{\"do\":\"remove\",\"state\":\"held\",\"yes\":true}", 5000, 9));
    assert_int_equal(
        json_integer_value(json_object_get(json_array_get(answer.lines, 0), "changed")),
        2);
    assert_int_equal(m->target[0].state, QUEUE_pending);
    assert_int_equal(m->target[1].state, QUEUE_done);
    assert_null(queue_find(ix, (struct message_id){2, 1}));
    assert_true(ask("{\"do\":\"remove\",\"id\":[\"000000000001.1\"]}", 5000, 9));
    assert_int_equal(answer.status, 0);
    assert_null(queue_find(ix, (struct message_id){1, 1}));
    assert_true(ask("{\"do\":\"remove\",\"id\":[\"000000000001.1\"]}", 5000, 9));
    assert_int_equal(answer.status, 1);
    assert_true(ask("{\"do\":\"remove\",\"all\":true,\"yes\":true}", 5000, 9));
    assert_true(ask("{\"do\":\"retry\",\"all\":true}", 5000, 9));
    assert_int_equal(answer.status, 1);
}

static void test_stats(void **state)
{
    (void)state;
    assert_true(ask("{\"do\":\"stats\"}", 5000, 9));
    assert_int_equal(json_array_size(answer.lines), 3);
    const json_t *all = json_array_get(answer.lines, 0),
                 *top = json_array_get(answer.lines, 1);
    assert_int_equal(json_integer_value(json_object_get(all, "messages")), 3);
    assert_int_equal(json_integer_value(json_object_get(all, "oldest_ms")), 1000);
    assert_int_equal(json_integer_value(json_object_get(all, "held")), 1);
    assert_string_equal(json_string_value(json_object_get(top, "domain")), "d.test");
}

static int forget(void **state)
{
    (void)state;
    json_decref(answer.lines);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_refused, begin, end),
        cmocka_unit_test_setup_teardown(test_list, begin, end),
        cmocka_unit_test_setup_teardown(test_show, begin, end),
        cmocka_unit_test_setup_teardown(test_changes, begin, end),
        cmocka_unit_test_setup_teardown(test_stats, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, forget);
}
