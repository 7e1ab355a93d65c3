/* senderauth/dkim_key.h - the key record of a DKIM or ARC signature.
 *
 * Source  RFC 6376 3.6.1 (record), 8301 (sizes), 8463 4 (Ed25519), 8017 A.1.1 and 5280 4.1 (the
 *         two forms in which p= of an RSA key is seen: bare RSAPublicKey, SubjectPublicKeyInfo).
 * Pure.
 * Own     key and octets in it lie in the arena.
 * Limits  RSA up to DKIM_RSA_BITS_MAX bits; exponents up to 64 bits. */
#ifndef SENDERAUTH_DKIM_KEY_H
#define SENDERAUTH_DKIM_KEY_H
#include "base/buf.h"
#include "senderauth/crypto.h"
#include "senderauth/dkim_reason.h"

enum { DKIM_RSA_BITS_MIN = 1024, DKIM_RSA_BITS_MAX = 8192 };

struct dkim_key {
    struct crypto_public key; /* over `octets` */
    unsigned bits;
    bool testing; /* t=y */
    bool strict;  /* t=s: i= must have the domain of d= */
};

/* What a signature asks of its key. */
struct dkim_key_need {
    enum crypto_kind kind;
    bool subdomain; /* its i= is below its d= */
};

/* DKIM_REASON_NONE: *out is good for that signature. Else why it is not, and *detail (borrows
 * from the record, may be empty): on account of what. octets: an initialized buffer for the key.*/
MUST_USE enum dkim_reason dkim_key_parse(struct slice record,
                                         const struct dkim_key_need *need,
                                         struct buf *octets, struct dkim_key *out,
                                         struct slice *detail);
#endif
