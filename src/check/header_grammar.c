/* check/header_grammar.c - are the values of fields that have a grammar what it wants (From and
 * Message-ID have rows of their own)? Trace fields are a check of their own: RFC 5321 4.4 forbids to refuse
 * for them, so it observes, unless the postmaster wants more.
 * Row: header-malformed-named. */
#include "check/check.h"
#include "message/field_rule.h"

static void look(const struct check_facts *f, bool trace, struct check_verdict *out)
{
    for (unsigned i = 0; i < f->head->n; i++) {
        const struct header_field *field = &f->head->field[i];
        const struct field_rule *rule = field_rule(field->name);
        if (rule == NULL || field_is_trace(rule->kind) != trace ||
            slice_ieq(field->name, SLICE("From")) ||
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

void check_header_grammar(const struct check_facts *f, struct check_verdict *out)
{
    look(f, false, out);
}

void check_header_trace(const struct check_facts *f, struct check_verdict *out)
{
    look(f, true, out);
}
