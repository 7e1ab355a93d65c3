/* check/header_unicode.c - do octets above 127 stand in a field where they may not? Without SMTPUTF8
 * nowhere by RFC 5322; checks.header-8bit-text lets them pass in text all the same (display names,
 * comments, parameters, unstructured fields), as large providers do. With SMTPUTF8 (RFC 6532) nowhere but in
 * addresses, identifiers and text, and as UTF-8.
 * Row: header-unicode-disallowed. */
#include "check/check.h"
#include "message/field_rule.h"

static const char *fault_of(const struct check_facts *f, const struct header_field *field)
{
    const struct field_rule *rule = field_rule(field->name);
    bool utf8 = f->envelope->params.smtputf8;
    bool strict = !f->config->checks_header_8bit_text;
    switch (field_8bit(rule == NULL ? FIELD_TEXT : rule->kind, field->value)) {
    case FIELD_ASCII:
        break;
    case FIELD_8BIT_TEXT:
        return utf8     ? smtp_utf8_ok(field->value) || !strict ? NULL : "it is no UTF-8"
               : strict ? "it has octets above 127, without SMTPUTF8"
                        : NULL;
    case FIELD_8BIT_TOKEN:
        return !utf8                        ? "an address or identifier needs SMTPUTF8"
               : smtp_utf8_ok(field->value) ? NULL
                                            : "an address or identifier is no UTF-8";
    case FIELD_8BIT_NEVER:
        return "octets above 127 can never stand there";
    }
    return NULL;
}

void check_header_unicode(const struct check_facts *f, struct check_verdict *out)
{
    for (unsigned i = 0; i < f->head->n; i++) {
        const struct header_field *field = &f->head->field[i];
        const char *fault = fault_of(f, field);
        if (fault != NULL) {
            fields_add(&out->evidence, "field", field->name);
            fields_add_str(&out->evidence, "what", fault);
            fields_add_u64(&out->evidence, "line", field->line);
            out->reply = REPLY_header_unicode_disallowed;
            return;
        }
    }
}
