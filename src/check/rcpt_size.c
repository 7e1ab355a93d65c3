/* check/rcpt_size.c - is the size that MAIL declared within what the recipient's domain takes?
 * Row: message-too-large. What arrives is counted as well: measured_size.c. */
#include "check/check.h"

void check_rcpt_size(const struct check_facts *f, struct check_verdict *out)
{
    uint64_t size = f->envelope->params.size, limit = f->settings->message_size;
    if (size == 0 || limit == 0) {
        return;
    }
    fields_add(&out->evidence, "rcpt", f->rcpt->mailbox);
    fields_add_u64(&out->evidence, "size", size);
    fields_add_u64(&out->evidence, "limit", limit);
    if (size > limit) {
        out->reply = REPLY_message_too_large;
    }
}
