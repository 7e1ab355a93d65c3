/* delivery/site_names.c - see site_names.h */
#include "delivery/site_names.h"

#include "base/buf.h"
#include "config/rates.h"

#include <stdlib.h>

enum { HOSTS_OCTETS_MAX = 4096 };

struct line {
    struct site_name name;
    struct slice hosts; /* below it they are its own; empty: "*" */
    bool pattern;
    struct buf mx; /* of the domain, "," between them */
};

struct site_names {
    unsigned n;
    const struct site_name *others;
    struct line line[];
};

static struct rate_limit with_burst(struct rate_limit limit)
{
    if (limit.count > 0 && limit.burst == 0) {
        limit.burst = limit.count * SITE_BURST_S / rate_window_s(limit.window) + 1;
    }
    return limit;
}

static void take_line(struct site_names *s, const struct config_rate *r)
{
    struct line *l = &s->line[s->n++];
    l->name = (struct site_name){r->name, with_burst(r->limit)};
    l->pattern = slice_starts(r->name, SLICE("*"));
    l->hosts = slice_starts(r->name, SLICE("*.")) ? slice_from(r->name, 2)
               : l->pattern                       ? SLICE("")
                                                  : r->name;
    buf_init(&l->mx, HOSTS_OCTETS_MAX);
    if (slice_eq(r->name, SLICE("*"))) {
        s->others = &l->name;
    }
}

struct site_names *site_names_new(const struct config_list *rates)
{
    struct site_names *s = calloc(1, sizeof *s + rates->n * sizeof s->line[0]);
    for (unsigned i = 0; s != NULL && i < rates->n; i++) {
        struct config_rate r;
        if (config_rate_parse(slice_of(rates->item[i]), &r) == NULL &&
            r.of == RATE_OF_SITE) {
            take_line(s, &r);
        }
    }
    return s;
}

void site_names_free(struct site_names **s)
{
    for (unsigned i = 0; *s != NULL && i < (*s)->n; i++) {
        buf_clear(&(*s)->line[i].mx);
    }
    free(*s);
    *s = NULL;
}

unsigned site_names_n(const struct site_names *s)
{
    return s->n;
}

struct slice site_names_domain(const struct site_names *s, unsigned i)
{
    return s->line[i].pattern ? SLICE("") : s->line[i].name.name;
}

void site_names_forget(struct site_names *s, unsigned i)
{
    buf_reset(&s->line[i].mx);
}

void site_names_host(struct site_names *s, unsigned i, struct slice host)
{
    (void)buf_add(&s->line[i].mx, host);
    (void)buf_add_byte(&s->line[i].mx, ',');
}

/* "a,b": the next one off the front. False: none is left. */
static bool next_host(struct slice *rest, struct slice *host)
{
    size_t comma = slice_find(*rest, ',');
    *host = slice_sub(*rest, 0, comma);
    *rest = slice_from(*rest, comma + 1);
    return host->len > 0;
}

static bool is_below(struct slice host, const struct line *l)
{
    struct slice tail = slice_from(host, host.len - l->hosts.len);
    if (l->hosts.len == 0 || host.len < l->hosts.len || !slice_ieq(tail, l->hosts)) {
        return false;
    }
    return host.len == l->hosts.len ? !l->pattern
                                    : host.ptr[host.len - l->hosts.len - 1] == '.';
}

static bool is_mx(struct slice host, const struct line *l)
{
    struct slice rest = buf_slice(&l->mx), mx;
    while (next_host(&rest, &mx)) {
        if (slice_ieq(mx, host)) {
            return true;
        }
    }
    return false;
}

static bool is_named(struct slice site, const struct line *l)
{
    struct slice host;
    while (next_host(&site, &host)) {
        if (is_below(host, l) || is_mx(host, l)) {
            return true;
        }
    }
    return false;
}

const struct site_name *site_names_find(const struct site_names *s, struct slice site)
{
    for (unsigned i = 0; i < s->n; i++) {
        if (is_named(site, &s->line[i])) {
            return &s->line[i].name;
        }
    }
    return s->others;
}

bool site_name_is_one(const struct site_name *name)
{
    return name != NULL && !slice_eq(name->name, SLICE("*"));
}
