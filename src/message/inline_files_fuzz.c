/* message/inline_files_fuzz.c - what is found in a text does not depend on how it is cut; begin, content and end come
 * in their order; what the data fork of a BinHex file says is its length is not exceeded.
 * The input: its first octet says where to cut, and whether BinHex is expected. */
#include "base/buf.h"
#include "message/uudecode.h"

#include <stdlib.h>

struct log {
    struct buf text;
    bool open;
};

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void on_begin(void *arg, struct slice name)
{
    struct log *l = arg;
    require(!l->open && name.len > 0);
    l->open = true;
    (void)buf_add_str(&l->text, "[");
    (void)buf_add(&l->text, name);
    (void)buf_add_str(&l->text, ":");
}

static void on_content(void *arg, struct slice octets)
{
    struct log *l = arg;
    require(l->open);
    (void)buf_add(&l->text, octets);
}

static void on_end(void *arg)
{
    struct log *l = arg;
    require(l->open);
    l->open = false;
    (void)buf_add_str(&l->text, "]");
}

static void play(struct log *l, struct slice s, size_t step, bool binhex)
{
    static const struct uu_events events = {on_begin, on_content, on_end};
    static struct uudecode u;
    u = (struct uudecode){.state = UU_SEARCH};
    if (binhex) {
        uu_expect_binhex(&u);
    }
    buf_init(&l->text, (s.len + 1) * 300);
    l->open = false;
    for (; s.len > 0; s = slice_from(s, step)) {
        uu_feed(&u, slice_sub(s, 0, step), &events, l);
    }
    uu_end(&u, &events, l);
    require(!l->open && !l->text.failed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct log whole, cut;
    unsigned first = size == 0 ? 0 : data[0];
    struct slice s = slice_from((struct slice){data, size}, 1);
    play(&whole, s, s.len + 1, (first & 1U) != 0);
    play(&cut, s, first / 2 % 16U + 1, (first & 1U) != 0);
    require(slice_eq(buf_slice(&whole.text), buf_slice(&cut.text)));
    buf_clear(&whole.text);
    buf_clear(&cut.text);
    return 0;
}
