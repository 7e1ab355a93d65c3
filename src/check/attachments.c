/* check/attachments.c - are there more attachments than content.attachments? Those of an attached
 * message count with it as one.
 * Row: attachment-count-exceeded. */
#include "check/check.h"

void check_attachments(const struct check_facts *f, struct check_verdict *out)
{
    fields_add_u64(&out->evidence, "measured", f->content->attachments);
    fields_add_u64(&out->evidence, "limit", f->config->content_attachments);
    if (f->content->attachments > f->config->content_attachments) {
        out->reply = REPLY_attachment_count_exceeded;
    }
}
