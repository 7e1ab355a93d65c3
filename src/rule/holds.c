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

static bool one_fits(const struct rule_condition *c, struct slice text)
{
    const struct rule_value *v = c->values;
    while (v != NULL && !fits(c->how, text, v)) {
        v = v->next;
    }
    return v != NULL;
}

static enum rule_truth field_holds(const struct rule_condition *c, struct slice name,
                                   const struct message_head *head)
{
    bool found = false, failed = false;
    struct buf line, value;
    if (head == NULL || head->over) {
        return RULE_UNKNOWN;
    }
    buf_init(&line, RULE_VALUE_MAX);
    buf_init(&value, (size_t)4 * RULE_VALUE_MAX);
    for (unsigned i = 0; i < head->n && !found; i++) {
        if (!slice_ieq(head->field[i].name, name)) {
            continue;
        }
        buf_reset(&line);
        buf_reset(&value);
        (void)mime_unfold(slice_sub(head->field[i].value, 0, RULE_VALUE_MAX), &line);
        (void)mime_words(buf_slice(&line), NULL, &value);
        failed |= line.failed || value.failed;
        found = one_fits(c, slice_trim(buf_slice(&value)));
    }
    buf_clear(&line);
    buf_clear(&value);
    return found ? RULE_TRUE : failed ? RULE_UNKNOWN : RULE_FALSE;
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
    for (unsigned i = 0; i < f->list[c->what].n; i++) {
        if (one_fits(c, f->list[c->what].item[i])) {
            return true;
        }
    }
    return false;
}

/* Recursion: as deep as what was parsed. */
enum rule_truth rule_holds(const struct rule_condition *c, const struct rule_facts *f)
{
    if (c->kind == RULE_TEST) {
        if ((f->unknown & 1U << c->what) != 0) {
            return RULE_UNKNOWN;
        }
        if (c->what == RULE_SUBJECT || c->what == RULE_HEADER) {
            return field_holds(c, c->what == RULE_SUBJECT ? SLICE("Subject") : c->name,
                               f->head);
        }
        return test_holds(c, f) ? RULE_TRUE : RULE_FALSE;
    }
    if (c->kind == RULE_NOT) {
        enum rule_truth t = rule_holds(c->first, f);
        return t == RULE_UNKNOWN ? t : t == RULE_TRUE ? RULE_FALSE : RULE_TRUE;
    }
    enum rule_truth deciding = c->kind == RULE_ANY ? RULE_TRUE : RULE_FALSE;
    enum rule_truth so_far = c->kind == RULE_ANY ? RULE_FALSE : RULE_TRUE;
    for (const struct rule_condition *i = c->first; i != NULL; i = i->next) {
        enum rule_truth t = rule_holds(i, f);
        if (t == deciding) {
            return t;
        }
        so_far = t == RULE_UNKNOWN ? t : so_far;
    }
    return so_far;
}

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
