/* config/address.h - the forms of names and addresses that settings take (pure).
 * See also config_address_parse() in config/config.h. */
#ifndef CONFIG_ADDRESS_H
#define CONFIG_ADDRESS_H
#include "base/slice.h"

/* RFC 5321 4.1.2 Domain in A-label form: letters, digits, hyphens inside; labels of at
 * most 63 octets, 253 in all; the last label is not a number. */
MUST_USE bool address_is_domain(struct slice s);

/* "192.0.2.53", "192.0.2.53@5300", "2001:db8::53@53". */
MUST_USE bool address_is_resolver(struct slice s);

/* "unix:/path", or what config_address_parse() takes. */
MUST_USE bool address_is_endpoint(struct slice s);
/* "ann@example.org": something without blanks and controls, and a domain. */
MUST_USE bool address_is_mail(struct slice text);
#endif
