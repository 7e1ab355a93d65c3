/* net/proxy.h - the header with which a proxy (HAProxy, a load balancer) says whose connection it
 * passes on.
 *
 * Source  "The PROXY protocol, versions 1 & 2" (haproxy.org), sections 2.1 (v1), 2.2 (v2).
 * Pure    no I/O, allocation, globals or locale.
 * Split   an answer other than MORE never changes when more octets come.
 * Limits  v1 107 octets; v2 PROXY_MAX, TLVs included (they are passed over). */
#ifndef NET_PROXY_H
#define NET_PROXY_H
#include "base/netset.h"

enum { PROXY_MAX = 4096 };
enum proxy_res { PROXY_OK = 0, PROXY_MORE, PROXY_BAD };

struct proxy_header {
    bool
        known; /* false (LOCAL, UNKNOWN, not over IP): the connection's own address counts */
    struct ip ip;
    uint16_t port;
    size_t used; /* octets of the header */
};

/* in: the first octets of a connection. *out is written on PROXY_OK only. */
MUST_USE enum proxy_res proxy_read(struct slice in, struct proxy_header *out);
#endif
