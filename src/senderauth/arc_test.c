/* senderauth/arc_test.c - chains sealed hop by hop, validated, and broken in every link */
#include "senderauth/arc_seal.h"
#include "senderauth/authres.h"
#include "senderauth/dkim_testlib.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NAME "sel._domainkey.example.com"

static struct crypto *crypto;
static struct crypto_private *key;
static struct buf zone;

static const char header[] = "From: Ann <ann@example.com>\r\nSubject: A test\r\n";
static const char body[] = "Hello\r\n";

struct hop {
    struct dkim_body *body;
    struct arc *arc;
    int wish;
};

/* What a receiver of header and body finds. */
static struct hop receive(struct slice head, struct slice text, struct slice records)
{
    static struct fake_dns dns;
    struct hop h = {.body = dkim_body_new(crypto)};
    struct arc_options o = {.crypto = crypto, .body = h.body};
    fake_dns_init(&dns, records);
    dns.slow = true;
    h.arc = arc_new(&o, head);
    assert_non_null(h.arc);
    h.wish = arc_seal_want(h.body);
    arc_ask(h.arc, &dns.source);
    dkim_body_feed(h.body, text);
    dkim_body_end(h.body);
    while (arc_evaluate(h.arc, &dns.source) == DKIM_WAITING) {
        assert_true(fake_dns_reveal(&dns, 0));
    }
    fake_dns_clear(&dns);
    return h;
}

static void leave(struct hop *h)
{
    arc_free(&h->arc);
    dkim_body_free(&h->body);
}

static enum arc_sealed seal(struct buf *head)
{
    struct buf fields;
    buf_init(&fields, 1 << 16);
    struct hop h = receive(buf_slice(head), slice_of(body), buf_slice(&zone));
    struct arc_seal s = {.sign = {.crypto = crypto,
                                  .key = key,
                                  .domain = SLICE("example.com"),
                                  .selector = SLICE("sel"),
                                  .made = 1000},
                         .authserv_id = SLICE("mx.example.org"),
                         .results = SLICE(";\r\n\tspf=pass")};
    enum arc_sealed got = arc_seal(&s, h.arc, buf_slice(head), h.body, h.wish, &fields);
    leave(&h);
    if (got == ARC_SEALED) {
        buf_add(&fields, buf_slice(head));
        buf_reset(head);
        buf_add(head, buf_slice(&fields));
    }
    buf_clear(&fields);
    return got;
}

static void make_chain(struct buf *head, unsigned n)
{
    buf_init(head, 1 << 20);
    buf_add_str(head, header);
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(seal(head), ARC_SEALED);
    }
}

static void chains_grow(void **state)
{
    (void)state;
    struct buf head;
    make_chain(&head, 0);
    for (unsigned i = 0; i <= ARC_INSTANCES_MAX; i++) {
        struct hop h = receive(buf_slice(&head), slice_of(body), buf_slice(&zone));
        const struct arc_result *r = arc_result(h.arc);
        struct arc_set set;
        assert_int_equal(r->cv, i == 0 ? ARC_NONE : ARC_PASS);
        assert_int_equal(r->highest, i);
        assert_int_equal(arc_set(h.arc, i, &set), i > 0);
        if (i > 0) {
            struct slice results;
            assert_string_equal(set.domain, "example.com");
            assert_true(authres_is_from(set.results, SLICE("mx.example.org"), &results));
            assert_true(slice_eq(results, SLICE(";\r\n\tspf=pass")));
        }
        leave(&h);
        assert_int_equal(seal(&head),
                         i < ARC_INSTANCES_MAX ? ARC_SEALED : ARC_SEAL_ENDED);
    }
    buf_clear(&head);
}

static void expect_fail(struct slice head, struct slice text, struct slice records,
                        unsigned instance, const char *in_text)
{
    struct hop h = receive(head, text, records);
    const struct arc_result *r = arc_result(h.arc);
    if (r->cv != ARC_FAIL || r->instance != instance ||
        slice_search(r->text, slice_of(in_text)) == r->text.len) {
        fail_msg("%s of %u: %.*s (not %s of %u)", arc_cv_word(r->cv), r->instance,
                 (int)r->text.len, (const char *)r->text.ptr, in_text, instance);
    }
    leave(&h);
}

/* Every link of a chain of three, spoilt. Fields stand newest first; `nth` is which of those that
 * have `from`. */
static void broken_chains(void **state)
{
    (void)state;
    static const struct row {
        const char *from, *to;
        unsigned nth, instance;
        const char *text;
    } rows[] = {
        {"ARC-Seal:", "X-Seal:", 0, 3, "lacks its ARC-Seal"},
        {"ARC-Seal:", "X-Seal:", 2, 1, "lacks its ARC-Seal"},
        {"ARC-Message-Signature:", "X:", 1, 2, "lacks its ARC-Message-Signature"},
        {"ARC-Authentication-Results:", "X:", 2, 1,
         "lacks its ARC-Authentication-Results"},
        {"ARC-Seal: i=3", "ARC-Seal: i=2", 0, 2, "more than one ARC-Seal"},
        {"ARC-Seal: i=3", "ARC-Seal: i=0", 0, 0, "no readable instance"},
        {"ARC-Seal: i=3", "ARC-Seal: i=51", 0, 0, "no readable instance"},
        {"ARC-Authentication-Results: i=3;", "ARC-Authentication-Results: i=3", 0, 0,
         "no readable instance"},
        {"ARC-Seal: i=3", "ARC-Seal: i=3; h=from", 0, 3, "h=from"},
        {"cv=pass", "cv=none", 0, 3, "cv=none"},
        {"cv=none", "cv=pass", 0, 1, "cv=pass"},
        {"cv=pass", "cv=fail", 0, 3, "cv=fail"},
        {"cv=pass", "cv=fail", 1, 2, "cv=fail"},
        {"cv=pass", "cv=maybe", 1, 2, "cv=maybe"},
        {"cv=pass;", "", 0, 3, "lacks the tag cv"},
        {"spf=pass", "spf=fail", 0, 3, "ARC-Seal"},
        {"spf=pass", "spf=fail", 2, 3, "ARC-Seal"},
        {"Subject: A test", "Subject: B test", 0, 3, "ARC-Message-Signature"},
        {"h=from", "h=arc-seal:from", 0, 3, "h=arc-seal"},
        {"a=ed25519-sha256", "a=rsa-sha1", 4, 1, "8301"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf head, other;
        make_chain(&head, 3);
        struct slice in = buf_slice(&head);
        size_t at = 0;
        buf_init(&other, 1 << 20);
        for (unsigned n = 0; n <= rows[i].nth; n++) {
            size_t next = slice_search(slice_from(in, at), slice_of(rows[i].from));
            at += next + (n < rows[i].nth);
        }
        assert_true(at < in.len);
        buf_add(&other, slice_sub(in, 0, at));
        buf_add_str(&other, rows[i].to);
        buf_add(&other, slice_from(in, at + strlen(rows[i].from)));
        expect_fail(buf_slice(&other), slice_of(body), buf_slice(&zone), rows[i].instance,
                    rows[i].text);
        buf_clear(&other);
        buf_clear(&head);
    }
}

static void body_and_keys(void **state)
{
    (void)state;
    struct buf head;
    make_chain(&head, 2);
    struct slice in = buf_slice(&head);
    expect_fail(in, SLICE("Hello!\r\n"), buf_slice(&zone), 2, "body");
    expect_fail(in, slice_of(body), SLICE(""), 2, "no TXT record at " NAME);
    struct hop h = receive(in, slice_of(body), SLICE(NAME " FAIL\n"));
    assert_int_equal(arc_result(h.arc)->cv, ARC_FAIL);
    assert_true(arc_result(h.arc)->temporary);
    leave(&h);
    /* A body that was changed is for good, though the keys cannot be had. */
    buf_clear(&head);
}

/* Names of one's own choice, among them the results that are only now added. */
static void chosen_names(void **state)
{
    (void)state;
    struct buf head, fields;
    make_chain(&head, 0);
    buf_init(&fields, 1 << 16);
    struct hop h = receive(buf_slice(&head), slice_of(body), buf_slice(&zone));
    struct arc_seal s = {.sign = {.crypto = crypto,
                                  .key = key,
                                  .domain = SLICE("example.com"),
                                  .selector = SLICE("sel"),
                                  .names = SLICE("from:x-none:arc-authentication-results:"
                                                 "arc-message-signature:from")},
                         .authserv_id = SLICE("mx.example.org")};
    assert_int_equal(arc_seal(&s, h.arc, buf_slice(&head), h.body, h.wish, &fields),
                     ARC_SEALED);
    leave(&h);
    buf_add_str(&fields, header);
    h = receive(buf_slice(&fields), slice_of(body), buf_slice(&zone));
    assert_int_equal(arc_result(h.arc)->cv, ARC_PASS);
    leave(&h);
    buf_clear(&fields);
    buf_clear(&head);
}

/* RFC 8617 5.1.2: the seal of a failure covers its own set alone, so what is in the older ones
 * makes no difference to it. */
static void failure_covers_itself(void **state)
{
    (void)state;
    struct buf seals[2];
    for (int i = 0; i < 2; i++) {
        struct buf head, broken;
        make_chain(&head, 2);
        buf_init(&broken, 1 << 20);
        buf_init(&seals[i], 1 << 16);
        size_t at = slice_search(buf_slice(&head), SLICE("spf=pass"));
        buf_add(&broken, slice_sub(buf_slice(&head), 0, at));
        buf_add_str(&broken, i == 0 ? "spf=fail" : "spf=none");
        buf_add(&broken, slice_from(buf_slice(&head), at + 8));
        assert_int_equal(seal(&broken), ARC_SEALED);
        struct slice field = buf_slice(&broken);
        assert_true(slice_starts(field, SLICE("ARC-Seal: i=3;")));
        buf_add(&seals[i],
                slice_sub(field, 0, slice_search(field, SLICE("ARC-Message"))));
        buf_clear(&broken);
        buf_clear(&head);
    }
    assert_true(slice_eq(buf_slice(&seals[0]), buf_slice(&seals[1])));
    buf_clear(&seals[0]);
    buf_clear(&seals[1]);
}

/* A broken chain is sealed once more, as broken; then never again. */
static void failure_is_sealed_once(void **state)
{
    (void)state;
    struct buf head, broken;
    make_chain(&head, 2);
    buf_init(&broken, 1 << 20);
    struct slice in = buf_slice(&head);
    buf_add(&broken, slice_sub(in, 0, in.len - slice_of(header).len));
    buf_add_str(&broken, "From: Eve <eve@example.com>\r\nSubject: A test\r\n");
    assert_int_equal(seal(&broken), ARC_SEALED);
    assert_true(slice_search(buf_slice(&broken), SLICE("cv=fail")) < broken.len);
    struct hop h = receive(buf_slice(&broken), slice_of(body), buf_slice(&zone));
    assert_int_equal(arc_result(h.arc)->cv, ARC_FAIL);
    assert_int_equal(arc_result(h.arc)->highest, 3);
    assert_true(arc_result(h.arc)->final);
    leave(&h);
    assert_int_equal(seal(&broken), ARC_SEAL_ENDED);
    buf_clear(&broken);
    buf_clear(&head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chains_grow),           cmocka_unit_test(broken_chains),
        cmocka_unit_test(body_and_keys),         cmocka_unit_test(chosen_names),
        cmocka_unit_test(failure_covers_itself), cmocka_unit_test(failure_is_sealed_once),
    };
    const char *why = "";
    struct buf record;
    crypto = crypto_new(4);
    key = crypto_private_new(slice_of(test_ed25519_pem), &why);
    buf_init(&record, 4096);
    buf_init(&zone, 8192);
    if (crypto == NULL || key == NULL || !dkim_sign_record(key, &record)) {
        fprintf(stderr, "no key: %s\n", why);
        return 1;
    }
    zone_add(&zone, NAME, buf_slice(&record));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_clear(&record);
    buf_clear(&zone);
    crypto_private_free(&key);
    crypto_free(&crypto);
    return failed;
}
