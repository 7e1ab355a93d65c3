/* rule/rule.c - see rule.h: texts to conditions, and back */
#include "rule/rule.h"

#include "base/wire.h"
#include "rule/table.h"

#include <stdlib.h>
#include <string.h>

const struct rule_word rule_whats[RULE_WHAT_N] = {
    [RULE_SENDER] = {"sender", WHAT_TEXT},
    [RULE_RECIPIENT] = {"recipient", WHAT_TEXT},
    [RULE_HELO] = {"helo", WHAT_TEXT},
    [RULE_LOGIN] = {"login", WHAT_TEXT},
    [RULE_SPF] = {"spf", WHAT_TEXT},
    [RULE_DKIM] = {"dkim", WHAT_TEXT},
    [RULE_DKIM_DOMAIN] = {"dkim-domain", WHAT_TEXT},
    [RULE_ARC] = {"arc", WHAT_TEXT},
    [RULE_DMARC] = {"dmarc", WHAT_TEXT},
    [RULE_SENDER_GROUP] = {"sender-group", WHAT_TEXT},
    [RULE_RECIPIENT_GROUP] = {"recipient-group", WHAT_TEXT},
    [RULE_BODY] = {"body", WHAT_TEXT},
    [RULE_LINK] = {"link", WHAT_TEXT},
    [RULE_ATTACHMENT] = {"attachment", WHAT_TEXT},
    [RULE_ATTACHMENT_TYPE] = {"attachment-type", WHAT_TEXT},
    [RULE_SUBJECT] = {"subject", WHAT_TEXT},
    [RULE_HEADER] = {"header", WHAT_HEADER},
    [RULE_NETWORK] = {"network", WHAT_NETWORK},
    [RULE_TLS] = {"tls", WHAT_FLAG},
    [RULE_AUTHENTICATED] = {"authenticated", WHAT_FLAG},
    [RULE_SIZE] = {"size", WHAT_NUMBER},
    [RULE_RECIPIENTS] = {"recipients", WHAT_NUMBER},
    [RULE_ATTACHMENTS] = {"attachments", WHAT_NUMBER},
    [RULE_ATTACHMENT_SIZE] = {"attachment-size", WHAT_NUMBER},
    [RULE_SPAM_SCORE] = {"spam-score", WHAT_SCORE},
};

static const char *const hows[RULE_HOW_N] = {
    [RULE_IS] = "is",          [RULE_HAS] = "has",   [RULE_WORD] = "word",
    [RULE_STARTS] = "starts",  [RULE_ENDS] = "ends", [RULE_UNDER] = "under",
    [RULE_MATCHES] = "matches"};

static const char *const compares[] = {[RULE_LESS] = "<",
                                       [RULE_AT_MOST] = "<=",
                                       [RULE_EQUAL] = "=",
                                       [RULE_AT_LEAST] = ">=",
                                       [RULE_MORE] = ">"};

const char *const rule_acts[RULE_ACT_N] = {[RULE_REJECT] = "reject",
                                           [RULE_PROHIBIT] = "prohibit",
                                           [RULE_ACCEPT] = "accept",
                                           [RULE_QUARANTINE] = "quarantine",
                                           [RULE_REDIRECT] = "redirect",
                                           [RULE_COPY] = "copy",
                                           [RULE_TAG] = "tag",
                                           [RULE_ADD_HEADER] = "add-header",
                                           [RULE_REQUIRE_TLS] = "require-tls"};

/* Hundredths, from SCORE_ZERO on. */
enum { SCORE_MOST = 1000000, SCORE_PARTS = 100, SCORE_ZERO = SCORE_MOST * SCORE_PARTS };

uint64_t rule_score(double score)
{
    double most = SCORE_MOST;
    score = score > most ? most : score > -most ? score : -most; /* NaN: the least */
    score = score * SCORE_PARTS + SCORE_ZERO;
    return (uint64_t)(score + 0.5);
}

/* --- reading --- */

struct reader {
    struct slice all, rest;
    struct arena *arena;
    struct rule_error *error;
};

static bool fail_at(struct reader *r, size_t at, const char *what)
{
    if (r->error->what == NULL) {
        *r->error = (struct rule_error){what, at};
    }
    return false;
}

static size_t place(const struct reader *r)
{
    return r->all.len - r->rest.len;
}

static bool fail(struct reader *r, const char *what)
{
    return fail_at(r, place(r), what);
}

static void skip_blanks(struct reader *r)
{
    while (r->rest.len > 0 && (r->rest.ptr[0] == ' ' ||
                               (r->rest.ptr[0] >= '\t' && r->rest.ptr[0] <= '\r'))) {
        r->rest = slice_from(r->rest, 1);
    }
}

static bool at_sign(struct reader *r, char sign)
{
    skip_blanks(r);
    return r->rest.len > 0 && r->rest.ptr[0] == (unsigned char)sign;
}

static bool take_sign(struct reader *r, char sign)
{
    bool there = at_sign(r, sign);
    r->rest = slice_from(r->rest, there ? 1 : 0);
    return there;
}

/* Octets up to a blank or a sign of the grammar; may be empty. */
static struct slice take_bare(struct reader *r)
{
    skip_blanks(r);
    size_t n = 0;
    while (n < r->rest.len && r->rest.ptr[n] > ' ' && r->rest.ptr[n] != 0x7f &&
           r->rest.ptr[n] != '"' && r->rest.ptr[n] != '(' && r->rest.ptr[n] != ')' &&
           r->rest.ptr[n] != ',') {
        n++;
    }
    struct slice word = slice_sub(r->rest, 0, n);
    r->rest = slice_from(r->rest, n);
    return word;
}

/* A word of the grammar. */
static struct slice take_word(struct reader *r)
{
    skip_blanks(r);
    size_t n = 0;
    while (n < r->rest.len && (ascii_is_alpha(r->rest.ptr[n]) || r->rest.ptr[n] == '-')) {
        n++;
    }
    struct slice word = slice_sub(r->rest, 0, n);
    r->rest = slice_from(r->rest, n);
    return word;
}

static bool take_quoted(struct reader *r, struct slice *out)
{
    size_t start = place(r), n = 0;
    unsigned char *text = arena_alloc(r->arena, r->rest.len);
    if (text == NULL) {
        return fail(r, "is too long");
    }
    for (size_t i = 1; i < r->rest.len; i++) {
        unsigned char c = r->rest.ptr[i];
        if (c == '"') {
            r->rest = slice_from(r->rest, i + 1);
            *out = (struct slice){text, n};
            return true;
        }
        if (c == '\\' && i + 1 < r->rest.len &&
            (r->rest.ptr[i + 1] == '"' || r->rest.ptr[i + 1] == '\\')) {
            c = r->rest.ptr[++i];
        }
        if (c < ' ' || c == 0x7f) {
            return fail_at(r, start + i, "is a control character");
        }
        text[n++] = c;
    }
    return fail_at(r, start, "is a quote without its end");
}

static bool take_value(struct reader *r, struct slice *out)
{
    if (at_sign(r, '"')) {
        return take_quoted(r, out);
    }
    size_t at = place(r);
    *out = take_bare(r);
    return out->len > 0 || fail_at(r, at, "is where a value should stand");
}

static bool compile_value(struct reader *r, const struct rule_condition *c,
                          struct rule_value *v, size_t at)
{
    size_t within = 0;
    if (c->what == RULE_NETWORK) {
        return net_parse(v->text, &v->net) == NET_OK ||
               fail_at(r, at, "is no network like 192.0.2.0/24");
    }
    if (c->how == RULE_MATCHES) {
        const char *wrong = rule_regex_compile(v->text, r->arena, &v->regex, &within);
        return wrong == NULL || fail_at(r, at + within, wrong);
    }
    return v->text.len > 0 || c->how == RULE_IS || fail_at(r, at, "is empty");
}

static bool take_values(struct reader *r, struct rule_condition *c)
{
    struct rule_value **last = &c->values;
    bool list = take_sign(r, '(');
    do {
        struct rule_value *v = arena_alloc(r->arena, sizeof *v);
        skip_blanks(r);
        size_t at = place(r);
        if (v == NULL) {
            return fail(r, "does not fit beside the other rules");
        }
        if (!take_value(r, &v->text) || !compile_value(r, c, v, at)) {
            return false;
        }
        *last = v;
        last = &v->next;
    } while (list && take_sign(r, ','));
    return !list || take_sign(r, ')') || fail(r, "is where , or ) should stand");
}

bool rule_score_read(struct slice word, uint64_t *out)
{
    bool less = slice_starts(word, SLICE("-"));
    word = slice_from(word, less ? 1 : 0);
    size_t point = slice_find(word, '.');
    struct slice decimals = slice_from(word, point + 1);
    uint64_t whole = 0, part = 0;
    if (!slice_u64(slice_sub(word, 0, point), &whole) || whole >= SCORE_MOST ||
        (point < word.len && (decimals.len > 2 || !slice_u64(decimals, &part)))) {
        return false;
    }
    part = whole * SCORE_PARTS + (decimals.len == 1 ? 10 * part : part);
    *out = less ? SCORE_ZERO - part : SCORE_ZERO + part;
    return true;
}

static bool read_number(struct slice word, uint64_t *out)
{
    static const char units[] = "kmg";
    size_t digits = 0;
    while (digits < word.len && ascii_is_digit(word.ptr[digits])) {
        digits++;
    }
    struct slice unit = slice_from(word, digits);
    const char *found = unit.len == 1 ? strchr(units, ascii_lower(unit.ptr[0])) : units;
    unsigned shift =
        unit.len == 1 && found != NULL ? 10 * (unsigned)(found - units + 1) : 0;
    if (!slice_u64(slice_sub(word, 0, digits), out) || unit.len > 1 || found == NULL ||
        *found == '\0' || *out > UINT64_MAX >> shift) {
        return false;
    }
    *out <<= shift;
    return true;
}

static bool take_number(struct reader *r, struct rule_condition *c)
{
    static const char *const signs[] = {"<=", ">=", "<", ">", "="};
    static const enum rule_compare meant[] = {RULE_AT_MOST, RULE_AT_LEAST, RULE_LESS,
                                              RULE_MORE, RULE_EQUAL};
    unsigned i = 0;
    skip_blanks(r);
    while (i < 5 && !slice_starts(r->rest, slice_of(signs[i]))) {
        i++;
    }
    if (i == 5) {
        return fail(r, "is where <, <=, =, >= or > should stand");
    }
    c->compare = meant[i];
    r->rest = slice_from(r->rest, strlen(signs[i]));
    skip_blanks(r);
    size_t at = place(r);
    struct slice word = take_bare(r);
    if (rule_whats[c->what].sort == WHAT_SCORE) {
        return rule_score_read(word, &c->number) ||
               fail_at(r, at, "is no score like 5, 7.5 or -2.25");
    }
    return read_number(word, &c->number) ||
           fail_at(r, at, "is no number like 300 or 10M");
}

static bool is_field_name(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] <= ' ' || name.ptr[i] > '~' || name.ptr[i] == ':') {
            return false;
        }
    }
    return name.len > 0 && name.len <= 100;
}

static bool take_how(struct reader *r, struct rule_condition *c)
{
    skip_blanks(r);
    size_t at = place(r);
    struct slice word = take_word(r);
    for (unsigned i = 0; i < RULE_HOW_N; i++) {
        if (slice_ieq(word, slice_of(hows[i]))) {
            c->how = (enum rule_how)i;
            return true;
        }
    }
    return fail_at(r, at,
                   "is where is, has, word, starts, ends, under or matches should stand");
}

static bool take_test(struct reader *r, struct slice word, size_t at,
                      struct rule_condition *c)
{
    unsigned i = 0;
    while (i < RULE_WHAT_N && !slice_ieq(word, slice_of(rule_whats[i].name))) {
        i++;
    }
    if (i == RULE_WHAT_N) {
        return fail_at(r, at, "is nothing that a rule can ask for");
    }
    c->kind = RULE_TEST;
    c->what = (enum rule_what)i;
    switch (rule_whats[i].sort) {
    case WHAT_FLAG:
        return true;
    case WHAT_NUMBER:
    case WHAT_SCORE:
        return take_number(r, c);
    case WHAT_NETWORK:
        skip_blanks(r);
        at = place(r);
        return (slice_ieq(take_bare(r), SLICE("in")) ||
                fail_at(r, at, "is where in should stand")) &&
               take_values(r, c);
    case WHAT_HEADER:
        skip_blanks(r);
        at = place(r);
        if (!take_value(r, &c->name)) {
            return false;
        }
        if (!is_field_name(c->name)) {
            return fail_at(r, at, "is no name of a header field");
        }
        break;
    case WHAT_TEXT:
        break;
    }
    return take_how(r, c) && take_values(r, c);
}

static struct rule_condition *take_conditions(struct reader *r, unsigned depth);

/* Recursion: by what stands within each other, at most RULE_DEPTH_MAX. NULL: said.
 * NOLINTBEGIN(misc-no-recursion) */
static struct rule_condition *take_condition(struct reader *r, unsigned depth)
{
    skip_blanks(r);
    size_t at = place(r);
    struct slice word = take_word(r);
    struct rule_condition *c = arena_alloc(r->arena, sizeof *c);
    if (c == NULL || depth > RULE_DEPTH_MAX) {
        fail_at(r, at,
                c == NULL ? "does not fit beside the other rules"
                          : "is too deep within others");
        return NULL;
    }
    if (word.len == 0) {
        fail_at(r, at, "is where a condition should stand");
        return NULL;
    }
    if (slice_ieq(word, SLICE("not"))) {
        c->kind = RULE_NOT;
        c->first = take_condition(r, depth + 1);
        return c->first == NULL ? NULL : c;
    }
    bool any = slice_ieq(word, SLICE("any"));
    if (!any && !slice_ieq(word, SLICE("all"))) {
        return take_test(r, word, at, c) ? c : NULL;
    }
    c->kind = any ? RULE_ANY : RULE_ALL;
    if (!take_sign(r, '(')) {
        fail(r, "is where ( should stand");
        return NULL;
    }
    c->first = take_conditions(r, depth + 1);
    if (c->first != NULL && !take_sign(r, ')')) {
        fail(r, "is where , or ) should stand");
        return NULL;
    }
    return c->first == NULL ? NULL : c;
}

/* The first of those beside each other; NULL: said. */
static struct rule_condition *take_conditions(struct reader *r, unsigned depth)
{
    struct rule_condition *first = NULL, *last = NULL;
    do {
        struct rule_condition *c = take_condition(r, depth);
        if (c == NULL) {
            return NULL;
        }
        if (last != NULL) {
            last->next = c;
        }
        first = first == NULL ? c : first;
        last = c;
    } while (take_sign(r, ','));
    return first;
}
/* NOLINTEND(misc-no-recursion) */

static bool finished(struct reader *r)
{
    skip_blanks(r);
    return r->rest.len == 0 || fail(r, "is more than belongs here");
}

bool rule_parse_conditions(struct slice text, struct arena *arena,
                           struct rule_condition **out, struct rule_error *error)
{
    struct reader r = {text, text, arena, error};
    *error = (struct rule_error){0};
    if (text.len > RULE_TEXT_MAX) {
        return fail_at(&r, RULE_TEXT_MAX, "is beyond what conditions may have");
    }
    struct rule_condition *first = take_conditions(&r, 0);
    if (first == NULL || !finished(&r)) {
        return false;
    }
    if (first->next == NULL) {
        *out = first;
        return true;
    }
    struct rule_condition *all = arena_alloc(arena, sizeof *all);
    if (all == NULL) {
        return fail(&r, "does not fit beside the other rules");
    }
    all->kind = RULE_ALL;
    all->first = first;
    *out = all;
    return true;
}

static bool is_printable(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < ' ' || s.ptr[i] > '~') {
            return false;
        }
    }
    return true;
}

/* Roughly: whoever adds the rule knows whether it is one. */
static bool is_address(struct slice s)
{
    size_t at = slice_rfind(s, '@');
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] <= ' ' || s.ptr[i] > '~' || s.ptr[i] == '<' || s.ptr[i] == '>') {
            return false;
        }
    }
    return at > 0 && at + 1 < s.len && s.len <= RULE_ADDRESS_MAX;
}

/* What is wrong with the text of an action; NULL: nothing. */
static const char *text_wrong(const struct rule_action *a)
{
    size_t colon = slice_find(a->text, ':');
    switch (a->act) {
    case RULE_REJECT:
    case RULE_PROHIBIT:
        return !is_printable(a->text)          ? "is not ASCII, as replies are"
               : a->text.len > RULE_REASON_MAX ? "is too long for a reply"
               : a->act == RULE_REJECT && slice_trim(a->text).len == 0
                   ? "is empty: say why, or prohibit"
                   : NULL;
    case RULE_TAG:
        return !is_printable(a->text) || a->text.len == 0 || a->text.len > 60
                   ? "is no text of 1 to 60 signs of ASCII"
                   : NULL;
    case RULE_ADD_HEADER:
        return colon == a->text.len || !is_field_name(slice_sub(a->text, 0, colon)) ||
                       !is_printable(a->text) || a->text.len > 900
                   ? "is no field like X-Name: text, in ASCII"
                   : NULL;
    case RULE_ACCEPT:
    case RULE_QUARANTINE:
        return a->text.len > 0 ? "is more than belongs here" : NULL;
    case RULE_REDIRECT:
    case RULE_COPY:
        return is_address(a->text) ? NULL : "is no address like ann@example.org";
    case RULE_REQUIRE_TLS:
        return a->text.len == 0 || slice_eq(a->text, SLICE("verified"))
                   ? NULL
                   : "is neither nothing nor the word verified";
    case RULE_ACT_N:
        break;
    }
    return NULL;
}

bool rule_parse_action(struct slice text, struct arena *arena, struct rule_action *out,
                       struct rule_error *error)
{
    struct reader r = {text, text, arena, error};
    struct rule_action a = {0};
    unsigned i = 0;
    *error = (struct rule_error){0};
    if (text.len > RULE_TEXT_MAX) {
        return fail_at(&r, RULE_TEXT_MAX, "is beyond what an action may have");
    }
    struct slice word = take_word(&r);
    while (i < RULE_ACT_N && !slice_ieq(word, slice_of(rule_acts[i]))) {
        i++;
    }
    if (i == RULE_ACT_N) {
        return fail_at(
            &r, 0,
            "is no action: reject, prohibit, accept, quarantine, redirect, copy, "
            "require-tls, tag, add-header");
    }
    a.act = (enum rule_act)i;
    skip_blanks(&r);
    size_t at = place(&r);
    if (r.rest.len > 0 && !take_value(&r, &a.text)) {
        return false;
    }
    const char *wrong = text_wrong(&a);
    if (wrong != NULL) {
        return fail_at(&r, at, wrong);
    }
    if (!finished(&r)) {
        return false;
    }
    *out = a;
    return true;
}

bool rule_name_ok(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = name.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' && c != '_' &&
            c != '.') {
            return false;
        }
    }
    return name.len > 0 && name.len <= RULE_NAME_MAX;
}

/* --- writing --- */

bool rule_quote(struct slice text, struct buf *out)
{
    (void)buf_add_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\') {
            (void)buf_add_byte(out, '\\');
        }
        (void)buf_add_byte(out, text.ptr[i]);
    }
    return buf_add_byte(out, '"');
}

static void print_values(const struct rule_value *v, struct buf *out)
{
    bool list = v != NULL && v->next != NULL;
    (void)buf_add_str(out, list ? " (" : " ");
    for (; v != NULL; v = v->next) {
        (void)rule_quote(v->text, out);
        (void)buf_add_str(out, v->next != NULL ? ", " : "");
    }
    (void)buf_add_str(out, list ? ")" : "");
}

static void print_score(const struct rule_condition *c, struct buf *out)
{
    bool less = c->number < SCORE_ZERO;
    uint64_t n = less ? SCORE_ZERO - c->number : c->number - SCORE_ZERO;
    (void)buf_add_fmt(out, " %s %s%llu.%02llu", compares[c->compare], less ? "-" : "",
                      (unsigned long long)(n / SCORE_PARTS),
                      (unsigned long long)(n % SCORE_PARTS));
}

static void print_test(const struct rule_condition *c, struct buf *out)
{
    (void)buf_add_str(out, rule_whats[c->what].name);
    switch (rule_whats[c->what].sort) {
    case WHAT_FLAG:
        return;
    case WHAT_NUMBER:
        (void)buf_add_fmt(out, " %s %llu", compares[c->compare],
                          (unsigned long long)c->number);
        return;
    case WHAT_SCORE:
        print_score(c, out);
        return;
    case WHAT_NETWORK:
        (void)buf_add_str(out, " in");
        break;
    case WHAT_HEADER:
        (void)buf_add_byte(out, ' ');
        (void)rule_quote(c->name, out);
        (void)buf_add_fmt(out, " %s", hows[c->how]);
        break;
    case WHAT_TEXT:
        (void)buf_add_fmt(out, " %s", hows[c->how]);
        break;
    }
    print_values(c->values, out);
}

static void print_beside(const struct rule_condition *c, struct buf *out);

/* Recursion: as deep as what was parsed. NOLINTBEGIN(misc-no-recursion) */
static void print_one(const struct rule_condition *c, struct buf *out)
{
    switch (c->kind) {
    case RULE_TEST:
        print_test(c, out);
        return;
    case RULE_NOT:
        (void)buf_add_str(out, "not ");
        print_one(c->first, out);
        return;
    case RULE_ALL:
    case RULE_ANY:
        (void)buf_add_str(out, c->kind == RULE_ANY ? "any(" : "all(");
        print_beside(c->first, out);
        (void)buf_add_byte(out, ')');
        return;
    }
}

static void print_beside(const struct rule_condition *c, struct buf *out)
{
    for (; c != NULL; c = c->next) {
        print_one(c, out);
        (void)buf_add_str(out, c->next != NULL ? ", " : "");
    }
}
/* NOLINTEND(misc-no-recursion) */

bool rule_print_conditions(const struct rule_condition *c, struct buf *out)
{
    while (c->kind == RULE_ALL && c->first->next == NULL) {
        c = c->first;
    }
    if (c->kind == RULE_ALL) {
        print_beside(c->first, out);
    } else {
        print_one(c, out);
    }
    return !out->failed;
}

bool rule_print_action(const struct rule_action *a, struct buf *out)
{
    (void)buf_add_str(out, rule_acts[a->act]);
    if (a->text.len > 0) {
        (void)buf_add_byte(out, ' ');
        (void)rule_quote(a->text, out);
    }
    return !out->failed;
}

/* --- sets --- */

void rule_encode(struct buf *out, struct slice name, struct slice conditions,
                 struct slice action)
{
    wire_put_text(out, name);
    wire_put_text(out, conditions);
    wire_put_text(out, action);
}

static bool read_rule(struct wire_reader *r, struct arena *arena, struct rule_item *out)
{
    struct rule_error error;
    struct slice conditions = {0}, action = {0};
    return arena_dup(arena, wire_text(r), &out->name) &&
           arena_dup(arena, wire_text(r), &conditions) &&
           arena_dup(arena, wire_text(r), &action) && !r->failed &&
           rule_name_ok(out->name) &&
           rule_parse_conditions(conditions, arena, &out->conditions, &error) &&
           rule_parse_action(action, arena, &out->action, &error);
}

struct rule_set *rule_set_new(struct slice encoded)
{
    struct rule_set *set = calloc(1, sizeof *set);
    if (set == NULL) {
        return NULL;
    }
    arena_init(&set->arena, RULE_SET_MEMORY_MAX);
    map_init(&set->fields, RULE_SET_MAX);
    struct wire_reader r = wire_reader_of(encoded);
    unsigned n = 0;
    while (r.rest.len > 0 && !r.failed) {
        (void)wire_text(&r);
        (void)wire_text(&r);
        (void)wire_text(&r);
        n++;
    }
    set->rule = r.failed ? NULL : arena_alloc(&set->arena, (n + 1) * sizeof *set->rule);
    r = wire_reader_of(encoded);
    bool ok = set->rule != NULL;
    for (; ok && set->n < n; set->n++) {
        ok = read_rule(&r, &set->arena, &set->rule[set->n]);
    }
    if (!ok || !rule_look_prepare(set)) {
        rule_set_free(&set);
    }
    return set;
}

void rule_set_free(struct rule_set **set)
{
    if (*set != NULL) {
        rule_look_clear(*set);
        arena_clear(&(*set)->arena);
        free(*set);
    }
    *set = NULL;
}

const struct rule_item *rule_set_next(const struct rule_set *set,
                                      const struct rule_facts *f,
                                      const struct rule_hits *hits, unsigned *at)
{
    while (*at < set->n) {
        const struct rule_item *r = &set->rule[(*at)++];
        if (rule_holds_hit(r->conditions, f, hits) == RULE_TRUE) {
            return r;
        }
    }
    return NULL;
}
