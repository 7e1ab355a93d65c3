/* check/push_suppressed.c - is the recipient on the suppression list, for the push account or for all?
 * Rows: push-rcpt-suppressed, system-temporary-problem (the list cannot be read). */
#include "check/check.h"

void check_push_suppressed(const struct check_facts *f, struct check_verdict *out)
{
    const struct check_suppressed *s =
        f->suppressed == NULL ? NULL : f->suppressed(f->suppressed_arg);
    fields_add(&out->evidence, "rcpt", f->rcpt->mailbox);
    if (s == NULL) {
        out->waits = f->suppressed != NULL;
        out->waits_for = "the queue";
        return;
    }
    switch (s->res) {
    case CHECK_SUPPRESSED_NOT:
        break;
    case CHECK_SUPPRESSED_YES:
        out->reply = REPLY_push_rcpt_suppressed;
        fields_add(&out->evidence, "what", s->what);
        break;
    case CHECK_SUPPRESSED_FAULT:
        out->reply = REPLY_system_temporary_problem;
        fields_add_str(&out->evidence, "what", "the suppression list cannot be read");
        break;
    }
}
