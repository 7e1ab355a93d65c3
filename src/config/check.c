/* config/check.c - what needs more than one setting to judge. See load.h */
#include "config/load.h"

#include "base/file.h"
#include "config/address.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void check_hostname(struct load *l)
{
    char name[256] = "";
    if (l->cfg->hostname[0] != '\0') {
        return;
    }
    if (gethostname(name, sizeof name - 1) != 0 || !address_is_domain(slice_of(name))) {
        struct buf *e = load_complain(l, l->line[SETTING_ROW_hostname]);
        buf_add_str(e, "hostname is not set, and the machine's name ");
        load_add_value(e, slice_of(name));
        buf_add_str(e, " is no domain name; expected hostname = \"mx.example.org\"");
        return;
    }
    char *copy = strdup(name);
    if (copy == NULL) {
        load_complain_memory(l);
        return;
    }
    free(l->cfg->hostname);
    l->cfg->hostname = copy;
}

/* Makes *path absolute below dir. An empty path stays empty. */
static bool resolve(char **path, const char *dir)
{
    char *joined;
    if ((*path)[0] == '/' || (*path)[0] == '\0') {
        return true;
    }
    bool dot = strcmp(*path, ".") == 0;
    if (asprintf(&joined, "%s%s%s", dir,
                 dot                     ? ""
                 : strcmp(dir, "/") == 0 ? ""
                                         : "/",
                 dot ? "" : *path) < 0) {
        return false;
    }
    free(*path);
    *path = joined;
    return true;
}

/* The directory of the file, absolute; the caller frees. NULL: no such directory. */
static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash == NULL   ? strdup(".")
                : slash == path ? strdup("/")
                                : strndup(path, (size_t)(slash - path));
    char *real = dir == NULL ? NULL : realpath(dir, NULL);
    free(dir);
    return real;
}

static void resolve_paths(struct load *l)
{
    char *dir = directory_of(l->path);
    bool ok = dir != NULL && resolve(&l->cfg->state_dir, dir);
    free(dir);
    for (unsigned i = 0; i < SETTING_N && ok; i++) {
        if (settings[i].type == SETTING_PATH) {
            char **path = (char **)(void *)((char *)l->cfg + settings[i].offset);
            ok = resolve(path, l->cfg->state_dir);
        }
        if (settings[i].type == SETTING_PATHS) {
            struct config_list *list = (void *)((char *)l->cfg + settings[i].offset);
            for (unsigned n = 0; n < list->n && ok; n++) {
                ok = resolve(&list->item[n], l->cfg->state_dir);
            }
        }
    }
    if (!ok) {
        buf_add_fmt(load_complain(l, 0), "its directory: %s; expected one",
                    strerror(errno));
    }
}

/* Where a listener listens. */
struct place {
    struct ip ip;
    const char *text;
    in_port_t port;
    bool any; /* 0.0.0.0 or [::]: all addresses of its family */
    bool v4;  /* a socket of IPv4 */
};

static bool same_place(const struct place *a, const struct place *b)
{
    return a->port == b->port && (memcmp(&a->ip, &b->ip, sizeof a->ip) == 0 ||
                                  (a->v4 == b->v4 && (a->any || b->any)));
}

/* The one of the n before it that listens where text says, too; NULL: none. */
static const struct place *take_place(struct place *places, unsigned n, const char *text)
{
    struct sockaddr_storage address;
    struct sockaddr_in6 in6; /* its port stands where that of sockaddr_in does */
    socklen_t len;
    struct place *p = &places[n];
    *p = (struct place){.text = text};
    if (!config_address_parse(text, &address, &len) ||
        !ip_of_sockaddr((const struct sockaddr *)&address, &p->ip)) {
        return p; /* setting.c lets none such pass */
    }
    memcpy(&in6, &address, sizeof in6);
    p->port = in6.sin6_port;
    p->v4 = address.ss_family == AF_INET;
    p->any = slice_starts(slice_of(text), SLICE("0.0.0.0:")) ||
             slice_starts(slice_of(text), SLICE("[::]:"));
    for (unsigned i = 0; i < n; i++) {
        if (same_place(&places[i], p)) {
            return &places[i];
        }
    }
    return NULL;
}

static void check_listeners(struct load *l)
{
    const struct config *cfg = l->cfg;
    struct place places[CONFIG_LISTENERS_MAX * CONFIG_ADDRESSES_MAX];
    unsigned n = 0;
    if (cfg->listener_n == 0) {
        buf_add_str(
            load_complain(l, l->last_line),
            "no listener; expected listener \"mx\" { address = {\"192.0.2.1:25\"} "
            "service = mx tls = starttls }");
        return;
    }
    for (unsigned i = 0; i < cfg->listener_n; i++) {
        for (unsigned a = 0; a < cfg->listener[i].address_n; a++, n++) {
            const char *text = cfg->listener[i].address[a];
            const struct place *other = take_place(places, n, text);
            if (other != NULL) {
                bool same = strcmp(other->text, text) == 0;
                buf_add_fmt(load_complain(l, l->listener[i].line[LISTENER_ADDRESS]),
                            "address %s is listened on already%s%s; expected each once",
                            text, same ? "" : " by ", same ? "" : other->text);
                return;
            }
        }
    }
}

static void check_tls_files(struct load *l, unsigned row, const struct config_list *paths,
                            unsigned wanted)
{
    const char *name = settings[row].name;
    if (paths->n == 0) {
        buf_add_fmt(
            load_complain(l, l->listener[wanted].start),
            "listener \"%s\" offers TLS, but tls.%s is not set; expected "
            "tls { certificate = \"FILE.pem\" key = \"FILE.pem\" }, or tls = none",
            l->cfg->listener[wanted].name, name);
        return;
    }
    for (unsigned i = 0; i < paths->n; i++) {
        int fd = open(paths->item[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        struct stat st;
        bool directory = fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
        if (fd < 0 || directory) {
            buf_add_fmt(load_complain(l, l->line[row]),
                        "tls.%s: %.200s: %s; expected a PEM file that can be read here",
                        name, paths->item[i], strerror(directory ? EISDIR : errno));
        }
        if (fd >= 0) {
            close(fd);
        }
        if (l->failed) {
            return;
        }
    }
}

static void check_tls(struct load *l)
{
    const struct config *cfg = l->cfg;
    if (cfg->tls_certificate.n != cfg->tls_key.n && cfg->tls_key.n > 0) {
        buf_add_fmt(load_complain(l, l->line[SETTING_ROW_tls_key]),
                    "tls.key names %u files, tls.certificate %u; expected a key for each "
                    "certificate, in the same order",
                    cfg->tls_key.n, cfg->tls_certificate.n);
        return;
    }
    for (unsigned i = 0; i < cfg->listener_n; i++) {
        if (cfg->listener[i].tls == TLS_NONE) {
            continue;
        }
        check_tls_files(l, SETTING_ROW_tls_certificate, &cfg->tls_certificate, i);
        if (!l->failed) {
            check_tls_files(l, SETTING_ROW_tls_key, &cfg->tls_key, i);
        }
        return;
    }
}

/* A proxy's header without anybody who may send it would refuse everybody. */
static void check_proxy(struct load *l)
{
    for (unsigned i = 0; i < l->cfg->listener_n; i++) {
        if (l->cfg->listener[i].proxy && l->cfg->trust_proxy_networks.n == 0) {
            buf_add_fmt(load_complain(l, l->listener[i].line[LISTENER_PROXY]),
                        "listener \"%s\" expects a proxy, but trust.proxy-networks is "
                        "empty; expected the networks of the proxies",
                        l->cfg->listener[i].name);
            return;
        }
    }
}

static void check_maildir(struct load *l)
{
    bool user = false;
    for (const char *c = l->cfg->delivery_maildir; (c = strchr(c, '%')) != NULL; c += 2) {
        user = user || c[1] == 'u';
        if (c[1] != 'u' && c[1] != 'd') {
            user = false;
            break;
        }
    }
    if (!user) {
        buf_add_str(load_complain_value(
                        l, l->line[SETTING_ROW_delivery_maildir], "delivery.maildir",
                        slice_of(l->cfg->delivery_maildir), "it must name the user"),
                    "%u (local part) in it, %d (domain) if wanted, and no other %");
    }
}

static void check_retry(struct load *l)
{
    if (l->cfg->queue_retry.n == 0) {
        buf_add_str(load_complain(l, l->line[SETTING_ROW_queue_retry]),
                    "queue.retry is empty; expected at least one time");
    }
}

static void check_webhook(struct load *l)
{
    const struct config_list *ports = &l->cfg->webhook_ports;
    for (unsigned i = 0; i < ports->n; i++) {
        uint64_t port = 0;
        if (!slice_u64(slice_of(ports->item[i]), &port) || port == 0 ||
            port > UINT16_MAX) {
            buf_add_str(load_complain_value(l, l->line[SETTING_ROW_webhook_ports],
                                            "webhook.ports", slice_of(ports->item[i]),
                                            "it is no port"),
                        "numbers from 1 to 65535");
            return;
        }
    }
}

static bool below_state(const struct load *l, const char *path)
{
    struct slice dir = slice_of(l->cfg->state_dir);
    return slice_starts(slice_of(path), dir) && path[dir.len] == '/' &&
           strstr(path, "/../") == NULL;
}

static bool is_loopback(const struct ip *ip)
{
    struct net v4;
    struct net v6;
    return net_parse(SLICE("127.0.0.0/8"), &v4) == NET_OK &&
           net_parse(SLICE("::1"), &v6) == NET_OK &&
           (net_has(&v4, ip) || net_has(&v6, ip));
}

/* The directory role asks; it sees nothing but the state directory, and looks no names up. */
static void check_oauth(struct load *l)
{
    const struct config *c = l->cfg;
    struct slice url = slice_of(c->oauth_introspection);
    unsigned line = l->line[SETTING_ROW_oauth_introspection];
    struct sockaddr_storage address;
    socklen_t len = 0;
    struct ip ip;
    if (url.len == 0) {
        return;
    }
    if (!config_address_parse(c->oauth_connect_to, &address, &len) ||
        !ip_of_sockaddr((const struct sockaddr *)&address, &ip)) {
        buf_add_str(
            load_complain(l, line),
            "oauth.introspection needs oauth.connect-to; expected oauth.connect-to = "
            "\"192.0.2.1:443\"");
    } else if (!slice_starts(url, SLICE("https://")) &&
               !(is_loopback(&ip) && slice_starts(url, SLICE("http://")))) {
        buf_add_str(load_complain_value(l, line, "oauth.introspection", url,
                                        "tokens would be told on the way"),
                    "an https:// URL, or http:// to a loopback address");
    } else if (!below_state(l, c->oauth_ca) ||
               (c->oauth_client_secret[0] != '\0' &&
                !below_state(l, c->oauth_client_secret))) {
        buf_add_str(load_complain(l, line),
                    "oauth.ca or oauth.client-secret is elsewhere; expected files below "
                    "state-dir");
    }
}

/* smtpd connects to filters from a root directory without sockets. */
static void check_filter(struct load *l, unsigned row, const char *name, const char *text)
{
    struct sockaddr_storage address;
    socklen_t len = 0;
    if (text[0] != '\0' && !config_address_parse(text, &address, &len)) {
        buf_add_str(load_complain_value(l, l->line[row], name, slice_of(text),
                                        "it is no address of TCP"),
                    "\"127.0.0.1:11333\"");
    }
}

static void check_filters(struct load *l)
{
    check_filter(l, SETTING_ROW_rspamd_server, "rspamd.server", l->cfg->rspamd_server);
    for (unsigned i = 0; i < l->cfg->milter_server.n; i++) {
        struct config_milter *m = &l->cfg->milter_server.item[i];
        m->mail = m->mail < 0 ? l->cfg->milter_mail : m->mail;
        m->when_down = m->when_down < 0 ? l->cfg->milter_when_down : m->when_down;
        m->time = m->time == 0 ? l->cfg->milter_time : m->time;
    }
}

/* A table in a file of its own. False: it complained, or there is none. */
static bool read_table(struct load *l, unsigned row, const char *name, const char *path,
                       struct buf *text)
{
    enum { TABLE_MAX = 16 * 1024 * 1024 };
    int fd = path[0] == '\0' ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    buf_init(text, TABLE_MAX);
    if (path[0] == '\0') {
        return false;
    }
    bool ok = fd >= 0 && file_read(fd, text);
    if (!ok) {
        buf_add_fmt(load_complain(l, l->line[row]),
                    "%s: %.200s: %s; expected a file that can be read", name, path,
                    strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

static void complain_table(struct load *l, unsigned row, const char *name,
                           const char *path, const char *error)
{
    buf_add_fmt(load_complain(l, l->line[row]), "%s: %.200s, %s", name, path, error);
}

static void check_sources(struct load *l)
{
    struct buf text;
    char error[WORDS_ERROR_MAX];
    const char *path = l->cfg->delivery_sources;
    unsigned row = SETTING_ROW_delivery_sources;
    if (read_table(l, row, "delivery.sources", path, &text)) {
        l->cfg->sources = sources_read(buf_slice(&text), error);
        if (l->cfg->sources == NULL) {
            complain_table(l, row, "delivery.sources", path, error);
        }
    }
    buf_clear(&text);
}

static void check_smart_hosts(struct load *l)
{
    struct buf text;
    char error[WORDS_ERROR_MAX];
    const char *path = l->cfg->delivery_smart_hosts;
    unsigned row = SETTING_ROW_delivery_smart_hosts;
    if (read_table(l, row, "delivery.smart-hosts", path, &text)) {
        l->cfg->smart_hosts = smart_hosts_read(buf_slice(&text), error);
        if (l->cfg->smart_hosts == NULL) {
            complain_table(l, row, "delivery.smart-hosts", path, error);
        }
    }
    buf_clear(&text);
}

static void check_limits(struct load *l)
{
    for (unsigned i = 0; i < SETTING_N && !l->failed; i++) {
        const struct setting *s = &settings[i];
        const void *field = (const char *)l->cfg + s->offset;
        const char *wrong =
            s->type == SETTING_LIMIT ? limits_wrong(s->offset, field) : NULL;
        if (wrong != NULL) {
            buf_add_fmt(load_complain(l, l->line[i]),
                        "%s.%s: %s; expected a limit such as \"1000/hour\"", s->section,
                        s->name, wrong);
        }
    }
    if (l->cfg->rate_exceptions.n > 0 && !l->failed) {
        l->cfg->limits = limits_index_new(&l->cfg->rate_exceptions);
        if (l->cfg->limits == NULL) {
            load_complain_memory(l);
        }
    }
}

void load_check(struct load *l)
{
    static void (*const steps[])(struct load *) = {
        check_listeners,   check_hostname, check_maildir, resolve_paths, check_retry,
        check_tls,         check_proxy,    check_oauth,   check_filters, check_sources,
        check_smart_hosts, check_webhook,  check_limits};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0] && !l->failed; i++) {
        steps[i](l);
    }
}
