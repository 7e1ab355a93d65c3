/* senderauth/crypto_test.c - private keys that are none; a cache of keys that is too small */
#include "senderauth/crypto.h"
#include "senderauth/dkim_testlib.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A key as PEM, under a passphrase where there is one. */
static void make_pem(EVP_PKEY *key, const char *passphrase, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    union {
        const char *in;
        char *out;
    } secret = {.in = passphrase}; /* OpenSSL wants it so, and changes nothing */
    const EVP_CIPHER *cipher = passphrase == NULL ? NULL : EVP_aes_128_cbc();
    assert_int_equal(
        PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, NULL, 0, NULL, secret.out), 1);
    long len = BIO_get_mem_data(bio, &text);
    buf_reset(out);
    assert_true(buf_add(out, (struct slice){(unsigned char *)text, (size_t)len}));
    BIO_free(bio);
    EVP_PKEY_free(key);
}

static void expect_refused(struct slice pem, const char *in_why)
{
    const char *why = "";
    struct crypto_private *key = crypto_private_new(pem, &why);
    assert_null(key);
    assert_non_null(strstr(why, in_why));
}

static void bad_private_keys(void **state)
{
    (void)state;
    struct buf pem;
    buf_init(&pem, 1 << 16);
    expect_refused(SLICE(""), "no private key");
    expect_refused(
        SLICE("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        "no private key");
    /* Never asks a terminal: this test has none to answer. */
    make_pem(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), "secret", &pem);
    expect_refused(buf_slice(&pem), "passphrase");
    make_pem(EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"), NULL, &pem);
    expect_refused(buf_slice(&pem), "neither RSA nor Ed25519");
    make_pem(EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)512), NULL, &pem);
    expect_refused(buf_slice(&pem), "1024");
    buf_clear(&pem);
}

/* More keys than a cache holds, in turns: each signature is judged by its own key. */
static void cache_of_keys(void **state)
{
    (void)state;
    enum { KEYS = 7 };
    struct crypto_private *key[KEYS];
    struct buf public[KEYS], sig[KEYS], pem;
    const char *why = "";
    unsigned char digest[CRYPTO_HASH_LEN] = {1, 2, 3};
    buf_init(&pem, 1 << 16);
    for (int i = 0; i < KEYS; i++) {
        make_pem(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), NULL, &pem);
        key[i] = crypto_private_new(buf_slice(&pem), &why);
        buf_init(&public[i], 64);
        buf_init(&sig[i], 128);
        assert_true(crypto_private_public(key[i], &public[i]));
        assert_true(crypto_sign(key[i], digest, &sig[i]));
    }
    for (size_t size = 0; size < KEYS + 3; size++) {
        struct crypto *c = crypto_new(size);
        for (unsigned turn = 0; turn < 100; turn++) {
            unsigned a = turn * 5 % KEYS, b = turn * 3 % KEYS;
            struct crypto_public p = {.kind = CRYPTO_ED25519, .n = buf_slice(&public[a])};
            assert_int_equal(crypto_check(c, &p, digest, buf_slice(&sig[b])),
                             a == b ? CRYPTO_GOOD : CRYPTO_BAD);
        }
        crypto_free(&c);
    }
    for (int i = 0; i < KEYS; i++) {
        crypto_private_free(&key[i]);
        buf_clear(&public[i]);
        buf_clear(&sig[i]);
    }
    buf_clear(&pem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_private_keys),
        cmocka_unit_test(cache_of_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
