/* check/measured_size.c - is the message within what its recipients' domains take (mx: the
 * least of them), or its push account may send? limits.message-size the engine itself keeps.
 * Rows: message-too-large-measured, push-data-too-large. */
#include "check/check.h"

void check_measured_size(const struct check_facts *f, struct check_verdict *out)
{
    bool push = f->service == SERVICE_PUSH;
    uint64_t limit = push ? f->mail->data : f->gathered->size_limit;
    if (limit == 0) {
        return;
    }
    fields_add_u64(&out->evidence, "size", f->size);
    fields_add_u64(&out->evidence, "limit", limit);
    if (f->size > limit) {
        out->reply = push ? REPLY_push_data_too_large : REPLY_message_too_large_measured;
    }
}
