/* senderauth/dkim_testlib.h - for tests: keys, messages signed, and verified. */
#ifndef SENDERAUTH_DKIM_TESTLIB_H
#define SENDERAUTH_DKIM_TESTLIB_H
#include "senderauth/dkim.h"
#include "senderauth/dkim_sign.h"
#include "senderauth/fake_dns.h"

extern const char test_rsa_pem[], test_ed25519_pem[]; /* of nobody */

/* A line of a zone as fake_dns.h wants it. */
void zone_add(struct buf *zone, const char *name, struct slice record);

struct signed_mail {
    struct crypto *crypto;
    struct buf header; /* with the signature on top */
    struct slice body;
    struct buf zone; /* with the key's record */
};
/* header and body signed; the header gets the field on top. */
void sign_mail(struct signed_mail *m, struct crypto_private *key, struct dkim_sign s,
               struct slice header, struct slice body);

/* The verdicts on header and body; the caller frees *body_out and the result. Answers come late,
 * in an order that `piece` chooses. */
struct dkim *verify_mail(struct crypto *crypto, struct slice zone, struct slice header,
                         struct slice body, uint64_t now, size_t piece,
                         struct dkim_body **body_out);
#endif
