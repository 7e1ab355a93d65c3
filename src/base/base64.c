/* base/base64.c - see base64.h */
#include "base/base64.h"

static const char signs[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool base64_encode(struct buf *b, struct slice s)
{
    for (; s.len > 0 && !b->failed; s = slice_from(s, 3)) {
        uint32_t v = (uint32_t)s.ptr[0] << 16 |
                     (s.len > 1 ? (uint32_t)s.ptr[1] << 8 : 0) |
                     (s.len > 2 ? s.ptr[2] : 0U);
        (void)buf_add_byte(b, (unsigned char)signs[v >> 18]);
        (void)buf_add_byte(b, (unsigned char)signs[v >> 12 & 63]);
        (void)buf_add_byte(b, s.len > 1 ? (unsigned char)signs[v >> 6 & 63] : '=');
        (void)buf_add_byte(b, s.len > 2 ? (unsigned char)signs[v & 63] : '=');
    }
    return !b->failed;
}

/* 0 to 63; 64: no sign of base64. */
static unsigned value_of(unsigned char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26U;
    }
    if (ascii_is_digit(c)) {
        return c - '0' + 52U;
    }
    return c == '+' ? 62 : c == '/' ? 63 : 64;
}

bool base64_decode(struct slice s, unsigned char *out, size_t cap, size_t *len)
{
    size_t n = 0;
    if (s.len % 4 != 0) {
        return false;
    }
    for (; s.len > 0; s = slice_from(s, 4)) {
        bool last = s.len == 4;
        size_t pad = !last || s.ptr[3] != '=' ? 0 : s.ptr[2] == '=' ? 2 : 1;
        uint32_t v = 0;
        for (size_t i = 0; i < 4; i++) {
            unsigned sign = i < 4 - pad ? value_of(s.ptr[i]) : 0;
            if (sign > 63) {
                return false;
            }
            v = v << 6 | sign;
        }
        if ((v & ((1U << 8 * pad) - 1)) != 0 || cap - n < 3 - pad) {
            return false; /* RFC 4648 3.5: the same octets in another dress */
        }
        for (size_t i = 0; i < 3 - pad; i++) {
            out[n++] = (unsigned char)(v >> (16 - 8 * i));
        }
    }
    *len = n;
    return true;
}
