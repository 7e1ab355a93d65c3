/* base/netset.h - addresses as octets, and sets of networks.
 *
 * Source  RFC 4291 2.2 (text forms), 2.5.5.2 (IPv4-mapped); RFC 6890 and IANA's registries of
 *         special-purpose addresses (ip_inner).
 * Pure.
 * Own     netset_clear() frees; nothing of the texts is kept.
 * Rule    an IPv4 address and its mapped form ("::ffff:192.0.2.1") are the same address.
 *         The two families stay apart: "::/0" holds no IPv4 address, "0.0.0.0/0" no other
 *         IPv6 one.
 * Limits  max networks, stated at birth; matching walks them all. */
#ifndef BASE_NETSET_H
#define BASE_NETSET_H
#include "base/slice.h"

struct sockaddr;

/* IPv4 stands mapped into ::ffff:0:0/96. */
struct ip {
    unsigned char octet[16];
};

/* A network; bits counts from the front of ip, so a single IPv4 address has 128. */
struct net {
    struct ip ip;
    uint8_t bits;
};

enum { IP_TEXT_MAX = 46, NET_TEXT_MAX = IP_TEXT_MAX + 4 };

/* Numeric text, all of it, no zone, no brackets, no leading zeros in IPv4 octets. */
MUST_USE bool ip_parse(struct slice text, struct ip *out);
/* False when it is neither AF_INET nor AF_INET6. */
MUST_USE bool ip_of_sockaddr(const struct sockaddr *sa, struct ip *out);
MUST_USE bool ip_is_v4(const struct ip *ip);
/* What makes it an address that is not another host's in the Internet: "loopback", "private",
 * "link-local", "multicast" ... NULL: it is one of the Internet (or set aside for documentation).
 * An IPv4 address inside an IPv6 one (NAT64, 6to4) counts. */
MUST_USE const char *ip_inner(const struct ip *ip);
/* Text with NUL into out; IPv4 in dotted form. */
struct slice ip_text(const struct ip *ip, char out[IP_TEXT_MAX]);

enum net_error {
    NET_OK = 0,
    NET_BAD_ADDRESS, /* what stands before the slash is no address */
    NET_BAD_PREFIX,  /* what stands after it is no number, or too large for the family */
    NET_HOST_BITS,   /* bits are set beyond the prefix; out holds the network without them
                      */
};
/* "192.0.2.0/24", "2001:db8::/32", or one address. */
MUST_USE enum net_error net_parse(struct slice text, struct net *out);
/* The network of that size (bits as in struct net) that holds the address. */
struct net net_around(const struct ip *ip, uint8_t bits);
MUST_USE bool net_has(const struct net *net, const struct ip *ip);
/* The reverse of net_parse(): no "/32" (IPv4) or "/128" behind a single address. */
struct slice net_text(const struct net *net, char out[NET_TEXT_MAX]);

struct netset {
    struct net *net;
    unsigned n, max;
};

void netset_init(struct netset *set, unsigned max);
void netset_clear(struct netset *set); /* usable again with the same max */
/* False: max networks are held, or memory is short. */
MUST_USE bool netset_add(struct netset *set, const struct net *net);
MUST_USE bool netset_has(const struct netset *set, const struct ip *ip);
#endif
