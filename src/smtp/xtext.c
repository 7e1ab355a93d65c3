/* smtp/xtext.c - see xtext.h */
#include "smtp/xtext.h"

static int hex_digit(unsigned char c)
{
    if (ascii_is_digit(c)) {
        return c - '0';
    }
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One character off the front of *s; -1: there is none. */
static int take(struct slice *s)
{
    unsigned char c = s->ptr[0];
    if (c != '+') {
        *s = slice_from(*s, 1);
        return c <= ' ' || c >= 0x7f || c == '=' ? -1 : c;
    }
    int high = s->len < 3 ? -1 : hex_digit(s->ptr[1]);
    int low = s->len < 3 ? -1 : hex_digit(s->ptr[2]);
    *s = slice_from(*s, 3);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

bool smtp_xtext_decode(struct slice s, unsigned char *out, size_t cap, size_t *n)
{
    size_t len = 0;
    while (s.len > 0) {
        int c = take(&s);
        if (c < 0 || len == cap) {
            return false;
        }
        out[len++] = (unsigned char)c;
    }
    *n = len;
    return true;
}

bool smtp_xtext_printable(struct slice s)
{
    while (s.len > 0) {
        int c = take(&s);
        if (c < ' ' || c >= 0x7f) {
            return false;
        }
    }
    return true;
}
