/* message/uudecode.c - see uudecode.h */
#include "message/uudecode.h"

#include "message/yenc.h"

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

static void keep_name(struct uudecode *u, enum uu_form form, struct slice name)
{
    u->state = UU_BEGUN;
    u->form = form;
    u->name_len = name.len;
    memcpy(u->name, name.ptr, name.len);
}

void uu_expect_binhex(struct uudecode *u)
{
    u->state = UU_BEGUN;
    u->form = UU_BINHEX;
    u->binhex = (struct binhex){0};
}

/* Does a file begin here? */
static void search(struct uudecode *u, struct slice line)
{
    struct slice name;
    if (take_begin(line, &name)) {
        keep_name(u, UU_POSIX, name);
    } else if (yenc_begin(line, &name)) {
        keep_name(u, UU_YENC, name);
    } else if (binhex_announces(line)) {
        uu_expect_binhex(u);
    }
}

static void begin(struct uudecode *u, const struct uu_events *events, void *arg)
{
    if (u->state == UU_BEGUN) {
        u->state = UU_INSIDE;
        events->begin(arg, (struct slice){u->name, u->name_len});
    }
}

/* Each: false: the line is none of the file's. */
static bool take_posix(struct uudecode *u, struct slice line,
                       const struct uu_events *events, void *arg)
{
    unsigned char data[63];
    size_t n = 0;
    if (!take_data(line, data, &n) || (u->state == UU_BEGUN && n == 0)) {
        return false;
    }
    begin(u, events, arg);
    events->content(arg, (struct slice){data, n});
    return true;
}

static bool take_yenc(struct uudecode *u, struct slice line,
                      const struct uu_events *events, void *arg)
{
    unsigned char data[UU_LINE_MAX];
    if (yenc_is_keyword(line)) {
        return !yenc_is_end(line);
    }
    begin(u, events, arg);
    events->content(arg, (struct slice){data, yenc_decode(line, data)});
    return true;
}

/* It tells begin and end itself. */
static void take_binhex(struct uudecode *u, struct slice line,
                        const struct uu_events *events, void *arg)
{
    if (binhex_line(&u->binhex, line, events, arg) == BINHEX_END) {
        u->state = UU_SEARCH;
    } else if (!u->binhex.begun) {
        search(u, line); /* the announcement may have been mere words */
    }
}

static void take_line(struct uudecode *u, const struct uu_events *events, void *arg)
{
    struct slice line = {u->line, u->line_len};
    if (u->state != UU_SEARCH && u->form == UU_BINHEX) {
        take_binhex(u, line, events, arg);
        return;
    }
    if (u->state != UU_SEARCH &&
        (u->form == UU_YENC ? take_yenc : take_posix)(u, line, events, arg)) {
        return;
    }
    if (u->state == UU_INSIDE) {
        events->end(arg);
    }
    u->state = UU_SEARCH;
    search(u, line);
}

void uu_feed(struct uudecode *u, struct slice in, const struct uu_events *events,
             void *arg)
{
    while (in.len > 0) {
        bool idle = u->state == UU_SEARCH && u->line_len == 0 && in.ptr[0] != 'b' &&
                    in.ptr[0] != '=' && in.ptr[0] != '(';
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
    binhex_end(&u->binhex, events, arg);
    *u = (struct uudecode){.state = UU_SEARCH};
}
