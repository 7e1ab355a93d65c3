/* message/binhex.c - see binhex.h */
#include "message/binhex.h"

#include "message/uudecode.h"

bool binhex_announces(struct slice line)
{
    return slice_istarts(line, SLICE("(This file must be converted with BinHex"));
}

/* The six bits of a character; 64: it is none. */
static unsigned sextet(unsigned char c)
{
    static const struct slice signs =
        SLICE_INIT("!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr");
    return (unsigned)slice_find(signs, c);
}

static void flush(struct binhex *b, const struct uu_events *events, void *arg)
{
    if (b->out_n > 0) {
        events->content(arg, (struct slice){b->out, b->out_n});
        b->out_n = 0;
    }
}

void binhex_end(struct binhex *b, const struct uu_events *events, void *arg)
{
    if (b->open) {
        flush(b, events, arg);
        events->end(arg);
        b->open = false;
    }
}

/* False: what is there is no header. */
static bool take_head(struct binhex *b, unsigned char c, const struct uu_events *events,
                      void *arg)
{
    b->head[b->head_n++] = c;
    size_t name = b->head[0];
    if (name == 0 || name > BINHEX_NAME_MAX) {
        return false;
    }
    if (b->head_n == 1 + name + 1 && c != 0) {
        return false;
    }
    if (b->head_n < 1 + name + 1 + 18 + 2) {
        return true;
    }
    const unsigned char *len = b->head + 1 + name + 1 + 10; /* of the data fork */
    b->left =
        (uint32_t)len[0] << 24 | (uint32_t)len[1] << 16 | (uint32_t)len[2] << 8 | len[3];
    b->open = true;
    events->begin(arg, (struct slice){b->head + 1, name});
    return true;
}

static bool take_octet(struct binhex *b, unsigned char c, const struct uu_events *events,
                       void *arg)
{
    if (!b->open) {
        return take_head(b, c, events, arg);
    }
    if (b->left == 0) {
        return false; /* the rest is CRC and resource fork */
    }
    b->left--;
    b->out[b->out_n++] = c;
    if (b->out_n == BINHEX_OUT_MAX) {
        flush(b, events, arg);
    }
    return true;
}

/* Runs undone: 90 00 is the octet 90 itself. */
static bool take_packed(struct binhex *b, unsigned char c, const struct uu_events *events,
                        void *arg)
{
    enum { MARK = 0x90 };
    if (b->repeat) {
        b->repeat = false;
        if (c == 0) {
            b->last = MARK;
            b->any = true;
            return take_octet(b, MARK, events, arg);
        }
        for (; c > 1 && b->any; c--) {
            if (!take_octet(b, b->last, events, arg)) {
                return false;
            }
        }
        return b->any;
    }
    b->repeat = c == MARK;
    if (!b->repeat) {
        b->last = c;
        b->any = true;
    }
    return b->repeat || take_octet(b, c, events, arg);
}

static enum binhex_res over(struct binhex *b, const struct uu_events *events, void *arg)
{
    binhex_end(b, events, arg);
    return BINHEX_END;
}

enum binhex_res binhex_line(struct binhex *b, struct slice line,
                            const struct uu_events *events, void *arg)
{
    size_t i = 0;
    if (!b->begun) {
        if (line.len == 0 || line.ptr[0] != ':') {
            return BINHEX_MORE;
        }
        b->begun = true;
        i = 1;
    }
    for (; i < line.len; i++) {
        unsigned value = sextet(line.ptr[i]);
        if (line.ptr[i] == ' ' || line.ptr[i] == '\t') {
            continue;
        }
        if (value > 63) { /* the colon behind it, or none of it */
            return over(b, events, arg);
        }
        b->bits = b->bits << 6 | value;
        b->bit_n += 6;
        if (b->bit_n >= 8) {
            b->bit_n -= 8;
            if (!take_packed(b, (unsigned char)(b->bits >> b->bit_n), events, arg)) {
                return over(b, events, arg);
            }
        }
    }
    return BINHEX_MORE;
}
