/* config/sources_test.c - delivery.sources as tables: what it says, and what is wrong with it. */
#include "config/sources.h"

#include "config/config.h"
#include "config/testing.h"

static const char good[] = "# ours\n"
                           "source bulk 192.0.2.11 news1.example.org slow 2026-11-20\n"
                           "source main 192.0.2.10,2001:db8::10 mx.example.org # both\n"
                           "\n"
                           "\tsource bulk 2001:db8::12  news2.example.org\r\n"
                           "plan slow 50 100\n"
                           "use bulk account News@example.test acme\n"
                           "use bulk service push\n"
                           "use main default";

static void test_good(void **state)
{
    (void)state;
    char error[WORDS_ERROR_MAX];
    struct sources *s = sources_read(slice_of(good), error);
    assert_string_equal(error, "");
    assert_non_null(s);
    static const struct {
        const char *account;
        unsigned service;
        const char *first; /* address of the pool */
        unsigned n;
    } cases[] = {
        {"news@example.test", SERVICE_SUBMISSION, "192.0.2.11", 2},
        {"ACME", SERVICE_RELAY, "192.0.2.11", 2},
        {"ann", SERVICE_PUSH, "192.0.2.11", 2},
        {"ann", SERVICE_RELAY, "192.0.2.10,2001:db8::10", 1},
        {"", SERVICE_MX, "192.0.2.10,2001:db8::10", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned n = 0;
        int pool = sources_pool(s, slice_of(cases[i].account), cases[i].service);
        assert_true(pool >= 0);
        const struct sender_source *one = sources_of(s, (unsigned)pool, &n);
        assert_string_equal(one->text, cases[i].first);
        assert_int_equal(n, cases[i].n);
    }
    unsigned n = 0;
    const struct sender_source *one =
        sources_of(s, (unsigned)sources_pool(s, SLICE("acme"), 0), &n);
    assert_string_equal(one[0].helo, "news1.example.org");
    assert_true(one[0].has_v4 && !one[0].has_v6 && !one[1].has_v4 && one[1].has_v6);
    uint64_t day = one[0].first_day;
    assert_int_equal(day, 20777); /* 2026-11-20 */
    assert_int_equal(sources_bound(s, &one[0], day - 1), 50);
    assert_int_equal(sources_bound(s, &one[0], day), 50);
    assert_int_equal(sources_bound(s, &one[0], day + 1), 100);
    assert_true(sources_bound(s, &one[0], day + 2) == SOURCE_UNBOUND);
    assert_true(sources_bound(s, &one[1], day) == SOURCE_UNBOUND);
    sources_free(&s);
}

static void test_none(void **state)
{
    (void)state;
    char error[WORDS_ERROR_MAX];
    struct sources *s = sources_read(SLICE("# nothing yet\n"), error);
    assert_non_null(s);
    assert_int_equal(sources_pool(s, SLICE("ann"), SERVICE_PUSH), -1);
    sources_free(&s);
}

static bool reads(struct slice text, char error[WORDS_ERROR_MAX])
{
    struct sources *s = sources_read(text, error);
    bool ok = s != NULL;
    sources_free(&s);
    return ok;
}

static void test_bad(void **state)
{
    (void)state;
    static const struct bad_text cases[] = {
        {"sauce a 192.0.2.1 h.test", "line 1: 'sauce' begins no line"},
        {"\n\nsource a 192.0.2.256 h.test", "line 3: '192.0.2.256' is no address"},
        {"source a 192.0.2.1,192.0.2.2 h.test", "second of its family"},
        {"source a 192.0.2.1 h.test\nsource b 192.0.2.1 h.test",
         "line 2: '192.0.2.1' stands in"},
        {"source a 192.0.2.1", "not complete"},
        {"source a 192.0.2.1 h.test slow", "not complete"},
        {"source a 192.0.2.1 h_.test", "'h_.test' is no domain name"},
        {"source a 192.0.2.1 h.test slow 2026-13-01\nplan slow 1", "is no day"},
        {"source a 192.0.2.1 h.test slow 2026-11-01", "'slow' has no counts"},
        {"use a default", "'a' has no source"},
        {"source a 192.0.2.1 h.test\nuse a", "does not say whose"},
        {"source a 192.0.2.1 h.test\nuse a account", "does not say whose"},
        {"source a 192.0.2.1 h.test\nuse a service post", "is no service"},
        {"source a 192.0.2.1 h.test\nuse a account X x", "'x' stands in an earlier"},
        {"source a 192.0.2.1 h.test\nuse a default\nuse a default", "line 3"},
        {"plan p 0", "is no count"},
        {"plan p", "has no counts"},
        {"plan p 1\nplan p 2", "stands in an earlier"},
    };
    assert_bad_texts(reads, cases, sizeof cases / sizeof cases[0]);
}

static void test_prefixes(void **state)
{
    (void)state;
    assert_prefixes(reads, slice_of(good));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_prefixes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
