/* config/parse.c - see parse.h */
#include "config/parse.h"

#include <string.h>

enum token_kind {
    TOKEN_END = 0,
    TOKEN_WORD,
    TOKEN_STRING, /* raw: with its quotes and escapes */
    TOKEN_SIGN,   /* one of { } = , */
    TOKEN_BAD,    /* text: what is wrong */
};

struct token {
    enum token_kind kind;
    unsigned line;
    struct slice text;
};

static bool is_one_of(struct slice signs, unsigned char c)
{
    return slice_find(signs, c) < signs.len;
}

static bool is_control(unsigned char c)
{
    return c < 0x20 || c == 0x7f;
}

static bool is_word(unsigned char c)
{
    return c > 0x20 && c != 0x7f && !is_one_of(SLICE("{}=,;\"'#()"), c);
}

static void skip(struct parse_lexer *l, size_t n)
{
    for (size_t i = 0; i < n && i < l->rest.len; i++) {
        l->line += l->rest.ptr[i] == '\n';
    }
    l->rest = slice_from(l->rest, n);
}

/* Past blanks and comments. False: a comment without an end, at which l then stands. */
static bool skip_blank(struct parse_lexer *l)
{
    for (;;) {
        if (l->rest.len == 0) {
            return true;
        }
        unsigned char c = l->rest.ptr[0];
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
            skip(l, 1);
        } else if (c == '#' || slice_starts(l->rest, SLICE("//"))) {
            skip(l, slice_find(l->rest, '\n'));
        } else if (slice_starts(l->rest, SLICE("/*"))) {
            struct slice body = slice_from(l->rest, 2);
            const void *end = memmem(body.ptr, body.len, "*/", 2);
            if (end == NULL) {
                return false;
            }
            skip(l, (size_t)((const unsigned char *)end - l->rest.ptr) + 2);
        } else {
            return true;
        }
    }
}

/* Length of the string at the front, quotes included; 0: no end on its line. */
static size_t string_length(struct slice s)
{
    unsigned char quote = s.ptr[0];
    for (size_t i = 1; i < s.len && !is_control(s.ptr[i]); i++) {
        if (s.ptr[i] == quote) {
            return i + 1;
        }
        if (quote == '"' && s.ptr[i] == '\\') {
            i++; /* what an escape stands for is string_decode()'s to judge */
        }
    }
    return 0;
}

/* What word processors and web pages put in place of the signs that are meant; NULL: s has nothing of it. */
static const char *foreign_sign(struct slice s)
{
    if (slice_starts(s, SLICE("\xe2\x80")) && s.len > 2 && s.ptr[2] >= 0x98 &&
        s.ptr[2] <= 0x9f) {
        return "a typographic quote; expected \" or '";
    }
    return memmem(s.ptr, s.len, "\xc2\xa0", 2) != NULL
               ? "a no-break space (U+00A0); expected a blank"
               : NULL;
}

static const char *bad_octet(unsigned char c)
{
    return c == ';' ? "\";\" is out of place; expected the end of the line"
           : c == '\0'
               ? "a NUL; expected text in UTF-8 (is the file in UTF-16?)"
               : "an octet that is out of place; expected quotes around values that are "
                 "not plain words";
}

static struct token take_token(struct parse_lexer *l)
{
    if (!skip_blank(l)) {
        return (struct token){
            TOKEN_BAD, l->line,
            SLICE("the comment that starts here has no end; expected */")};
    }
    struct token token = {TOKEN_END, l->line, slice_sub(l->rest, 0, 0)};
    if (l->rest.len == 0) {
        return token;
    }
    unsigned char c = l->rest.ptr[0];
    size_t n = 1;
    if (is_one_of(SLICE("{}=,"), c)) {
        token.kind = TOKEN_SIGN;
    } else if (c == '"' || c == '\'') {
        token.kind = TOKEN_STRING;
        n = string_length(l->rest);
        if (n == 0) {
            token.kind = TOKEN_BAD;
            token.text =
                SLICE("the string that starts here has no end on its line, or holds "
                      "a control character; expected a closing quote");
            return token;
        }
    } else if (is_word(c)) {
        token.kind = TOKEN_WORD;
        for (n = 0; n < l->rest.len && is_word(l->rest.ptr[n]);) {
            n++;
        }
        const char *foreign = foreign_sign(slice_sub(l->rest, 0, n));
        if (foreign != NULL) {
            return (struct token){TOKEN_BAD, l->line, slice_of(foreign)};
        }
    } else {
        return (struct token){TOKEN_BAD, l->line, slice_of(bad_octet(c))};
    }
    token.text = slice_sub(l->rest, 0, n);
    skip(l, n);
    return token;
}

static struct token peek_token(const struct parser *p)
{
    struct parse_lexer ahead = p->lexer;
    return take_token(&ahead);
}

static bool is_sign(struct token t, char sign)
{
    return t.kind == TOKEN_SIGN && t.text.ptr[0] == (unsigned char)sign;
}

static struct parse_event error_event(const struct parser *p)
{
    return (struct parse_event){
        .kind = PARSE_ERROR, .line = p->error_line, .text = buf_slice(&p->message)};
}

/* For the reader's eyes: quotes and backslashes as they stand in the file. */
static void add_shown(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        bool plain = s.ptr[i] == '"' || s.ptr[i] == '\\';
        if (plain) {
            buf_add_byte(out, s.ptr[i]);
        } else {
            buf_add_escaped(out, slice_sub(s, i, 1));
        }
    }
}

/* before + what (shown) + after. */
static struct parse_event fail(struct parser *p, unsigned line, const char *before,
                               struct slice what, const char *after)
{
    p->failed = true;
    p->error_line = line;
    buf_reset(&p->message);
    buf_add_str(&p->message, before);
    add_shown(&p->message, slice_sub(what, 0, 80));
    buf_add_str(&p->message, after);
    return error_event(p);
}

static struct parse_event fail_at(struct parser *p, struct token t, const char *expected)
{
    if (t.kind == TOKEN_BAD) {
        p->failed = true;
        p->error_line = t.line;
        buf_reset(&p->message);
        buf_add(&p->message, t.text);
        return error_event(p);
    }
    if (t.kind == TOKEN_END) {
        return fail(p, t.line, "the file ends here; expected ", (struct slice){NULL, 0},
                    expected);
    }
    buf_reset(&p->text);
    buf_add_str(&p->text, "; expected ");
    buf_add_str(&p->text, expected);
    buf_add_byte(&p->text, '\0');
    return fail(p, t.line, "out of place: ", t.text, (const char *)p->text.ptr);
}

/* The text of a word or string into *out. False: an escape that is none, or too long. */
static bool decode(struct parser *p, struct token t, struct slice *out)
{
    *out = t.text;
    if (t.kind == TOKEN_STRING) {
        *out = slice_sub(t.text, 1, t.text.len - 2);
    }
    if (out->len > PARSE_TEXT_MAX) {
        return false;
    }
    if (t.kind == TOKEN_WORD || t.text.ptr[0] == '\'' ||
        slice_find(*out, '\\') == out->len) {
        return true;
    }
    buf_reset(&p->text);
    for (size_t i = 0; i < out->len; i++) {
        if (out->ptr[i] == '\\') {
            i++; /* string_length() saw to it that something follows */
            if (out->ptr[i] != '\\' && out->ptr[i] != '"') {
                return false;
            }
        }
        buf_add_byte(&p->text, out->ptr[i]);
    }
    *out = buf_slice(&p->text);
    return !p->text.failed;
}

static struct parse_event value_event(struct parser *p, enum parse_kind kind,
                                      struct token t)
{
    struct parse_event e = {.kind = kind, .line = t.line, .name = p->setting};
    if (t.kind != TOKEN_WORD && t.kind != TOKEN_STRING) {
        return fail_at(p, t, "a value");
    }
    if (!decode(p, t, &e.text)) {
        return fail(p, t.line, "bad string: ", t.text,
                    "; expected at most 4096 octets, and of escapes only \\\" and \\\\");
    }
    return e;
}

/* `5 min` without quotes: a word on the value's line that starts no setting, no section. */
static bool word_follows(const struct parser *p, struct token value)
{
    struct parse_lexer ahead = p->lexer;
    struct token word = take_token(&ahead), sign = take_token(&ahead);
    return value.kind == TOKEN_WORD && word.kind == TOKEN_WORD &&
           word.line == value.line && !is_sign(sign, '=') && !is_sign(sign, '{') &&
           sign.kind != TOKEN_STRING;
}

/* `hostname =` and nothing: what stands on a later line is no value, but begins the next setting or section. */
static bool next_begins(const struct parser *p, unsigned line, struct token t)
{
    struct parse_lexer ahead = p->lexer;
    struct token sign = take_token(&ahead);
    return t.kind == TOKEN_WORD && t.line > line &&
           (is_sign(sign, '=') || is_sign(sign, '{') ||
            (sign.kind == TOKEN_STRING && is_sign(take_token(&ahead), '{')));
}

static struct parse_event take_value(struct parser *p)
{
    unsigned line = p->lexer.line;
    struct token t = take_token(&p->lexer);
    if (next_begins(p, line, t)) {
        return fail(p, line, "no value stands behind ", p->setting,
                    " =; expected NAME = VALUE");
    }
    if (is_sign(t, '{')) {
        p->in_list = true;
        return (struct parse_event){PARSE_LIST, t.line, p->setting, {NULL, 0}, false};
    }
    if (word_follows(p, t)) {
        struct token word = peek_token(p);
        size_t len = (size_t)(word.text.ptr - t.text.ptr) + word.text.len;
        return fail(p, t.line, "a blank in a value without quotes; expected \"",
                    (struct slice){t.text.ptr, len}, "\"");
    }
    return value_event(p, PARSE_VALUE, t);
}

/* False: the list ended. */
static bool take_item(struct parser *p, struct parse_event *e)
{
    struct token t = take_token(&p->lexer);
    if (is_sign(t, '}')) {
        return false;
    }
    struct token after = peek_token(p);
    bool value = t.kind == TOKEN_WORD || t.kind == TOKEN_STRING;
    if (is_sign(after, ',')) {
        (void)take_token(&p->lexer);
    } else if (value && !is_sign(after, '}')) {
        *e = fail_at(p, after, "a comma or } in the list");
        return true;
    }
    *e = value_event(p, PARSE_ITEM, t);
    return true;
}

static struct parse_event open_section(struct parser *p, struct token name, bool titled)
{
    struct parse_event e = {
        .kind = PARSE_SECTION, .line = name.line, .name = name.text, .titled = titled};
    if (p->in_section) {
        return fail(p, name.line, "section ", name.text,
                    " stands inside another; expected a setting or }");
    }
    if (titled && !decode(p, take_token(&p->lexer), &e.text)) {
        return fail(p, name.line, "bad name of section ", name.text,
                    "; expected a string");
    }
    (void)take_token(&p->lexer); /* the brace */
    p->in_section = true;
    p->section = name.text;
    p->section_line = name.line;
    return e;
}

static struct parse_event take_named(struct parser *p, struct token name)
{
    struct parse_lexer ahead = p->lexer;
    struct token t = take_token(&ahead);
    if (is_sign(t, '=')) {
        p->lexer = ahead;
        p->setting = name.text;
        return take_value(p);
    }
    bool titled = t.kind == TOKEN_STRING || t.kind == TOKEN_WORD;
    if (is_sign(titled ? take_token(&ahead) : t, '{')) {
        return open_section(p, name, titled);
    }
    if (t.kind == TOKEN_BAD) {
        return fail_at(p, t, "");
    }
    return fail(p, name.line, "neither = nor { follows ", name.text,
                "; expected NAME = VALUE or NAME { ... }");
}

void parse_init(struct parser *p, struct slice text)
{
    *p = (struct parser){.lexer = {text, 1}};
    if (slice_starts(text, SLICE("\xef\xbb\xbf"))) {
        p->lexer.rest = slice_from(text, 3); /* a byte order mark says nothing in UTF-8 */
    }
    buf_init(&p->text, PARSE_TEXT_MAX + 1);
    buf_init(&p->message, PARSE_MESSAGE_MAX);
}

void parse_clear(struct parser *p)
{
    buf_clear(&p->text);
    buf_clear(&p->message);
}

struct parse_event parse_next(struct parser *p)
{
    if (p->failed) {
        return error_event(p);
    }
    if (p->in_list) {
        struct parse_event e;
        if (take_item(p, &e)) {
            return e;
        }
        p->in_list = false;
    }
    struct token t = take_token(&p->lexer);
    if (t.kind == TOKEN_WORD) {
        return take_named(p, t);
    }
    if (t.kind == TOKEN_END && p->in_section) {
        return fail(p, p->section_line, "section ", p->section,
                    " is open to the end of the file; expected }");
    }
    if (t.kind == TOKEN_END) {
        return (struct parse_event){.kind = PARSE_END, .line = t.line};
    }
    if (is_sign(t, '}') && p->in_section) {
        p->in_section = false;
        return (struct parse_event){
            .kind = PARSE_SECTION_END, .line = t.line, .name = p->section};
    }
    return fail_at(p, t, "the name of a setting or section");
}
