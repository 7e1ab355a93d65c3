/* message/uudecode.c - see uudecode.h */
#include "message/uudecode.h"

#include <string.h>

/* "begin 644 name": the name. */
static bool take_begin(struct slice line, struct slice *name)
{
    size_t i = 6, digits = 0;
    if (!slice_starts(line, SLICE("begin "))) {
        return false;
    }
    for (; i < line.len && line.ptr[i] >= '0' && line.ptr[i] <= '7'; i++) {
        digits++;
    }
    *name = slice_trim(slice_from(line, i));
    return (digits == 3 || digits == 4) && i < line.len && line.ptr[i] == ' ' &&
           name->len > 0;
}

/* A line of data into out[63]; false: it is none. Blanks at its end may be lost. */
static bool take_data(struct slice line, unsigned char out[63], size_t *len)
{
    if (line.len == 0 || line.ptr[0] < ' ' || line.ptr[0] > '`') {
        return false;
    }
    size_t n = (line.ptr[0] - 32U) & 63U;
    size_t signs = (n + 2) / 3 * 4;
    struct slice data = slice_from(line, 1);
    if (data.len > signs + 4 || (n > 0 && data.len == 0)) {
        return false;
    }
    for (size_t i = 0; i < data.len; i++) {
        if (data.ptr[i] < ' ' || data.ptr[i] > '`') {
            return false;
        }
    }
    for (size_t i = 0, o = 0; o < n; i += 4) {
        uint32_t v = 0;
        for (size_t j = i; j < i + 4; j++) {
            v = v << 6 | ((j < data.len ? data.ptr[j] - 32U : 0) & 63U);
        }
        for (unsigned shift = 24; shift > 0 && o < n; o++) {
            shift -= 8;
            out[o] = (unsigned char)(v >> shift);
        }
    }
    *len = n;
    return true;
}

static void take_line(struct uudecode *u, const struct uu_events *events, void *arg)
{
    struct slice line = {u->line, u->line_len}, name;
    unsigned char data[63];
    size_t n = 0;
    bool is_data = take_data(line, data, &n);
    if (u->state == UU_INSIDE && is_data) {
        events->content(arg, (struct slice){data, n});
        return;
    }
    if (u->state == UU_BEGUN && is_data && n > 0) {
        u->state = UU_INSIDE;
        events->begin(arg, (struct slice){u->name, u->name_len});
        events->content(arg, (struct slice){data, n});
        return;
    }
    if (u->state == UU_INSIDE) {
        events->end(arg);
    }
    u->state = UU_SEARCH;
    if (take_begin(line, &name)) {
        u->state = UU_BEGUN;
        u->name_len = name.len;
        memcpy(u->name, name.ptr, name.len);
    }
}

void uu_feed(struct uudecode *u, struct slice in, const struct uu_events *events,
             void *arg)
{
    while (in.len > 0) {
        bool idle = u->state == UU_SEARCH && u->line_len == 0 && in.ptr[0] != 'b';
        size_t end = slice_find(in, '\n');
        if (!u->skip && !idle) {
            size_t room = UU_LINE_MAX - u->line_len;
            size_t n = end < room ? end : room;
            memcpy(u->line + u->line_len, in.ptr, n);
            u->line_len += n;
            /* A line too long is no data and no beginning. */
            u->skip = n < end;
        } else {
            u->skip = true;
        }
        if (end == in.len) {
            return;
        }
        if (!idle || u->line_len > 0) {
            if (u->line_len > 0 && u->line[u->line_len - 1] == '\r') {
                u->line_len--;
            }
            take_line(u, events, arg);
        }
        u->line_len = 0;
        u->skip = false;
        in = slice_from(in, end + 1);
    }
}

void uu_end(struct uudecode *u, const struct uu_events *events, void *arg)
{
    if (u->line_len > 0) {
        take_line(u, events, arg);
    }
    if (u->state == UU_INSIDE) {
        events->end(arg);
    }
    *u = (struct uudecode){.state = UU_SEARCH};
}
