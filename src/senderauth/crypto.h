/* senderauth/crypto.h - hashes, signatures and keys: the folder's one door to libcrypto.
 *
 * Source  RFC 6234 (SHA-256), 8017 8.2 (RSASSA-PKCS1-v1_5), 8032 (Ed25519), 7468 (PEM).
 * Pure    no files, sockets or clock. Keys come as octets.
 * Own     struct crypto holds what libcrypto is slow to find (the algorithms) and keys that were
 *         used lately; one for each process, used by one thread at a time. Made before a role
 *         enters its sandbox: libcrypto reads its configuration file when it is first asked.
 * Errors  memory that is short is told apart from a signature that is wrong. */
#ifndef SENDERAUTH_CRYPTO_H
#define SENDERAUTH_CRYPTO_H
#include "base/buf.h"

enum {
    CRYPTO_HASH_LEN = 32,    /* octets of a SHA-256 */
    CRYPTO_ED25519_LEN = 32, /* octets of a public key */
    CRYPTO_KEYS_MAX = 4096   /* a good keys_max: some 2 KiB each */
};

struct crypto;
MUST_USE struct crypto *crypto_new(size_t keys_max); /* NULL: no memory */
void crypto_free(struct crypto **c);

/* A running SHA-256. After an error crypto_hash_end() is false; the rest does nothing. */
struct crypto_hash {
    void *ctx;
    bool failed;
};
void crypto_hash_begin(struct crypto *c, struct crypto_hash *h); /* h: zeroed, or ended */
void crypto_hash_add(struct crypto_hash *h, struct slice s);
/* The hash of what was added so far; h goes on. */
MUST_USE bool crypto_hash_peek(const struct crypto_hash *h,
                               unsigned char out[CRYPTO_HASH_LEN]);
/* Makes *to (zeroed, or ended) a second hash of the same octets. */
void crypto_hash_copy(const struct crypto_hash *h, struct crypto_hash *to);
MUST_USE bool crypto_hash_end(struct crypto_hash *h, unsigned char out[CRYPTO_HASH_LEN]);
void crypto_hash_clear(struct crypto_hash *h);

enum crypto_kind { CRYPTO_RSA = 0, CRYPTO_ED25519 };
enum crypto_check { CRYPTO_GOOD = 0, CRYPTO_BAD, CRYPTO_NO_MEMORY };

/* A public key. RSA: n and e, big-endian, without leading zeros. Ed25519: n is the key. */
struct crypto_public {
    enum crypto_kind kind;
    struct slice n, e;
};
/* Is sig this key's signature of the digest? */
MUST_USE enum crypto_check crypto_check(struct crypto *c, const struct crypto_public *key,
                                        const unsigned char digest[CRYPTO_HASH_LEN],
                                        struct slice sig);

/* A private key out of PEM (PKCS#8, or PKCS#1 for RSA). NULL: *why says what is wrong (static).
 * A key under a passphrase is refused, never asked for. */
struct crypto_private;
MUST_USE struct crypto_private *crypto_private_new(struct slice pem, const char **why);
void crypto_private_free(struct crypto_private **key); /* wiped by libcrypto */
MUST_USE enum crypto_kind crypto_private_kind(const struct crypto_private *key);
MUST_USE unsigned crypto_private_bits(const struct crypto_private *key);
/* Appends the signature of the digest. */
MUST_USE bool crypto_sign(const struct crypto_private *key,
                          const unsigned char digest[CRYPTO_HASH_LEN], struct buf *out);
/* Appends the public half as p= of a key record has it: DER for RSA, 32 octets for Ed25519. */
MUST_USE bool crypto_private_public(const struct crypto_private *key, struct buf *out);
#endif
