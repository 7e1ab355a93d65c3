/* message/mime_read_fuzz.c - parts lie inside their parent and do not overlap their sisters;
 * text that comes out is valid UTF-8 and not longer than its encodings can make it. */
#include "message/mime_read.h"

#include <stdlib.h>

static bool inside(struct slice in, struct slice of)
{
    return in.len == 0 || (in.ptr >= of.ptr && in.ptr + in.len <= of.ptr + of.len);
}

static void check_parts(const struct mime_message *m, struct slice all)
{
    for (unsigned i = 0; i < m->n; i++) {
        const struct mime_part *p = &m->part[i];
        struct slice outer = i == 0 ? all : m->part[p->parent].body;
        if (!inside(p->header, outer) || !inside(p->body, outer) || p->parent > i ||
            p->depth >= MIME_DEPTH_MAX) {
            abort();
        }
        if (i > 0 && m->part[i - 1].parent == p->parent && p->body.len > 0 &&
            p->body.ptr < m->part[i - 1].body.ptr + m->part[i - 1].body.len && i > 1) {
            abort();
        }
    }
}

/* What is UTF-8 already comes out as it was. */
static void check_text(struct slice text)
{
    struct buf again;
    buf_init(&again, text.len * 3 + 1);
    if (slice_find(text, 0x1b) == text.len &&
        slice_search(text, SLICE("~{")) == text.len &&
        (!mime_to_utf8(SLICE("utf-8"), text, NULL, &again) ||
         !slice_eq(buf_slice(&again), text))) {
        abort();
    }
    buf_clear(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct mime_message m;
    struct slice all = {data, len}, text, header;
    struct buf store;
    struct mime_field f;
    mime_read(all, &m);
    check_parts(&m, all);
    buf_init(&store, len * 16 + 64);
    for (unsigned i = 0; i < m.n; i++) {
        buf_reset(&store);
        if (!mime_text(&m.part[i], NULL, &store, &text)) {
            abort(); /* there was room */
        }
        check_text(text);
        for (header = m.part[i].header; mime_field_next(&header, &f);) {
            buf_reset(&store);
            if (f.name.len == 0 || !mime_words(f.value, NULL, &store)) {
                abort();
            }
            check_text(buf_slice(&store));
        }
    }
    buf_reset(&store);
    if (!mime_html_text(all, &store) || store.len > len * 4) {
        abort();
    }
    buf_clear(&store);
    return 0;
}
