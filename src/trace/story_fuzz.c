/* trace/story_fuzz.c - whatever a record says, what is printed is printable ASCII in whole
 * lines, and the JSON is one line of balanced, quoted text. */
#include "trace/event.h"
#include "trace/story.h"

#include <stdlib.h>

static void check(const struct buf *b, bool one_line)
{
    size_t lines = 0;
    for (size_t i = 0; i < b->len; i++) {
        lines += b->ptr[i] == '\n';
        if (b->ptr[i] != '\n' && (b->ptr[i] < 0x20 || b->ptr[i] > 0x7e)) {
            abort();
        }
    }
    if (b->failed || b->len == 0 || b->ptr[b->len - 1] != '\n' ||
        (one_line && lines != 1)) {
        abort();
    }
}

static void check_json(const struct buf *b)
{
    long depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < b->len; i++) {
        unsigned char c = b->ptr[i];
        if (quoted) {
            i += c == '\\';
            quoted = c != '"';
            continue;
        }
        quoted = c == '"';
        depth += (c == '{' || c == '[') - (c == '}' || c == ']');
        if (depth < 0 || (depth == 0 && c != '}' && c != '\n')) {
            abort();
        }
    }
    if (quoted || depth != 0) {
        abort();
    }
}

static bool tell_event(void *arg, const struct event *e)
{
    struct buf *b = arg;
    buf_reset(b);
    event_line(e, b);
    check(b, true);
    buf_reset(b);
    event_json(e, b);
    (void)buf_add_byte(b, '\n');
    check(b, true);
    check_json(b);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = {data, size};
    struct trace_reader r;
    struct buf b;
    if (!trace_valid(in) || !trace_open(in, &r)) {
        return 0;
    }
    struct story *s = story_new(r.session, 1 << 20);
    if (s == NULL || !story_add(s, in) || !story_add(s, in)) {
        abort();
    }
    buf_init(&b, 64 << 20);
    story_text(s, 1, &b);
    check(&b, false);
    buf_reset(&b);
    story_line(s, &b);
    check(&b, true);
    buf_reset(&b);
    story_json(s, &b);
    check(&b, true);
    check_json(&b);
    event_each(1, in, SLICE(""), tell_event, &b);
    buf_clear(&b);
    story_free(&s);
    return 0;
}
