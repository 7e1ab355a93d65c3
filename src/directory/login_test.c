/* directory/login_test.c - what smtpd and the directory say to each other during AUTH: what is
 * written is read back, and nothing else is read. */
#include "directory/login.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct dir_auth_ask asks[] = {
    {.cookie = 1,
     .step = DIR_AUTH_BEGIN,
     .service = 2,
     .has_initial = true,
     .mechanism = SLICE_INIT("PLAIN"),
     .text = SLICE_INIT("\0ann\0secret"),
     .ip = SLICE_INIT("192.0.2.1"),
     .binding = SLICE_INIT("")},
    {.cookie = UINT64_MAX,
     .step = DIR_AUTH_BEGIN,
     .mechanism = SLICE_INIT("SCRAM-SHA-256-PLUS"),
     .ip = SLICE_INIT("2001:db8::1"),
     .binding = SLICE_INIT("thirty-two octets of a TLS export")},
    {.cookie = 2, .step = DIR_AUTH_BEGIN, .has_initial = true}, /* AUTH X = */
    {.cookie = 3, .step = DIR_AUTH_RESPONSE, .text = SLICE_INIT("c=biws")},
    {.cookie = 4, .step = DIR_AUTH_RESPONSE},
    {.cookie = 5, .step = DIR_AUTH_ABORT},
    {.cookie = 6,
     .step = DIR_AUTH_NAMED,
     .service = 1,
     .text = SLICE_INIT("ann@example.test"),
     .ip = SLICE_INIT("192.0.2.1")},
};

static const struct dir_auth answers[] = {
    {.cookie = 1, .kind = DIR_AUTH_CHALLENGE, .text = SLICE_INIT("r=x")},
    {.cookie = 2, .kind = DIR_AUTH_CHALLENGE},
    {.cookie = 3, .kind = DIR_AUTH_OK, .text = SLICE_INIT("ann@example.test")},
    {.cookie = 4, .kind = DIR_AUTH_REFUSED, .why = DIR_AUTH_TOO_MANY, .retry = 900},
    {.cookie = UINT64_MAX,
     .kind = DIR_AUTH_REFUSED,
     .why = DIR_AUTH_NEW_NETWORK,
     .account = SLICE_INIT("ann@example.test")},
};

static bool same_ask(const struct dir_auth_ask *a, const struct dir_auth_ask *b)
{
    return a->cookie == b->cookie && a->step == b->step && a->service == b->service &&
           a->has_initial == b->has_initial && slice_eq(a->mechanism, b->mechanism) &&
           slice_eq(a->text, b->text) && slice_eq(a->ip, b->ip) &&
           slice_eq(a->binding, b->binding);
}

static bool same_answer(const struct dir_auth *a, const struct dir_auth *b)
{
    return a->cookie == b->cookie && a->kind == b->kind && a->why == b->why &&
           a->retry == b->retry && slice_eq(a->text, b->text) &&
           slice_eq(a->account, b->account);
}

/* Nothing shorter is read, nor the same with an octet more. */
static void hold_to_form(struct slice whole, bool (*reads)(struct slice payload))
{
    unsigned char more[512];
    assert_true(whole.len < sizeof more);
    for (size_t n = 0; n < whole.len; n++) {
        assert_false(reads(slice_sub(whole, 0, n)));
    }
    memcpy(more, whole.ptr, whole.len);
    more[whole.len] = 0;
    assert_false(reads((struct slice){more, whole.len + 1}));
}

static bool reads_ask(struct slice payload)
{
    struct dir_auth_ask a = {.cookie = 77};
    bool ok = dir_auth_ask_read(payload, &a);
    assert_true(ok || a.cookie == 77);
    return ok;
}

static bool reads_answer(struct slice payload)
{
    struct dir_auth a = {.cookie = 77};
    bool ok = dir_auth_read(payload, &a);
    assert_true(ok || a.cookie == 77);
    return ok;
}

static void test_asks(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++) {
        struct dir_auth_ask got = {0};
        struct buf b;
        buf_init(&b, DIR_AUTH_MAX);
        dir_auth_ask_write(&b, &asks[i]);
        assert_false(b.failed);
        assert_true(dir_auth_ask_read(buf_slice(&b), &got));
        assert_true(same_ask(&got, &asks[i]));
        hold_to_form(buf_slice(&b), reads_ask);
        buf_clear(&b);
    }
}

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        struct dir_auth got = {0};
        struct buf b;
        buf_init(&b, DIR_AUTH_MAX);
        dir_auth_write(&b, &answers[i]);
        assert_false(b.failed);
        assert_true(dir_auth_read(buf_slice(&b), &got));
        assert_true(same_answer(&got, &answers[i]));
        hold_to_form(buf_slice(&b), reads_answer);
        buf_clear(&b);
    }
}

/* What no writer of ours says. */
static void test_strange(void **state)
{
    (void)state;
    const struct dir_auth_ask strange_asks[] = {
        {.cookie = 1, .step = DIR_AUTH_BEGIN, .text = SLICE("text of no response")},
        {.cookie = 1, .step = DIR_AUTH_NAMED, .ip = SLICE("192.0.2.1")}, /* nobody */
        {.cookie = 1, .step = DIR_AUTH_STEPS},
    };
    const struct dir_auth strange_answers[] = {
        {.cookie = 1, .kind = DIR_AUTH_OK}, /* nobody */
        {.cookie = 1, .kind = DIR_AUTH_KINDS},
        {.cookie = 1, .kind = DIR_AUTH_REFUSED, .why = DIR_AUTH_WHYS},
    };
    struct buf b;
    buf_init(&b, DIR_AUTH_MAX);
    for (size_t i = 0; i < sizeof strange_asks / sizeof strange_asks[0]; i++) {
        buf_reset(&b);
        dir_auth_ask_write(&b, &strange_asks[i]);
        assert_false(reads_ask(buf_slice(&b)));
    }
    for (size_t i = 0; i < sizeof strange_answers / sizeof strange_answers[0]; i++) {
        buf_reset(&b);
        dir_auth_write(&b, &strange_answers[i]);
        assert_false(reads_answer(buf_slice(&b)));
    }
    buf_reset(&b);
    dir_auth_ask_write(&b, &asks[0]);
    b.ptr[8 + 1 + 1] = 2; /* "is there an initial response": neither yes nor no */
    assert_false(reads_ask(buf_slice(&b)));
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_asks),
                                       cmocka_unit_test(test_answers),
                                       cmocka_unit_test(test_strange)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
