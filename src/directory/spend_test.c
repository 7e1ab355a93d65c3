/* directory/spend_test.c - limits of users and relay customers: what counts, for how long, exactly
 * once, and not at all when it is given back. */
#include "config/config.h"
#include "directory/spend.h"
#include "directory/testing.h"

static char out[8192];
static uint64_t now_ms;
static uint32_t message_n;

static int setup(void **state)
{
    (void)state;
    t_open();
    now_ms = NOW_MS; /* a whole minute */
    t_must("{'object':'domain','action':'add','subject':'b.test'}");
    t_make("user", "ann@b.test", "");
    t_make("relay", "acme", "'network':'192.0.2.0/24','domain':'acme.test'");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    t_close();
    return 0;
}

static void set(const char *object, const char *subject, const char *options)
{
    char request[512];
    (void)snprintf(request, sizeof request,
                   "{'object':'%s','action':'set','subject':'%s',%s}", object, subject,
                   options);
    t_must(request);
}

static struct dir_mail_ask submission(uint32_t n)
{
    return (struct dir_mail_ask){.service = SERVICE_SUBMISSION,
                                 .local = SLICE("ann"),
                                 .domain = SLICE("b.test"),
                                 .login = SLICE("ann@b.test"),
                                 .spend = n,
                                 .message = {77, ++message_n}};
}

static struct dir_mail_ask relayed(const char *local, const char *domain, uint32_t n)
{
    struct dir_mail_ask ask = {.service = SERVICE_RELAY,
                               .helo = SLICE("mx.acme.test"),
                               .local = slice_of(local),
                               .domain = slice_of(domain),
                               .spend = n,
                               .message = {77, ++message_n}};
    assert_true(ip_parse(SLICE("192.0.2.9"), &ask.ip));
    return ask;
}

static struct dir_mail asked(struct dir_mail_ask ask)
{
    struct dir_mail m;
    dir_store_mail(t.store, &ask, now_ms, &m);
    assert_false(m.fault);
    return m;
}

#define sent(ask) (asked(ask).spent)

static void reopen(void)
{
    char error[DIR_ERROR_MAX];
    dir_store_close(&t.store);
    t.store = dir_store_open(&t.config, error);
    assert_non_null(t.store);
}

static void test_user(void **state)
{
    (void)state;
    struct dir_mail m = asked(submission(0));
    assert_int_equal(m.sender, DIR_SENDER_OWN);
    assert_int_equal(m.limit[DIR_LIMIT_USER_MESSAGES].limit, 0);
    assert_true(sent(submission(100000)));
    set("user", "ann@b.test", "'daily-messages':'3','daily-recipients':'10'");
    assert_true(sent(submission(4)));
    assert_false(sent(submission(7))); /* a refused one costs nothing */
    assert_true(sent(submission(6)));
    m = asked(submission(0));
    assert_int_equal(m.limit[DIR_LIMIT_USER_MESSAGES].used, 2);
    assert_int_equal(m.limit[DIR_LIMIT_USER_RECIPIENTS].used, 10);
    assert_int_equal(m.limit[DIR_LIMIT_USER_RECIPIENTS].span_s, 86400);
    set("user", "ann@b.test", "'daily-recipients':'none'");
    assert_true(sent(submission(50)));
    assert_false(sent(submission(1)));
    reopen();
    assert_false(sent(submission(1)));
    set("user", "ann@b.test", "'daily-messages':'4'");
    assert_true(sent(submission(1)));
    assert_false(sent(submission(1)));
}

static void test_defaults(void **state)
{
    (void)state;
    dir_store_close(&t.store);
    t.config.limits = (struct dir_user_limits){5, 6, 7};
    reopen();
    struct dir_mail m = asked(submission(0));
    assert_int_equal(m.limit[DIR_LIMIT_USER_MESSAGES].limit, 5);
    assert_int_equal(m.limit[DIR_LIMIT_USER_RECIPIENTS].limit, 6);
    assert_int_equal(m.recipients, 7);
    set("user", "ann@b.test",
        "'daily-messages':'none','daily-recipients':'9','recipients':'2'");
    m = asked(submission(0));
    assert_int_equal(m.limit[DIR_LIMIT_USER_MESSAGES].limit, 0);
    assert_int_equal(m.limit[DIR_LIMIT_USER_RECIPIENTS].limit, 9);
    assert_int_equal(m.recipients, 2);
    set("user", "ann@b.test", "'daily-messages':'default','recipients':'none'");
    m = asked(submission(0));
    assert_int_equal(m.limit[DIR_LIMIT_USER_MESSAGES].limit, 5);
    assert_int_equal(m.recipients, 0);
}

/* What was counted frees after 24 hours, to the minute, and the wait says when. */
static void test_window(void **state)
{
    (void)state;
    set("user", "ann@b.test", "'daily-recipients':'10'");
    now_ms += 30 * 1000;
    assert_true(sent(submission(4)));
    now_ms += 3600 * 1000;
    assert_true(sent(submission(6)));
    assert_int_equal(asked(submission(0)).limit[DIR_LIMIT_USER_RECIPIENTS].wait_s,
                     23 * 3600 + 30);
    struct dir_mail m = asked(submission(5)); /* the first 4 are not enough */
    assert_int_equal(m.limit[DIR_LIMIT_USER_RECIPIENTS].wait_s, 24 * 3600 + 30);
    m = asked(submission(11)); /* never */
    assert_int_equal(m.limit[DIR_LIMIT_USER_RECIPIENTS].wait_s, 0);
    now_ms += (23 * 3600 + 29) * 1000;
    assert_false(sent(submission(1)));
    now_ms += 1000;
    assert_false(sent(submission(5)));
    assert_true(sent(submission(4)));
    assert_false(sent(submission(1)));
}

static void test_relay(void **state)
{
    (void)state;
    assert_true(sent(relayed("eve", "acme.test", 1000)));
    set("relay", "acme", "'day-limit':'20','user-day-limit':'5'");
    assert_true(sent(relayed("eve", "acme.test", 5)));
    assert_false(sent(relayed("EVE", "Acme.Test", 1)));
    assert_true(sent(relayed("bob", "acme.test", 5)));
    assert_true(sent(relayed("", "", 4))); /* no user: the customer alone */
    assert_true(sent(relayed("x", "elsewhere.test", 6))); /* nor is he its user */
    assert_false(sent(relayed("y", "elsewhere.test", 1)));
    struct dir_mail m = asked(relayed("cid", "acme.test", 0));
    assert_int_equal(m.limit[DIR_LIMIT_RELAY_DAY].used, 20);
    assert_int_equal(m.limit[DIR_LIMIT_RELAY_USER].used, 0);
    assert_int_equal(
        t_ask("{'object':'relay','action':'show','subject':'acme'}", out, sizeof out), 0);
    assert_non_null(strstr(out, "\"day-limit\":20,\"day-limit-used\":20,"
                                "\"day-limit-frees\":\"2027-01-16T08:01:00Z\""));
    assert_non_null(strstr(out, "{\"bob@acme.test\":5,\"eve@acme.test\":5}"));
}

static void test_peak(void **state)
{
    (void)state;
    set("relay", "acme", "'peak-limit':'3/10 s'");
    assert_true(sent(relayed("a", "acme.test", 1)));
    now_ms += 4000;
    assert_true(sent(relayed("a", "acme.test", 2)));
    struct dir_mail m = asked(relayed("a", "acme.test", 1));
    assert_false(m.spent);
    assert_int_equal(m.limit[DIR_LIMIT_RELAY_PEAK].span_s, 10);
    assert_int_equal(m.limit[DIR_LIMIT_RELAY_PEAK].wait_s, 7);
    now_ms += 6500;
    assert_false(sent(relayed("a", "acme.test", 1)));
    now_ms += 500;
    assert_true(sent(relayed("a", "acme.test", 1)));
    assert_false(sent(relayed("a", "acme.test", 1)));
}

/* However messages and time are mixed, no span holds more than the limit. */
static void test_never_more(void **state)
{
    enum { LIMIT = 5, SPAN_MS = 7000, STEPS = 400 };
    static uint64_t at[STEPS];
    uint32_t seed = 4711;
    size_t n = 0;
    (void)state;
    set("relay", "acme", "'peak-limit':'5/7 s'");
    for (int i = 0; i < STEPS; i++) {
        seed = seed * 1664525 + 1013904223;
        now_ms += seed >> 22;
        if (sent(relayed("a", "acme.test", 1))) {
            at[n++] = now_ms;
            assert_true(n <= LIMIT || at[n - 1] - at[n - 1 - LIMIT] >= SPAN_MS);
        }
    }
    assert_true(n > STEPS / 10);
}

static void test_once(void **state)
{
    (void)state;
    set("user", "ann@b.test", "'daily-recipients':'10'");
    struct dir_mail_ask ask = submission(6);
    assert_true(sent(ask));
    reopen();
    assert_true(sent(ask)); /* asked again: it was counted */
    assert_int_equal(asked(submission(0)).limit[DIR_LIMIT_USER_RECIPIENTS].used, 6);
    struct dir_mail_ask back = ask;
    back.give_back = true;
    for (int i = 0; i < 2; i++) {
        assert_false(asked(back).spent);
        assert_int_equal(asked(submission(0)).limit[DIR_LIMIT_USER_RECIPIENTS].used, 0);
    }
    assert_true(sent(submission(10)));
}

/* A batch is counted whole, and a refused message within it costs nothing. */
static void test_batch(void **state)
{
    (void)state;
    set("user", "ann@b.test", "'daily-recipients':'10'");
    struct dir_mail_ask back = submission(5);
    assert_true(dir_store_batch_begin(t.store));
    assert_true(sent(back));
    assert_true(sent(submission(3)));
    assert_false(sent(submission(3)));
    assert_true(sent(submission(2)));
    back.give_back = true;
    assert_false(asked(back).spent);
    assert_true(sent(submission(1)));
    assert_true(dir_store_batch_end(t.store));
    reopen();
    assert_int_equal(asked(submission(0)).limit[DIR_LIMIT_USER_RECIPIENTS].used, 6);
    assert_true(dir_store_batch_begin(t.store));
    assert_true(sent(submission(4)));
    reopen(); /* it had no end */
    assert_int_equal(asked(submission(0)).limit[DIR_LIMIT_USER_RECIPIENTS].used, 6);
    assert_false(dir_store_batch_end(t.store)); /* there is none */
}

static void test_push_given_back(void **state)
{
    (void)state;
    struct dir_mail_ask ask = {.service = SERVICE_PUSH,
                               .local = SLICE("news"),
                               .domain = SLICE("shop.test"),
                               .login = SLICE("news@shop.test"),
                               .spend = 4,
                               .message = {78, 1}};
    t_make("push", "news@shop.test",
           "'quota-daily':'10','quota-monthly':'11','prepaid':'12'");
    assert_true(sent(ask));
    assert_true(sent(ask));
    ask.message.n = 2;
    assert_true(sent(ask));
    now_ms += 86400 * 1000;
    ask.give_back = true;
    assert_false(sent(ask));
    ask = (struct dir_mail_ask){.service = SERVICE_PUSH, .login = ask.login};
    struct dir_mail m = asked(ask);
    assert_int_equal(m.quota[DIR_QUOTA_DAY].used, 0); /* that was yesterday */
    assert_int_equal(m.quota[DIR_QUOTA_MONTH].used, 4);
    assert_int_equal(m.quota[DIR_QUOTA_PREPAID].used, 4);
}

static int64_t rows(const char *table)
{
    char sql[64];
    sqlite3_stmt *stmt = NULL;
    (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
    assert_int_equal(sqlite3_prepare_v2(t.store->sql.db, sql, -1, &stmt, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    return n;
}

/* What counts no more does not stay. */
static void test_trimmed(void **state)
{
    (void)state;
    set("user", "ann@b.test", "'daily-recipients':'1000'");
    for (int i = 0; i < 100; i++) {
        assert_true(sent(submission(1)));
        now_ms += 60 * 1000;
    }
    assert_int_equal(rows("spent"), 100);
    assert_true(rows("charge") <= 32);
    now_ms += UINT64_C(2) * 86400 * 1000;
    assert_true(sent(submission(1)));
    assert_true(sent(submission(1)));
    assert_int_equal(rows("spent"), 1);
    assert_int_equal(rows("charge"), 2);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *options, *says;
    } cases[] = {
        {"'user','action':'set','subject':'ann@b.test','daily-messages':'0'",
         "--daily-messages none, --daily-messages default"},
        {"'user','action':'set','subject':'ann@b.test','recipients':'-1'",
         "no number of"},
        {"'relay','action':'set','subject':'acme','day-limit':'default'",
         "--day-limit none"},
        {"'relay','action':'set','subject':'acme','user-day-limit':'x'", "no number of"},
        {"'relay','action':'set','subject':'acme','peak-limit':'5'", "5000/10 min"},
        {"'relay','action':'set','subject':'acme','peak-limit':'5/100 ms'",
         "5000/10 min"},
        {"'relay','action':'set','subject':'acme','peak-limit':'5/2 d'", "5000/10 min"},
        {"'relay','action':'set','subject':'acme','peak-limit':'0/1 h'", "5000/10 min"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char request[512];
        (void)snprintf(request, sizeof request, "{'object':%s}", cases[i].options);
        assert_int_equal(t_ask(request, out, sizeof out), 2);
        if (strstr(out, cases[i].says) == NULL) {
            fail_msg("%s: %s", request, out);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_user, setup, teardown),
        cmocka_unit_test_setup_teardown(test_window, setup, teardown),
        cmocka_unit_test_setup_teardown(test_relay, setup, teardown),
        cmocka_unit_test_setup_teardown(test_peak, setup, teardown),
        cmocka_unit_test_setup_teardown(test_never_more, setup, teardown),
        cmocka_unit_test_setup_teardown(test_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_batch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_push_given_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_trimmed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_defaults, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
