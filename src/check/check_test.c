/* check/check_test.c - the checks over tables of facts, and the order in which they run. */
#include "check/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct config config = {
    .limits_message_size = 1000, .limits_hops = 50, .limits_policies = 3};

struct seen {
    unsigned n;
    const char *last;
};

static void note(void *arg, const struct check *c, const struct check_verdict *v)
{
    struct seen *s = arg;
    (void)v;
    s->n++;
    s->last = c->name;
}

static bool passes(enum check_stage stage, const struct check_facts *f,
                   struct check_verdict *v, struct seen *seen)
{
    unsigned at = 0;
    enum check_outcome outcome = check_run(stage, &at, f, v, note, seen);
    assert_int_not_equal(outcome, CHECK_WAITS);
    assert_int_equal(outcome == CHECK_REFUSED, v->reply != REPLY_NONE);
    return outcome == CHECK_PASSED;
}

static void test_mailbox(void **state)
{
    static const struct {
        enum config_service service;
        struct dir_answer answer;
        enum reply_id reply;
        const char *field, *value; /* evidence that must be there; NULL: none */
    } cases[] = {
        {SERVICE_MX, {.status = DIR_OK}, REPLY_NONE, NULL, NULL},
        {SERVICE_MX,
         {.status = DIR_NO_MAILBOX},
         REPLY_rcpt_mailbox_unknown,
         "rcpt",
         "alice@example.test"},
        {SERVICE_MX,
         {.status = DIR_NO_DOMAIN},
         REPLY_relay_denied_unregistered,
         "ip",
         "192.0.2.7"},
        {SERVICE_MX,
         {.status = DIR_NO_DOMAIN},
         REPLY_relay_denied_unregistered,
         "domain",
         "client.example"},
        {SERVICE_MX,
         {.status = DIR_DISABLED},
         REPLY_rcpt_mailbox_disabled,
         "rcpt",
         "alice@example.test"},
        {SERVICE_MX,
         {.status = DIR_OVER_QUOTA, .used = 7, .quota = 5},
         REPLY_rcpt_mailbox_over_quota,
         "used",
         "7"},
        {SERVICE_MX,
         {.status = DIR_FULL_INACTIVE, .used = 7, .quota = 5, .last_use_ms = 1},
         REPLY_rcpt_mailbox_full_inactive,
         "days",
         "100"},
        {SERVICE_MX,
         {.status = DIR_FAULT},
         REPLY_system_temporary_problem,
         "what",
         "the directory of mailboxes cannot be read"},
        {SERVICE_SUBMISSION,
         {.status = DIR_NO_DOMAIN},
         REPLY_NONE,
         "rcpt",
         "alice@example.test"},
        {SERVICE_RELAY,
         {.status = DIR_NO_DOMAIN},
         REPLY_NONE,
         "rcpt",
         "alice@example.test"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct smtp_envelope e = {.sender = {.domain = SLICE("client.example")}};
        struct smtp_path rcpt = {.mailbox = SLICE("alice@example.test"),
                                 .domain = SLICE("example.test")};
        struct dir_mail mail = {.customer = {[DIR_BY_LOGIN] = {.name = SLICE("acme")}}};
        struct dir_settings settings = {0};
        struct check_gathered gathered = {0};
        struct check_facts f = {.config = &config,
                                .mail = &mail,
                                .settings = &settings,
                                .gathered = &gathered,
                                .service = cases[i].service,
                                .ip = SLICE("192.0.2.7"),
                                .now_ms = UINT64_C(8640000001),
                                .envelope = &e,
                                .rcpt = &rcpt,
                                .answer = &cases[i].answer};
        static struct check_verdict v;
        struct seen seen = {0};
        struct slice value = {0};
        assert_int_equal(passes(CHECK_RCPT, &f, &v, &seen), cases[i].reply == REPLY_NONE);
        assert_int_equal(v.reply, cases[i].reply);
        if (cases[i].field != NULL) {
            assert_true(fields_get(&v.evidence, slice_of(cases[i].field), &value));
            assert_true(slice_eq(value, slice_of(cases[i].value)));
        }
    }
}

static void test_mail(void **state)
{
    static const struct {
        enum spool_state spool;
        uint64_t size;
        enum reply_id reply;
        const char *last;
    } cases[] = {
        {SPOOL_READY, 0, REPLY_NONE, "declared-size"},
        {SPOOL_READY, 1000, REPLY_NONE, "declared-size"},
        {SPOOL_READY, 1001, REPLY_message_too_large, "declared-size"},
        {SPOOL_DISK_FULL, 1001, REPLY_server_busy, "room"}, /* the first that refuses */
        {SPOOL_IO_ERROR, 0, REPLY_system_temporary_problem, "room"},
        {SPOOL_NO_QUEUE, 0, REPLY_NONE, "declared-size"}, /* it comes back: wait for it */
    };
    static struct check_verdict busy;
    struct seen none = {0};
    struct smtp_envelope small = {.params = {.size = 1}};
    struct check_facts short_of = {
        .config = &config, .busy = "it is short of memory", .envelope = &small};
    assert_false(passes(CHECK_MAIL, &short_of, &busy, &none));
    assert_int_equal(busy.reply, REPLY_server_busy);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct smtp_envelope e = {.params = {.size = cases[i].size}};
        struct check_facts f = {
            .config = &config, .spool = cases[i].spool, .envelope = &e};
        static struct check_verdict v;
        struct seen seen = {0};
        assert_int_equal(passes(CHECK_MAIL, &f, &v, &seen), cases[i].reply == REPLY_NONE);
        assert_int_equal(v.reply, cases[i].reply);
        assert_string_equal(seen.last, cases[i].last);
    }
}

static void test_hops(void **state)
{
    (void)state;
    for (unsigned n = 49; n <= 52; n++) {
        struct header_field received[52];
        for (unsigned i = 0; i < n; i++) {
            received[i] = (struct header_field){.name = SLICE("received")};
        }
        struct message_head h = {.field = received, .n = n};
        struct check_gathered gathered = {0};
        struct check_facts f = {.config = &config, .head = &h, .gathered = &gathered};
        static struct check_verdict v;
        struct seen seen = {0};
        assert_int_equal(passes(CHECK_MESSAGE, &f, &v, &seen), n <= 50);
        assert_int_equal(v.reply, n <= 50 ? REPLY_NONE : REPLY_hop_limit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mailbox),
        cmocka_unit_test(test_mail),
        cmocka_unit_test(test_hops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
