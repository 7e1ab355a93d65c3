/* directory/settings_test.c - demands of a domain: typed, kept, encoded, asked. */
#include "directory/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_typed(void **state)
{
    (void)state;
    static const struct {
        enum dir_setting which;
        const char *text, *kept; /* kept NULL: refused */
    } cases[] = {
        {DIR_SETTING_NETWORKS, "192.0.2.0/24, 2001:DB8::/32,,198.51.100.7/32",
         "192.0.2.0/24,2001:db8::/32,198.51.100.7"},
        {DIR_SETTING_NETWORKS, "", ""},
        {DIR_SETTING_NETWORKS, "none", ""},
        {DIR_SETTING_NETWORKS, "192.0.2.1/24", NULL},
        {DIR_SETTING_NETWORKS, "192.0.2.0/33", NULL},
        {DIR_SETTING_NETWORKS, "example.test", NULL},
        {DIR_SETTING_TLS, " all ", "all"},
        {DIR_SETTING_TLS,
         "Bank.Example b\xc3\xbc"
         "cher.example",
         "bank.example,xn--bcher-kva.example"},
        {DIR_SETTING_TLS, "bank.example,b@d", NULL},
        {DIR_SETTING_TLS, "None", ""},
        {DIR_SETTING_TLS, ",none", NULL},
        {DIR_SETTING_TLS, "bank.example,all", NULL},
        {DIR_SETTING_ONE_DOMAIN, "yes", "yes"},
        {DIR_SETTING_ONE_DOMAIN, "no", ""},
        {DIR_SETTING_ONE_DOMAIN, "maybe", NULL},
        {DIR_SETTING_POLICIES, "7", "7"},
        {DIR_SETTING_POLICIES, "0", NULL},
        {DIR_SETTING_POLICIES, "1001", NULL},
        {DIR_SETTING_SIZE, "10 MiB", "10485760"},
        {DIR_SETTING_SIZE, "none", ""},
        {DIR_SETTING_SIZE, "much", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[DIR_SETTING_TEXT_MAX] = "untouched";
        const char *wrong = dir_setting_read(cases[i].which, cases[i].text, out);
        assert_int_equal(wrong == NULL, cases[i].kept != NULL);
        assert_string_equal(out, cases[i].kept == NULL ? "untouched" : cases[i].kept);
    }
}

/* The longest that may be typed still fits. */
static void test_bounds(void **state)
{
    (void)state;
    static char text[16384], networks[DIR_SETTING_TEXT_MAX], tls[DIR_SETTING_TEXT_MAX];
    size_t len = 0;
    for (unsigned i = 0; i < DIR_SETTING_NETWORKS_MAX; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len,
                                "2001:db8:1111:2222:3333:4444:5555:%x,", i + 0x1000);
    }
    assert_null(dir_setting_read(DIR_SETTING_NETWORKS, text, networks));
    (void)snprintf(text + len, sizeof text - len, "192.0.2.1");
    assert_non_null(dir_setting_read(DIR_SETTING_NETWORKS, text, networks));
    len = 0;
    for (unsigned i = 0; i < DIR_SETTING_DOMAINS_MAX / 10; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, "d%03u.org,", i);
    }
    assert_null(dir_setting_read(DIR_SETTING_TLS, text, tls));
    (void)snprintf(text + len, sizeof text - len, "one-more.example");
    assert_non_null(dir_setting_read(DIR_SETTING_TLS, text, tls));

    struct buf b;
    struct dir_settings s;
    const char *value[DIR_SETTING_COUNT] = {networks, tls, "yes", "1000",
                                            "9223372036854775807"};
    buf_init(&b, DIR_SETTINGS_MAX);
    dir_settings_encode(&b, value);
    assert_false(b.failed);
    assert_true(dir_settings_read(buf_slice(&b), &s));
    assert_int_equal(s.networks.len, 17 * DIR_SETTING_NETWORKS_MAX);
    assert_true(dir_settings_want_tls(&s, SLICE("d289.org")));
    assert_false(dir_settings_want_tls(&s, SLICE("d290.org")));
    buf_clear(&b);
}

static bool allows(const struct dir_settings *s, const char *text)
{
    struct ip ip;
    assert_true(ip_parse(slice_of(text), &ip));
    return dir_settings_allow(s, &ip);
}

static void test_asked(void **state)
{
    (void)state;
    struct buf b;
    struct dir_settings s;
    const char *value[DIR_SETTING_COUNT] = {
        [DIR_SETTING_NETWORKS] = "192.0.2.0/24,2001:db8::/32",
        [DIR_SETTING_TLS] = "bank.example,clinic.example",
        [DIR_SETTING_POLICIES] = "3"};
    buf_init(&b, DIR_SETTINGS_MAX);
    dir_settings_encode(&b, value);
    assert_true(dir_settings_read(buf_slice(&b), &s));
    assert_true(s.any);
    assert_true(allows(&s, "192.0.2.9"));
    assert_true(allows(&s, "::ffff:192.0.2.9"));
    assert_true(allows(&s, "2001:db8::1"));
    assert_false(allows(&s, "192.0.3.9"));
    assert_false(allows(&s, "2001:db9::1"));
    assert_true(dir_settings_want_tls(&s, SLICE("bank.example")));
    assert_true(dir_settings_want_tls(&s, SLICE("a.Clinic.EXAMPLE")));
    assert_false(dir_settings_want_tls(&s, SLICE("riverbank.example")));
    assert_false(dir_settings_want_tls(&s, SLICE("example")));
    assert_false(dir_settings_want_tls(&s, SLICE("")));
    assert_int_equal(s.policies, 3);
    assert_false(s.one_domain);

    /* every prefix of it, and one octet more, is refused */
    for (size_t n = 1; n < b.len; n++) {
        assert_false(dir_settings_read(slice_sub(buf_slice(&b), 0, n), &s));
    }
    (void)buf_add_byte(&b, 0);
    assert_false(dir_settings_read(buf_slice(&b), &s));

    buf_reset(&b);
    dir_settings_encode(&b, (const char *const[DIR_SETTING_COUNT]){NULL});
    assert_int_equal(b.len, 0);
    assert_true(dir_settings_read(buf_slice(&b), &s));
    assert_false(s.any);
    assert_true(allows(&s, "192.0.3.9"));
    assert_false(dir_settings_want_tls(&s, SLICE("bank.example")));

    value[DIR_SETTING_NETWORKS] = NULL;
    value[DIR_SETTING_TLS] = "all";
    dir_settings_encode(&b, value);
    assert_true(dir_settings_read(buf_slice(&b), &s));
    assert_true(allows(&s, "192.0.3.9"));
    assert_true(dir_settings_want_tls(&s, SLICE("")));
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_typed),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
