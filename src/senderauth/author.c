#include "senderauth/author.h"

#include "message/address_list.h"
#include "message/fields.h"
#include "senderauth/domain.h"

#include <string.h>

static void fail(struct author *out, enum author_status status, const char *problem)
{
    if (out->status == AUTHOR_OK) {
        out->status = status;
        out->problem = problem;
    }
}

/* Letters, digits, hyphen and, since it is seen, underscore. */
static bool is_host(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = name.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' && c != '_' &&
            c != '.') {
            return false;
        }
    }
    return true;
}

static void keep(void *arg, const struct address *a)
{
    struct author *out = arg;
    unsigned char name[DNS_NAME_MAX];
    size_t len;
    if (a->literal) {
        fail(out, AUTHOR_DOMAIN, "an address literal for a domain");
        return;
    }
    if (!domain_take(a->domain, name, &len) || !is_host((struct slice){name, len})) {
        fail(out, AUTHOR_DOMAIN, "a domain that is none");
        return;
    }
    out->addresses++;
    for (unsigned i = 0; i < out->n; i++) {
        if (slice_eq(out->domain[i], (struct slice){name, len})) {
            return;
        }
    }
    if (out->n == AUTHOR_DOMAINS_MAX) {
        fail(out, AUTHOR_TOO_MANY, "addresses in more than 8 domains");
        return;
    }
    unsigned char *to = out->text + (size_t)out->n * DNS_NAME_MAX;
    memcpy(to, name, len);
    out->domain[out->n++] = (struct slice){to, len};
}

void author_of_value(struct slice value, struct author *out)
{
    memset(out, 0, offsetof(struct author, domain));
    const char *fault = address_list(value, ADDRESS_NONE_OK, keep, out);
    if (fault != NULL) {
        fail(out, AUTHOR_SYNTAX, fault);
    }
    if (out->status == AUTHOR_OK && out->addresses == 0) {
        fail(out, AUTHOR_NOBODY, "no address");
    }
}

void author_of_header(struct slice header, struct author *out)
{
    struct header_field field;
    struct slice value = {0};
    unsigned line = 1, n = 0;
    while (header_field_next(&header, &line, &field)) {
        if (slice_ieq(field.name, SLICE("From"))) {
            value = field.value;
            n++;
        }
    }
    if (n == 1) {
        author_of_value(value, out);
        return;
    }
    memset(out, 0, offsetof(struct author, domain));
    out->status = n == 0 ? AUTHOR_MISSING : AUTHOR_FIELDS;
    out->problem = n == 0 ? "no From field" : "more than one From field";
}
