/* check/complaint_test.c - whom a complaint is held against. */
#include "check/complaint.h"

#include "check/rates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct config config;
static struct rate_table *table;
static void *memory;

static int setup(void **state)
{
    static const uint64_t hash_key[2] = {3, 4};
    static char hostname[] = "mx.example.test";
    size_t octets = rate_size_for(1000);
    (void)state;
    octets = (octets + 4095) / 4096 * 4096;
    memory = aligned_alloc(4096, octets);
    if (memory == NULL) {
        return 1;
    }
    memset(memory, 0, octets);
    table = rate_init(memory, octets, hash_key);
    config.hostname = hostname;
    config.limits_network_ipv4 = 24;
    config.limits_network_ipv6 = 64;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(memory);
    return 0;
}

static uint64_t bad(enum rate_kind kind, const char *name)
{
    struct rate_view v = {0};
    struct rate_key key = rate_key(table, kind, slice_of(name));
    return rate_read(table, &key, 1700000000000000, &v) ? v.bad : 0;
}

static bool complain(const char *header, bool wanted)
{
    return complaint_sign(&config, table, slice_of(header), wanted, 1700000000000000) ==
           COMPLAINT_TAKEN;
}

/* That a message came, with what we found out of it. */
static void came(const char *message_id, const char *ip, const char *spf,
                 const char *dkim)
{
    struct rate_key key = rate_key(table, RATE_message_id, slice_of(message_id));
    struct slice domain = slice_of(dkim);
    assert_true(rate_add(table, &key, 1, NULL, 1700000000000000, NULL));
    rate_note(table, &key, rates_origin(table, slice_of(ip), slice_of(spf), &domain, 1));
}

#define FRONT "Return-Path: <ann@client.example>\nDelivered-To: alice@example.test\n"
#define RESULTS                                                                          \
    "Authentication-Results: mx.example.test;\n"                                         \
    "\tspf=pass (it; spf=pass smtp.mailfrom=x@forged.example) "                          \
    "smtp.mailfrom=Ann@client.example;\n"                                                \
    "\tdkim=fail header.d=bad.example;\n\tdkim=pass header.d=News.Shop.co.uk;\n"         \
    "\tdmarc=pass header.from=mail.shop.co.uk\n"
#define RECEIVED                                                                         \
    "Received: from client.example ([192.0.2.7])\n\tby mx.example.test (Postern) with "  \
    "ESMTP\n\tid x; Sun, 22 Nov 2026 12:00:00 +0000\n"
#define ID "Message-ID: <One@client.example>\n"
#define FORGED                                                                           \
    "Authentication-Results: mx.example.test; spf=pass "                                 \
    "smtp.mailfrom=x@victim.example\n"

static void test_whom(void **state)
{
    (void)state;
    came("<one@client.example>", "192.0.2.7", "client.example", "news.shop.co.uk");
    assert_true(complain(FRONT RESULTS RECEIVED FORGED ID "From: a@b\n\nbody\n", false));
    assert_int_equal(bad(RATE_ip, "192.0.2.7"), COMPLAINT_WEIGHT);
    assert_int_equal(bad(RATE_network, "192.0.2.0/24"), COMPLAINT_WEIGHT);
    assert_int_equal(bad(RATE_spf, "client.example"), COMPLAINT_WEIGHT);
    assert_int_equal(bad(RATE_sender, "ann@client.example"), COMPLAINT_WEIGHT);
    assert_int_equal(bad(RATE_dkim, "news.shop.co.uk"), COMPLAINT_WEIGHT);
    assert_int_equal(bad(RATE_from, "shop.co.uk"), COMPLAINT_WEIGHT);
    assert_int_equal(bad(RATE_dkim, "bad.example"), 0);
    assert_int_equal(bad(RATE_spf, "forged.example"), 0);
    assert_int_equal(bad(RATE_spf, "victim.example"), 0);
    /* taken back */
    assert_true(complain(FRONT RESULTS RECEIVED ID "\n", true));
    struct rate_view v = {0};
    struct rate_key key = rate_key(table, RATE_dkim, SLICE("news.shop.co.uk"));
    assert_true(rate_read(table, &key, 1700000000000000, &v));
    assert_int_equal(v.good, COMPLAINT_WEIGHT);
}

static void test_nobody(void **state)
{
    (void)state;
    came("<one@client.example>", "192.0.2.7", "client.example", "news.shop.co.uk");
    assert_false(complain(FRONT RECEIVED ID "\n", false)); /* a user's own mail */
    assert_false(complain(FRONT RESULTS ID "\n", false));
    assert_false(complain(FRONT "X-Spam-Flag: YES\n" RESULTS RECEIVED ID "\n", false));
    assert_false(complain(
        "Authentication-Results: other.example; spf=pass\n" RECEIVED ID "\n", false));
    assert_false(complain("", false));
    assert_int_equal(bad(RATE_ip, "192.0.2.7"), 0);
}

/* What a server that we forwarded to put above our fields does not matter. */
static void test_forwarded(void **state)
{
    static const char above[] =
        "Authentication-Results: mail.downstream.example; spf=pass "
        "smtp.mailfrom=x@victim.example\n"
        "Received: from mx.example.test ([198.51.100.9])\n\tby mail.downstream.example "
        "with ESMTP; Sun, 22 Nov 2026 12:00:01 +0000\n";
    char header[4096];
    (void)state;
    came("<one@client.example>", "192.0.2.7", "client.example", "news.shop.co.uk");
    (void)snprintf(header, sizeof header, "%s%s", above, RESULTS RECEIVED FORGED ID "\n");
    assert_true(complain(header, false));
    assert_int_equal(bad(RATE_ip, "192.0.2.7"), COMPLAINT_WEIGHT);
    assert_int_equal(bad(RATE_dkim, "news.shop.co.uk"), COMPLAINT_WEIGHT);
    assert_int_equal(bad(RATE_ip, "198.51.100.9"), 0);
    assert_int_equal(bad(RATE_spf, "victim.example"), 0);
    (void)snprintf(header, sizeof header, "%s%s", RESULTS, above);
    assert_false(complain(header, false)); /* ours, but not above our own Received */
}

/* Fields of anybody's making harm nobody: that message never came, or not so. */
static void test_forged(void **state)
{
#define RECEIVED_FROM(ip)                                                                \
    "Received: from x ([" ip "])\n\tby mx.example.test (Postern) with ESMTP\n\tid x; "   \
    "Sun, 22 Nov 2026 12:00:00 +0000\n"
#define SAYS(what) "Authentication-Results: mx.example.test; " what "\n"
    static const char *const headers[] = {
        RESULTS RECEIVED "Message-ID: <two@client.example>\n\n",
        RESULTS RECEIVED "\n",
        RESULTS RECEIVED_FROM("198.51.100.1") ID "\n",
        SAYS("spf=pass smtp.mailfrom=a@client.example") RECEIVED ID "\n",
        SAYS("spf=pass smtp.mailfrom=a@client.example; dkim=pass header.d=victim.example")
            RECEIVED ID "\n",
        SAYS("spf=pass smtp.mailfrom=a@victim.example; dkim=pass "
             "header.d=news.shop.co.uk") RECEIVED ID "\n",
        SAYS("spf=pass smtp.mailfrom=a@client.example; dkim=pass "
             "header.d=news.shop.co.uk; dkim=pass header.d=victim.example") RECEIVED ID
        "\n",
    };
    (void)state;
    came("<one@client.example>", "192.0.2.7", "client.example", "news.shop.co.uk");
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        if (complain(headers[i], false)) {
            fail_msg("%zu was taken", i);
        }
    }
    assert_int_equal(bad(RATE_ip, "192.0.2.7"), 0);
    /* DMARC cannot name one that neither SPF nor DKIM vouches for. */
    assert_true(complain(SAYS("spf=pass smtp.mailfrom=a@client.example; dkim=pass "
                              "header.d=news.shop.co.uk; dmarc=pass "
                              "header.from=victim.example") RECEIVED ID "\n",
                         false));
    assert_int_equal(bad(RATE_from, "victim.example"), 0);
    assert_int_equal(bad(RATE_ip, "192.0.2.7"), COMPLAINT_WEIGHT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whom, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forwarded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forged, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
