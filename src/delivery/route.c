/* delivery/route.c - see route.h */
#include "delivery/route.h"

#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mx {
    struct slice host;
    uint16_t preference;
    uint64_t lot; /* among equals */
};

struct finder {
    const struct route_ask *ask;
    const struct dns_source *dns;
    struct route *out;
    bool secure; /* the answer that named the hosts */
    unsigned mx_n;
    struct mx mx[ROUTE_MX_MAX];
    bool waits, inner; /* inner: an address was left out */
    bool own;          /* one of the hosts is us, by its address; */
    uint16_t own_preference;
    const char *failed; /* of a host whose addresses or TLSA could not be asked */
};

static int by_preference(const void *a, const void *b)
{
    const struct mx *x = a;
    const struct mx *y = b;
    if (x->preference != y->preference) {
        return x->preference < y->preference ? -1 : 1;
    }
    return x->lot < y->lot ? -1 : x->lot > y->lot;
}

static int by_name(const void *a, const void *b)
{
    const struct slice *x = a;
    const struct slice *y = b;
    size_t n = x->len < y->len ? x->len : y->len;
    int order = n == 0 ? 0 : memcmp(x->ptr, y->ptr, n);
    return order != 0 ? order : x->len < y->len ? -1 : x->len > y->len;
}

/* --- the hosts --- */

static void add_mx(struct finder *f, struct slice host, uint16_t preference)
{
    uint64_t key[2] = {f->ask->seed, 0};
    struct mx one = {host, preference, hash_octets(key, host)};
    unsigned at = f->mx_n;
    for (unsigned i = 0; i < f->mx_n; i++) {
        if (slice_ieq(f->mx[i].host, host)) {
            f->mx[i].preference =
                preference < f->mx[i].preference ? preference : f->mx[i].preference;
            return;
        }
    }
    if (f->mx_n == ROUTE_MX_MAX) { /* the worst goes */
        at = 0;
        for (unsigned i = 1; i < f->mx_n; i++) {
            at = by_preference(&f->mx[i], &f->mx[at]) > 0 ? i : at;
        }
        if (by_preference(&one, &f->mx[at]) > 0) {
            return;
        }
    } else {
        f->mx_n++;
    }
    f->mx[at] = one;
}

/* Where we are among them, only those that are better stay. */
static enum route_status leave_ourselves_out(struct finder *f)
{
    unsigned n = 0;
    while (n < f->mx_n && !slice_ieq(f->mx[n].host, f->ask->hostname)) {
        n++;
    }
    if (n == f->mx_n) {
        return ROUTE_OK;
    }
    uint16_t ours = f->mx[n].preference;
    f->out->own_host = f->mx[n].host;
    for (n = 0; n < f->mx_n && f->mx[n].preference < ours; n++) {
    }
    f->mx_n = n;
    return n == 0 ? ROUTE_LOOP : ROUTE_OK;
}

static enum route_status find_hosts(struct finder *f)
{
    const struct dns_answer *a = f->dns->ask(f->dns->arg, DNS_MX, f->ask->domain);
    if (a == NULL) {
        return ROUTE_WAIT;
    }
    f->secure = f->out->secure = a->secure;
    switch (a->status) {
    case DNS_FAILED:
        f->out->why = a->why;
        f->out->bogus = a->bogus;
        return ROUTE_DNS_FAILED;
    case DNS_NXDOMAIN:
        return ROUTE_NO_DOMAIN;
    case DNS_NODATA:
        add_mx(f, f->ask->domain, 0); /* the implicit MX */
        return leave_ourselves_out(f);
    case DNS_FOUND:
        break;
    }
    if (a->n == 1 && a->record[0].name.len == 0) {
        return ROUTE_NULL_MX;
    }
    for (unsigned i = 0; i < a->n; i++) {
        if (a->record[i].name.len > 0) {
            add_mx(f, a->record[i].name, a->record[i].preference);
        }
    }
    qsort(f->mx, f->mx_n, sizeof f->mx[0], by_preference);
    return f->mx_n == 0 ? ROUTE_NULL_MX : leave_ourselves_out(f);
}

/* --- their addresses --- */

static const struct dns_answer *ask_host(struct finder *f, enum dns_type type,
                                         struct slice host)
{
    static const struct dns_answer not_used = {.status = DNS_NODATA};
    if (type == DNS_A ? f->ask->no_ipv4 : type == DNS_AAAA && f->ask->no_ipv6) {
        return &not_used;
    }
    const struct dns_answer *a = f->dns->ask(f->dns->arg, type, host);
    f->waits = f->waits || a == NULL;
    return a;
}

/* The TLSA records of that name; NULL: there are none that count, or they are not known yet. */
static const struct dns_answer *ask_tlsa(struct finder *f, struct slice host,
                                         bool *failed)
{
    char name[DNS_NAME_MAX + 1];
    int n = snprintf(name, sizeof name, "_%u._tcp.%.*s", f->ask->port, (int)host.len,
                     (const char *)host.ptr);
    if (n < 0 || (size_t)n >= sizeof name) {
        return NULL;
    }
    const struct dns_answer *a =
        ask_host(f, DNS_TLSA, (struct slice){(const unsigned char *)name, (size_t)n});
    if (a != NULL && a->status == DNS_FAILED) {
        *failed = true;
        f->failed = a->why;
        f->out->bogus = f->out->bogus || a->bogus;
    }
    return a != NULL && a->status == DNS_FOUND && a->secure ? a : NULL;
}

/* RFC 7672 2.2.2: a host that is an alias by itself secure has its records under its own name,
 * though what it leads to is not. */
static bool alias_is_secure(struct finder *f, struct slice host)
{
    const struct dns_answer *a = ask_host(f, DNS_CNAME, host);
    return a != NULL && a->status == DNS_FOUND && a->secure;
}

/* RFC 7672 2.2: asked for where MX and address are secure, first under the name that the host is an
 * alias of, then under its own. When they cannot be had, the host must not be used. False: leave
 * it out. */
static bool find_tlsa(struct finder *f, struct slice owner, struct route_hop *hop)
{
    bool failed = false, alias = owner.len > 0 && !slice_ieq(owner, hop->host);
    if (f->ask->no_tlsa || !f->secure ||
        (!hop->secure && !(alias && alias_is_secure(f, hop->host)))) {
        return true;
    }
    hop->tlsa_base = alias && hop->secure ? owner : hop->host;
    hop->tlsa = ask_tlsa(f, hop->tlsa_base, &failed);
    if (!failed && hop->tlsa == NULL && alias && hop->secure) {
        hop->tlsa_base = hop->host;
        hop->tlsa = ask_tlsa(f, hop->host, &failed);
    }
    return !failed;
}

/* False: it is an inner address, and out says so. */
static bool may_send_to(const struct route_ask *ask, const struct ip *ip,
                        struct route *out)
{
    const char *kind = ip_inner(ip);
    if (kind == NULL || ask->any_address ||
        (ask->inner != NULL && netset_has(ask->inner, ip))) {
        return true;
    }
    out->inner = *ip;
    out->why = kind;
    return false;
}

/* hosts come in the order of their preference. */
static bool is_own(struct finder *f, const struct route_hop *hop)
{
    if (f->ask->ours == NULL || !netset_has(f->ask->ours, &hop->ip)) {
        return false;
    }
    if (!f->own) {
        f->own = true;
        f->own_preference = hop->preference;
        f->out->own_host = hop->host;
        f->out->own = hop->ip;
    }
    return true;
}

static void add_hop(struct finder *f, const struct route_hop *hop)
{
    if (is_own(f, hop)) {
        return;
    }
    if (!may_send_to(f->ask, &hop->ip, f->out)) {
        f->inner = true;
        return;
    }
    if (f->out->hop_n < ROUTE_HOPS_MAX) {
        f->out->hop[f->out->hop_n++] = *hop;
    }
}

static void find_addresses(struct finder *f, const struct mx *mx)
{
    const struct dns_answer *v6 = ask_host(f, DNS_AAAA, mx->host);
    const struct dns_answer *v4 = ask_host(f, DNS_A, mx->host);
    if (v4 == NULL || v6 == NULL) {
        return;
    }
    if (v4->status == DNS_FAILED || v6->status == DNS_FAILED) {
        f->failed = v4->status == DNS_FAILED ? v4->why : v6->why;
        f->out->bogus = f->out->bogus || v4->bogus || v6->bogus;
    }
    unsigned n4 = v4->status == DNS_FOUND ? v4->n : 0;
    unsigned n6 = v6->status == DNS_FOUND ? v6->n : 0;
    struct route_hop hop = {.host = mx->host, .preference = mx->preference};
    hop.secure = f->secure && (n4 == 0 || v4->secure) && (n6 == 0 || v6->secure);
    if (n4 + n6 == 0 || !find_tlsa(f, n4 > 0 ? v4->name : v6->name, &hop)) {
        return;
    }
    for (unsigned i = 0; i < n4 || i < n6; i++) {
        if (i < n6) {
            hop.ip = v6->record[i].ip;
            add_hop(f, &hop);
        }
        if (i < n4) {
            hop.ip = v4->record[i].ip;
            add_hop(f, &hop);
        }
    }
}

static void name_site(struct finder *f)
{
    struct slice name[ROUTE_MX_MAX];
    struct route *out = f->out;
    for (unsigned i = 0; i < f->mx_n; i++) {
        name[i] = f->mx[i].host;
    }
    qsort(name, f->mx_n, sizeof name[0], by_name);
    for (unsigned i = 0; i < f->mx_n; i++) {
        for (size_t k = 0; k < name[i].len && out->site_len < ROUTE_SITE_MAX; k++) {
            out->site[out->site_len++] = (char)ascii_lower(name[i].ptr[k]);
        }
        if (i + 1 < f->mx_n && out->site_len < ROUTE_SITE_MAX) {
            out->site[out->site_len++] = ',';
        }
    }
}

/* RFC 5321 5.1: we ourselves are one of them: only better ones stay. */
static void leave_own_out(struct finder *f)
{
    struct route *out = f->out;
    while (f->own && f->mx_n > 0 && f->mx[f->mx_n - 1].preference >= f->own_preference) {
        f->mx_n--;
    }
    while (f->own && out->hop_n > 0 &&
           out->hop[out->hop_n - 1].preference >= f->own_preference) {
        out->hop_n--;
    }
}

/* From hosts to addresses, and what came of it. */
static void find_hops(struct finder *f)
{
    struct route *out = f->out;
    for (unsigned i = 0; i < f->mx_n; i++) {
        find_addresses(f, &f->mx[i]);
    }
    if (f->waits) {
        out->hop_n = 0;
        out->status = ROUTE_WAIT;
        return;
    }
    leave_own_out(f);
    if (out->hop_n == 0 && f->own && f->mx_n == 0) {
        out->status = ROUTE_LOOP;
        return;
    }
    if (out->hop_n == 0) {
        bool implicit = f->mx_n == 1 && slice_ieq(f->mx[0].host, f->ask->domain);
        out->why = f->failed != NULL || !f->inner ? f->failed : out->why;
        out->status = f->failed != NULL ? ROUTE_DNS_FAILED
                      : f->inner        ? ROUTE_INNER
                      : implicit        ? ROUTE_NO_DATA
                                        : ROUTE_NO_ADDRESS;
        return;
    }
    out->why = NULL;
    name_site(f);
}

void route_find(const struct route_ask *ask, const struct dns_source *dns,
                struct route *out)
{
    struct finder f = {.ask = ask, .dns = dns, .out = out};
    memset(out, 0, sizeof *out);
    out->status = find_hosts(&f);
    if (out->status == ROUTE_OK) {
        find_hops(&f);
    }
}

void route_host(const struct route_ask *ask, const struct dns_source *dns,
                struct route *out)
{
    /* Its name is ours to believe: the addresses alone must be secure for TLSA records to count. */
    struct route_ask own = *ask;
    struct finder f = {.ask = &own, .dns = dns, .out = out, .secure = true};
    own.any_address = true;
    own.ours = NULL; /* on another port, perhaps */
    memset(out, 0, sizeof *out);
    add_mx(&f, ask->domain, 0);
    if (!ip_parse(ask->domain, &out->hop[0].ip)) {
        find_hops(&f);
        return;
    }
    out->hop_n = 1;
    name_site(&f);
}

bool route_literal(const struct route_ask *ask, struct route *out)
{
    struct slice domain = ask->domain;
    memset(out, 0, sizeof *out);
    if (domain.len < 3 || domain.ptr[0] != '[' || domain.ptr[domain.len - 1] != ']') {
        return false;
    }
    struct slice text = slice_sub(domain, 1, domain.len - 2);
    if (slice_istarts(text, SLICE("IPv6:"))) {
        text = slice_from(text, 5);
    }
    if (!ip_parse(text, &out->hop[0].ip)) {
        return false;
    }
    if (ask->ours != NULL && netset_has(ask->ours, &out->hop[0].ip)) {
        out->own = out->hop[0].ip;
        out->status = ROUTE_LOOP;
        return true;
    }
    if (!may_send_to(ask, &out->hop[0].ip, out)) {
        out->status = ROUTE_INNER;
        return true;
    }
    out->hop_n = 1;
    out->site_len = domain.len < ROUTE_SITE_MAX ? domain.len : ROUTE_SITE_MAX;
    memcpy(out->site, domain.ptr, out->site_len);
    return true;
}
