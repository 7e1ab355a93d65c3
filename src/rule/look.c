/* rule/look.c - see rule.h: one pass over each text for all that the rules of a set look for in it */
#include "rule/many.h"
#include "rule/scan.h"
#include "rule/table.h"

#include <stdlib.h>
#include <string.h>

/* An expression in which no text of so many octets is sure to stand is looked for itself: what is shorter stands in
 * nearly every message. */
enum { WORD_BITS = 64, SURE_LEN = 3 };

static const enum scan_how scan_hows[RULE_HOW_N] = {
    [RULE_IS] = SCAN_ALL,          [RULE_HAS] = SCAN_ANYWHERE, [RULE_WORD] = SCAN_WORD,
    [RULE_STARTS] = SCAN_START,    [RULE_ENDS] = SCAN_END,     [RULE_UNDER] = SCAN_DOMAIN,
    [RULE_MATCHES] = SCAN_ANYWHERE};

/* --- what a set looks for --- */

static struct rule_source *source_new(struct rule_set *set, enum rule_what what,
                                      struct slice name)
{
    struct rule_source *s = arena_alloc(&set->arena, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    *s = (struct rule_source){.next = set->sources,
                              .what = what,
                              .name = name,
                              .number = set->source_n,
                              .builder = scan_builder_new()};
    if (s->builder == NULL) {
        return NULL;
    }
    set->sources = s;
    set->source_n++;
    return s;
}

static struct rule_source *field_source(struct rule_set *set, struct slice name)
{
    unsigned char *lower = arena_alloc(&set->arena, name.len);
    if (lower == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < name.len; i++) {
        lower[i] = ascii_lower(name.ptr[i]);
    }
    struct slice key = {lower, name.len};
    struct rule_source *s = map_get(&set->fields, key);
    if (s == NULL) {
        s = source_new(set, RULE_HEADER, key);
        if (s != NULL && !map_put(&set->fields, key, s)) {
            return NULL;
        }
    }
    return s;
}

static struct rule_source *source_of(struct rule_set *set, const struct rule_condition *c)
{
    if (c->what == RULE_SUBJECT || c->what == RULE_HEADER) {
        return field_source(set, c->what == RULE_SUBJECT ? SLICE("subject") : c->name);
    }
    struct rule_source *s = set->sources;
    while (s != NULL && s->what != c->what) {
        s = s->next;
    }
    return s != NULL ? s : source_new(set, c->what, SLICE(""));
}

static bool add_test(struct rule_set *set, struct rule_condition *c)
{
    enum rule_sort sort = rule_whats[c->what].sort;
    set->asks |= 1U << c->what;
    if (sort != WHAT_TEXT && sort != WHAT_HEADER) {
        return true;
    }
    struct rule_source *s = source_of(set, c);
    c->source = s;
    for (struct rule_value *v = c->values; v != NULL && s != NULL; v = v->next) {
        unsigned char octets[RULE_REGEX_LITERAL_MAX];
        struct slice literal =
            c->how == RULE_MATCHES ? rule_regex_literal(&v->regex, octets) : v->text;
        v->exact = c->how == RULE_MATCHES && literal.len < SURE_LEN;
        if (v->exact) {
            v->id = s->exact_n++;
            v->beside = s->exact;
            s->exact = v;
        } else if (!scan_builder_add(s->builder, literal, scan_hows[c->how], &v->id)) {
            return false;
        }
    }
    return s != NULL;
}

/* Recursion: as deep as what was parsed. NOLINTNEXTLINE(misc-no-recursion) */
static bool add_conditions(struct rule_set *set, struct rule_condition *c)
{
    for (; c != NULL; c = c->next) {
        if (c->kind == RULE_TEST ? !add_test(set, c) : !add_conditions(set, c->first)) {
            return false;
        }
    }
    return true;
}

/* All expressions of the source that are looked for themselves; their bits are behind those of the scan. */
static bool prepare_exact(struct rule_source *s)
{
    if (s->exact_n == 0) {
        return true;
    }
    const struct rule_regex **regex = calloc(s->exact_n, sizeof *regex);
    for (struct rule_value *v = s->exact; v != NULL && regex != NULL; v = v->beside) {
        regex[v->id] = &v->regex;
        v->id += scan_ids(s->scan);
    }
    s->many = regex == NULL ? NULL : many_new(regex, s->exact_n);
    free(regex);
    return s->many != NULL;
}

bool rule_look_prepare(struct rule_set *set)
{
    bool ok = true;
    for (unsigned i = 0; i < set->n && ok; i++) {
        ok = add_conditions(set, set->rule[i].conditions);
    }
    set->words = (set->source_n + WORD_BITS - 1) / WORD_BITS; /* what failed */
    for (struct rule_source *s = set->sources; s != NULL && ok; s = s->next) {
        s->scan = scan_new(s->builder, &set->arena);
        ok = s->scan != NULL && prepare_exact(s);
        s->at = set->words;
        set->words +=
            ok ? ((size_t)scan_ids(s->scan) + s->exact_n + WORD_BITS - 1) / WORD_BITS : 0;
        scan_builder_free(&s->builder);
    }
    return ok;
}

void rule_look_clear(struct rule_set *set)
{
    for (struct rule_source *s = set->sources; s != NULL; s = s->next) {
        scan_builder_free(&s->builder);
        many_free(&s->many);
    }
    map_clear(&set->fields);
}

/* --- looking --- */

bool rule_hit(const struct rule_hits *hits, size_t bit)
{
    return (hits->bits[bit / WORD_BITS] >> bit % WORD_BITS & 1) != 0;
}

size_t rule_failed_bit(const struct rule_source *s)
{
    return s->number;
}

/* False: memory. */
static bool look_at(const struct rule_source *s, struct slice text, struct rule_hits *out)
{
    uint64_t *bits = out->bits + s->at;
    scan_text(s->scan, text, bits);
    return s->many == NULL || many_text(s->many, text, bits, scan_ids(s->scan));
}

static bool look_at_fields(const struct rule_set *set, const struct message_head *head,
                           struct rule_hits *out)
{
    bool ok = true;
    unsigned char octets[256];
    struct buf line, text;
    buf_init(&line, RULE_VALUE_MAX);
    buf_init(&text, (size_t)4 * RULE_VALUE_MAX);
    for (unsigned i = 0; i < head->n && ok; i++) {
        struct slice name = slice_sub(head->field[i].name, 0, sizeof octets);
        for (size_t k = 0; k < name.len; k++) {
            octets[k] = ascii_lower(name.ptr[k]);
        }
        const struct rule_source *s =
            map_get(&set->fields, (struct slice){octets, name.len});
        if (s == NULL) {
            continue;
        }
        if (!rule_field_text(head->field[i].value, &line, &text)) {
            out->bits[s->number / WORD_BITS] |= UINT64_C(1) << s->number % WORD_BITS;
        }
        ok = look_at(s, slice_trim(buf_slice(&text)), out);
    }
    buf_clear(&line);
    buf_clear(&text);
    return ok;
}

void rule_set_look(const struct rule_set *set, const struct rule_facts *f,
                   struct rule_hits *out)
{
    bool ok = true;
    out->bits = calloc(set->words + 1, sizeof *out->bits);
    if (out->bits == NULL) {
        return;
    }
    for (const struct rule_source *s = set->sources; s != NULL && ok; s = s->next) {
        if (s->what == RULE_HEADER || (f->unknown & 1U << s->what) != 0) {
            continue;
        }
        for (unsigned i = 0; i < f->list[s->what].n && ok; i++) {
            ok = look_at(s, f->list[s->what].item[i], out);
        }
    }
    if (set->fields.n > 0 && f->head != NULL && !f->head->over) {
        ok = ok && look_at_fields(set, f->head, out);
    }
    if (!ok) {
        rule_hits_clear(out); /* each rule looks for itself */
    }
}

void rule_hits_clear(struct rule_hits *hits)
{
    free(hits->bits);
    hits->bits = NULL;
}
