/* libbounce/api.c - postern/bounce.h over bounce/parse.h: strings with a NUL instead of slices */
#include "postern/bounce.h"

#include "base/arena.h"
#include "bounce/parse.h"
#include "libbounce/charset.h"
#include "libbounce/explain.h"

#include <stdlib.h>
#include <string.h>

enum { STRINGS_MAX = 32 * 1024 * 1024 };

struct postern_bounce {
    struct bounce_classifier *classifier;
    struct bounce_parser *parser;
    struct charset charset;
    struct arena strings;
    struct postern_bounce_mail mail;
    struct postern_bounce_result result[BOUNCE_RCPTS_MAX];
};

struct postern_bounce *postern_bounce_new(void)
{
    struct postern_bounce *b = calloc(1, sizeof *b);
    if (b == NULL) {
        return NULL;
    }
    struct mime_charset convert = {charset_convert, &b->charset};
    arena_init(&b->strings, STRINGS_MAX);
    b->classifier = bounce_classifier_new();
    b->parser = b->classifier == NULL ? NULL : bounce_parser_new(b->classifier, &convert);
    if (b->parser == NULL) {
        postern_bounce_free(&b);
    }
    return b;
}

void postern_bounce_free(struct postern_bounce **b)
{
    if (b == NULL || *b == NULL) {
        return;
    }
    bounce_parser_free(&(*b)->parser);
    bounce_classifier_free(&(*b)->classifier);
    charset_clear(&(*b)->charset);
    arena_clear(&(*b)->strings);
    free(*b);
    *b = NULL;
}

const char *postern_bounce_version(void)
{
    return POSTERN_VERSION;
}

/* --- results --- */

/* All of it ASCII, and no NUL. */
static bool is_plain(struct slice s)
{
    unsigned char bits = 0, nul = 0;
    for (size_t i = 0; i < s.len; i++) {
        bits |= s.ptr[i];
        nul |= s.ptr[i] == '\0';
    }
    return bits < 0x80 && nul == 0;
}

/* Valid UTF-8 without NUL, whatever came in. */
static const char *kept_text(struct postern_bounce *b, struct slice s)
{
    struct buf out;
    struct slice whole;
    if (s.len == 0) {
        return "";
    }
    if (is_plain(s)) {
        char *copy = arena_alloc(&b->strings, s.len + 1); /* zeroed: its end too */
        if (copy == NULL) {
            return "";
        }
        memcpy(copy, s.ptr, s.len);
        return copy;
    }
    buf_init(&out, s.len * 3 + 1);
    for (;;) {
        size_t nul = slice_find(s, '\0');
        (void)mime_to_utf8(SLICE("utf-8"), slice_sub(s, 0, nul), NULL, &out);
        if (nul == s.len) {
            break;
        }
        (void)buf_add_str(&out, "\xef\xbf\xbd");
        s = slice_from(s, nul + 1);
    }
    bool kept =
        buf_add_byte(&out, '\0') && arena_dup(&b->strings, buf_slice(&out), &whole);
    buf_clear(&out);
    return kept ? (const char *)whole.ptr : "";
}

static const char *kept_line(struct postern_bounce *b, struct slice s)
{
    struct buf out;
    buf_init(&out, s.len + 1);
    const char *kept = mime_unfold(s, &out) ? kept_text(b, buf_slice(&out)) : "";
    buf_clear(&out);
    return kept;
}

static const char *status_text(struct postern_bounce *b, struct bounce_status s)
{
    struct buf out;
    buf_init(&out, 32);
    const char *kept = "";
    if (s.klass != 0 && buf_add_fmt(&out, "%u.%u.%u", s.klass, s.subject, s.detail)) {
        kept = kept_text(b, buf_slice(&out));
    }
    buf_clear(&out);
    return kept;
}

static void fill(struct postern_bounce *b, const struct bounce_recipient *r,
                 struct postern_bounce_result *out)
{
    const struct bounce_verdict *v = &r->verdict;
    struct bounce_status status = r->status.klass != 0 ? r->status : v->status;
    *out = (struct postern_bounce_result){
        .recipient = kept_text(b, r->address),
        .original = kept_text(b, r->original),
        .class_name = bounce_class_info(v->klass)->name,
        .kind = bounce_kind_name(v->kind),
        .action = bounce_action_name(v->action),
        .scope = bounce_scope_name(v->scope),
        .subscope = bounce_subscope_name(v->subscope),
        .delivery = bounce_delivery_name(r->delivery),
        .status = status_text(b, status),
        .code = r->code != 0 ? r->code : v->code,
        .reply = kept_text(b, r->reply),
        .stage =
            bounce_stage_name(v->stage != BOUNCE_STAGE_UNKNOWN ? v->stage : r->stage),
        .provider = bounce_provider_name(v->provider),
        .remote_host = kept_text(b, r->remote_host),
        .rule = v->by_words                ? "words"
                : v->rule < BOUNCE_RULES_N ? bounce_rule_info(v->rule)->id
                                           : "",
        .confidence = v->confidence,
        .retry_after_s = v->retry_after_s,
        .span_off = v->span_off,
        .span_len = v->span_len,
    };
}

const struct postern_bounce_mail *postern_bounce_mail(struct postern_bounce *b,
                                                      const void *octets, size_t len)
{
    arena_reset(&b->strings);
    const struct bounce_mail *m =
        bounce_parse(b->parser, (struct slice){octets, octets == NULL ? 0 : len});
    for (unsigned i = 0; i < m->rcpt_n; i++) {
        fill(b, &m->rcpt[i], &b->result[i]);
    }
    b->mail = (struct postern_bounce_mail){
        .kind = bounce_mail_kind_name(m->kind),
        .format = m->format,
        .result = b->result,
        .n = m->rcpt_n,
        .more = m->more,
        .reporting_host = kept_text(b, m->reporting_host),
        .arrival = kept_line(b, m->arrival),
        .envelope_id = kept_line(b, m->envelope_id),
        .message_id = kept_line(b, m->message_id),
        .subject = kept_text(b, m->subject),
        .sender = kept_text(b, m->sender),
        .returned_to = kept_text(b, m->returned_to),
        .token = kept_text(b, m->token),
        .feedback_type = kept_line(b, m->feedback_type),
    };
    return &b->mail;
}

const struct postern_bounce_result *
postern_bounce_reply(struct postern_bounce *b, const void *text, size_t len,
                     const struct postern_bounce_context *context)
{
    struct bounce_context known = {0};
    struct bounce_recipient r;
    if (context != NULL) {
        known.command = slice_of(context->command);
        known.mx_host = slice_of(context->mx_host);
        known.peer_host = slice_of(context->peer_host);
    }
    arena_reset(&b->strings);
    bounce_parse_reply(b->parser, (struct slice){text, text == NULL ? 0 : len}, &known,
                       &r);
    fill(b, &r, &b->result[0]);
    return &b->result[0];
}

const struct postern_bounce_result *postern_bounce_line(struct postern_bounce *b,
                                                        const void *line, size_t len)
{
    struct bounce_recipient r;
    struct slice s = {line, line == NULL ? 0 : len};
    arena_reset(&b->strings);
    if (!bounce_parse_log(b->parser, s, &r) && !bounce_parse_bare(b->parser, s, &r)) {
        return NULL;
    }
    fill(b, &r, &b->result[0]);
    return &b->result[0];
}

size_t postern_bounce_matches(struct postern_bounce *b, struct postern_bounce_match *out,
                              size_t max)
{
    const struct bounce_match *match = NULL;
    size_t n = bounce_matches(b->classifier, &match);
    n = n < max ? n : max;
    for (size_t i = 0; i < n; i++) {
        const struct bounce_rule_info *rule = bounce_rule_info(match[i].rule);
        out[i] = (struct postern_bounce_match){
            rule->id, bounce_class_info(rule->klass)->name, match[i].weight,
            match[i].span_off, match[i].span_len};
    }
    return n;
}

/* --- the catalogue --- */

size_t postern_bounce_rules(void)
{
    return BOUNCE_RULES_N;
}

int postern_bounce_rule(size_t n, struct postern_bounce_rule *out)
{
    if (n >= BOUNCE_RULES_N) {
        return 0;
    }
    const struct bounce_rule_info *rule = bounce_rule_info((unsigned)n);
    *out =
        (struct postern_bounce_rule){rule->id,      bounce_class_info(rule->klass)->name,
                                     rule->pattern, rule->when,
                                     rule->source,  rule->example,
                                     rule->weight};
    return 1;
}

size_t postern_bounce_classes(void)
{
    return BOUNCE_CLASSES_N;
}

int postern_bounce_class(size_t n, struct postern_bounce_class *out)
{
    if (n >= BOUNCE_CLASSES_N) {
        return 0;
    }
    const struct bounce_class_info *c = bounce_class_info((enum bounce_class)n);
    *out = (struct postern_bounce_class){
        c->name,       c->group, bounce_kind_name(c->kind), bounce_scope_name(c->scope),
        c->definition, c->advice};
    return 1;
}

/* "sv_SE.UTF-8", "zh_HK", "zh-Hant" -> the language's place; English for all others. */
static unsigned language_of(const char *name)
{
    static const struct {
        const char *start;
        unsigned language;
    } locales[] = {{"sv", 3},      {"zh-TW", 2}, {"zh_TW", 2}, {"zh-HK", 2},
                   {"zh_HK", 2},   {"zh-MO", 2}, {"zh_MO", 2}, {"zh-Hant", 2},
                   {"zh_Hant", 2}, {"zh", 1}};
    struct slice s = slice_of(name);
    for (size_t i = 0; i < sizeof locales / sizeof locales[0]; i++) {
        struct slice start = slice_of(locales[i].start);
        struct slice rest = slice_from(s, start.len);
        if (slice_istarts(s, start) && (rest.len == 0 || !ascii_is_alpha(rest.ptr[0]))) {
            return locales[i].language;
        }
    }
    return 0;
}

int postern_bounce_page(const char *kind, const char *id, const char *language,
                        struct postern_bounce_page *out)
{
    for (size_t i = 0; i < explain_pages_n; i++) {
        const struct explain_page *p = &explain_pages[i];
        if (strcmp(p->kind, kind) != 0 || strcmp(p->id, id) != 0) {
            continue;
        }
        unsigned n = language_of(language);
        n = p->text[n].title != NULL ? n : 0;
        *out = (struct postern_bounce_page){
            p->text[n].title, p->text[n].cause, p->text[n].remedy,   p->code,
            p->status,        p->reply,         explain_languages[n]};
        return 1;
    }
    return 0;
}

const char *postern_bounce_word(const char *id, const char *language)
{
    for (size_t i = 0; i < explain_words_n; i++) {
        if (strcmp(explain_words[i].id, id) == 0) {
            return explain_words[i].text[language_of(language)];
        }
    }
    return NULL;
}
