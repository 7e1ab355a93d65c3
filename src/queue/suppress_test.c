/* queue/suppress_test.c - the suppression list on a file of its own. */
#include "queue/suppress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define A   SLICE("news@shop.test")
#define DAY (UINT64_C(24) * 60 * 60 * 1000)

struct fixture {
    char dir[64], path[96];
    struct suppress *s;
};

static int set_up(void **state)
{
    static struct fixture f;
    char error[SUPPRESS_ERROR_MAX];
    (void)snprintf(f.dir, sizeof f.dir, "/tmp/suppress-test-XXXXXX");
    if (mkdtemp(f.dir) == NULL) {
        return 1;
    }
    (void)snprintf(f.path, sizeof f.path, "%s/queue.db", f.dir);
    f.s = suppress_open(f.path, error);
    *state = &f;
    return f.s == NULL;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    suppress_close(&f->s);
    (void)unlink(f->path);
    return rmdir(f->dir); /* no other file was left */
}

static bool is(struct fixture *f, const char *account, const char *address, uint64_t now)
{
    struct suppress_entry e;
    enum suppress_res res =
        suppress_find(f->s, slice_of(account), slice_of(address), now, &e);
    assert_int_not_equal(res, SUPPRESS_FAULT);
    return res == SUPPRESS_YES;
}

static void test_bounce(void **state)
{
    struct fixture *f = *state;
    struct suppress_entry e;
    uint64_t now = 1000 * DAY;
    assert_true(suppress_bounced(f->s, A, SLICE("Gone@Far.Test"), SLICE("550 no"), now));
    assert_int_equal(suppress_find(f->s, A, SLICE("Gone@far.test"), now + 1, &e),
                     SUPPRESS_YES);
    assert_true(slice_eq(e.evidence, SLICE("550 no")) && e.reason == SUPPRESS_bounce);
    assert_true(is(f, "news@shop.test", "\"Gone\"@far.test", now));
    assert_false(
        is(f, "news@shop.test", "gone@far.test", now)); /* the local part is exact */
    assert_false(is(f, "other@shop.test", "Gone@far.test", now));
    assert_false(is(f, "news@shop.test", "Gone@sub.far.test", now));
    /* what was on its way does not prolong it */
    assert_true(
        suppress_bounced(f->s, A, SLICE("Gone@far.test"), SLICE("550 2"), now + 5));
    assert_true(is(f, "news@shop.test", "Gone@far.test", now + 30 * DAY - 1));
    assert_false(is(f, "news@shop.test", "Gone@far.test", now + 30 * DAY));
    /* doubles, up to a bound */
    uint64_t days = 30;
    for (int i = 0; i < 8; i++) {
        now += days * DAY;
        days = days < 960 ? days * 2 : 960;
        assert_true(suppress_bounced(f->s, A, SLICE("Gone@far.test"), SLICE("550"), now));
        assert_true(is(f, "news@shop.test", "Gone@far.test", now + days * DAY - 1));
        assert_false(is(f, "news@shop.test", "Gone@far.test", now + days * DAY));
    }
}

static void put(struct fixture *f, const char *account, const char *address,
                enum suppress_reason reason, uint64_t until_ms)
{
    struct suppress_entry e = {.account = slice_of(account),
                               .reason = reason,
                               .times = 1,
                               .first_ms = 7,
                               .last_ms = 7,
                               .until_ms = until_ms,
                               .evidence = SLICE("words")};
    assert_true(suppress_put(f->s, slice_of(address), &e));
}

static void test_alive(void **state)
{
    struct fixture *f = *state;
    put(f, "", "hand@far.test", SUPPRESS_hand, 0);
    put(f, "a@b.test", "angry@far.test", SUPPRESS_complaint, 0);
    assert_true(suppress_bounced(f->s, A, SLICE("back@far.test"), SLICE("550"), 10));
    assert_true(suppress_bounced(f->s, SLICE("a@b.test"), SLICE("back@far.test"),
                                 SLICE("550"), 10));
    assert_true(suppress_alive(f->s, SLICE("back@FAR.test")));
    assert_false(suppress_alive(f->s, SLICE("back@far.test")));
    assert_false(suppress_alive(f->s, SLICE("hand@far.test")));
    assert_false(suppress_alive(f->s, SLICE("angry@far.test")));
    assert_false(is(f, "news@shop.test", "back@far.test", 11));
    assert_false(is(f, "a@b.test", "back@far.test", 11));
    assert_true(is(f, "anybody@else.test", "hand@far.test", 11));
    assert_true(is(f, "a@b.test", "angry@far.test", 11));
    assert_false(is(f, "news@shop.test", "angry@far.test", 11));
    /* a bounce does not make an entry by hand one that a delivery clears */
    assert_true(
        suppress_bounced(f->s, SLICE(""), SLICE("hand@far.test"), SLICE("5"), 12));
    assert_false(suppress_alive(f->s, SLICE("hand@far.test")));
    assert_true(is(f, "x", "hand@far.test", 10000 * DAY));
}

static void test_complaint(void **state)
{
    struct fixture *f = *state;
    struct suppress_entry e;
    assert_true(suppress_bounced(f->s, A, SLICE("ann@far.test"), SLICE("550 no"), 10));
    assert_true(suppress_complained(f->s, A, SLICE("ann@far.test"), SLICE("abuse"), 20));
    assert_int_equal(suppress_find(f->s, A, SLICE("ann@far.test"), 10000 * DAY, &e),
                     SUPPRESS_YES);
    assert_true(e.reason == SUPPRESS_complaint && e.until_ms == 0 && e.times == 2);
    assert_true(e.first_ms == 10 && slice_eq(e.evidence, SLICE("abuse")));
    assert_false(suppress_alive(f->s, SLICE("ann@far.test")));
    assert_false(is(f, "other@shop.test", "ann@far.test", 20));
}

static void test_remove(void **state)
{
    struct fixture *f = *state;
    struct slice account = A;
    uint64_t n = 0;
    put(f, "", "x@far.test", SUPPRESS_hand, 0);
    put(f, "news@shop.test", "x@far.test", SUPPRESS_hand, 0);
    put(f, "news@shop.test", "y@far.test", SUPPRESS_hand, 0);
    assert_true(suppress_remove(f->s, &account, SLICE("x@far.test"), &n) && n == 1);
    assert_true(is(f, "news@shop.test", "x@far.test", 1)); /* for all, still */
    assert_true(suppress_remove(f->s, NULL, SLICE("x@far.test"), &n) && n == 1);
    assert_false(is(f, "news@shop.test", "x@far.test", 1));
    assert_true(suppress_remove(f->s, NULL, SLICE("x@far.test"), &n) && n == 0);
    assert_true(is(f, "news@shop.test", "y@far.test", 1));
}

static void test_bad_addresses(void **state)
{
    static const char *const bad[] = {"", "@", "a@", "@b", "ab", "a\n@b", "\"\"@b"};
    struct fixture *f = *state;
    struct suppress_entry e = {.times = 1};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(suppress_put(f->s, slice_of(bad[i]), &e));
        assert_false(is(f, "", bad[i], 1));
    }
}

static void collect(void *arg, const struct suppress_entry *e)
{
    char *text = arg;
    size_t len = strlen(text);
    (void)snprintf(text + len, 2000 - len, "%.*s@%.*s/%.*s ", (int)e->local.len,
                   (const char *)e->local.ptr, (int)e->domain.len,
                   (const char *)e->domain.ptr, (int)e->account.len,
                   (const char *)e->account.ptr);
}

static void test_page(void **state)
{
    struct fixture *f = *state;
    put(f, "q@q.test", "b@m.test", SUPPRESS_hand, 0);
    put(f, "", "b@m.test", SUPPRESS_hand, 1);
    put(f, "", "a@m.test", SUPPRESS_hand, 0);
    put(f, "", "z@a.test", SUPPRESS_hand, 0);
    for (unsigned n = 1; n < 6; n++) {
        char all[2000] = "", one[2000] = "";
        struct suppress_place place = {0}, at = {0};
        unsigned seen = 0;
        do {
            assert_true(suppress_page(f->s, &place, SLICE(""), n, &seen, collect, all));
        } while (seen == n);
        assert_string_equal(all, "z@a.test/ a@m.test/ b@m.test/ b@m.test/q@q.test ");
        do {
            assert_true(
                suppress_page(f->s, &at, SLICE("M.test"), n, &seen, collect, one));
        } while (seen == n);
        assert_string_equal(one, "a@m.test/ b@m.test/ b@m.test/q@q.test ");
    }
}

static void test_stays(void **state)
{
    struct fixture *f = *state;
    char error[SUPPRESS_ERROR_MAX];
    assert_true(suppress_begin(f->s));
    put(f, "", "x@far.test", SUPPRESS_hand, 0);
    assert_true(suppress_commit(f->s));
    assert_true(suppress_bounced(f->s, A, SLICE("y@far.test"), SLICE("550"), 10));
    suppress_close(&f->s);
    f->s = suppress_open(f->path, error);
    assert_non_null(f->s);
    assert_true(is(f, "", "x@far.test", 11) && is(f, "news@shop.test", "y@far.test", 11));
}

#define CASE(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_bounce), CASE(test_alive),         CASE(test_complaint),
        CASE(test_remove), CASE(test_bad_addresses), CASE(test_page),
        CASE(test_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
