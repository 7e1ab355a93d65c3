/* check/declared_size.c - is the size that MAIL declares within the limit (RFC 1870 6.1)?
 * Row: message-too-large. */
#include "check/check.h"

void check_declared_size(const struct check_facts *f, struct check_verdict *out)
{
    uint64_t size = f->envelope->params.size;
    if (size == 0) {
        return; /* not declared; what arrives is counted */
    }
    fields_add_u64(&out->evidence, "size", size);
    fields_add_u64(&out->evidence, "limit", f->config->limits_message_size);
    if (size > f->config->limits_message_size) {
        out->reply = REPLY_message_too_large;
    }
}
