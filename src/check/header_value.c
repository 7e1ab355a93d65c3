/* check/header_value.c - is every field's value within limits.header-value-size, that of Message-ID
 * within message-id-size? Lists of recipients and References may be as long as the header section
 * may; Subject has a limit of its own. A name that is too long for a reply is not given.
 * Rows: header-value-too-long-named, header-value-too-long. */
#include "check/check.h"
#include "message/field_rule.h"

static uint64_t limit_of(const struct config *config, struct slice name)
{
    static const struct slice unlimited[] = {
        SLICE_INIT("To"),         SLICE_INIT("Cc"),      SLICE_INIT("Bcc"),
        SLICE_INIT("References"), SLICE_INIT("Subject"),
    };
    for (size_t i = 0; i < sizeof unlimited / sizeof unlimited[0]; i++) {
        if (slice_ieq(name, unlimited[i])) {
            return UINT64_MAX;
        }
    }
    return slice_ieq(name, SLICE("Message-ID")) ? config->limits_message_id_size
                                                : config->limits_header_value_size;
}

void check_header_value(const struct check_facts *f, struct check_verdict *out)
{
    for (unsigned i = 0; i < f->head->n; i++) {
        const struct header_field *field = &f->head->field[i];
        uint64_t limit = limit_of(f->config, field->name);
        size_t size = field_value_len(field->value);
        if (size > limit) {
            bool named = field->name.len <= REPLY_VALUE_MAX;
            fields_add(&out->evidence, "field", field->name);
            fields_add_u64(&out->evidence, "size", size);
            fields_add_u64(&out->evidence, "limit", limit);
            fields_add_u64(&out->evidence, "line", field->line);
            out->reply =
                named ? REPLY_header_value_too_long_named : REPLY_header_value_too_long;
            return;
        }
    }
}
