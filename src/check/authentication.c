/* check/authentication.c - who sent the message: SPF, DKIM, ARC and DMARC are evaluated here, once,
 * for all checks behind this one. It refuses nothing. */
#include "check/authentication.h"

const struct verified *authentication_of(const struct check_facts *f)
{
    const struct verified *r = f->verify == NULL ? NULL : verify_result(f->verify);
    return r == NULL || r->arc == NULL ? NULL : r;
}

void authentication_evidence(const struct check_facts *f, const struct verified *r,
                             struct check_verdict *out)
{
    struct fields *e = &out->evidence;
    fields_add(e, "ip", f->ip);
    fields_add_str(e, "spf", spf_result_name(r->spf.result));
    fields_add(e, "spf_domain", r->spf.domain);
    fields_add_str(e, "dkim",
                   r->dkim == NULL ? "none" : dkim_verdict_word(r->dkim->verdict));
    if (r->dkim != NULL && r->dkim->domain[0] != '\0') {
        fields_add_str(e, "dkim_domain", r->dkim->domain);
    }
    if (r->from.len > 0) {
        fields_add(e, "domain", r->from);
    }
}

void authentication_domains(const struct verify *v, struct check_auth *out)
{
    const struct verified *r = verify_result(v);
    *out = (struct check_auth){0};
    if (r->spf.result == SPF_PASS) {
        out->spf = r->spf.domain;
    }
    if (r->aligned == VERIFY_ALIGNED) {
        out->from = r->dmarc.org;
    }
    for (unsigned i = 0; i < verify_dkim_count(v) && out->dkim_n < CHECK_DKIM_MAX; i++) {
        if (verify_dkim(v, i)->verdict == DKIM_PASS) {
            out->dkim[out->dkim_n++] = slice_of(verify_dkim(v, i)->domain);
        }
    }
}

void prepare_authentication(const struct check_facts *f)
{
    if (f->verify != NULL) {
        verify_ask(f->verify, f->dns);
    }
}

void check_authentication(const struct check_facts *f, struct check_verdict *out)
{
    if (f->verify == NULL) {
        fields_add_str(&out->evidence, "what", "not asked about a local network");
        return;
    }
    if (!verify_evaluate(f->verify, f->dns)) {
        out->waits = true;
        return;
    }
    const struct verified *r = authentication_of(f);
    if (r != NULL) {
        authentication_evidence(f, r, out);
    }
}
