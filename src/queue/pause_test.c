/* queue/pause_test.c - the set, its lines and what deliveries hear, as tables. */
#include "queue/pause.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct pause made(enum pause_kind kind, const char *name, const char *reason)
{
    struct pause p;
    assert_true(pause_make(kind, slice_of(name), slice_of(reason), &p));
    return p;
}

static void put(struct pauses *all, enum pause_kind kind, const char *name,
                uint64_t until_ms)
{
    struct pause p = made(kind, name, "why");
    p.since_ms = 7;
    p.until_ms = until_ms;
    assert_true(pauses_put(all, &p));
}

static void test_found(void **state)
{
    (void)state;
    struct pauses *all = pauses_new();
    put(all, PAUSE_domain, "Example.org", PAUSE_FOREVER);
    put(all, PAUSE_account, "ann", PAUSE_FOREVER);
    put(all, PAUSE_site, "mx2.example.net", PAUSE_FOREVER);
    static const struct {
        enum pause_kind kind;
        const char *name;
        bool found;
    } cases[] = {
        {PAUSE_domain, "example.org", true},
        {PAUSE_domain, "EXAMPLE.ORG", true},
        {PAUSE_domain, "example.or", false},
        {PAUSE_domain, "a.example.org", false},
        {PAUSE_account, "example.org", false},
        {PAUSE_account, "Ann", true},
        {PAUSE_domain, "", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct pause *p = pauses_find(all, cases[i].kind, slice_of(cases[i].name));
        assert_int_equal(p != NULL, cases[i].found);
    }
    assert_non_null(
        pauses_find_site(all, SLICE("mx1.example.net,mx2.example.net,mx3.example.net")));
    assert_non_null(pauses_find_site(all, SLICE("mx2.example.net")));
    assert_null(pauses_find_site(all, SLICE("mx1.example.net,xmx2.example.net")));
    assert_null(pauses_find_site(all, SLICE("")));
    put(all, PAUSE_site, "a.test,b.test", PAUSE_FOREVER);
    assert_non_null(pauses_find_site(all, SLICE("a.test,b.test")));
    assert_null(pauses_find_site(all, SLICE("a.test,c.test")));
    assert_true(pauses_end(all, PAUSE_domain, SLICE("EXAMPLE.org")));
    assert_false(pauses_end(all, PAUSE_domain, SLICE("example.org")));
    assert_null(pauses_find(all, PAUSE_domain, SLICE("example.org")));
    assert_int_equal(pauses_n(all), 3);
    pauses_free(&all);
}

static void test_put_again(void **state)
{
    (void)state;
    struct pauses *all = pauses_new();
    put(all, PAUSE_domain, "d.test", 100);
    uint64_t first = pauses_find(all, PAUSE_domain, SLICE("d.test"))->number;
    assert_null(pauses_over(all, 99));
    assert_non_null(pauses_over(all, 100));
    put(all, PAUSE_domain, "D.test", 200);
    const struct pause *p = pauses_find(all, PAUSE_domain, SLICE("d.test"));
    assert_int_equal(pauses_n(all), 1);
    assert_int_equal(p->until_ms, 200);
    assert_int_not_equal(p->number, first);
    assert_null(pauses_numbered(all, first));
    assert_ptr_equal(pauses_numbered(all, p->number), p);
    assert_null(pauses_over(all, 199));
    assert_null(pauses_next(all, p));
    pauses_free(&all);
}

static void test_limits(void **state)
{
    (void)state;
    char name[PAUSE_NAME_MAX + 2];
    struct pause p;
    struct pauses *all = pauses_new();
    memset(name, 'x', sizeof name);
    struct slice s = {(const unsigned char *)name, PAUSE_NAME_MAX + 1};
    assert_false(pause_make(PAUSE_site, s, SLICE(""), &p));
    assert_null(pauses_find(all, PAUSE_site, s));
    assert_false(pause_make(PAUSE_site, SLICE(""), SLICE(""), &p));
    s.len = PAUSE_REASON_MAX + 1;
    assert_false(pause_make(PAUSE_site, SLICE("a"), s, &p));
    for (unsigned i = 0; i < PAUSES_MAX; i++) {
        (void)snprintf(name, sizeof name, "d%u.test", i);
        put(all, PAUSE_domain, name, PAUSE_FOREVER);
    }
    p = made(PAUSE_domain, "one.more", "");
    assert_false(pauses_put(all, &p));
    put(all, PAUSE_domain, "d7.test", 5); /* which replaces one */
    assert_int_equal(pauses_n(all), PAUSES_MAX);
    pauses_free(&all);
}

static void test_lines(void **state)
{
    (void)state;
    struct buf b;
    struct pauses *all = pauses_new(), *again = pauses_new();
    buf_init(&b, 1024 * 1024);
    put(all, PAUSE_domain, "d.test", 123456789);
    put(all, PAUSE_account, "a \"b\"\n@c.test", PAUSE_FOREVER);
    pauses_write(all, &b);
    assert_false(b.failed);
    assert_int_equal(pauses_read(again, buf_slice(&b)), 0);
    assert_int_equal(pauses_n(again), 2);
    const struct pause *p = pauses_find(again, PAUSE_domain, SLICE("d.test"));
    assert_int_equal(p->until_ms, 123456789);
    assert_int_equal(p->since_ms, 7);
    assert_true(slice_eq(pause_reason(p), SLICE("why")));
    p = pauses_find(again, PAUSE_account, SLICE("a \"b\"\n@c.test"));
    assert_int_equal(p->until_ms, PAUSE_FOREVER);
    static const char bad[] = "{}\nnonsense\n{\"kind\":\"planet\",\"name\":\"x\"}\n"
                              "{\"kind\":\"site\",\"name\":\"\"}\n"
                              "{\"kind\":\"site\",\"name\":\"mx.good\"}\n";
    assert_int_equal(pauses_read(again, slice_of(bad)), 4);
    assert_non_null(pauses_find_site(again, SLICE("mx.good")));
    pauses_free(&all);
    pauses_free(&again);
    buf_clear(&b);
}

static void test_heard(void **state)
{
    (void)state;
    struct buf b;
    struct pauses *all = pauses_new();
    struct pause p = made(PAUSE_site, "mx.test", "slow");
    p.until_ms = 99;
    buf_init(&b, 65536);
    pause_say_put(&b, &p);
    for (size_t n = 1; n < b.len; n++) { /* every prefix */
        assert_false(pauses_hear(all, slice_sub(buf_slice(&b), 0, n)));
    }
    assert_true(pauses_hear(all, buf_slice(&b)));
    assert_int_equal(pauses_find_site(all, SLICE("mx.test"))->until_ms, 99);
    (void)buf_add_byte(&b, 0);
    assert_false(pauses_hear(all, buf_slice(&b)));
    buf_reset(&b);
    pause_say_end(&b, PAUSE_site, SLICE("mx.test"));
    assert_true(pauses_hear(all, buf_slice(&b)));
    assert_int_equal(pauses_n(all), 0);
    assert_true(pauses_hear(all, buf_slice(&b))); /* again: nothing to end */
    put(all, PAUSE_domain, "d.test", PAUSE_FOREVER);
    assert_true(pauses_hear(all, SLICE("\0")));
    assert_int_equal(pauses_n(all), 0);
    assert_false(pauses_hear(all, SLICE("\3\1\0\0")));
    assert_false(pauses_hear(all, SLICE("\2\11\1\0x")));
    pauses_free(&all);
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),  cmocka_unit_test(test_put_again),
        cmocka_unit_test(test_limits), cmocka_unit_test(test_lines),
        cmocka_unit_test(test_heard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
