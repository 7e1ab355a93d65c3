/* smtp/dot_decode_fuzz.c - libFuzzer target: the first octet is the mode and the size of the
 * pieces. Spans joined and answer do not depend on the cut; the text has CRLF line ends only;
 * the end is CRLF.CRLF and nothing else; and what dot_encode() makes is undone. */
#include "base/buf.h"
#include "smtp/dot_decode.h"
#include "smtp/dot_encode.h"

#include <stdlib.h>

static enum dot_res decode(struct dot_decoder d, struct slice in, size_t step,
                           struct buf *out, size_t *used)
{
    enum dot_res res = DOT_MORE;
    *used = 0;
    while (res == DOT_MORE && *used < in.len) {
        struct slice piece = slice_sub(in, *used, step);
        size_t had = piece.len;
        struct slice span = {0};
        while ((res = dot_decode(&d, &piece, &span)) == DOT_SPAN) {
            if (span.len == 0) {
                abort();
            }
            (void)buf_add(out, span);
        }
        *used += had - piece.len;
    }
    return res;
}

static void check_text(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((s.ptr[i] == '\r' && i + 1 < s.len && s.ptr[i + 1] != '\n') ||
            (s.ptr[i] == '\n' && (i == 0 || s.ptr[i - 1] != '\r'))) {
            abort();
        }
    }
}

static void check_cut(struct slice in, struct dot_decoder d, size_t step)
{
    struct buf whole;
    struct buf parts;
    size_t used = 0;
    size_t used_parts = 0;
    buf_init(&whole, 2 * in.len + 16);
    buf_init(&parts, 2 * in.len + 16);
    enum dot_res res = decode(d, in, SIZE_MAX, &whole, &used);
    if (decode(d, in, step, &parts, &used_parts) != res || used != used_parts ||
        !slice_eq(buf_slice(&whole), buf_slice(&parts))) {
        abort();
    }
    check_text(buf_slice(&whole));
    if (res == DOT_END) {
        struct slice seen = slice_sub(in, 0, used);
        if (d.raw || used < 3 || !slice_eq(slice_from(seen, used - 3), SLICE(".\r\n")) ||
            (used > 3 &&
             (used < 5 || !slice_eq(slice_sub(seen, used - 5, 2), SLICE("\r\n"))))) {
            abort();
        }
    }
    buf_clear(&whole);
    buf_clear(&parts);
}

static void check_encoded(struct slice in, size_t step)
{
    struct buf wire;
    struct buf text;
    size_t used = 0;
    struct dot_encoder e = {0};
    buf_init(&wire, 4 * in.len + 16);
    buf_init(&text, 4 * in.len + 16);
    dot_encode_add(&e, in, &wire);
    dot_encode_end(&e, &wire);
    if (decode((struct dot_decoder){0}, buf_slice(&wire), step, &text, &used) !=
            DOT_END ||
        used != wire.len) {
        abort();
    }
    buf_clear(&wire);
    buf_clear(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct slice in = {data + 1, size - 1};
    size_t step = 1 + (data[0] >> 2);
    struct dot_decoder d = {.lenient = (data[0] & 1U) != 0, .raw = (data[0] & 2U) != 0};
    check_cut(in, d, step);
    check_encoded(in, step);
    return 0;
}
