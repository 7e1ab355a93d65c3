/* senderauth/dkim_sign.h - a DKIM signature made.
 *
 *     wish = dkim_sign_want(body, &s);     before the body
 *     dkim_body_feed(body, ...); dkim_body_end(body);
 *     dkim_sign(&s, header, body, wish, out)
 *
 * Source  RFC 6376 5 (signer actions), 5.4.1 (which fields), 8.15 (fields signed as absent),
 *         8301, 8463; 8058 4 (List-Unsubscribe fields are signed).
 * Pure    the time comes from the caller.
 * Own     borrows everything during the call.
 * Choices  Every field of dkim_sign_fields[] that stands in the header is signed, each instance; those
 *         marked are signed once more than they stand there, so that none can be added. */
#ifndef SENDERAUTH_DKIM_SIGN_H
#define SENDERAUTH_DKIM_SIGN_H
#include "senderauth/crypto.h"
#include "senderauth/dkim_body.h"

struct dkim_sign {
    struct crypto *crypto;
    const struct crypto_private *key;
    struct slice domain, selector; /* A-labels */
    struct slice identity;         /* i=, within domain, printable ASCII; or empty */
    struct slice names; /* h= in place of the usual choice, colons between; or empty */
    uint64_t made, expires;          /* Unix time, seconds; 0: not said */
    bool simple_header, simple_body; /* else relaxed */
};

MUST_USE int dkim_sign_want(struct dkim_body *body, const struct dkim_sign *s);

/* Appends "DKIM-Signature: ...\r\n", to be put above the header. False: no memory, or out is full, or
 * the header is none that can be signed (no From, or too many fields); out may then have a part
 * of it. */
MUST_USE bool dkim_sign(const struct dkim_sign *s, struct slice header,
                        const struct dkim_body *body, int wish, struct buf *out);

/* The key record that belongs to a key: "v=DKIM1; k=rsa; p=...", longer than one string of a TXT
 * record for RSA. */
MUST_USE bool dkim_sign_record(const struct crypto_private *key, struct buf *out);
#endif
