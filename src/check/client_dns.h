/* check/client_dns.h - what checks of the client's address share: who is judged, and DNS lists. */
#ifndef CHECK_CLIENT_DNS_H
#define CHECK_CLIENT_DNS_H
#include "check/check.h"
#include "senderauth/ptr.h"

/* Is this client judged by what the DNS says of its address? Not one of checks.local-networks. */
MUST_USE bool client_dns_judged(const struct check_facts *f);

/* Its PTR name, for evidence too. False: out->waits. */
MUST_USE bool client_dns_ptr(const struct check_facts *f, struct check_verdict *out,
                             struct ptr *ptr);

enum client_listed { LISTED_NOT = 0, LISTED_YES, LISTED_WAITS };

/* Does the address stand in one of the lists ("zone" or "zone network")? Only answers inside 127.0.0.0/8
 * count (RFC 5782 2.1), not 127.0.0.1 (2.3: a test) and not 127.255.255.0/24, by which lists say that
 * they do not answer this resolver; a network says which of them. A list that cannot be asked
 * lists nobody. LISTED_YES: *zone, and the answer that counted. */
MUST_USE enum client_listed client_dns_listed(const struct check_facts *f,
                                              const struct config_list *lists,
                                              struct slice *zone, struct ip *answer);
#endif
