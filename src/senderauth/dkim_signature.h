/* senderauth/dkim_signature.h - one signature field taken apart, and checked: what DKIM-Signature,
 * ARC-Message-Signature and ARC-Seal have in common.
 *
 * Source  RFC 6376 3.5, 3.7, 6.1; 8617 4.1.2, 4.1.3.
 * Pure.
 * Own     borrows from the header; what is decoded lies in the arena. */
#ifndef SENDERAUTH_DKIM_SIGNATURE_H
#define SENDERAUTH_DKIM_SIGNATURE_H
#include "base/arena.h"
#include "dns/answer.h"
#include "senderauth/crypto.h"
#include "senderauth/dkim_body.h"
#include "senderauth/dkim_domain.h"
#include "senderauth/dkim_reason.h"
#include "senderauth/dkim_tags.h"
#include "senderauth/header_table.h"

enum signature_form { SIGNATURE_DKIM = 0, SIGNATURE_AMS, SIGNATURE_SEAL };

enum { SIGNATURE_KEY_NAME_ROOM = 2 * DKIM_DOMAIN_ROOM + 16 };

struct dkim_signature {
    uint32_t field; /* its index in the header table */
    enum dkim_reason reason;
    struct slice detail; /* of the reason */
    /* As far as it could be read: */
    struct slice a, c, d, s, h, z; /* as written */
    struct slice identity;         /* i= decoded, or empty */
    struct slice b_span;           /* the part of the field that b= fills */
    struct slice bh_text;
    char domain[DKIM_DOMAIN_ROOM], selector[DKIM_DOMAIN_ROOM];
    char key_name[SIGNATURE_KEY_NAME_ROOM];
    enum crypto_kind kind;
    bool subdomain; /* i= is below d= */
    bool header_relaxed, body_relaxed;
    uint64_t length; /* l= */
    uint64_t made, expires;
    unsigned instance; /* ARC: i= */
    struct slice cv;   /* ARC-Seal */
    struct slice sig;  /* b= decoded */
    unsigned char bh[CRYPTO_HASH_LEN];
    int wish; /* of the body's hash; DKIM_BODY_NO_WISH: none */
    /* After it was checked: */
    char hashes[2 * CRYPTO_HASH_LEN *
                2]; /* BODY_CHANGED: "measured, not claimed", base64 */
    unsigned key_bits;
    bool testing;
};

/* Reads the field t->field[index]; ->reason says what is wrong. */
void dkim_signature_read(enum signature_form form, const struct header_table *t,
                         uint32_t index, struct arena *arena, struct dkim_signature *out);

/* The hash over the fields that h= names and the signature's own, of which the fields in
 * absent[absent_n] are taken for absent. */
MUST_USE bool dkim_signature_digest(const struct dkim_signature *s,
                                    struct header_table *t, struct crypto *c,
                                    struct crypto_hash *hash, const uint32_t *absent,
                                    unsigned absent_n,
                                    unsigned char out[CRYPTO_HASH_LEN]);

/* Looks for a key in the records that verifies this digest (NULL: that can be used at all):
 * DKIM_REASON_NONE. Else the defect of the records, or HEADER_CHANGED. False: the answer is not
 * there yet. */
MUST_USE bool dkim_signature_key(struct dkim_signature *s, struct crypto *c,
                                 const struct dns_source *dns, struct buf *octets,
                                 const unsigned char *digest, enum dkim_reason *reason);

/* All of it for a signature that covers a body: key, body, header. False: waiting. */
MUST_USE bool dkim_signature_check(struct dkim_signature *s, struct header_table *t,
                                   struct crypto *c, const struct dkim_body *body,
                                   const struct dns_source *dns, struct buf *octets);

/* HEADER_CHANGED made more exact, where that can be known: by z=, or since the signature verifies
 * when a field that was signed as absent is left out. Sets reason and detail. */
void dkim_signature_blame(struct dkim_signature *s, struct header_table *t,
                          struct crypto *c, const struct dns_source *dns,
                          struct buf *octets);
#endif
