/* base/base32.c - see base32.h */
#include "base/base32.h"

static const char signs[] = "abcdefghijklmnopqrstuvwxyz234567";

bool base32_encode(struct buf *b, struct slice s)
{
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < s.len; i++) {
        bits = bits << 8 | s.ptr[i];
        for (have += 8; have >= 5; have -= 5) {
            (void)buf_add_byte(b, (unsigned char)signs[bits >> (have - 5) & 31]);
        }
    }
    if (have > 0) {
        (void)buf_add_byte(b, (unsigned char)signs[bits << (5 - have) & 31]);
    }
    return !b->failed;
}

static int value_of(unsigned char sign)
{
    sign = ascii_lower(sign);
    return sign >= 'a' && sign <= 'z'   ? sign - 'a'
           : sign >= '2' && sign <= '7' ? sign - '2' + 26
                                        : -1;
}

bool base32_decode(struct slice s, unsigned char *out, size_t n)
{
    uint32_t bits = 0;
    unsigned have = 0;
    size_t at = 0;
    if (s.len != BASE32_LEN(n)) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        int value = value_of(s.ptr[i]);
        if (value < 0) {
            return false;
        }
        bits = bits << 5 | (uint32_t)value;
        have += 5;
        if (have >= 8) {
            have -= 8;
            out[at++] = (unsigned char)(bits >> have & 0xff);
        }
    }
    return at == n && (bits & ((1U << have) - 1)) == 0;
}
