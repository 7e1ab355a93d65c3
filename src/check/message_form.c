/* check/message_form.c - is it a message at all (RFC 5322 2.1, 4): a header section of fields, an
 * empty line, then text without NUL?
 * Row: message-malformed. */
#include "check/check.h"

void check_message_form(const struct check_facts *f, struct check_verdict *out)
{
    const struct message_head *h = f->head;
    const char *what = NULL;
    uint64_t line = 0;
    if (h->field_n == 0) {
        what = "it has no header section";
    } else if (h->no_field) {
        what = "a line of the header section is neither a field nor folded";
        line = h->line;
    } else if (f->lines->nul_line != 0) {
        what = "it contains NUL";
        line = f->lines->nul_line;
    } else if (f->config->limits_line > 0 && f->lines->longest > f->config->limits_line) {
        what = "a line is longer than allowed";
        line = f->lines->longest_line;
        fields_add_u64(&out->evidence, "size", f->lines->longest);
        fields_add_u64(&out->evidence, "limit", f->config->limits_line);
    }
    if (what != NULL) {
        fields_add_str(&out->evidence, "what", what);
        fields_add_u64(&out->evidence, "line", line);
        out->reply = REPLY_message_malformed;
    }
}
