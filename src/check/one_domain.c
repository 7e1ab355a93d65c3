/* check/one_domain.c - may recipients of these domains share a transaction?
 * Row: rcpt-multiple-domains: this recipient's domain, or one accepted before it, wants no
 * other beside its own. */
#include "check/check.h"

void check_one_domain(const struct check_facts *f, struct check_verdict *out)
{
    const struct check_gathered *g = f->gathered;
    if (g->domain.len == 0 || (!f->settings->one_domain && !g->one_domain)) {
        return;
    }
    fields_add(&out->evidence, "rcpt", f->rcpt->mailbox);
    fields_add(&out->evidence, "domain", g->domain);
    /* Where one of those before wants to be alone, all of them are of the first's domain. */
    if (!slice_ieq(g->domain, f->answer->domain)) {
        out->reply = REPLY_rcpt_multiple_domains;
    }
}
