/* delivery/remote_tls.c - see remote.h: what hosts must show before they get an order, and how it went. */
#include "base/hash.h"
#include "base/log.h"
#include "delivery/remote_impl.h"

#include <stdio.h>
#include <string.h>

static bool names_have(const struct config_list *list, struct slice domain)
{
    for (unsigned i = 0; i < list->n; i++) {
        if (slice_like(domain, slice_of(list->item[i]))) {
            return true;
        }
    }
    return false;
}

/* The most demanding of those that name the domain. */
static enum tls_rule rule_of(const struct config *c, struct slice domain)
{
    const struct {
        const struct config_list *names;
        enum tls_rule rule;
    } lists[] = {{&c->delivery_tls_dane, TLS_RULE_DANE},
                 {&c->delivery_tls_verify, TLS_RULE_VERIFY},
                 {&c->delivery_tls_must, TLS_RULE_MUST},
                 {&c->delivery_tls_may, TLS_RULE_MAY},
                 {&c->delivery_tls_never, TLS_RULE_NEVER}};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        if (names_have(lists[i].names, domain)) {
            return lists[i].rule;
        }
    }
    return TLS_RULE_AUTO;
}

struct slice order_domain(const struct remote_order *o)
{
    struct slice address = o->target[0].address;
    return slice_from(address, slice_rfind(address, '@') + 1);
}

/* What is asked of a host by the order's domain, not by itself, keeps its connections apart. */
static void mark_site(struct remote_order *o)
{
    static const uint64_t key[2] = {
        0, 0}; /* no secret: of names that are compared as well */
    uint64_t sum = 0;
    for (unsigned i = 0; i < o->route.hop_n; i++) {
        const struct tls_need *n = &o->need[i];
        char text[DNS_NAME_MAX + 32];
        int len = snprintf(
            text, sizeof text, "%.*s %d %d %d", (int)o->route.hop[i].host.len,
            (const char *)o->route.hop[i].host.ptr, n->never, n->must, (int)n->verify);
        struct slice one = {(const unsigned char *)text, (size_t)len};
        sum = sum * 31 + hash_octets(key, one);
    }
    (void)snprintf(o->tls_class, sizeof o->tls_class, " tls %016llx",
                   (unsigned long long)sum);
}

static bool same_host(const struct route *r, unsigned a, unsigned b)
{
    return slice_ieq(r->hop[a].host, r->hop[b].host);
}

static void end_unfit(struct remote_order *o, const char *why, struct slice host)
{
    char text[OUTCOME_REPLY_MAX];
    bool hard = o->requiretls;
    (void)snprintf(text, sizeof text, "%s %s (%.*s)", hard ? "550 5.7.30" : "451 4.7.5",
                   why, (int)host.len, (const char *)host.ptr);
    order_settle(o, hard ? JOB_FAILED : JOB_DEFERRED, slice_of(text));
    order_over(o);
}

bool order_tls(struct remote_order *o, const struct sts_view *sts)
{
    const struct remote_options *options = &o->remote->options;
    struct route *r = &o->route;
    struct slice domain = order_domain(o), unfit_host = {0};
    const char *unfit = NULL;
    struct tls_ask ask = {.sts = sts->found, .mode = sts->policy.mode};
    unsigned n = 0;
    ask.rule = o->smart != NULL       ? smart_rule(o->smart)
               : options->tls == NULL ? TLS_RULE_NEVER
                                      : rule_of(options->config, domain);
    if (o->tls_optional && o->smart == NULL && ask.rule == TLS_RULE_AUTO) {
        ask.rule = TLS_RULE_MAY; /* what our settings demand stays */
    }
    ask.requiretls = o->requiretls;
    for (unsigned i = 0; i < r->hop_n; i++) {
        const struct route_hop *hop = &r->hop[i];
        struct tls_need need;
        ask.tlsa_n = hop->tlsa == NULL ? 0 : hop->tlsa->n;
        ask.tlsa_usable = 0;
        for (unsigned k = 0; k < ask.tlsa_n; k++) {
            ask.tlsa_usable += tls_client_usable(hop->tlsa->record[k].data);
        }
        ask.sts_allows = sts->found && sts_policy_allows(&sts->policy, hop->host);
        ask.secure = o->smart != NULL || r->secure;
        tls_need_of(&ask, &need);
        if (need.unfit != NULL && need.counted != TLS_RPT_SUCCESS && o->smart == NULL &&
            (i == 0 || !same_host(r, i - 1, i))) {
            tls_count(options->counts, domain, need.policy, need.counted, hop->host);
        }
        if (need.unfit != NULL) {
            unfit = need.unfit;
            unfit_host = hop->host;
            continue;
        }
        o->need[n] = need;
        r->hop[n] = *hop;
        r->hop[n].number = (uint16_t)n;
        n++;
    }
    r->hop_n = n;
    if (n == 0) {
        end_unfit(o, unfit == NULL ? "there is no host" : unfit, unfit_host);
        return false;
    }
    bool by_domain = o->smart == NULL && (ask.rule != TLS_RULE_AUTO || ask.sts);
    if (by_domain || ask.requiretls) {
        mark_site(o);
    }
    return true;
}

/* --- how it went --- */

static enum tls_rpt_result result_of(const struct remote_link *l)
{
    static const enum tls_rpt_result results[] = {
        [TLS_CLIENT_GOOD] = TLS_RPT_SUCCESS,
        [TLS_CLIENT_WRONG_HOST] = TLS_RPT_HOST_MISMATCH,
        [TLS_CLIENT_EXPIRED] = TLS_RPT_EXPIRED,
        [TLS_CLIENT_NOT_TRUSTED] = TLS_RPT_NOT_TRUSTED,
        [TLS_CLIENT_NO_TLSA] = TLS_RPT_VALIDATION_FAILURE,
        [TLS_CLIENT_BROKEN] = TLS_RPT_VALIDATION_FAILURE,
    };
    if (l->need.verify == TLS_VERIFY_NONE) { /* of TLSA records, none was of use */
        return l->need.policy == TLS_RPT_TLSA ? TLS_RPT_TLSA_INVALID : TLS_RPT_SUCCESS;
    }
    return results[tls_client_verdict(l->conn.ssl)];
}

static void count(struct remote_link *l, enum tls_rpt_result result)
{
    if (l->order != NULL && l->site->smart == NULL) { /* it has no policy: it is ours */
        tls_count(l->site->remote->options.counts, order_domain(l->order), l->need.policy,
                  result, slice_of(l->host));
    }
}

void link_tls_stands(struct remote_link *l)
{
    l->tls_result = result_of(l);
    /* A host that the policy does not name has no better certificate for it. */
    l->tls_result = l->need.counted != TLS_RPT_SUCCESS ? l->need.counted : l->tls_result;
    if (l->need.verify == TLS_VERIFY_LOOK && l->tls_result != TLS_RPT_SUCCESS) {
        log_text(LOG_INFO, "mta-sts-testing", "%.*s: %s would not do: %s",
                 (int)order_domain(l->order).len,
                 (const char *)order_domain(l->order).ptr, l->where,
                 tls_rpt_result_name(l->tls_result));
    }
}

void link_tls_failed(struct remote_link *l)
{
    enum tls_rpt_result result =
        l->conn.ssl == NULL ? TLS_RPT_VALIDATION_FAILURE : result_of(l);
    count(l, result == TLS_RPT_SUCCESS ? TLS_RPT_VALIDATION_FAILURE : result);
}

void link_tls_missing(struct remote_link *l)
{
    count(l, TLS_RPT_STARTTLS_NOT_SUPPORTED);
}

void link_count(struct remote_link *l)
{
    static const uint64_t key[2] = {0, 0};
    struct slice domain = order_domain(l->order);
    uint64_t sum = hash_octets(key, domain);
    if (sum == l->counted || l->clear || l->need.never) {
        return; /* in clear: the failure is counted already */
    }
    l->counted = sum;
    if (l->client.tls) {
        count(l, l->tls_result);
    } else {
        link_tls_missing(l);
    }
}
