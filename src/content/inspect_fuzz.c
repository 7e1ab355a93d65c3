/* content/inspect_fuzz.c - the report does not depend on how the message is cut. The first octet
 * says in which pieces, and whether the rest is a message or the content of an attachment. */
#include "base/base64.h"
#include "content/inspect.h"

#include <stdlib.h>
#include <string.h>

static const struct inspect_settings settings = {
    .mime = {.depth = 6, .parts = 40},
    .archive_size = 1 << 20,
    .archive = {
        .depth = 3, .entries = 50, .octets = 1 << 20, .ratio = 200, .time_ms = 60000}};

static struct inspect *run(struct slice message, size_t step)
{
    struct inspect *x = inspect_new(&settings);
    for (size_t at = 0; x != NULL && at < message.len; at += step) {
        if (!inspect_feed(x, slice_sub(message, at, step))) {
            abort();
        }
    }
    if (x == NULL || !inspect_end(x)) {
        abort();
    }
    return x;
}

static bool same(const char *a, size_t a_len, const char *b, size_t b_len)
{
    return a_len == b_len && memcmp(a, b, a_len) == 0;
}

static void compare(const struct inspect_report *a, const struct inspect_report *b)
{
    if (a->attachments != b->attachments || a->defects != b->defects ||
        a->defects_attached != b->defects_attached || a->refused != b->refused ||
        !same(a->notes, a->notes_len, b->notes, b->notes_len) ||
        !same(a->linked, a->linked_len, b->linked, b->linked_len) ||
        !same(a->file.place, a->file.place_len, b->file.place, b->file.place_len) ||
        !same(a->file.what, a->file.what_len, b->file.what, b->file.what_len)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct slice rest = slice_from((struct slice){data, len}, 1);
    struct buf message;
    static bool prepared;
    prepared = prepared || inspect_prepare();
    buf_init(&message, len * 2 + 4096);
    if (len > 0 && (data[0] & 1) != 0) {
        (void)buf_add_str(&message, "Content-Type: a/b; name=a.zip\r\n"
                                    "Content-Transfer-Encoding: base64\r\n\r\n");
        (void)base64_encode(&message, rest);
    } else {
        (void)buf_add(&message, rest);
    }
    struct inspect *whole = run(buf_slice(&message), message.len + 1);
    struct inspect *cut = run(buf_slice(&message), len > 0 ? 1 + data[0] / 2 % 11U : 1);
    compare(inspect_report(whole), inspect_report(cut));
    inspect_free(&whole);
    inspect_free(&cut);
    buf_clear(&message);
    return 0;
}
