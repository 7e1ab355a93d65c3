/* base/buf.h - a growing octet buffer with a maximum stated at birth.
 *
 * Own     the buffer owns ptr; buf_slice() borrows it until the next change.
 * Errors  sticky: once an addition would pass max (or memory is short) `failed` stays
 *         set and later additions do nothing, so a chain of additions needs one check.
 * Limits  never holds more than max octets. */
#ifndef BASE_BUF_H
#define BASE_BUF_H
#include "base/slice.h"

#include <stdarg.h>

struct buf {
    unsigned char *ptr;
    size_t len, cap, max; /* octets */
    bool failed;
};

void buf_init(struct buf *b, size_t max);
void buf_clear(struct buf *b); /* frees; usable again with the same max */
void buf_reset(struct buf *b); /* len = 0, failed = false, memory kept */

/* Each returns !b->failed. */
bool buf_add(struct buf *b, struct slice s);
bool buf_add_byte(struct buf *b, unsigned char c);
bool buf_add_str(struct buf *b, const char *str);
bool buf_add_fmt(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
bool buf_add_vfmt(struct buf *b, const char *fmt, va_list args)
    __attribute__((format(printf, 2, 0)));

/* Untrusted octets for a log line, a reply or a terminal: printable ASCII as it is,
 * everything else, `"` and `\` as \xHH. */
bool buf_add_escaped(struct buf *b, struct slice s);
/* The same for people alone, at a terminal: well-formed UTF-8 (RFC 3629) stays as it is, but for
 * controls and for what hides or turns the text beside it. */
bool buf_add_shown(struct buf *b, struct slice s);

/* Room for n octets at the end, or NULL (and failed); buf_grew() says how many were
 * written there. */
MUST_USE unsigned char *buf_room(struct buf *b, size_t n);
void buf_grew(struct buf *b, size_t n);

/* Drops the first n octets. */
void buf_consume(struct buf *b, size_t n);

MUST_USE static inline struct slice buf_slice(const struct buf *b)
{
    return (struct slice){b->ptr, b->len};
}
#endif
