/* base/json.c - see json.h */
#include "base/json.h"

enum { REPLACEMENT = 0xfffd };

/* RFC 3629 4:
 *   UTF8-2 = %xC2-DF UTF8-tail
 *   UTF8-3 = %xE0 %xA0-BF UTF8-tail / %xE1-EC 2( UTF8-tail ) /
 *            %xED %x80-9F UTF8-tail / %xEE-EF 2( UTF8-tail )
 *   UTF8-4 = %xF0 %x90-BF 2( UTF8-tail ) / %xF1-F3 3( UTF8-tail ) /
 *            %xF4 %x80-8F 2( UTF8-tail ) */
static const struct {
    unsigned char first, last; /* octet 1 */
    unsigned char low, high;   /* octet 2; those that follow are 80-BF */
    unsigned char len;
} forms[] = {
    {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
    {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
    {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

/* The character at the start of s (not ASCII) and how many octets it has. */
static uint32_t take_char(struct slice s, size_t *len)
{
    *len = 1;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        size_t n = forms[i].len;
        if (s.ptr[0] < forms[i].first || s.ptr[0] > forms[i].last) {
            continue;
        }
        if (s.len < n || s.ptr[1] < forms[i].low || s.ptr[1] > forms[i].high) {
            return REPLACEMENT;
        }
        uint32_t c = s.ptr[0] & (0xffU >> (n + 1));
        for (size_t k = 1; k < n; k++) {
            if ((s.ptr[k] & 0xc0) != 0x80) {
                return REPLACEMENT;
            }
            c = c << 6 | (s.ptr[k] & 0x3fU);
        }
        *len = n;
        return c;
    }
    return REPLACEMENT;
}

static void add_unit(struct buf *b, uint32_t unit)
{
    (void)buf_add_fmt(b, "\\u%04x", (unsigned)unit);
}

bool json_add_string(struct buf *b, struct slice s)
{
    (void)buf_add_byte(b, '"');
    while (s.len != 0) {
        unsigned char c = s.ptr[0];
        size_t len = 1;
        if (c >= 0x80) {
            uint32_t wide = take_char(s, &len);
            if (wide >= 0x10000) {
                add_unit(b, 0xd800 + ((wide - 0x10000) >> 10));
                add_unit(b, 0xdc00 + ((wide - 0x10000) & 0x3ff));
            } else {
                add_unit(b, wide);
            }
        } else if (c < 0x20 || c == 0x7f) {
            add_unit(b, c);
        } else {
            if (c == '"' || c == '\\') {
                (void)buf_add_byte(b, '\\');
            }
            (void)buf_add_byte(b, c);
        }
        s = slice_from(s, len);
    }
    return buf_add_byte(b, '"');
}
