/* check/header_name.c - is every field's name within limits.header-name-size?
 * Row: header-name-too-long. */
#include "check/check.h"

void check_header_name(const struct check_facts *f, struct check_verdict *out)
{
    struct slice longest = {0};
    for (unsigned i = 0; i < f->head->n; i++) {
        struct slice name = f->head->field[i].name;
        longest = name.len > longest.len ? name : longest;
    }
    fields_add_u64(&out->evidence, "size", longest.len);
    fields_add_u64(&out->evidence, "limit", f->config->limits_header_name_size);
    if (longest.len > f->config->limits_header_name_size) {
        fields_add(&out->evidence, "field", longest);
        out->reply = REPLY_header_name_too_long;
    }
}
