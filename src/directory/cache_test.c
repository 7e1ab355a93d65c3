/* directory/cache_test.c - what is kept, for how long, and what goes first. */
#include "directory/cache.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct buf payload_of(enum dir_status status, uint64_t quota)
{
    struct buf b;
    struct buf targets;
    struct dir_answer a = {.cookie = 1, .status = status, .quota = quota};
    struct dir_target t = {1, SLICE("alice@example.test")};
    buf_init(&b, 4096);
    buf_init(&targets, 4096);
    if (status == DIR_OK) {
        dir_target_write(&targets, &t);
        a.target_n = 1;
        a.targets = buf_slice(&targets);
    }
    dir_answer_write(&b, &a);
    buf_clear(&targets);
    assert_false(b.failed);
    return b;
}

static void put(struct dir_cache *c, struct slice local, enum dir_status status,
                uint64_t quota, uint64_t now)
{
    struct buf b = payload_of(status, quota);
    dir_cache_put(c, &(struct dir_question){0, local, SLICE("example.test")}, now,
                  buf_slice(&b));
    buf_clear(&b);
}

static bool has(struct dir_cache *c, struct slice local, uint64_t now,
                enum dir_status want)
{
    struct dir_answer a = {0};
    struct dir_question q = {0, local, SLICE("example.test")};
    return dir_cache_get(c, &q, now, &a) && a.status == want;
}

static void test_keeps_and_forgets(void **state)
{
    struct dir_cache c;
    (void)state;
    dir_cache_init(&c, 10);
    put(&c, SLICE("alice"), DIR_OK, 0, 1000);
    put(&c, SLICE("full"), DIR_OVER_QUOTA, 500, 1000);
    put(&c, SLICE("fault"), DIR_FAULT, 0, 1000);
    assert_true(has(&c, SLICE("alice"), 1000 + DIR_CACHE_TTL_MS - 1, DIR_OK));
    assert_false(has(&c, SLICE("alice"), 1000 + DIR_CACHE_TTL_MS, DIR_OK));
    assert_true(
        has(&c, SLICE("full"), 1000 + DIR_CACHE_QUOTA_TTL_MS - 1, DIR_OVER_QUOTA));
    assert_false(has(&c, SLICE("full"), 1000 + DIR_CACHE_QUOTA_TTL_MS, DIR_OVER_QUOTA));
    assert_false(has(&c, SLICE("fault"), 1000, DIR_FAULT));
    assert_false(has(&c, SLICE("nobody"), 1000, DIR_OK));
    dir_cache_clear(&c);
}

static void test_the_new_answer_counts(void **state)
{
    struct dir_cache c;
    (void)state;
    dir_cache_init(&c, 10);
    put(&c, SLICE("alice"), DIR_OK, 0, 1000);
    put(&c, SLICE("alice"), DIR_DISABLED, 0, 2000);
    assert_true(has(&c, SLICE("alice"), 2001, DIR_DISABLED));
    dir_cache_clear(&c);
}

/* Only the domain differs, only the local part, or only the service: two entries. */
static void test_keys(void **state)
{
    struct dir_cache c;
    struct dir_answer a = {0};
    const struct dir_question others[] = {{0, SLICE("alice"), SLICE("example.tes")},
                                          {0, SLICE("alice"), SLICE("")},
                                          {0, SLICE(""), SLICE("example.test")},
                                          {1, SLICE("alice"), SLICE("example.test")}};
    (void)state;
    dir_cache_init(&c, 10);
    put(&c, SLICE("alice"), DIR_OK, 0, 1000);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_false(dir_cache_get(&c, &others[i], 1000, &a));
    }
    assert_true(has(&c, SLICE("alice"), 1000, DIR_OK));
    dir_cache_clear(&c);
}

static void test_least_recently_used_goes(void **state)
{
    struct dir_cache c;
    (void)state;
    dir_cache_init(&c, 3);
    put(&c, SLICE("a"), DIR_OK, 0, 1);
    put(&c, SLICE("b"), DIR_OK, 0, 2);
    put(&c, SLICE("c"), DIR_OK, 0, 3);
    assert_true(has(&c, SLICE("a"), 4, DIR_OK));
    put(&c, SLICE("d"), DIR_OK, 0, 5);
    assert_true(has(&c, SLICE("a"), 6, DIR_OK));
    assert_false(has(&c, SLICE("b"), 6, DIR_OK));
    assert_true(has(&c, SLICE("c"), 6, DIR_OK));
    assert_true(has(&c, SLICE("d"), 6, DIR_OK));
    dir_cache_clear(&c);

    dir_cache_init(&c, 0); /* none wanted */
    put(&c, SLICE("a"), DIR_OK, 0, 1);
    assert_false(has(&c, SLICE("a"), 2, DIR_OK));
    dir_cache_clear(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keeps_and_forgets),
        cmocka_unit_test(test_the_new_answer_counts),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_least_recently_used_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
