/* dkim_bench - DKIM and ARC a second on one core, beside what libcrypto alone takes in the same run.
 *
 *     dkim_bench [SECONDS]
 *
 * Messages of 10 KB with eight header fields. CPU time counts, so that other work on the machine does not.
 * The first rows are what nobody can do without: the RSA verification and the hash of the message. */
#include "senderauth/arc_seal.h"
#include "senderauth/dkim_testlib.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BODY_SIZE = 10000, STEP = 100 };

static const char header[] =
    "Received: from mail.example.com (mail.example.com [192.0.2.1]) by mx.example.org\r\n"
    "\twith ESMTPS id 4xYz12abcd; Fri, 1 Aug 2025 10:00:00 +0000\r\n"
    "From: Ann Example <ann@example.com>\r\nTo: Bob <bob@example.net>\r\n"
    "Subject: Minutes of the meeting of last Thursday, and what is to be done now\r\n"
    "Date: Fri, 1 Aug 2025 10:00:00 +0000\r\nMessage-ID: "
    "<1234567890@mail.example.com>\r\n"
    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n";

static struct crypto *cached, *fresh;
static struct crypto_private *rsa, *ed25519;
static struct signed_mail by_rsa, by_ed25519;
static unsigned char body[BODY_SIZE];
static unsigned char digest[CRYPTO_HASH_LEN];
static struct buf rsa_der, rsa_sig, chain;
static struct fake_dns dns;
static EVP_PKEY *rsa_public;

static double cpu_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool verify(struct crypto *crypto, const struct signed_mail *m)
{
    struct dkim_options o = {
        .crypto = crypto, .body = dkim_body_new(crypto), .now = 1500};
    struct dkim *d = dkim_new(&o, buf_slice(&m->header));
    dkim_ask(d, &dns.source);
    dkim_body_feed(o.body, m->body);
    dkim_body_end(o.body);
    bool ok = dkim_evaluate(d, &dns.source) == DKIM_DONE &&
              dkim_result(d, 0)->verdict == DKIM_PASS;
    dkim_free(&d);
    dkim_body_free(&o.body);
    return ok;
}

static bool verify_rsa(void)
{
    return verify(cached, &by_rsa);
}

static bool verify_rsa_new_key(void)
{
    return verify(fresh, &by_rsa);
}

static bool verify_ed25519(void)
{
    return verify(cached, &by_ed25519);
}

/* Validates the chain; with a sealer, seals it once more. */
static bool run_chain(enum arc_cv want, const struct arc_seal *sealer, struct buf *out)
{
    struct arc_options o = {.crypto = cached, .body = dkim_body_new(cached), .now = 1500};
    struct arc *a = arc_new(&o, buf_slice(&chain));
    int wish = arc_seal_want(o.body);
    arc_ask(a, &dns.source);
    dkim_body_feed(o.body, by_rsa.body);
    dkim_body_end(o.body);
    bool ok = arc_evaluate(a, &dns.source) == DKIM_DONE && arc_result(a)->cv == want;
    if (sealer != NULL) {
        ok =
            ok && arc_seal(sealer, a, buf_slice(&chain), o.body, wish, out) == ARC_SEALED;
    }
    arc_free(&a);
    dkim_body_free(&o.body);
    return ok;
}

static bool validate_chain(void)
{
    return run_chain(ARC_PASS, NULL, NULL);
}

static bool make_chain(void)
{
    struct arc_seal sealer = {.sign = {.crypto = cached,
                                       .key = rsa,
                                       .domain = SLICE("example.com"),
                                       .selector = SLICE("rsa"),
                                       .made = 1000},
                              .authserv_id = SLICE("mx.example.org"),
                              .results =
                                  SLICE("; spf=pass smtp.mailfrom=ann@example.com")};
    bool ok = true;
    buf_init(&chain, 1 << 16);
    buf_add_str(&chain, header);
    for (int i = 0; ok && i < 3; i++) {
        struct buf more;
        buf_init(&more, 1 << 16);
        ok = run_chain(i == 0 ? ARC_NONE : ARC_PASS, &sealer, &more) &&
             buf_add(&more, buf_slice(&chain));
        buf_reset(&chain);
        ok = ok && buf_add(&chain, buf_slice(&more));
        buf_clear(&more);
    }
    return ok;
}

static bool no_signature(void)
{
    struct dkim_options o = {.crypto = cached, .body = dkim_body_new(cached)};
    struct dkim *d = dkim_new(&o, slice_of(header));
    dkim_body_feed(o.body, by_rsa.body);
    dkim_body_end(o.body);
    bool ok = dkim_evaluate(d, &dns.source) == DKIM_DONE && dkim_count(d) == 0;
    dkim_free(&d);
    dkim_body_free(&o.body);
    return ok;
}

static bool canonical_body(void)
{
    struct dkim_body *b = dkim_body_new(cached);
    int wish = dkim_body_want(b, true, DKIM_BODY_ALL);
    dkim_body_feed(b, by_rsa.body);
    dkim_body_end(b);
    bool ok = dkim_body_hash(b, wish).digest != NULL;
    dkim_body_free(&b);
    return ok;
}

static bool sign(struct crypto_private *key)
{
    struct dkim_sign s = {.domain = SLICE("example.com"), .selector = SLICE("rsa")};
    struct signed_mail m = {.crypto = cached};
    buf_init(&m.header, 1 << 16);
    sign_mail(&m, key, s, slice_of(header), by_rsa.body);
    buf_clear(&m.header);
    return true;
}

static bool sign_rsa(void)
{
    return sign(rsa);
}

static bool sign_ed25519(void)
{
    return sign(ed25519);
}

/* libcrypto alone */
static bool bare_verify(void)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(rsa_public, NULL);
    bool ok = EVP_PKEY_verify_init(ctx) == 1 &&
              EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1 &&
              EVP_PKEY_verify(ctx, rsa_sig.ptr, rsa_sig.len, digest, sizeof digest) == 1;
    EVP_PKEY_CTX_free(ctx);
    return ok;
}

static bool bare_hash(void)
{
    unsigned char out[CRYPTO_HASH_LEN];
    return EVP_Digest(body, sizeof body, out, NULL, EVP_sha256(), NULL) == 1;
}

static bool bare_decode(void)
{
    const unsigned char *at = rsa_der.ptr;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)rsa_der.len);
    EVP_PKEY_free(key);
    return key != NULL;
}

static const struct {
    const char *what;
    bool (*once)(void);
} rows[] = {
    {"libcrypto: RSA-2048 verify", bare_verify},
    {"libcrypto: SHA-256 of 10 KB", bare_hash},
    {"libcrypto: d2i_PUBKEY", bare_decode},
    {"relaxed body of 10 KB, hashed", canonical_body},
    {"message without signature", no_signature},
    {"verify rsa-2048, key cached", verify_rsa},
    {"verify rsa-2048, key new", verify_rsa_new_key},
    {"verify ed25519", verify_ed25519},
    {"ARC chain of 3, rsa-2048", validate_chain},
    {"sign rsa-2048", sign_rsa},
    {"sign ed25519", sign_ed25519},
};

static bool prepare(void)
{
    const char *why = "";
    struct buf record, zone;
    buf_init(&record, 8192);
    buf_init(&zone, 16384);
    buf_init(&rsa_der, 4096);
    buf_init(&rsa_sig, 4096);
    buf_init(&by_rsa.header, 1 << 16);
    buf_init(&by_ed25519.header, 1 << 16);
    cached = crypto_new(CRYPTO_KEYS_MAX);
    fresh = crypto_new(0);
    rsa = crypto_private_new(slice_of(test_rsa_pem), &why);
    ed25519 = crypto_private_new(slice_of(test_ed25519_pem), &why);
    if (cached == NULL || fresh == NULL || rsa == NULL || ed25519 == NULL ||
        !crypto_private_public(rsa, &rsa_der) || !crypto_sign(rsa, digest, &rsa_sig)) {
        return false;
    }
    const unsigned char *at = rsa_der.ptr;
    rsa_public = d2i_PUBKEY(NULL, &at, (long)rsa_der.len);
    for (size_t i = 0; i < BODY_SIZE; i++) {
        body[i] = (unsigned char)"Text of some words, line by line, 70 octets each as "
                                 "mail has it.\r\n"[i % 66];
    }
    struct dkim_sign s = {.domain = SLICE("example.com"), .selector = SLICE("rsa")};
    by_rsa.crypto = by_ed25519.crypto = cached;
    sign_mail(&by_rsa, rsa, s, slice_of(header), (struct slice){body, BODY_SIZE});
    s.selector = SLICE("ed");
    sign_mail(&by_ed25519, ed25519, s, slice_of(header), (struct slice){body, BODY_SIZE});
    bool ok = dkim_sign_record(rsa, &record);
    zone_add(&zone, "rsa._domainkey.example.com", buf_slice(&record));
    buf_reset(&record);
    ok = ok && dkim_sign_record(ed25519, &record) && rsa_public != NULL;
    zone_add(&zone, "ed._domainkey.example.com", buf_slice(&record));
    fake_dns_init(&dns, buf_slice(&zone)); /* zone and all else live until the end */
    buf_clear(&record);
    return ok && make_chain();
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;
    if (!prepare()) {
        fprintf(stderr, "dkim_bench: no keys\n");
        return 1;
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double start = cpu_s(), took = 0;
        unsigned long n = 0;
        for (; took < seconds; took = cpu_s() - start, n += STEP) {
            for (unsigned j = 0; j < STEP; j++) {
                if (!rows[i].once()) {
                    fprintf(stderr, "dkim_bench: %s went wrong\n", rows[i].what);
                    return 1;
                }
            }
        }
        printf("%-32s %8.0f a second, %7.2f us\n", rows[i].what, (double)n / took,
               took * 1e6 / (double)n);
    }
    return 0;
}
