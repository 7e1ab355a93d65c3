/* check/header_once.c - does a field that may stand once in a message (RFC 5322 3.6, RFC 2045) stand
 * there several times? From has its own rows. Where several fields do, none is named.
 * Rows: header-multiple-named, header-duplicate. */
#include "check/check.h"
#include "message/field_rule.h"

void check_header_once(const struct check_facts *f, struct check_verdict *out)
{
    const struct field_rule *rule;
    unsigned repeated = 0;
    for (unsigned i = 0; (rule = field_rule_n(i)) != NULL; i++) {
        char name[FIELDS_DIGITS + 8];
        IGNORE(
            !slice_cstr(rule->name, name, sizeof name)); /* the longest has 25 octets */
        unsigned n = rule->once ? message_head_count(f->head, name) : 0;
        if (n < 2 || slice_ieq(rule->name, SLICE("From"))) {
            continue;
        }
        fields_add(&out->evidence, "field", rule->name);
        fields_add_u64(&out->evidence, "measured", n);
        repeated++;
    }
    if (repeated > 0) {
        out->reply = repeated == 1 ? REPLY_header_multiple_named : REPLY_header_duplicate;
    }
}
