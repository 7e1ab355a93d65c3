/* smtp/client_fuzz.c - libFuzzer target: reply parser and dot encoder, whole against cut.
 */
#include "smtp/client_reply.h"
#include "smtp/dot_encode.h"

#include <stdlib.h>
#include <string.h>

static enum client_reply_res feed(struct client_reply *r, struct slice *in, size_t step)
{
    enum client_reply_res res = CLIENT_REPLY_MORE;
    while (res == CLIENT_REPLY_MORE && in->len > 0) {
        struct slice piece = slice_sub(*in, 0, step);
        size_t had = piece.len;
        res = client_reply_feed(r, &piece);
        *in = slice_from(*in, had - piece.len);
    }
    return res;
}

/* The same replies come out however the octets were cut. */
static void fuzz_reply(struct slice in, size_t step)
{
    struct client_reply a, b;
    struct slice rest_a = in, rest_b = in;
    client_reply_init(&a);
    client_reply_init(&b);
    for (;;) {
        enum client_reply_res res = feed(&a, &rest_a, SIZE_MAX);
        if (feed(&b, &rest_b, step) != res) {
            abort();
        }
        if (res != CLIENT_REPLY_DONE) {
            break;
        }
        if (a.code != b.code || rest_a.len != rest_b.len || a.code < 200 ||
            a.code > 599 || !slice_eq(buf_slice(&a.text), buf_slice(&b.text))) {
            abort();
        }
        struct slice status = client_reply_status(&a);
        if (status.len > 0 && (status.len < 5 || status.ptr[0] != '0' + a.code / 100)) {
            abort();
        }
    }
    client_reply_clear(&a);
    client_reply_clear(&b);
}

/* Undoing what the encoder did, as a strict server would, ends at the last octet and
 * gives the message with its line ends made CRLF. */
static void fuzz_dots(struct slice in, size_t step)
{
    struct buf wire, parts, want;
    struct dot_encoder d = {0};
    buf_init(&wire, 4 * in.len + 16);
    buf_init(&parts, 4 * in.len + 16);
    buf_init(&want, 4 * in.len + 16);
    dot_encode_add(&d, in, &wire);
    dot_encode_end(&d, &wire);
    for (size_t i = 0; i < in.len; i += step) {
        dot_encode_add(&d, slice_sub(in, i, step), &parts);
    }
    dot_encode_end(&d, &parts);
    if (!slice_eq(buf_slice(&wire), buf_slice(&parts))) {
        abort();
    }
    for (size_t i = 0; i < in.len; i++) {
        bool pair = in.ptr[i] == '\r' && i + 1 < in.len && in.ptr[i + 1] == '\n';
        if (in.ptr[i] == '\r' || in.ptr[i] == '\n') {
            (void)buf_add_str(&want, "\r\n");
            i += pair;
        } else {
            (void)buf_add_byte(&want, in.ptr[i]);
        }
    }
    if (want.len > 0 && want.ptr[want.len - 1] != '\n') {
        (void)buf_add_str(&want, "\r\n");
    }
    size_t at = 0, got = 0;
    for (;;) {
        const unsigned char *end = memmem(wire.ptr + at, wire.len - at, "\r\n", 2);
        if (end == NULL) {
            abort();
        }
        size_t len = (size_t)(end - (wire.ptr + at)) + 2;
        bool dot = wire.ptr[at] == '.';
        if (dot && len == 3) {
            at += 3;
            break;
        }
        struct slice line = {wire.ptr + at + dot, len - dot};
        if (!slice_starts(slice_from(buf_slice(&want), got), line)) {
            abort();
        }
        got += line.len;
        at += len;
    }
    if (at != wire.len || got != want.len) {
        abort();
    }
    buf_clear(&wire);
    buf_clear(&parts);
    buf_clear(&want);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct slice in = {data + 1, size - 1};
    fuzz_reply(in, 1U + data[0]);
    fuzz_dots(in, 1U + data[0]);
    return 0;
}
