/* check/complaint_test.c - whom a complaint is held against. */
#include "check/complaint.h"

#include <setjmp.h>
#include <stdarg.h>
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
    return complaint_sign(&config, table, slice_of(header), wanted, 1700000000000000);
}

#define FRONT "Return-Path: <ann@client.example>\nDelivered-To: alice@example.test\n"
#define RESULTS                                                                          \
    "Authentication-Results: mx.example.test;\n"                                         \
    "\tspf=pass (it; spf=pass smtp.mailfrom=x@forged.example) "                          \
    "smtp.mailfrom=Ann@client.example;\n"                                                \
    "\tdkim=fail header.d=bad.example;\n\tdkim=pass header.d=News.example;\n"            \
    "\tdmarc=pass header.from=mail.shop.co.uk\n"
#define RECEIVED                                                                         \
    "Received: from client.example ([192.0.2.7])\n\tby mx.example.test (Postern) with "  \
    "ESMTP\n\tid x; Sun, 22 Nov 2026 12:00:00 +0000\n"
#define FORGED                                                                           \
    "Authentication-Results: mx.example.test; spf=pass "                                 \
    "smtp.mailfrom=x@victim.example\n"

static void test_whom(void **state)
{
    (void)state;
    assert_true(complain(FRONT RESULTS RECEIVED FORGED "From: a@b\n\nbody\n", false));
    assert_int_equal(bad(RATE_ip, "192.0.2.7"), COMPLAINT_WEIGHT);
    assert_int_equal(bad(RATE_network, "192.0.2.0/24"), COMPLAINT_WEIGHT);
    assert_int_equal(bad(RATE_spf, "client.example"), COMPLAINT_WEIGHT);
    assert_int_equal(bad(RATE_sender, "ann@client.example"), COMPLAINT_WEIGHT);
    assert_int_equal(bad(RATE_dkim, "news.example"), COMPLAINT_WEIGHT);
    assert_int_equal(bad(RATE_from, "shop.co.uk"), COMPLAINT_WEIGHT);
    assert_int_equal(bad(RATE_dkim, "bad.example"), 0);
    assert_int_equal(bad(RATE_spf, "forged.example"), 0);
    assert_int_equal(bad(RATE_spf, "victim.example"), 0);
    /* taken back */
    assert_true(complain(FRONT RESULTS RECEIVED "\n", true));
    struct rate_view v = {0};
    struct rate_key key = rate_key(table, RATE_dkim, SLICE("news.example"));
    assert_true(rate_read(table, &key, 1700000000000000, &v));
    assert_int_equal(v.good, COMPLAINT_WEIGHT);
}

static void test_nobody(void **state)
{
    (void)state;
    assert_false(complain(FRONT RECEIVED "\n", false)); /* a user's own mail */
    assert_false(complain(FRONT RESULTS "\n", false));
    assert_false(complain(FRONT "X-Spam-Flag: YES\n" RESULTS RECEIVED "\n", false));
    assert_false(complain(
        "Authentication-Results: other.example; spf=pass\n" RECEIVED "\n", false));
    assert_false(complain("", false));
    assert_int_equal(bad(RATE_ip, "192.0.2.7"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whom, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
