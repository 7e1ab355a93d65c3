/* dns/name.c - see name.h */
#include "dns/name.h"

#include "dns/answer.h"

#include <stdio.h>
#include <string.h>

_Static_assert((int)DNS_LISTED_MAX == (int)DNS_NAME_MAX, "a name is a name");

bool dns_name_ok(struct slice name)
{
    if (name.len == 0) {
        return true;
    }
    if (name.len > DNS_NAME_MAX) {
        return false;
    }
    for (;;) {
        size_t label = slice_find(name, '.');
        if (label == 0 || label > DNS_LABEL_MAX) {
            return false;
        }
        if (label == name.len) {
            return true;
        }
        name = slice_from(name, label + 1);
    }
}

bool dns_name_below(struct slice name, struct slice zone)
{
    if (name.len <= zone.len) {
        return slice_ieq(name, zone);
    }
    size_t before = name.len - zone.len;
    return zone.len == 0 ||
           (name.ptr[before - 1] == '.' && slice_ieq(slice_from(name, before), zone));
}

/* The address's octets or half octets from the last to the first, a dot behind each. */
static size_t reverse(const struct ip *ip, char out[DNS_REVERSE_MAX])
{
    static const char hex[] = "0123456789abcdef";
    size_t n = 0;
    for (int i = 15; i >= (ip_is_v4(ip) ? 12 : 0); i--) {
        unsigned char octet = ip->octet[i];
        if (ip_is_v4(ip)) {
            n += (size_t)snprintf(out + n, DNS_REVERSE_MAX - n, "%u.", octet);
        } else {
            out[n++] = hex[octet & 15U];
            out[n++] = '.';
            out[n++] = hex[octet >> 4];
            out[n++] = '.';
        }
    }
    return n;
}

struct slice dns_reverse_name(const struct ip *ip, char out[DNS_REVERSE_MAX])
{
    struct slice zone = ip_is_v4(ip) ? SLICE("in-addr.arpa") : SLICE("ip6.arpa");
    size_t n = reverse(ip, out);
    memcpy(out + n, zone.ptr, zone.len);
    return (struct slice){(const unsigned char *)out, n + zone.len};
}

struct slice dns_listed_name(const struct ip *ip, struct slice zone,
                             char out[DNS_LISTED_MAX])
{
    char reversed[DNS_REVERSE_MAX];
    size_t n = reverse(ip, reversed);
    if (zone.len == 0 || n + zone.len > DNS_LISTED_MAX) {
        return SLICE("");
    }
    memcpy(out, reversed, n);
    memcpy(out + n, zone.ptr, zone.len);
    return (struct slice){(const unsigned char *)out, n + zone.len};
}

struct slice dns_type_text(unsigned type, char out[DNS_TYPE_TEXT_MAX])
{
    static const struct {
        unsigned type;
        const char *text;
    } words[] = {{DNS_A, "A"},     {DNS_NS, "NS"},     {DNS_CNAME, "CNAME"},
                 {DNS_SOA, "SOA"}, {DNS_PTR, "PTR"},   {DNS_MX, "MX"},
                 {DNS_TXT, "TXT"}, {DNS_AAAA, "AAAA"}, {DNS_TLSA, "TLSA"}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (words[i].type == type) {
            return slice_of(words[i].text);
        }
    }
    int n = snprintf(out, DNS_TYPE_TEXT_MAX, "TYPE%u", type & 0xffffU);
    return (struct slice){(const unsigned char *)out, (size_t)n};
}
