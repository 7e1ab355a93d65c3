/* directory/account_test.c - accounts as logging in and sending see them. */
#include "directory/account.h"
#include "directory/testing.h"

static char hash[DIR_HASH_MAX], app_hash[DIR_HASH_MAX], keys_text[DIR_SCRAM_TEXT_MAX];

static void set(const char *more)
{
    char request[2048];
    (void)snprintf(request, sizeof request,
                   "{'object':'user','action':'set','subject':'ann@example.test',%s}",
                   more);
    t_must(request);
}

static int refused(const char *more)
{
    char request[2048], out[4096];
    (void)snprintf(request, sizeof request,
                   "{'object':'user','action':'set','subject':'ann@example.test',%s}",
                   more);
    return t_ask(request, out, sizeof out);
}

static int setup(void **state)
{
    (void)state;
    struct sasl_keys keys = {.iterations = SASL_ITERATIONS_MIN, .salt_len = 16};
    t_open();
    assert_true(dir_password_hash("secret", hash) && dir_password_hash("apps", app_hash));
    assert_true(sasl_keys_derive(SLICE("secret"), &keys) &&
                dir_scram_write(&keys, keys_text));
    t_make("domain", "example.test", "");
    t_make("user", "ann@example.test", "");
    t_make("user", "bob@example.test", "");
    t_make("alias", "sales@example.test", "'targets':['ann@example.test']");
    t_make("alias", "all@example.test",
           "'targets':['sales@example.test','bob@example.test']");
    t_make("alias", "ann+boss@example.test", "'targets':['bob@example.test']");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    t_close();
    return 0;
}

static void test_account(void **state)
{
    (void)state;
    char more[1024];
    static struct dir_account a;
    assert_int_equal(
        dir_store_account(t.store, SLICE("ann@example.test"), SLICE("192.0.2.1"), &a),
        DIR_ACCOUNT_FOUND);
    assert_int_equal(a.n, 0); /* no password */
    (void)snprintf(more, sizeof more, "'password-hash':'%s','scram-keys':'%s'", hash,
                   keys_text);
    set(more);
    assert_int_equal(dir_store_account(t.store, SLICE("ANN"), SLICE("192.0.2.1"), &a),
                     DIR_ACCOUNT_FOUND); /* the only domain */
    assert_string_equal(a.login, "ann@example.test");
    assert_true(a.n == 1 && a.credential[0].has_keys && !a.second_factor &&
                !a.known_networks);
    assert_string_equal(a.credential[0].hash, hash);
    /* another password, without keys: the old ones are gone */
    (void)snprintf(more, sizeof more, "'password-hash':'%s'", hash);
    set(more);
    assert_int_equal(dir_store_account(t.store, SLICE("ann@example.test"), SLICE(""), &a),
                     DIR_ACCOUNT_FOUND);
    assert_false(a.credential[0].has_keys);
    static const char *const nobody[] = {
        "",     "@", "nobody", "sales", "ann@other.test", "ann+x", "ann@example.test ",
        "a\xff"};
    for (size_t i = 0; i < sizeof nobody / sizeof nobody[0]; i++) {
        assert_int_equal(dir_store_account(t.store, slice_of(nobody[i]), SLICE(""), &a),
                         DIR_ACCOUNT_NONE);
    }
    t_make("domain", "second.test", "");
    assert_int_equal(dir_store_account(t.store, SLICE("ann"), SLICE(""), &a),
                     DIR_ACCOUNT_NONE);
    t_must("{'object':'domain','action':'remove','subject':'second.test'}");
}

static void test_app_passwords(void **state)
{
    (void)state;
    char more[1024];
    static struct dir_account a;
    (void)snprintf(more, sizeof more, "'app-password':'phone','password-hash':'%s'",
                   app_hash);
    set(more);
    assert_int_equal(refused(more), 1); /* there already */
    assert_int_equal(refused("'app-password':'laptop'"), 2);
    (void)snprintf(more, sizeof more, "'app-password':'','password-hash':'%s'", app_hash);
    assert_int_equal(refused(more), 2);
    assert_int_equal(dir_store_account(t.store, SLICE("ann"), SLICE(""), &a),
                     DIR_ACCOUNT_FOUND);
    assert_int_equal(a.n, 2);
    assert_string_equal(a.credential[0].hash, hash); /* the main one stays what it was */
    assert_string_equal(a.credential[1].name, "phone");
    assert_string_equal(a.credential[1].hash, app_hash);
    dir_store_logged_in(t.store, &a, 1, SLICE(""), NOW_MS);
    char out[4096];
    (void)t_ask("{'object':'user','action':'show','subject':'ann@example.test'}", out,
                sizeof out);
    assert_non_null(strstr(out, "\"last_use\":\"2027-01-15T08:00:00Z\"}]"));
    for (int i = 1; i < DIR_APP_PASSWORDS_MAX; i++) {
        (void)snprintf(more, sizeof more, "'app-password':'a%d','password-hash':'%s'", i,
                       app_hash);
        set(more);
    }
    (void)snprintf(more, sizeof more, "'app-password':'more','password-hash':'%s'",
                   app_hash);
    assert_int_equal(refused(more), 1);
    assert_int_equal(dir_store_account(t.store, SLICE("ann"), SLICE(""), &a),
                     DIR_ACCOUNT_FOUND);
    assert_int_equal(a.n, 1 + DIR_APP_PASSWORDS_MAX);
    set("'app-password-revoke':'phone'");
    assert_int_equal(refused("'app-password-revoke':'phone'"), 1);
    assert_int_equal(dir_store_account(t.store, SLICE("ann"), SLICE(""), &a),
                     DIR_ACCOUNT_FOUND);
    assert_int_equal(a.n, DIR_APP_PASSWORDS_MAX);
    dir_account_clear(&a);
}

static bool known(const char *ip)
{
    static struct dir_account a;
    assert_int_equal(dir_store_account(t.store, SLICE("ann"), slice_of(ip), &a),
                     DIR_ACCOUNT_FOUND);
    return a.network_known;
}

static void test_networks(void **state)
{
    (void)state;
    static struct dir_account a;
    assert_int_equal(dir_store_account(t.store, SLICE("ann"), SLICE("192.0.2.1"), &a),
                     DIR_ACCOUNT_FOUND);
    assert_false(a.network_known);
    dir_store_logged_in(t.store, &a, 0, SLICE("192.0.2.1"), NOW_MS);
    dir_store_logged_in(t.store, &a, 0, SLICE("2001:db8:1:2::3"), NOW_MS);
    assert_true(known("192.0.2.255") && known("2001:db8:1:ffff::1"));
    assert_false(known("192.0.3.1") || known("2001:db8:2::") || known("") || known("x"));
    set("'allow-network':'198.51.100.7'");
    set("'allow-network':'203.0.113.0/24'");
    assert_true(known("198.51.100.200") && known("203.0.113.9"));
    assert_int_equal(refused("'allow-network':'10.0.0.0/8'"), 2);
    assert_int_equal(refused("'allow-network':'here'"), 2);
    for (unsigned i = 0; i < DIR_NETWORKS_MAX; i++) { /* the oldest go */
        char ip[32];
        int n = snprintf(ip, sizeof ip, "10.1.%u.1", i);
        dir_store_logged_in(t.store, &a, 0,
                            (struct slice){(unsigned char *)ip, (size_t)n},
                            NOW_MS + 1000);
    }
    assert_true(known("10.1.0.2") && !known("192.0.2.1"));
    set("'known-networks':'yes','second-factor':'yes'");
    assert_int_equal(refused("'known-networks':'maybe'"), 2);
    assert_int_equal(dir_store_account(t.store, SLICE("ann"), SLICE(""), &a),
                     DIR_ACCOUNT_FOUND);
    assert_true(a.known_networks && a.second_factor);
}

static enum dir_send may(const char *local)
{
    return dir_store_may_send(t.store, SLICE("ann@example.test"), slice_of(local),
                              SLICE("Example.test"));
}

static void test_senders(void **state)
{
    (void)state;
    assert_int_equal(may("ann"), DIR_SEND_YES);
    assert_int_equal(may("ANN"), DIR_SEND_YES);
    assert_int_equal(may("ann+lists"), DIR_SEND_YES);
    assert_int_equal(may("ann+boss"), DIR_SEND_NOT_YOURS); /* an alias to somebody else */
    assert_int_equal(may("sales"), DIR_SEND_YES);
    assert_int_equal(may("all"), DIR_SEND_YES);
    assert_int_equal(may("bob"), DIR_SEND_NOT_YOURS);
    assert_int_equal(may("postmaster"),
                     DIR_SEND_NOT_YOURS); /* falls to ann, but is not hers */
    assert_int_equal(may("nobody"), DIR_SEND_NOT_YOURS);
    struct slice ann = SLICE("ann@example.test");
    struct slice other = SLICE("other.test");
    assert_int_equal(dir_store_may_send(t.store, ann, SLICE(""), SLICE("")),
                     DIR_SEND_YES);
    assert_int_equal(dir_store_may_send(t.store, ann, SLICE("ann"), other),
                     DIR_SEND_NOT_YOURS);
    set("'grant':'bob@Example.test'");
    set("'grant':'@other.test'");
    assert_int_equal(may("bob"), DIR_SEND_YES);
    assert_int_equal(dir_store_may_send(t.store, ann, SLICE("x"), other), DIR_SEND_YES);
    set("'ungrant':'bob@example.test'");
    assert_int_equal(refused("'ungrant':'bob@example.test'"), 1);
    assert_int_equal(may("bob"), DIR_SEND_NOT_YOURS);
    set("'quota':'1 KiB','state':'locked'");
    assert_int_equal(may("ann"), DIR_SEND_YES);
    set("'state':'disabled'");
    assert_int_equal(may("ann"), DIR_SEND_DISABLED);
    assert_int_equal(dir_store_may_send(t.store, SLICE("gone@example.test"),
                                        SLICE("gone"), SLICE("example.test")),
                     DIR_SEND_DISABLED);
}

static void test_secret(void **state)
{
    (void)state;
    unsigned char one[DIR_SECRET_LEN], two[DIR_SECRET_LEN];
    assert_true(dir_store_secret(t.store, one) && dir_store_secret(t.store, two));
    assert_memory_equal(one, two, sizeof one);
}

static void test_keys_text(void **state)
{
    (void)state;
    struct sasl_keys keys;
    char again[DIR_SCRAM_TEXT_MAX];
    assert_true(dir_scram_read(slice_of(keys_text), &keys) &&
                dir_scram_write(&keys, again));
    assert_string_equal(again, keys_text);
    static const char *const wrong[] = {"", "4096", "4096:AAAA:AAAA:AAAA",
                                        "1:::", "4096::AAAA:AAAA"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(dir_scram_read(slice_of(wrong[i]), &keys));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_account),  cmocka_unit_test(test_app_passwords),
        cmocka_unit_test(test_networks), cmocka_unit_test(test_senders),
        cmocka_unit_test(test_secret),   cmocka_unit_test(test_keys_text),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
