/* directory/mail_test.c - questions and answers about MAIL survive the wire; nothing else
 * does. */
#include "directory/mail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct dir_mail_ask ask = {.cookie = 5,
                                        .service = 2,
                                        .ip = {{[10] = 0xff, 0xff, 192, 0, 2, 1}},
                                        .helo = SLICE_INIT("mail.example.test"),
                                        .local = SLICE_INIT("ann"),
                                        .domain = SLICE_INIT("example.test"),
                                        .login = SLICE_INIT("bob@example.test"),
                                        .spend = 70000,
                                        .message = {UINT64_C(1) << 59, 3}};

static const struct dir_mail answer = {
    .cookie = 6,
    .customer = {[DIR_BY_HELO] = {SLICE_INIT("acme"), false, true},
                 [DIR_BY_LOGIN] = {SLICE_INIT("other"), true, false}},
    .sender = DIR_SENDER_FOREIGN,
    .quota = {[DIR_QUOTA_DAY] = {50, 7}},
    .limit = {[DIR_LIMIT_RELAY_PEAK] = {60, 8, 600, 20}},
    .spent = true,
    .recipients = 300,
    .data = 1000,
    .groups = SLICE_INIT("staff")};

static void test_ask(void **state)
{
    (void)state;
    struct buf b;
    struct dir_mail_ask a = {.cookie = 1};
    buf_init(&b, 4096);
    dir_mail_ask_write(&b, &ask);
    for (size_t n = 0; n < b.len; n++) {
        assert_false(dir_mail_ask_read(slice_sub(buf_slice(&b), 0, n), &a));
    }
    assert_int_equal(a.cookie, 1);
    assert_true(dir_mail_ask_read(buf_slice(&b), &a));
    assert_int_equal(a.cookie, 5);
    assert_int_equal(a.service, 2);
    assert_memory_equal(a.ip.octet, ask.ip.octet, 16);
    assert_true(slice_eq(a.helo, ask.helo));
    assert_true(slice_eq(a.local, ask.local));
    assert_true(slice_eq(a.domain, ask.domain));
    assert_true(slice_eq(a.login, ask.login));
    assert_int_equal(a.spend, 70000);
    assert_int_equal(a.message.session, ask.message.session);
    assert_int_equal(a.message.n, 3);
    assert_false(a.give_back);
    b.ptr[b.len - 1] = 2; /* neither given back nor not */
    assert_false(dir_mail_ask_read(buf_slice(&b), &a));
    b.ptr[b.len - 1] = 1;
    assert_true(dir_mail_ask_read(buf_slice(&b), &a));
    assert_true(a.give_back);
    b.ptr[8] = 4; /* no such service */
    assert_false(dir_mail_ask_read(buf_slice(&b), &a));
    b.ptr[8] = 3;
    (void)buf_add_byte(&b, 0);
    assert_false(dir_mail_ask_read(buf_slice(&b), &a));
    buf_clear(&b);
}

/* Whatever a client says in EHLO, the question stays within its bounds. */
static void test_ask_long(void **state)
{
    (void)state;
    static unsigned char octets[3000];
    struct buf b;
    struct dir_mail_ask a = ask;
    buf_init(&b, 4096);
    a.helo = (struct slice){octets, sizeof octets};
    dir_mail_ask_write(&b, &a);
    assert_true(dir_mail_ask_read(buf_slice(&b), &a));
    assert_int_equal(a.helo.len, DIR_HELO_MAX);
    static const struct {
        size_t local, domain, login;
    } cases[] = {{65, 1, 1}, {1, 256, 1}, {1, 1, 321}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        a = ask;
        a.local = (struct slice){octets, cases[i].local};
        a.domain = (struct slice){octets, cases[i].domain};
        a.login = (struct slice){octets, cases[i].login};
        buf_reset(&b);
        dir_mail_ask_write(&b, &a);
        assert_false(dir_mail_ask_read(buf_slice(&b), &a));
    }
    buf_clear(&b);
}

static void test_answer(void **state)
{
    (void)state;
    struct buf b;
    struct dir_mail m = {.cookie = 1};
    buf_init(&b, 4096);
    dir_mail_write(&b, &answer);
    for (size_t n = 0; n < b.len; n++) {
        assert_false(dir_mail_read(slice_sub(buf_slice(&b), 0, n), &m));
    }
    assert_int_equal(m.cookie, 1);
    assert_true(dir_mail_read(buf_slice(&b), &m));
    assert_int_equal(m.cookie, 6);
    assert_false(m.fault);
    for (unsigned i = 0; i < DIR_BY_COUNT; i++) {
        assert_true(slice_eq(m.customer[i].name, answer.customer[i].name));
        assert_int_equal(m.customer[i].suspended, answer.customer[i].suspended);
        assert_int_equal(m.customer[i].by_domain, answer.customer[i].by_domain);
    }
    assert_int_equal(m.sender, DIR_SENDER_FOREIGN);
    assert_int_equal(m.quota[DIR_QUOTA_DAY].limit, 50);
    assert_int_equal(m.quota[DIR_QUOTA_DAY].used, 7);
    assert_memory_equal(&m.limit[DIR_LIMIT_RELAY_PEAK],
                        &answer.limit[DIR_LIMIT_RELAY_PEAK], sizeof m.limit[0]);
    assert_true(m.spent);
    assert_int_equal(m.recipients, 300);
    assert_int_equal(m.data, 1000);
    assert_true(slice_eq(m.groups, SLICE("staff")));
    b.ptr[8] = 2; /* fault */
    assert_false(dir_mail_read(buf_slice(&b), &m));
    b.ptr[8] = 1;
    assert_true(dir_mail_read(buf_slice(&b), &m));
    assert_true(m.fault);
    size_t at_end = 17 + 2 + answer.groups.len;
    b.ptr[b.len - at_end] = DIR_SENDER_COUNT;
    assert_false(dir_mail_read(buf_slice(&b), &m));
    b.ptr[b.len - at_end] = DIR_SENDER_OWN;
    (void)buf_add_byte(&b, 0);
    assert_false(dir_mail_read(buf_slice(&b), &m));
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ask),
        cmocka_unit_test(test_ask_long),
        cmocka_unit_test(test_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
