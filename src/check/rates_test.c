/* check/rates_test.c - what a message is counted under, what is charged to whom, and the rows that
 * depend on authenticated domains. */
#include "check/rates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct config config = {
    .limits_network_ipv4 = 24,
    .limits_network_ipv6 = 64,
    .rate_evidence = 5,
    .rate_dkim_domain = {{2, 0, RATE_HOUR}, 2},
    .checks_flood_domain = CHECK_REJECT,
    .checks_reputation_domain = CHECK_REJECT,
};
static struct smtp_recipient rcpt = {.path = {.mailbox = SLICE_INIT("Alice@Example.Test"),
                                              .domain = SLICE_INIT("Example.Test")}};
static struct smtp_envelope envelope = {
    .sender = {.mailbox = SLICE_INIT("Ann@Client.Example"),
               .domain = SLICE_INIT("Client.Example")},
    .first = &rcpt,
    .recipient_n = 1};
static const struct check_auth auth = {
    .spf = SLICE_INIT("client.example"),
    .from = SLICE_INIT("from.example"),
    .dkim = {SLICE_INIT("one.example"), SLICE_INIT("two.example")},
    .dkim_n = 2,
};
static struct ip address;
static void *memory;

static struct check_facts facts(const struct check_auth *a)
{
    static const uint64_t hash_key[2] = {3, 4};
    size_t octets = rate_size_for(1000);
    free(memory);
    memory = aligned_alloc(4096, (octets + 4095) / 4096 * 4096);
    assert_non_null(memory);
    memset(memory, 0, octets);
    assert_true(ip_parse(SLICE("192.0.2.7"), &address));
    return (struct check_facts){.config = &config,
                                .service = SERVICE_MX,
                                .ip = SLICE("192.0.2.7"),
                                .address = &address,
                                .rates = rate_init(memory, octets, hash_key),
                                .now_ms = 1700000000000,
                                .envelope = &envelope,
                                .auth = a};
}

static struct rate_view view(const struct check_facts *f, enum rate_kind kind,
                             const char *name)
{
    struct rate_view v = {0};
    struct rate_key key = rate_key(f->rates, kind, slice_of(name));
    IGNORE(rate_read(f->rates, &key, f->now_ms * 1000, &v));
    return v;
}

static unsigned keys_in(const struct check_facts *f)
{
    struct rate_entry e;
    size_t at = 0;
    unsigned n = 0;
    while (rate_next(f->rates, &at, f->now_ms * 1000, &e)) {
        n++;
    }
    return n;
}

static void test_count(void **state)
{
    static const struct {
        enum rate_kind kind;
        const char *name;
    } keys[] = {
        {RATE_ip, "192.0.2.7"},
        {RATE_network, "192.0.2.0/24"},
        {RATE_sender, "ann@client.example"},
        {RATE_spf, "client.example"},
        {RATE_dkim, "one.example"},
        {RATE_dkim, "two.example"},
        {RATE_from, "from.example"},
        {RATE_rcpt, "alice@example.test"},
        {RATE_rcpt_domain, "example.test"},
    };
    (void)state;
    struct check_facts f = facts(&auth);
    rates_count(&f);
    rates_count(&f);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        assert_int_equal(view(&f, keys[i].kind, keys[i].name).count[RATE_HOUR], 2);
    }
    assert_int_equal(keys_in(&f), sizeof keys / sizeof keys[0]);
    assert_int_equal(view(&f, RATE_dkim, "two.example").good, 2);
}

/* Mail to one domain is limited whoever sends it, and connections by address and network. */
static void test_receiving(void **state)
{
    struct check_verdict v = {0};
    struct check_facts f = facts(&auth);
    char why[200];
    (void)state;
    fields_reset(&v.evidence);
    config.rate_rcpt_domain = (struct rate_bound){{2, 0, RATE_HOUR}, 2};
    config.rate_dkim_domain.least.count = 0;
    rates_count(&f);
    rates_count(&f);
    check_flood_domain(&f, &v);
    assert_int_equal(v.reply, REPLY_flood_rate_limited);
    config.rate_rcpt_domain.least.count = 0;
    config.rate_dkim_domain.least.count = 2;
    config.rate_connections = (struct rate_bound){{2, 0, RATE_MINUTE}, 2};
    config.rate_network_connections = (struct rate_bound){{3, 0, RATE_MINUTE}, 3};
    assert_false(rates_connected(&f, why, sizeof why));
    assert_false(rates_connected(&f, why, sizeof why));
    assert_true(rates_connected(&f, why, sizeof why));
    assert_non_null(
        strstr(why, "3 connections of 192.0.2.7 in the last minute, limit 2"));
    f.ip = SLICE("192.0.2.8");
    assert_false(rates_connected(&f, why, sizeof why));
    assert_true(rates_connected(&f, why, sizeof why));
    assert_non_null(strstr(why, "192.0.2.0/24"));
    f.service = SERVICE_SUBMISSION;
    assert_false(rates_connected(&f, why, sizeof why));
}

/* What a filter calls spam is no good sign though it was taken; a trap is worse than a mistake. */
static void test_junk(void **state)
{
    (void)state;
    struct check_facts f = facts(&auth);
    f.junk = true;
    rates_count(&f);
    assert_int_equal(view(&f, RATE_dkim, "one.example").bad, 1);
    assert_int_equal(view(&f, RATE_dkim, "one.example").good, 0);
    assert_int_equal(view(&f, RATE_ip, "192.0.2.7").count[RATE_HOUR], 1);
    rates_trapped(&f);
    assert_int_equal(view(&f, RATE_ip, "192.0.2.7").bad, 6);
    assert_int_equal(view(&f, RATE_network, "192.0.2.0/24").bad, 6);
}

/* Nobody's domain is charged with what only claims to come from it. */
static void test_forged(void **state)
{
    (void)state;
    struct check_facts f = facts(NULL);
    rates_count(&f);
    assert_int_equal(view(&f, RATE_sender, "ann@client.example").count[RATE_HOUR], 0);
    assert_int_equal(
        view(&f, RATE_sender, "ann@client.example192.0.2.0/24").count[RATE_HOUR], 0);
    assert_int_equal(
        view(&f, RATE_sender, "ann@client.example 192.0.2.0/24").count[RATE_HOUR], 1);
    assert_int_equal(keys_in(&f), 5);
    rates_refused(&f, REPLY_content_security_block);
    assert_int_equal(view(&f, RATE_spf, "client.example").bad, 0);
    assert_int_equal(view(&f, RATE_ip, "192.0.2.7").bad, 2);
}

static void test_exempt(void **state)
{
    struct net own;
    (void)state;
    struct check_facts f = facts(&auth);
    assert_int_equal(net_parse(SLICE("192.0.2.0/28"), &own), NET_OK);
    config.rate_exempt_networks = (struct netset){.net = &own, .n = 1};
    rates_count(&f);
    rates_refused(&f, REPLY_rcpt_mailbox_unknown);
    assert_int_equal(keys_in(&f), 0);
    config.rate_exempt_networks = (struct netset){0};
    f.service = SERVICE_SUBMISSION;
    f.login = SLICE("Ann");
    envelope.recipient_n = 7;
    rates_count(&f);
    assert_int_equal(view(&f, RATE_login, "ann").count[RATE_DAY], 7);
    assert_int_equal(keys_in(&f), 1);
    envelope.recipient_n = 1;
}

static void test_signs(void **state)
{
    (void)state;
    struct check_facts f = facts(&auth);
    rates_refused(&f, REPLY_rcpt_mailbox_unknown);
    assert_int_equal(view(&f, RATE_ip, "192.0.2.7").bad, 1);
    assert_int_equal(view(&f, RATE_network, "192.0.2.0/24").bad, 1);
    assert_int_equal(view(&f, RATE_dkim, "one.example").bad, 0);
    rates_refused(&f, REPLY_content_security_block);
    assert_int_equal(view(&f, RATE_dkim, "one.example").bad, 2);
    assert_false(rates_waits(&f));
    rates_refused(&f, REPLY_reputation_ip_reject);
    rates_refused(&f, REPLY_flood_ip_rate_limited);
    assert_int_equal(view(&f, RATE_ip, "192.0.2.7").bad, 3);
    assert_true(rates_waits(&f));
    f.now_ms += (RATES_REFUSED_S - 1) * 1000;
    assert_true(rates_waits(&f));
    f.now_ms += 1000;
    assert_false(rates_waits(&f));
    f.service = SERVICE_RELAY;
    rates_refused(&f, REPLY_flood_ip_rate_limited);
    f.service = SERVICE_MX;
    assert_false(rates_waits(&f));
    rates_refused(&f, REPLY_rcpt_rate_limit_temporary); /* the mailbox's limit */
    assert_false(rates_waits(&f));
}

static void test_flood_domain(void **state)
{
    (void)state;
    struct check_facts f = facts(&auth);
    for (unsigned i = 0; i < 2; i++) {
        struct check_verdict v = {.reply = REPLY_NONE};
        check_flood_domain(&f, &v);
        assert_int_equal(v.reply, REPLY_NONE);
        rates_count(&f);
    }
    struct check_verdict v = {.reply = REPLY_NONE};
    check_flood_domain(&f, &v);
    assert_int_equal(v.reply, REPLY_flood_dkim_domain_rate_limited);
    assert_true(slice_eq(v.key, SLICE("one.example")));
    assert_true(view(&f, RATE_dkim, "one.example").limited_until_s > f.now_ms / 1000);
    config.rate_dkim_domain = (struct rate_bound){0};
    config.rate_spf_domain = (struct rate_bound){{2, 0, RATE_DAY}, 2};
    v = (struct check_verdict){.reply = REPLY_NONE};
    check_flood_domain(&f, &v);
    assert_int_equal(v.reply, REPLY_flood_spf_domain_rate_limited);
    config.rate_spf_domain = (struct rate_bound){0};
    config.rate_from_domain = (struct rate_bound){{2, 0, RATE_DAY}, 2};
    v = (struct check_verdict){.reply = REPLY_NONE};
    check_flood_domain(&f, &v);
    assert_int_equal(v.reply, REPLY_flood_rate_limited);
    f.auth = NULL;
    v = (struct check_verdict){.reply = REPLY_NONE};
    check_flood_domain(&f, &v);
    assert_int_equal(v.reply, REPLY_NONE);
    config.rate_from_domain = (struct rate_bound){0};
    config.rate_dkim_domain = (struct rate_bound){{2, 0, RATE_HOUR}, 2};
}

/* A number of its own for one key, with a burst or none at all; others keep theirs. */
static void test_exception(void **state)
{
    static const char *const texts[] = {"dkim-domain two.example off",
                                        "dkim-domain one.example 10/hour burst 3",
                                        "rcpt example.test 1/day"};
    struct config_limits list = {.item = NULL};
    struct slice limit = SLICE("");
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_null(limits_add(&list, slice_of(texts[i])));
    }
    config.limits = limits_index_new(&list);
    assert_non_null(config.limits);
    struct check_facts f = facts(&auth);
    for (unsigned i = 0; i < 3; i++) {
        struct check_verdict v = {.reply = REPLY_NONE};
        check_flood_domain(&f, &v);
        assert_int_equal(v.reply, REPLY_NONE);
        rates_count(&f);
    }
    struct check_verdict v = {.reply = REPLY_NONE};
    check_flood_domain(&f, &v);
    assert_int_equal(v.reply, REPLY_flood_dkim_domain_rate_limited);
    assert_true(slice_eq(v.key, SLICE("one.example")));
    assert_true(fields_get(&v.evidence, SLICE("limit"), &limit));
    assert_true(slice_eq(limit, SLICE("3")));
    f.now_ms += 6 * 60000; /* a tenth of an hour: one more */
    v = (struct check_verdict){.reply = REPLY_NONE};
    check_flood_domain(&f, &v);
    assert_int_equal(v.reply, REPLY_NONE);
    f.rcpt = &rcpt.path;
    config.rate_rcpt = (struct rate_bound){{1000, 0, RATE_DAY}, 1000};
    v = (struct check_verdict){.reply = REPLY_NONE};
    check_rcpt_rate(&f, &v);
    assert_int_equal(v.reply, REPLY_rcpt_rate_limit_temporary);
    limits_index_free(&config.limits);
    v = (struct check_verdict){.reply = REPLY_NONE};
    check_rcpt_rate(&f, &v);
    assert_int_equal(v.reply, REPLY_NONE);
    limits_clear(&list);
}

static void test_reputation_domain(void **state)
{
    (void)state;
    struct check_facts f = facts(&auth);
    for (unsigned i = 0; i < 5; i++) { /* 10 bad signs: twice the evidence */
        struct check_verdict v = {.reply = REPLY_NONE};
        check_reputation_domain(&f, &v);
        assert_int_equal(v.reply, REPLY_NONE);
        rates_refused(&f, REPLY_content_security_block);
    }
    struct check_verdict v = {.reply = REPLY_NONE};
    check_reputation_domain(&f, &v);
    assert_int_equal(v.reply, REPLY_reputation_domain_reject);
    assert_int_equal(v.slow, REPLY_reputation_domain_deferred);
    f.auth = NULL;
    v = (struct check_verdict){.reply = REPLY_NONE};
    check_reputation_domain(&f, &v);
    assert_int_equal(v.reply, REPLY_NONE);
}

/* Keys made once and kept give what keys made each time give, and are forgotten with the message. */
static void test_memo(void **state)
{
    (void)state;
    static struct rates_memo memo;
    struct check_auth other = auth;
    struct check_facts f = facts(&auth);
    struct rates_key plain, kept, again;
    rates_count(&f);
    for (unsigned kind = 0; kind < RATE_KIND_COUNT; kind++) {
        for (unsigned nth = 0; nth < 3; nth++) {
            f.memo = NULL;
            bool there = rates_key(&f, (enum rate_kind)kind, nth, &plain);
            f.memo = &memo;
            rates_memo_begin(&memo, &f);
            assert_true(rates_key(&f, (enum rate_kind)kind, nth, &kept) == there);
            assert_true(rates_key(&f, (enum rate_kind)kind, nth, &again) == there);
            if (there) {
                assert_true(kept.key.tag == plain.key.tag &&
                            again.key.tag == plain.key.tag);
                assert_true(slice_eq(kept.key.name, plain.key.name) &&
                            slice_eq(again.key.name, plain.key.name));
                struct rate_view v = rates_view(&f, &again), w = rates_view(&f, &again);
                assert_memory_equal(&v, &w, sizeof v);
                assert_int_equal(v.count[RATE_HOUR],
                                 view(&f, (enum rate_kind)kind,
                                      check_text(&(struct check_verdict){0}, "%.*s",
                                                 (int)plain.key.name.len,
                                                 (const char *)plain.key.name.ptr))
                                     .count[RATE_HOUR]);
            }
        }
    }
    rates_memo_begin(&memo, &f);
    assert_true(rates_key(&f, RATE_spf, 0, &kept));
    other.spf = SLICE("else.example");
    f.auth = &other;
    rates_memo_begin(&memo, &f);
    assert_true(rates_key(&f, RATE_spf, 0, &kept));
    assert_true(slice_eq(kept.key.name, SLICE("else.example")));
    rates_count(&f); /* with all keys kept, or made as they are needed */
    assert_int_equal(view(&f, RATE_ip, "192.0.2.7").count[RATE_HOUR], 2);
    assert_int_equal(view(&f, RATE_spf, "else.example").count[RATE_HOUR], 1);
    assert_int_equal(view(&f, RATE_dkim, "two.example").count[RATE_HOUR], 2);
}

static int teardown(void **state)
{
    (void)state;
    free(memory);
    memory = NULL;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_count),        cmocka_unit_test(test_receiving),
        cmocka_unit_test(test_junk),         cmocka_unit_test(test_forged),
        cmocka_unit_test(test_exempt),       cmocka_unit_test(test_signs),
        cmocka_unit_test(test_flood_domain), cmocka_unit_test(test_reputation_domain),
        cmocka_unit_test(test_memo),         cmocka_unit_test(test_exception),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
