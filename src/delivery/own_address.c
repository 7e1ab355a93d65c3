/* delivery/own_address.c - see own_address.h */
#include "delivery/own_address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

enum { OWN_MAX = 4096 };

static bool add(struct netset *out, const struct ip *ip)
{
    struct net net = net_around(ip, 128);
    return netset_has(out, ip) || netset_add(out, &net);
}

/* 0.0.0.0, ::. */
static bool is_any(const struct ip *ip)
{
    static const struct ip any6;
    struct ip any4;
    return memcmp(ip, &any6, sizeof any6) == 0 ||
           (ip_parse(SLICE("0.0.0.0"), &any4) && memcmp(ip, &any4, sizeof any4) == 0);
}

static bool add_interfaces(struct netset *out)
{
    struct ifaddrs *all = NULL;
    bool ok = true;
    if (getifaddrs(&all) != 0) {
        return true; /* fewer loops are found, that is all */
    }
    for (const struct ifaddrs *a = all; a != NULL && ok; a = a->ifa_next) {
        struct ip ip;
        if (a->ifa_addr != NULL && ip_of_sockaddr(a->ifa_addr, &ip)) {
            ok = add(out, &ip);
        }
    }
    freeifaddrs(all);
    return ok;
}

static bool add_listener(const struct config *config, const char *address,
                         struct netset *out)
{
    struct sockaddr_storage where;
    socklen_t len = 0;
    struct ip ip;
    if (!config_address_parse(address, &where, &len) ||
        !ip_of_sockaddr((const struct sockaddr *)&where, &ip)) {
        return true;
    }
    uint16_t port = where.ss_family == AF_INET
                        ? ((const struct sockaddr_in *)(const void *)&where)->sin_port
                        : ((const struct sockaddr_in6 *)(const void *)&where)->sin6_port;
    if (ntohs(port) != config->delivery_smtp_port) {
        return true;
    }
    return is_any(&ip) ? add_interfaces(out) : add(out, &ip);
}

bool own_addresses(const struct config *config, struct netset *out)
{
    bool ok = true;
    netset_init(out, OWN_MAX);
    for (unsigned i = 0; i < config->delivery_public_addresses.n && ok; i++) {
        ok = netset_add(out, &config->delivery_public_addresses.net[i]);
    }
    for (unsigned l = 0; l < config->listener_n && ok; l++) {
        for (unsigned i = 0; i < config->listener[l].address_n && ok; i++) {
            ok = add_listener(config, config->listener[l].address[i], out);
        }
    }
    return ok;
}
