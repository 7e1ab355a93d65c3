#include "senderauth/domain.h"

#include <idn2.h>
#include <string.h>

unsigned domain_labels(struct slice name)
{
    unsigned n = name.len > 0;
    for (size_t i = 0; i < name.len; i++) {
        n += name.ptr[i] == '.';
    }
    return n;
}

struct slice domain_parent(struct slice name)
{
    return slice_from(name, slice_find(name, '.') + 1);
}

/* Longest domain in UTF-8 that is looked at: U-labels may be longer than their A-labels. */
enum { TYPED_MAX = 4 * DNS_NAME_MAX };

static bool to_ascii(struct slice typed, unsigned char out[DNS_NAME_MAX], size_t *len)
{
    char text[TYPED_MAX + 1];
    char *ascii = NULL;
    if (!slice_cstr(typed, text, sizeof text) ||
        idn2_to_ascii_8z(text, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) !=
            IDN2_OK) {
        return false;
    }
    struct slice s = slice_of(ascii);
    bool fits = s.len <= DNS_NAME_MAX;
    if (fits) {
        memcpy(out, s.ptr, s.len);
        *len = s.len;
    }
    idn2_free(ascii);
    return fits;
}

bool domain_take(struct slice typed, unsigned char out[DNS_NAME_MAX], size_t *len)
{
    if (typed.len > 0 && typed.ptr[typed.len - 1] == '.') {
        typed.len--;
    }
    if (typed.len == 0 || typed.len > TYPED_MAX || typed.ptr[0] == '[') {
        return false;
    }
    bool ascii = true;
    for (size_t i = 0; i < typed.len; i++) {
        if (typed.ptr[i] <= ' ' || typed.ptr[i] == 0x7f) {
            return false;
        }
        ascii = ascii && typed.ptr[i] < 0x80;
    }
    if (!ascii) {
        return to_ascii(typed, out, len) && dns_name_ok((struct slice){out, *len});
    }
    if (!dns_name_ok(typed)) {
        return false;
    }
    for (size_t i = 0; i < typed.len; i++) {
        out[i] = ascii_lower(typed.ptr[i]);
    }
    *len = typed.len;
    return true;
}
