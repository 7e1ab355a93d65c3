/* check/rspamd_test.c - each verdict on each service; a filter that is down; greylisting by the clock. */
#include "check/check.h"
#include "filter/rspamd.h"
#include "rate/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct config config;
static struct ip address;
static struct smtp_recipient rcpt = {.path = {.mailbox = SLICE_INIT("al@example.test")}};
static struct smtp_envelope envelope = {.first = &rcpt,
                                        .sender = {.mailbox = SLICE_INIT("a@b.example")}};

static struct check_facts facts(enum config_service service, struct rspamd_report *r)
{
    assert_true(ip_parse(SLICE("192.0.2.1"), &address));
    return (struct check_facts){.config = &config,
                                .service = service,
                                .address = &address,
                                .envelope = &envelope,
                                .rspamd = r};
}

static enum reply_id said(enum config_service service, enum rspamd_action action)
{
    struct rspamd_report r = {.state = FILTER_ANSWERED, .verdict = {.action = action}};
    struct check_facts f = facts(service, &r);
    struct check_verdict v = {0};
    check_rspamd(&f, &v);
    assert_false(v.waits);
    return v.reply;
}

static void test_actions(void **state)
{
    (void)state;
    assert_int_equal(said(SERVICE_MX, RSPAMD_REJECT), REPLY_content_unsolicited_reject);
    assert_int_equal(said(SERVICE_PUSH, RSPAMD_REJECT), REPLY_push_content_spam);
    assert_int_equal(said(SERVICE_MX, RSPAMD_SOFT_REJECT),
                     REPLY_content_suspicious_deferred);
    assert_int_equal(said(SERVICE_PUSH, RSPAMD_SOFT_REJECT),
                     REPLY_message_rejected_temporarily);
    assert_int_equal(said(SERVICE_MX, RSPAMD_ADD_HEADER), REPLY_NONE);
    assert_int_equal(said(SERVICE_MX, RSPAMD_REWRITE_SUBJECT), REPLY_NONE);
    assert_int_equal(said(SERVICE_MX, RSPAMD_NO_ACTION), REPLY_NONE);
    assert_int_equal(said(SERVICE_MX, RSPAMD_GREYLIST), REPLY_NONE); /* nothing counts */
}

static void test_states(void **state)
{
    struct rspamd_report r = {.state = FILTER_ASKED};
    struct check_facts f = facts(SERVICE_MX, &r);
    struct check_verdict v = {0};
    (void)state;
    check_rspamd(&f, &v);
    assert_true(v.waits);
    r = (struct rspamd_report){.state = FILTER_DOWN, .why = "no connection"};
    v = (struct check_verdict){0};
    config.rspamd_when_down = WHEN_DOWN_DEFER;
    check_rspamd(&f, &v);
    assert_int_equal(v.reply, REPLY_message_rejected_temporarily);
    v = (struct check_verdict){0};
    config.rspamd_when_down = WHEN_DOWN_ACCEPT;
    check_rspamd(&f, &v);
    assert_int_equal(v.reply, REPLY_NONE);
    assert_int_equal(v.evidence.n, 1);
    r = (struct rspamd_report){.state = FILTER_NONE};
    v = (struct check_verdict){0};
    check_rspamd(&f, &v);
    assert_int_equal(v.reply, REPLY_NONE);
    assert_false(v.waits);
    f.rspamd = NULL;
    check_rspamd(&f, &v);
    assert_int_equal(v.reply, REPLY_NONE);
}

static struct rate_table *rates;

static bool deferred(uint64_t s, const char *ip)
{
    struct rspamd_report r = {.state = FILTER_ANSWERED,
                              .verdict = {.action = RSPAMD_GREYLIST}};
    struct check_facts f = facts(SERVICE_MX, &r);
    struct check_verdict v = {0};
    assert_true(ip_parse(slice_of(ip), &address));
    f.rates = rates;
    f.now_ms = (1000000 * 86400ULL / 100 + s) * 1000; /* whole days */
    check_rspamd(&f, &v);
    return v.reply == REPLY_content_suspicious_deferred;
}

static void test_greylist(void **state)
{
    static const uint64_t hash_key[2] = {1, 2};
    size_t octets = rate_size_for(1000);
    void *memory = aligned_alloc(4096, (octets + 4095) / 4096 * 4096);
    (void)state;
    assert_non_null(memory);
    memset(memory, 0, (octets + 4095) / 4096 * 4096);
    rates = rate_init(memory, octets, hash_key);
    assert_non_null(rates);
    assert_true(deferred(10, "192.0.2.1"));
    assert_true(deferred(12, "192.0.2.1"));    /* at once again */
    assert_false(deferred(200, "192.0.2.99")); /* from the same network */
    assert_false(deferred(201, "192.0.2.1"));
    assert_true(deferred(200, "192.0.3.1"));
    assert_true(deferred(200, "2001:db8::1"));
    assert_false(deferred(400, "2001:db8::2"));
    assert_true(deferred(400, "2001:db8:0:1::2"));
    assert_true(deferred(4 * 86400, "192.0.2.1")); /* forgotten */
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_actions),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_greylist),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
