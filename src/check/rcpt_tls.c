/* check/rcpt_tls.c - does the recipient's domain demand TLS for mail from this sender?
 * Row: rcpt-tls-required. */
#include "check/check.h"

void check_rcpt_tls(const struct check_facts *f, struct check_verdict *out)
{
    struct slice sender = f->envelope->sender.mailbox;
    if (!dir_settings_want_tls(f->settings, f->envelope->sender.domain)) {
        return;
    }
    fields_add(&out->evidence, "rcpt", f->rcpt->mailbox);
    fields_add(&out->evidence, "sender", sender.len == 0 ? SLICE("<>") : sender);
    if (!f->tls) {
        out->reply = REPLY_rcpt_tls_required;
    }
}
