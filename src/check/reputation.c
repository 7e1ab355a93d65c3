/* check/reputation.c - what came of the mail that this address, or a domain that authentication says
 * sent the message, sent here before?
 * Rows: reputation-ip-rate-limited, reputation-ip-reject, reputation-domain-deferred,
 * reputation-domain-reject. */
#include "rate/reputation.h"
#include "check/rates.h"

static bool very_low(const struct check_facts *f, enum rate_kind kind, unsigned nth,
                     struct rates_key *k, struct check_verdict *out)
{
    if (!rates_key(f, kind, nth, k)) {
        return false;
    }
    struct rate_view v = rates_view(f, k);
    if (reputation_of(v.good, v.bad, f->config->rate_evidence) != REPUTATION_VERY_LOW) {
        return false;
    }
    fields_add_str(&out->evidence, "what",
                   check_text(out, "%llu bad signs and %llu good ones in the last days",
                              (unsigned long long)v.bad, (unsigned long long)v.good));
    return true;
}

void check_reputation_ip(const struct check_facts *f, struct check_verdict *out)
{
    struct rates_key k;
    fields_add(&out->evidence, "ip", f->ip);
    if (very_low(f, RATE_ip, 0, &k, out)) {
        out->reply = REPLY_reputation_ip_reject;
        out->slow = REPLY_reputation_ip_rate_limited;
    }
}

void check_reputation_domain(const struct check_facts *f, struct check_verdict *out)
{
    static const enum rate_kind kinds[] = {RATE_dkim, RATE_spf, RATE_from};
    struct rates_key k;
    fields_add(&out->evidence, "ip", f->ip);
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned nth = 0; nth < CHECK_DKIM_MAX; nth++) {
            if (very_low(f, kinds[i], nth, &k, out)) {
                const char *name = check_text(out, "%.*s", (int)k.key.name.len,
                                              (const char *)k.key.name.ptr);
                fields_add_str(&out->evidence, "domain", name);
                out->key = slice_of(name);
                out->reply = REPLY_reputation_domain_reject;
                out->slow = REPLY_reputation_domain_deferred;
                return;
            }
        }
    }
}
