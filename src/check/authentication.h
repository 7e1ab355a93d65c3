/* check/authentication.h - what the checks of SPF, DKIM and DMARC share.
 *
 * Pure, as check.h has it. */
#ifndef CHECK_AUTHENTICATION_H
#define CHECK_AUTHENTICATION_H
#include "check/check.h"
#include "senderauth/verify.h"

/* NULL: nobody asked (a local network), or there is no header to ask about. */
MUST_USE const struct verified *authentication_of(const struct check_facts *f);

/* ip, spf, spf_domain, dkim, dkim_domain, domain (of From): what there is of them. */
void authentication_evidence(const struct check_facts *f, const struct verified *r,
                             struct check_verdict *out);

/* Who is known to have sent it, for reputation (rates.h). Good as long as the evaluation. */
void authentication_domains(const struct verify *v, struct check_auth *out);

/* The message passed all checks: it counts towards its organizational From domain being a bulk sender. */
void bulk_count(const struct check_facts *f);
#endif
