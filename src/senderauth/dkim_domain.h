/* senderauth/dkim_domain.h - names in signatures as the DNS has them.
 *
 * Source  RFC 6376 3.5 (d=, s=, i=), 5321 4.1.2 (sub-domain), 8616 (U-labels), 5890, UTS 46.
 * Pure. */
#ifndef SENDERAUTH_DKIM_DOMAIN_H
#define SENDERAUTH_DKIM_DOMAIN_H
#include "base/slice.h"

enum { DKIM_DOMAIN_ROOM = 254 }; /* DNS_NAME_MAX and a NUL */

/* Lower case, A-labels, NUL-terminated into out. False: no such name can be: a label that is
 * empty or too long, or octets other than letters, digits, "-" and "_" (which is seen in use). */
MUST_USE bool dkim_domain(struct slice name, char out[DKIM_DOMAIN_ROOM]);
#endif
