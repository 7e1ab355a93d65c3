/* check/dmarc.c - the domain of From asks for what fails DMARC to be refused. What asks for quarantine
 * is refused, too, where checks.dmarc-quarantine says so. A trusted sealer's pass overrides it.
 * Rows: mail-dmarc-reject; mail-dmarc-dns-failure: the DNS keeps a message from passing. */
#include "check/authentication.h"

static bool refused(const struct check_facts *f, enum dmarc_policy policy)
{
    return policy == DMARC_P_REJECT ||
           (policy == DMARC_P_QUARANTINE &&
            f->config->checks_dmarc_quarantine == CONFIG_QUARANTINE_REJECT);
}

void check_dmarc(const struct check_facts *f, struct check_verdict *out)
{
    const struct verified *r = authentication_of(f);
    if (r == NULL || r->from.len == 0) {
        return;
    }
    const struct dmarc *d = &r->dmarc;
    authentication_evidence(f, r, out);
    if (d->policy_tag != NULL) {
        fields_add_str(
            &out->evidence, "policy",
            check_text(out, "%s=%s", d->policy_tag, dmarc_policy_name(d->policy)));
    }
    if (r->trusted != NULL) {
        fields_add_str(&out->evidence, "what",
                       check_text(out, "it passed at the sealer %s", r->trusted));
        return;
    }
    if (d->result == DMARC_FAIL && refused(f, d->disposition)) {
        out->reply = REPLY_mail_dmarc_reject;
    } else if (d->result == DMARC_TEMPERROR && d->record != NULL &&
               refused(f, d->policy)) {
        out->reply = REPLY_mail_dmarc_dns_failure;
    }
    out->slow = REPLY_message_rejected_temporarily;
    if (out->reply == REPLY_mail_dmarc_dns_failure) {
        out->slow = REPLY_mail_dmarc_dns_failure;
    }
}
