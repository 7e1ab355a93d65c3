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

/* A site's key without what its domains demand of TLS: that is no matter of rates. */
static struct slice bare(struct slice key)
{
    return slice_sub(key, 0, slice_search(key, SLICE(" tls ")));
}

static struct slice site_slice(const struct remote_site *s)
{
    return bare((struct slice){(const unsigned char *)s->name, s->name_len});
}

bool source_is_warm(const struct remote_order *o, const struct sender_source *source,
                    struct slice site)
{
    const struct config *config = o->remote->options.config;
    uint64_t bound = sources_bound(config->sources, source, today());
    return bound == SOURCE_UNBOUND || send_warm_room(o->remote->options.rates, bare(site),
                                                     today(), o->n, bound, now_us());
}

bool order_within_rates(struct remote_order *o)
{
    const struct remote_options *options = &o->remote->options;
    const struct config *config = options->config;
    struct send_turns *turns = &o->remote->turns;
    struct slice site = site_slice(o->site);
    bool keep = (o->order->job.flags & JOB_SAME_SOURCE) != 0;
    uint64_t now = now_us(), wait_s = 0;
    char text[OUTCOME_REPLY_MAX];
    bool warms = o->source != NULL &&
                 sources_bound(config->sources, o->source, today()) != SOURCE_UNBOUND;
    if (site_rests(o->site)) {
        return true; /* it says so itself; nothing goes there now */
    }
    if (warms && !keep && !source_is_warm(o, o->source, site)) {
        (void)snprintf(
            text, sizeof text,
            "451 4.3.2 not tried: the day's count of %s for this site is used up "
            "(warm-up)",
            o->source->text);
        return waits(o, DAY_S - now / 1000000 % DAY_S, text);
    }
    wait_s = send_rate_wait_s(options->rates, turns, RATE_site_out, site, o->n,
                              &config->delivery_site_rate, now);
    if (wait_s > 0) {
        return waits(o, wait_s,
                     "451 4.3.2 not tried: the site's rate (delivery.site-rate)");
    }
    send_rate_count(options->rates, RATE_site_out, site, o->n,
                    &config->delivery_site_rate, now);
    if (warms) {
        send_warm_count(options->rates, site, today(), o->n, now);
    }
    return true;
}
