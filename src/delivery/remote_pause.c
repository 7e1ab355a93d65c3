/* delivery/remote_pause.c - see remote.h: orders that meet a pause (queue/pause.h) go back untried. */
#include "base/log.h"
#include "delivery/remote_impl.h"

static const struct pause *pause_of(const struct remote_order *o)
{
    const struct pauses *pauses = o->remote->pauses;
    struct slice address = o->target[0].address;
    struct slice domain = slice_from(address, slice_rfind(address, '@') + 1);
    struct slice site = {(const unsigned char *)o->route.site, o->route.site_len};
    const struct pause *p = pauses_find_site(pauses, site);
    p = p != NULL ? p : pauses_find(pauses, PAUSE_domain, domain);
    return p != NULL ? p : pauses_find(pauses, PAUSE_account, o->order->job.account);
}

bool order_paused(struct remote_order *o)
{
    const struct pause *p = pauses_n(o->remote->pauses) == 0 ? NULL : pause_of(o);
    if (p == NULL) {
        return false;
    }
    struct buf text;
    buf_init(&text, OUTCOME_REPLY_MAX);
    (void)buf_add_str(&text, "451 4.3.2 not tried: paused, ");
    pause_text(p, &text);
    for (unsigned i = 0; i < o->n; i++) {
        if (!o->outcome[i].set) {
            outcome_set(&o->outcome[i], JOB_DEFERRED, buf_slice(&text));
            outcome_where(&o->outcome[i], pause_name(p));
            o->outcome[i].advice = JOB_paused;
        }
    }
    buf_clear(&text);
    order_over(o);
    return true;
}

static void end_paused(void *arg, struct slice key, void *value)
{
    struct remote_site *s = value;
    (void)arg, (void)key;
    for (struct list *at = s->waiting.next, *next = NULL; at != &s->waiting; at = next) {
        next = at->next;
        IGNORE(order_paused(LIST_ITEM(at, struct remote_order, node)));
    }
}

bool remote_hear_pause(struct remote *r, struct slice payload)
{
    if (!pauses_hear(r->pauses, payload)) {
        return false;
    }
    if (pauses_n(r->pauses) > 0) {
        map_each(&r->sites, end_paused, NULL);
    }
    return true;
}
