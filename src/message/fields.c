/* message/fields.c - see fields.h */
#include "message/fields.h"

/* The length of the first line with its CRLF, if it has one. */
static size_t line_len(struct slice s)
{
    size_t at = slice_find(s, '\n');
    return at == s.len ? s.len : at + 1;
}

/* The colon behind a field name (RFC 5322 2.2: printable ASCII but the colon; 4.5: then perhaps
 * blanks); s.len: the line is no field. */
static size_t find_colon(struct slice s, size_t *name_len)
{
    size_t i = 0;
    while (i < s.len && s.ptr[i] > ' ' && s.ptr[i] < 127 && s.ptr[i] != ':') {
        i++;
    }
    *name_len = i;
    while (i < s.len && ascii_is_blank(s.ptr[i])) {
        i++;
    }
    return *name_len > 0 && i < s.len && s.ptr[i] == ':' ? i : s.len;
}

bool header_field_next(struct slice *rest, unsigned *line, struct header_field *out)
{
    size_t name_len = 0;
    size_t len = line_len(*rest);
    size_t colon = find_colon(slice_sub(*rest, 0, len), &name_len);
    if (colon == len) {
        return false;
    }
    unsigned line_n = 1;
    while (len < rest->len && ascii_is_blank(rest->ptr[len])) {
        len += line_len(slice_from(*rest, len));
        line_n++;
    }
    out->raw = slice_sub(*rest, 0, len);
    out->name = slice_sub(*rest, 0, name_len);
    out->value = slice_from(out->raw, colon + 1);
    if (out->value.len > 0 && out->value.ptr[out->value.len - 1] == '\n') {
        out->value.len--;
        if (out->value.len > 0 && out->value.ptr[out->value.len - 1] == '\r') {
            out->value.len--;
        }
    }
    out->line = *line;
    *line += line_n;
    *rest = slice_from(*rest, len);
    return true;
}
