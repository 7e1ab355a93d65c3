/* check/header_from.c - does the message say who wrote it: one From field (RFC 5322 3.6), one address
 * in it, in a domain that can be one? The first of the rows that holds is given.
 * An address literal is no domain: nothing could be said for or against its author.
 * Rows: header-from-missing, header-from-multiple, header-from-multiple-addresses,
 * header-from-address-invalid, header-from-domain-invalid. */
#include "check/check.h"
#include "message/address_list.h"
#include "smtp/address.h"

struct author {
    unsigned n;
    struct slice bad_domain; /* empty: none is */
};

static void look(void *arg, const struct address *a)
{
    struct author *author = arg;
    struct slice d = a->domain;
    d.len -= d.len > 1 && d.ptr[d.len - 1] == '.'; /* the root: the same name */
    author->n++;
    if (a->literal || smtp_domain_check(d, true) != NULL) {
        author->bad_domain = a->written;
    }
}

static enum reply_id judge(const struct check_facts *f, struct check_verdict *out,
                           unsigned fields)
{
    if (fields == 0) {
        return REPLY_header_from_missing;
    }
    if (fields > 1) {
        fields_add_u64(&out->evidence, "measured", fields);
        return REPLY_header_from_multiple;
    }
    struct author author = {0};
    const struct header_field *from =
        &f->head->field[message_head_find(f->head, "From", 0)];
    const char *fault = address_list(from->value, 0, look, &author);
    fields_add(&out->evidence, "from", slice_strip(from->value));
    if (author.n > 1) {
        fields_add_u64(&out->evidence, "measured", author.n);
        return REPLY_header_from_multiple_addresses;
    }
    if (fault != NULL || author.n == 0) {
        fields_add_str(&out->evidence, "what",
                       fault != NULL ? fault : "it has no address");
        return REPLY_header_from_address_invalid;
    }
    if (author.bad_domain.len > 0) {
        fields_add(&out->evidence, "domain", author.bad_domain);
        return REPLY_header_from_domain_invalid;
    }
    return REPLY_NONE;
}

void check_header_from(const struct check_facts *f, struct check_verdict *out)
{
    out->reply = judge(f, out, message_head_count(f->head, "From"));
}
