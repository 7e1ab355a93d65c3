/* message/lex.c - see lex.h */
#include "message/lex.h"

/* FWS = ([*WSP CRLF] 1*WSP) / obs-FWS */
size_t lex_blanks(struct slice s)
{
    size_t i = 0;
    while (i < s.len) {
        if (ascii_is_blank(s.ptr[i])) {
            i++;
        } else if (s.len - i > 2 && s.ptr[i] == '\r' && s.ptr[i + 1] == '\n' &&
                   ascii_is_blank(s.ptr[i + 2])) {
            i += 3;
        } else {
            break;
        }
    }
    return i;
}

static bool is_control(unsigned char c)
{
    return c < 0x20 || c == 0x7f;
}

/* The length of what stands between open and close, both included: comments nest, the others do
 * not. 0: it never ends, or NUL or a line end is in it. */
static size_t enclosed_len(struct slice s, unsigned char open, unsigned char close)
{
    size_t depth = 0, i = 0;
    while (i < s.len) {
        size_t fold = lex_blanks(slice_from(s, i));
        if (fold > 0) {
            i += fold;
            continue;
        }
        unsigned char c = s.ptr[i++];
        if (c == '\r' || c == '\n' || c == '\0') {
            return 0; /* obs-NO-WS-CTL: other controls may stand here */
        }
        if (c == '\\' && i < s.len && s.ptr[i] != '\r' && s.ptr[i] != '\n' &&
            s.ptr[i] != '\0') {
            i++; /* quoted-pair */
        } else if (c == open && (open == '(' || depth == 0)) {
            depth++;
        } else if (c == close && --depth == 0) {
            return i;
        }
    }
    return 0;
}

size_t lex_cfws(struct slice s)
{
    size_t i = 0;
    for (;;) {
        i += lex_blanks(slice_from(s, i));
        size_t comment =
            i < s.len && s.ptr[i] == '(' ? enclosed_len(slice_from(s, i), '(', ')') : 0;
        if (comment == 0) {
            return i;
        }
        i += comment;
    }
}

static void bad(struct lex *l, const char *fault)
{
    l->kind = LEX_BAD;
    l->fault = fault;
    l->text = (struct slice){0};
}

static void take_enclosed(struct lex *l, enum lex_kind kind, unsigned char close,
                          const char *fault)
{
    size_t len = enclosed_len(l->in, l->c, close);
    if (len == 0) {
        bad(l, fault);
        return;
    }
    l->kind = kind;
    l->text = slice_sub(l->in, 0, len);
    l->in = slice_from(l->in, len);
}

void lex_next(struct lex *l)
{
    if (l->kind == LEX_BAD) {
        return;
    }
    size_t skipped = lex_cfws(l->in);
    l->spaced = skipped > 0;
    l->in = slice_from(l->in, skipped);
    if (l->in.len == 0) {
        l->kind = LEX_END;
        l->text = (struct slice){0};
        return;
    }
    l->c = l->in.ptr[0];
    switch (l->c) {
    case '(':
        bad(l, "a comment never ends");
        return;
    case '"':
        take_enclosed(l, LEX_QUOTED, '"', "a quoted string never ends");
        return;
    case '[':
        take_enclosed(l, LEX_LITERAL, ']', "a bracket is left open");
        return;
    default:
        break;
    }
    if (is_control(l->c)) {
        bad(l, "a control character stands in it");
        return;
    }
    size_t n = 0;
    while (n < l->in.len && !is_control(l->in.ptr[n]) && l->in.ptr[n] != ' ' &&
           slice_find(l->specials, l->in.ptr[n]) == l->specials.len) {
        n++;
    }
    l->kind = n > 0 ? LEX_ATOM : LEX_SPECIAL;
    l->text = slice_sub(l->in, 0, n > 0 ? n : 1);
    l->in = slice_from(l->in, l->text.len);
}

void lex_start(struct lex *l, struct slice value, struct slice specials)
{
    *l = (struct lex){.in = value, .specials = specials};
    lex_next(l);
}
