/* What the conformance suites do not ask: evidence, limits counted, waiting, Received-SPF, the survey. */
#include "senderauth/fake_dns.h"
#include "senderauth/spf.h"
#include "senderauth/spf_macro.h"

#include "senderauth/spf_survey.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fake_dns dns;
static struct spf spf;

static void zone(const char *text)
{
    fake_dns_clear(&dns);
    fake_dns_init(&dns, slice_of(text));
}

static struct spf_query query_of(const char *ip, const char *mail_from)
{
    struct spf_query q = {.helo = SLICE("mail.example.net"),
                          .mail_from = slice_of(mail_from),
                          .receiver = SLICE("mx.example.org")};
    assert_true(ip_parse(slice_of(ip), &q.ip));
    return q;
}

static void check(const char *ip, const char *mail_from)
{
    struct spf_query q = query_of(ip, mail_from);
    assert_true(spf_check(&dns.source, &q, &spf));
}

static void is(struct slice got, const char *want)
{
    if (!slice_eq(got, slice_of(want))) {
        fail_msg("\"%.*s\" is not \"%s\"", (int)got.len, (const char *)got.ptr, want);
    }
}

static void evidence(void **state)
{
    (void)state;
    zone("example.com TXT v=spf1 a ?include:a.example ~include:b.example "
         "exp=why.example.com -all\n"
         "example.com A 192.0.2.1\n"
         "a.example TXT v=spf1 ip4:192.0.2.0/28 -all\n"
         "b.example TXT v=spf1 redirect=c.example\n"
         "c.example TXT v=spf1 a:%{l}.c.example -all\n"
         "ann.c.example A 192.0.2.99\n"
         "why.example.com TXT %{i} is not ours, says %{r} at %{t}\n");
    check("192.0.2.99", "ann@example.com");
    assert_int_equal(spf.result, SPF_SOFTFAIL);
    is(spf.term, "~include:b.example");
    is(spf.by, "a:%{l}.c.example");
    is(spf.target, "ann.c.example");
    is(spf.record,
       "v=spf1 a ?include:a.example ~include:b.example exp=why.example.com -all");
    assert_int_equal(spf.terms, 5);
    assert_int_equal(spf.voids, 0);
    assert_int_equal(spf.step_n, 4);
    is(spf.step[3].domain, "c.example");
    is(spf.step[3].via, "redirect=c.example");
    assert_int_equal(spf.step[3].depth, 1);
    is(spf.step[spf.step[3].from].domain, "b.example");
    assert_int_equal(spf.step[2].from, 0);
    assert_int_equal(spf.lookup_n, 6);
    is(spf.lookup[5].name, "ann.c.example");

    check("203.0.113.9", "ann@example.com");
    assert_int_equal(spf.result, SPF_FAIL);
    is(spf.term, "-all");
    is(spf.by, "-all");
    is(spf.target, "");
    is(spf.explanation, "203.0.113.9 is not ours, says mx.example.org at 0");
}

/* An include that fails must leave nothing behind; a fault in one is told with its place. */
static void faults(void **state)
{
    (void)state;
    zone("example.com TXT v=spf1 include:a.example ?all\n"
         "a.example TXT v=spf1 -ip4:192.0.2.1\n"
         "bad.example TXT v=spf1 include:worse.example -all\n"
         "worse.example TXT v=spf1 a ip4:192.0.2.300 -all\n"
         "two.example TXT v=spf1 -all\n"
         "two.example TXT v=spf1 +all\n"
         "slow.example FAIL\n");
    check("192.0.2.1", "ann@example.com");
    assert_int_equal(spf.result, SPF_NEUTRAL);
    is(spf.by, "?all");
    check("192.0.2.1", "ann@bad.example");
    assert_int_equal(spf.result, SPF_PERMERROR);
    is(spf.record, "v=spf1 a ip4:192.0.2.300 -all");
    is(spf.by, "ip4:192.0.2.300");
    assert_string_equal(spf.problem, "no IPv4 address");
    check("192.0.2.1", "ann@two.example");
    assert_string_equal(spf.problem, "more than one SPF record");
    check("192.0.2.1", "ann@slow.example");
    assert_int_equal(spf.result, SPF_TEMPERROR);
    zone("slow.example FAIL\nworse.example TXT v=spf1 ?all\nsingle TXT v=spf1 +all\n"
         "mixed.example TXT v=spf1 include:worse.example a:slow.example -all\n"
         "none.example TXT v=spf1 include:a..b.example -all\n"
         "mapped.example TXT v=spf1 ip6:::ffff:192.0.2.1 -all exp=why.mapped.example\n"
         "why.mapped.example TXT no\x01 thanks\n");
    check("192.0.2.1", "ann@mixed.example");
    assert_int_equal(spf.result, SPF_TEMPERROR);
    is(spf.by, "a:slow.example");
    check("192.0.2.1", "ann@single");
    assert_int_equal(spf.result, SPF_NONE);
    check("192.0.2.1", "ann@none.example");
    assert_int_equal(spf.result, SPF_PERMERROR);
    check("192.0.2.1", "ann@mapped.example");
    assert_int_equal(spf.result, SPF_FAIL);
    is(spf.explanation, "");
    check("192.0.2.1", "ann@[192.0.2.1]");
    assert_int_equal(spf.result, SPF_NONE);
}

/* Records by the octet: with a fault, or without. */
static const char *const good_syntax[] = {
    "",
    " ",
    "all",
    "  +ALL  ",
    "ip4:0.0.0.0/0",
    "ip6:::/0 ip6:::1/128",
    "a/32//128 mx//0",
    "a:%{d}",
    "a:x.%{d}",
    "a:%{dr}.x-y",
    "a:a/24.b.c1/24",
    "ptr:x.b",
    "exists:%{i}.%{l10r.-+,/_=}.b",
    "exists:%%%_%-.b",
    "x=",
    "x=%{d}%{S}",
    "a1.b-c_=:/",
    "redirect=a.b. exp=a.b",
    "a:.b",
    "a:1-2.3-4",
};
static const char *const bad_syntax[] = {
    "al",
    "all.",
    "all/0",
    "-",
    "--all",
    "-redirect=a.b",
    "+x=y",
    "=x",
    "1x=y",
    "redirect:a.b",
    "ip4",
    "ip4:",
    "ip4:1.2.3",
    "ip4:01.2.3.4",
    "ip4:1.2.3.4/08",
    "ip4:1.2.3.4/33",
    "ip4:1.2.3.4/",
    "ip4:1.2.3.4//32",
    "ip4:1.2.3.4/1/2",
    "ip4:1.2.3.4/00",
    "ip4:::1",
    "ip6:1.2.3.4",
    "ip6:::1/129",
    "ip6:::1/01",
    "ip6:::1//64",
    "ip6:[::1]",
    "a:",
    "a/",
    "a/33",
    "a//129",
    "a//064",
    "a/024",
    "a/0/0",
    "a:b",
    "a:b.",
    "a:b.1",
    "a:b.-c",
    "a:b.c-",
    "a:b.c..",
    "a:%{d}.",
    "a:%",
    "a:%x.b",
    "a:%{d",
    "a:%{}.b",
    "a:%{z}.b",
    "a:%{d0}.b",
    "a:%{dr1}.b",
    "a:%{d;}.b",
    "a:%{c}.b",
    "a:%{r}.b",
    "a:%{t}.b",
    "ptr/0",
    "ptr:b",
    "include",
    "include:",
    "include/24",
    "include:a.b/24",
    "exists",
    "exists:a.b//64",
    "redirect=",
    "exp=",
    "exp=a",
    "x=%{y}",
    "x=%{c}",
    "x=%{R}",
    "x=%{t}",
    "x=\x7f",
    "redirect=a.b redirect=a.b",
    "exp=a.b EXP=a.b",
    "a:b.c\x01",
    "all a:\xc3\xa4.b",
};

static void syntax(void **state)
{
    (void)state;
    struct slice where;
    for (size_t i = 0; i < sizeof good_syntax / sizeof good_syntax[0]; i++) {
        const char *fault = spf_record_fault(slice_of(good_syntax[i]), &where);
        if (fault != NULL) {
            fail_msg("%s: %s", good_syntax[i], fault);
        }
    }
    for (size_t i = 0; i < sizeof bad_syntax / sizeof bad_syntax[0]; i++) {
        if (spf_record_fault(slice_of(bad_syntax[i]), &where) == NULL) {
            fail_msg("%s", bad_syntax[i]);
        }
    }
}

/* Only SP is space (isspace() would take the others), and only in front of a term. */
static void spaces(void **state)
{
    (void)state;
    static const char *const bad[] = {"\t", "\v", "\f", "\r", "\xa0", "\x85"};
    char text[128];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(text, sizeof text, "example.com TXT v=spf1 +all%s-all\n", bad[i]);
        zone(text);
        check("192.0.2.1", "ann@example.com");
        assert_int_equal(spf.result, SPF_PERMERROR);
        snprintf(text, sizeof text, "example.com TXT v=spf1%s+all\n", bad[i]);
        zone(text);
        check("192.0.2.1", "ann@example.com");
        assert_int_equal(spf.result, SPF_NONE);
    }
}

/* A chain of 10 includes passes, one of 11 does not; loops end. */
static void limits(void **state)
{
    (void)state;
    zone(
        "i0.example TXT v=spf1 include:i1.example -all\ni1.example TXT v=spf1 "
        "include:i2.example\n"
        "i2.example TXT v=spf1 include:i3.example\ni3.example TXT v=spf1 "
        "include:i4.example\n"
        "i4.example TXT v=spf1 include:i5.example\ni5.example TXT v=spf1 "
        "include:i6.example\n"
        "i6.example TXT v=spf1 include:i7.example\ni7.example TXT v=spf1 "
        "include:i8.example\n"
        "i8.example TXT v=spf1 include:i9.example\ni9.example TXT v=spf1 "
        "include:ia.example\n"
        "ia.example TXT v=spf1 +all\nib.example TXT v=spf1 include:i0.example\n"
        "loop.example TXT v=spf1 redirect=loop.example\n"
        "void.example TXT v=spf1 a:a.void.example mx:b.void.example "
        "exists:c.void.example +all\n"
        "v6.example TXT v=spf1 mx -all\nv6.example MX x.v6.example\nv6.example MX "
        "y.v6.example\n"
        "v6.example MX z.v6.example\nx.v6.example A 192.0.2.1\ny.v6.example A 192.0.2.2\n"
        "z.v6.example A 192.0.2.3\n");
    check("192.0.2.1", "ann@i0.example");
    assert_int_equal(spf.result, SPF_PASS);
    assert_int_equal(spf.step_n, SPF_STEPS_MAX);
    is(spf.by, "+all");
    is(spf.term, "include:i1.example");
    check("192.0.2.1", "ann@ib.example");
    assert_int_equal(spf.result, SPF_PERMERROR);
    check("192.0.2.1", "ann@loop.example");
    assert_int_equal(spf.result, SPF_PERMERROR);
    assert_int_equal(spf.terms, SPF_TERMS_MAX);
    check("192.0.2.1", "ann@void.example");
    assert_int_equal(spf.result, SPF_PERMERROR);
    assert_int_equal(spf.voids, 3);
    zone(
        "void.example TXT v=spf1 a:a.void.example a:b.void.example a:c.void.example "
        "+all\n"
        "a.void.example TXT x\nb.void.example TXT x\nc.void.example TXT x\n"
        "mx.example TXT v=spf1 mx -all\nmx.example MX a.mx.example\nmx.example MX "
        "b.mx.example\n"
        "mx.example MX c.mx.example\n"
        "v6.example TXT v=spf1 mx -all\nv6.example MX x.v6.example\nv6.example MX "
        "y.v6.example\n"
        "v6.example MX z.v6.example\nx.v6.example A 192.0.2.1\ny.v6.example A 192.0.2.2\n"
        "z.v6.example A 192.0.2.3\n");
    check("192.0.2.1", "ann@void.example");
    assert_int_equal(spf.result, SPF_PERMERROR);
    check("192.0.2.1", "ann@mx.example");
    assert_int_equal(spf.result, SPF_PERMERROR);
    assert_int_equal(spf.terms, 1);
    /* Three MX hosts that only have IPv4 addresses are no void lookups for an IPv6 client. */
    check("2001:db8::1", "ann@v6.example");
    assert_int_equal(spf.result, SPF_FAIL);
}

/* While it waits it asks at once for all that the record names. */
static void asks_ahead(void **state)
{
    (void)state;
    zone("example.com TXT v=spf1 a mx include:a.example a:%{p}.example "
         "exists:%{i}.b.example "
         "ip4:192.0.2.9 all include:never.example\n");
    struct spf_query q = query_of("192.0.2.1", "ann@example.com");
    fake_dns_forget(&dns, true);
    assert_false(spf_check(&dns.source, &q, &spf));
    assert_int_equal(dns.question_n, 1);
    assert_true(fake_dns_reveal(&dns, 0));
    assert_false(spf_check(&dns.source, &q, &spf));
    assert_int_equal(dns.question_n, 5);
    is(dns.question[4]->name, "192.0.2.1.b.example");
    zone("example.com TXT v=spf1 a:a.b a:b.b a:c.b a:d.b a:e.b a:f.b a:g.b a:h.b a:i.b "
         "a:j.b a:k.b a:l.b\n");
    fake_dns_forget(&dns, true);
    assert_false(spf_check(&dns.source, &q, &spf));
    assert_true(fake_dns_reveal(&dns, 0));
    assert_false(spf_check(&dns.source, &q, &spf));
    assert_int_equal(dns.question_n, 1 + SPF_TERMS_MAX);
}

/* Of the client's names the first ten count, and the one nearest to the domain is %{p}. */
static void names_of_client(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 8192);
    buf_add_str(&text, "example.com TXT v=spf1 ptr -all exp=why.example.com\n"
                       "sub.example TXT v=spf1 -all exp=why.example.com\n"
                       "why.example.com TXT %{p}\n");
    for (unsigned i = 0; i < 12; i++) {
        buf_add_fmt(&text, "1.2.0.192.in-addr.arpa PTR n%u.%s\n", i,
                    i == 11            ? "example.com"
                    : i == 4 || i == 7 ? "sub.example"
                                       : "example.net");
        buf_add_fmt(&text, "n%u.example.net A 192.0.2.1\nn%u.sub.example A 192.0.2.1\n",
                    i, i);
    }
    buf_add_str(&text, "n11.example.com A 192.0.2.1\n");
    buf_add_byte(&text, 0);
    zone((const char *)text.ptr);
    check("192.0.2.1", "ann@example.com");
    assert_int_equal(spf.result, SPF_FAIL);
    is(spf.explanation, "n0.example.net");
    check("192.0.2.1", "ann@sub.example");
    is(spf.explanation, "n4.sub.example");
    zone("sub.example TXT v=spf1 -all exp=why.sub.example\nwhy.sub.example TXT %{p}\n"
         "1.2.0.192.in-addr.arpa PTR a.sub.example\n1.2.0.192.in-addr.arpa PTR "
         "sub.example\n"
         "sub.example A 192.0.2.1\na.sub.example A 192.0.2.1\n");
    check("192.0.2.1", "ann@sub.example");
    is(spf.explanation, "sub.example");
    buf_clear(&text);
}

/* A name that is too long loses labels on its left, and no more than it must. */
static void long_names(void **state)
{
    (void)state;
    struct ip ip;
    unsigned char domain[DNS_NAME_MAX], out[DNS_NAME_MAX];
    size_t len;
    assert_true(ip_parse(SLICE("192.0.2.1"), &ip));
    for (size_t i = 0; i < sizeof domain; i++) {
        domain[i] = i % 2 == 0 ? 'a' : '.';
    }
    for (size_t n = 245; n <= 253; n += 2) {
        struct spf_macro_values v = {.domain = {domain, n}, .ip = &ip};
        assert_true(spf_macro_name(SLICE("x-y-z.%{d}"), &v, out, &len));
        assert_int_equal(len, n + 6 <= DNS_NAME_MAX ? n + 6 : n);
        assert_true(spf_macro_name(SLICE("x-y-zz.%{d}"), &v, out, &len));
        assert_int_equal(len, n + 7 <= DNS_NAME_MAX ? n + 7 : n);
    }
}

static void local_part_not_ascii(void **state)
{
    (void)state;
    zone("example.com TXT v=spf1 exists:%{l}.example.com exists:%{o}.ok.example -all\n"
         "\xc3\xa4.example.com A 127.0.0.1\nexample.com.ok.example A 127.0.0.1\n"
         "xn--4ca.example TXT v=spf1 +all\n");
    check("192.0.2.1", "\xc3\xa4@example.com");
    is(spf.by, "exists:%{o}.ok.example");
    check("192.0.2.1", "ann@\xc3\xa4.example");
    assert_int_equal(spf.result, SPF_PASS);
    is(spf.domain, "xn--4ca.example");
}

static void received(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4096);
    zone("example.com TXT v=spf1 ip4:192.0.2.0/24 -all\nmail.example.net TXT v=spf1 b\n");
    struct spf_query q = query_of("192.0.2.1", "\"an\\\"n\"@example.com");
    assert_true(spf_check(&dns.source, &q, &spf));
    assert_true(spf_received(&spf, &q, &out));
    is(buf_slice(&out),
       "Received-SPF: pass\r\n\t(mx.example.org: domain example.com\r\n"
       "\tpermits 192.0.2.1)\r\n\tclient-ip=\"192.0.2.1\";\r\n"
       "\tenvelope-from=\"\\\"an\\\\\\\"n\\\"@example.com\";\r\n"
       "\thelo=\"mail.example.net\";\r\n\treceiver=\"mx.example.org\";\r\n"
       "\tidentity=\"mailfrom\";\r\n\tmechanism=\"ip4:192.0.2.0/24\";\r\n");
    buf_reset(&out);
    q = query_of("192.0.2.1", "");
    assert_true(spf_check(&dns.source, &q, &spf));
    assert_true(spf_received(&spf, &q, &out));
    is(buf_slice(&out),
       "Received-SPF: permerror\r\n\t(mx.example.org: domain mail.example.net\r\n"
       "\thas an SPF record with an error, asked about 192.0.2.1)\r\n"
       "\tclient-ip=\"192.0.2.1\";\r\n\thelo=\"mail.example.net\";\r\n"
       "\treceiver=\"mx.example.org\";\r\n\tidentity=\"helo\";\r\n"
       "\tproblem=\"unknown mechanism\";\r\n");
    buf_clear(&out);
}

static struct spf_survey survey;

static void survey_of(const char *domain)
{
    assert_true(spf_survey(&dns.source, slice_of(domain), &spf_survey_defaults, &survey));
}

static void found(unsigned i, enum spf_finding finding, const char *text)
{
    struct buf out;
    buf_init(&out, 1024);
    assert_true(i < survey.found_n);
    assert_int_equal(survey.found[i].finding, finding);
    assert_true(spf_found_text(&survey.found[i], &out));
    is(buf_slice(&out), text);
    buf_clear(&out);
}

static void surveys(void **state)
{
    (void)state;
    zone("fine.example TXT v=spf1 ip4:192.0.2.0/24 ip4:192.0.2.7 ip4:192.0.0.0/16 "
         "-ip4:1.0.0.0/1 a "
         "include:more.example ~all\nmore.example TXT v=spf1 ip4:198.51.100.0/24 a/24 "
         "-all\n"
         "more.example A 203.0.113.7\nwithin.example TXT v=spf1 ip4:10.0.0.0/16 "
         "ip4:10.0.7.0/24 ~all\n"
         "all.example TXT v=spf1 ?include:ignored.example include:plus.example -all\n"
         "ignored.example TXT v=spf1 +all\nplus.example TXT v=spf1 all\n"
         "wide.example TXT v=spf1 ip4:128.0.0.0/1 ip6:2000::/3 a/0 ptr -all "
         "ip4:0.0.0.0/0\n"
         "many.example TXT v=spf1 ip4:10.0.0.0/10 ip4:11.0.0.0/10 -all\n"
         "cloud.example TXT v=spf1 include:_cloud-netblocks.googleusercontent.com -all\n"
         "_cloud-netblocks.googleusercontent.com TXT v=spf1 ip4:8.34.208.0/20 ?all\n"
         "loop.example TXT v=spf1 include:loop.example -all\n"
         "bad.example TXT v=spf1 redirect=nothing.example\n");
    survey_of("fine.example");
    assert_int_equal(survey.findings, 0);
    assert_int_equal(survey.addresses4, 65536 + 256 + 256);
    assert_int_equal(survey.terms, 3);
    survey_of("within.example");
    assert_int_equal(survey.addresses4, 65536);
    survey_of("all.example");
    assert_int_equal(survey.found_n, 1);
    found(0, SPF_FINDS_ALL, "all lets everybody send (record of plus.example)");
    survey_of("wide.example");
    found(0, SPF_FINDS_WIDE,
          "ip4:128.0.0.0/1 is a wider range than /10 (record of wide.example)");
    found(1, SPF_FINDS_WIDE,
          "ip6:2000::/3 is a wider range than /20 (record of wide.example)");
    found(2, SPF_FINDS_WIDE, "a/0 is a wider range than /10 (record of wide.example)");
    found(3, SPF_FINDS_PTR,
          "ptr authorizes by reverse DNS names (record of wide.example)");
    found(4, SPF_FINDS_MANY,
          "2147483648 addresses may send, more than 4194304 (record of wide.example)");
    assert_int_equal(survey.found_n, 5);
    survey_of("many.example");
    assert_int_equal(survey.findings, 1U << SPF_FINDS_MANY);
    survey_of("cloud.example");
    assert_int_equal(survey.findings, 1U << SPF_FINDS_CLOUD);
    survey_of("loop.example");
    assert_int_equal(survey.findings, 1U << SPF_FINDS_LOOKUPS);
    survey_of("bad.example");
    found(0, SPF_FINDS_ERROR,
          "redirect=nothing.example: a domain without SPF record is included or "
          "redirected to "
          "(record of bad.example)");
    survey_of("none.example");
    assert_true(survey.none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evidence),
        cmocka_unit_test(faults),
        cmocka_unit_test(spaces),
        cmocka_unit_test(limits),
        cmocka_unit_test(asks_ahead),
        cmocka_unit_test(syntax),
        cmocka_unit_test(names_of_client),
        cmocka_unit_test(long_names),
        cmocka_unit_test(local_part_not_ascii),
        cmocka_unit_test(received),
        cmocka_unit_test(surveys),
    };
    fake_dns_init(&dns, (struct slice){0});
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fake_dns_clear(&dns);
    return failed;
}
