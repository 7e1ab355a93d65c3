/* delivery/signer.h - DKIM signatures on what goes to other servers.
 *
 * Keys     <state-dir>/dkim/<domain>/<selector>.pem, a private key each (RSA or Ed25519, PEM without
 *          passphrase); all of a domain sign, so an Ed25519 key may stand beside an RSA one (RFC 8463 5). `postern domain
 *          key` makes and lists them.
 * Whose    the domain of From (its only one), or the nearest domain above it that has keys: what
 *          DMARC aligns with, relaxed.
 * Source   RFC 6376; senderauth/dkim_sign.h makes the signature.
 * I/O      signer_new() reads the files, so before root is given up; then only the spool's descriptors.
 * Own      one thread; signer_hash() alone may run on another. */
#ifndef DELIVERY_SIGNER_H
#define DELIVERY_SIGNER_H
#include "delivery/source.h"

enum { SIGNER_ERROR_MAX = 512, SIGNER_KEYS_MAX = 10000, SIGNER_PER_DOMAIN_MAX = 4 };

struct signer;

/* dir need not exist. NULL: error names the file and what is wrong with it. */
MUST_USE struct signer *signer_new(const char *dir, char error[SIGNER_ERROR_MAX]);
void signer_free(struct signer **s);
MUST_USE size_t signer_keys(const struct signer *s);

/* The same in steps, for messages so large that reading them takes long. signer_begin(): NULL where there is nothing to
 * read, for want of a key, or since it was signed lately. signer_hash(): src is the work's alone. signer_end(): frees it; what was
 * made is there for signer_sign(). */
struct signer_work;
struct signer_work *signer_begin(struct signer *s, const struct source *src,
                                 const struct job *j, uint64_t now_s);
void signer_hash(struct signer_work *w, struct source *src, const struct job *j);
void signer_end(struct signer *s, struct signer_work **w, const struct source *src,
                const struct job *j);

/* Appends "DKIM-Signature: ..." fields for the message that src was opened for; nothing where its
 * author's domain has no key, or it has no one author. Reads it through and rewinds, unless it was
 * signed lately: then with the same fields. False: it cannot be read. */
MUST_USE bool signer_sign(struct signer *s, struct source *src, const struct job *j,
                          uint64_t now_s, struct buf *out);
#endif
