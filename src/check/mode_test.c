/* check/mode_test.c - ladders, modes and their exceptions. */
#include "check/mode.h"

#include "rate/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_ladder(void **state)
{
    static const enum ladder_step steps[] = {LADDER_SPARE, LADDER_SPARE, LADDER_SLOW,
                                             LADDER_SLOW,  LADDER_CUT,   LADDER_CUT,
                                             LADDER_REFUSE};
    (void)state;
    for (unsigned n = 1; n <= 7; n++) {
        assert_int_equal(ladder_step(n, 4, 6), steps[n - 1]);
    }
    assert_int_equal(ladder_step(1, 0, 0), LADDER_REFUSE);
    assert_int_equal(ladder_step(1, 0, 1), LADDER_CUT);
    unsigned slowed = 0, late = 0;
    for (unsigned n = 1; n <= 100; n++) {
        bool slow = ladder_step(n, 100, 200) == LADDER_SLOW;
        slowed += slow;
        late += slow && n > 50;
    }
    assert_int_equal(slowed, 50); /* half of them, and most of these in the second half */
    assert_true(late > 35);
    assert_int_equal(ladder_step(1000000, 1000000, 1000000), LADDER_SLOW);
}

static struct config config;
static struct smtp_recipient second = {.path = {.domain = SLICE_INIT("b.example")}};
static struct smtp_recipient first = {.next = &second,
                                      .path = {.domain = SLICE_INIT("sub.a.example")}};

static enum config_mode mode(const char *ip, const char *sender,
                             struct smtp_recipient *recipients)
{
    struct ip address;
    struct smtp_envelope e = {.sender = {.domain = slice_of(sender)},
                              .first = recipients};
    struct check_facts f = {.config = &config, .address = &address, .envelope = &e};
    assert_true(ip_parse(slice_of(ip), &address));
    return mode_of(&f, offsetof(struct config, checks_ptr));
}

static void test_exceptions(void **state)
{
    char a_example[] = "a.example";
    char friend[] = "friend.example";
    (void)state;
    config.checks_ptr = CHECK_REJECT;
    config.checks_exceptions = (struct config_exceptions){
        .item =
            {{.check = offsetof(struct config, checks_dnsbl),
              .mode = CHECK_DEFER,
              .kind = EXCEPT_SENDER,
              .domain = friend},
             {.check = offsetof(struct config, checks_ptr),
              .mode = CHECK_OFF,
              .kind = EXCEPT_NETWORK},
             {.check = 0, .mode = CHECK_OBSERVE, .kind = EXCEPT_SENDER, .domain = friend},
             {.check = 0,
              .mode = CHECK_LADDER,
              .kind = EXCEPT_RECIPIENT,
              .domain = a_example}},
        .n = 4};
    assert_int_equal(
        net_parse(SLICE("192.0.2.0/24"), &config.checks_exceptions.item[1].network),
        NET_OK);
    assert_int_equal(mode("192.0.2.9", "friend.example", &first), CHECK_OFF);
    assert_int_equal(mode("192.0.3.9", "sub.FRIEND.example", &first), CHECK_OBSERVE);
    assert_int_equal(mode("192.0.3.9", "myfriend.example", &first), CHECK_REJECT);
    second.path.domain = SLICE("a.example");
    assert_int_equal(mode("192.0.3.9", "x.example", &first), CHECK_LADDER);
    assert_int_equal(mode("192.0.3.9", "x.example", NULL), CHECK_REJECT);
    struct check_facts f = {.config = &config};
    assert_int_equal(mode_of(&f, 0), CHECK_REJECT); /* a check without modes */
}

static enum reply_id said(enum config_mode how, struct rate_table *rates, bool rows,
                          uint64_t now_ms)
{
    static struct check_verdict v;
    struct check_facts f = {
        .config = &config, .ip = SLICE("192.0.2.1"), .rates = rates, .now_ms = now_ms};
    v = (struct check_verdict){.reply = REPLY_ptr_missing_reject, .mode = how};
    if (rows) {
        v.slow = REPLY_ptr_missing_deferred;
        v.cut = REPLY_ptr_missing_rate_limited;
    }
    mode_apply(&f, "ptr", &v);
    assert_int_equal(v.observed, REPLY_ptr_missing_reject);
    return v.reply;
}

/* Of a login: an address, or a domain with all below it. */
static void test_login(void **state)
{
    static const struct {
        const char *of, *login;
        bool fits;
    } cases[] = {{"ann@a.example", "Ann@A.example", true},
                 {"ann@a.example", "bob@a.example", false},
                 {"a.example", "bob@sub.a.example", true},
                 {"a.example", "bob@aa.example", false},
                 {"a.example", "", false}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char of[40];
        struct smtp_envelope e = {.first = NULL};
        struct check_facts f = {
            .config = &config, .envelope = &e, .login = slice_of(cases[i].login)};
        (void)snprintf(of, sizeof of, "%s", cases[i].of);
        config.checks_ptr = CHECK_REJECT;
        config.checks_exceptions = (struct config_exceptions){
            .item = {{.mode = CHECK_OFF, .kind = EXCEPT_LOGIN, .domain = of}}, .n = 1};
        assert_int_equal(mode_of(&f, offsetof(struct config, checks_ptr)),
                         cases[i].fits ? CHECK_OFF : CHECK_REJECT);
    }
}

static void test_modes(void **state)
{
    static const uint64_t hash_key[2] = {1, 2};
    static const uint64_t now = UINT64_C(1800000000000), day = 86400000;
    size_t octets = rate_size_for(1000);
    void *memory = aligned_alloc(4096, (octets + 4095) / 4096 * 4096);
    (void)state;
    assert_non_null(memory);
    memset(memory, 0, octets);
    struct rate_table *rates = rate_init(memory, octets, hash_key);
    config.checks_ladder_slow = 1;
    config.checks_ladder_refuse = 2;
    assert_int_equal(said(CHECK_OBSERVE, rates, true, now), REPLY_NONE);
    assert_int_equal(said(CHECK_DEFER, rates, true, now), REPLY_ptr_missing_deferred);
    assert_int_equal(said(CHECK_DEFER, rates, false, now),
                     REPLY_message_rejected_temporarily);
    assert_int_equal(said(CHECK_REJECT, rates, true, now), REPLY_ptr_missing_reject);
    /* nothing was counted so far */
    assert_int_equal(said(CHECK_LADDER, rates, true, now), REPLY_ptr_missing_deferred);
    assert_int_equal(said(CHECK_LADDER, rates, true, now),
                     REPLY_ptr_missing_rate_limited);
    assert_int_equal(said(CHECK_LADDER, rates, true, now), REPLY_ptr_missing_reject);
    assert_int_equal(said(CHECK_LADDER, rates, true, now + 3 * day),
                     REPLY_ptr_missing_deferred); /* who stops begins anew */
    assert_int_equal(said(CHECK_LADDER, rates, false, now + 3 * day),
                     REPLY_message_rejected_temporarily);
    assert_int_equal(said(CHECK_LADDER, NULL, true, now), REPLY_NONE);
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ladder),
        cmocka_unit_test(test_exceptions),
        cmocka_unit_test(test_login),
        cmocka_unit_test(test_modes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
