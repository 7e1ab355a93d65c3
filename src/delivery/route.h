/* delivery/route.h - which hosts take mail for a domain, and in what order to try them.
 *
 * Source  RFC 5321 5.1 (MX, implicit MX, equal preferences, our own host among them), 7505 (null MX),
 *         7672 2.2 (when TLSA records are asked for, under which name, and what it means that they cannot
 *         be had).
 * Pure    asks a dns_source; ROUTE_WAIT: call again when it knows more.
 * Own     names borrow from the domain and from the source's answers.
 * Order   by preference; equal ones in an order that `seed` decides; the addresses of a host IPv6 and
 *         IPv4 in turn. Where we are an MX ourselves, by our name or by one of
 *         our addresses, only better ones than us are left (5.1: a loop else).
 * Inner   the DNS of others must not aim us at our own network: addresses of the kinds of ip_inner()
 *         (base/netset.h) are left out, but for those of networks that are allowed.
 * Limits  ROUTE_MX_MAX hosts, the best ones; ROUTE_HOPS_MAX addresses. */
#ifndef DELIVERY_ROUTE_H
#define DELIVERY_ROUTE_H
#include "base/id.h"
#include "dns/answer.h"

enum { ROUTE_MX_MAX = 16, ROUTE_HOPS_MAX = 32, ROUTE_SITE_MAX = 300 };

enum route_status {
    ROUTE_OK = 0,
    ROUTE_WAIT,
    ROUTE_NO_DOMAIN,  /* the domain does not exist */
    ROUTE_NO_DATA,    /* it exists and has neither MX nor address */
    ROUTE_NULL_MX,    /* it says that it takes no mail */
    ROUTE_NO_ADDRESS, /* its MX hosts have no address */
    ROUTE_LOOP,       /* the best of its MX hosts is us */
    ROUTE_INNER,      /* it has only addresses that mail is not sent to */
    ROUTE_DNS_FAILED, /* not known now */
};

struct route_hop {
    struct slice host; /* name, "" for an address literal */
    struct ip ip;
    uint16_t preference;
    uint16_t
        number;  /* for who looks at it next: where it keeps what it knows of the hop */
    bool secure; /* MX and address are DNSSEC-validated: TLSA counts */
    const struct dns_answer *tlsa; /* the host's; NULL: none, or not secure */
    struct slice
        tlsa_base; /* the name that has them: the host's, or what it is an alias of */
};

struct route {
    enum route_status status;
    const char
        *why; /* DNS_FAILED: of the question that failed; INNER: what kind of address */
    struct ip inner;       /* INNER: one of them */
    struct slice own_host; /* LOOP: which of the hosts is us; */
    struct ip own;         /* and at which address; all zero: by its name */
    bool bogus;            /* an answer about its hosts was forged or broken (DNSSEC) */
    bool secure;           /* the answer that names them is DNSSEC-validated */
    unsigned hop_n;
    struct route_hop hop[ROUTE_HOPS_MAX];
    /* The set of hosts: who has the same has the same site. Lower case, in alphabetical order, cut
     * behind ROUTE_SITE_MAX octets. */
    size_t site_len;
    char site[ROUTE_SITE_MAX];
};

struct route_ask {
    struct slice domain;   /* lower case, A-labels */
    struct slice hostname; /* ours */
    uint64_t seed;
    unsigned port;              /* of the TLSA name */
    bool no_ipv4, no_ipv6;      /* that family is not used */
    bool no_tlsa;               /* they are not asked for */
    bool any_address;           /* inner ones too */
    const struct netset *inner; /* inner networks that are allowed; NULL: none */
    const struct netset *ours;  /* our addresses; NULL: they are no matter */
};
/* out->status tells; hops only with ROUTE_OK. */
void route_find(const struct route_ask *ask, const struct dns_source *dns,
                struct route *out);

/* The same of one host, whatever MX its name has: ask->domain, a name or an address without brackets. Of
 * any address, for it is our configuration that names it. NULL_MX and LOOP do not come. */
void route_host(const struct route_ask *ask, const struct dns_source *dns,
                struct route *out);

/* ask->domain is "[192.0.2.1]" or "[IPv6:2001:db8::1]": the one hop that it is; OK or INNER.
 * False: it is none. */
MUST_USE bool route_literal(const struct route_ask *ask, struct route *out);
#endif
