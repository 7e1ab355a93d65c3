/* check/spf_hardfail.c - the domain of MAIL FROM says by "-all" that nobody else sends for it, and this
 * client does. A message that is forwarded fails so, too: one whose DKIM signature, or whose
 * trusted sealer, says that it is genuine passes.
 * Row: mail-spf-hardfail-reject. */
#include "check/authentication.h"

void check_spf_hardfail(const struct check_facts *f, struct check_verdict *out)
{
    const struct verified *r = authentication_of(f);
    if (r == NULL || r->spf.result != SPF_FAIL || r->spf.identity != SPF_MAIL_FROM) {
        return;
    }
    authentication_evidence(f, r, out);
    fields_add(&out->evidence, "record", r->spf.record);
    bool all = slice_ieq(r->spf.term, SLICE("-all"));
    if (all && !r->dkim_pass && !r->dkim_unknown && r->trusted == NULL) {
        out->reply = REPLY_mail_spf_hardfail_reject;
    }
}
