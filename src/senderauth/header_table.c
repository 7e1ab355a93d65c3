/* senderauth/header_table.c - see header_table.h */
#include "senderauth/header_table.h"

#include "message/fields.h"

#include <stdlib.h>
#include <string.h>

struct header_group {
    struct slice name;
    uint32_t first, n, taken; /* first: its place in order */
};

/* For qsort(), which hands no argument on: the name lies beside the number. */
struct sorted {
    struct slice name;
    uint32_t i;
};

static int compare_names(struct slice a, struct slice b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    for (size_t i = 0; i < n; i++) {
        int d = ascii_lower(a.ptr[i]) - ascii_lower(b.ptr[i]);
        if (d != 0) {
            return d;
        }
    }
    return (a.len > b.len) - (a.len < b.len);
}

static int compare_sorted(const void *va, const void *vb)
{
    const struct sorted *a = va, *b = vb;
    int d = compare_names(a->name, b->name);
    return d != 0 ? d : (a->i < b->i) - (a->i > b->i); /* the lower one first */
}

/* "From ann@example.com Fri Aug ...", but not "From : ann@example.com". */
static void skip_mailbox_line(struct slice *section)
{
    struct slice line, rest = *section;
    if (slice_starts(rest, SLICE("From ")) && slice_line(&rest, &line)) {
        struct slice after = slice_trim(slice_from(line, 4));
        if (after.len > 0 && after.ptr[0] != ':') {
            *section = rest;
        }
    }
}

static bool grow(struct header_table *t, uint32_t *cap)
{
    if (t->n < *cap) {
        return true;
    }
    uint32_t more = *cap == 0 ? 64 : *cap * 2;
    struct header_ref *field = realloc(t->field, more * sizeof *field);
    if (field == NULL) {
        return false;
    }
    t->field = field;
    *cap = more;
    return true;
}

static bool cut_fields(struct header_table *t, struct slice section)
{
    struct header_field f;
    unsigned line = 1;
    uint32_t cap = 0;
    skip_mailbox_line(&section);
    while (header_field_next(&section, &line, &f)) {
        if (t->n == HEADER_TABLE_MAX || f.raw.len > UINT32_MAX) {
            t->n = 0;
            t->too_many = true;
            return true;
        }
        if (!grow(t, &cap)) {
            return false;
        }
        t->field[t->n++] = (struct header_ref){
            .raw = f.raw,
            .name_len = (uint32_t)f.name.len,
            .value_at = (uint32_t)(f.value.ptr - f.raw.ptr),
            .line = f.line,
        };
    }
    return true;
}

static void make_groups(struct header_table *t, const struct sorted *sorted)
{
    for (uint32_t i = 0; i < t->n; i++) {
        t->order[i] = sorted[i].i;
        if (i == 0 || !slice_ieq(sorted[i].name, sorted[i - 1].name)) {
            t->group[t->group_n++] =
                (struct header_group){.name = sorted[i].name, .first = i};
        }
        t->group[t->group_n - 1].n++;
    }
}

bool header_table_init(struct header_table *t, struct slice section)
{
    *t = (struct header_table){0};
    if (!cut_fields(t, section)) {
        header_table_clear(t);
        return false;
    }
    if (t->n == 0) {
        return true;
    }
    struct sorted *sorted = malloc(t->n * sizeof *sorted);
    t->order = malloc(t->n * sizeof *t->order);
    t->group = malloc(t->n * sizeof *t->group);
    bool ok = sorted != NULL && t->order != NULL && t->group != NULL;
    if (ok) {
        for (uint32_t i = 0; i < t->n; i++) {
            sorted[i] = (struct sorted){header_ref_name(&t->field[i]), i};
        }
        qsort(sorted, t->n, sizeof *sorted, compare_sorted);
        make_groups(t, sorted);
    } else {
        header_table_clear(t);
    }
    free(sorted);
    return ok;
}

void header_table_clear(struct header_table *t)
{
    free(t->field);
    free(t->order);
    free(t->group);
    *t = (struct header_table){0};
}

struct slice header_ref_name(const struct header_ref *f)
{
    return slice_sub(f->raw, 0, f->name_len);
}

struct slice header_ref_value(const struct header_ref *f)
{
    struct slice v = slice_from(f->raw, f->value_at);
    if (v.len > 0 && v.ptr[v.len - 1] == '\n') {
        v.len--;
        v.len -= v.len > 0 && v.ptr[v.len - 1] == '\r';
    }
    return v;
}

static struct header_group *find_group(const struct header_table *t, struct slice name)
{
    uint32_t low = 0, high = t->group_n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        int d = compare_names(name, t->group[mid].name);
        if (d == 0) {
            return &t->group[mid];
        }
        if (d < 0) {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    return NULL;
}

uint32_t header_table_take(struct header_table *t, struct slice name)
{
    struct header_group *g = find_group(t, name);
    if (g == NULL || g->taken == g->n) {
        return HEADER_NONE;
    }
    return t->order[g->first + g->taken++];
}

void header_table_rewind(struct header_table *t)
{
    for (uint32_t i = 0; i < t->group_n; i++) {
        t->group[i].taken = 0;
    }
}

uint32_t header_table_top(const struct header_table *t, struct slice name)
{
    const struct header_group *g = find_group(t, name);
    return g == NULL ? HEADER_NONE : t->order[g->first + g->n - 1];
}

uint32_t header_table_count(const struct header_table *t, struct slice name)
{
    const struct header_group *g = find_group(t, name);
    return g == NULL ? 0 : g->n;
}

/* Pieces gathered, so that a hash is not called for each word. */
struct pen {
    header_sink *add;
    void *arg;
    size_t n;
    unsigned char at[1024];
};

static void pen_flush(struct pen *p)
{
    if (p->n > 0) {
        p->add(p->arg, (struct slice){p->at, p->n});
        p->n = 0;
    }
}

static void pen_byte(struct pen *p, unsigned char c)
{
    if (p->n == sizeof p->at) {
        pen_flush(p);
    }
    p->at[p->n++] = c;
}

/* RFC 6376 3.4.2: folds undone, each run of SP and HTAB one SP, none at either end. Only a CRLF
 * before a blank is a fold; other CRs and LFs are octets like any other. */
struct relaxer {
    struct pen *pen;
    bool blank, begun;
};

static void relax(struct relaxer *r, struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = s.ptr[i];
        bool crlf = c == '\r' && i + 1 < s.len && s.ptr[i + 1] == '\n';
        if (c == ' ' || c == '\t' || crlf) {
            r->blank = true;
            i += crlf;
            continue;
        }
        if (r->blank && r->begun) {
            pen_byte(r->pen, ' ');
        }
        r->blank = false;
        r->begun = true;
        pen_byte(r->pen, c);
    }
}

static void canon_relaxed(const struct header_ref *f, struct slice before,
                          struct slice after, struct pen *pen)
{
    struct relaxer r = {.pen = pen};
    for (uint32_t i = 0; i < f->name_len; i++) {
        pen_byte(pen, ascii_lower(f->raw.ptr[i]));
    }
    pen_byte(pen, ':');
    relax(&r, slice_from(before, f->value_at));
    relax(&r, after);
}

void header_canon(const struct header_ref *f, bool relaxed, struct slice cut, bool last,
                  header_sink *add, void *arg)
{
    struct pen pen = {.add = add, .arg = arg};
    struct slice value = header_ref_value(f);
    struct slice line = slice_sub(f->raw, 0, f->value_at + value.len);
    struct slice before = line, after = {0};
    if (cut.ptr != NULL) {
        before = slice_sub(line, 0, (size_t)(cut.ptr - line.ptr));
        after = slice_from(line, before.len + cut.len);
    }
    if (relaxed) {
        canon_relaxed(f, before, after, &pen);
        pen_flush(&pen);
    } else {
        add(arg, before);
        add(arg, after);
    }
    if (!last) {
        add(arg, SLICE("\r\n"));
    }
}
