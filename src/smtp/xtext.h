/* smtp/xtext.h - xtext: text of any octets within an ESMTP parameter.
 *
 * Source  RFC 3461 4: xtext = *( xchar / hexchar ); hexchar = "+" 2(%x30-39 / %x41-46).
 * Pure    no I/O, allocation, globals or locale. */
#ifndef SMTP_XTEXT_H
#define SMTP_XTEXT_H
#include "base/buf.h"

/* Decodes all of s into out[cap]; hex digits may be small. False: it is no xtext, or too long. */
MUST_USE bool smtp_xtext_decode(struct slice s, unsigned char *out, size_t cap,
                                size_t *n);

/* Is s xtext of printable ASCII (no control characters), as RFC 3461 4.2 and 4.4 demand of what
 * will stand in the header of a DSN? */
MUST_USE bool smtp_xtext_printable(struct slice s);
#endif
