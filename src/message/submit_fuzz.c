/* message/submit_fuzz.c - libFuzzer target: what stays does not depend on the cut, is stable
 * under a second pass, ends as it must, and nothing is held back behind a line's end. */
#include "base/log.h"
#include "message/submit.h"

static void play(struct slice in, size_t step, struct submit *s, struct buf *out)
{
    *s = (struct submit){0};
    buf_init(out, 1024 * 1024);
    for (size_t at = 0; at < in.len; at += step) {
        submit_feed(s, slice_sub(in, at, step), out);
        BUG_ON(s->held_len > SUBMIT_HELD_MAX);
    }
}

static bool crlf_only(struct slice in)
{
    for (size_t i = 0; i < in.len; i++) {
        bool lf = i + 1 < in.len && in.ptr[i + 1] == '\n';
        bool cr = i > 0 && in.ptr[i - 1] == '\r';
        if ((in.ptr[i] == '\r' && !lf) || (in.ptr[i] == '\n' && !cr)) {
            return false;
        }
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct submit s, parts, twice;
    struct buf out, out_parts, out_twice;
    if (size < 1) {
        return 0;
    }
    struct slice in = {data + 1, size - 1};
    if (!crlf_only(in)) {
        return 0;
    }
    play(in, in.len + 1, &s, &out);
    play(in, 1 + data[0] % 16, &parts, &out_parts);
    BUG_ON(!slice_eq(buf_slice(&out), buf_slice(&out_parts)));
    BUG_ON(out.len > in.len || s.has_date != parts.has_date);
    play(buf_slice(&out), out.len + 1, &twice, &out_twice);
    BUG_ON(s.held_len == 0 && !slice_eq(buf_slice(&out), buf_slice(&out_twice)));
    BUG_ON(in.len > 1 && in.ptr[in.len - 1] == '\n' && in.ptr[in.len - 2] == '\r' &&
           s.held_len != 0);
    buf_clear(&out);
    buf_clear(&out_parts);
    buf_clear(&out_twice);
    return 0;
}
