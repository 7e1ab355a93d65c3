/* senderauth/tls_rpt.h - SMTP TLS reporting: the record that asks for reports, and the words of a report.
 *
 * Source  RFC 8460 3 (TXT record), 4.2 (policy types), 4.3 (result types), 6.6.
 * Pure.
 * Own     what is found borrows from the text. */
#ifndef SENDERAUTH_TLS_RPT_H
#define SENDERAUTH_TLS_RPT_H
#include "dns/answer.h"

/* A TXT string. NULL: *rua is its list of addresses, each mailto: or https:. Else what is wrong. */
MUST_USE const char *tls_rpt_parse(struct slice text, struct slice *rua);

/* The answer to the question for the TXT records of "_smtp._tls.DOMAIN": true where it is one good
 * record. Else *fault says why there is none that counts, or is NULL: there is nothing. */
MUST_USE bool tls_rpt_find(const struct dns_answer *answer, struct slice *rua,
                           const char **fault);

enum tls_rpt_policy {
    TLS_RPT_TLSA = 0,
    TLS_RPT_STS,
    TLS_RPT_NO_POLICY,
    TLS_RPT_POLICY_N
};
enum tls_rpt_result {
    TLS_RPT_SUCCESS = 0,
    TLS_RPT_STARTTLS_NOT_SUPPORTED,
    TLS_RPT_HOST_MISMATCH,
    TLS_RPT_EXPIRED,
    TLS_RPT_NOT_TRUSTED,
    TLS_RPT_VALIDATION_FAILURE,
    TLS_RPT_TLSA_INVALID,
    TLS_RPT_DNSSEC_INVALID,
    TLS_RPT_DANE_REQUIRED,
    TLS_RPT_STS_FETCH_ERROR,
    TLS_RPT_STS_INVALID,
    TLS_RPT_STS_WEBPKI_INVALID,
    TLS_RPT_RESULT_N,
};
/* "tlsa"; "certificate-expired" ("success" is our own word). */
const char *tls_rpt_policy_name(enum tls_rpt_policy policy);
const char *tls_rpt_result_name(enum tls_rpt_result result);
MUST_USE bool tls_rpt_policy_take(struct slice name, enum tls_rpt_policy *out);
MUST_USE bool tls_rpt_result_take(struct slice name, enum tls_rpt_result *out);
#endif
