/* message/decode.c - see decode.h */
#include "message/decode.h"

#include <string.h>

/* Each value one higher, so that 0 is no sign of base64. */
static const uint8_t base64_value[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,
    ['H'] = 8,  ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14,
    ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21,
    ['V'] = 22, ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28,
    ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35,
    ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42,
    ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49,
    ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63,
    ['/'] = 64,
};

void mime_decoder_init(struct mime_decoder *d, enum mime_encoding encoding)
{
    *d = (struct mime_decoder){.encoding = encoding};
}

/* --- base64 --- */

/* Whole groups of four signs, as many as stand together; how many octets of `in` they are. */
static size_t base64_groups(struct slice in, unsigned char *at, size_t *n)
{
    enum { ONES = 1 << 18 | 1 << 12 | 1 << 6 | 1 };
    size_t i = 0, to = *n;
    for (; i + 4 <= in.len; i += 4) {
        const unsigned char *p = in.ptr + i;
        uint32_t a = base64_value[p[0]], b = base64_value[p[1]];
        uint32_t c = base64_value[p[2]], d = base64_value[p[3]];
        if (((a - 1) | (b - 1) | (c - 1) | (d - 1)) > 63) {
            break;
        }
        uint32_t v = (a << 18) + (b << 12) + (c << 6) + d - ONES;
        at[to] = (unsigned char)(v >> 16);
        at[to + 1] = (unsigned char)(v >> 8);
        at[to + 2] = (unsigned char)v;
        to += 3;
    }
    *n = to;
    return i;
}

/* The octets of a run that ended before its last group was full. */
static size_t base64_rest(struct mime_decoder *d, unsigned char *at)
{
    size_t n = d->have < 2 ? 0 : d->have - 1;
    if (n > 0) {
        at[0] = (unsigned char)(d->bits >> (n == 1 ? 4 : 10));
    }
    if (n > 1) {
        at[1] = (unsigned char)(d->bits >> 2);
    }
    d->have = 0;
    return n;
}

static bool base64_feed(struct mime_decoder *d, struct slice in, struct buf *out)
{
    unsigned char *at = buf_room(out, (d->have + in.len) / 4 * 3 + 3);
    if (at == NULL) {
        return false;
    }
    size_t n = 0;
    for (size_t i = 0; i < in.len; i++) {
        if (d->have == 0 && !d->ended) {
            i += base64_groups(slice_from(in, i), at, &n);
            if (i >= in.len) {
                break;
            }
        }
        unsigned char c = in.ptr[i];
        if (base64_value[c] != 0) {
            d->odd |= d->ended ? MIME_ODD_AFTER_END : 0U;
            d->ended = false;
            d->bits = d->bits << 6 | (base64_value[c] - 1U);
            if (++d->have == 4) {
                at[n++] = (unsigned char)(d->bits >> 16);
                at[n++] = (unsigned char)(d->bits >> 8);
                at[n++] = (unsigned char)d->bits;
                d->have = 0;
            }
        } else if (c == '=') {
            n += base64_rest(d, at + n);
            d->ended = true;
        } else if (c != '\r' && c != '\n' && c != ' ' && c != '\t') {
            d->odd |= MIME_ODD_JUNK;
        }
    }
    buf_grew(out, n);
    return true;
}

/* --- quoted-printable --- */

int mime_hex_value(unsigned char c)
{
    if (ascii_is_digit(c)) {
        return c - '0';
    }
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int mime_quoted_octet(struct slice s)
{
    if (s.len < 3 || s.ptr[0] != '=') {
        return -1;
    }
    int high = mime_hex_value(s.ptr[1]), low = mime_hex_value(s.ptr[2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

enum quoted { QUOTED_MORE = 0, QUOTED_OCTET, QUOTED_BREAK, QUOTED_PLAIN };

/* What begins with "=" at s; *len: its octets. PLAIN: nothing that is encoded. */
static enum quoted quoted_at(struct slice s, size_t *len)
{
    if (mime_quoted_octet(s) >= 0) {
        *len = 3;
        return QUOTED_OCTET;
    }
    size_t i = 1;
    while (i < s.len && (s.ptr[i] == ' ' || s.ptr[i] == '\t' || s.ptr[i] == '\r')) {
        i++;
    }
    if (i < s.len && s.ptr[i] == '\n') {
        *len = i + 1;
        return i < MIME_HELD_MAX ? QUOTED_BREAK : QUOTED_PLAIN;
    }
    bool digit = i == 1 && s.len == 2 && mime_hex_value(s.ptr[1]) >= 0;
    return (i == s.len && i < MIME_HELD_MAX) || digit ? QUOTED_MORE : QUOTED_PLAIN;
}

static bool quoted_feed(struct mime_decoder *d, struct slice in, struct buf *out)
{
    while (in.len > 0 || d->held_len > 0) {
        size_t len = 1, before = d->held_len;
        struct slice at;
        if (before > 0) { /* of what is new, no more than can matter */
            size_t more =
                in.len < MIME_HELD_MAX - before ? in.len : MIME_HELD_MAX - before;
            memcpy(d->held + before, in.ptr, more);
            at = (struct slice){d->held, before + more};
        } else {
            size_t plain = slice_find(in, '=');
            (void)buf_add(out, slice_sub(in, 0, plain));
            at = in = slice_from(in, plain);
        }
        if (at.len == 0) {
            break;
        }
        switch (quoted_at(at, &len)) {
        case QUOTED_MORE:
            memmove(d->held, at.ptr, at.len);
            d->held_len = at.len;
            return !out->failed;
        case QUOTED_OCTET:
            (void)buf_add_byte(out, (unsigned char)mime_quoted_octet(at));
            break;
        case QUOTED_BREAK:
            break;
        case QUOTED_PLAIN: /* up to the last octet seen no other "=" can begin */
            len = 1;
            while (len < before) {
                len++;
            }
            (void)buf_add(out, slice_sub(at, 0, len));
            break;
        }
        d->held_len = 0;
        in = slice_from(in, len - before);
    }
    return !out->failed;
}

/* --- all of them --- */

bool mime_decoder_feed(struct mime_decoder *d, struct slice in, struct buf *out)
{
    switch (d->encoding) {
    case MIME_BASE64:
        return base64_feed(d, in, out);
    case MIME_QUOTED_PRINTABLE:
        return quoted_feed(d, in, out);
    case MIME_IDENTITY:
    case MIME_UUENCODE:
        break;
    }
    return buf_add(out, in);
}

bool mime_decoder_end(struct mime_decoder *d, struct buf *out)
{
    if (d->encoding == MIME_BASE64) {
        unsigned char rest[2];
        size_t n = base64_rest(d, rest);
        return buf_add(out, (struct slice){rest, n});
    }
    size_t n = d->held_len;
    d->held_len = 0;
    return buf_add(out, (struct slice){d->held, n});
}

static bool decode(enum mime_encoding encoding, struct slice in, struct buf *out)
{
    struct mime_decoder d;
    mime_decoder_init(&d, encoding);
    return mime_decoder_feed(&d, in, out) && mime_decoder_end(&d, out);
}

bool mime_decode_base64(struct slice in, struct buf *out)
{
    return decode(MIME_BASE64, in, out);
}

bool mime_decode_quoted(struct slice in, struct buf *out)
{
    return decode(MIME_QUOTED_PRINTABLE, in, out);
}
