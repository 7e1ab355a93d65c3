/* resolver/setup.c - see setup.h */
#include "resolver/setup.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unbound-event.h>
#include <unbound.h>
#include <unistd.h>

/* What differs from the library's defaults, which are made for a program that asks little. */
static const char *const options[][2] = {
    {"outgoing-range:", "256"}, /* sockets at once, then questions wait */
    {"outgoing-num-tcp:", "32"},       {"num-queries-per-thread:", "4096"},
    {"infra-host-ttl:", "60"}, /* a server that was silent is tried again after a minute, */
    {"infra-keep-probing:", "yes"}, /* and meanwhile once in a while */
    {"do-not-query-localhost:", "no"}, {"val-log-level:", "0"},
    {"aggressive-nsec:", "yes"},       {"rrset-roundrobin:", "no"},
};

/* The library answers these out of itself; whoever asks a resolver wants to hear that one. Names that
 * RFC 6761 keeps off the network (localhost, invalid) and onion stay. */
static const char *const own_zones[] = {
    "test.", "home.arpa.", "127.in-addr.arpa.",
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa."};

__attribute__((format(printf, 2, 3))) static bool fail(char error[RESOLVER_ERROR_MAX],
                                                       const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(error, RESOLVER_ERROR_MAX, fmt, args);
    va_end(args);
    return false;
}

static bool set(struct ub_ctx *ub, const char *name, const char *value,
                char error[RESOLVER_ERROR_MAX])
{
    int res = ub_ctx_set_option(ub, name, value);
    return res == 0 ||
           fail(error, "libunbound: %s %s: %s", name, value, ub_strerror(res));
}

static bool set_size(struct ub_ctx *ub, const char *name, uint64_t octets,
                     char error[RESOLVER_ERROR_MAX])
{
    char text[24];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)octets);
    return set(ub, name, text, error);
}

static bool set_options(struct ub_ctx *ub, const struct config *config,
                        char error[RESOLVER_ERROR_MAX])
{
    uint64_t quarter = config->dns_cache_size / 4; /* the last one is resolver.c's own */
    bool validates = config->dns_trust_anchors.n > 0;
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (!set(ub, options[i][0], options[i][1], error)) {
            return false;
        }
    }
    return set_size(ub, "rrset-cache-size:", 2 * quarter, error) &&
           set_size(ub, "msg-cache-size:", quarter, error) &&
           set(ub, "module-config:", validates ? "validator iterator" : "iterator",
               error) &&
           (config->dns_recursive || set(ub, "unblock-lan-zones:", "yes", error)) &&
           (config->dns_recursive || set(ub, "insecure-lan-zones:", "yes", error));
}

static bool set_forward(struct ub_ctx *ub, const struct config *config,
                        char error[RESOLVER_ERROR_MAX])
{
    int res = 0;
    if (config->dns_recursive) {
        return true;
    }
    for (unsigned i = 0; i < config->dns_forward.n && res == 0; i++) {
        res = ub_ctx_set_fwd(ub, config->dns_forward.item[i]);
    }
    if (config->dns_forward.n == 0) {
        res = ub_ctx_resolvconf(ub, NULL);
    }
    return res == 0 || fail(error, "dns.forward: %s",
                            config->dns_forward.n == 0 ? "/etc/resolv.conf cannot be read"
                                                       : ub_strerror(res));
}

static bool set_anchors(struct ub_ctx *ub, const struct config *config,
                        char error[RESOLVER_ERROR_MAX])
{
    for (unsigned i = 0; i < config->dns_trust_anchors.n; i++) {
        const char *path = config->dns_trust_anchors.item[i];
        if (access(path, R_OK) != 0) {
            return fail(error, "dns.trust-anchors: %s: %s", path, strerror(errno));
        }
        int res = ub_ctx_add_ta_file(ub, path);
        if (res != 0) {
            return fail(error, "dns.trust-anchors: %s: %s", path, ub_strerror(res));
        }
    }
    return true;
}

/* "ZONE ADDRESS", which the configuration has checked. */
static void add_zone(FILE *file, const char *kind, const char *item)
{
    const char *space = strchr(item, ' ');
    if (space != NULL) {
        (void)fprintf(file, "%s-zone:\n name: \"%.*s\"\n %s-addr: %s\n", kind,
                      (int)(space - item), item, kind, space + 1);
    }
}

static void print_zones(FILE *file, const struct config *config)
{
    for (unsigned i = 0; i < config->dns_forward_zones.n; i++) {
        add_zone(file, "forward", config->dns_forward_zones.item[i]);
    }
    for (unsigned i = 0; i < config->dns_stub_zones.n; i++) {
        add_zone(file, "stub", config->dns_stub_zones.item[i]);
    }
}

/* The library takes zones that others are asked for from a file of its own form only. */
static bool set_zones(struct ub_ctx *ub, const struct config *config,
                      char error[RESOLVER_ERROR_MAX])
{
    char path[32];
    if (config->dns_forward_zones.n + config->dns_stub_zones.n == 0) {
        return true;
    }
    int fd = memfd_create("zones", MFD_CLOEXEC);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (file == NULL) {
        return fail(error, "dns zones: %s", strerror(errno));
    }
    print_zones(file, config);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int res = fflush(file) == 0 ? ub_ctx_config(ub, path) : UB_READFILE;
    (void)fclose(file);
    return res == 0 || fail(error, "dns zones: %s (is /proc there?)", ub_strerror(res));
}

static void ignore_answer(void *arg, int rcode, void *packet, int len, int secure,
                          char *why, int limited)
{
    (void)rcode;
    (void)packet;
    (void)len;
    (void)secure;
    (void)why;
    (void)limited;
    *(bool *)arg = true;
}

/* The first question opens the files and takes the random numbers. This one is answered inside. */
static bool warm_up(struct ub_ctx *ub, bool recursive, char error[RESOLVER_ERROR_MAX])
{
    bool answered = false;
    int res =
        ub_resolve_event(ub, "localhost.", DNS_A, 1, &answered, ignore_answer, NULL);
    for (size_t i = 0; res == 0 && i < sizeof own_zones / sizeof own_zones[0]; i++) {
        res = recursive ? 0 : ub_ctx_zone_remove(ub, own_zones[i]);
    }
    if (res != 0) {
        return fail(error, "libunbound: %s; are the files of dns.trust-anchors keys?",
                    ub_strerror(res));
    }
    return answered || fail(error, "libunbound does not answer for localhost");
}

struct ub_ctx *unbound_new(struct event_base *base, const struct config *config,
                           char error[RESOLVER_ERROR_MAX])
{
    struct ub_ctx *ub = ub_ctx_create_event(base);
    if (ub == NULL) {
        IGNORE(fail(error, "libunbound cannot be started"));
        return NULL;
    }
    (void)ub_ctx_debugout(ub, NULL); /* it would write to standard error */
    if (set_options(ub, config, error) && set_forward(ub, config, error) &&
        set_anchors(ub, config, error) && set_zones(ub, config, error) &&
        warm_up(ub, config->dns_recursive, error)) {
        return ub;
    }
    ub_ctx_delete(ub);
    return NULL;
}

void unbound_name(struct slice name, char out[UNBOUND_NAME_MAX])
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
    size_t n = 0;
    for (size_t i = 0; i < name.len && i < DNS_NAME_MAX; i++) {
        unsigned char c = name.ptr[i];
        if (c != '\0' && strchr(plain, c) != NULL) {
            out[n++] = (char)c;
        } else {
            n += (size_t)snprintf(out + n, UNBOUND_NAME_MAX - n, "\\%03u", c);
        }
    }
    out[n++] = '.';
    out[n] = '\0';
}
