/* check/service_test.c - what relay customers, push accounts and domains with settings of
 * their own may, over tables of facts. */
#include "check/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct config config = {.limits_message_size = 1000, .limits_policies = 3};
static struct check_verdict v;

static void start(void)
{
    v.reply = REPLY_NONE;
    fields_reset(&v.evidence);
}

static void assert_says(const char *field, const char *value)
{
    struct slice found = {0};
    if (field == NULL) {
        return;
    }
    if (!fields_get(&v.evidence, slice_of(field), &found) ||
        !slice_eq(found, slice_of(value))) {
        fail_msg("%s is '%.*s', not '%s'", field, (int)found.len, (const char *)found.ptr,
                 value);
    }
}

static void test_relay(void **state)
{
    /* Customers by address, HELO, sender, login: "" none, "a" open, "A" suspended, "n" does
     * not count by its domain alone. */
    static const struct {
        const char *by[DIR_BY_COUNT];
        const char *login;
        enum reply_id reply;
        const char *says;
    } cases[] = {
        {{"", "", "", ""}, "", REPLY_relay_denied_unregistered, NULL},
        {{"", "", "", ""}, "bob@b.test", REPLY_relay_denied_unregistered, NULL},
        {{"", "a", "", ""}, "", REPLY_NONE, "helo"},
        {{"", "", "a", ""}, "", REPLY_NONE, "sender"},
        {{"", "b", "a", ""}, "", REPLY_NONE, "sender"},
        {{"", "n", "", ""}, "", REPLY_relay_denied_unregistered, NULL},
        {{"", "a", "n", ""}, "", REPLY_NONE, "helo"},
        {{"", "", "", "a"}, "bob@a.test", REPLY_NONE, "login"},
        {{"", "", "", "n"}, "bob@a.test", REPLY_NONE, "login"},
        {{"a", "", "a", ""}, "", REPLY_NONE, "address"},
        {{"a", "a", "", ""}, "", REPLY_NONE, "address"},
        {{"n", "", "n", ""}, "", REPLY_NONE, "address"},
        {{"a", "", "", ""}, "", REPLY_relay_credentials_mismatch, "address"},
        {{"a", "b", "b", ""}, "", REPLY_relay_credentials_mismatch, "address"},
        {{"a", "", "", ""}, "bob@c.test", REPLY_NONE, "address"},
        {{"b", "", "", "a"}, "bob@a.test", REPLY_NONE, "login"},
        {{"A", "A", "A", ""}, "", REPLY_relay_denied_suspended, "address"},
        {{"A", "", "", ""}, "", REPLY_relay_denied_suspended, "address"},
        {{"", "A", "", ""}, "", REPLY_relay_denied_suspended, "helo"},
        {{"", "", "A", ""}, "", REPLY_relay_denied_suspended, "sender"},
        {{"a", "a", "a", "A"}, "bob@a.test", REPLY_relay_denied_suspended, "login"},
        {{"a", "a", "A", ""}, "", REPLY_NONE, "address"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct smtp_envelope e = {.sender = {.domain = SLICE("client.example")}};
        struct smtp_path rcpt = {.mailbox = SLICE("alice@example.test")};
        struct dir_mail mail = {0};
        for (unsigned by = 0; by < DIR_BY_COUNT; by++) {
            const char *who = cases[i].by[by];
            mail.customer[by] =
                (struct dir_customer){.name = who[0] == 'A' ? SLICE("a") : slice_of(who),
                                      .suspended = who[0] == 'A',
                                      .by_domain = who[0] != 'n'};
        }
        struct check_facts f = {.ip = SLICE("192.0.2.7"),
                                .helo = SLICE("mx.client.example"),
                                .login = slice_of(cases[i].login),
                                .envelope = &e,
                                .rcpt = &rcpt,
                                .mail = &mail};
        start();
        check_relay(&f, &v);
        if (v.reply != cases[i].reply) {
            fail_msg("case %zu: %d", i, (int)v.reply);
        }
        assert_says("ip", "192.0.2.7");
        assert_says("helo", "mx.client.example");
        assert_says("domain", "client.example");
        assert_says("sender", "<>");
        assert_says(cases[i].says == NULL ? NULL : "by", cases[i].says);
    }
}

static void test_push(void **state)
{
    static const struct {
        enum dir_sender sender;
        enum reply_id reply;
    } senders[] = {{DIR_SENDER_OWN, REPLY_NONE},
                   {DIR_SENDER_FOREIGN, REPLY_sending_denied},
                   {DIR_SENDER_UNAVAILABLE, REPLY_push_account_unavailable},
                   {DIR_SENDER_GONE, REPLY_push_account_unavailable}};
    (void)state;
    struct smtp_envelope e = {0};
    struct dir_mail mail = {.recipients = 3, .data = 500};
    struct check_facts f = {.config = &config,
                            .service = SERVICE_PUSH,
                            .login = SLICE("news@shop.test"),
                            .envelope = &e,
                            .mail = &mail};
    for (size_t i = 0; i < sizeof senders / sizeof senders[0]; i++) {
        mail.sender = senders[i].sender;
        start();
        check_push_account(&f, &v);
        assert_int_equal(v.reply, senders[i].reply);
        assert_says("account", "news@shop.test");
    }
    for (e.recipient_n = 0; e.recipient_n < 5; e.recipient_n++) {
        start();
        check_push_recipients(&f, &v);
        assert_int_equal(v.reply,
                         e.recipient_n < 3 ? REPLY_NONE : REPLY_push_rcpt_count_exceeded);
        assert_says("limit", "3");
    }
    for (f.size = 499; f.size < 503; f.size++) {
        start();
        check_measured_size(&f, &v);
        assert_int_equal(v.reply, f.size <= 500 ? REPLY_NONE : REPLY_push_data_too_large);
        e.params.size = f.size;
        start();
        check_declared_size(&f, &v);
        assert_int_equal(v.reply, f.size <= 500 ? REPLY_NONE : REPLY_push_data_too_large);
    }
    mail.data = 2000; /* more than the server takes */
    e.params.size = 1001;
    start();
    check_declared_size(&f, &v);
    assert_int_equal(v.reply, REPLY_push_data_too_large);
    assert_says("limit", "1000");
}

static const struct dir_mail *spent;
static const struct dir_mail *spend(void *arg)
{
    ++*(unsigned *)arg;
    return spent;
}

static void test_sending_limits(void **state)
{
    static const struct {
        enum config_service service;
        enum dir_limit_of which;
        uint64_t used;
        unsigned before; /* recipients */
        enum reply_id reply;
        const char *measured, *who, *is;
    } cases[] = {
        {SERVICE_SUBMISSION, DIR_LIMIT_USER_MESSAGES, 9, 40, REPLY_NONE, NULL, "account",
         "ann@b.test"},
        {SERVICE_SUBMISSION, DIR_LIMIT_USER_MESSAGES, 10, 0, REPLY_sender_daily_limit,
         "11", "account", "ann@b.test"},
        {SERVICE_SUBMISSION, DIR_LIMIT_USER_RECIPIENTS, 7, 2, REPLY_NONE, NULL, NULL,
         NULL},
        {SERVICE_SUBMISSION, DIR_LIMIT_USER_RECIPIENTS, 7, 3, REPLY_sender_daily_limit,
         "11", "what", "recipients"},
        {SERVICE_RELAY, DIR_LIMIT_RELAY_DAY, 10, 0, REPLY_relay_daily_limit_customer,
         "11", "customer", "acme"},
        {SERVICE_RELAY, DIR_LIMIT_RELAY_USER, 8, 5, REPLY_relay_daily_limit_user, "14",
         "account", "ann@acme.test"},
        {SERVICE_RELAY, DIR_LIMIT_RELAY_PEAK, 10, 0, REPLY_relay_peak_limit_customer,
         "11", "retry", "60"},
        {SERVICE_RELAY, DIR_LIMIT_RELAY_PEAK, 0, 9, REPLY_NONE, NULL, "customer", "acme"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned asked = 0;
        bool relay = cases[i].service == SERVICE_RELAY;
        struct smtp_envelope e = {.recipient_n = cases[i].before,
                                  .sender = {.mailbox = SLICE("ann@acme.test")}};
        struct dir_mail mail = {
            .customer = {[DIR_BY_ADDRESS] = {SLICE("acme"), false, false}}};
        struct check_facts f = {.service = cases[i].service,
                                .login = relay ? SLICE("") : SLICE("ann@b.test"),
                                .envelope = &e,
                                .mail = &mail,
                                .spend = spend,
                                .spend_arg = &asked};
        start();
        check_sending_counted(&f, &v); /* no limits: nothing is counted */
        assert_int_equal(asked, 0);
        mail.limit[cases[i].which] = (struct dir_limit){10, cases[i].used, 3600, 60};
        start();
        check_sending_limit(&f, &v);
        assert_int_equal(v.reply, cases[i].reply);
        assert_says(cases[i].measured == NULL ? NULL : "measured", cases[i].measured);
        assert_says(cases[i].who, cases[i].is);
        /* at the end the recipient that was asked about is among them */
        e.recipient_n++;
        struct dir_mail answer = mail;
        spent = NULL;
        v.waits = false;
        start();
        check_sending_counted(&f, &v);
        assert_true(v.waits && v.reply == REPLY_NONE);
        spent = &answer;
        start();
        check_sending_counted(&f, &v);
        assert_int_equal(v.reply, cases[i].reply);
        answer.spent = true;
        start();
        check_sending_counted(&f, &v);
        assert_int_equal(v.reply, REPLY_NONE);
        answer = (struct dir_mail){.fault = true};
        start();
        check_sending_counted(&f, &v);
        assert_int_equal(v.reply, REPLY_system_temporary_problem);
        assert_int_equal(asked, 4);
    }
}

static void test_sending_recipients(void **state)
{
    (void)state;
    struct smtp_envelope e = {.sender = {.mailbox = SLICE("ann@b.test")}};
    struct dir_mail mail = {.recipients = 0};
    struct check_facts f = {.service = SERVICE_SUBMISSION,
                            .login = SLICE("ann@b.test"),
                            .envelope = &e,
                            .mail = &mail};
    for (e.recipient_n = 0; e.recipient_n < 6; e.recipient_n++) {
        mail.recipients = 0;
        start();
        check_sending_recipients(&f, &v);
        assert_int_equal(v.reply, REPLY_NONE);
        mail.recipients = 3;
        start();
        check_sending_recipients(&f, &v);
        assert_int_equal(v.reply,
                         e.recipient_n < 3 ? REPLY_NONE : REPLY_sender_rcpt_limit);
        assert_says("limit", "3");
    }
}

/* The settings of a domain, as the directory would send them. */
static struct dir_settings settings_of(enum dir_setting which, const char *value)
{
    static struct buf b;
    static const char *values[DIR_SETTING_COUNT];
    struct dir_settings s;
    values[which] = value;
    buf_clear(&b);
    buf_init(&b, DIR_SETTINGS_MAX);
    dir_settings_encode(&b, values);
    assert_true(dir_settings_read(buf_slice(&b), &s));
    values[which] = NULL;
    return s;
}

static void test_network(void **state)
{
    (void)state;
    struct ip in, out;
    struct smtp_path rcpt = {.mailbox = SLICE("alice@example.test")};
    assert_true(ip_parse(SLICE("192.0.2.200"), &in) &&
                ip_parse(SLICE("192.0.3.1"), &out));
    struct dir_settings s = settings_of(DIR_SETTING_NETWORKS, "192.0.2.0/24");
    struct check_facts f = {.ip = SLICE("x"), .settings = &s, .rcpt = &rcpt};
    f.address = &in;
    start();
    check_allowed_network(&f, &v);
    assert_int_equal(v.reply, REPLY_NONE);
    f.address = &out;
    check_allowed_network(&f, &v);
    assert_int_equal(v.reply, REPLY_rcpt_ip_not_allowlisted);
    assert_says("rcpt", "alice@example.test");
    s = (struct dir_settings){0};
    start();
    check_allowed_network(&f, &v);
    assert_int_equal(v.reply, REPLY_NONE);
}

static void test_tls(void **state)
{
    static const struct {
        const char *setting, *domain;
        bool wanted;
    } cases[] = {{NULL, "bank.example", false},
                 {"all", "bank.example", true},
                 {"all", "", true},
                 {"bank.example", "bank.example", true},
                 {"bank.example", "mail.bank.example", true},
                 {"bank.example", "other.example", false},
                 {"bank.example", "", false}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dir_settings s = settings_of(DIR_SETTING_TLS, cases[i].setting);
        struct smtp_envelope e = {.sender = {.domain = slice_of(cases[i].domain)}};
        struct smtp_path rcpt = {.mailbox = SLICE("alice@example.test")};
        for (int tls = 0; tls < 2; tls++) {
            struct check_facts f = {
                .tls = tls != 0, .settings = &s, .envelope = &e, .rcpt = &rcpt};
            start();
            check_rcpt_tls(&f, &v);
            assert_int_equal(v.reply, cases[i].wanted && tls == 0
                                          ? REPLY_rcpt_tls_required
                                          : REPLY_NONE);
        }
    }
}

static void test_one_domain(void **state)
{
    static const struct {
        const char *before, *now;
        bool before_alone, now_alone, refused;
    } cases[] = {{"", "a.test", false, true, false},
                 {"a.test", "b.test", false, false, false},
                 {"a.test", "b.test", true, false, true},
                 {"a.test", "b.test", false, true, true},
                 {"a.test", "A.test", true, true, false}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct check_gathered g = {.domain = slice_of(cases[i].before),
                                   .one_domain = cases[i].before_alone};
        struct dir_settings s = {.any = true, .one_domain = cases[i].now_alone};
        struct dir_answer a = {.domain = slice_of(cases[i].now)};
        struct smtp_path rcpt = {.mailbox = SLICE("x")};
        struct check_facts f = {
            .gathered = &g, .settings = &s, .answer = &a, .rcpt = &rcpt};
        start();
        check_one_domain(&f, &v);
        assert_int_equal(v.reply,
                         cases[i].refused ? REPLY_rcpt_multiple_domains : REPLY_NONE);
    }
}

static void test_policies(void **state)
{
    static const struct {
        unsigned before, before_limit, now_limit;
        bool any, counted, refused;
    } cases[] = {
        {2, 0, 0, true, false, false}, /* limits.policies is 3 */
        {3, 0, 0, true, false, true},   {3, 0, 0, true, true, false},
        {3, 0, 0, false, false, false}, {2, 2, 0, true, false, true},
        {1, 2, 0, true, false, false},  {2, 0, 2, true, false, true},
        {3, 9, 9, true, false, true}, /* no domain can allow more */
        {0, 0, 1, true, false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct check_gathered g = {.policies = cases[i].before,
                                   .policy_limit = cases[i].before_limit};
        struct dir_settings s = {.any = cases[i].any, .policies = cases[i].now_limit};
        struct smtp_path rcpt = {.mailbox = SLICE("x")};
        struct check_facts f = {.config = &config,
                                .gathered = &g,
                                .settings = &s,
                                .policy_counted = cases[i].counted,
                                .rcpt = &rcpt};
        start();
        check_policies(&f, &v);
        assert_int_equal(v.reply,
                         cases[i].refused ? REPLY_rcpt_policy_size_exceeded : REPLY_NONE);
    }
}

static void test_size(void **state)
{
    (void)state;
    struct dir_settings s = {.any = true, .message_size = 400};
    struct check_gathered g = {.size_limit = 400};
    struct smtp_envelope e = {0};
    struct smtp_path rcpt = {.mailbox = SLICE("x")};
    struct check_facts f = {
        .gathered = &g, .settings = &s, .envelope = &e, .rcpt = &rcpt};
    for (uint64_t size = 399; size < 403; size++) {
        e.params.size = f.size = size;
        start();
        check_rcpt_size(&f, &v);
        assert_int_equal(v.reply, size <= 400 ? REPLY_NONE : REPLY_message_too_large);
        start();
        check_measured_size(&f, &v);
        assert_int_equal(v.reply,
                         size <= 400 ? REPLY_NONE : REPLY_message_too_large_measured);
        assert_says("limit", "400");
    }
    s.message_size = g.size_limit = 0;
    start();
    check_rcpt_size(&f, &v);
    check_measured_size(&f, &v);
    assert_int_equal(v.reply, REPLY_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_relay),
        cmocka_unit_test(test_push),
        cmocka_unit_test(test_network),
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_one_domain),
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_sending_limits),
        cmocka_unit_test(test_sending_recipients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
