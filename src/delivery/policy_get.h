/* delivery/policy_get.h - the MTA-STS policy of a domain, by HTTPS.
 *
 * Source  RFC 8461 3.3: https://mta-sts.DOMAIN/.well-known/mta-sts.txt, its host verified by PKIX,
 *         redirects not followed, text/plain.
 * I/O     libcurl; blocks for time_ms at most, so not in an event loop. On several threads at once.
 *         No name is looked up, no file opened: it may run where there are none.
 * Errors  in `why`, for people.
 * Limits  STS_POLICY_MAX octets, as many of HTTP header. */
#ifndef DELIVERY_POLICY_GET_H
#define DELIVERY_POLICY_GET_H
#include "base/buf.h"
#include "base/netset.h"
#include "dns/answer.h"

enum {
    POLICY_GET_WHY_MAX = 200,
    POLICY_GET_IPS_MAX = 4,
    POLICY_GET_CA_MAX = 4 * 1024 * 1024
};

/* Once a process, before it has threads. */
MUST_USE bool policy_get_setup(void);

/* The file of authorities, PEM; "" or NULL: the system's. False: errno. */
MUST_USE bool policy_get_ca(const char *path, struct buf *out);

enum policy_get_res {
    POLICY_GET_OK = 0,
    POLICY_GET_FAILED, /* no connection, no answer in time, another status than 200, too large */
    POLICY_GET_UNTRUSTED, /* the host's certificate */
};
struct policy_get {
    const char *domain; /* A-labels */
    struct ip ip[POLICY_GET_IPS_MAX];
    unsigned ip_n; /* at least 1 */
    unsigned port;
    struct slice ca;
    uint64_t time_ms;
};
MUST_USE enum policy_get_res policy_get(const struct policy_get *ask, struct buf *out,
                                        char why[POLICY_GET_WHY_MAX]);
#endif
