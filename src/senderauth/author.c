#include "senderauth/author.h"

#include "message/fields.h"
#include "senderauth/domain.h"

#include <string.h>

enum kind { END = 0, ATOM, QUOTED, LITERAL, SPECIAL, BAD };

struct reader {
    struct slice in; /* behind the current token */
    enum kind kind;
    unsigned char c; /* SPECIAL: which */
    struct slice text;
    struct author *out;
    const char *problem; /* BAD: why */
};

static void bad(struct reader *r, const char *problem)
{
    r->kind = BAD;
    r->problem = problem;
}

/* FWS = ([*WSP CRLF] 1*WSP) / obs-FWS: octets of it at the start of s; a CR or LF that belongs to
 * no fold counts for nothing. */
static size_t fws(struct slice s)
{
    size_t i = 0;
    while (i < s.len) {
        if (s.ptr[i] == ' ' || s.ptr[i] == '\t') {
            i++;
        } else if (s.len - i > 2 && s.ptr[i] == '\r' && s.ptr[i + 1] == '\n' &&
                   (s.ptr[i + 2] == ' ' || s.ptr[i + 2] == '\t')) {
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

/* The rest behind what stands between open and close: comments nest, the others do not.
 * False: it never ends, or holds a control. */
static bool skip_enclosed(struct slice *s, unsigned char open, unsigned char close)
{
    size_t depth = 1, i = 1;
    while (i < s->len) {
        size_t folded = fws(slice_from(*s, i));
        if (folded > 0) {
            i += folded;
            continue;
        }
        unsigned char c = s->ptr[i];
        if (c == '\\' && i + 1 < s->len && s->ptr[i + 1] != '\r' &&
            s->ptr[i + 1] != '\n' && s->ptr[i + 1] != '\0') {
            i += 2; /* quoted-pair */
            continue;
        }
        if (c == '\\' || (is_control(c) && c != '\t')) {
            return false;
        }
        i++;
        if (c == close && --depth == 0) {
            *s = slice_from(*s, i);
            return true;
        }
        depth += open == '(' && c == '(';
    }
    return false;
}

static bool is_special(unsigned char c)
{
    return slice_find(SLICE("()<>[]:;@\\,.\""), c) < 13;
}

/* CFWS and then one token. atext is any printable octet that is no special, and all above 127
 * (RFC 6532 3.2). */
static void next(struct reader *r)
{
    for (;;) {
        r->in = slice_from(r->in, fws(r->in));
        if (r->in.len == 0 || r->in.ptr[0] != '(') {
            break;
        }
        if (!skip_enclosed(&r->in, '(', ')')) {
            bad(r, "a comment that never ends");
            return;
        }
    }
    struct slice start = r->in;
    if (start.len == 0) {
        r->kind = END;
        return;
    }
    r->c = start.ptr[0];
    if (r->c == '"' || r->c == '[') {
        r->kind = r->c == '"' ? QUOTED : LITERAL;
        if (!skip_enclosed(&r->in, r->c, r->c == '"' ? '"' : ']')) {
            bad(r,
                r->c == '"' ? "a quoted string that never ends" : "a bracket left open");
        }
        return;
    }
    if (is_control(r->c)) {
        bad(r, "a control character");
        return;
    }
    size_t n = 0;
    while (n < start.len && start.ptr[n] > ' ' && start.ptr[n] != 0x7f &&
           !is_special(start.ptr[n])) {
        n++;
    }
    r->kind = n > 0 ? ATOM : SPECIAL;
    r->text = slice_sub(start, 0, n);
    r->in = slice_from(start, n > 0 ? n : 1);
}

static bool at(const struct reader *r, unsigned char c)
{
    return r->kind == SPECIAL && r->c == c;
}

static bool fail(struct reader *r, enum author_status status, const char *problem)
{
    if (r->out->status == AUTHOR_OK) {
        r->out->status = status;
        r->out->problem = r->kind == BAD ? r->problem : problem;
    }
    return false;
}

/* Letters, digits, hyphen and, since it is seen, underscore. */
static bool is_host(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = name.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' && c != '_' &&
            c != '.') {
            return false;
        }
    }
    return true;
}

static bool keep(struct reader *r, struct slice typed)
{
    struct author *out = r->out;
    unsigned char name[DNS_NAME_MAX];
    size_t len;
    if (!domain_take(typed, name, &len) || !is_host((struct slice){name, len})) {
        return fail(r, AUTHOR_DOMAIN, "a domain that is none");
    }
    out->addresses++;
    for (unsigned i = 0; i < out->n; i++) {
        if (slice_eq(out->domain[i], (struct slice){name, len})) {
            return true;
        }
    }
    if (out->n == AUTHOR_DOMAINS_MAX) {
        return fail(r, AUTHOR_TOO_MANY, "addresses in more than 8 domains");
    }
    unsigned char *to = out->text + (size_t)out->n * DNS_NAME_MAX;
    memcpy(to, name, len);
    out->domain[out->n++] = (struct slice){to, len};
    return true;
}

/* domain = dot-atom / domain-literal / obs-domain; obs-domain = atom *("." atom), CFWS between.
 * A dot at the end is let pass: it is the same name. */
static bool domain(struct reader *r)
{
    unsigned char text[4 * DNS_NAME_MAX];
    size_t len = 0;
    if (r->kind == LITERAL) {
        return fail(r, AUTHOR_DOMAIN, "an address literal for a domain");
    }
    while (r->kind == ATOM) {
        if (r->text.len + 1 > sizeof text - len) {
            return fail(r, AUTHOR_DOMAIN, "a domain that is too long");
        }
        memcpy(text + len, r->text.ptr, r->text.len);
        len += r->text.len;
        next(r);
        if (!at(r, '.')) {
            break;
        }
        text[len++] = '.';
        next(r);
    }
    if (r->kind == BAD || len == 0) {
        return fail(r, AUTHOR_SYNTAX, "no domain behind an @");
    }
    return keep(r, (struct slice){text, len});
}

/* local-part = dot-atom / quoted-string / obs-local-part; obs-local-part = word *("." word)
 * The current token is its first; it ends at the "@". */
static bool local_part(struct reader *r)
{
    for (;;) {
        if (r->kind != ATOM && r->kind != QUOTED) {
            return fail(r, AUTHOR_SYNTAX, "no local part before an @");
        }
        next(r);
        if (at(r, '@')) {
            next(r);
            return true;
        }
        if (!at(r, '.')) {
            return fail(r, AUTHOR_SYNTAX, "an address without @");
        }
        next(r);
    }
}

/* obs-route = obs-domain-list ":"; obs-domain-list = *(CFWS / ",") "@" domain *("," [CFWS] ["@"
 * domain]): who it names is not the author. */
static bool route(struct reader *r)
{
    while (r->kind == ATOM || at(r, '.') || at(r, '@') || at(r, ',')) {
        next(r);
    }
    if (!at(r, ':')) {
        return fail(r, AUTHOR_SYNTAX, "a source route that never ends");
    }
    next(r);
    return true;
}

/* angle-addr = [CFWS] "<" addr-spec ">" [CFWS] / obs-angle-addr; behind the "<". */
static bool angle(struct reader *r)
{
    if (at(r, '@') && !route(r)) {
        return false;
    }
    if (!local_part(r) || !domain(r)) {
        return false;
    }
    if (!at(r, '>')) {
        return fail(r, AUTHOR_SYNTAX, "an address without its closing >");
    }
    next(r);
    return true;
}

/* mailbox = name-addr / addr-spec, or the start of a group: address = mailbox / group. Words come
 * first in all of them; what follows says what they were. */
static bool address(struct reader *r, bool in_group, bool *group)
{
    bool dotted = true; /* the words could be a local part: joined by dots */
    bool word = false;  /* the last token was one */
    *group = false;
    for (;;) {
        if (r->kind == ATOM || r->kind == QUOTED) {
            dotted = dotted && !word;
            word = true;
        } else if (at(r, '.')) { /* obs-phrase */
            dotted = dotted && word;
            word = false;
        } else {
            break;
        }
        next(r);
    }
    if (at(r, '<')) {
        next(r);
        return angle(r);
    }
    if (at(r, '@') && dotted && word) {
        next(r);
        return domain(r);
    }
    if (at(r, ':') && !in_group) {
        *group = true;
        next(r);
        return true;
    }
    return fail(r, AUTHOR_SYNTAX, "something that is no address");
}

/* group = display-name ":" [group-list] ";" */
static bool members(struct reader *r)
{
    bool group;
    while (!at(r, ';')) {
        if (!at(r, ',') && !address(r, true, &group)) {
            return false;
        }
        if (at(r, ',')) {
            next(r);
        } else if (!at(r, ';')) {
            return fail(r, AUTHOR_SYNTAX, "a group without its closing ;");
        }
    }
    next(r);
    return true;
}

void author_of_value(struct slice value, struct author *out)
{
    struct reader r = {.in = value, .out = out};
    memset(out, 0, offsetof(struct author, domain));
    next(&r);
    /* address-list = (address *("," address)) / obs-addr-list: commas may stand alone. */
    while (r.kind != END) {
        bool group = false;
        if (!at(&r, ',') && (!address(&r, false, &group) || (group && !members(&r)))) {
            break;
        }
        if (at(&r, ',')) {
            next(&r);
        } else if (r.kind != END) {
            IGNORE(fail(&r, AUTHOR_SYNTAX, "something behind an address"));
            break;
        }
    }
    if (out->status == AUTHOR_OK && out->addresses == 0) {
        IGNORE(fail(&r, AUTHOR_NOBODY, "no address"));
    }
}

void author_of_header(struct slice header, struct author *out)
{
    struct header_field field;
    struct slice value = {0};
    unsigned line = 1, n = 0;
    while (header_field_next(&header, &line, &field)) {
        if (slice_ieq(field.name, SLICE("From"))) {
            value = field.value;
            n++;
        }
    }
    if (n == 1) {
        author_of_value(value, out);
        return;
    }
    memset(out, 0, offsetof(struct author, domain));
    out->status = n == 0 ? AUTHOR_MISSING : AUTHOR_FIELDS;
    out->problem = n == 0 ? "no From field" : "more than one From field";
}
