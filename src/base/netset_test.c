/* base/netset_test.c - networks: text forms, families, matching. */
#include "base/netset.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_parse(void **state)
{
    (void)state;
    static const struct {
        struct slice in;
        enum net_error error;
        const char *text;
    } cases[] = {
        {SLICE_INIT("192.0.2.0/24"), NET_OK, "192.0.2.0/24"},
        {SLICE_INIT("192.0.2.1"), NET_OK, "192.0.2.1"},
        {SLICE_INIT("192.0.2.1/32"), NET_OK, "192.0.2.1"},
        {SLICE_INIT("0.0.0.0/0"), NET_OK, "0.0.0.0/0"},
        {SLICE_INIT("10.0.0.0/9"), NET_OK, "10.0.0.0/9"},
        {SLICE_INIT("2001:DB8::/32"), NET_OK, "2001:db8::/32"},
        {SLICE_INIT("2001:db8::1"), NET_OK, "2001:db8::1"},
        {SLICE_INIT("2001:db8::/127"), NET_OK, "2001:db8::/127"},
        {SLICE_INIT("2001:db8::/100"), NET_OK, "2001:db8::/100"},
        {SLICE_INIT("::/0"), NET_OK, "::/0"},
        {SLICE_INIT("::1/128"), NET_OK, "::1"},
        {SLICE_INIT("::ffff:192.0.2.0/120"), NET_OK, "192.0.2.0/24"},
        {SLICE_INIT("192.0.2.1/24"), NET_HOST_BITS, "192.0.2.0/24"},
        {SLICE_INIT("192.0.2.128/24"), NET_HOST_BITS, "192.0.2.0/24"},
        {SLICE_INIT("2001:db8::1/127"), NET_HOST_BITS, "2001:db8::/127"},
        {SLICE_INIT("192.0.2.0/33"), NET_BAD_PREFIX, NULL},
        {SLICE_INIT("2001:db8::/129"), NET_BAD_PREFIX, NULL},
        {SLICE_INIT("192.0.2.0/"), NET_BAD_PREFIX, NULL},
        {SLICE_INIT("192.0.2.0/ 24"), NET_BAD_PREFIX, NULL},
        {SLICE_INIT("192.0.2.0/0024"), NET_BAD_PREFIX, NULL},
        {SLICE_INIT("192.0.2.0/24/24"), NET_BAD_PREFIX, NULL},
        {SLICE_INIT("192.0.2"), NET_BAD_ADDRESS, NULL},
        {SLICE_INIT("192.0.2.256"), NET_BAD_ADDRESS, NULL},
        {SLICE_INIT("192.0.2.01"), NET_BAD_ADDRESS, NULL},
        {SLICE_INIT("[::1]"), NET_BAD_ADDRESS, NULL},
        {SLICE_INIT("fe80::1%lo"), NET_BAD_ADDRESS, NULL},
        {SLICE_INIT(""), NET_BAD_ADDRESS, NULL},
        {SLICE_INIT("/8"), NET_BAD_ADDRESS, NULL},
        {SLICE_INIT("192.0.2.1\0"), NET_BAD_ADDRESS, NULL},
        {SLICE_INIT("localhost"), NET_BAD_ADDRESS, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct net net;
        char text[NET_TEXT_MAX];
        assert_int_equal(net_parse(cases[i].in, &net), cases[i].error);
        if (cases[i].text != NULL) {
            assert_true(slice_eq(net_text(&net, text), slice_of(cases[i].text)));
            assert_string_equal(text, cases[i].text);
        }
    }
}

static void test_has(void **state)
{
    (void)state;
    static const struct {
        const char *net, *ip;
        bool has;
    } cases[] = {
        {"192.0.2.0/24", "192.0.2.0", true},
        {"192.0.2.0/24", "192.0.2.255", true},
        {"192.0.2.0/24", "::ffff:192.0.2.7", true},
        {"192.0.2.0/24", "192.0.3.0", false},
        {"192.0.2.0/24", "::192.0.2.7", false},
        {"192.0.2.0/23", "192.0.3.255", true},
        {"192.0.2.0/23", "192.0.4.0", false},
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.0", false},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "203.0.113.9", false},
        {"::/0", "::ffff:203.0.113.9", false},
        {"::ffff:0:0/96", "203.0.113.9", true},
        {"2001:db8::/32", "2001:db8:ffff::1", true},
        {"2001:db8::/32", "2001:db9::", false},
        {"2001:db8::/33", "2001:db8:8000::", false},
        {"2001:db8::1", "2001:db8::1", true},
        {"2001:db8::1", "2001:db8::2", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct net net;
        struct ip ip;
        assert_int_equal(net_parse(slice_of(cases[i].net), &net), NET_OK);
        assert_true(ip_parse(slice_of(cases[i].ip), &ip));
        if (net_has(&net, &ip) != cases[i].has) {
            fail_msg("%s has %s", cases[i].net, cases[i].ip);
        }
    }
}

/* Each prefix length holds exactly the addresses that agree in its bits. */
static void test_every_prefix(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits <= 128; bits++) {
        struct net net = {.bits = (uint8_t)bits};
        net.ip.octet[0] = 0x20; /* not in the mapped range */
        if (bits < 3) {
            net.ip.octet[0] = 0;
        }
        for (unsigned flip = 3; flip < 128; flip++) {
            struct ip ip = net.ip;
            ip.octet[flip / 8] ^= (unsigned char)(0x80U >> flip % 8);
            assert_int_equal(net_has(&net, &ip), flip >= bits);
        }
    }
}

static void test_set_and_sockaddr(void **state)
{
    (void)state;
    struct netset set;
    struct net net;
    struct ip ip;
    netset_init(&set, 2);
    assert_int_equal(net_parse(SLICE("127.0.0.0/8"), &net), NET_OK);
    assert_true(netset_add(&set, &net));
    assert_int_equal(net_parse(SLICE("2001:db8::/32"), &net), NET_OK);
    assert_true(netset_add(&set, &net));
    assert_false(netset_add(&set, &net));

    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
                               .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr other = {.sa_family = AF_UNIX};
    assert_true(ip_of_sockaddr((struct sockaddr *)&in, &ip));
    assert_true(netset_has(&set, &ip));
    assert_true(ip_of_sockaddr((struct sockaddr *)&in6, &ip));
    assert_false(netset_has(&set, &ip));
    assert_int_equal(inet_pton(AF_INET6, "::ffff:127.0.0.2", &in6.sin6_addr), 1);
    assert_true(ip_of_sockaddr((struct sockaddr *)&in6, &ip));
    assert_true(netset_has(&set, &ip));
    assert_false(ip_of_sockaddr(&other, &ip));
    netset_clear(&set);
    assert_false(netset_has(&set, &ip));
}

static void test_around(void **state)
{
    static const struct {
        const char *ip;
        uint8_t bits;
        const char *net;
    } cases[] = {{"192.0.2.77", 120, "192.0.2.0/24"},
                 {"192.0.2.77", 128, "192.0.2.77"},
                 {"2001:db8:1:2:3::4", 64, "2001:db8:1:2::/64"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[NET_TEXT_MAX];
        struct ip ip;
        assert_true(ip_parse(slice_of(cases[i].ip), &ip));
        struct net net = net_around(&ip, cases[i].bits);
        assert_true(slice_eq(net_text(&net, text), slice_of(cases[i].net)));
        assert_true(net_has(&net, &ip));
    }
}

static void test_inner(void **state)
{
    (void)state;
    static const struct {
        const char *ip, *is;
    } cases[] = {
        {"0.0.0.0", "unspecified"},
        {"0.255.255.255", "unspecified"},
        {"1.0.0.0", NULL},
        {"9.255.255.255", NULL},
        {"10.0.0.1", "private"},
        {"11.0.0.0", NULL},
        {"100.63.255.255", NULL},
        {"100.64.0.0", "shared"},
        {"100.127.255.255", "shared"},
        {"100.128.0.0", NULL},
        {"126.255.255.255", NULL},
        {"127.0.0.1", "loopback"},
        {"127.255.255.255", "loopback"},
        {"128.0.0.0", NULL},
        {"169.253.255.255", NULL},
        {"169.254.169.254", "link-local"},
        {"169.255.0.0", NULL},
        {"172.15.255.255", NULL},
        {"172.16.0.0", "private"},
        {"172.31.255.255", "private"},
        {"172.32.0.0", NULL},
        {"192.0.0.8", "reserved"},
        {"192.0.2.1", NULL},
        {"192.167.255.255", NULL},
        {"192.168.3.4", "private"},
        {"192.169.0.0", NULL},
        {"198.17.255.255", NULL},
        {"198.18.0.1", "benchmarking"},
        {"198.19.255.255", "benchmarking"},
        {"198.20.0.0", NULL},
        {"223.255.255.255", NULL},
        {"224.0.0.1", "multicast"},
        {"239.1.1.1", "multicast"},
        {"240.0.0.1", "reserved"},
        {"255.255.255.255", "reserved"},
        {"8.8.8.8", NULL},
        {"::", "unspecified"},
        {"::1", "loopback"},
        {"::2", "unspecified"},
        {"::127.0.0.1", "unspecified"},
        {"::ffff:127.0.0.1", "loopback"},
        {"::ffff:8.8.8.8", NULL},
        {"fbff::1", NULL},
        {"fc00::1", "private"},
        {"fdff::1", "private"},
        {"fe7f::1", NULL},
        {"fe80::1", "link-local"},
        {"febf::1", "link-local"},
        {"fec0::1", "site-local"},
        {"ff02::1", "multicast"},
        {"64:ff9b::127.0.0.1", "loopback"},
        {"64:ff9b::8.8.8.8", NULL},
        {"64:ff9b:1::8.8.8.8", "private"},
        {"2002:a00:1::", "private"},
        {"2002:808:808::1", NULL},
        {"2001:db8::1", NULL},
        {"2606:4700::1", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ip ip;
        assert_true(ip_parse(slice_of(cases[i].ip), &ip));
        const char *is = ip_inner(&ip);
        if ((is == NULL) != (cases[i].is == NULL) ||
            (is != NULL && strcmp(is, cases[i].is) != 0)) {
            fail_msg("%s: %s", cases[i].ip, is == NULL ? "of the Internet" : is);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_around),       cmocka_unit_test(test_inner),
        cmocka_unit_test(test_parse),        cmocka_unit_test(test_has),
        cmocka_unit_test(test_every_prefix), cmocka_unit_test(test_set_and_sockaddr),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
