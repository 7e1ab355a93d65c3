/* config/words.c - see words.h */
#include "config/words.h"

#include <stdio.h>
#include <stdlib.h>

enum { VALUE_SHOWN = 80 };

struct words words_of(struct slice text)
{
    return (struct words){.rest = text};
}

bool words_next(struct words *w)
{
    struct slice line;
    w->n = 0;
    while (w->n == 0 && slice_line(&w->rest, &line)) {
        w->line++;
        line = slice_sub(line, 0, slice_find(line, '#'));
        for (line = slice_trim(line); line.len > 0 && w->n < WORDS_LINE_MAX;
             line = slice_trim(line)) {
            size_t len = 0;
            while (len < line.len && !ascii_is_blank(line.ptr[len])) {
                len++;
            }
            w->word[w->n++] = slice_sub(line, 0, len);
            line = slice_from(line, len);
        }
    }
    return w->n > 0;
}

bool words_read(struct slice text, void *table, bool (*take)(struct words_reader *r),
                bool (*end)(struct words_reader *r), char error[WORDS_ERROR_MAX])
{
    struct words_reader *r = calloc(1, sizeof *r); /* large */
    error[0] = '\0';
    if (r == NULL || table == NULL) {
        (void)snprintf(error, WORDS_ERROR_MAX, "memory is short");
        free(r);
        return false;
    }
    *r = (struct words_reader){.w = words_of(text), .table = table, .error = error};
    bool ok = true;
    while (ok && words_next(&r->w)) {
        ok = take(r);
    }
    ok = ok && (end == NULL || end(r));
    free(r);
    return ok;
}

bool words_wrong(struct words_reader *r, struct slice value, const char *wrong,
                 const char *expected)
{
    struct buf b;
    buf_init(&b, (size_t)4 * WORDS_ERROR_MAX);
    (void)buf_add_fmt(&b, "line %u: ", r->w.line);
    if (value.len > 0) {
        (void)buf_add_byte(&b, '\'');
        (void)buf_add_escaped(&b, slice_sub(value, 0, VALUE_SHOWN));
        (void)buf_add_str(&b, "' ");
    }
    (void)buf_add_fmt(&b, "%s; expected %s", wrong, expected);
    if (!slice_cstr(slice_sub(buf_slice(&b), 0, WORDS_ERROR_MAX - 1), r->error,
                    WORDS_ERROR_MAX)) {
        r->error[0] = '\0';
    }
    buf_clear(&b);
    return false;
}
