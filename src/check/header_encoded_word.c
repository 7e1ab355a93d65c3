/* check/header_encoded_word.c - does an encoded word stand where RFC 2047 5 forbids it: in an address,
 * an identifier, a date, a MIME token? What it seems to say there, other programs do not see.
 * Row: header-encoded-word-disallowed. */
#include "check/check.h"
#include "message/field_rule.h"

void check_header_encoded_word(const struct check_facts *f, struct check_verdict *out)
{
    for (unsigned i = 0; i < f->head->n; i++) {
        const struct header_field *field = &f->head->field[i];
        const struct field_rule *rule = field_rule(field->name);
        if (rule != NULL && field_encoded_word(rule->kind, field->value)) {
            fields_add(&out->evidence, "field", field->name);
            fields_add(&out->evidence, "value", slice_strip(field->value));
            fields_add_u64(&out->evidence, "line", field->line);
            out->reply = REPLY_header_encoded_word_disallowed;
            return;
        }
    }
}
