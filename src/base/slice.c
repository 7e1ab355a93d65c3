/* base/slice.c - see slice.h */
#include "base/slice.h"

#include <string.h>

struct slice slice_of(const char *str)
{
    return (struct slice){(const unsigned char *)str, str == NULL ? 0 : strlen(str)};
}

bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool slice_starts(struct slice s, struct slice prefix)
{
    return slice_eq(slice_sub(s, 0, prefix.len), prefix);
}

bool slice_ieq(struct slice a, struct slice b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        /* Most octets are equal as they are. */
        if (a.ptr[i] != b.ptr[i] && ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

bool slice_istarts(struct slice s, struct slice prefix)
{
    return slice_ieq(slice_sub(s, 0, prefix.len), prefix);
}

int slice_cmp(struct slice a, struct slice b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n == 0 ? 0 : memcmp(a.ptr, b.ptr, n);
    if (order != 0) {
        return order;
    }
    return (a.len > b.len) - (a.len < b.len);
}

size_t slice_find(struct slice s, unsigned char c)
{
    const unsigned char *at = s.len == 0 ? NULL : memchr(s.ptr, c, s.len);
    return at == NULL ? s.len : (size_t)(at - s.ptr);
}

size_t slice_rfind(struct slice s, unsigned char c)
{
    const unsigned char *at = s.len == 0 ? NULL : memrchr(s.ptr, c, s.len);
    return at == NULL ? s.len : (size_t)(at - s.ptr);
}

size_t slice_search(struct slice s, struct slice needle)
{
    if (needle.len == 0) {
        return 0;
    }
    const unsigned char *at =
        s.len == 0 ? NULL : memmem(s.ptr, s.len, needle.ptr, needle.len);
    return at == NULL ? s.len : (size_t)(at - s.ptr);
}

size_t slice_isearch(struct slice s, struct slice needle)
{
    if (needle.len == 0 || needle.len > s.len) {
        return needle.len == 0 ? 0 : s.len;
    }
    unsigned char first = ascii_lower(needle.ptr[0]);
    size_t last = s.len - needle.len;
    for (size_t i = 0; i <= last; i++) {
        if (ascii_lower(s.ptr[i]) == first &&
            slice_ieq((struct slice){s.ptr + i, needle.len}, needle)) {
            return i;
        }
    }
    return s.len;
}

bool slice_is_ascii(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] > 127) {
            return false;
        }
    }
    return true;
}

struct slice slice_trim(struct slice s)
{
    size_t start = 0;
    while (start < s.len && ascii_is_blank(s.ptr[start])) {
        start++;
    }
    while (s.len > start && ascii_is_blank(s.ptr[s.len - 1])) {
        s.len--;
    }
    return slice_from(s, start);
}

struct slice slice_strip(struct slice s)
{
    size_t start = 0;
    while (start < s.len && (ascii_is_blank(s.ptr[start]) || s.ptr[start] == '\r' ||
                             s.ptr[start] == '\n')) {
        start++;
    }
    while (s.len > start && (ascii_is_blank(s.ptr[s.len - 1]) ||
                             s.ptr[s.len - 1] == '\r' || s.ptr[s.len - 1] == '\n')) {
        s.len--;
    }
    return slice_from(s, start);
}

bool slice_line(struct slice *rest, struct slice *line)
{
    if (rest->len == 0) {
        return false;
    }
    size_t end = slice_find(*rest, '\n');
    *line = slice_sub(*rest, 0, end);
    *rest = slice_from(*rest, end + 1);
    if (line->len > 0 && line->ptr[line->len - 1] == '\r') {
        line->len--;
    }
    return true;
}

bool slice_u64(struct slice s, uint64_t *out)
{
    uint64_t value = 0;
    if (s.len == 0) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (!ascii_is_digit(s.ptr[i]) || __builtin_mul_overflow(value, 10U, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.ptr[i] - '0'), &value)) {
            return false;
        }
    }
    *out = value;
    return true;
}

bool slice_cstr(struct slice s, char *dst, size_t cap)
{
    if (cap == 0) {
        return false;
    }
    dst[0] = '\0';
    if (s.len >= cap || slice_find(s, '\0') != s.len) {
        return false;
    }
    if (s.len > 0) {
        memcpy(dst, s.ptr, s.len);
    }
    dst[s.len] = '\0';
    return true;
}

/* Linear in practice: on a mismatch only the last * moves. */
bool slice_like(struct slice name, struct slice pattern)
{
    size_t n = 0;
    size_t p = 0;
    size_t star = pattern.len;
    size_t after = 0;
    while (n < name.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            after = n;
        } else if (p < pattern.len &&
                   ascii_lower(pattern.ptr[p]) == ascii_lower(name.ptr[n])) {
            p++;
            n++;
        } else if (star < pattern.len) {
            p = star + 1;
            n = ++after;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*') {
        p++;
    }
    return p == pattern.len;
}
