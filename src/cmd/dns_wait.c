/* cmd/dns_wait.c - see dns_wait.h */
#include "cmd/dns_wait.h"

#include "resolver/resolver.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

struct dns_wait {
    struct event_base *base;
    struct resolver *resolver;
    struct resolver_scope *scope;
};

static void on_news(void *arg)
{
    struct dns_wait *w = arg;
    (void)event_base_loopbreak(w->base);
}

struct dns_wait *dns_wait_new(const struct config *config)
{
    static const struct resolver_ops ops = {.news = on_news};
    char error[RESOLVER_ERROR_MAX] = "out of memory";
    struct dns_wait *w = calloc(1, sizeof *w);
    if (w != NULL) {
        w->base = event_base_new();
        w->resolver = w->base == NULL ? NULL : resolver_new(w->base, config, error);
        w->scope = w->resolver == NULL ? NULL : resolver_scope_new(w->resolver, &ops, w);
    }
    if (w == NULL || w->scope == NULL) {
        (void)fprintf(stderr, "postern: %s\n", error);
        dns_wait_free(&w);
    }
    return w;
}

void dns_wait_free(struct dns_wait **w)
{
    if (*w == NULL) {
        return;
    }
    resolver_scope_free(&(*w)->scope);
    resolver_free(&(*w)->resolver);
    if ((*w)->base != NULL) {
        event_base_free((*w)->base);
    }
    free(*w);
    *w = NULL;
}

const struct dns_source *dns_wait_source(const struct dns_wait *w)
{
    return resolver_scope_source(w->scope);
}

void dns_wait_news(struct dns_wait *w)
{
    (void)event_base_dispatch(w->base);
}
