/* smtp/dot_encode.c - see dot_encode.h */
#include "smtp/dot_encode.h"

static void end_line(struct dot_encoder *d, bool bare, struct buf *out)
{
    (void)buf_add(out, SLICE("\r\n"));
    d->mended += bare;
    d->cr = false;
    d->in_line = false;
}

void dot_encode_add(struct dot_encoder *d, struct slice in, struct buf *out)
{
    size_t i = 0;
    while (i < in.len) {
        unsigned char c = in.ptr[i];
        if (c == '\n') {
            end_line(d, !d->cr, out);
            i++;
            continue;
        }
        if (d->cr) { /* that CR was bare: it ends a line all the same */
            end_line(d, true, out);
        }
        if (c == '\r') {
            d->cr = true;
            i++;
            continue;
        }
        if (c == '.' && !d->in_line) {
            (void)buf_add_byte(out, '.');
        }
        size_t end = i;
        while (end < in.len && in.ptr[end] != '\r' && in.ptr[end] != '\n') {
            end++;
        }
        (void)buf_add(out, slice_sub(in, i, end - i));
        d->in_line = true;
        i = end;
    }
}

void dot_encode_end(struct dot_encoder *d, struct buf *out)
{
    if (d->cr || d->in_line) {
        end_line(d, true, out);
    }
    (void)buf_add(out, SLICE(".\r\n"));
    *d = (struct dot_encoder){0};
}
