/* directory/maildirsize.c - see maildirsize.h */
#include "directory/maildirsize.h"

/* Numbers beyond this would be lies: no mailbox holds 2^62 octets. */
#define NUMBER_MAX (UINT64_C(1) << 62)

/* A signed number at the start of *s, taken off. */
static bool take_number(struct slice *s, int64_t *out)
{
    bool negative = s->len > 0 && s->ptr[0] == '-';
    struct slice digits = slice_from(*s, negative ? 1 : 0);
    size_t n = 0;
    while (n < digits.len && ascii_is_digit(digits.ptr[n])) {
        n++;
    }
    uint64_t value = 0;
    if (!slice_u64(slice_sub(digits, 0, n), &value) || value > NUMBER_MAX) {
        return false;
    }
    *out = negative ? -(int64_t)value : (int64_t)value;
    *s = slice_from(digits, n);
    return true;
}

static bool read_line(struct slice line, int64_t *octets, int64_t *messages)
{
    line = slice_trim(line);
    if (!take_number(&line, octets)) {
        return false;
    }
    struct slice rest = slice_trim(line);
    return rest.len < line.len && take_number(&rest, messages) && rest.len == 0;
}

/* Sums that stay at their ends: INT64_MAX is no real size, nor is its negative. */
static int64_t add(int64_t a, int64_t b)
{
    int64_t sum = 0;
    if (__builtin_add_overflow(a, b, &sum)) {
        return a < 0 ? INT64_MIN : INT64_MAX;
    }
    return sum;
}

struct maildirsize maildirsize_read(struct slice file)
{
    struct maildirsize out = {0};
    int64_t octets = 0, messages = 0;
    bool first = true;
    for (;;) {
        size_t end = slice_find(file, '\n');
        if (end == file.len) {
            break;
        }
        struct slice line = slice_sub(file, 0, end);
        int64_t o = 0, m = 0;
        if (first) {
            first = false; /* the quota: directory.db has the one that holds */
        } else if (read_line(line, &o, &m)) {
            octets = add(octets, o);
            messages = add(messages, m);
        } else {
            out.wrong_n++;
        }
        file = slice_from(file, end + 1);
    }
    out.octets = octets < 0 ? 0 : (uint64_t)octets;
    out.messages = messages < 0 ? 0 : (uint64_t)messages;
    return out;
}
