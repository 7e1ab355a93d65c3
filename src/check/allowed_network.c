/* check/allowed_network.c - does the recipient's domain take mail from this client's address?
 * Row: rcpt-ip-not-allowlisted. */
#include "check/check.h"

void check_allowed_network(const struct check_facts *f, struct check_verdict *out)
{
    if (f->settings->networks.len == 0) {
        return;
    }
    fields_add(&out->evidence, "rcpt", f->rcpt->mailbox);
    fields_add(&out->evidence, "ip", f->ip);
    if (!dir_settings_allow(f->settings, f->address)) {
        out->reply = REPLY_rcpt_ip_not_allowlisted;
    }
}
