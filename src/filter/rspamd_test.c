/* filter/rspamd_test.c - requests as rspamd wants them; answers, also those of a hostile one. */
#include "filter/rspamd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void check_buf(const struct buf *b, const char *wanted)
{
    if (!slice_eq(buf_slice(b), slice_of(wanted))) {
        fail_msg("wanted %s, is %.*s", wanted, (int)b->len, (const char *)b->ptr);
    }
}

static void test_request(void **state)
{
    (void)state;
    struct buf b;
    char head[RSPAMD_CHUNK_HEAD_MAX];
    buf_init(&b, 1024);
    rspamd_begin(&b, SLICE("127.0.0.1:11333"));
    rspamd_field(&b, "IP", SLICE("192.0.2.1"));
    rspamd_field(&b, "Helo", SLICE("a\r\nUser: root"));
    rspamd_field(&b, "User", SLICE(""));
    rspamd_head_end(&b);
    check_buf(&b,
              "POST /checkv2 HTTP/1.1\r\nHost: 127.0.0.1:11333\r\nConnection: close\r\n"
              "Transfer-Encoding: chunked\r\nIP: 192.0.2.1\r\n\r\n");
    assert_true(slice_eq(rspamd_chunk_head(65536, head), SLICE("10000\r\n")));
    buf_clear(&b);
}

static void check_action(const char *word, enum rspamd_action action)
{
    struct rspamd_verdict v;
    const char *why = NULL;
    struct buf b;
    buf_init(&b, 1024);
    rspamd_verdict_init(&v);
    buf_add_fmt(&b, "{\"action\":\"%s\",\"score\":7.5,\"required_score\":15}", word);
    assert_true(rspamd_read(buf_slice(&b), &v, &why));
    assert_int_equal(v.action, action);
    assert_true(v.score > 7.4 && v.score < 7.6 && v.required > 14.9 && v.required < 15.1);
    rspamd_verdict_clear(&v);
    buf_clear(&b);
}

static void test_actions(void **state)
{
    (void)state;
    check_action("no action", RSPAMD_NO_ACTION);
    check_action("greylist", RSPAMD_GREYLIST);
    check_action("add header", RSPAMD_ADD_HEADER);
    check_action("rewrite subject", RSPAMD_REWRITE_SUBJECT);
    check_action("soft reject", RSPAMD_SOFT_REJECT);
    check_action("reject", RSPAMD_REJECT);
    check_action("discard", RSPAMD_REJECT);
    check_action("quarantine", RSPAMD_ADD_HEADER);
}

static void test_answer(void **state)
{
    (void)state;
    struct rspamd_verdict v;
    const char *why = NULL;
    rspamd_verdict_init(&v);
    assert_true(rspamd_read(
        SLICE("{\"action\":\"rewrite subject\",\"score\":8,\"required_score\":15,"
              "\"symbols\":{\"LIGHT\":{\"score\":0.1},\"GOOD\":{\"score\":-3},"
              "\"B\\u00e4D\":{\"score\":9.25}},\"subject\":\"[spam] x\","
              "\"messages\":{\"smtp_message\":\"no\\r\\n250 ok\"},"
              "\"milter\":{\"remove_headers\":{\"X-Old\":0,\"bad name\":0},"
              "\"add_headers\":{\"X-A\":\"1\",\"X-B\":{\"value\":\"two\\r\\n "
              "lines\",\"order\":1},"
              "\"X-C\":[\"3\",{\"value\":\"4\"},5],\"X: Y\":\"6\",\"\":\"7\","
              "\"X-D\":\"8\\r\\nX-Evil: 1\\r\\n\\r\\nbody\"}},"
              "\"dkim-signature\":\"v=1\"}"),
        &v, &why));
    assert_true(slice_eq((struct slice){(const unsigned char *)v.symbols, v.symbols_len},
                         SLICE("B??D(9.25) GOOD(-3.00) LIGHT(0.10)")));
    assert_true(slice_eq((struct slice){(const unsigned char *)v.message, v.message_len},
                         SLICE("no??250 ok")));
    assert_false(v.greylisted);
    check_buf(&v.subject, "Subject: [spam] x\r\n");
    check_buf(&v.drop, "X-Old\n");
    check_buf(&v.add, "X-A: 1\r\nX-B: two\r\n lines\r\nX-C: 3\r\nX-C: 4\r\n"
                      "X-D: 8\r\n\tX-Evil: 1\r\n\tbody\r\nDKIM-Signature: v=1\r\n");
    rspamd_verdict_clear(&v);
}

static void test_greylisted(void **state)
{
    (void)state;
    struct rspamd_verdict v;
    const char *why = NULL;
    rspamd_verdict_init(&v);
    assert_true(rspamd_read(
        SLICE("{\"action\":\"soft reject\",\"symbols\":{\"GREYLIST\":{\"score\":0}}}"),
        &v, &why));
    assert_true(v.greylisted);
    rspamd_verdict_clear(&v);
}

static void test_no_answer(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",           "[]", "{", "{}", "{\"action\":1}", "{\"action\":\"explode\"}",
        "\"reject\"", "nul"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct rspamd_verdict v;
        const char *why = NULL;
        rspamd_verdict_init(&v);
        assert_false(rspamd_read(slice_of(wrong[i]), &v, &why));
        assert_non_null(why);
        rspamd_verdict_clear(&v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),   cmocka_unit_test(test_actions),
        cmocka_unit_test(test_answer),    cmocka_unit_test(test_greylisted),
        cmocka_unit_test(test_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
