/* senderauth/arc.h - the ARC chain of a message, validated.
 *
 * Used like dkim.h, with the same header, body and DNS source:
 *     arc_new(), arc_ask(), dkim_body_feed() ..., dkim_body_end(), arc_evaluate(), arc_result()
 *
 * Source  RFC 8617 4 (fields), 5.2 (validator actions).
 * Pure.
 * Own     borrows header, body and crypto until arc_free(). The result belongs to it.
 * Limits  ARC_INSTANCES_MAX sets, as the RFC has it: a chain of that many costs 51 verifications. */
#ifndef SENDERAUTH_ARC_H
#define SENDERAUTH_ARC_H
#include "senderauth/dkim.h"

enum { ARC_INSTANCES_MAX = 50 };

enum arc_cv { ARC_NONE = 0, ARC_PASS, ARC_FAIL };
const char *arc_cv_word(enum arc_cv cv); /* "none", "pass", "fail" */

struct arc_options {
    struct crypto *crypto;
    struct dkim_body *body;
    uint64_t now; /* as in dkim_options */
};

struct arc_result {
    enum arc_cv cv;
    bool temporary; /* fail since a key cannot be had now */
    bool final;     /* the newest seal says cv=fail: nobody may seal on (RFC 8617 5.1) */
    unsigned highest;  /* the greatest instance seen, 0 to 50 */
    unsigned instance; /* fail: whose; 0: of the chain as a whole */
    enum dkim_reason
        reason;        /* fail by a signature: why; NONE: the chain is out of order */
    struct slice text; /* as a sentence: "ARC set 2 lacks its ARC-Seal" */
};

/* What one sealer said, whether the chain holds or not. */
struct arc_set {
    const char *domain, *selector; /* of its ARC-Seal */
    struct slice
        results; /* its ARC-Authentication-Results, behind "i=N;" (authres.h reads it) */
};

struct arc;
MUST_USE struct arc *arc_new(const struct arc_options *o,
                             struct slice header); /* NULL: memory */
void arc_free(struct arc **a);
void arc_ask(struct arc *a, const struct dns_source *dns);
/* After dkim_body_end(). */
MUST_USE enum dkim_state arc_evaluate(struct arc *a, const struct dns_source *dns);
MUST_USE const struct arc_result *arc_result(const struct arc *a);
/* instance from 1 to highest; false: it is not complete. */
MUST_USE bool arc_set(const struct arc *a, unsigned instance, struct arc_set *out);
/* For the sealer: adds all sets to a hash, oldest first, as a seal covers them. */
void arc_hash_sets(const struct arc *a, struct crypto_hash *hash);
#endif
