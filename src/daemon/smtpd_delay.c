/* daemon/smtpd_delay.c - who is refused by a limit waits (rate.refusal-delay): see smtpd.h
 *
 * So many connections as a client floods with, so many sessions it has in such a time, and the others are served
 * meanwhile. Who waits is a session in the list of WAIT_DELAY; nothing is read from it. As many of one
 * address as limits.sessions-per-client; further ones are parked: a descriptor, no session. Beyond
 * the bounds the refusal goes out at once. */
#include "daemon/smtpd.h"

#include "base/clock.h"
#include "base/log.h"
#include "check/rates.h"

#include <stdio.h>
#include <stdlib.h>

enum { NOTE_MAX = 200 };
#define FULL "too many connections of this address wait to be refused"

/* --- sessions that wait --- */

const char *client_delay_why(struct client *c)
{
    struct check_facts f = client_facts(c);
    if (c->held) {
        return c->held_off != NULL ? c->held_off : "too many connections";
    }
    return rates_waits(&f) ? "a limit refused this client not long ago" : NULL;
}

static void count(struct peer_count *p, struct client *c, bool on)
{
    if (p == NULL) {
        return;
    }
    if (on) {
        p->delayed++;
        p->latest = c;
        return;
    }
    p->delayed -=
        p->delayed > 0 ? 1 : 0; /* who came when the map was full is not in it */
    p->latest = p->latest == c ? NULL : p->latest;
}

void client_delay_count(struct client *c, bool on)
{
    count(client_peer(c), c, on);
    count(client_peer_network(c), c, on);
}

bool client_delay_begin(struct client *c)
{
    struct smtpd *d = c->smtpd;
    const struct config *cfg = d->ctx->config;
    struct peer_count *address = client_peer(c);
    struct peer_count *network = client_peer_network(c);
    if (d->wait_ms[WAIT_DELAY] == 0 || d->draining || address == NULL ||
        network == NULL || address->delayed >= cfg->limits_sessions_per_client ||
        network->delayed >= cfg->limits_sessions_per_network ||
        d->delayed_n > d->client_max / SMTPD_DELAYED_SHARE) {
        return false;
    }
    d->delayed_n++;
    c->delayed = true;
    client_delay_count(c, true);
    return true;
}

/* Connections that got no session are in the story of the one whose id they were told. */
static void tell_turned_away(struct client *c)
{
    char text[NOTE_MAX];
    struct fields f;
    (void)snprintf(text, sizeof text,
                   "%u more connections of this address were turned away meanwhile: as "
                   "many wait as may",
                   c->turned_away);
    client_note(c, text);
    fields_reset(&f);
    fields_add_str(&f, "ip", c->ip);
    fields_add_u64(&f, "connections", c->turned_away);
    fields_add_str(&f, "what", FULL);
    log_event(LOG_INFO, c->id, "turned-away", &f);
    c->turned_away = 0;
}

void client_delay_end(struct client *c)
{
    c->delayed = false;
    c->smtpd->delayed_n--;
    client_delay_count(c, false);
    if (c->turned_away > 0) {
        tell_turned_away(c);
    }
}

/* --- parked: beyond those that wait, without a session --- */

bool delay_init(struct smtpd *d)
{
    unsigned share = d->client_max / SMTPD_DELAYED_SHARE;
    d->parked_max = share < SMTPD_PARKED_MAX ? share : SMTPD_PARKED_MAX;
    d->parked = calloc(d->parked_max + 1, sizeof d->parked[0]);
    return d->parked != NULL;
}

/* Into a socket to which nothing was written yet; with TLS from the first octet there is nothing to say. */
static void turn_away(struct smtpd *d, const struct parked *p)
{
    struct fields f;
    struct conn conn;
    size_t n = 0;
    conn_init(&conn, p->fd);
    if (!p->tls) {
        fields_reset(&f);
        fields_add_str(&f, "host", d->ctx->config->hostname);
        fields_add_str(&f, "what", FULL);
        buf_reset(&d->output);
        (void)reply_render(&d->output, REPLY_server_busy,
                           (enum reply_profile)d->ctx->config->reply_profile, &f, p->id,
                           SLICE(""));
        IGNORE(conn_write(&conn, buf_slice(&d->output), &n));
        buf_reset(&d->output);
    }
    conn_close(&conn);
}

bool client_turned_away(struct smtpd *d, const struct config_listener *listener, int fd,
                        const struct ip *ip)
{
    char text[IP_TEXT_MAX];
    if (d->delayed_n < d->ctx->config->limits_sessions_per_client || listener->proxy) {
        return false;
    }
    struct peer_count *address = map_get(&d->peers, ip_text(ip, text));
    if (address == NULL || address->latest == NULL ||
        address->delayed < d->ctx->config->limits_sessions_per_client) {
        return false;
    }
    struct parked p = {.fd = fd,
                       .tls = listener->tls == TLS_IMPLICIT,
                       .id = address->latest->id,
                       .since_ms = clock_mono_ms()};
    address->latest->turned_away++;
    if (d->parked_n == d->parked_max || d->client_n + d->parked_n >= d->client_max) {
        turn_away(d, &p);
        return true;
    }
    d->parked[(d->parked_first + d->parked_n++) % d->parked_max] = p;
    return true;
}

void delay_tick(struct smtpd *d)
{
    uint64_t now = clock_mono_ms();
    while (d->parked_n > 0 && (d->draining || now - d->parked[d->parked_first].since_ms >=
                                                  d->wait_ms[WAIT_DELAY])) {
        turn_away(d, &d->parked[d->parked_first]);
        d->parked_first = (d->parked_first + 1) % d->parked_max;
        d->parked_n--;
    }
}
