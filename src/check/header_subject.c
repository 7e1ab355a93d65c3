/* check/header_subject.c - is the subject within limits.subject-size?
 * Row: header-subject-too-long. */
#include "check/check.h"
#include "message/field_rule.h"

void check_header_subject(const struct check_facts *f, struct check_verdict *out)
{
    const struct message_head *h = f->head;
    for (unsigned i = message_head_find(h, "Subject", 0); i < h->n;
         i = message_head_find(h, "Subject", i + 1)) {
        size_t size = field_value_len(h->field[i].value);
        fields_reset(&out->evidence);
        fields_add_u64(&out->evidence, "size", size);
        fields_add_u64(&out->evidence, "limit", f->config->limits_subject_size);
        if (size > f->config->limits_subject_size) {
            out->reply = REPLY_header_subject_too_long;
            return;
        }
    }
}
