/* delivery/remote.h - orders whose targets are on other servers: found in the DNS, sent by SMTP.
 *
 * Site     the set of MX hosts of a domain (delivery/route.h). Connections belong to a site and serve all
 *          its domains; one that served its mail waits REMOTE_IDLE_S for the next. A site begins with
 *          REMOTE_LINKS_FIRST of them, gets one more with each mail that went well up to
 *          delivery.site-connections, and half of them when none can be made.
 * Dead     a site whose hosts cannot be reached rests, delivery.rest-time at first and twice as long each time
 *          up to REMOTE_REST_MAX_S: orders for it come back at once as deferred, with what happened. Then one
 *          connection tries whether it is back. So it costs one probe, not one for each message.
 * Less     what the answers mean (delivery/judge.h) goes back with the outcomes; a site that wants fewer
 *          connections or less mail has half of its connections and rests for as long as it says, but
 *          REMOTE_REST_MAX_S at most. An account that a site asks to wait (too much of one sender) waits there
 *          with its mail for all of the site's domains, others do not.
 * Smart    (config/smart_hosts.h) a smart host is a site of its own name, with its port, its TLS and its login; what
 *          keeps us from it, a wrong password too, is deferred: it is ours to mend.
 *          By SCRAM-SHA-256-PLUS or SCRAM-SHA-256 where it is offered and user and password are printable ASCII; by PLAIN
 *          or LOGIN else and when it is refused, if it is not demanded.
 * Sources  (config/sources.h) a site is known to each of our addresses apart: what it says to one, and that one's
 *          connections, are no matter of another.
 * TLS      as delivery/tls_need.h says of each host: where it is offered, and in clear when the handshake
 *          fails; but TLSA records (DANE), an enforced MTA-STS policy, REQUIRETLS and the settings are
 *          binding. What none of the hosts can do is deferred, REQUIRETLS fails. Connections whose TLS
 *          was asked for by a domain serve only domains that ask for the same.
 * I/O      non-blocking on the event loop; the spool is read with pread(), which blocks for the disk.
 * Own      an order belongs to it from remote_put() until `done`.
 * Errors   in the outcomes: each target has one when `done` is called. Never delivered without the
 *          server's 2yz to the whole message. */
#ifndef DELIVERY_REMOTE_H
#define DELIVERY_REMOTE_H
#include "delivery/pool.h"
#include "delivery/signer.h"
#include "delivery/smart_secret.h"
#include "delivery/sts.h"
#include "resolver/resolver.h"
#include "tls/client.h"

enum {
    REMOTE_LINKS_FIRST = 2,
    REMOTE_IDLE_S = 10,
    REMOTE_REST_MAX_S = 3600,
    REMOTE_SLOW_S = 60,   /* the rest of a site that wants less */
    REMOTE_STOP_S = 1800, /* of one that refuses us for what we are */
    REMOTE_SITES_MAX = 65536,
    REMOTE_MAILS_MAX = 100, /* over one connection */
    REMOTE_HOPS_TRIED = 6,  /* addresses tried for one order */
};

/* What takes long: run() on another thread, which touches nothing but the work, then done() on the loop. */
struct remote_work {
    void (*run)(struct remote_work *w);
    void (*done)(struct remote_work *w);
};

struct remote;
struct rate_table;
struct remote_options {
    struct event_base *base;
    struct resolver *resolver;
    const struct tls_client *tls;        /* NULL: no TLS at all */
    struct signer *signer;               /* NULL: nothing is signed */
    struct rate_table *rates;            /* NULL: nothing is limited */
    const struct smart_secrets *secrets; /* these two: where config->smart_hosts is */
    const struct tls_client *smart_tls;
    struct sts *sts;           /* NULL: no MTA-STS */
    struct tls_counts *counts; /* NULL: nothing is counted */
    const struct config *config;
    const char *hostname; /* of EHLO */
    const struct netset
        *ours; /* addresses where mail would come back to us; NULL: none */
    /* NULL: there are no threads. False: they have too much to do. */
    bool (*work)(void *arg, struct remote_work *w);
    /* From the loop, never from inside a call of yours. */
    void (*done)(void *arg, struct pool_order *o);
    void *arg;
};
MUST_USE struct remote *remote_new(const struct remote_options *options);
void remote_free(struct remote **r); /* drops everything, calls nothing */

/* o->fd is the segment's, or -1. */
void remote_put(struct remote *r, struct pool_order *o);
/* One that has no connection yet; NULL: none. */
struct pool_order *remote_drop(struct remote *r);
/* MSG_PAUSE. False: it is malformed. */
MUST_USE bool remote_hear_pause(struct remote *r, struct slice payload);
/* Orders that are not done. */
MUST_USE unsigned remote_running(const struct remote *r);
#endif
