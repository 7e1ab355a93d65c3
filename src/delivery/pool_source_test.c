/* delivery/pool_source_test.c - which address a message goes out from, as a table. */
#include "delivery/pool_source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char text[] = "source p 192.0.2.1 a.test\n"
                           "source p 2001:db8::2 b.test\n"
                           "source p 192.0.2.3,2001:db8::3 c.test\n"
                           "use p default\n";

static const char *busy; /* texts of those that are not free */

static bool is_free(void *arg, const struct sender_source *source)
{
    (void)arg;
    return strstr(busy, source->helo) == NULL;
}

static struct route route_to(const char *ips)
{
    struct route r = {.status = ROUTE_OK};
    struct slice rest = slice_of(ips);
    while (rest.len > 0) {
        size_t blank = slice_find(rest, ' ');
        assert_true(ip_parse(slice_sub(rest, 0, blank), &r.hop[r.hop_n++].ip));
        rest = slice_from(rest, blank + 1);
    }
    return r;
}

static void test_choose(void **state)
{
    (void)state;
    static const struct {
        uint64_t seed;
        bool keep;
        const char *hosts, *busy, *helo;
        enum pool_source_res res;
        unsigned hops;
    } cases[] = {
        {0, false, "198.51.100.1", "", "a.test", POOL_SOURCE_OK, 1},
        {3, false, "198.51.100.1", "", "a.test", POOL_SOURCE_OK, 1},
        {1, false, "198.51.100.1", "", "c.test", POOL_SOURCE_OK, 1},
        {1, false, "198.51.100.1 2001:db8:1::1", "", "b.test", POOL_SOURCE_OK, 1},
        {2, false, "198.51.100.1 2001:db8:1::1", "", "c.test", POOL_SOURCE_OK, 2},
        {0, false, "2001:db8:1::1", "", "b.test", POOL_SOURCE_OK, 1},
        {0, false, "198.51.100.1", "a.test", "c.test", POOL_SOURCE_OK, 1},
        {0, true, "198.51.100.1", "a.test", "a.test", POOL_SOURCE_BUSY, 1},
        {1, true, "198.51.100.1", "a.test", "c.test", POOL_SOURCE_OK, 1},
        {0, false, "198.51.100.1", "a.test c.test", "a.test", POOL_SOURCE_BUSY, 1},
    };
    char error[WORDS_ERROR_MAX];
    struct sources *s = sources_read(slice_of(text), error);
    assert_non_null(s);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct route route = route_to(cases[i].hosts);
        const struct sender_source *out = NULL;
        busy = cases[i].busy;
        assert_int_equal(pool_source_choose(s, 0, cases[i].seed, cases[i].keep, &route,
                                            is_free, NULL, &out),
                         cases[i].res);
        assert_string_equal(out->helo, cases[i].helo);
        pool_source_hops(out, &route);
        assert_int_equal(route.hop_n, cases[i].hops);
    }
    sources_free(&s);
    s = sources_read(SLICE("source p 192.0.2.1 a.test\nuse p default"), error);
    struct route route = route_to("2001:db8:1::1");
    const struct sender_source *out = NULL;
    assert_int_equal(pool_source_choose(s, 0, 0, false, &route, is_free, NULL, &out),
                     POOL_SOURCE_NO_FAMILY);
    sources_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_choose)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
