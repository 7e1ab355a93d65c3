/* rule/holds.c - see rule.h: whether conditions hold */
#include "message/mime_read.h"
#include "rule/table.h"

static bool is_word(unsigned char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '_' || c >= 0x80;
}

/* It stands in text with no letter or digit of it beside. */
static bool has_word(struct slice text, struct slice word)
{
    while (text.len >= word.len) {
        size_t at = slice_isearch(text, word);
        if (at == text.len) {
            return false;
        }
        size_t end = at + word.len;
        bool left = at > 0 && is_word(text.ptr[at - 1]) && is_word(word.ptr[0]);
        bool right =
            end < text.len && is_word(text.ptr[end]) && is_word(word.ptr[word.len - 1]);
        if (!left && !right) {
            return true;
        }
        /* One octet stays, for what stands beside the next. */
        text = slice_from(text, at + 1);
        if (text.len > 0 && is_word(text.ptr[0]) && is_word(word.ptr[0])) {
            size_t n = 0;
            while (n < text.len && is_word(text.ptr[n])) {
                n++;
            }
            text = slice_from(text, n);
        }
    }
    return false;
}

static bool ends(struct slice text, struct slice end)
{
    return text.len >= end.len && slice_ieq(slice_from(text, text.len - end.len), end);
}

/* text: a domain, or an address. */
static bool is_under(struct slice text, struct slice domain)
{
    size_t at = slice_rfind(text, '@');
    text = at < text.len ? slice_from(text, at + 1) : text;
    return slice_ieq(text, domain) || (text.len > domain.len && ends(text, domain) &&
                                       text.ptr[text.len - domain.len - 1] == '.');
}

static bool may_fit(const struct rule_condition *c, const struct rule_value *v,
                    const struct rule_hits *hits)
{
    return hits->bits == NULL || rule_hit(hits, c->source->at * 64 + v->id);
}

static bool fits(enum rule_how how, struct slice text, const struct rule_value *v)
{
    switch (how) {
    case RULE_IS:
        return slice_ieq(text, v->text);
    case RULE_HAS:
        return slice_isearch(text, v->text) < text.len;
    case RULE_WORD:
        return has_word(text, v->text);
    case RULE_STARTS:
        return slice_istarts(text, v->text);
    case RULE_ENDS:
        return ends(text, v->text);
    case RULE_UNDER:
        return is_under(text, v->text);
    case RULE_MATCHES:
        return rule_regex_search(&v->regex, text);
    case RULE_HOW_N:
        break;
    }
    return false;
}

/* With hits only expressions are left to ask, and of those the ones that may match. */
static bool one_fits(const struct rule_condition *c, struct slice text,
                     const struct rule_hits *hits)
{
    const struct rule_value *v = c->values;
    while (v != NULL && (!may_fit(c, v, hits) || !fits(c->how, text, v))) {
        v = v->next;
    }
    return v != NULL;
}

bool rule_field_text(struct slice value, struct buf *line, struct buf *text)
{
    buf_reset(line);
    buf_reset(text);
    (void)mime_unfold(slice_sub(value, 0, RULE_VALUE_MAX), line);
    (void)mime_words(buf_slice(line), NULL, text);
    return !line->failed && !text->failed;
}

static enum rule_truth field_holds(const struct rule_condition *c, struct slice name,
                                   const struct message_head *head,
                                   const struct rule_hits *hits)
{
    bool found = false, failed = false;
    struct buf line, value;
    buf_init(&line, RULE_VALUE_MAX);
    buf_init(&value, (size_t)4 * RULE_VALUE_MAX);
    for (unsigned i = 0; i < head->n && !found; i++) {
        if (slice_ieq(head->field[i].name, name)) {
            failed |= !rule_field_text(head->field[i].value, &line, &value);
            found = one_fits(c, slice_trim(buf_slice(&value)), hits);
        }
    }
    buf_clear(&line);
    buf_clear(&value);
    return found ? RULE_TRUE : failed ? RULE_UNKNOWN : RULE_FALSE;
}

static enum rule_truth texts_hold(const struct rule_condition *c,
                                  const struct rule_facts *f,
                                  const struct rule_hits *hits)
{
    if (c->what == RULE_SUBJECT || c->what == RULE_HEADER) {
        return field_holds(c, c->what == RULE_SUBJECT ? SLICE("Subject") : c->name,
                           f->head, hits);
    }
    for (unsigned i = 0; i < f->list[c->what].n; i++) {
        if (one_fits(c, f->list[c->what].item[i], hits)) {
            return RULE_TRUE;
        }
    }
    return RULE_FALSE;
}

/* What the pass over the texts has found says it, but of expressions that it did not look for themselves. */
static enum rule_truth hits_hold(const struct rule_condition *c,
                                 const struct rule_facts *f, const struct rule_hits *hits)
{
    bool may = false;
    for (const struct rule_value *v = c->values; v != NULL; v = v->next) {
        if (may_fit(c, v, hits)) {
            if (c->how != RULE_MATCHES || v->exact) {
                return RULE_TRUE;
            }
            may = true;
        }
    }
    if (!may) {
        return rule_hit(hits, rule_failed_bit(c->source)) ? RULE_UNKNOWN : RULE_FALSE;
    }
    return texts_hold(c, f, hits);
}

static bool compares(enum rule_compare how, uint64_t is, uint64_t to)
{
    switch (how) {
    case RULE_LESS:
        return is < to;
    case RULE_AT_MOST:
        return is <= to;
    case RULE_EQUAL:
        return is == to;
    case RULE_AT_LEAST:
        return is >= to;
    case RULE_MORE:
        return is > to;
    }
    return false;
}

static bool test_holds(const struct rule_condition *c, const struct rule_facts *f)
{
    if (c->what == RULE_TLS) {
        return f->tls;
    }
    if (c->what == RULE_AUTHENTICATED) {
        return f->authenticated;
    }
    if (rule_whats[c->what].sort == WHAT_NUMBER ||
        rule_whats[c->what].sort == WHAT_SCORE) {
        return compares(c->compare, f->number[c->what], c->number);
    }
    if (c->what == RULE_NETWORK) {
        const struct rule_value *v = c->values;
        while (v != NULL && !net_has(&v->net, f->client)) {
            v = v->next;
        }
        return v != NULL;
    }
    return false;
}

static enum rule_truth test_truth(const struct rule_condition *c,
                                  const struct rule_facts *f,
                                  const struct rule_hits *hits)
{
    bool field = c->what == RULE_SUBJECT || c->what == RULE_HEADER;
    bool text = field || rule_whats[c->what].sort == WHAT_TEXT;
    if ((f->unknown & 1U << c->what) != 0 ||
        (field && (f->head == NULL || f->head->over))) {
        return RULE_UNKNOWN;
    }
    if (!text) {
        return test_holds(c, f) ? RULE_TRUE : RULE_FALSE;
    }
    return hits->bits == NULL ? texts_hold(c, f, hits) : hits_hold(c, f, hits);
}

/* Recursion: as deep as what was parsed (RULE_DEPTH_MAX). NOLINTNEXTLINE(misc-no-recursion) */
enum rule_truth rule_holds_hit(const struct rule_condition *c, const struct rule_facts *f,
                               const struct rule_hits *hits)
{
    if (c->kind == RULE_TEST) {
        return test_truth(c, f, hits);
    }
    if (c->kind == RULE_NOT) {
        enum rule_truth t = rule_holds_hit(c->first, f, hits);
        return t == RULE_UNKNOWN ? t : t == RULE_TRUE ? RULE_FALSE : RULE_TRUE;
    }
    enum rule_truth deciding = c->kind == RULE_ANY ? RULE_TRUE : RULE_FALSE;
    enum rule_truth so_far = c->kind == RULE_ANY ? RULE_FALSE : RULE_TRUE;
    for (const struct rule_condition *i = c->first; i != NULL; i = i->next) {
        enum rule_truth t = rule_holds_hit(i, f, hits);
        if (t == deciding) {
            return t;
        }
        so_far = t == RULE_UNKNOWN ? t : so_far;
    }
    return so_far;
}

enum rule_truth rule_holds(const struct rule_condition *c, const struct rule_facts *f)
{
    return rule_holds_hit(c, f, &(struct rule_hits){NULL});
}

/* NOLINTNEXTLINE(misc-no-recursion): the same */
bool rule_asks(const struct rule_condition *c, enum rule_what what)
{
    if (c->kind == RULE_TEST) {
        return c->what == what;
    }
    for (const struct rule_condition *i = c->first; i != NULL; i = i->next) {
        if (rule_asks(i, what)) {
            return true;
        }
    }
    return false;
}
