/* delivery/site_names_test.c - which line names which site, as a table. */
#include "delivery/site_names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const char *const lines[] = {"domain google.com 1/minute",
                                    "site big.example 600/hour",
                                    "site *.wild.example 5/hour burst 3",
                                    "site hosted.example off",
                                    "account * 7/day",
                                    "site google.com 1/minute"};

static struct site_names *names_of(const char *const *line, unsigned n)
{
    struct config_list list = {.n = n};
    static char text[8][64]; /* they are borrowed */
    for (unsigned i = 0; i < n; i++) {
        (void)snprintf(text[i], sizeof text[i], "%s", line[i]);
        list.item[i] = text[i];
    }
    struct site_names *s = site_names_new(&list);
    assert_non_null(s);
    return s;
}

static void test_find(void **state)
{
    (void)state;
    static const struct {
        const char *site, *name;
    } cases[] = {
        {"big.example", "big.example"},
        {"mx.Big.example", "big.example"},
        {"a.test,mx.a.big.example", "big.example"},
        {"mxbig.example", NULL},
        {"big.example.net", NULL},
        {"example", NULL},
        {"a.wild.example,b.test", "*.wild.example"},
        {"wild.example", NULL},
        {"mx2.provider.test", "hosted.example"},
        {"x.test,MX1.provider.test", "hosted.example"},
        {"provider.test", NULL},
        {"mx1.big.example,mx1.wild.example", "big.example"}, /* the first line */
        {"aspmx.l.google.com,alt1.aspmx.l.google.com", "google.com"},
        {"", NULL},
    };
    struct site_names *s = names_of(lines, 6);
    assert_int_equal(site_names_n(s), 4);
    assert_true(slice_eq(site_names_domain(s, 0), SLICE("big.example")));
    assert_int_equal(site_names_domain(s, 1).len, 0);
    site_names_host(s, 2, SLICE("old.test"));
    site_names_forget(s, 2);
    site_names_host(s, 2, SLICE("mx1.provider.test"));
    site_names_host(s, 2, SLICE("mx2.provider.test"));
    assert_null(site_names_find(s, SLICE("old.test")));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct site_name *found = site_names_find(s, slice_of(cases[i].site));
        assert_true((found != NULL) == (cases[i].name != NULL));
        assert_true(found == NULL || slice_eq(found->name, slice_of(cases[i].name)));
        assert_int_equal(site_name_is_one(found), found != NULL);
    }
    site_names_free(&s);
    assert_null(s);
}

static void test_others(void **state)
{
    (void)state;
    static const char *const two[] = {"site * 7200/hour", "site a.test 3/day"};
    struct site_names *s = names_of(two, 2);
    const struct site_name *other = site_names_find(s, SLICE("mx.b.test"));
    const struct site_name *a = site_names_find(s, SLICE("mx.a.test"));
    assert_true(other != NULL && !site_name_is_one(other) && a != NULL &&
                site_name_is_one(a));
    assert_int_equal(site_names_domain(s, 0).len, 0);
    assert_int_equal(other->limit.burst, 5); /* of two seconds, and one */
    assert_int_equal(a->limit.burst, 1);
    site_names_free(&s);
    s = names_of(lines, 3);
    a = site_names_find(s, SLICE("mx.wild.example"));
    assert_true(a != NULL && a->limit.burst == 3 && a->limit.count == 5);
    site_names_free(&s);
    s = names_of(lines, 1);
    assert_int_equal(site_names_n(s), 0);
    assert_null(site_names_find(s, SLICE("google.com")));
    site_names_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_find),
                                       cmocka_unit_test(test_others)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
