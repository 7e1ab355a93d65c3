/* senderauth/mta_sts_test.c - what the conformance suite does not ask; see mta_sts.h, tls_rpt.h */
#include "senderauth/mta_sts.h"
#include "senderauth/tls_rpt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static void records(void **state)
{
    (void)state;
    static const struct {
        const char *text, *id; /* NULL: refused */
    } cases[] = {
        {"v=STSv1; id=20160831085700Z;", "20160831085700Z"},
        {"v=STSv1;id=a", "a"},
        {"v=STSv1\t;\tid=a\t; ", "a"},
        {"v=STSv1; id=01234567890123456789012345678901",
         "01234567890123456789012345678901"},
        {"v=STSv1; id=a; id=b", "a"},
        {"v=STSv1; more=a; id=b; x.y-z_1=~!", "b"},
        {"", NULL},
        {"v=STSv1", NULL},
        {"v=stsv1; id=a", NULL},
        {" v=STSv1; id=a", NULL},
        {"v = STSv1; id=a", NULL},
        {"v=STSv1; id=", NULL},
        {"v=STSv1; id =a", NULL},
        {"v=STSv1; ID=a", NULL},
        {"v=STSv1; id=a b", NULL},
        {"v=STSv1; id=a;; ", NULL},
        {"v=STSv1;; id=a", NULL},
        {"v=STSv1; id=a; -x=1", NULL},
        {"v=STSv1; id=a; x=", NULL},
        {"v=STSv1; id=a; a12345678901234567890123456789012=1", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice id = {0};
        const char *fault = sts_record_parse(slice_of(cases[i].text), &id);
        if ((fault == NULL) != (cases[i].id != NULL) ||
            (fault == NULL && !slice_eq(id, slice_of(cases[i].id)))) {
            fail_msg("\"%s\": %s", cases[i].text, fault == NULL ? "taken" : fault);
        }
    }
}

static struct sts_record found(enum dns_status status, const char *first,
                               const char *second)
{
    struct dns_record record[2] = {{.text = slice_of(first)}, {.text = slice_of(second)}};
    struct dns_answer answer = {.status = status,
                                .record = record,
                                .n = status != DNS_FOUND ? 0
                                     : second != NULL    ? 2
                                                         : 1};
    struct sts_record out;
    sts_record_find(&answer, &out);
    return out;
}

static void several_records(void **state)
{
    (void)state;
    struct sts_record r = found(DNS_FOUND, "v=spf1 -all", "v=STSv1; id=a");
    assert_int_equal(r.status, STS_RECORD_OK);
    assert_true(slice_eq(r.id, SLICE("a")));
    r = found(DNS_FOUND, "v=STSv1; id=b", "v=STSv1; id=a");
    assert_true(r.status == STS_RECORD_NONE && r.fault != NULL);
    r = found(DNS_FOUND, "v=STSv1",
              "v=STSv1; id=a"); /* the first is none: no semicolon */
    assert_int_equal(r.status, STS_RECORD_OK);
    r = found(DNS_FOUND, "v=STSv1; id=", NULL);
    assert_true(r.status == STS_RECORD_NONE && r.fault != NULL);
    r = found(DNS_FOUND, "something else", NULL);
    assert_true(r.status == STS_RECORD_NONE && r.fault == NULL);
    assert_int_equal(found(DNS_NXDOMAIN, NULL, NULL).status, STS_RECORD_NONE);
    assert_int_equal(found(DNS_FAILED, NULL, NULL).status, STS_RECORD_FAILED);
}

static void steps(void **state)
{
    (void)state;
    const struct sts_record ok = {.status = STS_RECORD_OK, .id = SLICE("a")};
    const struct sts_record none = {.status = STS_RECORD_NONE};
    const struct sts_record failed = {.status = STS_RECORD_FAILED};
    const struct sts_known nothing = {0}, same = {.cached = true, .id = SLICE("a")};
    const struct sts_known other = {.cached = true, .id = SLICE("b")};
    assert_int_equal(sts_step(&ok, &nothing), STS_FETCH);
    assert_int_equal(sts_step(&ok, &same), STS_USE_CACHED);
    assert_int_equal(sts_step(&ok, &other), STS_FETCH);
    assert_int_equal(sts_step(&none, &nothing), STS_USE_NONE);
    assert_int_equal(sts_step(&none, &other), STS_USE_CACHED);
    assert_int_equal(sts_step(&failed, &nothing), STS_USE_NONE);
    assert_int_equal(sts_step(&failed, &other), STS_USE_CACHED);
    struct sts_known late = other;
    late.failed = true;
    assert_int_equal(sts_step(&ok, &late), STS_USE_CACHED);
    late.cached = false;
    assert_int_equal(sts_step(&ok, &late), STS_USE_NONE);
}

static void policies(void **state)
{
    (void)state;
    struct sts_policy p;
    struct slice text =
        SLICE("version: STSv1\r\n\r\nmx: a.example\r\nmode: testing\r\n"
              "mode: enforce\r\nmax_age: 10\r\nmax_age: x\r\nmx:\t*.b.example\r\n"
              "Mx: c.example\r\n");
    assert_null(sts_policy_parse(text, &p));
    assert_true(p.mode == STS_TESTING && p.max_age_s == 10 && p.mx_n == 2);
    assert_true(sts_policy_allows(&p, SLICE("A.example")));
    assert_true(sts_policy_allows(&p, SLICE("x.b.example.")));
    assert_false(sts_policy_allows(&p, SLICE("x.y.b.example")));
    assert_false(sts_policy_allows(&p, SLICE("b.example")));
    assert_false(sts_policy_allows(&p, SLICE(".b.example")));
    assert_false(
        sts_policy_allows(&p, SLICE("c.example"))); /* field names have their case */
    assert_false(sts_policy_allows(&p, SLICE("")));
    struct slice rest = p.text, mx = {0};
    assert_true(sts_policy_next_mx(&rest, &mx) && slice_eq(mx, SLICE("a.example")));
    assert_true(sts_policy_next_mx(&rest, &mx) && slice_eq(mx, SLICE("*.b.example")));
    assert_false(sts_policy_next_mx(&rest, &mx));
    static const char *const refused[] = {
        "",
        "version: STSv1\nmode: none\n",
        "version: STSv1\nmax_age: 1\n",
        "mode: none\nmax_age: 1\n",
        "version: STSv1\nmode: none\nmax_age: 12345678901\n",
        "version: STSv1\nmode: none\nmax_age: -1\n",
        "version: STSv1\nmode: none\nmax_age:\n",
        "version: STSv1\nmode: enforce\nmax_age: 1\nmx: *\n",
        "version: STSv1\nmode: enforce\nmax_age: 1\nmx: a.example, b.example\n",
        "version: STSv1\nmode: enforce\nmax_age: 1\nmx: -a.example\n",
        "version: STSv1\nmode: enforce\nmax_age: 1\nmx: a-.example\n",
        "version: STSv1\nmode: enforce\nmax_age: 1\nmx: a..example\n",
        "version: STSv1\nmode: none\nmax_age: 1\n: x\n",
        "version: STSv1\nmode: none\nmax_age: 1\nno colon\n",
        "version : STSv1\nmode: none\nmax_age: 1\n",
        "version: STSv1\rmode: none\rmax_age: 1\r",
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        if (sts_policy_parse(slice_of(refused[i]), &p) == NULL) {
            fail_msg("taken: %s", refused[i]);
        }
    }
    char *large = malloc(STS_POLICY_MAX + 1);
    static const char begin[] = "version: STSv1\nmode: none\nmax_age: 1\nx: ";
    assert_non_null(large);
    memset(large, 'x', STS_POLICY_MAX + 1);
    memcpy(large, begin, sizeof begin - 1);
    assert_null(sts_policy_parse(
        (struct slice){(const unsigned char *)large, STS_POLICY_MAX}, &p));
    assert_non_null(sts_policy_parse(
        (struct slice){(const unsigned char *)large, STS_POLICY_MAX + 1}, &p));
    free(large);
}

static void reports(void **state)
{
    (void)state;
    static const struct {
        const char *text, *rua; /* NULL: refused */
    } cases[] = {
        {"v=TLSRPTv1; rua=mailto:r@example.com", "mailto:r@example.com"},
        {"v=TLSRPTv1;rua=mailto:r@example.com , https://r.example/x;",
         "mailto:r@example.com , https://r.example/x"},
        {"v=TLSRPTv1; x=y; rua=https://r.example/", "https://r.example/"},
        {"v=TLSRPTv1;", NULL},
        {"v=TLSRPTv1; rua=", NULL},
        {"v=TLSRPTv1; rua=ftp://x", NULL},
        {"v=TLSRPTv1; rua=mailto:@x", NULL},
        {"v=TLSRPTv1; rua=mailto:a@x, ", NULL},
        {"v=TLSRPTv1; rua=https://", NULL},
        {"v=TLSRPTv1; rua", NULL},
        {"v=TLSRPTv2; rua=mailto:r@example.com", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice rua = {0};
        const char *fault = tls_rpt_parse(slice_of(cases[i].text), &rua);
        if ((fault == NULL) != (cases[i].rua != NULL) ||
            (fault == NULL && !slice_eq(rua, slice_of(cases[i].rua)))) {
            fail_msg("\"%s\": %s", cases[i].text, fault == NULL ? "taken" : fault);
        }
    }
    for (unsigned i = 0; i < TLS_RPT_RESULT_N; i++) {
        enum tls_rpt_result r = TLS_RPT_SUCCESS;
        assert_true(tls_rpt_result_take(
            slice_of(tls_rpt_result_name((enum tls_rpt_result)i)), &r));
        assert_int_equal(r, i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records), cmocka_unit_test(several_records),
        cmocka_unit_test(steps),   cmocka_unit_test(policies),
        cmocka_unit_test(reports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
