/* cmd/explain_summary.c - counts by class, provider and domain; see explain.h */
#include "base/json.h"
#include "base/prose.h"
#include "cmd/explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const group_names[BY_N] = {"class", "provider", "domain"};
static const char *const group_words[BY_N] = {"by-class", "by-provider", "by-domain"};

enum { KEY_MAX = 255, TABLE_ROWS_MAX = 50, COUNT = 10, SHARE = 7, CLASS = 24 };

static void count_one(struct map *m, struct slice key)
{
    unsigned char lower[KEY_MAX];
    key = slice_sub(key, 0, KEY_MAX);
    for (size_t i = 0; i < key.len; i++) {
        lower[i] = ascii_lower(key.ptr[i]);
    }
    key = key.len == 0 ? SLICE("-") : (struct slice){lower, key.len};
    uint64_t *n = map_get(m, key);
    if (n == NULL) {
        n = calloc(1, sizeof *n);
        if (n != NULL && !map_put(m, key, n)) {
            free(n);
            n = map_get(m, SLICE("(other)"));
        }
    }
    if (n != NULL) {
        ++*n;
    }
}

void explain_count(struct explain *e, const struct postern_bounce_result *r)
{
    struct slice address = slice_of(r->recipient);
    size_t at = slice_rfind(address, '@');
    struct slice keys[BY_N] = {
        [BY_CLASS] = slice_of(r->class_name),
        [BY_PROVIDER] = slice_of(r->provider),
        [BY_DOMAIN] = at < address.len ? slice_from(address, at + 1) : SLICE(""),
    };
    for (unsigned i = 0; i < BY_N; i++) {
        if (e->count[i].n == 0) { /* has its place before the map is full */
            uint64_t *other = calloc(1, sizeof *other);
            if (other == NULL || !map_put(&e->count[i], SLICE("(other)"), other)) {
                free(other);
            }
        }
        count_one(&e->count[i], keys[i]);
    }
}

struct row {
    struct slice key;
    uint64_t n;
};

struct rows {
    struct row *row;
    size_t n, max;
};

static void collect(void *arg, struct slice key, void *value)
{
    struct rows *rows = arg;
    uint64_t n = *(uint64_t *)value;
    if (n > 0 && rows->n < rows->max) {
        rows->row[rows->n++] = (struct row){key, n};
    }
}

static int more_first(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    return x->n != y->n ? (x->n < y->n ? 1 : -1) : slice_cmp(x->key, y->key);
}

static void csv_string(struct buf *out, struct slice s)
{
    (void)buf_add_byte(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '"') {
            (void)buf_add_byte(out, '"');
        }
        (void)buf_add_byte(out, s.ptr[i] < 0x20 ? ' ' : s.ptr[i]);
    }
    (void)buf_add_byte(out, '"');
}

/* A name, for people; behind that of a class what it means. */
static void print_key(struct explain *e, unsigned group, struct slice key)
{
    char text[KEY_MAX + 1];
    struct postern_bounce_page page;
    bool none = group == BY_PROVIDER && slice_eq(key, SLICE("none"));
    if (none || slice_eq(key, SLICE("-"))) {
        (void)buf_add_str(&e->out, explain_word(e, "none"));
    } else if (slice_eq(key, SLICE("(other)"))) {
        (void)buf_add_str(&e->out, explain_word(e, "other"));
    } else if (!slice_cstr(key, text, sizeof text)) {
        return; /* a NUL in it */
    } else if (group == BY_CLASS &&
               postern_bounce_page("class", text, e->language, &page) != 0) {
        (void)buf_add_fmt(&e->out, "%-*s %s", CLASS, text, page.title);
    } else {
        explain_add_text(&e->out, text);
    }
}

static void print_heads(struct explain *e, unsigned group)
{
    prose_pad(&e->out, slice_of(explain_word(e, "count")), COUNT, true);
    (void)buf_add_byte(&e->out, ' ');
    prose_pad(&e->out, slice_of(explain_word(e, "share")), SHARE, true);
    (void)buf_add_fmt(&e->out, "  %s\n", explain_word(e, group_words[group]));
}

static void print_rest(struct explain *e, size_t n)
{
    char number[24];
    (void)snprintf(number, sizeof number, "%zu", n);
    (void)buf_add_fmt(&e->out, "%*s", COUNT + 1 + SHARE + 2, "");
    explain_filled(e, &e->out, "more-rows", "{n}", number);
    (void)buf_add_byte(&e->out, '\n');
}

static void print_group(struct explain *e, unsigned group, const struct rows *rows)
{
    struct buf *out = &e->out;
    double total = e->results > 0 ? (double)e->results : 1;
    if (!e->json && !e->csv) {
        print_heads(e, group);
    }
    for (size_t i = 0; i < rows->n; i++) {
        double share = (double)rows->row[i].n / total;
        unsigned long long n = rows->row[i].n;
        if (e->json) {
            (void)buf_add_str(out, i == 0 ? "{\"name\":" : ",{\"name\":");
            (void)json_add_string(out, rows->row[i].key);
            (void)buf_add_fmt(out, ",\"count\":%llu,\"share\":%.6f}", n, share);
        } else if (e->csv) {
            (void)buf_add_fmt(out, "%s,", group_names[group]);
            csv_string(out, rows->row[i].key);
            (void)buf_add_fmt(out, ",%llu,%.6f\n", n, share);
        } else if (i < TABLE_ROWS_MAX) {
            (void)buf_add_fmt(out, "%*llu %*.2f%%  ", COUNT, n, SHARE - 1, share * 100);
            print_key(e, group, rows->row[i].key);
            (void)buf_add_byte(out, '\n');
        }
        if (out->len > EXPLAIN_LINE_MAX) {
            explain_flush(e);
        }
    }
    if (!e->json && !e->csv) {
        if (rows->n > TABLE_ROWS_MAX) {
            print_rest(e, rows->n - TABLE_ROWS_MAX);
        }
        (void)buf_add_byte(out, '\n');
    }
}

void explain_summary(struct explain *e)
{
    struct buf *out = &e->out;
    unsigned long long total = e->results;
    if (e->json) {
        (void)buf_add_fmt(out, "{\"total\":%llu", total);
    } else if (e->csv) {
        (void)buf_add_fmt(out, "group,name,count,share\ntotal,,%llu,1\n", total);
    } else {
        char number[24];
        (void)snprintf(number, sizeof number, "%llu", total);
        explain_filled(e, out, "total", "{n}", number);
        (void)buf_add_str(out, "\n\n");
    }
    for (unsigned i = 0; i < BY_N; i++) {
        struct rows rows = {.max = e->count[i].n};
        rows.row = calloc(rows.max + 1, sizeof *rows.row);
        if (rows.row == NULL) {
            explain_wrong(e, NULL, "err-memory", "", "");
            return;
        }
        map_each(&e->count[i], collect, &rows);
        qsort(rows.row, rows.n, sizeof *rows.row, more_first);
        if (e->json) {
            (void)buf_add_fmt(out, ",\"%s\":[", group_names[i]);
        }
        print_group(e, i, &rows);
        (void)buf_add_str(out, e->json ? "]" : "");
        free(rows.row);
    }
    (void)buf_add_str(out, e->json ? "}\n" : "");
}

static void free_count(void *arg, struct slice key, void *value)
{
    (void)arg;
    (void)key;
    free(value);
}

void explain_summary_clear(struct explain *e)
{
    for (unsigned i = 0; i < BY_N; i++) {
        map_each(&e->count[i], free_count, NULL);
        map_clear(&e->count[i]);
    }
}
