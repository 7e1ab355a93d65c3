/* message/header_scan_fuzz.c - libFuzzer target: whole, in pieces, and as a slow reader of lines
 * counts them, the fields are the same. Input is made to have CRLF line ends only. */
#include "base/buf.h"
#include "message/header_scan.h"

#include <stdlib.h>
#include <string.h>

static void feed(struct header_scan *h, struct slice in, size_t step)
{
    header_scan_init(h);
    for (size_t at = 0; at < in.len; at += step) {
        header_scan_feed(h, slice_sub(in, at, step));
    }
}

static bool is_received(struct slice name)
{
    /* names are kept up to HEADER_NAME_MAX octets */
    return slice_ieq(slice_trim(slice_sub(name, 0, HEADER_NAME_MAX)), SLICE("Received"));
}

/* One whole line after the other; a last one without CRLF counts when its colon is there. */
static void slow(struct header_scan *h, struct slice in)
{
    *h = (struct header_scan){0};
    while (in.len > 0 && !h->done) {
        size_t lf = slice_find(in, '\n');
        struct slice line = slice_sub(in, 0, lf + 1);
        size_t colon = slice_find(line, ':');
        unsigned char c = line.ptr[0];
        bool ends = lf < in.len;
        h->octets += line.len;
        if (c == '\r') {
            h->done = ends;
        } else if (c != ' ' && c != '\t') {
            h->done = ends && colon == line.len;
            h->field_n += colon < line.len;
            h->received_n += colon < line.len && is_received(slice_sub(line, 0, colon));
        }
        in = slice_from(in, line.len);
    }
}

static bool same(const struct header_scan *a, const struct header_scan *b)
{
    return a->done == b->done && a->field_n == b->field_n &&
           a->received_n == b->received_n && a->octets == b->octets;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf in;
    struct header_scan whole;
    struct header_scan parts;
    struct header_scan lines;
    if (size == 0) {
        return 0;
    }
    buf_init(&in, 2 * size);
    for (size_t i = 1; i < size; i++) {
        if (data[i] == '\n') {
            (void)buf_add_str(&in, "\r\n");
        } else if (data[i] != '\r') {
            (void)buf_add_byte(&in, data[i]);
        }
    }
    feed(&whole, buf_slice(&in), SIZE_MAX / 2);
    feed(&parts, buf_slice(&in), 1U + data[0]);
    slow(&lines, buf_slice(&in));
    if (!same(&whole, &parts) || !same(&whole, &lines)) {
        abort();
    }
    buf_clear(&in);
    return 0;
}
