/* dns/decode_fuzz.c - whatever a message holds, an answer keeps its promises: records only where
 * something was found, names in lower case that are names (and data that spells them), texts
 * no longer than their data, and the same answer again from a copy of the message.
 * The input: type, length of the name, name, message. */
#include "dns/decode.h"

#include "dns/name.h"

#include <stdlib.h>
#include <string.h>

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

/* The name as on the wire at the end of the data. */
static void check_spelled(struct slice name, struct slice data)
{
    require(dns_name_ok(name) && data.len >= 1);
    while (name.len > 0) {
        struct slice label = slice_sub(name, 0, slice_find(name, '.'));
        require(data.len > label.len && data.ptr[0] == label.len &&
                slice_eq(slice_sub(data, 1, label.len), label));
        for (size_t i = 0; i < label.len; i++) {
            require(ascii_lower(label.ptr[i]) == label.ptr[i]);
        }
        data = slice_from(data, label.len + 1);
        name = slice_from(name, label.len + 1);
    }
    require(data.len == 1 && data.ptr[0] == 0);
}

static void check(const struct dns_answer *a, enum dns_type type)
{
    require((a->status == DNS_FOUND) == (a->n > 0));
    require((a->status == DNS_FAILED) == (a->why != NULL));
    require(dns_name_ok(a->name));
    for (unsigned i = 0; i < a->n; i++) {
        const struct dns_record *r = &a->record[i];
        if (type == DNS_PTR || type == DNS_CNAME || type == DNS_NS) {
            check_spelled(r->name, r->data);
        } else if (type == DNS_MX) {
            check_spelled(r->name, slice_from(r->data, 2));
        } else if (type == DNS_A) {
            require(r->data.len == 4 && ip_is_v4(&r->ip));
        }
        require(r->text.len <= r->data.len);
    }
}

static void same(const struct dns_answer *a, const struct dns_answer *b)
{
    require(a->status == b->status && a->n == b->n && slice_eq(a->name, b->name));
    for (unsigned i = 0; i < a->n; i++) {
        require(slice_eq(a->record[i].data, b->record[i].data) &&
                slice_eq(a->record[i].text, b->record[i].text));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct slice in = {data, len};
    struct arena one, two;
    struct dns_answer a, b;
    if (in.len < 2) {
        return 0;
    }
    enum dns_type type = (enum dns_type)in.ptr[0];
    struct slice name = slice_sub(in, 2, in.ptr[1]);
    struct slice message = slice_from(in, 2 + name.len);
    if (!dns_name_ok(name)) {
        return 0;
    }
    arena_init(&one, 1024U * 1024);
    arena_init(&two, 1024U * 1024);
    dns_decode(message, type, name, &one, &a);
    check(&a, type);
    unsigned char *copy = malloc(message.len + 1);
    require(copy != NULL);
    if (message.len > 0) {
        memcpy(copy, message.ptr, message.len);
    }
    dns_decode((struct slice){copy, message.len}, type, name, &two, &b);
    memset(copy, 'x', message.len); /* nothing may rest on the message */
    free(copy);
    same(&a, &b);
    arena_clear(&one);
    arena_clear(&two);
    return 0;
}
