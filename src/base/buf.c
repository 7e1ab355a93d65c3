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

bool buf_add_escaped(struct buf *b, struct slice s)
{
    static const unsigned char hex[] = "0123456789abcdef";
    while (s.len > 0) {
        size_t n = 0;
        while (n < s.len && is_plain(s.ptr[n])) {
            n++;
        }
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

void buf_consume(struct buf *b, size_t n)
{
    if (n >= b->len) {
        b->len = 0;
        return;
    }
    memmove(b->ptr, b->ptr + n, b->len - n);
    b->len -= n;
}
