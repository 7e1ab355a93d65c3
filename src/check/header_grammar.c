/* check/header_grammar.c - are the values of fields that have a grammar what it wants (From and
 * Message-ID have rows of their own; trace fields may be anything, RFC 5321 4.4)?
 * Row: header-malformed-named. */
#include "check/check.h"
#include "message/field_rule.h"

void check_header_grammar(const struct check_facts *f, struct check_verdict *out)
{
    for (unsigned i = 0; i < f->head->n; i++) {
        const struct header_field *field = &f->head->field[i];
        const struct field_rule *rule = field_rule(field->name);
        if (rule == NULL || slice_ieq(field->name, SLICE("From")) ||
            slice_ieq(field->name, SLICE("Message-ID"))) {
            continue;
        }
        const char *fault = field_fault(rule->kind, field->value);
        if (fault != NULL) {
            fields_add(&out->evidence, "field", field->name);
            fields_add_str(&out->evidence, "what", fault);
            fields_add(&out->evidence, "value", slice_strip(field->value));
            fields_add_u64(&out->evidence, "line", field->line);
            out->reply = REPLY_header_malformed_named;
            return;
        }
    }
}
