/* directory/relay_test.c - relay customers: the commands, and who a MAIL leads to. */
#include "config/config.h"
#include "directory/testing.h"

static char out[8192];

static void relay(const char *action, const char *subject, const char *more)
{
    static char request[4096];
    (void)snprintf(request, sizeof request,
                   "{'object':'relay','action':'%s','subject':'%s'%s%s}", action, subject,
                   more[0] == '\0' ? "" : ",", more);
    t_must(request);
}

static struct dir_mail asked(const char *ip, const char *helo, const char *domain,
                             const char *login)
{
    struct dir_mail_ask ask = {.service = SERVICE_RELAY,
                               .helo = slice_of(helo),
                               .local = SLICE("ann"),
                               .domain = slice_of(domain),
                               .login = slice_of(login)};
    struct dir_mail m;
    assert_true(ip_parse(slice_of(ip), &ask.ip));
    dir_store_mail(t.store, &ask, NOW_MS, &m);
    assert_false(m.fault);
    return m;
}

#define assert_customer(m, by, text)                                                     \
    assert_true(slice_eq((m).customer[by].name, SLICE(text)))

static void test_who(void **state)
{
    (void)state;
    relay(
        "add", "acme",
        "'network':'192.0.2.0/24,2001:db8::/32','domain':'acme.test','by-domain':'yes'");
    relay("add", "lab", "'network':'192.0.2.128/25','domain':'lab.acme.test'");
    struct dir_mail m = asked("192.0.2.1", "mx.acme.test", "lab.acme.test", "");
    assert_customer(m, DIR_BY_ADDRESS, "acme");
    assert_customer(m, DIR_BY_HELO, "acme");
    assert_customer(m, DIR_BY_SENDER, "lab");
    assert_customer(m, DIR_BY_LOGIN, "");
    assert_true(m.customer[DIR_BY_HELO].by_domain);
    assert_false(m.customer[DIR_BY_SENDER].by_domain);

    m = asked("192.0.2.129", "[192.0.2.129]", "a.b.Lab.ACME.test", "bob@acme.test");
    assert_customer(m, DIR_BY_ADDRESS, "lab");
    assert_customer(m, DIR_BY_HELO, "");
    assert_customer(m, DIR_BY_SENDER, "lab");
    assert_customer(m, DIR_BY_LOGIN, "acme");

    m = asked("192.0.3.1", "xacme.test", "test", "");
    for (unsigned i = 0; i < DIR_BY_COUNT; i++) {
        assert_customer(m, i, "");
    }
    m = asked("2001:db8:ffff::1", "", "", "");
    assert_customer(m, DIR_BY_ADDRESS, "acme");
    assert_customer(m, DIR_BY_SENDER, "");
    m = asked("2001:db9::1", "", "", "");
    assert_customer(m, DIR_BY_ADDRESS, "");
}

static void test_every_network(void **state)
{
    (void)state;
    relay("add", "v4", "'network':'0.0.0.0/0'");
    relay("add", "v6", "'network':'::/0'");
    relay("add", "one", "'network':'198.51.100.7'");
    assert_customer(asked("203.0.113.1", "", "", ""), DIR_BY_ADDRESS, "v4");
    assert_customer(asked("198.51.100.7", "", "", ""), DIR_BY_ADDRESS, "one");
    assert_customer(asked("198.51.100.6", "", "", ""), DIR_BY_ADDRESS, "v4");
    assert_customer(asked("2001:db8::1", "", "", ""), DIR_BY_ADDRESS, "v6");
}

static void test_state(void **state)
{
    (void)state;
    relay("add", "acme", "'network':'192.0.2.0/24'");
    assert_false(asked("192.0.2.1", "", "", "").customer[DIR_BY_ADDRESS].suspended);
    relay("suspend", "acme", "");
    assert_true(asked("192.0.2.1", "", "", "").customer[DIR_BY_ADDRESS].suspended);
    relay("set", "acme", "'by-domain':'no'"); /* leaves the state alone */
    assert_true(asked("192.0.2.1", "", "", "").customer[DIR_BY_ADDRESS].suspended);
    relay("resume", "acme", "");
    assert_false(asked("192.0.2.1", "", "", "").customer[DIR_BY_ADDRESS].suspended);
    relay("remove", "acme", "");
    assert_customer(asked("192.0.2.1", "", "", ""), DIR_BY_ADDRESS, "");
}

static void test_replace(void **state)
{
    (void)state;
    relay("add", "acme", "'network':'192.0.2.0/24','domain':'acme.test'");
    relay("set", "acme", "'network':'198.51.100.0/24'");
    assert_customer(asked("192.0.2.1", "", "", ""), DIR_BY_ADDRESS, "");
    assert_customer(asked("198.51.100.1", "acme.test", "", ""), DIR_BY_ADDRESS, "acme");
    assert_customer(asked("198.51.100.1", "acme.test", "", ""), DIR_BY_HELO, "acme");
    relay("set", "acme", "'domain':'','network':''");
    assert_customer(asked("198.51.100.1", "acme.test", "", ""), DIR_BY_HELO, "");
}

static void test_shown(void **state)
{
    (void)state;
    relay("add", "acme",
          "'network':'192.0.2.7/32,2001:DB8::/32','domain':'B.test,a.test',"
          "'by-domain':'yes'");
    relay("add", "beta", "");
    assert_int_equal(t_ask("{'object':'relay','action':'list'}", out, sizeof out), 0);
    assert_string_equal(
        out, "{\"relay\":\"acme\",\"state\":\"active\",\"networks\":[\"192.0.2.7\","
             "\"2001:db8::/32\"],\"domains\":[\"a.test\",\"b.test\"],\"by_domain\":true,"
             "\"created\":\"2027-01-15T08:00:00Z\"}\n"
             "{\"relay\":\"beta\",\"state\":\"active\",\"networks\":[],\"domains\":[],"
             "\"by_domain\":false,\"created\":\"2027-01-15T08:00:00Z\"}\n");
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *request;
        int status;
        const char *says;
    } cases[] = {
        {"{'object':'relay','action':'add','subject':'a b'}", 2, "'a b' is no name"},
        {"{'object':'relay','action':'add','subject':''}", 2, "is no name"},
        {"{'object':'relay','action':'add','subject':'acme'}", 1, "is there already"},
        {"{'object':'relay','action':'set','subject':'nobody'}", 1, "there is no relay"},
        {"{'object':'relay','action':'suspend','subject':'nobody'}", 1, "there is no"},
        {"{'object':'relay','action':'add','subject':'b','network':'192.0.2.1/24'}", 2,
         "is no network"},
        {"{'object':'relay','action':'add','subject':'b','network':'192.0.2.0/24'}", 1,
         "192.0.2.0/24 is of the relay customer acme already"},
        {"{'object':'relay','action':'add','subject':'b','domain':'ACME.test'}", 1,
         "acme.test is of the relay customer acme already"},
        {"{'object':'relay','action':'add','subject':'b','domain':'a@b'}", 2, "'a@b'"},
        {"{'object':'relay','action':'add','subject':'b','by-domain':'x'}", 2,
         "yes nor no"},
        {"{'object':'relay','action':'add','subject':'b','quota':'1 KiB'}", 2,
         "does not know"},
        {"{'object':'user','action':'suspend','subject':'a@b.test'}", 2, "say:"},
    };
    relay("add", "acme", "'network':'192.0.2.0/24','domain':'acme.test'");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(t_ask(cases[i].request, out, sizeof out), cases[i].status);
        if (strstr(out, cases[i].says) == NULL) {
            fail_msg("%s: %s", cases[i].request, out);
        }
    }
    /* its own again is no conflict, and nothing of what was refused stands */
    relay("set", "acme", "'network':'192.0.2.0/24,192.0.2.0/24','domain':'acme.test'");
    assert_int_equal(
        t_ask("{'object':'relay','action':'show','subject':'b'}", out, sizeof out), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_who, t_setup, t_teardown),
        cmocka_unit_test_setup_teardown(test_every_network, t_setup, t_teardown),
        cmocka_unit_test_setup_teardown(test_state, t_setup, t_teardown),
        cmocka_unit_test_setup_teardown(test_replace, t_setup, t_teardown),
        cmocka_unit_test_setup_teardown(test_shown, t_setup, t_teardown),
        cmocka_unit_test_setup_teardown(test_refused, t_setup, t_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
