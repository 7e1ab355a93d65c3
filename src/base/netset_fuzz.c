/* base/netset_fuzz.c - a network that parses prints as text that parses to the same network,
 * holds its own first and last address, and not those that differ in a bit of its prefix. */
#include "base/netset.h"

#include <stdlib.h>
#include <string.h>

static void check_members(const struct net *net)
{
    struct ip ip = net->ip;
    for (unsigned bit = net->bits; bit < 128; bit++) {
        ip.octet[bit / 8] |= (unsigned char)(0x80U >> bit % 8);
    }
    /* The one case in which a network's own octets read as the other family. */
    bool crosses = net->bits < 96 && (ip_is_v4(&ip) || ip_is_v4(&net->ip));
    if (!crosses && (!net_has(net, &net->ip) || !net_has(net, &ip))) {
        abort();
    }
    for (unsigned bit = 0; bit < net->bits; bit++) {
        ip = net->ip;
        ip.octet[bit / 8] ^= (unsigned char)(0x80U >> bit % 8);
        if (net_has(net, &ip)) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct net net, again;
    char text[NET_TEXT_MAX];
    enum net_error error = net_parse((struct slice){data, len}, &net);
    if (error != NET_OK && error != NET_HOST_BITS) {
        return 0;
    }
    if (net_parse(net_text(&net, text), &again) != NET_OK || again.bits != net.bits ||
        memcmp(&again.ip, &net.ip, sizeof net.ip) != 0) {
        abort();
    }
    check_members(&net);
    return 0;
}
