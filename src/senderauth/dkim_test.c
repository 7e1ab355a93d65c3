/* senderauth/dkim_test.c - signatures made and verified, spoilt in every way, and what is said of it */
#include "senderauth/dkim.h"

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
static struct crypto_private *rsa, *ed25519;
static struct buf rsa_record, ed25519_record;

static const char header[] = "Received: from a by b; Fri, 1 Aug 2025 10:00:00 +0000\r\n"
                             "From: Ann <ann@example.com>\r\n"
                             "To: bob@example.net\r\n"
                             "Subject:  A  test\r\n"
                             "\tof folding \r\n"
                             "X-Note : blank before the colon\r\n";
static const char body[] = "Hello  Bob \r\n\r\nbye\r\n\r\n\r\n";

static const struct dkim_sign usual = {.domain = SLICE_INIT("example.com"),
                                       .selector = SLICE_INIT("sel")};

static void start(struct signed_mail *m, struct crypto_private *key,
                  const struct dkim_sign *s)
{
    buf_init(&m->header, 1 << 20);
    buf_init(&m->zone, 1 << 20);
    zone_add(&m->zone, NAME, buf_slice(key == rsa ? &rsa_record : &ed25519_record));
    m->crypto = crypto;
    sign_mail(m, key, *s, slice_of(header), slice_of(body));
}

static void stop(struct signed_mail *m)
{
    buf_clear(&m->header);
    buf_clear(&m->zone);
}

/* The header with the first `from` in it replaced by `to`. */
static struct slice changed(struct buf *out, struct slice in, const char *from,
                            const char *to)
{
    size_t at = slice_search(in, slice_of(from));
    assert_true(at < in.len);
    buf_init(out, 1 << 20);
    buf_add(out, slice_sub(in, 0, at));
    buf_add_str(out, to);
    buf_add(out, slice_from(in, at + slice_of(from).len));
    return buf_slice(out);
}

static void expect(struct signed_mail *m, struct slice head, struct slice text,
                   uint64_t now, enum dkim_reason reason, const char *in_text)
{
    struct dkim_body *b = NULL;
    struct dkim *d = verify_mail(crypto, buf_slice(&m->zone), head, text, now, 5, &b);
    const struct dkim_result *r = dkim_result(d, 0);
    assert_non_null(r);
    if (r->reason != reason || slice_search(r->text, slice_of(in_text)) == r->text.len) {
        if (in_text[0] != '\0' || r->reason != reason) {
            fail_msg("%.*s (not %s, %s)", (int)r->text.len, (const char *)r->text.ptr,
                     dkim_reason_rows[reason].id, in_text);
        }
    }
    dkim_free(&d);
    dkim_body_free(&b);
}

static void all_forms_verify(void **state)
{
    (void)state;
    struct crypto_private *keys[] = {rsa, ed25519};
    for (unsigned i = 0; i < 8; i++) {
        struct signed_mail m;
        struct dkim_sign s = usual;
        s.simple_header = (i & 1) != 0;
        s.simple_body = (i & 2) != 0;
        s.made = 1000;
        s.expires = 2000;
        s.identity = SLICE("ann@mail.example.com");
        start(&m, keys[i / 4], &s);
        for (size_t piece = 1; piece < sizeof body; piece++) {
            struct dkim_body *b = NULL;
            struct dkim *d = verify_mail(crypto, buf_slice(&m.zone), buf_slice(&m.header),
                                         m.body, 1500, piece, &b);
            const struct dkim_result *r = dkim_result(d, 0);
            assert_int_equal(dkim_count(d), 1);
            assert_int_equal(r->verdict, DKIM_PASS);
            assert_string_equal(r->domain, "example.com");
            assert_string_equal(r->key_name, NAME);
            assert_true(slice_eq(r->identity, s.identity));
            assert_int_equal(r->b.len, 8);
            assert_int_equal(r->key_bits, i < 4 ? 2048 : 256);
            assert_int_equal(r->line, 1);
            dkim_free(&d);
            dkim_body_free(&b);
        }
        stop(&m);
    }
}

/* What was done to the message, and what is said of it. */
static void changes_are_named(void **state)
{
    (void)state;
    static const struct row {
        const char *from, *to;
        bool simple;
        enum dkim_reason reason;
        const char *text;
    } rows[] = {
        {"Subject:  A  test\r\n\tof", "SUBJECT :A test of", false, DKIM_REASON_NONE, ""},
        {"Subject:  A  test\r\n\tof", "SUBJECT :A test of", true,
         DKIM_REASON_HEADER_CHANGED, ""},
        {"Received: ", "X-Received: ", true, DKIM_REASON_NONE, ""},
        {"A  test", "A  tset", false, DKIM_REASON_HEADER_CHANGED, "the header"},
        {"A  test", "A\v\ftest", false, DKIM_REASON_HEADER_CHANGED, ""},
        {"From: Ann", "From: eve@example.com\r\nFrom: Ann", false,
         DKIM_REASON_FIELD_ADDED, "From was added"},
        {"From: Ann", "Reply-To: eve@example.com\r\nFrom: Ann", true,
         DKIM_REASON_HEADER_CHANGED, ""},
        {"To: bob", "To: eve@example.com\r\nTo: bob", true, DKIM_REASON_FIELD_ADDED,
         "To was added"},
        {"To: bob@example.net\r\n", "", true, DKIM_REASON_HEADER_CHANGED, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct signed_mail m;
        struct dkim_sign s = usual;
        struct buf other;
        s.simple_header = rows[i].simple;
        start(&m, ed25519, &s);
        struct slice head =
            changed(&other, buf_slice(&m.header), rows[i].from, rows[i].to);
        expect(&m, head, m.body, 0, rows[i].reason, rows[i].text);
        buf_clear(&other);
        stop(&m);
    }
}

/* z= tells what a field was. It is signed: here it is put in before signing, as a name in h=
 * cannot be; so the tag is added to a signature that fails in any case. */
static void copies_name_the_field(void **state)
{
    (void)state;
    static const struct row {
        const char *z;
        enum dkim_reason reason;
        const char *text;
    } rows[] = {
        {"z=From:Ann=20<ann@example.com>|Subject:A=20test=20of=20folding",
         DKIM_REASON_HEADER_CHANGED, ""},
        {"z=From:Ann=20<ann@example.com>|\r\n\tSubject:Another",
         DKIM_REASON_FIELD_CHANGED, "Subject was changed"},
        {"z=Cc:carol@example.com", DKIM_REASON_FIELD_REMOVED, "Cc was removed"},
        {"z=X-Unsigned:x|no colon|Subject:=zz", DKIM_REASON_HEADER_CHANGED, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct signed_mail m;
        struct buf other;
        char tag[256];
        start(&m, ed25519, &usual);
        snprintf(tag, sizeof tag, "v=1; %s;", rows[i].z);
        struct slice head = changed(&other, buf_slice(&m.header), "v=1;", tag);
        expect(&m, head, m.body, 0, rows[i].reason, rows[i].text);
        buf_clear(&other);
        stop(&m);
    }
}

static void bodies(void **state)
{
    (void)state;
    struct signed_mail m;
    start(&m, rsa, &usual);
    struct slice head = buf_slice(&m.header);
    expect(&m, head, SLICE("Hello Bob\r\n\r\nbye"), 0, DKIM_REASON_NONE, "verified");
    expect(&m, head, SLICE("Hello Bob\r\n\r\nbye bye"), 0, DKIM_REASON_BODY_CHANGED,
           "body");
    expect(&m, head, SLICE(""), 0, DKIM_REASON_BODY_CHANGED, "");
    stop(&m);
}

/* The tags of a signature, each spoilt. What is wrong with its form is told before any key. */
static void tags(void **state)
{
    (void)state;
    static const struct row {
        const char *from, *to;
        enum dkim_reason reason;
        const char *text;
    } rows[] = {
        {"v=1;", "v=2;", DKIM_REASON_VERSION, "2"},
        {"v=1;", "v=01;", DKIM_REASON_VERSION, ""},
        {"v=1;", "", DKIM_REASON_TAG_MISSING, "v"},
        {"v=1;", "v=1; v=1;", DKIM_REASON_SYNTAX, "twice"},
        {"v=1;", "v=1; ;", DKIM_REASON_SYNTAX, "empty"},
        {"v=1;", "v=1; tag;", DKIM_REASON_SYNTAX, ""},
        {"v=1;", "v=1; 1a=;", DKIM_REASON_SYNTAX, ""},
        {"v=1;", "v=1; x\v=1;", DKIM_REASON_SYNTAX, ""},
        {"v=1;", "v=1; note=a\vb;", DKIM_REASON_SYNTAX, ""},
        {"v=1;", "v=1 ; unknown=\xc3\xbc ;", DKIM_REASON_HEADER_CHANGED, ""},
        {"a=ed25519-sha256", "a=rsa-sha1", DKIM_REASON_SHA1, "8301"},
        {"a=ed25519-sha256", "a=rsa-sha256", DKIM_REASON_KEY_KIND, "k=ed25519"},
        {"a=ed25519-sha256", "a=ed25519", DKIM_REASON_ALGORITHM, "ed25519"},
        {"c=relaxed/relaxed", "c=relaxed/", DKIM_REASON_TAG_VALUE, "c=relaxed/"},
        {"c=relaxed/relaxed", "c=nowsp", DKIM_REASON_TAG_VALUE, ""},
        {"c=relaxed/relaxed", "c=relaxed", DKIM_REASON_BODY_CHANGED, ""},
        {"d=example.com", "d=example..com", DKIM_REASON_DOMAIN, ""},
        {"d=example.com", "d=-x.example", DKIM_REASON_DOMAIN, ""},
        {"d=example.com", "d=", DKIM_REASON_DOMAIN, ""},
        {"d=example.com", "d=EXAMPLE.com", DKIM_REASON_HEADER_CHANGED, "of example.com"},
        {"d=example.com", "d=other.example", DKIM_REASON_KEY_MISSING,
         "sel._domainkey.other.example"},
        {"s=sel;", "s=;", DKIM_REASON_SELECTOR, ""},
        {"s=sel;", "s=a b;", DKIM_REASON_SELECTOR, ""},
        {"s=sel;", "s=sel; i=ann;", DKIM_REASON_IDENTITY, ""},
        {"s=sel;", "s=sel; i=@notexample.com;", DKIM_REASON_IDENTITY, "notexample"},
        {"s=sel;", "s=sel; i==40ann@x.example.com;", DKIM_REASON_HEADER_CHANGED, ""},
        {"s=sel;", "s=sel; i==4@example.com;", DKIM_REASON_IDENTITY, ""},
        {"s=sel;", "s=sel; q=dns;", DKIM_REASON_TAG_VALUE, "q=dns"},
        {"s=sel;", "s=sel; q=http:dns/txt;", DKIM_REASON_HEADER_CHANGED, ""},
        {"s=sel;", "s=sel; t=now;", DKIM_REASON_TAG_VALUE, "t=now"},
        {"s=sel;", "s=sel; t=20; x=20;", DKIM_REASON_TIMES, ""},
        {"s=sel;", "s=sel; x=999;", DKIM_REASON_EXPIRED, "1970-01-01T00:16:39"},
        {"s=sel;", "s=sel; x=0;", DKIM_REASON_EXPIRED, ""},
        {"s=sel;", "s=sel; x=1000;", DKIM_REASON_HEADER_CHANGED, ""},
        {"s=sel;", "s=sel; x=99999999999999999999999;", DKIM_REASON_HEADER_CHANGED, ""},
        {"s=sel;", "s=sel; l=18446744073709551616;", DKIM_REASON_BODY_LENGTH, ""},
        {"s=sel;", "s=sel; l=18446744073709551614;", DKIM_REASON_BODY_LENGTH,
         "18446744073709551614"},
        {"s=sel;", "s=sel; l=19;", DKIM_REASON_BODY_LENGTH, "19 octets"},
        {"s=sel;", "s=sel; l=18;", DKIM_REASON_HEADER_CHANGED, ""},
        {"s=sel;", "s=sel; l=+18;", DKIM_REASON_TAG_VALUE, ""},
        {"s=sel;", "s=sel; l=-1;", DKIM_REASON_TAG_VALUE, ""},
        {"s=sel;", "s=sel; l=0;", DKIM_REASON_BODY_CHANGED, ""},
        {"h=from:from", "h=xfrom:x", DKIM_REASON_FROM_UNSIGNED, ""},
        {"h=from:from", "h=from:a b", DKIM_REASON_TAG_VALUE, ""},
        {"h=from:from", "h=from:dkim-signature:from", DKIM_REASON_HEADER_CHANGED, ""},
        {"bh=", "bh=!", DKIM_REASON_TAG_VALUE, ""},
        {"bh=", "bh=AAAA", DKIM_REASON_TAG_VALUE, ""},
        {"b=", "b=====", DKIM_REASON_TAG_VALUE, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct signed_mail m;
        struct buf other;
        start(&m, ed25519, &usual);
        struct slice head = buf_slice(&m.header);
        bool last = strcmp(rows[i].from, "b=") == 0; /* not that of bh= */
        head = changed(&other, head, last ? "\tb=" : rows[i].from,
                       last ? "\tb=====" : rows[i].to);
        expect(&m, head, m.body, 1000, rows[i].reason, rows[i].text);
        buf_clear(&other);
        stop(&m);
    }
}

/* Key records: {p} stands for the good key. */
static void keys(void **state)
{
    (void)state;
    static const struct row {
        const char *record;
        enum dkim_reason reason;
        const char *text;
    } rows[] = {
        {"p={p}", DKIM_REASON_NONE, ""},
        {"v=DKIM1;k=rsa;p={p};", DKIM_REASON_NONE, ""},
        {"v=DKIM1; k=rsa; h=sha1 : sha256; s=email; t=y; n=a note; x=y; p={p} ;",
         DKIM_REASON_NONE, ""},
        {"v=DKIM1; g=; p={p}", DKIM_REASON_NONE, ""},
        {"v=DKIM1; t=n:x; s=web:*; p={p}", DKIM_REASON_NONE, ""},
        {"k=rsa; v=DKIM1; p={p}", DKIM_REASON_KEY_VERSION, ""},
        {"v=DKIM2; p={p}", DKIM_REASON_KEY_VERSION, "DKIM2"},
        {"v=dkim1; p={p}", DKIM_REASON_KEY_VERSION, ""},
        {"v=spf1 -all", DKIM_REASON_KEY_VERSION, "v=spf1 -all"},
        {"", DKIM_REASON_KEY_VERSION, ""},
        {"v=DKIM1; k=rsa", DKIM_REASON_KEY_SYNTAX, "no p="},
        {"v=DKIM1\\; p={p}", DKIM_REASON_KEY_VERSION, ""},
        {"v=DKIM1; t; p={p}", DKIM_REASON_KEY_SYNTAX, ""},
        {"v=DKIM1; p={p}; p={p}", DKIM_REASON_KEY_SYNTAX, "twice"},
        {"v=DKIM1; p=", DKIM_REASON_KEY_REVOKED, "revoked"},
        {"v=DKIM1; k=ed25519; p={p}", DKIM_REASON_KEY_KIND, "k=ed25519"},
        {"v=DKIM1; k=RSA; p={p}", DKIM_REASON_KEY_KIND, ""},
        {"v=DKIM1; h=sha1; p={p}", DKIM_REASON_KEY_HASH, "h=sha1"},
        {"v=DKIM1; s=web; p={p}", DKIM_REASON_KEY_SERVICE, "s=web"},
        {"v=DKIM1; t=y:s; p={p}", DKIM_REASON_KEY_STRICT, "t=s"},
        {"v=DKIM1; p=AAAA{p}", DKIM_REASON_KEY_DATA, ""},
        {"v=DKIM1; p=?{p}", DKIM_REASON_KEY_DATA, ""},
        {"v=DKIM1; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A", DKIM_REASON_KEY_DATA, ""},
        {"v=DKIM1; p=MAA=", DKIM_REASON_KEY_DATA, ""},
        /* n = 5, e = 3; and with e = 1 a large n is no key either. */
        {"v=DKIM1; p=MAYCAQUCAQM=", DKIM_REASON_KEY_SHORT, "3 bits"},
    };
    struct slice good =
        slice_from(buf_slice(&rsa_record), slice_of("v=DKIM1; k=rsa; p=").len);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct signed_mail m;
        struct buf record;
        struct dkim_sign s = usual;
        s.identity = SLICE("@sub.example.com");
        start(&m, rsa, &s);
        buf_init(&record, 65536);
        struct slice text = slice_of(rows[i].record);
        while (text.len > 0) {
            size_t at = slice_search(text, SLICE("{p}"));
            buf_add(&record, slice_sub(text, 0, at));
            buf_add(&record, at < text.len ? good : (struct slice){0});
            text = slice_from(text, at + 3);
        }
        buf_reset(&m.zone);
        zone_add(&m.zone, NAME, buf_slice(&record));
        expect(&m, buf_slice(&m.header), m.body, 0, rows[i].reason, rows[i].text);
        buf_clear(&record);
        stop(&m);
    }
}

static void key_answers(void **state)
{
    (void)state;
    struct signed_mail m;
    start(&m, rsa, &usual);
    struct slice head = buf_slice(&m.header);
    buf_reset(&m.zone);
    buf_add_str(&m.zone, NAME " FAIL\n");
    expect(&m, head, m.body, 0, DKIM_REASON_KEY_DNS, "timeout");
    expect(&m, head, SLICE("other"), 0, DKIM_REASON_KEY_DNS, "");
    buf_reset(&m.zone);
    expect(&m, head, m.body, 0, DKIM_REASON_KEY_MISSING, NAME);
    /* Several records: the one that fits counts, wherever it stands. */
    zone_add(&m.zone, NAME, SLICE("v=spf1 -all"));
    zone_add(&m.zone, NAME, SLICE("v=DKIM1; p="));
    expect(&m, head, m.body, 0, DKIM_REASON_KEY_REVOKED, "");
    zone_add(&m.zone, NAME, buf_slice(&ed25519_record));
    zone_add(&m.zone, NAME, buf_slice(&rsa_record));
    expect(&m, head, m.body, 0, DKIM_REASON_NONE, "");
    stop(&m);
}

/* The good one among bad ones is good, and the one too many is told as such. */
static void signatures_stand_alone(void **state)
{
    (void)state;
    struct signed_mail m;
    struct buf all;
    struct dkim_body *b = NULL;
    start(&m, ed25519, &usual);
    buf_init(&all, 1 << 20);
    buf_add_str(&all,
                "DKIM-Signature: \r\nDKIM-Signature: v=1; a=rsa-sha1\r\n"
                "dkim-signature : v=1; a=rsa-sha256; d=x.example; s=s; h=from; c=simple;"
                " bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n");
    buf_add(&all, buf_slice(&m.header));
    for (int i = 0; i < 40; i++) {
        buf_add_str(&all, "DKIM-Signature: v=1\r\n");
    }
    struct dkim *d =
        verify_mail(crypto, buf_slice(&m.zone), buf_slice(&all), m.body, 0, 100, &b);
    assert_int_equal(dkim_fields(d), 44);
    assert_int_equal(dkim_count(d), DKIM_RESULTS_MAX);
    assert_int_equal(dkim_result(d, 0)->reason, DKIM_REASON_SYNTAX);
    assert_int_equal(dkim_result(d, 1)->verdict, DKIM_POLICY);
    assert_int_equal(dkim_result(d, 2)->reason, DKIM_REASON_KEY_MISSING);
    assert_int_equal(dkim_result(d, 2)->line, 3);
    assert_int_equal(dkim_result(d, 3)->verdict, DKIM_PASS);
    assert_int_equal(dkim_result(d, 4)->reason, DKIM_REASON_TAG_MISSING);
    assert_int_equal(dkim_result(d, DKIM_SIGNATURES_MAX)->reason, DKIM_REASON_TOO_MANY);
    assert_null(dkim_result(d, DKIM_RESULTS_MAX));
    dkim_free(&d);
    dkim_body_free(&b);
    buf_clear(&all);
    stop(&m);
}

/* A tag of 60 KB, 5,000 names in h=, more fields than the table holds: nothing is cut in silence. */
static void large_things(void **state)
{
    (void)state;
    struct signed_mail m;
    struct buf big, names;
    start(&m, ed25519, &usual);
    buf_init(&big, 1 << 20);
    buf_init(&names, 1 << 20);
    buf_add_str(&big, "v=1; z=");
    for (int i = 0; i < 60000; i++) {
        buf_add_byte(&big, (unsigned char)('a' + i % 26));
    }
    buf_add(&big, SLICE(";\0"));
    struct buf other;
    struct slice head =
        changed(&other, buf_slice(&m.header), "v=1;", (const char *)big.ptr);
    expect(&m, head, m.body, 0, DKIM_REASON_HEADER_CHANGED, "");
    buf_clear(&other);
    buf_reset(&big);
    buf_add_str(&names, "from");
    for (int i = 0; i < 5000; i++) {
        buf_add_str(&names, ":subject:x-none");
    }
    struct dkim_sign s = usual;
    s.names = buf_slice(&names);
    sign_mail(&m, ed25519, s, slice_of(header), slice_of(body));
    expect(&m, buf_slice(&m.header), m.body, 0, DKIM_REASON_NONE, "");
    buf_reset(&big);
    buf_add(&big, buf_slice(&m.header));
    for (int i = 0; i < 10000; i++) {
        buf_add_str(&big, "X: y\r\n");
    }
    expect(&m, buf_slice(&big), m.body, 0, DKIM_REASON_HEADER_SIZE, "too many");
    buf_clear(&names);
    buf_clear(&big);
    stop(&m);
}

/* RFC 8616: U-labels in d= and i= are asked for as A-labels. */
static void international(void **state)
{
    (void)state;
    struct signed_mail m;
    struct dkim_sign s = usual;
    s.domain = SLICE("m\xc3\xbcller.example");
    s.selector = SLICE("\xc3\xa4");
    s.identity = SLICE("@m\xc3\xbcller.example");
    start(&m, ed25519, &s);
    zone_add(&m.zone, "xn--4ca._domainkey.xn--mller-kva.example",
             buf_slice(&ed25519_record));
    expect(&m, buf_slice(&m.header), m.body, 0, DKIM_REASON_NONE,
           "xn--mller-kva.example");
    stop(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_forms_verify),
        cmocka_unit_test(changes_are_named),
        cmocka_unit_test(copies_name_the_field),
        cmocka_unit_test(bodies),
        cmocka_unit_test(tags),
        cmocka_unit_test(keys),
        cmocka_unit_test(key_answers),
        cmocka_unit_test(signatures_stand_alone),
        cmocka_unit_test(large_things),
        cmocka_unit_test(international),
    };
    const char *why = "";
    crypto = crypto_new(4);
    rsa = crypto_private_new(slice_of(test_rsa_pem), &why);
    ed25519 = crypto_private_new(slice_of(test_ed25519_pem), &why);
    buf_init(&rsa_record, 4096);
    buf_init(&ed25519_record, 4096);
    if (crypto == NULL || rsa == NULL || ed25519 == NULL ||
        !dkim_sign_record(rsa, &rsa_record) ||
        !dkim_sign_record(ed25519, &ed25519_record)) {
        fprintf(stderr, "no keys: %s\n", why);
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_clear(&rsa_record);
    buf_clear(&ed25519_record);
    crypto_private_free(&rsa);
    crypto_private_free(&ed25519);
    crypto_free(&crypto);
    return failed;
}
