/* base/netset.c - see netset.h */
#include "base/netset.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { V4_PREFIX_BITS = 96, IP_BITS = 128, PREFIX_DIGITS_MAX = 3 };

static const unsigned char v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static struct ip ip_of_v4(const void *four_octets)
{
    struct ip ip;
    memcpy(ip.octet, v4_prefix, sizeof v4_prefix);
    memcpy(ip.octet + sizeof v4_prefix, four_octets, 4);
    return ip;
}

bool ip_is_v4(const struct ip *ip)
{
    return memcmp(ip->octet, v4_prefix, sizeof v4_prefix) == 0;
}

bool ip_parse(struct slice text, struct ip *out)
{
    char c[IP_TEXT_MAX];
    struct in_addr v4;
    if (!slice_cstr(text, c, sizeof c)) {
        return false;
    }
    if (inet_pton(AF_INET, c, &v4) == 1) {
        *out = ip_of_v4(&v4);
        return true;
    }
    struct in6_addr v6;
    if (inet_pton(AF_INET6, c, &v6) != 1) {
        return false;
    }
    memcpy(out->octet, &v6, sizeof out->octet);
    return true;
}

struct inner {
    unsigned char octet[16];
    uint8_t bits;
    const char *name;
};

static const char *find_inner(const struct inner *table, size_t n,
                              const unsigned char *at)
{
    for (size_t i = 0; i < n; i++) {
        unsigned whole = table[i].bits / 8;
        unsigned char mask = (unsigned char)(0xff00 >> table[i].bits % 8);
        if (memcmp(at, table[i].octet, whole) == 0 &&
            (table[i].bits % 8 == 0 || (at[whole] & mask) == table[i].octet[whole])) {
            return table[i].name;
        }
    }
    return NULL;
}

const char *ip_inner(const struct ip *ip)
{
    static const struct inner v4[] = {
        {{0}, 8, "unspecified"},        {{127}, 8, "loopback"},
        {{10}, 8, "private"},           {{172, 16}, 12, "private"},
        {{192, 168}, 16, "private"},    {{100, 64}, 10, "shared"}, /* RFC 6598 */
        {{169, 254}, 16, "link-local"}, {{198, 18}, 15, "benchmarking"},
        {{192, 0, 0}, 24, "reserved"},  {{224}, 4, "multicast"},
        {{240}, 4, "reserved"}, /* broadcast too */
    };
    static const struct inner v6[] = {
        {{[15] = 1}, 128, "loopback"},
        {{0}, 96, "unspecified"}, /* and IPv4-compatible */
        {{0xfc}, 7, "private"},
        {{0xfe, 0x80}, 10, "link-local"},
        {{0xfe, 0xc0}, 10, "site-local"},
        {{0xff}, 8, "multicast"},
        {{0, 0x64, 0xff, 0x9b, 0, 1}, 48, "private"}, /* RFC 8215 */
    };
    static const unsigned char nat64[12] = {0, 0x64, 0xff, 0x9b};
    if (ip_is_v4(ip) || memcmp(ip->octet, nat64, sizeof nat64) == 0) {
        return find_inner(v4, sizeof v4 / sizeof v4[0], ip->octet + 12);
    }
    if (ip->octet[0] == 0x20 && ip->octet[1] == 0x02) { /* 6to4 */
        return find_inner(v4, sizeof v4 / sizeof v4[0], ip->octet + 2);
    }
    return find_inner(v6, sizeof v6 / sizeof v6[0], ip->octet);
}

bool ip_of_sockaddr(const struct sockaddr *sa, struct ip *out)
{
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof in);
        *out = ip_of_v4(&in.sin_addr);
        return true;
    }
    if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof in6);
        memcpy(out->octet, &in6.sin6_addr, sizeof out->octet);
        return true;
    }
    return false;
}

struct slice ip_text(const struct ip *ip, char out[IP_TEXT_MAX])
{
    const char *text =
        ip_is_v4(ip) ? inet_ntop(AF_INET, ip->octet + sizeof v4_prefix, out, IP_TEXT_MAX)
                     : inet_ntop(AF_INET6, ip->octet, out, IP_TEXT_MAX);
    return slice_of(text);
}

/* Clears what stands beyond the prefix; false when there was something. */
static bool clear_host_bits(struct net *net)
{
    bool clean = true;
    for (unsigned i = 0; i < sizeof net->ip.octet; i++) {
        unsigned bits = net->bits > 8 * i ? net->bits - 8 * i : 0;
        unsigned mask = bits >= 8 ? 0xff : (0xff00U >> bits) & 0xffU;
        clean = clean && (net->ip.octet[i] & ~mask) == 0;
        net->ip.octet[i] = (unsigned char)(net->ip.octet[i] & mask);
    }
    return clean;
}

enum net_error net_parse(struct slice text, struct net *out)
{
    size_t slash = slice_find(text, '/');
    struct slice address = slice_sub(text, 0, slash);
    struct net net = {.bits = IP_BITS};
    if (!ip_parse(address, &net.ip)) {
        return NET_BAD_ADDRESS;
    }
    if (slash < text.len) {
        struct slice prefix = slice_from(text, slash + 1);
        bool dotted = slice_find(address, ':') == address.len;
        uint64_t bits = 0, offset = dotted ? V4_PREFIX_BITS : 0;
        if (prefix.len > PREFIX_DIGITS_MAX || !slice_u64(prefix, &bits) ||
            bits > IP_BITS - offset) {
            return NET_BAD_PREFIX;
        }
        net.bits = (uint8_t)(bits + offset);
    }
    bool clean = clear_host_bits(&net);
    *out = net;
    return clean ? NET_OK : NET_HOST_BITS;
}

struct net net_around(const struct ip *ip, uint8_t bits)
{
    struct net net = {.ip = *ip, .bits = bits};
    (void)clear_host_bits(&net);
    return net;
}

/* An IPv4 network is one all of whose addresses are IPv4. */
static bool net_is_v4(const struct net *net)
{
    return net->bits >= V4_PREFIX_BITS && ip_is_v4(&net->ip);
}

bool net_has(const struct net *net, const struct ip *ip)
{
    if (net_is_v4(net) != ip_is_v4(ip)) {
        return false;
    }
    struct net theirs = {.ip = *ip, .bits = net->bits};
    (void)clear_host_bits(&theirs);
    return memcmp(theirs.ip.octet, net->ip.octet, sizeof net->ip.octet) == 0;
}

struct slice net_text(const struct net *net, char out[NET_TEXT_MAX])
{
    struct slice ip = ip_text(&net->ip, out);
    if (net->bits == IP_BITS) {
        return ip;
    }
    bool dotted = slice_find(ip, ':') == ip.len;
    unsigned bits = net->bits - (dotted ? V4_PREFIX_BITS : 0U);
    size_t at = ip.len;
    out[at++] = '/';
    if (bits >= 100) {
        out[at++] = (char)('0' + bits / 100);
    }
    if (bits >= 10) {
        out[at++] = (char)('0' + bits / 10 % 10);
    }
    out[at++] = (char)('0' + bits % 10);
    out[at] = '\0';
    return (struct slice){(const unsigned char *)out, at};
}

void netset_init(struct netset *set, unsigned max)
{
    *set = (struct netset){.max = max};
}

void netset_clear(struct netset *set)
{
    free(set->net);
    netset_init(set, set->max);
}

bool netset_add(struct netset *set, const struct net *net)
{
    if (set->n >= set->max) {
        return false;
    }
    struct net *grown = reallocarray(set->net, set->n + 1U, sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    set->net = grown;
    set->net[set->n++] = *net;
    return true;
}

bool netset_has(const struct netset *set, const struct ip *ip)
{
    for (unsigned i = 0; i < set->n; i++) {
        if (net_has(&set->net[i], ip)) {
            return true;
        }
    }
    return false;
}
