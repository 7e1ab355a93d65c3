/* directory/push_test.c - push accounts: the commands, and what a MAIL by a login may. */
#include "config/config.h"
#include "directory/db.h"
#include "directory/testing.h"

static char out[8192];

static struct dir_mail asked(const char *local, const char *domain, const char *login)
{
    struct dir_mail_ask ask = {.service = SERVICE_PUSH,
                               .local = slice_of(local),
                               .domain = slice_of(domain),
                               .login = slice_of(login)};
    struct dir_mail m;
    dir_store_mail(t.store, &ask, NOW_MS, &m);
    assert_false(m.fault);
    return m;
}

static void test_sender(void **state)
{
    (void)state;
    t_make("push", "news@shop.test", "");
    struct dir_mail m = asked("news", "shop.test", "news@shop.test");
    assert_int_equal(m.sender, DIR_SENDER_OWN);
    assert_int_equal(m.recipients, 300);
    assert_int_equal(m.data, 0);
    assert_int_equal(asked("News", "Shop.test", "NEWS@shop.test").sender, DIR_SENDER_OWN);
    assert_int_equal(asked("info", "shop.test", "news@shop.test").sender,
                     DIR_SENDER_FOREIGN);
    assert_int_equal(asked("", "", "news@shop.test").sender, DIR_SENDER_FOREIGN);
    assert_int_equal(asked("news", "shop.test", "other@shop.test").sender,
                     DIR_SENDER_GONE);
    assert_int_equal(asked("news", "shop.test", "rubbish").sender, DIR_SENDER_GONE);
    assert_int_equal(asked("news", "shop.test", "").sender, DIR_SENDER_NONE);
    t_must("{'object':'push','action':'set','subject':'news@shop.test','state':"
           "'restricted','recipients':'5','data':'10 KiB'}");
    m = asked("news", "shop.test", "news@shop.test");
    assert_int_equal(m.sender, DIR_SENDER_UNAVAILABLE);
    assert_int_equal(m.recipients, 5);
    assert_int_equal(m.data, 10240);
    t_must("{'object':'push','action':'remove','subject':'news@shop.test'}");
    assert_int_equal(asked("news", "shop.test", "news@shop.test").sender,
                     DIR_SENDER_GONE);
}

static uint32_t message_n;

static struct dir_mail spent(uint32_t n)
{
    struct dir_mail_ask ask = {.service = SERVICE_PUSH,
                               .local = SLICE("news"),
                               .domain = SLICE("shop.test"),
                               .login = SLICE("news@shop.test"),
                               .spend = n,
                               .message = {77, ++message_n}};
    struct dir_mail m;
    dir_store_mail(t.store, &ask, NOW_MS, &m);
    assert_false(m.fault);
    return m;
}

static uint64_t used(enum dir_quota_of which)
{
    return asked("news", "shop.test", "news@shop.test").quota[which].used;
}

static void test_quotas(void **state)
{
    (void)state;
    t_make("push", "news@shop.test", "");
    assert_true(spent(1000).spent); /* no quota: not counted */
    t_must(
        "{'object':'push','action':'set','subject':'news@shop.test','quota-daily':'10',"
        "'quota-monthly':'12'}");
    assert_int_equal(used(DIR_QUOTA_DAY), 0);
    assert_true(spent(9).spent);
    assert_false(spent(2).spent); /* all or nothing */
    assert_int_equal(used(DIR_QUOTA_DAY), 9);
    assert_true(spent(1).spent);
    assert_false(spent(1).spent);
    t_must("{'object':'push','action':'set','subject':'news@shop.test','quota-daily':'"
           "none'}");
    assert_false(spent(3).spent); /* the month's is left */
    assert_true(spent(2).spent);
    assert_int_equal(used(DIR_QUOTA_MONTH), 12);
    t_must("{'object':'push','action':'set','subject':'news@shop.test','prepaid':'5',"
           "'quota-monthly':'none'}");
    assert_true(spent(5).spent);
    assert_false(spent(1).spent);
    assert_int_equal(used(DIR_QUOTA_PREPAID), 5);
    t_must("{'object':'push','action':'set','subject':'news@shop.test','state':"
           "'restricted'}");
    assert_int_equal(used(DIR_QUOTA_PREPAID), 5);
}

static void test_dates(void **state)
{
    (void)state;
    uint64_t day_ms = 24 * 60 * 60 * 1000, now_ms = 0;
    struct db_push push;
    struct dir_name name = {.local = "news", .domain = "shop.test"};
    struct dir_quota q[DIR_QUOTA_COUNT];
    t_make("push", "news@shop.test", "'quota-daily':'10','quota-monthly':'500'");
    assert_true(spent(9).spent);
    assert_true(db_push(t.store, &name, &push) == DB_ROW);
    now_ms = NOW_MS;
    assert_true(db_push_quota(t.store, push.id, now_ms + day_ms, q));
    assert_int_equal(q[DIR_QUOTA_DAY].used, 0);
    assert_true(db_push_quota(t.store, push.id, now_ms + 31 * day_ms, q));
    assert_int_equal(q[DIR_QUOTA_MONTH].used, 0);
}

static void test_shown(void **state)
{
    (void)state;
    t_make("push", "b@shop.test", "'data':'1 MiB'");
    t_make("push", "a@shop.test", "'state':'restricted'");
    t_make("push", "z@atelier.test", "'recipients':'10'");
    assert_int_equal(t_ask("{'object':'push','action':'list'}", out, sizeof out), 0);
#define CREATED                                                                          \
    "\"quota-monthly\":0,\"this-month\":0,\"quota-daily\":0,\"today\":0,\"prepaid\":0,"  \
    "\"prepaid-used\":0,\"password\":false,\"created\":\"2027-01-15T08:00:00Z\"}\n"
    assert_string_equal(
        out, "{\"address\":\"z@atelier.test\",\"state\":\"active\",\"recipients\":10,"
             "\"data\":0," CREATED
             "{\"address\":\"a@shop.test\",\"state\":\"restricted\",\"recipients\":300,"
             "\"data\":0," CREATED
             "{\"address\":\"b@shop.test\",\"state\":\"active\",\"recipients\":300,"
             "\"data\":1048576," CREATED);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *request;
        int status;
        const char *says;
    } cases[] = {
        {"{'object':'push','action':'add','subject':'a@b.test'}", 1, "is there already"},
        {"{'object':'push','action':'add'}", 2, "whose"},
        {"{'object':'push','action':'add','subject':'c@b.test','recipients':'0'}", 2,
         "no number from 1 to 1000"},
        {"{'object':'push','action':'add','subject':'c@b.test','quota-daily':'0'}", 2,
         "--quota-daily none"},
        {"{'object':'push','action':'add','subject':'c@b.test','recipients':'1001'}", 2,
         "no number from 1 to 1000"},
        {"{'object':'push','action':'add','subject':'c@b.test','data':'big'}", 2,
         "is no size"},
        {"{'object':'push','action':'add','subject':'c@b.test','state':'locked'}", 2,
         "is no state"},
        {"{'object':'push','action':'add','subject':'c@b.test','password-hash':'x'}", 2,
         "no yescrypt hash"},
        {"{'object':'push','action':'set','subject':'c@b.test'}", 1, "there is no push"},
        {"{'object':'push','action':'remove','subject':'c@b.test'}", 1, "there is no"},
    };
    t_make("push", "a@b.test", "");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(t_ask(cases[i].request, out, sizeof out), cases[i].status);
        if (strstr(out, cases[i].says) == NULL) {
            fail_msg("%s: %s", cases[i].request, out);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sender, t_setup, t_teardown),
        cmocka_unit_test_setup_teardown(test_quotas, t_setup, t_teardown),
        cmocka_unit_test_setup_teardown(test_dates, t_setup, t_teardown),
        cmocka_unit_test_setup_teardown(test_shown, t_setup, t_teardown),
        cmocka_unit_test_setup_teardown(test_refused, t_setup, t_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
