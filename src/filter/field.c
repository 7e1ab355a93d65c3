/* filter/field.c - see field.h */
#include "filter/field.h"

bool filter_is_name(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] <= ' ' || name.ptr[i] > '~' || name.ptr[i] == ':') {
            return false;
        }
    }
    return name.len > 0;
}

static bool is_end(unsigned char c)
{
    return c == '\r' || c == '\n';
}

bool filter_field(struct buf *out, struct slice name, struct slice value, bool space)
{
    size_t before = out->len;
    if (!filter_is_name(name)) {
        return false;
    }
    while (value.len > 0 && (is_end(value.ptr[value.len - 1]) ||
                             ascii_is_blank(value.ptr[value.len - 1]))) {
        value.len--;
    }
    (void)buf_add(out, name);
    (void)buf_add_str(out, ":");
    if (space && (value.len == 0 || !ascii_is_blank(value.ptr[0]))) {
        (void)buf_add_byte(out, ' ');
    }
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = value.ptr[i];
        if (!is_end(c)) {
            (void)buf_add_byte(out, c >= ' ' || c == '\t' ? c : '?');
            continue;
        }
        while (i + 1 < value.len && is_end(value.ptr[i + 1])) {
            i++;
        }
        /* what follows is no line end, and not nothing: the value's end is neither */
        (void)buf_add_str(out, ascii_is_blank(value.ptr[i + 1]) ? "\r\n" : "\r\n\t");
    }
    (void)buf_add_str(out, "\r\n");
    if (out->failed) {
        out->len = before; /* no half of a field */
    }
    return !out->failed;
}
