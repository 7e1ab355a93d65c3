/* directory/answer_test.c - answers survive the wire; nothing else does. */
#include "directory/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct slice settings_of(void)
{
    static unsigned char octets[64];
    struct buf b;
    const char *value[DIR_SETTING_COUNT] = {
        [DIR_SETTING_ONE_DOMAIN] = "yes", [DIR_SETTING_SIZE] = "5000"};
    buf_init(&b, DIR_SETTINGS_MAX);
    dir_settings_encode(&b, value);
    struct slice out = {octets, b.len};
    assert_true(b.len > 0 && b.len <= sizeof octets);
    memcpy(octets, b.ptr, b.len);
    buf_clear(&b);
    return out;
}

static void make(struct buf *out, unsigned status, unsigned target_n)
{
    struct buf targets;
    buf_init(&targets, DIR_TARGETS_LEN_MAX);
    for (unsigned i = 0; i < target_n; i++) {
        unsigned char address[DIR_ADDRESS_MAX];
        memset(address, 'a' + (int)(i % 26), sizeof address);
        dir_target_write(&targets, &(struct dir_target){1, {address, i == 0 ? 1 : 290}});
    }
    assert_false(targets.failed);
    struct dir_answer a = {.cookie = 7,
                           .used = 8,
                           .quota = 9,
                           .last_use_ms = 10,
                           .generation = 11,
                           .status = (enum dir_status)status,
                           .domain = SLICE("example.test"),
                           .settings = settings_of(),
                           .groups = SLICE("sales staff"),
                           .target_n = (uint16_t)target_n,
                           .targets = buf_slice(&targets)};
    buf_reset(out);
    dir_answer_write(out, &a);
    assert_false(out->failed);
    buf_clear(&targets);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 65536);
    make(&b, DIR_OK, DIR_TARGETS_MAX);
    struct dir_answer a;
    assert_true(dir_answer_read(buf_slice(&b), &a));
    assert_int_equal(a.cookie, 7);
    assert_true(slice_eq(a.groups, SLICE("sales staff")));
    assert_int_equal(a.used, 8);
    assert_int_equal(a.quota, 9);
    assert_int_equal(a.last_use_ms, 10);
    assert_int_equal(a.generation, 11);
    assert_int_equal(a.status, DIR_OK);
    assert_true(slice_eq(a.domain, SLICE("example.test")));
    struct dir_settings s;
    assert_true(dir_settings_read(a.settings, &s));
    assert_true(s.one_domain);
    assert_int_equal(s.message_size, 5000);
    struct dir_target t;
    for (unsigned i = 0; i < DIR_TARGETS_MAX; i++) {
        assert_true(dir_answer_target(&a, &t));
        assert_int_equal(t.kind, 1);
        assert_int_equal(t.address.len, i == 0 ? 1 : 290);
        assert_int_equal(t.address.ptr[0], 'a' + (int)(i % 26));
    }
    assert_false(dir_answer_target(&a, &t));
    buf_clear(&b);
}

static void test_refused(void **state)
{
    (void)state;
    struct buf b;
    struct dir_answer a = {.cookie = 1};
    buf_init(&b, 65536);
    make(&b, DIR_OK, 3);
    for (size_t n = 0; n < b.len; n++) {
        assert_false(dir_answer_read(slice_sub(buf_slice(&b), 0, n), &a));
    }
    (void)buf_add_byte(&b, 0);
    assert_false(dir_answer_read(buf_slice(&b), &a));

    static const struct {
        unsigned status, target_n;
        bool ok;
    } cases[] = {
        {DIR_OK, 0, false},         {DIR_OK, 1, true},    {DIR_NO_MAILBOX, 0, true},
        {DIR_NO_MAILBOX, 1, false}, {DIR_FAULT, 0, true}, {DIR_FAULT + 1, 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        make(&b, cases[i].status, cases[i].target_n);
        assert_int_equal(dir_answer_read(buf_slice(&b), &a), cases[i].ok);
    }
    make(&b, DIR_NO_DOMAIN, 0);
    b.ptr[9] = 2; /* flags */
    assert_false(dir_answer_read(buf_slice(&b), &a));
    make(&b, DIR_NO_MAILBOX, 0);
    b.ptr[9] = 1;
    assert_true(dir_answer_read(buf_slice(&b), &a) && a.trap);
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
