/* message/head.c - see head.h */
#include "message/head.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

void message_head_init(struct message_head *h, struct head_limits limits)
{
    BUG_ON(limits.octets > MESSAGE_HEAD_MAX || limits.fields > MESSAGE_FIELDS_MAX);
    *h = (struct message_head){.limits = limits, .line = 1};
    buf_init(&h->octets, limits.octets);
    arena_init(&h->added, MESSAGE_ADDED_MAX);
}

void message_head_clear(struct message_head *h)
{
    buf_clear(&h->octets);
    arena_clear(&h->added);
    free(h->field);
    message_head_init(h, h->limits);
}

/* --- what comes --- */

static void take(struct message_head *h, struct slice s)
{
    h->size += s.len;
    if (!h->over && !buf_add(&h->octets, s)) {
        h->over = true;
    }
}

/* The line is no field: it goes back, as far as it was kept. */
static void end_at_no_field(struct message_head *h, struct slice *held)
{
    size_t len = h->over ? 0 : h->octets.len - h->line_start;
    *held = slice_from(buf_slice(&h->octets), h->octets.len - len);
    h->octets.len -= len;
    h->size -= len;
    h->no_field = true;
    h->state = HEAD_DONE;
}

static bool is_name(unsigned char c)
{
    return c > ' ' && c < 127 && c != ':';
}

/* The octet decides what its line is; false: no field. */
static bool step(struct message_head *h, unsigned char c)
{
    switch (h->state) {
    case HEAD_LINE:
        h->line_start = h->octets.len;
        h->state = c == '\r'                              ? HEAD_EMPTY_LINE
                   : ascii_is_blank(c) && h->field_n != 0 ? HEAD_VALUE
                                                          : HEAD_NAME;
        return h->state != HEAD_NAME || is_name(c);
    case HEAD_NAME:
        h->state = c == ':' ? HEAD_VALUE : ascii_is_blank(c) ? HEAD_COLON : HEAD_NAME;
        break;
    case HEAD_COLON:
        h->state = c == ':' ? HEAD_VALUE : HEAD_COLON;
        break;
    case HEAD_EMPTY_LINE:
    case HEAD_VALUE:
    case HEAD_DONE:
        return true;
    }
    if (h->state == HEAD_VALUE) {
        h->field_n++;
        h->over = h->over || h->field_n > h->limits.fields;
        return true;
    }
    return h->state == HEAD_NAME ? is_name(c) : ascii_is_blank(c);
}

/* RFC 5322 2.1: "The body ... is separated from the header section by an empty line". */
static void end_at_empty_line(struct message_head *h)
{
    h->octets.len = h->over ? h->octets.len : h->line_start;
    h->empty_line = true;
    h->line++;
    h->state = HEAD_DONE;
}

void message_head_feed(struct message_head *h, struct slice *in, struct slice *held)
{
    *held = (struct slice){0};
    while (in->len > 0 && h->state != HEAD_DONE) {
        size_t n = 1;
        if (!step(h, in->ptr[0])) {
            end_at_no_field(h, held);
            return;
        }
        if (h->state == HEAD_VALUE || h->state == HEAD_EMPTY_LINE) {
            /* nothing matters up to the line's end */
            n = slice_find(*in, '\n') + 1;
        }
        while (h->state == HEAD_NAME && n < in->len && is_name(in->ptr[n])) {
            n++;
        }
        struct slice taken = slice_sub(*in, 0, n);
        take(h, taken);
        *in = slice_from(*in, taken.len);
        if (taken.ptr[taken.len - 1] != '\n') {
            continue;
        }
        if (h->state == HEAD_EMPTY_LINE) {
            end_at_empty_line(h);
        } else {
            h->state = HEAD_LINE;
            h->line++;
        }
    }
}

/* --- fields --- */

bool message_head_end(struct message_head *h)
{
    enum { SPARE = 8 }; /* what we put in ourselves */
    h->state = HEAD_DONE;
    if (h->over) {
        return true;
    }
    h->field = calloc(h->field_n + SPARE, sizeof *h->field);
    if (h->field == NULL) {
        return false;
    }
    h->room = (unsigned)h->field_n + SPARE;
    struct slice rest = buf_slice(&h->octets);
    unsigned line = 1;
    while (h->n < h->field_n && header_field_next(&rest, &line, &h->field[h->n])) {
        h->n++;
    }
    return true;
}

unsigned message_head_find(const struct message_head *h, const char *name, unsigned from)
{
    struct slice want = slice_of(name);
    unsigned i = from;
    while (i < h->n && !slice_ieq(h->field[i].name, want)) {
        i++;
    }
    return i;
}

unsigned message_head_count(const struct message_head *h, const char *name)
{
    unsigned count = 0;
    for (unsigned i = message_head_find(h, name, 0); i < h->n;
         i = message_head_find(h, name, i + 1)) {
        count++;
    }
    return count;
}

/* --- changes --- */

void message_head_drop(struct message_head *h, unsigned i)
{
    h->field[i] = (struct header_field){0};
}

void message_head_drop_all(struct message_head *h, const char *name)
{
    for (unsigned i = message_head_find(h, name, 0); i < h->n;
         i = message_head_find(h, name, i + 1)) {
        message_head_drop(h, i);
    }
}

static bool make_room(struct message_head *h)
{
    if (h->n < h->room) {
        return true;
    }
    unsigned room = 2 * h->room + 1;
    struct header_field *more = realloc(h->field, room * sizeof *more);
    if (more == NULL) {
        return false;
    }
    h->field = more;
    h->room = room;
    return true;
}

bool message_head_insert(struct message_head *h, unsigned at, struct slice text)
{
    struct header_field f;
    struct slice copy = {0};
    unsigned line = 0;
    bool whole = text.len > 1 && text.ptr[text.len - 1] == '\n';
    if (!whole || !arena_dup(&h->added, text, &copy) ||
        !header_field_next(&copy, &line, &f) || copy.len != 0 || !make_room(h)) {
        return false;
    }
    memmove(h->field + at + 1, h->field + at, (h->n - at) * sizeof *h->field);
    h->field[at] = f;
    h->n++;
    return true;
}

bool message_head_write(const struct message_head *h, struct buf *out)
{
    for (unsigned i = 0; i < h->n; i++) {
        (void)buf_add(out, h->field[i].raw);
    }
    if (h->empty_line || h->no_field) {
        (void)buf_add_str(out, "\r\n");
    }
    return !out->failed;
}
