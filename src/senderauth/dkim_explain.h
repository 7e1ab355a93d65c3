/* senderauth/dkim_explain.h - a signature's reason as a sentence.
 *
 * Pure. */
#ifndef SENDERAUTH_DKIM_EXPLAIN_H
#define SENDERAUTH_DKIM_EXPLAIN_H
#include "senderauth/dkim_signature.h"

/* Appends "the signature of d.example (selector s) ..."; at most some 800 octets, printable ASCII.
 * signatures_max: for the one that was one too many. */
void dkim_explain(struct buf *out, const struct dkim_signature *s,
                  unsigned signatures_max);
#endif
