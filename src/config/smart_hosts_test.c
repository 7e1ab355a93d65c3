/* config/smart_hosts_test.c - delivery.smart-hosts as tables: what it says, and what is wrong with it. */
#include "config/smart_hosts.h"

#include "config/testing.h"

static const char good[] =
    "host out smtp.provider.example 587 verify login ann /etc/postern/out.secret\n"
    "host in 192.0.2.7 25 may  # the old one\n"
    "host tls smtp.other.example 465 implicit login bob /secret scram\n"
    "via in domain here.test .below.test\n"
    "via direct domain sub.below.test .sub.below.test\n"
    "via tls account Acme\n"
    "via out default\n";

static void test_good(void **state)
{
    (void)state;
    char error[WORDS_ERROR_MAX];
    struct smart_hosts *s = smart_hosts_read(slice_of(good), error);
    assert_string_equal(error, "");
    assert_non_null(s);
    static const struct {
        const char *domain, *account, *host;
    } cases[] = {
        {"here.test", "acme", "in"},
        {"HERE.test", "", "in"},
        {"a.here.test", "", "out"},
        {"below.test", "", "out"},
        {"a.below.test", "acme", "in"},
        {"a.b.below.test", "", "in"},
        {"sub.below.test", "acme", NULL},
        {"x.sub.below.test", "", NULL},
        {"far.test", "ACME", "tls"},
        {"far.test", "acme2", "out"},
        {"", "", "out"},
        {"test", "", "out"},
        {"[192.0.2.1]", "", "out"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct smart_host *h =
            smart_hosts_find(s, slice_of(cases[i].domain), slice_of(cases[i].account));
        if (cases[i].host == NULL) {
            assert_null(h);
        } else {
            assert_non_null(h);
            assert_string_equal(h->name, cases[i].host);
        }
    }
    assert_int_equal(smart_hosts_n(s), 3);
    const struct smart_host *h = smart_hosts_at(s, 0);
    assert_string_equal(h->user, "ann");
    assert_string_equal(h->secret, "/etc/postern/out.secret");
    assert_int_equal(h->port, 587);
    assert_int_equal(h->tls, SMART_TLS_verify);
    assert_false(h->scram);
    assert_true(smart_hosts_at(s, 2)->scram);
    smart_hosts_free(&s);
    s = smart_hosts_read(SLICE("host a b.test 25 may\n"), error);
    assert_null(smart_hosts_find(s, SLICE("x.test"), SLICE("ann")));
    smart_hosts_free(&s);
}

static bool reads(struct slice text, char error[WORDS_ERROR_MAX])
{
    struct smart_hosts *s = smart_hosts_read(text, error);
    bool ok = s != NULL;
    smart_hosts_free(&s);
    return ok;
}

static void test_bad(void **state)
{
    (void)state;
    static const struct bad_text cases[] = {
        {"hots a", "line 1: 'hots' begins no line"},
        {"host a b.test 25", "not complete"},
        {"host direct b.test 25 may", "is no name"},
        {"host a b.test 25 may\nhost a c.test 25 may", "line 2: 'a' is no name, or"},
        {"host a b_c.test 25 may", "neither a host's name"},
        {"host a b.test 0 may", "is no port"},
        {"host a b.test 65536 may", "is no port"},
        {"host a b.test 25 maybe", "no word for TLS"},
        {"host a b.test 25 must login ann", "not understood"},
        {"host a b.test 25 must login ann /secret plain", "not understood"},
        {"host a b.test 25 must password ann /x", "not understood"},
        {"host a b.test 25 must login ann secret", "no absolute path"},
        {"host a b.test 25 may login ann /secret", "tell the password"},
        {"host a b.test 25 never login ann /secret", "tell the password"},
        {"host a 192.0.2.1 25 verify", "in no certificate"},
        {"via a default", "is no host of an earlier"},
        {"host a b.test 25 may\nvia a", "which mail"},
        {"host a b.test 25 may\nvia a domain", "which mail"},
        {"host a b.test 25 may\nvia a domain x..y", "is no domain"},
        {"host a b.test 25 may\nvia a domain x.test X.test", "earlier line"},
        {"host a b.test 25 may\nvia a default\nvia direct default", "line 3"},
    };
    assert_bad_texts(reads, cases, sizeof cases / sizeof cases[0]);
}

static void test_prefixes(void **state)
{
    (void)state;
    assert_prefixes(reads, slice_of(good));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_prefixes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
