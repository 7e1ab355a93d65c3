/* base/slice.h - a borrowed view of octets: never owns, never NUL-terminated.
 *
 * Pure    no I/O, allocation, globals or locale.
 * Own     the octets belong to whoever made the slice; a comment there says until when.
 */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_USE __attribute__((warn_unused_result))
/* Drops a MUST_USE result on purpose; a comment beside it says why. */
#define IGNORE(x)                                                                        \
    do {                                                                                 \
        if (x) {                                                                         \
        }                                                                                \
    } while (0)

struct slice {
    const unsigned char *ptr; /* may be NULL only when len is 0 */
    size_t len;               /* octets */
};
_Static_assert(sizeof(struct slice) == 2 * sizeof(void *), "must pass in two registers");

#define SLICE(lit) ((struct slice){(const unsigned char *)("" lit), sizeof(lit) - 1})
/* The same as an initializer of a static table (a compound literal is no constant). */
#define SLICE_INIT(lit)                                                                  \
    {                                                                                    \
        (const unsigned char *)("" lit), sizeof(lit) - 1                                 \
    }

/* A slice over a NUL-terminated string (NULL gives the empty slice). */
MUST_USE struct slice slice_of(const char *str);

/* The n octets of s from off; stays inside s whatever off and n are. */
MUST_USE static inline struct slice slice_sub(struct slice s, size_t off, size_t n)
{
    if (off > s.len) {
        off = s.len;
    }
    if (n > s.len - off) {
        n = s.len - off;
    }
    return (struct slice){s.len == 0 ? s.ptr : s.ptr + off, n};
}

/* What follows the first n octets. */
MUST_USE static inline struct slice slice_from(struct slice s, size_t n)
{
    return slice_sub(s, n, SIZE_MAX);
}

MUST_USE bool slice_eq(struct slice a, struct slice b);
MUST_USE bool slice_starts(struct slice s, struct slice prefix);

/* ASCII case-insensitive forms; no locale. */
MUST_USE bool slice_ieq(struct slice a, struct slice b);
MUST_USE bool slice_istarts(struct slice s, struct slice prefix);

/* <0, 0, >0 by octets, shorter first among equals. */
MUST_USE int slice_cmp(struct slice a, struct slice b);

/* Offset of the first (last) octet c, or s.len when there is none. */
MUST_USE size_t slice_find(struct slice s, unsigned char c);
MUST_USE size_t slice_rfind(struct slice s, unsigned char c);

/* Offset of the first place where needle stands, or s.len; an empty needle stands at 0. The
 * second is blind to ASCII case. */
MUST_USE size_t slice_search(struct slice s, struct slice needle);
MUST_USE size_t slice_isearch(struct slice s, struct slice needle);

/* Is all of s as the pattern says, in which * stands for anything? Blind to ASCII case. */
MUST_USE bool slice_like(struct slice s, struct slice pattern);

/* No octet above 127. */
MUST_USE bool slice_is_ascii(struct slice s);

/* s without SP and HTAB at both ends. */
MUST_USE struct slice slice_trim(struct slice s);
/* The same, line ends too. */
MUST_USE struct slice slice_strip(struct slice s);

/* Takes the next line off *rest, without its LF or CRLF; false when nothing is left. */
MUST_USE bool slice_line(struct slice *rest, struct slice *line);

/* Decimal digits only, all of s, no sign, no overflow. */
MUST_USE bool slice_u64(struct slice s, uint64_t *out);

/* Copies s with a NUL into dst[cap]; false (and dst empty) when s does not fit or holds
 * a NUL itself. The only way to hand a slice to a C library call. */
MUST_USE bool slice_cstr(struct slice s, char *dst, size_t cap);

static inline bool ascii_is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}
static inline bool ascii_is_alpha(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
/* SP and HTAB: the only blanks of mail's grammars (RFC 5234 B.1, WSP). */
static inline bool ascii_is_blank(unsigned char c)
{
    return c == ' ' || c == '\t';
}
/* What folds header fields and stands around their words: those and CRLF. */
static inline bool ascii_is_space(unsigned char c)
{
    return ascii_is_blank(c) || c == '\r' || c == '\n';
}
static inline unsigned char ascii_lower(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') ? (unsigned char)(c | 0x20U) : c;
}
#endif
