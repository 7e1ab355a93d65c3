/* senderauth/crypto.c - see crypto.h */
#include "senderauth/crypto.h"

#include "base/map.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

/* Keys in two generations: what is used moves into the young one; when that is half of keys_max,
 * the old one goes and the young one is old. So what is in use stays, at no cost of a list. */
struct crypto {
    EVP_MD *sha256;
    struct map young, old;
    size_t keys_max;
};

struct crypto_private {
    EVP_PKEY *key;
    enum crypto_kind kind;
};

struct crypto *crypto_new(size_t keys_max)
{
    struct crypto *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return NULL;
    }
    c->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (c->sha256 == NULL) {
        free(c);
        return NULL;
    }
    c->keys_max = keys_max;
    map_init(&c->young, keys_max / 2);
    map_init(&c->old, keys_max / 2);
    return c;
}

static void free_key(void *arg, struct slice name, void *value)
{
    (void)arg, (void)name;
    EVP_PKEY_free(value);
}

static void drop_keys(struct map *m)
{
    map_each(m, free_key, NULL);
    map_clear(m);
}

void crypto_free(struct crypto **c)
{
    if (*c == NULL) {
        return;
    }
    drop_keys(&(*c)->young);
    drop_keys(&(*c)->old);
    EVP_MD_free((*c)->sha256);
    free(*c);
    *c = NULL;
}

void crypto_hash_begin(struct crypto *c, struct crypto_hash *h)
{
    if (h->ctx == NULL) {
        h->ctx = EVP_MD_CTX_new();
    }
    h->failed = h->ctx == NULL || EVP_DigestInit_ex2(h->ctx, c->sha256, NULL) != 1;
}

void crypto_hash_add(struct crypto_hash *h, struct slice s)
{
    if (!h->failed && s.len > 0) {
        h->failed = EVP_DigestUpdate(h->ctx, s.ptr, s.len) != 1;
    }
}

void crypto_hash_copy(const struct crypto_hash *h, struct crypto_hash *to)
{
    if (to->ctx == NULL) {
        to->ctx = EVP_MD_CTX_new();
    }
    to->failed = h->failed || to->ctx == NULL || EVP_MD_CTX_copy_ex(to->ctx, h->ctx) != 1;
}

bool crypto_hash_peek(const struct crypto_hash *h, unsigned char out[CRYPTO_HASH_LEN])
{
    struct crypto_hash copy = {0};
    crypto_hash_copy(h, &copy);
    bool ok = crypto_hash_end(&copy, out);
    crypto_hash_clear(&copy);
    return ok;
}

bool crypto_hash_end(struct crypto_hash *h, unsigned char out[CRYPTO_HASH_LEN])
{
    if (h->failed || h->ctx == NULL) {
        return false;
    }
    h->failed = EVP_DigestFinal_ex(h->ctx, out, NULL) != 1;
    return !h->failed;
}

void crypto_hash_clear(struct crypto_hash *h)
{
    EVP_MD_CTX_free(h->ctx);
    *h = (struct crypto_hash){0};
}

/* From n and e, since d2i_PUBKEY() of OpenSSL 3.0 takes ten times as long. */
static EVP_PKEY *make_rsa(const struct crypto_public *key)
{
    unsigned char n[2048], e[16]; /* as OSSL_PARAM wants them: in this machine's order */
    if (key->n.len > sizeof n || key->e.len > sizeof e) {
        return NULL;
    }
    BIGNUM *bn = BN_bin2bn(key->n.ptr, (int)key->n.len, NULL);
    BIGNUM *be = BN_bin2bn(key->e.ptr, (int)key->e.len, NULL);
    EVP_PKEY *out = NULL;
    EVP_PKEY_CTX *ctx = NULL;
    if (bn != NULL && be != NULL && BN_bn2nativepad(bn, n, (int)key->n.len) > 0 &&
        BN_bn2nativepad(be, e, (int)key->e.len) > 0) {
        OSSL_PARAM params[] = {
            OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, n, key->n.len),
            OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_E, e, key->e.len),
            OSSL_PARAM_construct_end(),
        };
        ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
        if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
            EVP_PKEY_fromdata(ctx, &out, EVP_PKEY_PUBLIC_KEY, params) != 1) {
            out = NULL;
        }
    }
    EVP_PKEY_CTX_free(ctx);
    BN_free(bn);
    BN_free(be);
    return out;
}

static EVP_PKEY *make_key(const struct crypto_public *key)
{
    if (key->kind == CRYPTO_RSA) {
        return make_rsa(key);
    }
    return EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, key->n.ptr, key->n.len);
}

/* True: the cache owns key now. */
static bool remember(struct crypto *c, struct slice name, EVP_PKEY *key)
{
    if (c->keys_max < 2 || name.len > UINT16_MAX) {
        return false;
    }
    if (c->young.n >= c->keys_max / 2) {
        drop_keys(&c->old);
        c->old = c->young;
        map_init(&c->young, c->keys_max / 2);
    }
    return map_put(&c->young, name, key);
}

/* *owned: the caller frees it. A key is known by n alone where e is the usual one. */
static EVP_PKEY *find_key(struct crypto *c, const struct crypto_public *key, bool *owned)
{
    static const unsigned char usual[] = {1, 0, 1};
    bool cached = key->kind == CRYPTO_ED25519 ||
                  slice_eq(key->e, (struct slice){usual, sizeof usual});
    *owned = false;
    EVP_PKEY *found = cached ? map_get(&c->young, key->n) : NULL;
    if (found != NULL) {
        return found;
    }
    found = cached ? map_take(&c->old, key->n) : NULL;
    if (found == NULL) {
        found = make_key(key);
    }
    *owned = found != NULL && !(cached && remember(c, key->n, found));
    return found;
}

static int check_rsa(struct crypto *c, EVP_PKEY *key, const unsigned char *digest,
                     struct slice sig)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    int got = -1;
    if (ctx != NULL && EVP_PKEY_verify_init(ctx) == 1 &&
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
        EVP_PKEY_CTX_set_signature_md(ctx, c->sha256) == 1) {
        got = EVP_PKEY_verify(ctx, sig.ptr, sig.len, digest, CRYPTO_HASH_LEN) == 1;
    }
    EVP_PKEY_CTX_free(ctx);
    return got;
}

static int check_ed25519(struct crypto *c, EVP_PKEY *key, const unsigned char *digest,
                         struct slice sig)
{
    (void)c;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int got = -1;
    if (ctx != NULL &&
        EVP_DigestVerifyInit_ex(ctx, NULL, NULL, NULL, NULL, key, NULL) == 1) {
        got = EVP_DigestVerify(ctx, sig.ptr, sig.len, digest, CRYPTO_HASH_LEN) == 1;
    }
    EVP_MD_CTX_free(ctx);
    return got;
}

enum crypto_check crypto_check(struct crypto *c, const struct crypto_public *key,
                               const unsigned char digest[CRYPTO_HASH_LEN],
                               struct slice sig)
{
    bool owned = false;
    EVP_PKEY *pkey = find_key(c, key, &owned);
    int got = -1;
    if (pkey != NULL) {
        got = key->kind == CRYPTO_RSA ? check_rsa(c, pkey, digest, sig)
                                      : check_ed25519(c, pkey, digest, sig);
    }
    if (owned) {
        EVP_PKEY_free(pkey);
    }
    ERR_clear_error(); /* a wrong signature leaves its story there; TLS would read it */
    return got == 1 ? CRYPTO_GOOD : got == 0 ? CRYPTO_BAD : CRYPTO_NO_MEMORY;
}

/* In place of asking a terminal for a passphrase. */
static int no_passphrase(char *into, int size, int writing, void *arg)
{
    (void)into, (void)size, (void)writing, (void)arg;
    return -1;
}

struct crypto_private *crypto_private_new(struct slice pem, const char **why)
{
    BIO *bio = pem.len <= 65536 ? BIO_new_mem_buf(pem.ptr, (int)pem.len) : NULL;
    EVP_PKEY *pkey =
        bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    ERR_clear_error();
    if (pkey == NULL) {
        *why = "this is no private key in PEM without a passphrase";
        return NULL;
    }
    bool rsa = EVP_PKEY_get_base_id(pkey) == EVP_PKEY_RSA;
    struct crypto_private *key = NULL;
    if (!rsa && EVP_PKEY_get_base_id(pkey) != EVP_PKEY_ED25519) {
        *why = "the key is neither RSA nor Ed25519";
    } else if (rsa && EVP_PKEY_get_bits(pkey) < 1024) {
        *why = "an RSA key of less than 1024 bits is worth nothing (RFC 8301)";
    } else if ((key = calloc(1, sizeof *key)) == NULL) {
        *why = "out of memory";
    }
    if (key == NULL) {
        EVP_PKEY_free(pkey);
        return NULL;
    }
    *key = (struct crypto_private){pkey, rsa ? CRYPTO_RSA : CRYPTO_ED25519};
    return key;
}

void crypto_private_free(struct crypto_private **key)
{
    if (*key != NULL) {
        EVP_PKEY_free((*key)->key);
        free(*key);
        *key = NULL;
    }
}

enum crypto_kind crypto_private_kind(const struct crypto_private *key)
{
    return key->kind;
}

unsigned crypto_private_bits(const struct crypto_private *key)
{
    return (unsigned)EVP_PKEY_get_bits(key->key);
}

static bool sign_rsa(const struct crypto_private *key, const unsigned char *digest,
                     size_t room, unsigned char *to, size_t *len)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->key, NULL);
    *len = room;
    bool ok = ctx != NULL && EVP_PKEY_sign_init(ctx) == 1 &&
              EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
              EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1 &&
              EVP_PKEY_sign(ctx, to, len, digest, CRYPTO_HASH_LEN) == 1;
    EVP_PKEY_CTX_free(ctx);
    return ok;
}

static bool sign_ed25519(const struct crypto_private *key, const unsigned char *digest,
                         size_t room, unsigned char *to, size_t *len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    *len = room;
    bool ok = ctx != NULL &&
              EVP_DigestSignInit_ex(ctx, NULL, NULL, NULL, NULL, key->key, NULL) == 1 &&
              EVP_DigestSign(ctx, to, len, digest, CRYPTO_HASH_LEN) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}

bool crypto_sign(const struct crypto_private *key,
                 const unsigned char digest[CRYPTO_HASH_LEN], struct buf *out)
{
    size_t room = (size_t)EVP_PKEY_get_size(key->key), len = 0;
    unsigned char *to = buf_room(out, room);
    if (to == NULL) {
        return false;
    }
    bool ok = key->kind == CRYPTO_RSA ? sign_rsa(key, digest, room, to, &len)
                                      : sign_ed25519(key, digest, room, to, &len);
    ERR_clear_error();
    if (ok) {
        buf_grew(out, len);
    }
    return ok;
}

bool crypto_private_public(const struct crypto_private *key, struct buf *out)
{
    if (key->kind == CRYPTO_ED25519) {
        size_t len = CRYPTO_ED25519_LEN;
        unsigned char *to = buf_room(out, len);
        if (to == NULL || EVP_PKEY_get_raw_public_key(key->key, to, &len) != 1) {
            return false;
        }
        buf_grew(out, len);
        return true;
    }
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(key->key, &der);
    bool ok = len > 0 && buf_add(out, (struct slice){der, (size_t)len});
    OPENSSL_free(der);
    return ok;
}
