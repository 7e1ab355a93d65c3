/* senderauth/tls_rpt.c - see tls_rpt.h */
#include "senderauth/tls_rpt.h"

/* --- the record --- */

/* tlsrpt-uri = URI; "," "!" and ";" in it are written as %2C, %21, %3B */
static bool is_uri(struct slice s)
{
    bool mail = slice_istarts(s, SLICE("mailto:"));
    if (!mail && !slice_istarts(s, SLICE("https://"))) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] <= ' ' || s.ptr[i] > '~' || s.ptr[i] == '!') {
            return false;
        }
    }
    struct slice where = slice_from(s, mail ? 7 : 8);
    size_t at = slice_rfind(where, '@');
    return mail ? at > 0 && at + 1 < where.len : where.len > 0;
}

/* tlsrpt-record = tlsrpt-version 1*(field-delim tlsrpt-field) [field-delim]
 * tlsrpt-rua    = "rua=" tlsrpt-uri *(*WSP "," *WSP tlsrpt-uri) */
const char *tls_rpt_parse(struct slice text, struct slice *rua)
{
    struct slice found = {0};
    size_t end = slice_find(text, ';');
    if (!slice_starts(text, SLICE("v=TLSRPTv1")) ||
        !slice_eq(slice_trim(slice_sub(text, 0, end)), SLICE("v=TLSRPTv1"))) {
        return "it does not begin with v=TLSRPTv1;";
    }
    for (struct slice rest = slice_from(text, end + 1); rest.len > 0;
         rest = slice_from(rest, end + 1)) {
        end = slice_find(rest, ';');
        struct slice field = slice_trim(slice_sub(rest, 0, end));
        if (found.len == 0 && slice_starts(field, SLICE("rua="))) {
            found = slice_trim(slice_from(field, 4));
        } else if (slice_find(field, '=') == field.len && field.len > 0) {
            return "a field is not NAME=VALUE";
        }
    }
    if (found.len == 0) {
        return "it has no rua: it names nobody who wants reports";
    }
    for (struct slice rest = found;; rest = slice_from(rest, end + 1)) {
        end = slice_find(rest, ',');
        if (!is_uri(slice_trim(slice_sub(rest, 0, end)))) {
            return "an address of rua is neither mailto: nor https:";
        }
        if (end == rest.len) {
            break;
        }
    }
    *rua = found;
    return NULL;
}

bool tls_rpt_find(const struct dns_answer *answer, struct slice *rua, const char **fault)
{
    unsigned n = 0;
    *fault = NULL;
    for (unsigned i = 0; answer->status == DNS_FOUND && i < answer->n; i++) {
        struct slice text = answer->record[i].text;
        if (slice_starts(text, SLICE("v=TLSRPTv1"))) {
            *fault = tls_rpt_parse(text, rua);
            n++;
        }
    }
    if (n > 1) {
        *fault = "there are several, which count as none";
    }
    return n == 1 && *fault == NULL;
}

/* --- words --- */

static const char *const policies[] = {[TLS_RPT_TLSA] = "tlsa",
                                       [TLS_RPT_STS] = "sts",
                                       [TLS_RPT_NO_POLICY] = "no-policy-found"};
static const char *const results[] = {
    [TLS_RPT_SUCCESS] = "success",
    [TLS_RPT_STARTTLS_NOT_SUPPORTED] = "starttls-not-supported",
    [TLS_RPT_HOST_MISMATCH] = "certificate-host-mismatch",
    [TLS_RPT_EXPIRED] = "certificate-expired",
    [TLS_RPT_NOT_TRUSTED] = "certificate-not-trusted",
    [TLS_RPT_VALIDATION_FAILURE] = "validation-failure",
    [TLS_RPT_TLSA_INVALID] = "tlsa-invalid",
    [TLS_RPT_DNSSEC_INVALID] = "dnssec-invalid",
    [TLS_RPT_DANE_REQUIRED] = "dane-required",
    [TLS_RPT_STS_FETCH_ERROR] = "sts-policy-fetch-error",
    [TLS_RPT_STS_INVALID] = "sts-policy-invalid",
    [TLS_RPT_STS_WEBPKI_INVALID] = "sts-webpki-invalid",
};
_Static_assert(sizeof policies / sizeof policies[0] == TLS_RPT_POLICY_N, "one word each");
_Static_assert(sizeof results / sizeof results[0] == TLS_RPT_RESULT_N, "one word each");

const char *tls_rpt_policy_name(enum tls_rpt_policy policy)
{
    return policies[policy];
}

const char *tls_rpt_result_name(enum tls_rpt_result result)
{
    return results[result];
}

static bool take(struct slice name, const char *const *words, unsigned n, unsigned *out)
{
    for (*out = 0; *out < n; ++*out) {
        if (slice_eq(name, slice_of(words[*out]))) {
            return true;
        }
    }
    return false;
}

bool tls_rpt_policy_take(struct slice name, enum tls_rpt_policy *out)
{
    unsigned i = 0;
    bool ok = take(name, policies, TLS_RPT_POLICY_N, &i);
    *out = ok ? (enum tls_rpt_policy)i : TLS_RPT_NO_POLICY;
    return ok;
}

bool tls_rpt_result_take(struct slice name, enum tls_rpt_result *out)
{
    unsigned i = 0;
    bool ok = take(name, results, TLS_RPT_RESULT_N, &i);
    *out = ok ? (enum tls_rpt_result)i : TLS_RPT_SUCCESS;
    return ok;
}
