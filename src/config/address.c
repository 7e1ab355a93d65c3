/* config/address.c - see address.h and config.h */
#include "config/address.h"

#include "config/config.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

enum { LABEL_MAX = 63, DOMAIN_MAX = 253, ADDRESS_TEXT_MAX = IP_TEXT_MAX + 2 + 6 };

static bool is_label(struct slice s)
{
    if (s.len == 0 || s.len > LABEL_MAX || s.ptr[0] == '-' || s.ptr[s.len - 1] == '-') {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (!ascii_is_alpha(s.ptr[i]) && !ascii_is_digit(s.ptr[i]) && s.ptr[i] != '-') {
            return false;
        }
    }
    return true;
}

bool address_is_domain(struct slice s)
{
    uint64_t number;
    struct slice rest = s;
    if (s.len > DOMAIN_MAX) {
        return false;
    }
    for (;;) {
        struct slice label = slice_sub(rest, 0, slice_find(rest, '.'));
        if (!is_label(label)) {
            return false;
        }
        if (label.len == rest.len) {
            return !slice_u64(label, &number);
        }
        rest = slice_from(rest, label.len + 1);
    }
}

static bool parse_port(struct slice s, uint16_t *out)
{
    uint64_t port;
    if (s.len > 5 || !slice_u64(s, &port) || port == 0 || port > UINT16_MAX) {
        return false;
    }
    *out = (uint16_t)port;
    return true;
}

bool address_is_resolver(struct slice s)
{
    struct ip ip;
    uint16_t port;
    size_t at = slice_find(s, '@');
    return ip_parse(slice_sub(s, 0, at), &ip) &&
           (at == s.len || parse_port(slice_from(s, at + 1), &port));
}

bool address_is_endpoint(struct slice s)
{
    char text[ADDRESS_TEXT_MAX];
    struct sockaddr_storage address;
    socklen_t len;
    return slice_starts(s, SLICE("unix:/")) ||
           (slice_cstr(s, text, sizeof text) &&
            config_address_parse(text, &address, &len));
}

bool config_address_parse(const char *text, struct sockaddr_storage *out, socklen_t *len)
{
    struct slice s = slice_of(text);
    size_t colon = slice_rfind(s, ':');
    struct slice host = slice_sub(s, 0, colon);
    bool bracketed = host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    char ip[IP_TEXT_MAX];
    uint16_t port;
    if (bracketed) {
        host = slice_sub(host, 1, host.len - 2);
    }
    if (colon == s.len || !slice_cstr(host, ip, sizeof ip) ||
        !parse_port(slice_from(s, colon + 1), &port)) {
        return false;
    }
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (!bracketed && inet_pton(AF_INET, ip, &in.sin_addr) == 1) {
        *out = (struct sockaddr_storage){0};
        memcpy(out, &in, sizeof in);
        *len = sizeof in;
        return true;
    }
    if (bracketed && inet_pton(AF_INET6, ip, &in6.sin6_addr) == 1) {
        *out = (struct sockaddr_storage){0};
        memcpy(out, &in6, sizeof in6);
        *len = sizeof in6;
        return true;
    }
    return false;
}

bool address_is_mail(struct slice text)
{
    size_t at = slice_rfind(text, '@');
    for (size_t i = 0; i < at && i < text.len; i++) {
        if (text.ptr[i] <= ' ' || text.ptr[i] == 0x7f) {
            return false;
        }
    }
    return at > 0 && at < text.len && address_is_domain(slice_from(text, at + 1));
}
