/* senderauth/domain.h - domain names as mail spells them; see also dns/name.h.
 *
 * Source  RFC 1035 2.3.4 (limits), 2.3.3 (case), RFC 5890 and UTS 46 (U-labels, by libidn2).
 * Pure    a name that is not ASCII costs libidn2 an allocation.
 * Names   no dot at the end. */
#ifndef SENDERAUTH_DOMAIN_H
#define SENDERAUTH_DOMAIN_H
#include "dns/answer.h"
#include "dns/name.h"

/* A domain as somebody typed it, in A-labels and lower case into out; a dot at its end goes.
 * False: it is no domain name (empty or too long labels, an address literal, octets that no
 * name has: blanks, controls, DEL; U-labels that IDNA does not allow). */
MUST_USE bool domain_take(struct slice typed, unsigned char out[DNS_NAME_MAX],
                          size_t *len);

/* 0 for the root. */
MUST_USE unsigned domain_labels(struct slice name);

/* The name without its first label; "" of a single one. */
MUST_USE struct slice domain_parent(struct slice name);
#endif
