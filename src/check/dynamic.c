/* check/dynamic.c - is the client's address of a kind that sends no mail by itself: one that a provider gives
 * to homes, by a list or by its name?
 * Row: ip-not-authorized. */
#include "check/client_dns.h"
#include "senderauth/ptr.h"

/* Does the number stand in the name, with no digit beside it but zeros before it? */
static bool has_number(struct slice name, unsigned number)
{
    size_t i = 0;
    while (i < name.len) {
        uint64_t value = 0;
        size_t end = i;
        while (end < name.len && ascii_is_digit(name.ptr[end])) {
            end++;
        }
        if (end > i && slice_u64(slice_sub(name, i, end - i), &value) &&
            value == number) {
            return true;
        }
        i = end + 1;
    }
    return false;
}

static bool named_so(const struct check_facts *f, struct slice name, const char **pattern)
{
    const struct config_list *list = &f->config->checks_dynamic_names;
    const unsigned char *octet = f->address->octet;
    if (!ip_is_v4(f->address) || !has_number(name, octet[14]) ||
        !has_number(name, octet[15])) {
        return false;
    }
    for (unsigned i = 0; i < list->n; i++) {
        if (slice_like(name, slice_of(list->item[i]))) {
            *pattern = list->item[i];
            return true;
        }
    }
    return false;
}

void check_dynamic(const struct check_facts *f, struct check_verdict *out)
{
    struct slice zone;
    struct ip answer;
    struct ptr ptr;
    const char *pattern = NULL;
    fields_add(&out->evidence, "ip", f->ip);
    if (!client_dns_judged(f)) {
        return;
    }
    enum client_listed listed =
        client_dns_listed(f, &f->config->checks_dynamic_lists, &zone, &answer);
    if (listed == LISTED_WAITS || !ptr_check(f->dns_session, f->address, &ptr)) {
        out->waits = true;
        return;
    }
    if (ptr.name.len > 0) {
        fields_add(&out->evidence, "ptr", ptr.name);
    }
    if (listed == LISTED_YES) {
        fields_add_str(&out->evidence, "what",
                       check_text(out, "listed as such by %.*s", (int)zone.len,
                                  (const char *)zone.ptr));
    } else if (named_so(f, ptr.name, &pattern)) {
        fields_add_str(&out->evidence, "what",
                       check_text(out, "its name is %.*s, as %s", (int)ptr.name.len,
                                  (const char *)ptr.name.ptr, pattern));
    } else {
        return;
    }
    out->reply = REPLY_ip_not_authorized;
}
