/* delivery/remote_rate.c - see remote.h: what is over a rate, or over the day of a warm-up, goes back and waits in the
 * queue; that is no attempt. */
#include "base/clock.h"
#include "base/log.h"
#include "delivery/remote_impl.h"

#include <stdio.h>

enum { DAY_S = 86400 };

static uint64_t now_us(void)
{
    return clock_wall_ms() * 1000;
}

static uint64_t today(void)
{
    return clock_wall_ms() / 1000 / DAY_S;
}

static bool waits(struct remote_order *o, uint64_t wait_s, const char *text)
{
    for (unsigned i = 0; i < o->n; i++) {
        if (!o->outcome[i].set) {
            outcome_set(&o->outcome[i], JOB_DEFERRED, slice_of(text));
            o->outcome[i].advice = JOB_paused;
            o->outcome[i].wait_s = (uint32_t)wait_s;
        }
    }
    order_over(o);
    return false;
}

/* What counts as one: all that has the site's name, or else its hosts; from that address of ours. What their domains
 * demand of TLS is no matter of rates. */
static void count_key(const struct remote_order *o, const struct sender_source *source,
                      struct buf *out)
{
    buf_init(out, SITE_KEY_MAX);
    if (!site_name_is_one(o->name)) {
        site_key(o, source, out);
        size_t len = slice_search(buf_slice(out), SLICE(" tls "));
        out->len = len < out->len ? len : out->len;
        return;
    }
    if (source != NULL) {
        (void)buf_add_str(out, source->text);
        (void)buf_add_byte(out, '|');
    }
    (void)buf_add(out, o->name->name);
}

bool source_is_warm(const struct remote_order *o, const struct sender_source *source)
{
    const struct config *config = o->remote->options.config;
    uint64_t bound = sources_bound(config->sources, source, today());
    struct buf key;
    if (bound == SOURCE_UNBOUND) {
        return true;
    }
    count_key(o, source, &key);
    bool room = send_warm_room(o->remote->options.rates, buf_slice(&key), today(), o->n,
                               bound, now_us());
    buf_clear(&key);
    return room;
}

/* The site from all addresses (queue.rates: messages), as one key beside those of addresses. */
static void whole_key(const struct remote_order *o, struct buf *out)
{
    buf_init(out, SITE_KEY_MAX);
    (void)buf_add_str(out, "all|");
    (void)buf_add(out, site_name_is_one(o->name)
                           ? o->name->name
                           : (struct slice){(const unsigned char *)o->route.site,
                                            o->route.site_len});
}

static struct rate_bound whole_bound(const struct remote_order *o)
{
    struct rate_bound bound = {0};
    if (o->name != NULL) {
        bound.least = o->name->limit;
        bound.most = bound.least.count;
    }
    return bound;
}

/* Both rates have room: counted. */
static bool within(struct remote_order *o, struct slice site, struct slice whole)
{
    const struct remote_options *options = &o->remote->options;
    const struct rate_bound *bound = &options->config->delivery_site_rate;
    const struct rate_bound all = whole_bound(o);
    struct send_turns *turns = &o->remote->turns;
    uint64_t now = now_us();
    char text[OUTCOME_REPLY_MAX];
    uint64_t wait_s =
        send_rate_wait_s(options->rates, turns, RATE_site_out, whole, 1, &all, now);
    if (wait_s > 0) {
        (void)snprintf(text, sizeof text,
                       "451 4.3.2 not tried: the site's rate (queue.rates: site %.*s)",
                       (int)o->name->name.len, (const char *)o->name->name.ptr);
        return waits(o, wait_s, text);
    }
    wait_s =
        send_rate_wait_s(options->rates, turns, RATE_site_out, site, o->n, bound, now);
    if (wait_s > 0) {
        return waits(o, wait_s,
                     "451 4.3.2 not tried: the site's rate (delivery.site-rate)");
    }
    send_rate_count(options->rates, RATE_site_out, whole, 1, &all, now);
    send_rate_count(options->rates, RATE_site_out, site, o->n, bound, now);
    return true;
}

bool order_within_rates(struct remote_order *o)
{
    const struct remote_options *options = &o->remote->options;
    const struct config *config = options->config;
    bool keep = (o->order->job.flags & JOB_SAME_SOURCE) != 0;
    char text[OUTCOME_REPLY_MAX];
    bool warms = o->source != NULL &&
                 sources_bound(config->sources, o->source, today()) != SOURCE_UNBOUND;
    if (site_rests(o->site)) {
        return true; /* it says so itself; nothing goes there now */
    }
    if (warms && !keep && !source_is_warm(o, o->source)) {
        (void)snprintf(
            text, sizeof text,
            "451 4.3.2 not tried: the day's count of %s for this site is used up "
            "(warm-up)",
            o->source->text);
        return waits(o, DAY_S - clock_wall_ms() / 1000 % DAY_S, text);
    }
    struct buf site, whole;
    count_key(o, o->source, &site);
    whole_key(o, &whole);
    bool ok = within(o, buf_slice(&site), buf_slice(&whole));
    if (ok && warms) {
        send_warm_count(options->rates, buf_slice(&site), today(), o->n, now_us());
    }
    buf_clear(&site);
    buf_clear(&whole);
    return ok;
}
