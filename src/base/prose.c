/* base/prose.c - see prose.h */
#include "base/prose.h"

#include <string.h>

size_t prose_char(struct slice s, uint32_t *point)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char c = s.ptr[0];
    size_t n = c < 0x80                ? 1
               : c >= 0xc2 && c < 0xe0 ? 2
               : c >= 0xe0 && c < 0xf0 ? 3
               : c >= 0xf0 && c < 0xf5 ? 4
                                       : 0;
    *point = 0xfffd;
    if (n == 0 || n > s.len) {
        return 1;
    }
    uint32_t value = n == 1 ? c : c & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s.ptr[i] & 0xc0) != 0x80) {
            return 1;
        }
        value = value << 6 | (s.ptr[i] & 0x3fU);
    }
    if (value < least[n]) {
        return 1;
    }
    *point = value;
    return n;
}

static unsigned columns_of(uint32_t point)
{
    static const struct {
        uint32_t first, last;
        unsigned columns;
    } ranges[] = {
        {0x300, 0x36f, 0},     {0x200b, 0x200f, 0},   {0x1100, 0x115f, 2},
        {0x2e80, 0x303e, 2},   {0x3041, 0xa4cf, 2},   {0xac00, 0xd7a3, 2},
        {0xf900, 0xfaff, 2},   {0xfe30, 0xfe6f, 2},   {0xff01, 0xff60, 2},
        {0xffe0, 0xffe6, 2},   {0x1f300, 0x1f64f, 2}, {0x1f900, 0x1f9ff, 2},
        {0x20000, 0x3fffd, 2},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        if (point >= ranges[i].first && point <= ranges[i].last) {
            return ranges[i].columns;
        }
    }
    return 1;
}

static bool among(uint32_t point, const uint32_t *set, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (set[i] == point) {
            return true;
        }
    }
    return false;
}

/* Begins no line: 、。」』】〉》） and the like, and their kin of half width. */
static bool closes(uint32_t point)
{
    static const uint32_t set[] = {')',    ']',    ',',    '.',    ':',    ';',    '!',
                                   '?',    '%',    0x2019, 0x201d, 0x2026, 0x3001, 0x3002,
                                   0x3009, 0x300b, 0x300d, 0x300f, 0x3011, 0xff01, 0xff05,
                                   0xff09, 0xff0c, 0xff0e, 0xff1a, 0xff1b, 0xff1f};
    return among(point, set, sizeof set / sizeof set[0]);
}

/* Ends no line: 「『【〈《（ and the like. */
static bool opens(uint32_t point)
{
    static const uint32_t set[] = {'(',    '[',    0x2018, 0x201c, 0x3008,
                                   0x300a, 0x300c, 0x300e, 0x3010, 0xff08};
    return among(point, set, sizeof set / sizeof set[0]);
}

static bool may_break(uint32_t before, uint32_t after)
{
    if (after == ' ') {
        return before != ' ';
    }
    return before != ' ' && (columns_of(before) == 2 || columns_of(after) == 2) &&
           !opens(before) && !closes(after);
}

unsigned prose_columns(struct slice s)
{
    unsigned n = 0;
    while (s.len > 0) {
        uint32_t point = 0;
        s = slice_from(s, prose_char(s, &point));
        n += columns_of(point);
    }
    return n;
}

struct slice prose_line(struct slice *rest, unsigned columns)
{
    size_t at = 0, end = 0; /* end: where the line may break, 0 as long as nowhere */
    unsigned used = 0;
    uint32_t before = ' ';
    while (at < rest->len) {
        uint32_t point = 0;
        size_t n = prose_char(slice_from(*rest, at), &point);
        if (may_break(before, point)) {
            end = at;
        }
        used += columns_of(point);
        if (used > columns && point != ' ' && end > 0) {
            break;
        }
        at += n;
        before = point;
    }
    struct slice line = slice_sub(*rest, 0, at < rest->len ? end : at);
    *rest = slice_from(*rest, line.len);
    while (rest->len > 0 && rest->ptr[0] == ' ') {
        *rest = slice_from(*rest, 1);
    }
    while (line.len > 0 && line.ptr[line.len - 1] == ' ') {
        line.len--;
    }
    return line;
}

void prose_pad(struct buf *out, struct slice s, unsigned columns, bool right)
{
    unsigned width = prose_columns(s);
    if (!right) {
        (void)buf_add(out, s);
    }
    for (; width < columns; width++) {
        (void)buf_add_byte(out, ' ');
    }
    if (right) {
        (void)buf_add(out, s);
    }
}

void prose_fill(struct buf *out, const char *text, const struct prose_value *values,
                size_t n)
{
    struct slice rest = slice_of(text);
    while (rest.len > 0) {
        size_t i = 0;
        while (i < n && !slice_starts(rest, slice_of(values[i].hole))) {
            i++;
        }
        if (i < n) {
            (void)buf_add(out, values[i].value);
            rest = slice_from(rest, strlen(values[i].hole));
        } else {
            (void)buf_add_byte(out, rest.ptr[0]);
            rest = slice_from(rest, 1);
        }
    }
}
