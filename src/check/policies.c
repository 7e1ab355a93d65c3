/* check/policies.c - how many domains with settings of their own may one transaction have?
 * Each counts once, however many recipients it has. The limit is limits.policies, or what one
 * of these domains says if that is less (domain set --policy-size).
 * Row: rcpt-policy-size-exceeded. */
#include "check/check.h"

void check_policies(const struct check_facts *f, struct check_verdict *out)
{
    const struct check_gathered *g = f->gathered;
    uint64_t limit = f->config->limits_policies;
    if (!f->settings->any || f->policy_counted) {
        return;
    }
    if (g->policy_limit != 0 && g->policy_limit < limit) {
        limit = g->policy_limit;
    }
    if (f->settings->policies != 0 && f->settings->policies < limit) {
        limit = f->settings->policies;
    }
    fields_add(&out->evidence, "rcpt", f->rcpt->mailbox);
    fields_add_u64(&out->evidence, "measured", g->policies + UINT64_C(1));
    fields_add_u64(&out->evidence, "limit", limit);
    if (g->policies + UINT64_C(1) > limit) {
        out->reply = REPLY_rcpt_policy_size_exceeded;
    }
}
