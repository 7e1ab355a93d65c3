/* message/address_list.c - see address_list.h */
#include "message/address_list.h"

#include <string.h>

struct reader {
    struct lex lex;
    unsigned flags, n;
    const char *fault;
    void (*seen)(void *arg, const struct address *a);
    void *arg;
    unsigned char domain[ADDRESS_DOMAIN_MAX];
};

static bool at(const struct reader *r, unsigned char c)
{
    return lex_at(&r->lex, c);
}

static bool fail(struct reader *r, const char *fault)
{
    if (r->fault == NULL) {
        r->fault = r->lex.kind == LEX_BAD ? r->lex.fault : fault;
    }
    return false;
}

static bool tell(struct reader *r, const struct address *a)
{
    r->n++;
    r->seen(r->arg, a);
    return true;
}

/* What was written from start up to the current token, blanks around it taken off. */
static struct slice since(const struct reader *r, const unsigned char *start)
{
    const unsigned char *end =
        r->lex.in.ptr == NULL ? start : r->lex.in.ptr - r->lex.text.len;
    return end > start ? slice_strip((struct slice){start, (size_t)(end - start)})
                       : (struct slice){0};
}

/* domain = dot-atom / domain-literal / obs-domain
 * obs-domain = atom *("." atom), with comments and blanks between. A dot at the end is let pass:
 * it is the same name. */
static bool take_domain(struct reader *r, struct address *a)
{
    const unsigned char *start = r->lex.text.ptr;
    size_t len = 0;
    if (r->lex.kind == LEX_LITERAL) {
        a->literal = true;
        a->domain = a->written = r->lex.text;
        lex_next(&r->lex);
        return true;
    }
    while (r->lex.kind == LEX_ATOM) {
        if (r->lex.text.len + 1 > sizeof r->domain - len) {
            return fail(r, "a domain is too long");
        }
        memcpy(r->domain + len, r->lex.text.ptr, r->lex.text.len);
        len += r->lex.text.len;
        lex_next(&r->lex);
        if (!at(r, '.')) {
            break;
        }
        r->domain[len++] = '.';
        lex_next(&r->lex);
    }
    a->domain = (struct slice){r->domain, len};
    a->written = len > 0 ? since(r, start) : (struct slice){0};
    return len > 0 ? true : fail(r, "no domain stands behind an @");
}

/* local-part = dot-atom / quoted-string / obs-local-part; obs-local-part = word *("." word)
 * Up to behind the "@". */
static bool take_local(struct reader *r, struct address *a)
{
    const unsigned char *start = r->lex.text.ptr;
    for (;;) {
        if (r->lex.kind != LEX_ATOM && r->lex.kind != LEX_QUOTED) {
            return fail(r, "no local part stands before an @");
        }
        lex_next(&r->lex);
        if (at(r, '@') || (at(r, '>') && (r->flags & ADDRESS_LOOSE) != 0)) {
            break;
        }
        if (!at(r, '.')) {
            return fail(r, "an address has no @");
        }
        lex_next(&r->lex);
    }
    a->local = since(r, start);
    return true;
}

/* obs-route = obs-domain-list ":"
 * obs-domain-list = *(CFWS / ",") "@" domain *("," [CFWS] ["@" domain]) */
static bool skip_route(struct reader *r)
{
    while (r->lex.kind == LEX_ATOM || r->lex.kind == LEX_LITERAL || at(r, '.') ||
           at(r, '@') || at(r, ',')) {
        lex_next(&r->lex);
    }
    if (!at(r, ':')) {
        return fail(r, "a source route never ends");
    }
    lex_next(&r->lex);
    return true;
}

/* angle-addr = [CFWS] "<" addr-spec ">" [CFWS] / obs-angle-addr; behind the "<". */
static bool take_angle(struct reader *r, struct address *a)
{
    if (at(r, '@') && !skip_route(r)) {
        return false;
    }
    if (!take_local(r, a)) {
        return false;
    }
    if (at(r, '@')) {
        lex_next(&r->lex);
        if (!take_domain(r, a)) {
            return false;
        }
    }
    if (!at(r, '>')) {
        return fail(r, "an address has no closing >");
    }
    lex_next(&r->lex);
    return tell(r, a);
}

/* The words that begin an address: its local part, its display name, or that of a group. */
struct words {
    const unsigned char *start;
    bool dotted; /* joined by dots, so that it can be a local part */
    unsigned n;
};

static struct words take_words(struct reader *r)
{
    struct words w = {.start = r->lex.text.ptr, .dotted = true};
    bool word = false; /* the last token was one */
    for (;; lex_next(&r->lex)) {
        if (r->lex.kind == LEX_ATOM || r->lex.kind == LEX_QUOTED) {
            w.dotted = w.dotted && !word;
            word = true;
            w.n++;
        } else if (at(r, '.')) { /* obs-phrase */
            w.dotted = w.dotted && word;
            word = false;
        } else {
            w.dotted = w.dotted && word;
            return w;
        }
    }
}

/* Is there a "<" before the next "," or ";"? Then what comes before it is a display name. */
static bool loose_name(struct reader *r)
{
    struct lex before = r->lex;
    while ((r->flags & ADDRESS_LOOSE) != 0 && r->lex.kind != LEX_END &&
           r->lex.kind != LEX_BAD && !at(r, ',') && !at(r, ';') && !at(r, ':')) {
        if (at(r, '<')) {
            return true;
        }
        lex_next(&r->lex);
    }
    r->lex = before;
    return false;
}

/* address = mailbox / group; mailbox = name-addr / addr-spec
 * *group: it was the beginning of a group, up to behind its ":". */
static bool take_address(struct reader *r, bool in_group, bool *group)
{
    struct address a = {.in_group = in_group};
    struct words w = take_words(r);
    *group = false;
    if (at(r, '@') && loose_name(r)) {
        w.dotted = false;
    }
    if (at(r, '<')) {
        a.display = since(r, w.start);
        lex_next(&r->lex);
        return take_angle(r, &a);
    }
    if (at(r, '@') && w.dotted) {
        a.local = since(r, w.start);
        lex_next(&r->lex);
        return take_domain(r, &a) && tell(r, &a);
    }
    if (at(r, ':') && !in_group && w.n > 0) {
        *group = true;
        lex_next(&r->lex);
        return true;
    }
    if ((r->flags & ADDRESS_LOOSE) != 0 && w.n > 0 && r->lex.kind != LEX_BAD) {
        a.local = since(r, w.start);
        return tell(r, &a);
    }
    return fail(r, "something in it is no address");
}

/* group = display-name ":" [group-list] ";" [CFWS] */
static bool take_members(struct reader *r)
{
    bool group;
    while (!at(r, ';')) {
        if (!at(r, ',') && !take_address(r, true, &group)) {
            return false;
        }
        if (at(r, ',')) {
            lex_next(&r->lex);
        } else if (!at(r, ';')) {
            return fail(r, "a group has no closing ;");
        }
    }
    lex_next(&r->lex);
    return true;
}

/* address-list = (address *("," address)) / obs-addr-list: commas may stand alone. */
static bool take_list(struct reader *r)
{
    bool groups = false;
    while (r->lex.kind != LEX_END) {
        bool group = false;
        if (!at(r, ',') &&
            (!take_address(r, false, &group) || (group && !take_members(r)))) {
            return false;
        }
        groups = groups || group;
        if (at(r, ',')) {
            lex_next(&r->lex);
        } else if (r->lex.kind != LEX_END) {
            return fail(r, "something stands behind an address");
        }
    }
    if ((r->flags & ADDRESS_ONE) != 0 && (r->n > 1 || groups)) {
        return fail(r, "it may have only one address");
    }
    return r->n > 0 || groups || (r->flags & ADDRESS_NONE_OK) != 0
               ? true
               : fail(r, "it has no address");
}

const char *address_list(struct slice value, unsigned flags,
                         void (*seen)(void *arg, const struct address *a), void *arg)
{
    struct reader r = {.flags = flags, .seen = seen, .arg = arg};
    lex_start(&r.lex, value, LEX_ADDRESS_SPECIALS);
    return take_list(&r) ? NULL : r.fault;
}
