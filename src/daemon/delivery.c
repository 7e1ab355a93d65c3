/* daemon/delivery.c - the delivery role: what the queue orders goes to Maildir or LMTP.
 *
 * Orders for mailboxes here wait in the pool; its threads do what blocks. Those for other servers go
 * by SMTP on the event loop (delivery/remote.h). The queue hands out no more than it wants to have
 * under way, so what waits here is bounded by it.
 * Outcomes     are kept until the queue says that they are on disk (JOB_KEPT).
 * Queue gone   orders not begun are dropped; the others go on. The next queue is told of each (JOB_HELD), then of
 *              the outcomes that there are: daemon/queue_held.c.
 * Drain        nothing new is begun, what runs is ended, its outcomes told and kept. */
#include "base/log.h"
#include "base/map.h"
#include "config/paths.h"
#include "daemon/delivery_crew.h"
#include "daemon/delivery_tls.h"
#include "delivery/own_address.h"
#include "delivery/remote.h"
#include "proc/role.h"
#include "rate/segment.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    SEGMENTS_MAX = 65536, /* as many as the spool may have */
    ORDERS_MAX = 65536,   /* the queue keeps to much less */
    RESEND_MS = 100,
    CREW_THREADS = 2,
};

/* Open as long as the queue says or an order needs it. */
struct segment {
    uint64_t number;
    int fd;
    unsigned refs;
};

struct delivery_role {
    struct maildir_store maildir;
    struct lmtp_server lmtp;
    struct pool *pool;
    struct resolver *resolver;
    struct tls_client *tls;
    struct delivery_tls *policies;
    struct delivery_crew *crew;
    struct netset ours;
    struct signer *signer;
    struct smart_secrets *secrets;
    struct rate_table *rates; /* NULL: a test without */
    struct remote *remote;
    struct map segments; /* by number */
    struct channel *queue;
    uint64_t queues;    /* that there were, the present one included */
    uint64_t told;      /* which of them knows all that we had when it came */
    struct list orders; /* all there are, by `all` */
    struct list unsent; /* whose outcomes the present queue has not been sent */
    struct map kept;    /* those sent that it has not said it keeps, by job */
    struct event *done, *resend_timer, *end_timer;
    bool draining, finished;
};

static void after(struct event *timer, uint32_t ms)
{
    struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};
    (void)evtimer_add(timer, &tv);
}

/* --- segments -------------------------------------------------------------------------- */

static void segment_unref(struct segment *s)
{
    if (--s->refs == 0) {
        (void)close(s->fd);
        free(s);
    }
}

static void segment_close(struct delivery_role *d, uint64_t number)
{
    struct segment *s = map_take(&d->segments, map_key_u64(&number));
    if (s != NULL) {
        segment_unref(s);
    }
}

static bool segment_open(struct delivery_role *d, uint64_t number, int fd)
{
    struct segment *s = calloc(1, sizeof *s);
    segment_close(d, number);
    if (s == NULL) {
        (void)close(fd);
        return false;
    }
    *s = (struct segment){number, fd, 1};
    if (!map_put(&d->segments, map_key_u64(&number), s)) {
        segment_unref(s);
        return false;
    }
    return true;
}

static void unref_value(void *arg, struct slice key, void *value)
{
    (void)arg;
    (void)key;
    segment_unref(value);
}

static void segments_forget(struct delivery_role *d)
{
    map_each(&d->segments, unref_value, NULL);
    map_clear(&d->segments);
    map_init(&d->segments, SEGMENTS_MAX);
}

/* --- orders ---------------------------------------------------------------------------- */

static void order_close(struct pool_order *o)
{
    if (o->segment != NULL) {
        segment_unref(o->segment);
        o->segment = NULL;
        o->fd = -1;
    }
}

static void order_end(struct pool_order *o)
{
    order_close(o);
    list_remove(&o->all);
    pool_order_free(&o);
}

static void drop_waiting(struct delivery_role *d)
{
    struct pool_order *o;
    while ((o = pool_drop(d->pool)) != NULL) {
        order_end(o);
    }
    while (d->remote != NULL && (o = remote_drop(d->remote)) != NULL) {
        order_end(o);
    }
}

/* Done: what is left of it is its outcome. */
static void order_done(struct delivery_role *d, struct pool_order *o)
{
    order_close(o);
    list_append(&d->unsent, &o->node);
}

/* To a queue that came after them. False: its channel is full. */
static bool tell_orders(struct delivery_role *d)
{
    for (struct list *at = d->orders.next; at != &d->orders; at = at->next) {
        struct pool_order *o = LIST_ITEM(at, struct pool_order, all);
        if (o->told != d->queues) {
            if (!channel_send(d->queue, MSG_JOB_HELD, buf_slice(&o->payload), -1)) {
                return false;
            }
            o->told = d->queues;
        }
    }
    if (!channel_send(d->queue, MSG_JOBS_TOLD, (struct slice){NULL, 0}, -1)) {
        return false;
    }
    d->told = d->queues;
    return true;
}

static bool send_outcomes(struct delivery_role *d)
{
    while (!list_empty(&d->unsent)) {
        struct pool_order *o = LIST_ITEM(d->unsent.next, struct pool_order, node);
        if (!channel_send(d->queue, MSG_JOB_DONE, buf_slice(&o->done), -1)) {
            return false;
        }
        list_remove(&o->node);
        if (!map_put(&d->kept, map_key_u64(&o->job.job), o)) {
            fatal("delivery: no memory for an outcome");
        }
    }
    return true;
}

static void speak(struct delivery_role *d)
{
    if (d->queue != NULL &&
        !((d->told == d->queues || tell_orders(d)) && send_outcomes(d))) {
        after(d->resend_timer, RESEND_MS);
    }
}

static bool take_kept(struct delivery_role *d, struct slice payload)
{
    struct wire_reader r = wire_reader_of(payload);
    while (r.rest.len > 0) {
        uint64_t job = wire_u64(&r);
        struct pool_order *o = r.failed ? NULL : map_take(&d->kept, map_key_u64(&job));
        if (r.failed) {
            return false;
        }
        if (o != NULL) {
            order_end(o);
        }
    }
    return true;
}

static void unsend(void *arg, struct slice key, void *value)
{
    struct delivery_role *d = arg;
    struct pool_order *o = value;
    (void)key;
    list_append(&d->unsent, &o->node);
}

static void kept_forget(struct delivery_role *d)
{
    map_each(&d->kept, unsend, d);
    map_clear(&d->kept);
    map_init(&d->kept, ORDERS_MAX);
}

static void finish(struct role_ctx *ctx)
{
    struct delivery_role *d = ctx->state;
    if (!d->finished) {
        d->finished = true;
        delivery_tls_flush(d->policies);
        role_finish(ctx); /* threads that still run end with the process */
    }
}

static void finish_when_done(struct role_ctx *ctx)
{
    struct delivery_role *d = ctx->state;
    if (d->draining && pool_running(d->pool) == 0 && remote_running(d->remote) == 0 &&
        list_empty(&d->unsent) && d->kept.n == 0) {
        finish(ctx);
    }
}

static void on_done(evutil_socket_t fd, short what, void *arg)
{
    struct role_ctx *ctx = arg;
    struct delivery_role *d = ctx->state;
    struct pool_order *o;
    uint64_t count = 0;
    (void)what;
    if (read(fd, &count, sizeof count) < 0) {
        return;
    }
    while ((o = pool_take(d->pool)) != NULL) {
        order_done(d, o);
    }
    speak(d);
    if (ctx->config->delivery_lmtp[0] != 0 && lmtp_server_unreachable(&d->lmtp)) {
        log_text(LOG_WARN, "lmtp-directory-gone", "starting anew to find %s",
                 d->lmtp.name);
        d->draining = true;
        drop_waiting(d);
    }
    finish_when_done(ctx);
}

static void on_remote_done(void *arg, struct pool_order *o)
{
    struct role_ctx *ctx = arg;
    struct delivery_role *d = ctx->state;
    order_done(d, o);
    speak(d);
    finish_when_done(ctx);
}

static void on_resend(evutil_socket_t fd, short what, void *arg)
{
    struct role_ctx *ctx = arg;
    (void)fd;
    (void)what;
    speak(ctx->state);
    finish_when_done(ctx);
}

static void on_end(evutil_socket_t fd, short what, void *arg)
{
    struct role_ctx *ctx = arg;
    struct delivery_role *d = ctx->state;
    (void)fd;
    (void)what;
    log_text(LOG_WARN, "drain-time-over", "%u deliveries left",
             pool_running(d->pool) + remote_running(d->remote));
    finish(ctx);
}

/* --- the role -------------------------------------------------------------------------- */

/* Before root is given up: resolv.conf, trust anchors, the authorities of the system. */
static const char *delivery_role_prepare(struct role_ctx *ctx)
{
    static char error[RESOLVER_ERROR_MAX];
    struct delivery_role *d = calloc(1, sizeof *d);
    if (d == NULL) {
        return "no memory";
    }
    ctx->state = d;
    d->resolver = resolver_new(ctx->base, ctx->config, error);
    if (d->resolver == NULL) {
        return error;
    }
    char keys[4200];
    (void)snprintf(keys, sizeof keys, "%s/" STATE_DKIM, ctx->config->state_dir);
    d->signer = signer_new(keys, error);
    if (d->signer == NULL) {
        return error;
    }
    if (ctx->rate_fd >= 0) {
        size_t octets = 0;
        d->rates = segment_map(ctx->rate_fd, &octets);
        (void)close(ctx->rate_fd);
        ctx->rate_fd = -1;
        if (d->rates == NULL) {
            return "the memory of counts cannot be mapped";
        }
    }
    if (ctx->config->smart_hosts != NULL) {
        d->secrets = smart_secrets_new(ctx->config->smart_hosts);
        if (d->secrets == NULL) {
            return "no memory";
        }
    }
    d->policies = delivery_tls_new(ctx->config, error);
    if (d->policies == NULL) {
        return error;
    }
    if (!own_addresses(ctx->config, &d->ours)) {
        return "no memory";
    }
    if (ctx->config->delivery_tls || ctx->config->smart_hosts != NULL) {
        d->tls = tls_client_new(ctx->config->delivery_tls_ca, error);
        return d->tls == NULL ? error : NULL;
    }
    return NULL;
}

static const char *delivery_role_open(struct role_ctx *ctx)
{
    const struct config *c = ctx->config;
    struct delivery_role *d = ctx->state;
    map_init(&d->segments, SEGMENTS_MAX);
    map_init(&d->kept, ORDERS_MAX);
    list_init(&d->orders);
    list_init(&d->unsent);
    bool lmtp = c->delivery_lmtp[0] != 0;
    if (lmtp && !lmtp_server_parse(c->delivery_lmtp, &d->lmtp)) {
        return "delivery.lmtp: must be unix:/path or address:port";
    }
    const char *error = lmtp ? NULL
                             : maildir_open(&d->maildir, c->delivery_maildir,
                                            c->delivery_sub_address, c->hostname);
    if (error != NULL) {
        return error;
    }
    const char *host = c->hostname[0] != 0 ? c->hostname : "localhost";
    struct report_reader *reports = report_reader_new(c);
    struct pool_way way = {&d->maildir, lmtp ? &d->lmtp : NULL, host, reports};
    d->pool = reports == NULL ? NULL : pool_new(&way);
    return d->pool == NULL ? "no memory" : NULL;
}

static bool to_crew(void *arg, struct remote_work *w)
{
    struct delivery_role *d = ((struct role_ctx *)arg)->state;
    return delivery_crew_put(d->crew, w);
}

static void delivery_role_start(struct role_ctx *ctx)
{
    struct delivery_role *d = ctx->state;
    d->done = event_new(ctx->base, pool_fd(d->pool), EV_READ | EV_PERSIST, on_done, ctx);
    d->resend_timer = evtimer_new(ctx->base, on_resend, ctx);
    d->end_timer = evtimer_new(ctx->base, on_end, ctx);
    if (d->done == NULL || d->resend_timer == NULL || d->end_timer == NULL ||
        event_add(d->done, NULL) != 0) {
        fatal("delivery: no memory");
    }
    if (!pool_start(d->pool, (unsigned)ctx->config->delivery_workers)) {
        fatal("delivery: no thread can be started");
    }
    const char *host =
        ctx->config->hostname[0] != 0 ? ctx->config->hostname : "localhost";
    if (!delivery_tls_start(d->policies, ctx->config, ctx->base)) {
        fatal("delivery: no memory, or no thread");
    }
    d->crew = delivery_crew_new(ctx->base, CREW_THREADS);
    if (d->crew == NULL) {
        fatal("delivery: no memory, or no thread");
    }
    struct remote_options options = {.base = ctx->base,
                                     .resolver = d->resolver,
                                     .tls = ctx->config->delivery_tls ? d->tls : NULL,
                                     .signer = d->signer,
                                     .rates = d->rates,
                                     .secrets = d->secrets,
                                     .smart_tls = d->tls,
                                     .sts = delivery_tls_sts(d->policies),
                                     .counts = delivery_tls_counts(d->policies),
                                     .config = ctx->config,
                                     .hostname = host,
                                     .ours = &d->ours,
                                     .work = to_crew,
                                     .done = on_remote_done,
                                     .arg = ctx};
    d->remote = remote_new(&options);
    if (d->remote == NULL) {
        fatal("delivery: no memory");
    }
}

static void delivery_role_peer(struct role_ctx *ctx, struct channel *ch)
{
    struct delivery_role *d = ctx->state;
    if (channel_peer(ch) == ROLE_queue) {
        d->queue = ch;
        d->queues++;
        speak(d);
    }
}

static bool take_order(struct delivery_role *d, struct slice payload)
{
    struct pool_order *o = pool_order_new(payload);
    if (o == NULL) {
        return false;
    }
    if (d->draining) {
        order_end(o); /* another one gets it */
        return true;
    }
    struct segment *s = map_get(&d->segments, map_key_u64(&o->job.segment));
    list_append(&d->orders, &o->all);
    o->told = d->queues; /* it knows itself */
    if (s != NULL) {
        s->refs++;
        o->segment = s;
        o->fd = s->fd;
    }
    /* Without a segment it ends deferred: cannot be read. */
    if ((o->job.flags & JOB_REMOTE) != 0) {
        remote_put(d->remote, o);
    } else {
        pool_put(d->pool, o);
    }
    return true;
}

static bool delivery_role_message(struct role_ctx *ctx, struct channel *ch,
                                  const struct msg *m)
{
    struct delivery_role *d = ctx->state;
    struct wire_reader r = wire_reader_of(m->payload);
    (void)ch;
    if (m->type == MSG_JOB) {
        return take_order(d, m->payload);
    }
    if (m->type == MSG_JOB_KEPT) {
        bool ok = take_kept(d, m->payload);
        finish_when_done(ctx);
        return ok;
    }
    if (m->type == MSG_PAUSE) {
        return remote_hear_pause(d->remote, m->payload);
    }
    uint64_t number = wire_u64(&r);
    bool whole = wire_done(&r);
    if (m->type == MSG_SEGMENT_OPEN && m->fd >= 0) {
        if (!whole) {
            (void)close(m->fd);
        }
        return whole && segment_open(d, number, m->fd);
    }
    if (m->type == MSG_SEGMENT_CLOSE && whole) {
        segment_close(d, number);
        return true;
    }
    return false;
}

static void delivery_role_peer_gone(struct role_ctx *ctx, struct channel *ch)
{
    struct delivery_role *d = ctx->state;
    if (ch != d->queue) {
        return;
    }
    d->queue = NULL;
    drop_waiting(d);
    kept_forget(d);
    segments_forget(d);
    finish_when_done(ctx);
}

static void delivery_role_drain(struct role_ctx *ctx, uint32_t ms)
{
    struct delivery_role *d = ctx->state;
    d->draining = true;
    drop_waiting(d);
    after(d->end_timer, ms);
    finish_when_done(ctx);
}

const struct role_ops delivery_ops = {
    .role = ROLE_delivery,
    .peers = "queue: orders and outcomes; trace: none yet",
    .prepare = delivery_role_prepare,
    .open = delivery_role_open,
    .start = delivery_role_start,
    .peer = delivery_role_peer,
    .message = delivery_role_message,
    .peer_gone = delivery_role_peer_gone,
    .drain = delivery_role_drain,
};
