/* rate/table_test.c - see table.h; against models that remember every event */
#include "rate/segment.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { HOUR = 3600, DAY = 86400 };
static const uint64_t start_s = UINT64_C(1800000000) / DAY * DAY;

struct fixture {
    struct rate_table *t;
    size_t octets;
};

static struct fixture table_of(size_t keys)
{
    struct fixture f = {0};
    int fd = segment_create(rate_size_for(keys), NULL);
    assert_true(fd >= 0);
    f.t = segment_map(fd, &f.octets);
    assert_non_null(f.t);
    (void)close(fd);
    return f;
}

static void drop(struct fixture *f)
{
    segment_unmap(&f->t, f->octets);
}

static uint64_t us(uint64_t s)
{
    return s * 1000000;
}

static uint32_t rng_state = 12345;
static uint32_t rng(uint32_t below)
{
    rng_state = rng_state * 1664525U + 1013904223U;
    return (rng_state >> 8) % below;
}

/* --- windows --- */

/* What table.h promises, from the list of all events. */
static uint64_t sliding(const uint64_t *event, size_t n, uint64_t now, uint64_t len)
{
    uint64_t in_now = 0;
    uint64_t in_before = 0;
    for (size_t i = 0; i < n; i++) {
        in_now += event[i] / len == now / len;
        in_before += event[i] / len + 1 == now / len;
    }
    return in_now + in_before * (len - now % len) / len;
}

static void test_windows_are_those_of_a_model(void **state)
{
    (void)state;
    enum { EVENTS = 800 }; /* the last steps are long: all before 2106 */
    static const uint32_t steps[] = {1, 20, 300, 9000, 200000, 70 * 65536};
    static uint64_t event[EVENTS];
    for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
        struct fixture f = table_of(64);
        struct rate_key key = rate_key(f.t, RATE_ip, SLICE("192.0.2.1"));
        uint64_t now = start_s;
        for (size_t n = 0; n < EVENTS; n++) {
            struct rate_view v;
            now += rng(steps[k]);
            event[n] = now;
            assert_true(rate_add(f.t, &key, 1, NULL, us(now), &v));
            for (unsigned w = 0; w < RATE_WINDOWS; w++) {
                assert_int_equal(v.count[w],
                                 sliding(event, n + 1, now, rate_window_s(w)));
            }
            uint64_t later = now + rng(2 * HOUR);
            assert_true(rate_read(f.t, &key, us(later), &v));
            for (unsigned w = 0; w < RATE_WINDOWS; w++) {
                assert_int_equal(v.count[w],
                                 sliding(event, n + 1, later, rate_window_s(w)));
            }
        }
        drop(&f);
    }
}

static void test_clock_set_back(void **state)
{
    (void)state;
    struct fixture f = table_of(64);
    struct rate_key key = rate_key(f.t, RATE_ip, SLICE("192.0.2.1"));
    struct rate_view v;
    assert_true(rate_add(f.t, &key, 5, NULL, us(start_s + DAY), &v));
    assert_true(rate_add(f.t, &key, 1, NULL, us(start_s + DAY - 100), &v));
    assert_int_equal(v.count[RATE_MINUTE], 6);
    assert_int_equal(v.count[RATE_DAY], 6);
    assert_true(rate_read(f.t, &key, us(start_s + 3 * DAY), &v));
    assert_int_equal(v.count[RATE_DAY], 0);
    drop(&f);
}

static void test_counters_end(void **state)
{
    (void)state;
    struct fixture f = table_of(64);
    struct rate_key key = rate_key(f.t, RATE_ip, SLICE("192.0.2.1"));
    struct rate_view v;
    assert_true(rate_add(f.t, &key, RATE_COUNT_MAX, NULL, us(start_s), &v));
    assert_true(rate_add(f.t, &key, RATE_COUNT_MAX, NULL, us(start_s), &v));
    assert_int_equal(v.count[RATE_DAY], RATE_COUNT_MAX);
    drop(&f);
}

/* --- a limit with a burst --- */

static void test_burst_is_that_of_a_model(void **state)
{
    (void)state;
    struct fixture f = table_of(64);
    struct rate_limit l = {.count = 360, .window = RATE_HOUR, .burst = 20};
    struct rate_key key = rate_key(f.t, RATE_rcpt, SLICE("a@example.test"));
    uint64_t now = us(start_s);
    double level = 0; /* a bucket that leaks one every 10 s */
    uint64_t over_n = 0;
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t step = (uint64_t)rng(i / 2000 % 2 == 0 ? 25000 : 3000) * 1000;
        now += step;
        level -= (double)step / 1e7;
        level = (level < 0 ? 0 : level) + 1;
        struct rate_view v;
        assert_true(rate_add(f.t, &key, 1, &l, now, &v));
        bool over = rate_over(&l, &v, now);
        assert_int_equal(over, level > 20 + 1e-9);
        over_n += over;
        level = level > 21 ? 21 : level; /* who goes on while refused waits no longer */
    }
    assert_true(over_n > 100 && over_n < 19000);
    drop(&f);
}

static void test_limits(void **state)
{
    (void)state;
    struct fixture f = table_of(64);
    struct rate_limit l = {.count = 3, .window = RATE_MINUTE};
    struct rate_limit none = {0};
    struct rate_key key = rate_key(f.t, RATE_sender, SLICE("a@example.test"));
    struct rate_view v;
    for (unsigned i = 1; i <= 5; i++) {
        assert_true(rate_add(f.t, &key, 1, NULL, us(start_s), &v));
        assert_int_equal(rate_over(&l, &v, us(start_s)), i > 3);
        assert_false(rate_over(&none, &v, us(start_s)));
    }
    assert_int_equal(rate_measured(&l, &v, us(start_s)), 5);
    assert_true(rate_wait_s(&l, &v, us(start_s)) > 1);
    drop(&f);
}

/* --- what is usual, signs --- */

static void test_usual(void **state)
{
    (void)state;
    struct fixture f = table_of(64);
    struct rate_key key = rate_key(f.t, RATE_ip, SLICE("192.0.2.1"));
    struct rate_view v;
    double model = 0;
    for (uint64_t h = 0; h < 400; h++) {
        uint64_t n = h % 24 < 12 ? 1000 : 0;
        for (uint64_t i = 0; i < n; i += 100) {
            assert_true(rate_add(f.t, &key, 100, NULL, us(start_s + h * HOUR + i), &v));
        }
        model = model * 63 / 64 + (double)n / 64;
        bool there = rate_read(f.t, &key, us(start_s + (h + 1) * HOUR), &v);
        assert_true(there);
        assert_true((double)v.usual > model * 0.95 - 2 &&
                    (double)v.usual < model * 1.05 + 2);
    }
    assert_true(v.usual > 400 && v.usual < 600);
    assert_true(rate_read(f.t, &key, us(start_s + (400 + 24 * 30) * (uint64_t)HOUR), &v));
    assert_int_equal(v.usual, 0);
    drop(&f);
}

static void test_signs_fade(void **state)
{
    (void)state;
    struct fixture f = table_of(64);
    struct rate_key key = rate_key(f.t, RATE_from, SLICE("example.test"));
    struct rate_view v;
    assert_true(rate_sign(f.t, &key, 90, 10, us(start_s)));
    assert_true(rate_read(f.t, &key, us(start_s), &v));
    assert_true(v.good == 90 && v.bad == 10);
    assert_true(rate_read(f.t, &key, us(start_s + 7 * DAY), &v));
    assert_true(v.good >= 41 && v.good <= 44 && v.bad >= 3 && v.bad <= 5);
    for (unsigned i = 0; i < 100; i++) { /* the share stays where counters end */
        assert_true(rate_sign(f.t, &key, 90000, 10000, us(start_s + 7 * DAY)));
    }
    assert_true(rate_read(f.t, &key, us(start_s + 7 * DAY), &v));
    assert_true(v.good > 8 * v.bad && v.good < 10 * v.bad);
    drop(&f);
}

/* A key that was located is counted where it stands, also after its slot went to another one; signs
 * and count in one step are the same as in two. */
static void test_located(void **state)
{
    (void)state;
    struct fixture f = table_of(8);
    struct rate_limit burst = {.count = 100, .window = RATE_HOUR, .burst = 10};
    struct rate_view v, w;
    struct rate_key a = rate_key(f.t, RATE_ip, SLICE("192.0.2.1"));
    struct rate_key b = rate_key(f.t, RATE_ip, SLICE("192.0.2.2"));
    struct rate_key c = rate_key(f.t, RATE_ip, SLICE("192.0.2.3"));
    rate_locate(f.t, &a);
    assert_int_equal(a.place, 0); /* not there yet */
    rate_prefetch(f.t, &a);
    assert_true(rate_add_signed(f.t, &a, 2, &burst, 3, 1, us(start_s)));
    assert_true(rate_add(f.t, &b, 2, &burst, us(start_s), NULL));
    assert_true(rate_sign(f.t, &b, 3, 1, us(start_s)));
    rate_locate(f.t, &a);
    assert_true(a.place > 0);
    rate_prefetch(f.t, &a);
    assert_true(rate_read(f.t, &a, us(start_s), &v) &&
                rate_read(f.t, &b, us(start_s), &w));
    assert_memory_equal(&v, &w, sizeof v);
    assert_true(v.count[RATE_DAY] == 2 && v.good == 3 && v.bad == 1);
    struct rate_key old = a;
    rate_forget(f.t, &a);
    assert_true(rate_add(f.t, &c, 5, NULL, us(start_s), NULL)); /* takes a free slot */
    for (unsigned i = 0; i < 8; i++) {
        char text[8] = {(char)('k' + i)};
        struct rate_key other = rate_key(f.t, RATE_login, slice_of(text));
        (void)rate_add(f.t, &other, 7, NULL, us(start_s), NULL);
    }
    assert_false(rate_read(f.t, &old, us(start_s), &v));
    rate_forget(f.t, &c);
    assert_true(rate_add(f.t, &old, 1, NULL, us(start_s), &v));
    assert_int_equal(v.count[RATE_DAY], 1);
    drop(&f);
}

/* --- a full table --- */

static struct rate_key key_of(const struct rate_table *t, enum rate_kind kind, uint64_t n,
                              char text[32])
{
    int len = snprintf(text, 32, "k%llu", (unsigned long long)n);
    return rate_key(t, kind, (struct slice){(const unsigned char *)text, (size_t)len});
}

/* A million strange addresses push nobody out who is under a limit or sends regularly. */
static void test_adversary(void **state)
{
    (void)state;
    enum { SLOTS = 8192, LIMITED = 500, REGULAR = 500, STRANGE = 1000000 };
    struct fixture f = table_of(SLOTS);
    char text[32];
    struct rate_view v;
    for (uint64_t i = 0; i < LIMITED + REGULAR; i++) {
        struct rate_key key = key_of(f.t, i < LIMITED ? RATE_ip : RATE_from, i, text);
        assert_true(rate_add(f.t, &key, i < LIMITED ? 1 : 50, NULL, us(start_s), NULL));
        if (i < LIMITED) {
            rate_hold(f.t, &key, start_s + HOUR, us(start_s));
        }
    }
    for (uint64_t i = 0; i < STRANGE; i++) {
        struct rate_key key = key_of(f.t, RATE_network, i, text);
        IGNORE(rate_add(f.t, &key, 1, NULL, us(start_s + i / 1000), NULL));
    }
    for (uint64_t i = 0; i < LIMITED + REGULAR; i++) {
        struct rate_key key = key_of(f.t, i < LIMITED ? RATE_ip : RATE_from, i, text);
        assert_true(rate_read(f.t, &key, us(start_s), &v));
        assert_int_equal(v.count[RATE_DAY], i < LIMITED ? 1 : 50);
        assert_int_equal(v.limited_until_s, i < LIMITED ? start_s + HOUR : 0);
    }
    drop(&f);
}

static void test_all_limited(void **state)
{
    (void)state;
    struct fixture f = table_of(RATE_BUCKET_SLOTS);
    char text[32];
    for (uint64_t i = 0; i < RATE_BUCKET_SLOTS; i++) {
        struct rate_key key = key_of(f.t, RATE_ip, i, text);
        assert_true(rate_add(f.t, &key, 1, NULL, us(start_s), NULL));
        rate_hold(f.t, &key, start_s + 10, us(start_s));
    }
    struct rate_key key = rate_key(f.t, RATE_ip, SLICE("one more"));
    assert_false(rate_add(f.t, &key, 1, NULL, us(start_s), NULL));
    assert_true(rate_add(f.t, &key, 1, NULL, us(start_s + 11), NULL));
    rate_forget(f.t, &key);
    struct rate_view v;
    assert_false(rate_read(f.t, &key, us(start_s + 11), &v));
    drop(&f);
}

/* --- disk, listing --- */

static void test_saved_and_loaded(void **state)
{
    (void)state;
    struct fixture a = table_of(4096);
    char text[32];
    uint64_t hash_key[2];
    rate_hash_key(a.t, hash_key);
    for (uint64_t i = 0; i < 1000; i++) {
        struct rate_key key = key_of(a.t, RATE_ip, i, text);
        assert_true(rate_add(a.t, &key, i + 1, NULL, us(start_s), NULL));
    }
    void *memory = aligned_alloc(4096, rate_size_for(2048));
    assert_non_null(memory);
    memset(memory, 0, rate_size_for(2048));
    struct rate_table *b = rate_init(memory, rate_size_for(2048), hash_key);
    unsigned char slot[RATE_SLOT_OCTETS];
    size_t n = 0;
    for (size_t at = 0; rate_save_next(a.t, &at, rate_capacity(a.t), slot); n++) {
        assert_true(rate_load(b, slot, us(start_s)));
        assert_false(rate_load(b, slot, us(start_s))); /* it is there */
    }
    assert_int_equal(n, 1000);
    size_t at = 0;
    struct rate_entry e;
    for (n = 0; rate_next(b, &at, us(start_s), &e); n++) {
        memcpy(text, e.name, e.name_len);
        text[e.name_len] = '\0';
        assert_int_equal(e.kind, RATE_ip);
        assert_int_equal(e.view.count[RATE_DAY], strtoull(text + 1, NULL, 10) + 1);
    }
    assert_int_equal(n, 1000);
    memset(slot, 0xff, sizeof slot);
    assert_false(rate_load(b, slot, us(start_s)));
    free(memory);
    drop(&a);
}

static void test_names(void **state)
{
    (void)state;
    struct fixture f = table_of(64);
    unsigned char longer[100];
    memset(longer, 'x', sizeof longer);
    struct rate_key key = rate_key(f.t, RATE_url, (struct slice){longer, sizeof longer});
    struct rate_entry e;
    size_t at = 0;
    assert_true(rate_add(f.t, &key, 1, NULL, us(start_s), NULL));
    assert_true(rate_next(f.t, &at, us(start_s), &e));
    assert_true(e.cut && e.name_len == RATE_NAME_MAX && e.kind == RATE_url);
    assert_false(rate_next(f.t, &at, us(start_s), &e));
    struct rate_key same_name =
        rate_key(f.t, RATE_dkim, (struct slice){longer, sizeof longer});
    struct rate_view v;
    assert_false(rate_read(f.t, &same_name, us(start_s), &v));
    enum rate_kind kind = RATE_ip;
    for (unsigned i = 0; i < RATE_KIND_COUNT; i++) {
        assert_true(rate_kind_read(slice_of(rate_kind_name(i)), &kind) && kind == i);
    }
    assert_false(rate_kind_read(SLICE("bogus"), &kind));
    drop(&f);
}

/* --- processes that die --- */

enum { SHARED_KEYS = 16, CHILDREN = 4, KILLS = 60 };

/* Adds, and says so afterwards; other keys come and go in the same buckets. */
static void hammer(struct rate_table *t, uint64_t *tried, uint64_t *done, unsigned seed)
{
    char text[32];
    rng_state = seed;
    for (uint64_t i = 0;; i++) {
        unsigned k = rng(SHARED_KEYS);
        struct rate_key key = key_of(t, RATE_from, k, text);
        tried[k]++;
        if (rate_add(t, &key, 1, NULL, us(start_s), NULL)) {
            done[k]++;
        }
        key = key_of(t, RATE_ip, rng(1U << 20), text);
        IGNORE(rate_add(t, &key, 1, NULL, us(start_s), NULL));
    }
}

static void test_killed_at_any_instruction(void **state)
{
    (void)state;
    struct fixture f = table_of(1024);
    size_t octets = sizeof(uint64_t) * SHARED_KEYS * 2 * CHILDREN;
    uint64_t *counts =
        mmap(NULL, octets, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(counts != MAP_FAILED);
    char text[32];
    for (unsigned k = 0; k < SHARED_KEYS; k++) { /* so that nobody has to make them */
        struct rate_key key = key_of(f.t, RATE_from, k, text);
        assert_true(rate_add(f.t, &key, 10, NULL, us(start_s), NULL));
    }
    pid_t child[CHILDREN] = {0};
    for (unsigned i = 0; i < KILLS; i++) {
        unsigned c = i % CHILDREN;
        if (child[c] > 0) {
            assert_int_equal(kill(child[c], SIGKILL), 0);
            assert_int_equal(waitpid(child[c], NULL, 0), child[c]);
        }
        child[c] = fork();
        if (child[c] == 0) {
            uint64_t *mine = counts + (size_t)c * SHARED_KEYS * 2;
            hammer(f.t, mine, mine + SHARED_KEYS, i);
        }
        assert_true(child[c] > 0);
        struct timespec pause = {.tv_nsec = 1000000 + rng(4000000)};
        (void)nanosleep(&pause, NULL);
    }
    for (unsigned c = 0; c < CHILDREN; c++) {
        assert_int_equal(kill(child[c], SIGKILL), 0);
        assert_int_equal(waitpid(child[c], NULL, 0), child[c]);
    }
    for (unsigned k = 0; k < SHARED_KEYS; k++) {
        struct rate_view v;
        uint64_t tried = 10;
        uint64_t done = 10;
        for (unsigned c = 0; c < CHILDREN; c++) {
            tried += counts[c * SHARED_KEYS * 2 + k];
            done += counts[c * SHARED_KEYS * 2 + SHARED_KEYS + k];
        }
        struct rate_key key = key_of(f.t, RATE_from, k, text);
        assert_true(rate_read(f.t, &key, us(start_s), &v));
        assert_true(v.count[RATE_DAY] >= done && v.count[RATE_DAY] <= tried);
        assert_true(done > 100);
    }
    /* Slots that the dead had half taken are free again: all can be filled. */
    size_t used = 0;
    for (uint64_t i = 0; i < 20000; i++) {
        struct rate_key key = key_of(f.t, RATE_url, i, text);
        assert_true(rate_add(f.t, &key, 1, NULL, us(start_s + 10), NULL));
    }
    struct rate_entry e;
    for (size_t at = 0; rate_next(f.t, &at, us(start_s + 10), &e);) {
        used++;
    }
    assert_int_equal(used, rate_capacity(f.t));
    (void)munmap(counts, octets);
    drop(&f);
}

static void test_attach(void **state)
{
    (void)state;
    void *memory = aligned_alloc(4096, rate_size_for(64));
    assert_non_null(memory);
    memset(memory, 0, rate_size_for(64));
    assert_null(rate_attach(memory, rate_size_for(64)));
    static const uint64_t hash_key[2] = {1, 2};
    assert_non_null(rate_init(memory, rate_size_for(64), hash_key));
    assert_non_null(rate_attach(memory, rate_size_for(64)));
    assert_null(rate_attach(memory, rate_size_for(64) - 1));
    free(memory);
    size_t octets = 0;
    assert_null(segment_map(-1, &octets));
    assert_true(rate_size_for(500000) <= (size_t)64 * 1024 * 1024);
}

/* Another process that maps the segment writes what it likes. */
static void test_head_is_ones_own(void **state)
{
    (void)state;
    unsigned char wrong[RATE_HEAD_USED];
    size_t octets = 0, again = 0;
    int fd = segment_create(rate_size_for(64), NULL);
    struct rate_table *t = segment_map(fd, &octets);
    assert_non_null(t);
    size_t capacity = rate_capacity(t);
    memset(wrong, 0xff, sizeof wrong);
    assert_int_equal(pwrite(fd, wrong, sizeof wrong, 0), sizeof wrong);
    assert_int_equal(rate_capacity(t), capacity);
    struct rate_key key = rate_key(t, RATE_ip, SLICE("192.0.2.1"));
    struct rate_view v;
    assert_true(rate_add(t, &key, 1, NULL, start_s * 1000000, &v));
    assert_true(rate_read(t, &key, start_s * 1000000, &v));
    assert_int_equal(v.count[RATE_HOUR], 1);
    assert_null(segment_map(fd, &again));
    segment_unmap(&t, octets);
    assert_int_equal(close(fd), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows_are_those_of_a_model),
        cmocka_unit_test(test_clock_set_back),
        cmocka_unit_test(test_counters_end),
        cmocka_unit_test(test_burst_is_that_of_a_model),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_usual),
        cmocka_unit_test(test_signs_fade),
        cmocka_unit_test(test_located),
        cmocka_unit_test(test_adversary),
        cmocka_unit_test(test_all_limited),
        cmocka_unit_test(test_saved_and_loaded),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_killed_at_any_instruction),
        cmocka_unit_test(test_attach),
        cmocka_unit_test(test_head_is_ones_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
