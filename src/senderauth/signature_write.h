/* senderauth/signature_write.h - signature fields put together: what signing with DKIM and sealing with
 * ARC have in common.
 *
 * Source  RFC 6376 3.5, 5; 8617 4.1.
 * Pure. */
#ifndef SENDERAUTH_SIGNATURE_WRITE_H
#define SENDERAUTH_SIGNATURE_WRITE_H
#include "senderauth/dkim_sign.h"
#include "senderauth/header_table.h"

/* A field in the making: tags on lines of at most 76 octets. */
struct signature_line {
    struct buf *out;
    size_t field; /* where in out it begins */
    size_t line;  /* where in out its last line begins */
};

void signature_begin(struct signature_line *l, struct buf *out, const char *name);
/* Appends "tag=value;", on a new line when this one would get too long. */
void signature_tag(struct signature_line *l, const char *tag, struct slice value);
void signature_number(struct signature_line *l, const char *tag, uint64_t value);
/* a=, d=, s= and, where it is known, t=. */
void signature_who(struct signature_line *l, const struct dkim_sign *s);
/* h=: s->names, or what is usual for this header. False: it has no From. */
MUST_USE bool signature_names(struct signature_line *l, const struct dkim_sign *s,
                              const struct header_table *t, bool arc);
/* What was written there; good until the field grows. */
MUST_USE struct slice signature_written_names(const struct signature_line *l);
void signature_octets(struct signature_line *l, const char *tag, struct slice octets);

/* Adds the fields that h= (a list of names) chooses from t to the hash. */
void signature_hash_fields(struct crypto_hash *hash, struct header_table *t,
                           struct slice names, bool relaxed);
/* Adds the field (raw, with or without its CRLF) to the hash. */
void signature_hash_field(struct crypto_hash *hash, struct slice raw, bool relaxed,
                          bool last);

/* Adds "b=" to the field, the field to the hash, and fills b= in. Ends the hash and the field. */
MUST_USE bool signature_finish(struct signature_line *l, const struct dkim_sign *s,
                               bool relaxed, struct crypto_hash *hash);
#endif
