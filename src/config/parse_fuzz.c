/* config/parse_fuzz.c - a file that parses, written out again from its events, parses to the
 * same events. Lines never go back and never pass the number of lines; after an error there
 * is only that error. */
#include "config/parse.h"
#include "config/setting.h"

#include <stdlib.h>
#include <string.h>

enum { OUT_MAX = 1024 * 1024 };

static void print_event(const struct parse_event *e, struct buf *out)
{
    switch (e->kind) {
    case PARSE_SECTION:
        buf_add(out, e->name);
        buf_add_str(out, " ");
        if (e->titled) {
            setting_quote(e->text, out);
        }
        buf_add_str(out, "{\n");
        break;
    case PARSE_SECTION_END:
        buf_add_str(out, "}\n");
        break;
    case PARSE_LIST:
        buf_add(out, e->name);
        buf_add_str(out, " = {");
        break;
    case PARSE_VALUE:
        buf_add(out, e->name);
        buf_add_str(out, " = ");
        setting_quote(e->text, out);
        buf_add_str(out, "\n");
        break;
    case PARSE_ITEM:
        setting_quote(e->text, out);
        buf_add_str(out, ",");
        break;
    case PARSE_END:
    case PARSE_ERROR:
        break;
    }
}

static enum parse_kind round_trip(struct slice in, struct buf *out)
{
    struct parser p;
    struct parse_event e = {.kind = PARSE_END};
    enum parse_kind before = PARSE_END;
    unsigned line = 1, lines = 1;
    for (size_t i = 0; i < in.len; i++) {
        lines += in.ptr[i] == '\n';
    }
    buf_add_str(out, "\n"); /* so that no name becomes the file's byte order mark */
    parse_init(&p, in);
    do {
        before = e.kind;
        e = parse_next(&p);
        bool list_ended = (before == PARSE_LIST || before == PARSE_ITEM) &&
                          e.kind != PARSE_ITEM && e.kind != PARSE_ERROR;
        buf_add_str(out, list_ended ? "}\n" : "");
        print_event(&e, out);
        if (e.line > lines || (e.kind != PARSE_ERROR && e.line < line)) {
            abort();
        }
        line = e.line;
    } while (e.kind != PARSE_END && e.kind != PARSE_ERROR);
    if (e.kind == PARSE_ERROR &&
        (parse_next(&p).kind != PARSE_ERROR || e.text.len == 0)) {
        abort();
    }
    parse_clear(&p);
    return e.kind;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct buf first, second;
    buf_init(&first, OUT_MAX);
    buf_init(&second, OUT_MAX);
    if (round_trip((struct slice){data, len}, &first) == PARSE_END && !first.failed &&
        (round_trip(buf_slice(&first), &second) != PARSE_END ||
         !slice_eq(buf_slice(&first), buf_slice(&second)))) {
        abort();
    }
    buf_clear(&first);
    buf_clear(&second);
    return 0;
}
