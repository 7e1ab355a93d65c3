/* content/links_test.c - hosts once each, registered domains */
#include "content/links.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void test_domains(void **state)
{
    static const struct {
        const char *host, *domain;
    } cases[] = {
        {"www.example.com", "example.com"},
        {"example.com", "example.com"},
        {"a.b.example.co.uk", "example.co.uk"},
        {"co.uk", "co.uk"},
        {"user.github.io", "user.github.io"},
        {"localhost", "localhost"},
        {"192.0.2.1", "192.0.2.1"},
        {"[2001:db8::1]", "[2001:db8::1]"},
        {"www.xn--bcher-kva.example", "xn--bcher-kva.example"},
    };
    struct links l;
    (void)state;
    links_init(&l);
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            links_add(&l, SLICE("http://x"), slice_of(cases[i].host));
        }
    }
    assert_int_equal(l.n, sizeof cases / sizeof cases[0]);
    assert_int_equal(l.total, 2 * l.n);
    for (unsigned i = 0; i < l.n; i++) {
        assert_true(slice_eq(links_host(&l, i), slice_of(cases[i].host)));
        assert_true(slice_eq(links_domain(&l, i), slice_of(cases[i].domain)));
        assert_true(slice_eq(links_url(&l, i), SLICE("http://x")));
    }
    for (unsigned i = 0; i < LINKS_MAX; i++) {
        char host[32];
        (void)snprintf(host, sizeof host, "h%u.example", i);
        links_add(&l, slice_of(host), slice_of(host));
    }
    assert_int_equal(l.n, LINKS_MAX);
    assert_true(l.dropped);
    links_clear(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_domains)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
