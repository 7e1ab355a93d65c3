/* directory/name.c - see name.h */
#include "directory/name.h"

#include <idn2.h>
#include <stdio.h>
#include <string.h>

enum { LABEL_MAX = 63, DOMAIN_TEXT_MAX = 253, TYPED_MAX = 1024 };

/* What libidn2 made of it must still be a host name (RFC 1123 2.1; "_" is seen in use).
 */
static bool host_name_ok(struct slice name)
{
    if (name.len == 0 || name.len > DOMAIN_TEXT_MAX) {
        return false;
    }
    while (name.len > 0) {
        size_t end = slice_find(name, '.');
        struct slice label = slice_sub(name, 0, end);
        if (label.len == 0 || label.len > LABEL_MAX || label.ptr[0] == '-' ||
            label.ptr[label.len - 1] == '-' || end + 1 == name.len) {
            return false;
        }
        for (size_t i = 0; i < label.len; i++) {
            unsigned char c = label.ptr[i];
            if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' && c != '_') {
                return false;
            }
        }
        name = slice_from(name, end + 1);
    }
    return true;
}

const char *dir_name_domain(const char *text, struct dir_name *out)
{
    char typed[TYPED_MAX];
    struct slice s = slice_of(text);
    char *ascii = NULL;
    const char *wrong = "is not a domain name; a domain looks like example.test";
    if (s.len > 1 && s.ptr[s.len - 1] == '.') {
        s = slice_sub(s, 0, s.len - 1);
    }
    if (!slice_cstr(s, typed, sizeof typed) ||
        idn2_to_ascii_8z(typed, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) !=
            IDN2_OK) {
        return wrong;
    }
    struct slice name = slice_of(ascii);
    struct dir_name n = {0};
    if (host_name_ok(name) && slice_cstr(name, n.domain, sizeof n.domain)) {
        for (char *p = n.domain; *p != '\0'; p++) {
            *p = (char)ascii_lower((unsigned char)*p);
        }
        *out = n;
        wrong = NULL;
    }
    idn2_free(ascii);
    return wrong;
}

bool dir_name_ascii(struct slice domain, unsigned char out[DIR_DOMAIN_MAX],
                    struct slice *ascii)
{
    char text[TYPED_MAX];
    struct dir_name n = {0};
    if (!slice_cstr(domain, text, sizeof text) || dir_name_domain(text, &n) != NULL) {
        return false;
    }
    struct slice name = slice_of(n.domain);
    memcpy(out, name.ptr, name.len);
    *ascii = (struct slice){out, name.len};
    return true;
}

/* atext of RFC 5321 without "/" and "%" (both stand for something in a path), and what is
 * not ASCII. */
static bool local_octet_ok(unsigned char c)
{
    return c >= 0x80 || ascii_is_alpha(c) || ascii_is_digit(c) ||
           (c != '\0' && strchr("!#$&'*+-=?^_`{|}~", c) != NULL);
}

static const char *read_local(struct slice s, char out[DIR_LOCAL_MAX + 1])
{
    if (s.len == 0) {
        return "has no local part; an address looks like alice@example.test";
    }
    if (s.len > DIR_LOCAL_MAX) {
        return "has a local part of more than 64 octets";
    }
    for (size_t i = 0; i < s.len; i++) {
        bool dot = s.ptr[i] == '.';
        bool dot_ok = i > 0 && i + 1 < s.len && s.ptr[i - 1] != '.';
        if (dot ? !dot_ok : !local_octet_ok(s.ptr[i])) {
            return "has a character in its local part that cannot stand there; letters, "
                   "digits "
                   "and . _ - + are safe";
        }
        out[i] = (char)ascii_lower(s.ptr[i]);
    }
    out[s.len] = '\0';
    return NULL;
}

const char *dir_name_address(const char *text, const char *domain, struct dir_name *out)
{
    struct slice s = slice_of(text);
    size_t at = slice_rfind(s, '@');
    char typed[TYPED_MAX];
    struct dir_name n = {0};
    if (at == s.len && domain == NULL) {
        return "is not an address; an address looks like alice@example.test";
    }
    if (!slice_cstr(at == s.len ? slice_of(domain) : slice_from(s, at + 1), typed,
                    sizeof typed)) {
        return "is too long for an address";
    }
    const char *wrong = dir_name_domain(typed, &n);
    if (wrong != NULL) {
        return "has no domain name after the @; an address looks like alice@example.test";
    }
    wrong = read_local(slice_sub(s, 0, at), n.local);
    if (wrong == NULL) {
        *out = n;
    }
    return wrong;
}

const char *dir_name_text(const struct dir_name *name, char out[DIR_NAME_TEXT_MAX])
{
    (void)snprintf(out, DIR_NAME_TEXT_MAX, "%s@%s", name->local, name->domain);
    return out;
}
