/* check/ipv6.c - what is demanded of clients with an IPv6 address, for of these there are too many to learn
 * who is who: a name that leads back.
 * Row: ipv6-guidelines-reject. */
#include "check/client_dns.h"

void check_ipv6(const struct check_facts *f, struct check_verdict *out)
{
    struct ptr ptr;
    fields_add(&out->evidence, "ip", f->ip);
    if (ip_is_v4(f->address) || !client_dns_judged(f)) {
        return;
    }
    if (!client_dns_ptr(f, out, &ptr)) {
        return;
    }
    if (ptr.result == PTR_TEMPERROR) {
        fields_add_str(&out->evidence, "what", check_text(out, "unknown: %s", ptr.why));
    } else if (ptr.result == PTR_NONE) {
        fields_add_str(&out->evidence, "what", "it has no PTR record");
        out->reply = REPLY_ipv6_guidelines_reject;
    } else if (ptr.result == PTR_MISMATCH) {
        fields_add_str(&out->evidence, "what",
                       check_text(out, "its name %.*s does not lead back to it",
                                  (int)ptr.name.len, (const char *)ptr.name.ptr));
        out->reply = REPLY_ipv6_guidelines_reject;
    }
}
