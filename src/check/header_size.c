/* check/header_size.c - is the header section within limits.header-size and header-fields? It
 * always refuses, for what is beyond them was not kept. Without figures where the message ended
 * before its header section did: then what was counted is not the section's size.
 * Rows: header-total-too-large-measured, header-total-too-large. */
#include "check/check.h"

void check_header_size(const struct check_facts *f, struct check_verdict *out)
{
    const struct message_head *h = f->head;
    fields_add_u64(&out->evidence, "size", h->size);
    fields_add_u64(&out->evidence, "limit", f->config->limits_header_size);
    fields_add_u64(&out->evidence, "measured", h->field_n);
    fields_add_u64(&out->evidence, "fields_limit", f->config->limits_header_fields);
    if (h->over) {
        out->reply = h->empty_line || h->no_field ? REPLY_header_total_too_large_measured
                                                  : REPLY_header_total_too_large;
    }
}
