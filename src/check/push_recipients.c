/* check/push_recipients.c - does the message name more recipients than its push account may?
 * Row: push-rcpt-count-exceeded. */
#include "check/check.h"

void check_push_recipients(const struct check_facts *f, struct check_verdict *out)
{
    fields_add_u64(&out->evidence, "measured", f->envelope->recipient_n + UINT64_C(1));
    fields_add_u64(&out->evidence, "limit", f->mail->recipients);
    if (f->mail->recipients != 0 && f->envelope->recipient_n >= f->mail->recipients) {
        out->reply = REPLY_push_rcpt_count_exceeded;
    }
}
