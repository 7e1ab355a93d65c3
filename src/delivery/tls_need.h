/* delivery/tls_need.h - what a host must show before it gets mail of a domain (pure).
 *
 * Source  RFC 7672 2.2 (TLSA records bind; where none can be used TLS is still demanded), RFC 8461 2 (DANE
 *         comes first) and 5 (enforce, testing), RFC 8689 4.2.1 (REQUIRETLS: a server that is
 *         authenticated, found by names that are: DNSSEC or MTA-STS).
 * Rules   a domain may have one of ours (delivery.tls-domains); it comes before the domain's own policies. */
#ifndef DELIVERY_TLS_NEED_H
#define DELIVERY_TLS_NEED_H
#include "senderauth/mta_sts.h"
#include "senderauth/tls_rpt.h"
#include "tls/client.h"

enum tls_rule {
    TLS_RULE_AUTO = 0, /* as the domain's own policies say */
    TLS_RULE_NEVER,    /* no TLS */
    TLS_RULE_MAY,      /* where it is offered; the domain's policies are not asked */
    TLS_RULE_MUST,     /* or no mail; beyond that as AUTO */
    TLS_RULE_VERIFY, /* a verified host: by its TLSA records where it has such, else its name */
    TLS_RULE_DANE, /* by its TLSA records only */
};

struct tls_ask {
    enum tls_rule rule;
    unsigned tlsa_n, tlsa_usable; /* records; how many of them can be used */
    bool sts;                     /* the domain has a policy */
    enum sts_mode mode;
    bool sts_allows; /* it names the host */
    bool secure;     /* the host's name comes from DNSSEC, or from our configuration */
    bool requiretls; /* the mail demands it */
};

struct tls_need {
    const char *unfit; /* this host may not have the mail: why; NULL: it may */
    bool never, must;
    enum tls_verify verify;
    enum tls_rpt_policy policy;  /* under which its sessions are counted */
    enum tls_rpt_result counted; /* what its policy has against the host; else SUCCESS */
};
void tls_need_of(const struct tls_ask *ask, struct tls_need *out);
#endif
