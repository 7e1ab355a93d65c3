/* delivery/tls_need_test.c - see tls_need.h; more in the suites dane-policy and mta-sts */
#include "delivery/tls_need.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void needs(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct tls_ask ask;
        bool unfit, never, must;
        enum tls_verify verify;
        enum tls_rpt_policy policy;
        /* clang-format off */
    } cases[] = {
        {"nothing", {0}, false, false, false, TLS_VERIFY_NONE, TLS_RPT_NO_POLICY},
        {"enforce", {.sts = true, .mode = STS_ENFORCE, .sts_allows = true}, false, false, true, TLS_VERIFY_NAME, TLS_RPT_STS},
        {"enforce, another host", {.sts = true, .mode = STS_ENFORCE}, true, false, true, TLS_VERIFY_NAME, TLS_RPT_STS},
        {"testing", {.sts = true, .mode = STS_TESTING}, false, false, false, TLS_VERIFY_LOOK, TLS_RPT_STS},
        {"mode none", {.sts = true, .mode = STS_NONE}, false, false, false, TLS_VERIFY_NONE, TLS_RPT_NO_POLICY},
        {"dane before enforce", {.tlsa_n = 1, .tlsa_usable = 1, .sts = true, .mode = STS_ENFORCE}, false, false, true, TLS_VERIFY_DANE, TLS_RPT_TLSA},
        {"useless tlsa leaves enforce", {.tlsa_n = 1, .sts = true, .mode = STS_ENFORCE, .sts_allows = true}, false, false, true, TLS_VERIFY_NAME, TLS_RPT_STS},
        {"useless tlsa alone", {.tlsa_n = 1}, false, false, true, TLS_VERIFY_NONE, TLS_RPT_TLSA},
        {"never", {.rule = TLS_RULE_NEVER, .tlsa_n = 1, .tlsa_usable = 1}, false, true, false, TLS_VERIFY_NONE, TLS_RPT_NO_POLICY},
        {"may", {.rule = TLS_RULE_MAY, .tlsa_n = 1, .tlsa_usable = 1}, false, false, false, TLS_VERIFY_NONE, TLS_RPT_NO_POLICY},
        {"must", {.rule = TLS_RULE_MUST}, false, false, true, TLS_VERIFY_NONE, TLS_RPT_NO_POLICY},
        {"verify", {.rule = TLS_RULE_VERIFY}, false, false, true, TLS_VERIFY_NAME, TLS_RPT_NO_POLICY},
        {"verify by dane", {.rule = TLS_RULE_VERIFY, .tlsa_n = 2, .tlsa_usable = 1}, false, false, true, TLS_VERIFY_DANE, TLS_RPT_TLSA},
        {"verify and testing", {.rule = TLS_RULE_VERIFY, .sts = true, .mode = STS_TESTING, .sts_allows = true}, false, false, true, TLS_VERIFY_NAME, TLS_RPT_STS},
        {"dane", {.rule = TLS_RULE_DANE, .tlsa_n = 1}, true, false, true, TLS_VERIFY_NONE, TLS_RPT_TLSA},
        {"requiretls, names unproven", {.requiretls = true}, true, false, true, TLS_VERIFY_NONE, TLS_RPT_NO_POLICY},
        {"requiretls, dnssec", {.requiretls = true, .secure = true}, false, false, true, TLS_VERIFY_NAME, TLS_RPT_NO_POLICY},
        {"requiretls, testing", {.requiretls = true, .sts = true, .mode = STS_TESTING, .sts_allows = true}, false, false, true, TLS_VERIFY_NAME, TLS_RPT_STS},
        {"requiretls, testing, another host", {.requiretls = true, .sts = true, .mode = STS_TESTING}, true, false, true, TLS_VERIFY_LOOK, TLS_RPT_STS},
        {"requiretls, dane", {.requiretls = true, .secure = true, .tlsa_n = 1, .tlsa_usable = 1}, false, false, true, TLS_VERIFY_DANE, TLS_RPT_TLSA},
        {"requiretls, never", {.rule = TLS_RULE_NEVER, .requiretls = true, .secure = true}, true, true, true, TLS_VERIFY_NONE, TLS_RPT_NO_POLICY},
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tls_need n;
        tls_need_of(&cases[i].ask, &n);
        if ((n.unfit != NULL) != cases[i].unfit || n.never != cases[i].never ||
            n.must != cases[i].must || n.verify != cases[i].verify ||
            n.policy != cases[i].policy) {
            fail_msg("%s: unfit %d never %d must %d verify %d policy %d", cases[i].name,
                     n.unfit != NULL, n.never, n.must, (int)n.verify, (int)n.policy);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(needs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
