/* What the conformance suites do not ask: records by the octet, waiting, failures above, authors. */
#include "senderauth/author.h"
#include "senderauth/dmarc.h"
#include "senderauth/domain.h"
#include "senderauth/fake_dns.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static struct fake_dns dns;
static struct dmarc dmarc;

static void zone(const char *text)
{
    fake_dns_clear(&dns);
    fake_dns_init(&dns, slice_of(text));
}

static void is(struct slice got, const char *want)
{
    if (!slice_eq(got, slice_of(want))) {
        fail_msg("\"%.*s\" is not \"%s\"", (int)got.len, (const char *)got.ptr, want);
    }
}

static void records(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is;
        struct dmarc_record want;
    } cases[] = {
        {"", false, {.usable = false}},
        {"v", false, {.usable = false}},
        {"v=DMARC", false, {.usable = false}},
        {"v=DMARC1x; p=none", false, {.usable = false}},
        {"v=dmarc1; p=none", false, {.usable = false}},
        {"v; x=1; v=DMARC1; p=none", false, {.usable = false}},
        {"v; v=DMARC1; p=none", false, {.usable = false}},
        {" v=DMARC1; p=none", false, {.usable = false}},
        {"V\t=\tDMARC1\t;P=None", true, {.has_p = true, .usable = true}},
        {"v=DMARC1", true, {.usable = false}},
        {"v=DMARC1; p=none;;  ;sp=reject;p=reject",
         true,
         {.has_p = true,
          .has_sp = true,
          .sp = DMARC_P_REJECT,
          .np = DMARC_P_REJECT,
          .usable = true}},
        {"v=DMARC1; p=reject; np=none; psd=Y; t=y; adkim=s; aspf=S; pct=1; ri=x; rf=afrf",
         true,
         {.has_p = true,
          .has_np = true,
          .p = DMARC_P_REJECT,
          .sp = DMARC_P_REJECT,
          .psd = DMARC_PSD_YES,
          .testing = true,
          .strict_dkim = true,
          .strict_spf = true,
          .usable = true}},
        {"v=DMARC1; p=reject; sp=bogus; rua=mailto:a@b.example!10m",
         true,
         {.has_p = true, .usable = true}},
        {"v=DMARC1; p=reject; sp=bogus; rua=mailto:nobody, nonsense",
         true,
         {.has_p = true}},
        {"v=DMARC1; rua=x, https://r.example/a", true, {.usable = true}},
        {"v=DMARC1; p=reject; psd=yes; t=1; adkim=strict",
         true,
         {.has_p = true,
          .p = DMARC_P_REJECT,
          .sp = DMARC_P_REJECT,
          .np = DMARC_P_REJECT,
          .usable = true}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dmarc_record r = {0}, want = cases[i].want;
        bool ok = dmarc_record_read(slice_of(cases[i].text), &r) == cases[i].is &&
                  r.has_p == want.has_p && r.has_sp == want.has_sp &&
                  r.has_np == want.has_np && r.p == want.p && r.sp == want.sp &&
                  r.np == want.np && r.psd == want.psd && r.testing == want.testing &&
                  r.usable == want.usable && r.strict_dkim == want.strict_dkim &&
                  r.strict_spf == want.strict_spf;
        if (!ok) {
            fail_msg("%s", cases[i].text);
        }
    }
}

static bool check(const char *author, const char *spf, enum dmarc_said said)
{
    struct dmarc_query q = {.author = slice_of(author), .spf = {slice_of(spf), said}};
    return dmarc_check(&dns.source, &q, &dmarc);
}

/* All names of the walk are asked before any answer is there. */
static void asks_ahead(void **state)
{
    (void)state;
    zone("_dmarc.example.com TXT v=DMARC1; p=reject\n");
    fake_dns_forget(&dns, true);
    assert_false(check("a.b.c.d.e.f.g.h.example.com", "", DMARC_SAID_FAIL));
    assert_int_equal(dns.question_n, DMARC_STEPS_MAX);
    is(dns.question[1]->name, "_dmarc.d.e.f.g.h.example.com");
    is(dns.question[7]->name, "_dmarc.com");
    while (fake_dns_reveal(&dns, 3)) {
    }
    assert_true(check("a.b.c.d.e.f.g.h.example.com", "", DMARC_SAID_FAIL));
    assert_int_equal(dmarc.result, DMARC_FAIL);
    assert_int_equal(dmarc.disposition, DMARC_P_REJECT);
    is(dmarc.policy_domain, "example.com");
}

/* The author's own record stands though what is above it does not answer: the identical domain
 * passes, an unrelated one fails, one that might be aligned is not known. */
static void failure_above(void **state)
{
    (void)state;
    zone("_dmarc.mail.example.com TXT v=DMARC1; p=reject\n_dmarc.example.com FAIL\n");
    assert_true(check("mail.example.com", "mail.example.com", DMARC_SAID_PASS));
    assert_int_equal(dmarc.result, DMARC_PASS);
    assert_true(check("mail.example.com", "other.com", DMARC_SAID_PASS));
    assert_int_equal(dmarc.result, DMARC_FAIL);
    assert_true(check("mail.example.com", "x.example.com", DMARC_SAID_PASS));
    assert_int_equal(dmarc.result, DMARC_TEMPERROR);
    assert_int_equal(dmarc.disposition, DMARC_P_NONE);
    assert_true(check("www.example.com", "www.example.com", DMARC_SAID_PASS));
    assert_int_equal(dmarc.result, DMARC_TEMPERROR);
    assert_true(check("mail.example.com", "mail.example.com", DMARC_SAID_TEMPERROR));
    assert_int_equal(dmarc.result, DMARC_TEMPERROR);
    assert_true(check("mail.example.com", "other.com", DMARC_SAID_TEMPERROR));
    assert_int_equal(dmarc.result, DMARC_FAIL);
}

static void policies(void **state)
{
    (void)state;
    zone("_dmarc.example.com TXT v=DMARC1; p=none; sp=quarantine; np=reject; t=y\n"
         "is.example.com TXT here\nfail.example.com FAIL\n");
    assert_true(check("is.example.com", "", DMARC_SAID_FAIL));
    assert_string_equal(dmarc.policy_tag, "sp");
    assert_int_equal(dmarc.disposition, DMARC_P_NONE);
    assert_true(check("isnt.example.com", "", DMARC_SAID_FAIL));
    assert_string_equal(dmarc.policy_tag, "np");
    assert_int_equal(dmarc.policy, DMARC_P_REJECT);
    assert_int_equal(dmarc.disposition, DMARC_P_QUARANTINE);
    assert_true(check("fail.example.com", "", DMARC_SAID_FAIL));
    assert_int_equal(dmarc.result, DMARC_TEMPERROR);
    assert_true(check("com", "", DMARC_SAID_FAIL));
    assert_int_equal(dmarc.result, DMARC_NONE);
    is(dmarc.org, "com");
}

/* Two records at one name are none there, and an unrelated identifier is not asked about. */
static void two_records(void **state)
{
    (void)state;
    zone("_dmarc.mail.example.com TXT v=DMARC1; p=quarantine\n_dmarc.example.com TXT "
         "v=DMARC1; p=none\n"
         "_dmarc.example.com TXT v=DMARC1; p=reject\n");
    assert_true(check("a.mail.example.com", "mail.example.org", DMARC_SAID_PASS));
    is(dmarc.org, "mail.example.com");
    assert_int_equal(dmarc.disposition, DMARC_P_QUARANTINE);
    assert_int_equal(dns.question_n, 4);
}

/* Identifiers beyond the bound of walks align only when they are the author's own domain. */
static void bounded(void **state)
{
    (void)state;
    static char name[DMARC_WALKS_MAX + 2][32];
    struct dmarc_identifier dkim[DMARC_WALKS_MAX + 2];
    unsigned n = DMARC_WALKS_MAX + 2;
    for (unsigned i = 0; i < n; i++) {
        int len = snprintf(name[i], sizeof name[i], "m%u.example.com", i);
        dkim[i].domain = (struct slice){(unsigned char *)name[i], (size_t)len};
        dkim[i].said = DMARC_SAID_TEMPERROR;
    }
    zone("_dmarc.example.com TXT v=DMARC1; p=reject\n");
    struct dmarc_query q = {
        .author = SLICE("www.example.com"), .dkim = dkim, .dkim_n = n};
    dkim[DMARC_WALKS_MAX].said = DMARC_SAID_PASS;
    assert_true(dmarc_check(&dns.source, &q, &dmarc));
    assert_false(dmarc.dkim_aligned);
    dkim[DMARC_WALKS_MAX + 1].said = DMARC_SAID_PASS;
    dkim[DMARC_WALKS_MAX + 1].domain = q.author;
    assert_true(dmarc_check(&dns.source, &q, &dmarc));
    assert_int_equal(dmarc.result, DMARC_PASS);
    assert_int_equal(dmarc.dkim_index, DMARC_WALKS_MAX + 1);
}

static void authors(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        enum author_status status;
        const char *domains; /* joined by spaces */
    } cases[] = {
        {" ann@Example.COM", AUTHOR_OK, "example.com"},
        {" a@x.example, B <b@y.example>, \"c,d\"@x.example", AUTHOR_OK,
         "x.example y.example"},
        {" G: a@x.example, ; , H:;, b@y.example", AUTHOR_OK, "x.example y.example"},
        {" ,,a@x.example,", AUTHOR_OK, "x.example"},
        {" a . b @ x . example", AUTHOR_OK, "x.example"},
        {" Dr. A. B <a@x.example>", AUTHOR_OK, "x.example"},
        {" (((()(\r\n )))) a@x.example ((\\)))", AUTHOR_OK, "x.example"},
        {" <@r.example,@s.example:a@x.example>", AUTHOR_OK, "x.example"},
        {" a@x.example.", AUTHOR_OK, "x.example"},
        {" \"a\r\n b\" <a@x.example>", AUTHOR_OK, "x.example"},
        {" a@m\xc3\xbcller.example", AUTHOR_OK, "xn--mller-kva.example"},
        {" a@x_y.example", AUTHOR_OK, "x_y.example"},
        {" a b@x.example", AUTHOR_SYNTAX, ""},
        {" a@b@x.example", AUTHOR_SYNTAX, ""},
        {" a@x.example <b@y.example>", AUTHOR_SYNTAX, ""},
        {" .a@x.example", AUTHOR_SYNTAX, ""},
        {" a.@x.example", AUTHOR_SYNTAX, ""},
        {" a@x..example", AUTHOR_SYNTAX, ""},
        {" a@x.example>", AUTHOR_SYNTAX, ""},
        {" <a@x.example", AUTHOR_SYNTAX, ""},
        {" G: H: a@x.example;;", AUTHOR_SYNTAX, ""},
        {" G: H:, a@x.example;", AUTHOR_SYNTAX, ""},
        {" G: a@x.example", AUTHOR_SYNTAX, ""},
        {" \"a\r\nb\" <a@x.example>", AUTHOR_SYNTAX, ""},
        {" (a\\", AUTHOR_SYNTAX, ""},
        {" a@[192.0.2.1]", AUTHOR_DOMAIN, ""},
        {" a@x\\y.example", AUTHOR_SYNTAX, ""},
        {" a@x!y.example", AUTHOR_DOMAIN, ""},
        {" a@m\xc3.example", AUTHOR_DOMAIN, ""},
        {" a@a.example,a@b.example,a@c.example,a@d.example,a@e.example,a@f.example,a@g."
         "example,"
         "a@h.example,a@i.example",
         AUTHOR_TOO_MANY, ""},
        {" G:;", AUTHOR_NOBODY, ""},
        {"", AUTHOR_NOBODY, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct author author;
        char got[512] = "";
        author_of_value(slice_of(cases[i].value), &author);
        for (unsigned j = 0; author.status == AUTHOR_OK && j < author.n; j++) {
            size_t n = strlen(got);
            snprintf(got + n, sizeof got - n, "%s%.*s", j == 0 ? "" : " ",
                     (int)author.domain[j].len, (const char *)author.domain[j].ptr);
        }
        if (author.status != cases[i].status || strcmp(got, cases[i].domains) != 0) {
            fail_msg("%s: %d %s", cases[i].value, (int)author.status, got);
        }
        assert_true((author.problem == NULL) == (author.status == AUTHOR_OK));
    }
    struct author author;
    author_of_value(SLICE(" \"\\\0\" <a@x.example>"), &author);
    assert_int_equal(author.status, AUTHOR_SYNTAX);
    author_of_header(SLICE("From: a@x.example\r\nfrom : b@y.example\r\n\r\n"), &author);
    assert_int_equal(author.status, AUTHOR_FIELDS);
    author_of_header(SLICE("To: a@x.example\r\n\r\nFrom: b@y.example\r\n"), &author);
    assert_int_equal(author.status, AUTHOR_MISSING);
}

static void domains(void **state)
{
    (void)state;
    unsigned char out[DNS_NAME_MAX];
    size_t len;
    static const char *const bad[] = {"",    ".",   "a..b",  ".a",
                                      "a b", "[1]", "a\x7f", "a\tb"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (domain_take(slice_of(bad[i]), out, &len)) {
            fail_msg("%s", bad[i]);
        }
    }
    assert_true(domain_take(SLICE("A.Example."), out, &len));
    is((struct slice){out, len}, "a.example");
    char label[65];
    memset(label, 'a', 64);
    label[64] = '\0';
    assert_false(domain_take(slice_of(label), out, &len));
    assert_true(domain_take(slice_of(label + 1), out, &len));
    assert_true(dns_name_below(SLICE("a.b.c"), SLICE("B.c")));
    assert_true(dns_name_below(SLICE("b.c"), SLICE("b.c")));
    assert_false(dns_name_below(SLICE("ab.c"), SLICE("b.c")));
    assert_false(dns_name_below(SLICE("c"), SLICE("b.c")));
    assert_int_equal(domain_labels(SLICE("a.b.c")), 3);
    is(domain_parent(SLICE("a.b")), "b");
    is(domain_parent(SLICE("b")), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records),       cmocka_unit_test(asks_ahead),
        cmocka_unit_test(failure_above), cmocka_unit_test(policies),
        cmocka_unit_test(bounded),       cmocka_unit_test(two_records),
        cmocka_unit_test(authors),       cmocka_unit_test(domains),
    };
    fake_dns_init(&dns, (struct slice){0});
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fake_dns_clear(&dns);
    return failed;
}
