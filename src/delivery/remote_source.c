/* delivery/remote_source.c - see remote.h: sites are known to each of our addresses apart, and a message goes by
 * one of them. */
#include "base/log.h"
#include "delivery/pool_source.h"
#include "delivery/remote_impl.h"

#include <stdio.h>

void site_key(const struct remote_order *o, const struct sender_source *source,
              struct buf *out)
{
    if (source != NULL) {
        (void)buf_add_str(out, source->text);
        (void)buf_add_byte(out, '|');
    }
    if (o->smart != NULL) {
        (void)buf_add_str(out, "via ");
        (void)buf_add_str(out, o->smart->name);
        (void)buf_add_byte(out, '|');
    }
    (void)buf_add(
        out, (struct slice){(const unsigned char *)o->route.site, o->route.site_len});
    (void)buf_add_str(out, o->tls_class);
}

static bool is_free(void *arg, const struct sender_source *source)
{
    const struct remote_order *o = arg;
    struct buf key;
    buf_init(&key, SITE_KEY_MAX);
    site_key(o, source, &key);
    const struct remote_site *s = map_get(&o->remote->sites, buf_slice(&key));
    bool warm = (o->order->job.flags & JOB_SAME_SOURCE) != 0 || source_is_warm(o, source);
    buf_clear(&key);
    return warm && (s == NULL || !site_rests(s));
}

bool order_choose_source(struct remote_order *o)
{
    const struct config *config = o->remote->options.config;
    const struct job *j = &o->order->job;
    bool keep = (j->flags & JOB_SAME_SOURCE) != 0;
    int pool = config->sources == NULL
                   ? -1
                   : sources_pool(config->sources, j->account, j->service);
    o->source = NULL;
    if (pool < 0) {
        return true;
    }
    uint64_t seed = j->id.session + j->id.n;
    switch (pool_source_choose(config->sources, (unsigned)pool, seed, keep, &o->route,
                               is_free, o, &o->source)) {
    case POOL_SOURCE_OK:
    case POOL_SOURCE_BUSY: /* whoever takes it says what it rests for */
        pool_source_hops(o->source, &o->route);
        return true;
    case POOL_SOURCE_NO_FAMILY:
        break;
    }
    order_settle(o, JOB_DEFERRED,
                 SLICE("451 4.4.4 none of our addresses for this mail is of the family "
                       "of its hosts: "
                       "delivery.sources"));
    order_over(o);
    return false;
}
