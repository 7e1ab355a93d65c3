/* check/unauthenticated.c - every sender needs SPF or DKIM, and some domains (checks.authenticated-domains)
 * need either to speak for their From domain. What the DNS could not say is held against nobody,
 * but for those domains, whose mail then comes later.
 * Rows: mail-unauthenticated-rate-limited, mail-unauthenticated-reject,
 * mail-unauthenticated-domain-reject. */
#include "check/authentication.h"
#include "dns/name.h"

void check_unauthenticated(const struct check_facts *f, struct check_verdict *out)
{
    const struct verified *r = authentication_of(f);
    if (r == NULL) {
        return;
    }
    authentication_evidence(f, r, out);
    bool spf = r->spf.result == SPF_PASS;
    bool unknown = r->spf.result == SPF_TEMPERROR || r->dkim_unknown;
    if (spf || r->dkim_pass || unknown || r->trusted != NULL) {
        return;
    }
    out->reply = REPLY_mail_unauthenticated_reject;
    out->slow = REPLY_mail_unauthenticated_rate_limited;
}

void check_unauthenticated_domain(const struct check_facts *f, struct check_verdict *out)
{
    const struct config_list *list = &f->config->checks_authenticated_domains;
    const struct verified *r = authentication_of(f);
    bool listed = false;
    for (unsigned i = 0; r != NULL && i < list->n; i++) {
        listed |= r->from.len > 0 && dns_name_below(r->from, slice_of(list->item[i]));
    }
    if (!listed) {
        return;
    }
    authentication_evidence(f, r, out);
    if (r->aligned == VERIFY_UNKNOWN) {
        out->reply = REPLY_message_rejected_temporarily;
    } else if (r->aligned == VERIFY_UNALIGNED && r->trusted == NULL) {
        out->reply = REPLY_mail_unauthenticated_domain_reject;
    }
}
