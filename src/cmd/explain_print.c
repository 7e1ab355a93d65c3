/* cmd/explain_print.c - results as JSON Lines or for people; see explain.h */
#include "base/json.h"
#include "base/prose.h"
#include "cmd/explain.h"
#include "reply/reply.h"

#include <stdio.h>
#include <string.h>

enum {
    FLUSH_OCTETS = 64 * 1024,
    WIDTH = 80,
    LABEL = 17,
    TEXT = 2 + LABEL + 1, /* the column where texts begin */
    WHY_MAX = 16
};

void explain_flush(struct explain *e)
{
    if (e->out.failed) {
        explain_wrong(e, NULL, "err-long", "", "");
    }
    if (e->out.len > 0) {
        (void)fwrite(e->out.ptr, 1, e->out.len, stdout);
    }
    buf_reset(&e->out);
}

/* Output waits for company; explain_input.c empties it before it waits for more input. */
static void done_one(struct explain *e)
{
    if (e->out.len >= FLUSH_OCTETS) {
        explain_flush(e);
    }
}

const char *explain_word(const struct explain *e, const char *id)
{
    const char *word = postern_bounce_word(id, e->language);
    return word != NULL ? word : id;
}

void explain_filled(const struct explain *e, struct buf *out, const char *id,
                    const char *hole, const char *value)
{
    const struct prose_value one = {hole, slice_of(value)};
    prose_fill(out, explain_word(e, id), &one, hole[0] != '\0');
}

void explain_wrong(const struct explain *e, const char *file, const char *id,
                   const char *hole, const char *value)
{
    struct buf text;
    buf_init(&text, EXPLAIN_LINE_MAX);
    explain_filled(e, &text, id, hole, value);
    (void)fprintf(stderr, "postern explain: %s%s%.*s\n", file == NULL ? "" : file,
                  file == NULL ? "" : ": ", (int)text.len, (const char *)text.ptr);
    buf_clear(&text);
}

void explain_add_text(struct buf *out, const char *text)
{
    for (const unsigned char *s = (const unsigned char *)text; *s != '\0'; s++) {
        bool c1 = s[0] == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0; /* U+0080 to U+009F */
        bool control = *s < 0x20 || *s == 0x7f || c1;
        if (!control) {
            (void)buf_add_byte(out, *s);
        } else if (out->len > 0 && out->ptr[out->len - 1] != ' ') {
            (void)buf_add_byte(out, ' ');
        }
        s += c1;
    }
}

/* --- JSON --- */

static void member(struct buf *out, const char *name, const char *value)
{
    (void)buf_add_fmt(out, ",\"%s\":", name);
    (void)json_add_string(out, slice_of(value));
}

static void number(struct buf *out, const char *name, uint64_t value)
{
    (void)buf_add_fmt(out, ",\"%s\":%llu", name, (unsigned long long)value);
}

static void json_head(struct explain *e, const char *file, uint64_t n,
                      const char *recipient)
{
    (void)buf_add_str(&e->out, "{\"file\":");
    (void)json_add_string(&e->out, slice_of(file));
    number(&e->out, "n", n);
    member(&e->out, "recipient", recipient);
}

static void json_mail(struct buf *out, const struct postern_bounce_mail *m)
{
    member(out, "message", m->kind);
    member(out, "format", m->format);
    member(out, "message_id", m->message_id);
    member(out, "subject", m->subject);
    member(out, "sender", m->sender);
    member(out, "envelope_id", m->envelope_id);
    member(out, "returned_to", m->returned_to);
    member(out, "token", m->token);
    member(out, "reporting_host", m->reporting_host);
    member(out, "arrival", m->arrival);
}

static size_t matches(struct explain *e, const struct postern_bounce_result *r,
                      struct postern_bounce_match *match)
{
    struct postern_bounce_context context = {.mx_host = r->remote_host};
    if (e->why == NULL) {
        return 0;
    }
    (void)postern_bounce_reply(e->why, r->reply, strlen(r->reply), &context);
    return postern_bounce_matches(e->why, match, WHY_MAX);
}

static struct slice span(const char *reply, const struct postern_bounce_match *m)
{
    return slice_sub(slice_of(reply), m->span_off, m->span_len);
}

static void json_why(struct explain *e, const struct postern_bounce_result *r)
{
    struct postern_bounce_match match[WHY_MAX];
    size_t n = matches(e, r, match);
    if (e->why == NULL) {
        return;
    }
    (void)buf_add_str(&e->out, ",\"why\":[");
    for (size_t i = 0; i < n; i++) {
        (void)buf_add_fmt(
            &e->out, "%s{\"rule\":\"%s\",\"class\":\"%s\",\"weight\":%u,\"matched\":",
            i == 0 ? "" : ",", match[i].rule, match[i].class_name, match[i].weight);
        (void)json_add_string(&e->out, span(r->reply, &match[i]));
        (void)buf_add_byte(&e->out, '}');
    }
    (void)buf_add_byte(&e->out, ']');
}

static void json_result(struct explain *e, const char *file, uint64_t n,
                        const struct postern_bounce_result *r,
                        const struct postern_bounce_mail *mail)
{
    struct buf *out = &e->out;
    json_head(e, file, n, r->recipient);
    member(out, "class", r->class_name);
    member(out, "kind", r->kind);
    member(out, "action", r->action);
    member(out, "scope", r->scope);
    member(out, "subscope", r->subscope);
    member(out, "status", r->status);
    if (r->code != 0) {
        number(out, "code", r->code);
    } else {
        (void)buf_add_str(out, ",\"code\":null");
    }
    member(out, "reply", r->reply);
    member(out, "rule", r->rule);
    number(out, "confidence", r->confidence);
    number(out, "retry_after_s", r->retry_after_s);
    member(out, "delivery", r->delivery);
    member(out, "stage", r->stage);
    member(out, "provider", r->provider);
    member(out, "remote_host", r->remote_host);
    member(out, "original", r->original);
    if (mail != NULL) {
        json_mail(out, mail);
    }
    json_why(e, r);
    (void)buf_add_str(out, "}\n");
}

/* --- for people --- */

/* A label, and its text beside it in a column of its own. */
static void paragraph(struct explain *e, const char *label, struct slice text)
{
    struct buf *out = &e->out;
    (void)buf_add_str(out, "  ");
    prose_pad(out, slice_of(label), LABEL, false);
    (void)buf_add_byte(out, ' ');
    (void)buf_add(out, prose_line(&text, WIDTH - TEXT));
    while (text.len > 0) {
        (void)buf_add_fmt(out, "\n%*s", TEXT, "");
        (void)buf_add(out, prose_line(&text, WIDTH - TEXT));
    }
    (void)buf_add_byte(out, '\n');
}

static void say(struct explain *e, const char *label, const char *text)
{
    struct buf clean;
    buf_init(&clean, EXPLAIN_LINE_MAX);
    explain_add_text(&clean, text);
    if (clean.len > 0) {
        paragraph(e, explain_word(e, label), slice_trim(buf_slice(&clean)));
    }
    buf_clear(&clean);
}

static const char *word_of(const struct explain *e, const char *group, const char *name)
{
    char id[64];
    (void)snprintf(id, sizeof id, "%s-%s", group, name);
    const char *word = postern_bounce_word(id, e->language);
    return word != NULL ? word : "";
}

/* A blank behind what is there, unless it ends in \u3002, which has its own. */
static void next_sentence(struct buf *out)
{
    static const struct slice wide = SLICE_INIT("\xe3\x80\x82");
    struct slice said = buf_slice(out);
    size_t end = said.len > wide.len ? said.len - wide.len : 0;
    if (said.len > 0 && !slice_eq(slice_from(said, end), wide)) {
        (void)buf_add_byte(out, ' ');
    }
}

/* "300 s" as people say it. */
static void add_wait(struct explain *e, struct buf *out, unsigned seconds)
{
    char number[16];
    struct buf time;
    bool hours = seconds >= 7200, minutes = seconds >= 120;
    unsigned unit = hours ? 3600 : minutes ? 60 : 1;
    (void)snprintf(number, sizeof number, "%u", seconds / unit + (seconds % unit != 0));
    buf_init(&time, EXPLAIN_LINE_MAX);
    explain_filled(e, &time,
                   hours     ? "hours"
                   : minutes ? "minutes"
                             : "seconds",
                   "{n}", number);
    prose_fill(out, explain_word(e, "wait"),
               &(struct prose_value){"{time}", buf_slice(&time)}, 1);
    buf_clear(&time);
}

static const char *class_kind(const char *name)
{
    static struct postern_bounce_class one;
    for (size_t i = 0; postern_bounce_class(i, &one) != 0; i++) {
        if (strcmp(one.name, name) == 0) {
            return one.kind;
        }
    }
    return "";
}

/* A page of a class says what to do when the refusal is final. Of a temporary one: what holds until
 * then. */
static const char *until_final(const struct postern_bounce_result *r)
{
    const char *kind = class_kind(r->class_name);
    bool retried = strcmp(r->delivery, "delayed") == 0;
    return retried && strcmp(kind, "hard") == 0 ? "if-it-fails"
           : retried && strcmp(kind, "block") == 0 && strcmp(r->action, "retry") == 0
               ? "once-cured"
               : NULL;
}

static void say_what_now(struct explain *e, const struct postern_bounce_result *r,
                         const struct postern_bounce_page *page)
{
    struct buf text;
    buf_init(&text, EXPLAIN_LINE_MAX);
    (void)buf_add_str(&text, word_of(e, "action", r->action));
    next_sentence(&text);
    const char *first = until_final(r);
    prose_fill(&text, first == NULL ? "{remedy}" : explain_word(e, first),
               &(struct prose_value){"{remedy}", slice_of(page->remedy)}, 1);
    if (r->retry_after_s > 0) {
        next_sentence(&text);
        add_wait(e, &text, r->retry_after_s);
    }
    paragraph(e, explain_word(e, "what-now"), buf_slice(&text));
    buf_clear(&text);
}

/* By the class where that says more than by its scope. */
static void say_who(struct explain *e, const struct postern_bounce_result *r)
{
    const char *who = word_of(e, "who", r->class_name);
    say(e, "who-acts", who[0] != '\0' ? who : word_of(e, "who", r->scope));
}

/* The reply is about the address, but what it says does not suffice to give it up. */
static bool is_unproven(const struct postern_bounce_result *r)
{
    return strcmp(r->kind, "block") == 0 &&
           strcmp(r->class_name, "recipient-refused") != 0 &&
           (strcmp(r->scope, "recipient") == 0 || strcmp(r->scope, "domain") == 0);
}

/* It passes, or is for the sender to cure: the address has no part in it. */
static bool is_about_others(const struct postern_bounce_result *r)
{
    return strcmp(r->kind, "soft") == 0 &&
           (strcmp(r->scope, "source") == 0 || strcmp(r->scope, "sender") == 0 ||
            strcmp(r->class_name, "too-many-recipients") == 0 ||
            strcmp(r->class_name, "system-error") == 0);
}

static void say_address(struct explain *e, const struct postern_bounce_result *r)
{
    const char *group = strcmp(r->delivery, "delayed") == 0             ? "delayed"
                        : strcmp(r->class_name, "feedback-report") == 0 ? "complaint"
                        : is_unproven(r)                                ? "unproven"
                        : is_about_others(r)                            ? "block"
                                                                        : r->kind;
    say(e, "address", word_of(e, "address", group));
}

static void say_how_sure(struct explain *e, const struct postern_bounce_result *r)
{
    char percent[8];
    struct buf text;
    const char *word = r->confidence >= 80   ? "sure-high"
                       : r->confidence >= 50 ? "sure-middle"
                                             : "sure-low";
    buf_init(&text, EXPLAIN_LINE_MAX);
    (void)snprintf(percent, sizeof percent, "%u", r->confidence);
    const struct prose_value values[] = {{"{word}", slice_of(explain_word(e, word))},
                                         {"{n}", slice_of(percent)}};
    prose_fill(&text, explain_word(e, "sure"), values, 2);
    if (r->rule[0] != '\0') {
        explain_filled(e, &text, "rule", "{rule}", r->rule);
    }
    paragraph(e, explain_word(e, "how-sure"), buf_slice(&text));
    buf_clear(&text);
}

static void say_why(struct explain *e, const struct postern_bounce_result *r)
{
    struct postern_bounce_match match[WHY_MAX];
    size_t n = matches(e, r, match);
    for (size_t i = 0; i < n; i++) {
        (void)buf_add_fmt(&e->out, "    %5u  %-24s %s", match[i].weight,
                          match[i].class_name, match[i].rule);
        struct slice s = span(r->reply, &match[i]);
        char text[256];
        if (s.len > 0 && slice_cstr(slice_sub(s, 0, 200), text, sizeof text)) {
            (void)buf_add_str(&e->out, "  \"");
            explain_add_text(&e->out, text);
            (void)buf_add_byte(&e->out, '"');
        }
        (void)buf_add_byte(&e->out, '\n');
    }
}

static void print_result(struct explain *e, const char *file, uint64_t n,
                         const struct postern_bounce_result *r)
{
    struct postern_bounce_page page = {"", "", "", "", "", "", ""};
    char text[1024];
    if (file[0] != '\0') {
        explain_add_text(&e->out, file);
        (void)buf_add_fmt(&e->out, ":%llu\n", (unsigned long long)n);
    }
    IGNORE(postern_bounce_page("class", r->class_name, e->language, &page) == 0);
    say(e, "recipient", r->recipient);
    say(e, "reply", r->reply);
    (void)snprintf(text, sizeof text, "%s%s%s", page.title, explain_word(e, "stop"),
                   page.cause);
    say(e, "what-happened", text);
    say_who(e, r);
    say_what_now(e, r, &page);
    say_address(e, r);
    say_how_sure(e, r);
    say_why(e, r);
    (void)snprintf(text, sizeof text, "postern explain --class %s", r->class_name);
    say(e, "more", text);
    (void)buf_add_byte(&e->out, '\n');
}

/* --- */

void explain_result(struct explain *e, const char *file, uint64_t n,
                    const struct postern_bounce_result *r,
                    const struct postern_bounce_mail *mail)
{
    e->results++;
    if (e->summary) {
        explain_count(e, r);
    } else if (e->json) {
        json_result(e, file, n, r, mail);
    } else {
        print_result(e, file, n, r);
    }
    done_one(e);
}

void explain_nobody(struct explain *e, const char *file, uint64_t n,
                    const struct postern_bounce_mail *mail)
{
    static const struct postern_bounce_result nobody = {.recipient = "",
                                                        .original = "",
                                                        .class_name = "not-a-failure",
                                                        .kind = "none",
                                                        .action = "nothing",
                                                        .scope = "none",
                                                        .subscope = "none",
                                                        .delivery = "unknown",
                                                        .status = "",
                                                        .reply = "",
                                                        .stage = "unknown",
                                                        .provider = "",
                                                        .remote_host = "",
                                                        .rule = "",
                                                        .confidence = 100};
    e->results++;
    if (e->summary) {
        explain_count(e, &nobody);
    } else if (e->json) {
        json_result(e, file, n, &nobody, mail);
    } else {
        explain_add_text(&e->out, file);
        (void)buf_add_fmt(&e->out, ":%llu\n  %s\n\n", (unsigned long long)n,
                          explain_word(e, "no-report"));
    }
    done_one(e);
}

/* --- pages and rules --- */

bool explain_page(struct explain *e, const char *kind, const char *id)
{
    struct postern_bounce_page page;
    if (postern_bounce_page(kind, id, e->language, &page) == 0) {
        return false;
    }
    struct buf *out = &e->out;
    if (e->json) {
        (void)buf_add_fmt(out, "{\"%s\":", kind);
        (void)json_add_string(out, slice_of(id));
        member(out, "title", page.title);
        member(out, "cause", page.cause);
        member(out, "remedy", page.remedy);
        member(out, "code", page.code);
        member(out, "status", page.status);
        member(out, "reply", page.text);
        member(out, "language", page.language);
        (void)buf_add_str(out, "}\n");
        return true;
    }
    (void)buf_add_fmt(out, "%s\n", page.title);
    explain_filled(e, out, strcmp(kind, "row") == 0 ? "row-id" : "class-id", "{id}", id);
    (void)buf_add_str(out, "\n\n");
    if (page.text[0] != '\0') {
        char reply[1024];
        (void)snprintf(reply, sizeof reply, "%s%s%s %s", page.code,
                       page.status[0] != '\0' ? " " : "", page.status, page.text);
        say(e, "reply", reply);
    }
    say(e, "cause", page.cause);
    say(e, "remedy", page.remedy);
    return true;
}

void explain_rules(struct explain *e)
{
    struct postern_bounce_rule rule;
    for (size_t i = 0; postern_bounce_rule(i, &rule) != 0; i++) {
        struct buf *out = &e->out;
        if (e->json) {
            (void)buf_add_str(out, "{\"rule\":");
            (void)json_add_string(out, slice_of(rule.id));
            member(out, "class", rule.class_name);
            number(out, "weight", rule.weight);
            member(out, "pattern", rule.pattern);
            member(out, "when", rule.when);
            member(out, "source", rule.source);
            member(out, "example", rule.example);
            (void)buf_add_str(out, "}\n");
        } else {
            (void)buf_add_fmt(out, "%-32s %-24s %4u  %s%s%s\n", rule.id, rule.class_name,
                              rule.weight, rule.pattern,
                              rule.when[0] != '\0' ? "  when " : "", rule.when);
        }
        done_one(e);
    }
}

static void print_row(struct explain *e, const struct reply_row *row)
{
    struct buf *out = &e->out;
    const char *status = row->status[REPLY_GMAIL], *iana = row->status[REPLY_IANA];
    if (!e->json) {
        (void)buf_add_fmt(out, "%-34s %u %-6s  %-7s  %s\n", row->id,
                          row->code[REPLY_GMAIL], status, row->stage, row->text);
        return;
    }
    (void)buf_add_str(out, "{\"row\":");
    (void)json_add_string(out, slice_of(row->id));
    member(out, "services", row->services);
    member(out, "stage", row->stage);
    number(out, "code", row->code[REPLY_GMAIL]);
    member(out, "status", status);
    number(out, "code_iana", row->code[REPLY_IANA]);
    member(out, "status_iana", iana);
    (void)buf_add_str(out, row->closes ? ",\"closes\":true" : ",\"closes\":false");
    member(out, "text", row->text);
    (void)buf_add_str(out, "}\n");
}

void explain_rows(struct explain *e)
{
    for (unsigned i = 0; i < REPLY_ID_COUNT; i++) {
        const struct reply_row *row = reply_row((enum reply_id)i);
        if (row != NULL && row->refusal) {
            print_row(e, row);
            done_one(e);
        }
    }
}
