/* filter/milter_fuzz.c - whatever a filter says, cut anywhere, it comes to the same verdict, text and changes; the
 * text is printable and a refusal, and all changes can be read again.
 * The input: where to cut, then the filter's octets behind a good negotiation. */
#include "filter/milter.h"

#include <stdlib.h>
#include <string.h>

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void play(struct milter *m, struct slice s, size_t step)
{
    static const unsigned char wishes[] = "\0\0\0\15O\0\0\0\6\0\0\0\21\0\0\0\0";
    struct buf out;
    buf_init(&out, 1000);
    milter_init(m);
    require(milter_feed(m, (struct slice){wishes, sizeof wishes - 1}) == MILTER_READY);
    milter_helo(m, &out, SLICE("h"));
    milter_end(m, &out);
    for (; s.len > 0; s = slice_from(s, step)) {
        (void)milter_feed(m, slice_sub(s, 0, step));
    }
    buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct milter whole, cut;
    struct milter_edit e;
    size_t step = size == 0 ? 1 : data[0] % 16U + 1;
    struct slice s = slice_from((struct slice){data, size}, 1);
    play(&whole, s, s.len + 1);
    play(&cut, s, step);
    require(whole.state == cut.state && whole.verdict == cut.verdict &&
            whole.text_len == cut.text_len &&
            memcmp(whole.text, cut.text, whole.text_len) == 0 &&
            slice_eq(buf_slice(&whole.edits), buf_slice(&cut.edits)));
    require(whole.text_len == 0 || whole.text[0] == '4' || whole.text[0] == '5');
    for (size_t i = 0; i < whole.text_len; i++) {
        require(whole.text[i] >= ' ' && whole.text[i] <= '~');
    }
    struct slice rest = buf_slice(&whole.edits);
    while (milter_edit_next(&rest, &e)) {
        require(e.kind <= MILTER_CHANGE);
    }
    require(rest.len == 0 || whole.edits.failed);
    milter_clear(&whole);
    milter_clear(&cut);
    return 0;
}
