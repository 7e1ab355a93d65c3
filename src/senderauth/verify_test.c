/* senderauth/verify_test.c - one message as a whole: the same comes out whenever the answers come. */
#include "senderauth/verify.h"

#include "senderauth/fake_dns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const char zone[] = "a.example TXT v=spf1 ip4:192.0.2.1 -all\n"
                           "_dmarc.a.example TXT v=DMARC1; p=reject\n"
                           "_dmarc.b.example TXT v=DMARC1; p=quarantine\n"
                           "_dmarc.t.example TXT v=DMARC1; p=reject\n"
                           "t.example FAIL\n";

static const struct one {
    const char *ip, *mail_from, *from;
    enum spf_result spf;
    enum dmarc_result dmarc;
    enum dmarc_policy disposition;
    enum verify_aligned aligned;
    const char *author; /* that counts */
} all[] = {
    {"192.0.2.1", "x@a.example", "x@a.example", SPF_PASS, DMARC_PASS, DMARC_P_NONE,
     VERIFY_ALIGNED, "a.example"},
    {"192.0.2.1", "x@a.example", "x@news.a.example", SPF_PASS, DMARC_PASS, DMARC_P_NONE,
     VERIFY_ALIGNED, "news.a.example"},
    {"192.0.2.2", "x@a.example", "x@a.example", SPF_FAIL, DMARC_FAIL, DMARC_P_REJECT,
     VERIFY_UNALIGNED, "a.example"},
    {"192.0.2.1", "x@a.example", "x@c.example", SPF_PASS, DMARC_NONE, DMARC_P_NONE,
     VERIFY_UNALIGNED, "c.example"},
    {"192.0.2.1", "x@t.example", "x@t.example", SPF_TEMPERROR, DMARC_TEMPERROR,
     DMARC_P_NONE, VERIFY_UNKNOWN, "t.example"},
    {"192.0.2.2", "", "x@b.example", SPF_FAIL, DMARC_FAIL, DMARC_P_QUARANTINE,
     VERIFY_UNALIGNED, "b.example"}, /* judged by HELO */
    {"192.0.2.1", "x@a.example", "x@a.example, y@b.example", SPF_PASS, DMARC_FAIL,
     DMARC_P_QUARANTINE, VERIFY_UNALIGNED, "b.example"}, /* the worse one */
};

static void play(const struct one *t, bool slow, unsigned pick)
{
    static struct fake_dns dns;
    struct crypto *crypto = crypto_new(1);
    char header[200];
    struct verify_options o = {.crypto = crypto,
                               .helo = SLICE("a.example"),
                               .mail_from = slice_of(t->mail_from),
                               .receiver = SLICE("mx.example"),
                               .now_s = 1};
    assert_true(ip_parse(slice_of(t->ip), &o.ip));
    (void)snprintf(header, sizeof header, "From: %s\r\nSubject: x\r\n", t->from);
    fake_dns_init(&dns, slice_of(zone));
    fake_dns_forget(&dns, slow);
    struct verify *v = verify_new(&o);
    assert_non_null(v);
    verify_ask(v, &dns.source);
    assert_true(verify_header(v, slice_of(header)));
    verify_ask(v, &dns.source);
    verify_body(v, SLICE("x\r\n"));
    verify_body_end(v);
    while (!verify_evaluate(v, &dns.source)) {
        assert_true(fake_dns_reveal(&dns, pick));
    }
    const struct verified *r = verify_result(v);
    assert_int_equal(r->spf.result, t->spf);
    assert_int_equal(r->dmarc.result, t->dmarc);
    assert_int_equal(r->dmarc.disposition, t->disposition);
    assert_int_equal(r->aligned, t->aligned);
    assert_true(slice_eq(r->from, slice_of(t->author)));
    assert_int_equal(r->has_helo, t->mail_from[0] != '\0');
    assert_false(r->dkim_pass || r->dkim_unknown || r->dkim != NULL ||
                 r->trusted != NULL);
    verify_free(&v);
    fake_dns_clear(&dns);
    crypto_free(&crypto);
}

static void test_all(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++) {
        play(&all[i], false, 0);
        for (unsigned pick = 0; pick < 3; pick++) {
            play(&all[i], true, pick);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
