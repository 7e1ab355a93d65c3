/* base/buf.c - see buf.h */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUF_FIRST_CAP = 256 };

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_clear(struct buf *b)
{
    free(b->ptr);
    *b = (struct buf){.max = b->max};
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

unsigned char *buf_room(struct buf *b, size_t n)
{
    if (b->failed || n > b->max - b->len) {
        b->failed = true;
        return NULL;
    }
    size_t need = b->len + n;
    if (need > b->cap) {
        size_t cap = b->cap < BUF_FIRST_CAP ? BUF_FIRST_CAP : b->cap * 2;
        cap = cap < need ? need : cap;
        cap = cap > b->max ? b->max : cap;
        unsigned char *ptr = realloc(b->ptr, cap);
        if (ptr == NULL) {
            b->failed = true;
            return NULL;
        }
        b->ptr = ptr;
        b->cap = cap;
    }
    return b->ptr + b->len;
}

void buf_grew(struct buf *b, size_t n)
{
    b->len += n <= b->cap - b->len ? n : b->cap - b->len;
}

bool buf_add(struct buf *b, struct slice s)
{
    if (s.len == 0) {
        return !b->failed;
    }
    unsigned char *at = buf_room(b, s.len);
    if (at == NULL) {
        return false;
    }
    memcpy(at, s.ptr, s.len);
    b->len += s.len;
    return true;
}

bool buf_add_byte(struct buf *b, unsigned char c)
{
    return buf_add(b, (struct slice){&c, 1});
}

bool buf_add_str(struct buf *b, const char *str)
{
    return buf_add(b, slice_of(str));
}

bool buf_add_vfmt(struct buf *b, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    /* vsnprintf wants room for its NUL, which stays outside len. */
    unsigned char *at = n < 0 ? NULL : buf_room(b, (size_t)n + 1);
    if (at != NULL) {
        (void)vsnprintf((char *)at, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    } else {
        b->failed = true;
    }
    va_end(again);
    return at != NULL;
}

bool buf_add_fmt(struct buf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    bool ok = buf_add_vfmt(b, fmt, args);
    va_end(args);
    return ok;
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* Octets of the sign that s begins with, of two or more; 0: it is none, overlong, a surrogate, or
 * beyond Unicode. */
static size_t utf8_sign(struct slice s, uint32_t *out)
{
    unsigned char c = s.len > 0 ? s.ptr[0] : 0;
    size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 0;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t sign = c & (0xffU >> (n + 1));
    if (n == 0 || c > 0xf4 || s.len < n) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if ((s.ptr[i] & 0xc0) != 0x80) {
            return 0;
        }
        sign = sign << 6 | (s.ptr[i] & 0x3fU);
    }
    *out = sign;
    return sign >= least[n] && sign <= 0x10ffff && (sign < 0xd800 || sign > 0xdfff) ? n
                                                                                    : 0;
}

/* C1 controls, zero width and direction (UAX 9), separators of lines, byte order mark, tags. */
static bool misleads(uint32_t sign)
{
    return sign < 0xa0 || sign == 0xad || sign == 0x61c || sign == 0x180e ||
           (sign >= 0x200b && sign <= 0x200f) || (sign >= 0x2028 && sign <= 0x202e) ||
           (sign >= 0x2060 && sign <= 0x206f) || sign == 0xfeff ||
           (sign >= 0xfff0 && sign <= 0xffff) || (sign >= 0xe0000 && sign <= 0xe0fff);
}

static size_t shown_length(struct slice s, bool utf8)
{
    size_t n = 0, sign_len = 0;
    do {
        uint32_t sign = 0;
        n += sign_len;
        while (n < s.len && is_plain(s.ptr[n])) {
            n++;
        }
        sign_len = utf8 ? utf8_sign(slice_from(s, n), &sign) : 0;
        sign_len = misleads(sign) ? 0 : sign_len;
    } while (sign_len > 0);
    return n;
}

static bool add_escaped(struct buf *b, struct slice s, bool utf8)
{
    static const unsigned char hex[] = "0123456789abcdef";
    while (s.len > 0) {
        size_t n = shown_length(s, utf8);
        (void)buf_add(b, slice_sub(s, 0, n)); /* most text is all of this */
        s = slice_from(s, n);
        if (s.len > 0) {
            unsigned char esc[] = {'\\', 'x', hex[s.ptr[0] >> 4], hex[s.ptr[0] & 15]};
            (void)buf_add(b, (struct slice){esc, sizeof esc});
            s = slice_from(s, 1);
        }
    }
    return !b->failed;
}

bool buf_add_escaped(struct buf *b, struct slice s)
{
    return add_escaped(b, s, false);
}

bool buf_add_shown(struct buf *b, struct slice s)
{
    return add_escaped(b, s, true);
}

void buf_consume(struct buf *b, size_t n)
{
    if (n >= b->len) {
        b->len = 0;
        return;
    }
    memmove(b->ptr, b->ptr + n, b->len - n);
    b->len -= n;
}
