/* dns/name_test.c */
#include "dns/name.h"

#include "dns/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_ok(void **state)
{
    char long_name[2 * DNS_NAME_MAX];
    (void)state;
    assert_true(dns_name_ok(SLICE("")));
    assert_true(dns_name_ok(SLICE("a")));
    assert_true(dns_name_ok(SLICE("a.b-c._d")));
    assert_true(dns_name_ok(SLICE("a b\0.c")));
    assert_false(dns_name_ok(SLICE(".")));
    assert_false(dns_name_ok(SLICE("a.")));
    assert_false(dns_name_ok(SLICE(".a")));
    assert_false(dns_name_ok(SLICE("a..b")));
    memset(long_name, 'x', sizeof long_name);
    assert_true(dns_name_ok((struct slice){(unsigned char *)long_name, DNS_LABEL_MAX}));
    assert_false(
        dns_name_ok((struct slice){(unsigned char *)long_name, DNS_LABEL_MAX + 1}));
    for (size_t i = 9; i < sizeof long_name; i += 10) {
        long_name[i] = '.';
    }
    assert_true(dns_name_ok((struct slice){(unsigned char *)long_name, DNS_NAME_MAX}));
    assert_false(
        dns_name_ok((struct slice){(unsigned char *)long_name, DNS_NAME_MAX + 1}));
}

static void test_below(void **state)
{
    (void)state;
    assert_true(dns_name_below(SLICE("a.Example"), SLICE("example")));
    assert_true(dns_name_below(SLICE("example"), SLICE("example")));
    assert_true(dns_name_below(SLICE("a"), SLICE("")));
    assert_true(dns_name_below(SLICE(""), SLICE("")));
    assert_false(dns_name_below(SLICE("aexample"), SLICE("example")));
    assert_false(dns_name_below(SLICE("example"), SLICE("a.example")));
}

static void test_reverse(void **state)
{
    static const struct {
        const char *ip, *name, *listed;
    } cases[] = {
        {"192.0.2.99", "99.2.0.192.in-addr.arpa", "99.2.0.192.bl.example"},
        {"::ffff:10.0.0.255", "255.0.0.10.in-addr.arpa", "255.0.0.10.bl.example"},
        {"2001:db8::567:89ab",
         "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
         "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
         "f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.ip6.arpa",
         "f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.f.bl.example"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[DNS_REVERSE_MAX];
        char listed[DNS_LISTED_MAX];
        struct ip ip;
        assert_true(ip_parse(slice_of(cases[i].ip), &ip));
        assert_true(slice_eq(dns_reverse_name(&ip, name), slice_of(cases[i].name)));
        assert_true(slice_eq(dns_listed_name(&ip, SLICE("bl.example"), listed),
                             slice_of(cases[i].listed)));
    }
    struct ip ip;
    char listed[DNS_LISTED_MAX];
    unsigned char zone[DNS_NAME_MAX];
    memset(zone, 'z', sizeof zone);
    assert_true(ip_parse(SLICE("192.0.2.1"), &ip));
    assert_int_equal(
        dns_listed_name(&ip, (struct slice){zone, DNS_NAME_MAX - 10}, listed).len,
        DNS_NAME_MAX);
    assert_int_equal(
        dns_listed_name(&ip, (struct slice){zone, DNS_NAME_MAX - 9}, listed).len, 0);
}

static void test_types(void **state)
{
    char text[DNS_TYPE_TEXT_MAX];
    (void)state;
    assert_true(slice_eq(dns_type_text(DNS_AAAA, text), SLICE("AAAA")));
    assert_true(slice_eq(dns_type_text(99, text), SLICE("TYPE99")));
    assert_true(slice_eq(dns_type_text(65535, text), SLICE("TYPE65535")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ok),
        cmocka_unit_test(test_below),
        cmocka_unit_test(test_reverse),
        cmocka_unit_test(test_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
