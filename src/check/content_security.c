/* check/content_security.c - is there a file of a kind that is refused (catalogue/attachments.tsv,
 * content.block, content.allow)? Other kinds that are told of are evidence, and so is
 * where links lead.
 * Row: content-security-block. */
#include "check/check.h"

static struct slice text(const char *s, size_t len)
{
    return (struct slice){(const unsigned char *)s, len};
}

void check_content_security(const struct check_facts *f, struct check_verdict *out)
{
    const struct inspect_report *r = f->content;
    if (r->linked_len > 0) {
        fields_add(&out->evidence, "links", text(r->linked, r->linked_len));
    }
    if (r->refused) {
        fields_add(&out->evidence, "file", text(r->file.place, r->file.place_len));
        fields_add(&out->evidence, "what", text(r->file.what, r->file.what_len));
        out->reply = REPLY_content_security_block;
    } else if (r->notes_len > 0) {
        fields_add(&out->evidence, "what", text(r->notes, r->notes_len));
    }
}
