/* senderauth/dkim_domain.c - see dkim_domain.h */
#include "senderauth/dkim_domain.h"

#include "senderauth/domain.h"

#include <string.h>

_Static_assert(DKIM_DOMAIN_ROOM == DNS_NAME_MAX + 1, "a name and a NUL");

static bool is_label(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = s.ptr[i];
        bool inside = i > 0 && i + 1 < s.len;
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '_' &&
            (c != '-' || !inside)) {
            return false;
        }
    }
    return s.len > 0;
}

bool dkim_domain(struct slice name, char out[DKIM_DOMAIN_ROOM])
{
    unsigned char ascii[DNS_NAME_MAX];
    size_t len = 0;
    if (!domain_take(name, ascii, &len)) {
        return false;
    }
    struct slice rest = {ascii, len};
    while (rest.len > 0) {
        size_t dot = slice_find(rest, '.');
        if (!is_label(slice_sub(rest, 0, dot))) {
            return false;
        }
        rest = slice_from(rest, dot + 1);
    }
    memcpy(out, ascii, len);
    out[len] = '\0';
    return true;
}
