/* delivery/remote_names.c - see remote.h: sites that somebody named by a domain that has its mail there. Its MX hosts are
 * asked for at the start, before any mail goes out, and every NAMES_EVERY_S. */
#include "base/clock.h"
#include "delivery/remote_impl.h"

#include <stdlib.h>

enum { NAMES_EVERY_S = 300 };

struct name_look {
    struct remote *remote;
    struct resolver_scope *scope; /* NULL: it is known */
    unsigned number;
};

static bool is_looking(const struct remote *r)
{
    for (unsigned i = 0; i < site_names_n(r->names); i++) {
        if (r->name_looks[i].scope != NULL) {
            return true;
        }
    }
    return false;
}

/* Of a domain that cannot be asked for now, what was known holds. */
static void take(struct name_look *l, const struct dns_answer *a)
{
    struct site_names *names = l->remote->names;
    if (a->status == DNS_FAILED) {
        return;
    }
    site_names_forget(names, l->number);
    for (unsigned i = 0; a->status == DNS_FOUND && i < a->n; i++) {
        if (a->record[i].name.len > 0) {
            site_names_host(names, l->number, a->record[i].name);
        }
    }
}

static void look(struct name_look *l)
{
    const struct dns_source *dns = resolver_scope_source(l->scope);
    const struct dns_answer *a =
        dns->ask(dns->arg, DNS_MX, site_names_domain(l->remote->names, l->number));
    if (a != NULL) {
        take(l, a);
        resolver_scope_free(&l->scope);
    }
}

static void on_news(void *arg)
{
    struct name_look *l = arg;
    look(l);
    if (!is_looking(l->remote) && !l->remote->names_known) {
        l->remote->names_known = true;
        remote_look_again(l->remote);
    }
}

static const struct resolver_ops ops = {.news = on_news};

void names_tick(struct remote *r)
{
    uint64_t now_ms = clock_mono_ms();
    if (now_ms < r->names_next_ms || is_looking(r)) {
        return;
    }
    r->names_next_ms = now_ms + NAMES_EVERY_S * 1000;
    for (unsigned i = 0; i < site_names_n(r->names); i++) {
        struct name_look *l = &r->name_looks[i];
        if (site_names_domain(r->names, i).len == 0) {
            continue;
        }
        l->scope = resolver_scope_new(r->options.resolver, &ops, l);
        if (l->scope != NULL) {
            look(l);
        }
    }
    r->names_known = r->names_known || !is_looking(r);
}

bool names_init(struct remote *r)
{
    r->names = site_names_new(&r->options.config->queue_rates);
    unsigned n = r->names == NULL ? 0 : site_names_n(r->names);
    r->name_looks = calloc(n + 1, sizeof *r->name_looks);
    if (r->names == NULL || r->name_looks == NULL) {
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        r->name_looks[i] = (struct name_look){.remote = r, .number = i};
    }
    names_tick(r);
    return true;
}

void names_clear(struct remote *r)
{
    for (unsigned i = 0;
         r->names != NULL && r->name_looks != NULL && i < site_names_n(r->names); i++) {
        resolver_scope_free(&r->name_looks[i].scope);
    }
    free(r->name_looks);
    r->name_looks = NULL;
    site_names_free(&r->names);
}
