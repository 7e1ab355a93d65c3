/* delivery/tls_need.c - see tls_need.h */
#include "delivery/tls_need.h"

/* The domain's own policies: DANE of the host, else MTA-STS. */
static void by_policies(const struct tls_ask *a, struct tls_need *out)
{
    bool sts = a->sts && a->mode != STS_NONE;
    if (a->tlsa_n > 0) {
        out->must = true;
        out->policy = TLS_RPT_TLSA;
    }
    if (a->tlsa_usable > 0) {
        out->verify = TLS_VERIFY_DANE;
        return;
    }
    if (!sts) {
        return;
    }
    out->policy = TLS_RPT_STS;
    out->counted = a->sts_allows ? TLS_RPT_SUCCESS : TLS_RPT_VALIDATION_FAILURE;
    if (a->mode == STS_TESTING) {
        out->verify = TLS_VERIFY_LOOK;
        return;
    }
    out->must = true;
    out->verify = TLS_VERIFY_NAME;
    if (!a->sts_allows) {
        out->unfit = "the MTA-STS policy of the domain does not name this MX host";
    }
}

static void by_requiretls(const struct tls_ask *a, struct tls_need *out)
{
    bool sts = a->sts && a->mode != STS_NONE && a->sts_allows;
    out->must = true;
    if (out->never) {
        out->unfit = "the message demands REQUIRETLS, and TLS is switched off here";
    } else if (!a->secure && !sts) {
        out->unfit = "the message demands REQUIRETLS, and neither DNSSEC nor MTA-STS "
                     "vouches for the name of this MX host";
    } else if (out->verify != TLS_VERIFY_DANE) {
        out->verify = TLS_VERIFY_NAME;
    }
}

void tls_need_of(const struct tls_ask *a, struct tls_need *out)
{
    *out = (struct tls_need){.policy = TLS_RPT_NO_POLICY};
    switch (a->rule) {
    case TLS_RULE_NEVER:
        out->never = true;
        break;
    case TLS_RULE_MAY:
        break;
    case TLS_RULE_AUTO:
    case TLS_RULE_MUST:
    case TLS_RULE_VERIFY:
    case TLS_RULE_DANE:
        by_policies(a, out);
        break;
    }
    if (a->rule == TLS_RULE_MUST || a->rule == TLS_RULE_VERIFY ||
        a->rule == TLS_RULE_DANE) {
        out->must = true;
    }
    if (a->rule == TLS_RULE_VERIFY && out->verify != TLS_VERIFY_DANE) {
        out->verify = TLS_VERIFY_NAME;
    }
    if (a->rule == TLS_RULE_DANE && out->verify != TLS_VERIFY_DANE) {
        out->unfit = "DANE is demanded for the domain, and this MX host has no TLSA "
                     "record that can be used";
        out->counted = TLS_RPT_DANE_REQUIRED;
    }
    if (a->requiretls) {
        by_requiretls(a, out);
    }
}
