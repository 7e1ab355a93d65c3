/* senderauth/authres.h - Authentication-Results: written, and known again.
 *
 * Source  RFC 8601 2.2 (grammar), 2.3 (properties), 5 (removing forged ones), 8616 5 (U-labels);
 *         RFC 8617 4.1.1 (ARC-Authentication-Results).
 * Pure.
 * Own     items borrow their values; what is read borrows from the field.
 * Safe    whatever octets a value has, one well-formed field comes out: what is no token becomes a
 *         quoted string, controls (and octets above 127 unless utf8) become "?".
 * Limits  AUTHRES_VALUE_MAX octets of a value are written. */
#ifndef SENDERAUTH_AUTHRES_H
#define SENDERAUTH_AUTHRES_H
#include "base/buf.h"

enum { AUTHRES_PROPS_MAX = 4, AUTHRES_VALUE_MAX = 320, AUTHRES_DKIM_MAX = 8 };

struct authres_prop {
    const char *name; /* "smtp.mailfrom", "header.d", "policy.iprev" ... */
    struct slice value;
};
struct authres_item {
    const char *method;   /* "spf", "dkim", "dmarc", "arc", "iprev", "auth" */
    const char *result;   /* "pass", "fail", ... */
    struct slice comment; /* in parentheses behind the result; empty: none */
    struct slice reason;  /* reason=; empty: none */
    struct authres_prop
        prop[AUTHRES_PROPS_MAX]; /* up to the first without name or value */
};

/* Appends "Authentication-Results: ID; ...\r\n", folded, a method a line; "none" for no items. */
bool authres_write(struct buf *out, struct slice authserv_id,
                   const struct authres_item *items, unsigned n, bool utf8);
/* Only what stands behind the id: "; spf=pass ...; dkim=...", as arc_seal wants it. */
bool authres_results(struct buf *out, const struct authres_item *items, unsigned n,
                     bool utf8);

/* Is a field of that value (what stands behind "Authentication-Results:") by this id? Case,
 * comments, quotes, a version, folds and the form of labels (U or A) make no difference. *results,
 * where it is wanted: what follows the id and its version, from the ";" on. */
MUST_USE bool authres_is_from(struct slice value, struct slice authserv_id,
                              struct slice *results);

/* Who vouches for the message, of results that authres_is_from() found; in lower case, in text. Empty: nobody. */
struct authres_passed {
    struct slice spf, sender; /* domain and address of MAIL */
    struct slice dkim[AUTHRES_DKIM_MAX];
    unsigned dkim_n;
    struct slice from; /* domain of From, by DMARC */
};
/* text is emptied first. False: it has no room. */
MUST_USE bool authres_read_passed(struct slice results, struct buf *text,
                                  struct authres_passed *out);

/* Reads "i=N;" at the front of an ARC-Authentication-Results. N is 1 to 99. */
MUST_USE bool authres_instance(struct slice value, unsigned *instance,
                               struct slice *rest);
#endif
