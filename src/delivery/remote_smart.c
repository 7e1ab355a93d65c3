/* delivery/remote_smart.c - see remote.h: orders that go by way of a smart host (config/smart_hosts.h). */
#include "base/log.h"
#include "delivery/remote_impl.h"

#include <stdio.h>

const struct smart_host *order_smart(const struct remote_order *o)
{
    const struct config *config = o->remote->options.config;
    struct slice address = o->target[0].address;
    struct slice domain = slice_from(address, slice_rfind(address, '@') + 1);
    return config->smart_hosts == NULL
               ? NULL
               : smart_hosts_find(config->smart_hosts, domain, o->order->job.account);
}

/* Whatever keeps it from being asked is ours to mend: no mail fails for it. */
static bool defer(struct remote_order *o, const char *status, const char *what)
{
    const struct smart_host *h = o->smart;
    char text[OUTCOME_REPLY_MAX];
    (void)snprintf(text, sizeof text, "451 %s the smart host %s (%s): %s", status,
                   h->name, h->address, what);
    order_settle(o, JOB_DEFERRED, slice_of(text));
    order_over(o);
    return false;
}

bool order_smart_look(struct remote_order *o, const struct route_ask *usual)
{
    const struct smart_host *h = o->smart;
    struct route_ask ask = *usual;
    struct slice secret;
    const char *why = NULL;
    ask.domain = slice_of(h->address);
    ask.port = h->port;
    if (!smart_secret(o->remote->options.secrets, h, &secret, &why)) {
        char what[200];
        (void)snprintf(what, sizeof what, "its password cannot be had: %s", why);
        return defer(o, "4.3.5", what);
    }
    route_host(&ask, resolver_scope_source(o->scope), &o->route);
    switch (o->route.status) {
    case ROUTE_OK:
        return true;
    case ROUTE_WAIT:
        return false;
    case ROUTE_DNS_FAILED:
        return defer(o, "4.4.3", o->route.why);
    case ROUTE_NO_DOMAIN:
    case ROUTE_NO_DATA:
    case ROUTE_NULL_MX:
    case ROUTE_NO_ADDRESS:
    case ROUTE_LOOP:
    case ROUTE_INNER:
        break;
    }
    return defer(o, "4.4.4", "it has no address in the DNS");
}

enum tls_rule smart_rule(const struct smart_host *h)
{
    static const enum tls_rule rules[] = {
        [SMART_TLS_never] = TLS_RULE_NEVER,
        [SMART_TLS_may] = TLS_RULE_AUTO,
        [SMART_TLS_must] = TLS_RULE_MUST,
        [SMART_TLS_verify] = TLS_RULE_VERIFY,
        [SMART_TLS_implicit] = TLS_RULE_MUST,
        [SMART_TLS_implicit_verify] = TLS_RULE_VERIFY,
    };
    return rules[h->tls];
}

void link_smart(const struct remote_link *l, struct smtp_client_options *out)
{
    static const enum smtp_client_tls tls[] = {
        [SMART_TLS_never] = SMTP_CLIENT_TLS_NEVER,
        [SMART_TLS_may] = SMTP_CLIENT_TLS_MAY,
        [SMART_TLS_must] = SMTP_CLIENT_TLS_MUST,
        [SMART_TLS_verify] = SMTP_CLIENT_TLS_MUST,
        [SMART_TLS_implicit] = SMTP_CLIENT_TLS_IS,
        [SMART_TLS_implicit_verify] = SMTP_CLIENT_TLS_IS,
    };
    const struct smart_host *h = l->site->smart;
    const char *why = NULL;
    out->tls = l->clear ? SMTP_CLIENT_TLS_NEVER
               : l->need.must && tls[h->tls] == SMTP_CLIENT_TLS_MAY ? SMTP_CLIENT_TLS_MUST
                                                                    : tls[h->tls];
    if (h->user[0] != '\0') {
        out->user = slice_of(h->user);
        out->only_mechanisms = h->scram;
        IGNORE(!smart_secret(l->site->remote->options.secrets, h, &out->password,
                             &why)); /* order_smart_look() asked */
    }
}
