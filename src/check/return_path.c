/* check/return_path.c - what looks like a return path of ours: is it one, and whose?
 * Rows: rcpt-mailbox-unknown (forged, unknown, too old), system-temporary-problem (nobody can tell). */
#include "check/check.h"

void check_return_path(const struct check_facts *f, struct check_verdict *out)
{
    if (!f->return_path) {
        return;
    }
    const struct check_suppressed *s = f->suppressed(f->suppressed_arg);
    fields_add(&out->evidence, "rcpt", f->rcpt->mailbox);
    fields_add(&out->evidence, "domain", f->rcpt->domain);
    if (s == NULL) {
        out->waits = true;
        return;
    }
    switch (s->res) {
    case CHECK_SUPPRESSED_NOT:
        break;
    case CHECK_SUPPRESSED_YES:
        out->reply = REPLY_rcpt_mailbox_unknown;
        fields_add(&out->evidence, "what", s->what);
        break;
    case CHECK_SUPPRESSED_FAULT:
        out->reply = REPLY_system_temporary_problem;
        fields_add_str(&out->evidence, "what", "the list of return paths cannot be read");
        break;
    }
}
