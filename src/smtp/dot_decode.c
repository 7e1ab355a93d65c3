/* smtp/dot_decode.c - see dot_decode.h
 *
 * The fast path is one memchr() for LF and one for CR a line: text without faults never
 * enters the octet-wise states, which exist for line starts and for the cuts between reads. */
#include "smtp/dot_decode.h"

/* Emits the n octets at the front of *in. */
static enum dot_res emit(struct slice *in, size_t n, struct slice *out)
{
    *out = slice_sub(*in, 0, n);
    *in = slice_from(*in, n);
    return DOT_SPAN;
}

/* Whole lines (and the unfinished one) from the middle or start of a line; stops in front of
 * a line that starts with a dot, and in front of anything that is not plain. */
static enum dot_res take_text(struct dot_decoder *d, struct slice *in, struct slice *out)
{
    size_t at = 0;
    for (;;) {
        struct slice rest = slice_from(*in, at);
        size_t lf = slice_find(rest, '\n');
        size_t cr = slice_find(slice_sub(rest, 0, lf), '\r');
        if (cr + 1 == lf && lf < rest.len) {
            at += lf + 1;
            d->state = DOT_LINE_START;
            if (at < in->len && (d->raw || in->ptr[at] != '.')) {
                continue;
            }
            return emit(in, at, out);
        }
        if (lf == rest.len && cr == rest.len) { /* no line end here */
            d->state = rest.len > 0 ? DOT_TEXT : d->state;
            return emit(in, in->len, out);
        }
        if (cr < lf) { /* up to the CR; what follows decides */
            d->state = at + cr > 0 ? DOT_TEXT : d->state;
            if (at + cr > 0) {
                return emit(in, at + cr, out);
            }
            d->state = DOT_CR;
            *in = slice_from(*in, 1);
            return DOT_MORE; /* no span: the caller loops */
        }
        /* a bare LF */
        if (at + lf > 0) {
            d->state = DOT_TEXT;
            return emit(in, at + lf, out);
        }
        if (!d->lenient) {
            return DOT_BARE_EOL;
        }
        *in = slice_from(*in, 1);
        *out = SLICE("\r\n");
        /* Not DOT_LINE_START where dots count: one here is text, "LF . CRLF" no end. */
        d->state = d->raw ? DOT_LINE_START : DOT_TEXT;
        return DOT_SPAN;
    }
}

/* One octet decides in these states. A span of zero octets is legal and means: go on. */
static enum dot_res step(struct dot_decoder *d, struct slice *in, struct slice *out)
{
    unsigned char c = in->ptr[0];
    *out = SLICE("");
    switch (d->state) {
    case DOT_LINE_START:
        if (c != '.' || d->raw) {
            return take_text(d, in, out);
        }
        d->state = DOT_DOT;
        *in = slice_from(*in, 1); /* RFC 5321 4.5.2: the first dot is deleted */
        return DOT_SPAN;
    case DOT_DOT:
        if (c == '\r') {
            d->state = DOT_DOT_CR;
            *in = slice_from(*in, 1);
            return DOT_SPAN;
        }
        return take_text(d, in, out);
    case DOT_DOT_CR:
        if (c != '\n') {
            return DOT_BARE_EOL;
        }
        *in = slice_from(*in, 1);
        return DOT_END;
    case DOT_CR:
        if (c != '\n') {
            return DOT_BARE_EOL;
        }
        *in = slice_from(*in, 1);
        *out = SLICE("\r\n");
        d->state = DOT_LINE_START;
        return DOT_SPAN;
    case DOT_TEXT:
        break;
    }
    return take_text(d, in, out);
}

enum dot_res dot_decode(struct dot_decoder *d, struct slice *in, struct slice *out)
{
    while (in->len > 0) {
        enum dot_res res = step(d, in, out);
        if (res == DOT_MORE || (res == DOT_SPAN && out->len == 0)) {
            continue;
        }
        return res;
    }
    return DOT_MORE;
}
