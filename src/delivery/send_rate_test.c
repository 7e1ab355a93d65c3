/* delivery/send_rate_test.c - who may go now, and who waits how long. */
#include "delivery/send_rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND_US UINT64_C(1000000)
#define START_US  (UINT64_C(20777) * 86400 * SECOND_US + 5 * SECOND_US)

static struct rate_table *fresh(void **memory)
{
    const uint64_t key[2] = {1, 2};
    size_t octets = rate_size_for(1000);
    octets = (octets + 4095) / 4096 * 4096;
    *memory = aligned_alloc(4096, octets);
    assert_non_null(*memory);
    memset(*memory, 0, octets);
    return rate_init(*memory, octets, key);
}

static struct rate_bound bound_of(const char *text)
{
    struct rate_bound b;
    assert_null(rate_bound_parse(slice_of(text), &b));
    return b;
}

/* 60 a minute, all at once: the first go, the others come back one by one, each second one. */
static void test_rate(void **state)
{
    (void)state;
    void *memory = NULL;
    struct rate_table *t = fresh(&memory);
    struct send_turns turns;
    struct rate_bound bound = bound_of("60/minute");
    uint64_t went = 0, last = 0;
    send_turns_init(&turns);
    for (unsigned i = 0; i < 100; i++) {
        uint64_t wait = send_rate_wait_s(t, &turns, RATE_site_out, SLICE("mx.test"), 1,
                                         &bound, START_US);
        if (wait == 0) {
            send_rate_count(t, RATE_site_out, SLICE("mx.test"), 1, &bound, START_US);
            went++;
        } else {
            assert_true(wait >= last && wait <= last + 2 + 60);
            last = wait;
        }
    }
    assert_int_equal(went, 60);
    assert_true(last >= 39 && last <= 100);
    /* Another site has its own. */
    assert_int_equal(send_rate_wait_s(t, &turns, RATE_site_out, SLICE("mx2.test"), 1,
                                      &bound, START_US),
                     0);
    /* Two minutes later nobody waits. */
    assert_int_equal(send_rate_wait_s(t, &turns, RATE_site_out, SLICE("mx.test"), 1,
                                      &bound, START_US + 130 * SECOND_US),
                     0);
    send_turns_sweep(&turns, START_US + 3600 * SECOND_US);
    assert_int_equal(turns.by_key.n, 0);
    send_turns_clear(&turns);
    free(memory);
}

static void test_off_and_large(void **state)
{
    (void)state;
    void *memory = NULL;
    struct rate_table *t = fresh(&memory);
    struct send_turns turns;
    struct rate_bound off = bound_of("off"), ten = bound_of("10/hour");
    send_turns_init(&turns);
    send_rate_count(t, RATE_site_out, SLICE("ann"), 1000, &off, START_US);
    assert_int_equal(
        send_rate_wait_s(t, &turns, RATE_site_out, SLICE("ann"), 1, &off, START_US), 0);
    /* An order larger than the limit goes when nothing else did; then all wait. */
    assert_int_equal(
        send_rate_wait_s(t, &turns, RATE_site_out, SLICE("ann"), 64, &ten, START_US), 0);
    send_rate_count(t, RATE_site_out, SLICE("ann"), 64, &ten, START_US);
    uint64_t wait =
        send_rate_wait_s(t, &turns, RATE_site_out, SLICE("ann"), 1, &ten, START_US);
    assert_true(wait > 0 && wait <= SEND_WAIT_MAX_S);
    assert_int_equal(
        send_rate_wait_s(NULL, &turns, RATE_site_out, SLICE("ann"), 1, &ten, START_US),
        0);
    send_turns_clear(&turns);
    free(memory);
}

static void test_warm(void **state)
{
    (void)state;
    void *memory = NULL;
    struct rate_table *t = fresh(&memory);
    struct slice key = SLICE("192.0.2.1|mx.test"), other = SLICE("192.0.2.1|mx.other");
    for (unsigned i = 0; i < 50; i++) {
        uint64_t now = START_US + i * 600 * SECOND_US;
        assert_true(send_warm_room(t, key, 20777, 1, 50, now));
        send_warm_count(t, key, 20777, 1, now);
    }
    uint64_t late = START_US + UINT64_C(86000) * SECOND_US;
    assert_false(send_warm_room(t, key, 20777, 1, 50, late));
    assert_true(send_warm_room(t, key, 20777, 10, 60, late));
    assert_false(send_warm_room(t, key, 20777, 11, 60, late));
    assert_true(send_warm_room(t, other, 20777, 1, 50, late));
    assert_true(send_warm_room(t, key, 20778, 50, 50, late + 500 * SECOND_US));
    assert_true(
        send_warm_room(t, other, 20778, 64, 50, late)); /* larger than a day, first */
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_off_and_large),
        cmocka_unit_test(test_warm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
