/* message/params_fuzz.c - parameters lie within the field and go forward; a name written in the
 * strict form, whole or in pieces, is found among the candidates; nothing passes the limits. */
#include "message/params.h"

#include <stdlib.h>

static bool has_name(const struct mime_names *names, struct slice name)
{
    for (unsigned i = 0; i < names->n; i++) {
        if (slice_eq(mime_name(names, i), name)) {
            return true;
        }
    }
    return false;
}

/* The input as a name, percent-encoded, in pieces of `step` octets. */
static void check_encoded(struct slice name, size_t step)
{
    struct mime_names names;
    struct buf field;
    unsigned n = 0;
    buf_init(&field, 65536);
    for (size_t at = 0; at < name.len; at += step) {
        (void)buf_add_fmt(&field, "; filename*%u*=%s", n, n == 0 ? "us-ascii''" : "");
        for (size_t i = at; i < at + step && i < name.len; i++) {
            (void)buf_add_fmt(&field, "%%%02X", name.ptr[i]);
        }
        n++;
    }
    mime_names_init(&names);
    mime_names_add(&names, buf_slice(&field));
    if (n > 0 && !has_name(&names, name)) {
        abort();
    }
    mime_names_clear(&names);
    buf_clear(&field);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct slice all = {data, len}, rest = all, ascii;
    struct mime_param p;
    struct mime_names names;
    unsigned char text[48];
    while (mime_param_next(&rest, &p)) {
        if (p.name.len + p.value.len > len || p.long_value.len > len ||
            p.name.ptr < data || p.value.ptr + p.value.len > data + len) {
            abort();
        }
    }
    mime_names_init(&names);
    mime_names_add(&names, all);
    for (unsigned i = 0; i < names.n; i++) {
        struct slice name = mime_name(&names, i);
        if (name.len == 0 || name.len > MIME_NAME_MAX) {
            abort();
        }
        for (unsigned j = 0; j < i; j++) {
            if (slice_eq(name, mime_name(&names, j))) {
                abort();
            }
        }
    }
    mime_names_clear(&names);
    for (ascii = (struct slice){text, 0}; ascii.len < sizeof text && ascii.len < len;) {
        text[ascii.len] = data[ascii.len] % 95 + 32;
        ascii.len++;
    }
    check_encoded(ascii, 1 + (len > 0 ? data[0] % 9U : 0));
    return 0;
}
