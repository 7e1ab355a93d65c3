/* senderauth/ptr.h - does a client's address have a name that leads back to it?
 *
 * Source  RFC 8601 3 (iprev), RFC 1912 2.1; "forward-confirmed reverse DNS".
 * Pure    the DNS comes as a struct dns_source.
 * Own     struct ptr borrows from the DNS answers.
 * Limits  PTR_NAMES_MAX names of an address are looked at (RFC 8601 3, 7208 5.5: 10).
 * Order   the names are judged in the order of the answer, so the outcome does not depend on which
 *         is known first. */
#ifndef SENDERAUTH_PTR_H
#define SENDERAUTH_PTR_H
#include "dns/answer.h"

enum { PTR_NAMES_MAX = 10, PTR_RESOLVED_MAX = 4 };

enum ptr_result {
    PTR_PASS = 0, /* name is the first that leads back */
    PTR_NONE,     /* there is no PTR record */
    PTR_MISMATCH, /* no name leads back; name is the first of them */
    PTR_TEMPERROR, /* a question had no answer; why says how. Nothing may be held against it */
};

struct ptr {
    enum ptr_result result;
    struct slice name;
    const char *why;
    unsigned names, names_seen; /* of the address; looked at */
    /* PTR_MISMATCH: where the names lead, the first few */
    struct ip resolved[PTR_RESOLVED_MAX];
    unsigned resolved_n;
};

/* False: an answer is not there yet; call again, from the start, when one came. */
MUST_USE bool ptr_check(const struct dns_source *dns, const struct ip *ip,
                        struct ptr *out);

/* The word of RFC 8601 2.7.3: "pass", "fail", "temperror"; "permerror": no PTR record. */
MUST_USE const char *ptr_result_name(enum ptr_result result);
#endif
