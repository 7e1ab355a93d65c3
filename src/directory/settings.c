/* directory/settings.c - see settings.h */
#include "directory/settings.h"

#include "config/units.h"
#include "directory/name.h"

#include <stdio.h>
#include <string.h>

enum { NET_LEN = 17 };

const char *const dir_setting_names[DIR_SETTING_COUNT] = {
    [DIR_SETTING_NETWORKS] = "allow-networks",
    [DIR_SETTING_TLS] = "require-tls",
    [DIR_SETTING_ONE_DOMAIN] = "one-domain-per-transaction",
    [DIR_SETTING_POLICIES] = "policy-size",
    [DIR_SETTING_SIZE] = "message-size",
};

/* ---- as typed ---- */

/* Takes the next item off a list with commas (or blanks) between; false: none is left. */
static bool next_item(struct slice *list, struct slice *item)
{
    while (list->len > 0 && (list->ptr[0] == ',' || list->ptr[0] == ' ')) {
        *list = slice_from(*list, 1);
    }
    size_t comma = slice_find(*list, ','), blank = slice_find(*list, ' ');
    *item = slice_sub(*list, 0, comma < blank ? comma : blank);
    *list = slice_from(*list, item->len);
    return item->len > 0;
}

static void add_item(struct buf *out, struct slice item)
{
    if (out->len > 0) {
        (void)buf_add_byte(out, ',');
    }
    (void)buf_add(out, item);
}

static const char *read_networks(struct slice list, struct buf *out)
{
    char text[NET_TEXT_MAX];
    struct slice item = {0};
    struct net net;
    unsigned n = 0;
    while (next_item(&list, &item)) {
        enum net_error wrong = net_parse(item, &net);
        if (wrong != NET_OK) {
            return wrong == NET_HOST_BITS
                       ? "has bits behind its prefix; say for example 192.0.2.0/24"
                       : "is no list of networks; say for example "
                         "192.0.2.0/24,2001:db8::/32";
        }
        if (++n > DIR_SETTING_NETWORKS_MAX) {
            return "names more than 64 networks";
        }
        add_item(out, net_text(&net, text));
    }
    return NULL;
}

static const char *read_tls(struct slice list, struct buf *out)
{
    char text[DIR_DOMAIN_MAX + 1];
    struct slice item = {0};
    struct dir_name name;
    size_t octets = 0;
    if (slice_ieq(list, SLICE("all"))) {
        (void)buf_add_str(out, "all");
        return NULL;
    }
    while (next_item(&list, &item)) {
        if (!slice_cstr(item, text, sizeof text)) {
            return "has a name that is too long for a domain";
        }
        const char *wrong = dir_name_domain(text, &name);
        if (wrong != NULL) {
            return wrong;
        }
        if (strchr(name.domain, '.') == NULL) { /* "all", "none" among others */
            return "names no domains; say: all, none, or for example bank.example";
        }
        octets += 2 + strlen(name.domain);
        if (octets > DIR_SETTING_DOMAINS_MAX) {
            return "names more domains than fit here; say: all";
        }
        add_item(out, slice_of(name.domain));
    }
    return NULL;
}

static const char *read_yes(struct slice text, struct buf *out)
{
    if (slice_ieq(text, SLICE("yes"))) {
        (void)buf_add_str(out, "yes");
        return NULL;
    }
    return slice_ieq(text, SLICE("no")) ? NULL : "is neither yes nor no";
}

static const char *read_policies(struct slice text, struct buf *out)
{
    uint64_t n = 0;
    if (!slice_u64(text, &n) || n == 0 || n > DIR_POLICIES_MAX) {
        return "is no number from 1 to 1000";
    }
    (void)buf_add_fmt(out, "%u", (unsigned)n);
    return NULL;
}

static const char *read_size(struct slice text, struct buf *out)
{
    uint64_t octets = 0;
    if (units_size(text, &octets) != NULL || octets == 0 || octets > INT64_MAX) {
        return "is no size; say for example: \"10 MiB\"";
    }
    (void)buf_add_fmt(out, "%llu", (unsigned long long)octets);
    return NULL;
}

const char *dir_setting_read(enum dir_setting which, const char *text,
                             char out[DIR_SETTING_TEXT_MAX])
{
    static const char *(*const read[DIR_SETTING_COUNT])(struct slice, struct buf *) = {
        [DIR_SETTING_NETWORKS] = read_networks, [DIR_SETTING_TLS] = read_tls,
        [DIR_SETTING_ONE_DOMAIN] = read_yes,    [DIR_SETTING_POLICIES] = read_policies,
        [DIR_SETTING_SIZE] = read_size,
    };
    struct slice given = slice_trim(slice_of(text));
    struct buf b;
    buf_init(&b, DIR_SETTING_TEXT_MAX - 1);
    const char *wrong = NULL;
    if (given.len > 0 && !slice_ieq(given, SLICE("none"))) {
        wrong = read[which](given, &b);
    }
    if (wrong == NULL &&
        (b.failed || !slice_cstr(buf_slice(&b), out, DIR_SETTING_TEXT_MAX))) {
        wrong = "is too long";
    }
    buf_clear(&b);
    return wrong;
}

/* ---- encoded ---- */

static void put_networks(struct buf *out, struct slice list)
{
    struct slice item = {0}, rest = list;
    struct net net;
    uint16_t n = 0;
    while (next_item(&rest, &item)) {
        n = (uint16_t)(n + (net_parse(item, &net) == NET_OK));
    }
    wire_put_u16(out, n);
    while (next_item(&list, &item)) {
        if (net_parse(item, &net) == NET_OK) {
            (void)buf_add(out, (struct slice){net.ip.octet, sizeof net.ip.octet});
            wire_put_u8(out, net.bits);
        }
    }
}

static void put_tls(struct buf *out, struct slice list)
{
    struct slice item = {0}, rest = list;
    uint16_t n = 0;
    bool all = slice_eq(list, SLICE("all"));
    while (!all && next_item(&rest, &item)) {
        n++;
    }
    wire_put_u8(out, all ? DIR_TLS_ALL : n > 0 ? DIR_TLS_LISTED : DIR_TLS_NONE);
    wire_put_u16(out, n);
    while (!all && next_item(&list, &item)) {
        wire_put_text(out, item);
    }
}

static uint64_t number(const char *text)
{
    uint64_t n = 0;
    return text != NULL && slice_u64(slice_of(text), &n) ? n : 0;
}

void dir_settings_encode(struct buf *out, const char *const value[DIR_SETTING_COUNT])
{
    bool any = false;
    for (unsigned i = 0; i < DIR_SETTING_COUNT; i++) {
        any |= value[i] != NULL;
    }
    if (!any) {
        return;
    }
    uint64_t policies = number(value[DIR_SETTING_POLICIES]);
    put_networks(out, slice_of(value[DIR_SETTING_NETWORKS]));
    put_tls(out, slice_of(value[DIR_SETTING_TLS]));
    wire_put_u8(out, value[DIR_SETTING_ONE_DOMAIN] != NULL ? 1 : 0);
    wire_put_u32(out,
                 policies > DIR_POLICIES_MAX ? DIR_POLICIES_MAX : (uint32_t)policies);
    wire_put_u64(out, number(value[DIR_SETTING_SIZE]));
}

bool dir_settings_read(struct slice encoded, struct dir_settings *out)
{
    struct wire_reader r = wire_reader_of(encoded);
    struct dir_settings s = {.any = encoded.len > 0};
    if (!s.any) {
        *out = s;
        return true;
    }
    s.networks = wire_bytes(&r, (size_t)NET_LEN * wire_u16(&r));
    for (struct slice n = s.networks; n.len > 0; n = slice_from(n, NET_LEN)) {
        if (n.ptr[NET_LEN - 1] > 128) {
            return false;
        }
    }
    uint8_t tls = wire_u8(&r);
    unsigned domain_n = wire_u16(&r);
    s.tls_domains = r.rest;
    for (unsigned i = 0; i < domain_n && !r.failed; i++) {
        r.failed |= wire_text(&r).len == 0;
    }
    s.tls_domains = slice_sub(s.tls_domains, 0, s.tls_domains.len - r.rest.len);
    uint8_t one_domain = wire_u8(&r);
    s.policies = wire_u32(&r);
    s.message_size = wire_u64(&r);
    if (!wire_done(&r) || encoded.len > DIR_SETTINGS_MAX || tls >= DIR_TLS_COUNT ||
        one_domain > 1 || (tls == DIR_TLS_LISTED) != (domain_n > 0) ||
        s.policies > DIR_POLICIES_MAX) {
        return false;
    }
    s.tls = (enum dir_tls)tls;
    s.one_domain = one_domain == 1;
    *out = s;
    return true;
}

/* ---- asked ---- */

bool dir_settings_allow(const struct dir_settings *s, const struct ip *ip)
{
    for (struct slice n = s->networks; n.len > 0; n = slice_from(n, NET_LEN)) {
        struct net net = {.bits = n.ptr[NET_LEN - 1]};
        memcpy(net.ip.octet, n.ptr, sizeof net.ip.octet);
        if (net_has(&net, ip)) {
            return true;
        }
    }
    return s->networks.len == 0;
}

bool dir_settings_want_tls(const struct dir_settings *s, struct slice domain)
{
    if (s->tls != DIR_TLS_LISTED) {
        return s->tls == DIR_TLS_ALL;
    }
    struct wire_reader r = wire_reader_of(s->tls_domains);
    while (r.rest.len > 0 && !r.failed) {
        struct slice listed = wire_text(&r);
        struct slice end = slice_from(domain, domain.len - listed.len);
        if (slice_ieq(domain, listed) ||
            (domain.len > listed.len && slice_ieq(end, listed) &&
             domain.ptr[domain.len - listed.len - 1] == '.')) {
            return true;
        }
    }
    return false;
}
