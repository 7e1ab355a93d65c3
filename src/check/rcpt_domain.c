/* check/rcpt_domain.c - does the domain of a recipient elsewhere exist: has it an MX record or an
 * address (RFC 5321 5.1)? A null MX (RFC 7505) is a domain that takes no mail. What
 * cannot be found out for now is left to delivery.
 * Row: rcpt-domain-not-found. */
#include "check/check.h"
#include "senderauth/domain.h"

/* NULL: it exists, or nobody knows (*why); else what is wrong. */
static const char *look(const struct dns_source *dns, struct slice domain, bool *waits,
                        const char **why)
{
    static const enum dns_type types[] = {DNS_MX, DNS_A, DNS_AAAA};
    *waits = false;
    for (unsigned i = 0; i < sizeof types / sizeof types[0]; i++) {
        const struct dns_answer *a = dns->ask(dns->arg, types[i], domain);
        if (a == NULL) {
            *waits = true;
            return NULL;
        }
        if (a->status == DNS_NXDOMAIN) {
            return "no such name";
        }
        if (a->status == DNS_FAILED) {
            *why = a->why;
            return NULL;
        }
        if (a->n > 0) {
            bool null_mx = types[i] == DNS_MX && a->n == 1 && a->record[0].name.len == 0;
            return null_mx ? "it has a null MX: it takes no mail" : NULL;
        }
    }
    return "it has neither an MX record nor an address";
}

void check_rcpt_domain(const struct check_facts *f, struct check_verdict *out)
{
    unsigned char octets[DNS_NAME_MAX];
    size_t len = 0;
    const char *why = NULL;
    fields_add(&out->evidence, "rcpt", f->rcpt->mailbox);
    fields_add(&out->evidence, "domain", f->rcpt->domain);
    bool ours = f->answer->status != DIR_NO_DOMAIN;
    bool literal = f->rcpt->domain.len > 0 && f->rcpt->domain.ptr[0] == '[';
    if (ours || literal || f->dns == NULL) {
        return; /* the DNS has no say */
    }
    const char *wrong = "it is no domain name";
    if (domain_take(f->rcpt->domain, octets, &len)) {
        wrong = look(f->dns, (struct slice){octets, len}, &out->waits, &why);
    }
    if (wrong != NULL) {
        fields_add_str(&out->evidence, "what", wrong);
        out->reply = REPLY_rcpt_domain_not_found;
    } else if (why != NULL) {
        fields_add_str(&out->evidence, "what", check_text(out, "unknown: %s", why));
    }
}
