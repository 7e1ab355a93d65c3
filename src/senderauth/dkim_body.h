/* senderauth/dkim_body.h - the canonical bodies of one message and their hashes.
 *
 * Octets stream through once. There are two canonical forms (simple, relaxed); each that
 * anybody wants is made once, with one running SHA-256, whatever the number of signatures: a
 * hash up to l= is taken while the octets go by. DKIM, ARC and signing share one dkim_body.
 *
 * Source  RFC 6376 3.4.3, 3.4.4 (body canonicalization), 3.5 (l=), 3.7 (hash).
 * Pure.
 * Own     dkim_body_new() gives, dkim_body_free() takes.
 * Input   the body: what follows the empty line behind the header section, dots of SMTP removed,
 *         in pieces of any size. Lines end in CRLF; a CR or LF alone is an octet like any other.
 * Limits  DKIM_BODY_WANTS different wishes.
 * Order   all wishes, then all octets, then dkim_body_end(), then digests. */
#ifndef SENDERAUTH_DKIM_BODY_H
#define SENDERAUTH_DKIM_BODY_H
#include "senderauth/crypto.h"

enum { DKIM_BODY_WANTS = 64, DKIM_BODY_NO_WISH = -1 };
#define DKIM_BODY_ALL UINT64_MAX /* no l= */

struct dkim_body;
MUST_USE struct dkim_body *dkim_body_new(struct crypto *crypto); /* NULL: no memory */
void dkim_body_free(struct dkim_body **b);

/* A hash over the first `length` octets of a canonical body. The number of the wish, or
 * DKIM_BODY_NO_WISH: there are too many. */
MUST_USE int dkim_body_want(struct dkim_body *b, bool relaxed, uint64_t length);

void dkim_body_feed(struct dkim_body *b, struct slice octets);
void dkim_body_end(struct dkim_body *b);
MUST_USE bool dkim_body_ended(const struct dkim_body *b);

struct dkim_body_hash {
    const unsigned char *digest; /* CRYPTO_HASH_LEN; NULL: there is no hash */
    uint64_t total;              /* octets of the whole canonical body */
    bool too_short;              /* l= is larger than that: there is no hash */
};
/* After the end. No hash and not too_short: no memory. */
MUST_USE struct dkim_body_hash dkim_body_hash(const struct dkim_body *b, int wish);
#endif
