/* message/binary_mime_fuzz.c - whole and in pieces the same comes out, within its bounds; what comes out
 * stays as it is when it goes through again. */
#include "base/log.h"
#include "message/binary_mime.h"

#include <stdint.h>

static void convert(struct slice in, size_t piece, struct buf *out)
{
    struct binary_mime b;
    binary_mime_init(&b);
    buf_init(out, 2 * in.len + BINARY_MIME_HEADER_MAX + 4096);
    while (in.len > 0) {
        size_t before = out->len;
        struct slice part = slice_sub(in, 0, piece);
        BUG_ON(!binary_mime_feed(&b, part, out));
        BUG_ON(out->len - before > 2 * part.len + BINARY_MIME_HEADER_MAX + 4096);
        in = slice_from(in, piece);
    }
    BUG_ON(!binary_mime_end(&b, out));
    binary_mime_clear(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole;
    struct buf pieces;
    struct buf again;
    struct slice in = {data, size};
    convert(in, size + 1, &whole);
    convert(in, size > 0 ? 1 + data[0] % 7 : 1, &pieces);
    BUG_ON(!slice_eq(buf_slice(&whole), buf_slice(&pieces)));
    convert(buf_slice(&whole), whole.len + 1, &again);
    BUG_ON(!slice_eq(buf_slice(&whole), buf_slice(&again)));
    buf_clear(&whole);
    buf_clear(&pieces);
    buf_clear(&again);
    return 0;
}
