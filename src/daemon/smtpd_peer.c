/* daemon/smtpd_peer.c - who a client is, and what it is offered for that: see smtpd.h
 *
 * Its address is that of the connection, unless a proxy that is trusted names another one, with a
 * header of the PROXY protocol or by XCLIENT. The address named counts for everything: limits,
 * checks, trace, Received. Whether the client may use XCLIENT depends on the connection's own. */
#include "daemon/smtpd.h"

#include "base/clock.h"
#include "base/log.h"
#include "check/rates.h"
#include "tls/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOTE_MAX = 1100 };

void client_note(struct client *c, const char *text)
{
    struct fields f;
    fields_reset(&f);
    fields_add_str(&f, "text", text);
    client_event(c, TRACE_note, &f);
}

/* --- connections of one address, and of its network --- */

/* How many connections the key has now, this one counted. */
static unsigned count(struct map *map, struct slice key)
{
    struct peer_count *p = map_get(map, key);
    if (p == NULL) {
        p = calloc(1, sizeof *p);
        if (p == NULL || !map_put(map, key, p)) {
            free(p);
            return 1;
        }
    }
    return ++p->n;
}

static void uncount(struct map *map, struct slice key)
{
    struct peer_count *p = map_get(map, key);
    if (p != NULL && --p->n == 0) {
        (void)map_take(map, key);
        free(p);
    }
}

static struct net network_of(const struct client *c)
{
    const struct config *cfg = c->smtpd->ctx->config;
    return net_around(&c->address,
                      (uint8_t)(ip_is_v4(&c->address) ? 96 + cfg->limits_network_ipv4
                                                      : cfg->limits_network_ipv6));
}

static struct slice key_of(const struct net *net)
{
    _Static_assert(sizeof *net == sizeof net->ip + 1, "a key has no padding");
    return (struct slice){(const unsigned char *)net, sizeof *net};
}

struct check_facts client_facts(const struct client *c)
{
    return (struct check_facts){.config = c->smtpd->ctx->config,
                                .service = c->listener->service,
                                .ip = slice_of(c->ip),
                                .address = &c->address,
                                .rates = c->smtpd->rates,
                                .now_ms = clock_wall_ms()};
}

/* Has it come more often than it may? A proxy's own address is not looked at. */
static const char *too_often(struct client *c)
{
    char text[NOTE_MAX];
    struct check_facts f = client_facts(c);
    if ((c->listener->proxy && c->session == NULL) ||
        !rates_connected(&f, text, sizeof text)) {
        return NULL;
    }
    free(c->held_off);
    c->held_off = strdup(text);
    return c->held_off == NULL ? "too many connections" : c->held_off;
}

/* Why a client with so many connections is held off; NULL: it is not. */
static const char *count_client(struct client *c)
{
    const struct config *cfg = c->smtpd->ctx->config;
    struct net net = network_of(c);
    unsigned of_address = count(&c->smtpd->peers, slice_of(c->ip));
    unsigned of_network = count(&c->smtpd->networks, key_of(&net));
    if (of_address > cfg->limits_sessions_per_client) {
        return "too many connections from this address";
    }
    return of_network > cfg->limits_sessions_per_network
               ? "too many connections from this network"
               : too_often(c);
}

struct peer_count *client_peer(const struct client *c)
{
    return map_get(&c->smtpd->peers, slice_of(c->ip));
}

struct peer_count *client_peer_network(const struct client *c)
{
    struct net net = network_of(c);
    return map_get(&c->smtpd->networks, key_of(&net));
}

void client_uncount(struct client *c)
{
    struct net net = network_of(c);
    uncount(&c->smtpd->peers, slice_of(c->ip));
    uncount(&c->smtpd->networks, key_of(&net));
}

/* --- offer --- */

static unsigned extensions_of(const struct config *cfg, enum config_service service)
{
    unsigned all = SMTP_EXT_DSN | SMTP_EXT_REQUIRETLS;
    if (service != SERVICE_SUBMISSION) {
        return all;
    }
    all |= SMTP_EXT_DELIVERBY | SMTP_EXT_MT_PRIORITY | SMTP_EXT_BINARYMIME;
    return all | (cfg->limits_hold_time >= 1000 ? (unsigned)SMTP_EXT_FUTURERELEASE : 0);
}

struct smtp_offer client_offer(struct client *c, const struct ip *ip)
{
    const struct config *cfg = c->smtpd->ctx->config;
    const struct config_listener *li = c->listener;
    c->address = *ip;
    (void)ip_text(ip, c->ip);
    const char *held_off = count_client(c);
    c->held = held_off != NULL;
    return (struct smtp_offer){
        .service = (enum smtp_service)li->service,
        .starttls = li->tls == TLS_STARTTLS || li->tls == TLS_REQUIRED,
        .tls_required = li->tls == TLS_REQUIRED,
        .auth = c->smtpd->auth[li->service].mechanism,
        .auth_n = c->smtpd->auth[li->service].n,
        .auth_in_clear = li->auth_in_clear == CLEAR_DEFAULT
                             ? cfg->auth_allow_clear
                             : li->auth_in_clear == CLEAR_YES,
        .auth_required = li->service == SERVICE_SUBMISSION || li->service == SERVICE_PUSH,
        .bare_lf_ok = netset_has(&cfg->limits_bare_newline_networks, ip),
        .extensions = extensions_of(cfg, li->service),
        .xclient = c->xclient,
        .xclient_login = c->xclient_login,
        .deferred = held_off != NULL,
        .deferred_what = held_off,
    };
}

/* From now on it is the client of that address. */
static void identify(struct client *c, const struct ip *ip, uint16_t port)
{
    if (c->delayed) {
        client_delay_count(c, false);
    }
    client_uncount(c);
    struct smtp_offer offer = client_offer(c, ip);
    if (c->delayed) {
        client_delay_count(c, true);
    }
    c->port = port;
    smtp_session_offer(c->session, &offer);
    trace_key(&c->trace, TRACE_KEY_IP, slice_of(c->ip));
}

/* --- PROXY --- */

/* What waits on the connection is looked at, and only what belongs to the header is taken: TLS
 * may begin right behind it. */
static enum proxy_res read_header(struct client *c, struct proxy_header *h)
{
    unsigned char *octets = c->smtpd->input;
    size_t before = c->input.len;
    size_t n = 0;
    enum conn_res res = conn_peek(&c->conn, octets, PROXY_MAX, &n);
    if (res == CONN_AGAIN) {
        return PROXY_MORE;
    }
    if (res != CONN_OK || !buf_add(&c->input, (struct slice){octets, n})) {
        return PROXY_BAD;
    }
    enum proxy_res answer = proxy_read(buf_slice(&c->input), h);
    size_t take = answer == PROXY_OK ? h->used - before : n;
    while (answer != PROXY_BAD && take > 0) {
        if (conn_read(&c->conn, octets, take, &n) != CONN_OK) {
            return PROXY_BAD;
        }
        take -= n;
    }
    return answer;
}

enum proxy_res client_proxy(struct client *c)
{
    char text[NOTE_MAX];
    char from[IP_TEXT_MAX];
    struct proxy_header h = {0};
    enum proxy_res res = read_header(c, &h);
    if (res == PROXY_OK) {
        buf_clear(&c->input);
    }
    if (res != PROXY_OK || !h.known) {
        return res;
    }
    (void)snprintf(from, sizeof from, "%s", c->ip);
    identify(c, &h.ip, h.port);
    (void)snprintf(text, sizeof text, "the PROXY header of %s names this client", from);
    client_note(c, text);
    return PROXY_OK;
}

/* --- XCLIENT --- */

struct smtp_verdict client_xclient(void *arg, const struct smtp_xclient *x)
{
    struct client *c = arg;
    char text[NOTE_MAX];
    char from[IP_TEXT_MAX];
    (void)snprintf(from, sizeof from, "%s", c->ip);
    if (x->has_address) {
        identify(c, &x->address, x->port);
    }
    (void)snprintf(text, sizeof text,
                   "XCLIENT of %s names this client: %s port %u%s%.*s%s%.*s%s%.*s", from,
                   c->ip, c->port, x->name.len > 0 ? " name " : "", (int)x->name.len,
                   (const char *)x->name.ptr, x->helo.len > 0 ? " helo " : "",
                   (int)x->helo.len, (const char *)x->helo.ptr,
                   x->login.len > 0 ? " login " : "", (int)x->login.len,
                   (const char *)x->login.ptr);
    client_note(c, text);
    dns_begin_session(c);
    milter_session_begin(c);
    return (struct smtp_verdict){REPLY_NONE, NULL};
}

/* --- TLS --- */

void client_tls_stands(struct client *c)
{
    char subject[256];
    char fingerprint[TLS_FINGERPRINT_MAX];
    struct fields f;
    fields_reset(&f);
    fields_add_str(&f, "version", conn_tls_version(&c->conn));
    fields_add_str(&f, "cipher", conn_tls_cipher(&c->conn));
    if (tls_client_certificate(c->conn.ssl, subject, sizeof subject, fingerprint)) {
        fields_add_str(&f, "subject", subject);
        fields_add_str(&f, "fingerprint", fingerprint);
    }
    client_event(c, TRACE_tls, &f);
}

void client_tls_failed(struct client *c, bool closed)
{
    const char *why = closed                ? "the client closed the connection"
                      : c->conn.why != NULL ? c->conn.why
                                            : "no reason is known";
    struct fields f;
    fields_reset(&f);
    fields_add_str(&f, "ip", c->ip);
    fields_add_str(&f, "reason", why);
    log_event(LOG_INFO, c->id, "tls-failed", &f);
    fields_reset(&f);
    char text[NOTE_MAX];
    (void)snprintf(text, sizeof text, "TLS handshake failed: %s", why);
    fields_add_str(&f, "reason", text);
    c->n = 0;
    client_event(c, TRACE_close, &f);
}
