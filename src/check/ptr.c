/* check/ptr.c - has the client's address a name, and does that lead back to it (RFC 1912 2.1)?
 * What cannot be found out for now is held against nobody.
 * Rows: ptr-missing-deferred (slowed), ptr-missing-rate-limited (and goes on), ptr-missing-reject,
 * ptr-forward-mismatch-reject. */
#include "check/client_dns.h"

void prepare_ptr(const struct check_facts *f)
{
    struct ptr ptr;
    if (client_dns_judged(f)) {
        IGNORE(ptr_check(f->dns_session, f->address, &ptr)); /* it asks */
    }
}

/* "192.0.2.1, 192.0.2.2" */
static void add_resolved(const struct ptr *ptr, struct check_verdict *out)
{
    char text[PTR_RESOLVED_MAX][IP_TEXT_MAX] = {""};
    for (unsigned i = 0; i < ptr->resolved_n; i++) {
        (void)ip_text(&ptr->resolved[i], text[i]);
    }
    if (ptr->resolved_n > 0) {
        fields_add_str(&out->evidence, "resolved",
                       check_text(out, "%s%s%s%s%s%s%s", text[0],
                                  ptr->resolved_n > 1 ? ", " : "", text[1],
                                  ptr->resolved_n > 2 ? ", " : "", text[2],
                                  ptr->resolved_n > 3 ? ", " : "", text[3]));
    }
}

void check_ptr(const struct check_facts *f, struct check_verdict *out)
{
    struct ptr ptr;
    fields_add(&out->evidence, "ip", f->ip);
    if (!client_dns_judged(f)) {
        fields_add_str(&out->evidence, "what", "a local network");
        return;
    }
    if (!client_dns_ptr(f, out, &ptr)) {
        return;
    }
    switch (ptr.result) {
    case PTR_PASS:
        return;
    case PTR_TEMPERROR:
        fields_add_str(&out->evidence, "what", check_text(out, "unknown: %s", ptr.why));
        return;
    case PTR_NONE:
        out->reply = REPLY_ptr_missing_reject;
        break;
    case PTR_MISMATCH:
        out->reply = REPLY_ptr_forward_mismatch_reject;
        add_resolved(&ptr, out);
        break;
    }
    out->slow = REPLY_ptr_missing_deferred;
    out->cut = REPLY_ptr_missing_rate_limited;
}
