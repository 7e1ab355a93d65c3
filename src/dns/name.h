/* dns/name.h - domain names as octets: what is one, and the names of addresses.
 *
 * Source  RFC 1035 2.3.4, 3.1; RFC 3596 2.5 (ip6.arpa).
 * Pure.
 * Names   as in dns/answer.h: dots between labels, none at the end, "" is the root. */
#ifndef DNS_NAME_H
#define DNS_NAME_H
#include "base/netset.h"
#include "base/slice.h"

/* "f." * 32 and "ip6.arpa" */
enum { DNS_REVERSE_MAX = 2 * 32 + 8 };

/* Labels of 1 to 63 octets, 253 in all; any octets. */
MUST_USE bool dns_name_ok(struct slice name);

/* True where name is zone, or below it. */
MUST_USE bool dns_name_below(struct slice name, struct slice zone);

/* The name below in-addr.arpa (also of a mapped address) or ip6.arpa where the PTR records
 * of ip stand. */
struct slice dns_reverse_name(const struct ip *ip, char out[DNS_REVERSE_MAX]);

/* The name below a list of addresses (RFC 5782 2.1, 2.4) where ip would stand: the reversed
 * address and zone. Empty: zone is too long for that. */
enum { DNS_LISTED_MAX = 253 };
struct slice dns_listed_name(const struct ip *ip, struct slice zone,
                             char out[DNS_LISTED_MAX]);

/* "PTR"; "TYPE99" for what has no word here. */
enum { DNS_TYPE_TEXT_MAX = 12 };
struct slice dns_type_text(unsigned type, char out[DNS_TYPE_TEXT_MAX]);
#endif
