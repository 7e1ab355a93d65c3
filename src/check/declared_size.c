/* check/declared_size.c - is the size that MAIL declares within the limit (RFC 1870 6.1)?
 * Rows: message-too-large; on push push-data-too-large, also for the account's own limit. */
#include "check/check.h"

void check_declared_size(const struct check_facts *f, struct check_verdict *out)
{
    bool push = f->service == SERVICE_PUSH;
    uint64_t size = f->envelope->params.size, limit = f->config->limits_message_size;
    if (size == 0) {
        return; /* not declared; what arrives is counted */
    }
    if (push && f->mail->data != 0 && f->mail->data < limit) {
        limit = f->mail->data;
    }
    fields_add_u64(&out->evidence, "size", size);
    fields_add_u64(&out->evidence, "limit", limit);
    if (size > limit) {
        out->reply = push ? REPLY_push_data_too_large : REPLY_message_too_large;
    }
}
