/* senderauth/authres.c - see authres.h */
#include "senderauth/authres.h"

#include "senderauth/dkim_tags.h"
#include "senderauth/domain.h"

#include <string.h>

enum { LINE_MAX = 76 };

/* token, RFC 2045 5.1: no blanks, controls or tspecials */
static bool is_token_octet(unsigned char c)
{
    return c > ' ' && c < 127 && slice_find(SLICE("()<>@,;:\\\"/[]?="), c) == 15;
}

static bool is_token(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!is_token_octet(s.ptr[i])) {
            return false;
        }
    }
    return s.len > 0;
}

/* pvalue = value / [ [ local-part ] "@" ] domain-name; here: both sides of "@" tokens */
static bool is_plain(struct slice s)
{
    size_t at = slice_rfind(s, '@');
    if (at == s.len) {
        return is_token(s);
    }
    return (at == 0 || is_token(slice_sub(s, 0, at))) && is_token(slice_from(s, at + 1));
}

static unsigned char safe(unsigned char c, bool utf8)
{
    return c < ' ' || c == 127 || (c > 127 && !utf8) ? '?' : c;
}

static void add_quoted(struct buf *out, struct slice s, const char *specials, bool utf8)
{
    for (size_t i = 0; i < s.len; i++) {
        if (strchr(specials, s.ptr[i]) != NULL && s.ptr[i] != '\0') {
            buf_add_byte(out, '\\');
        }
        buf_add_byte(out, safe(s.ptr[i], utf8));
    }
}

/* At most AUTHRES_VALUE_MAX octets, no character of UTF-8 cut. */
static struct slice clip(struct slice s)
{
    if (s.len <= AUTHRES_VALUE_MAX) {
        return s;
    }
    size_t n = AUTHRES_VALUE_MAX;
    while (n > 0 && (s.ptr[n] & 0xc0) == 0x80) {
        n--;
    }
    return slice_sub(s, 0, n);
}

static void add_value(struct buf *out, struct slice value, bool utf8)
{
    struct slice s = clip(value);
    if (is_plain(s)) {
        buf_add(out, s);
        return;
    }
    buf_add_byte(out, '"');
    add_quoted(out, s, "\"\\", utf8);
    buf_add_byte(out, '"');
}

/* A word of an item, on a line of its own where this one would get too long. */
struct lines {
    struct buf *out;
    size_t begin; /* of the line */
};

static void add_word(struct lines *l, struct slice word)
{
    if (l->out->len - l->begin + 1 + word.len > LINE_MAX) {
        buf_add_str(l->out, "\r\n");
        l->begin = l->out->len;
        buf_add_byte(l->out, '\t');
    } else {
        buf_add_byte(l->out, ' ');
    }
    buf_add(l->out, word);
}

static void add_item(struct buf *out, const struct authres_item *item, bool utf8)
{
    struct buf word;
    struct lines l = {out, out->len};
    buf_init(&word, 4 * AUTHRES_VALUE_MAX);
    buf_add_fmt(out, "\t%s=%s", item->method, item->result);
    if (item->comment.len > 0) {
        buf_add_byte(&word, '(');
        add_quoted(&word, clip(item->comment), "()\\", utf8);
        buf_add_byte(&word, ')');
        add_word(&l, buf_slice(&word));
    }
    if (item->reason.len > 0) {
        buf_reset(&word);
        buf_add_str(&word, "reason=");
        add_value(&word, item->reason, utf8);
        add_word(&l, buf_slice(&word));
    }
    for (unsigned i = 0; i < AUTHRES_PROPS_MAX; i++) {
        const struct authres_prop *p = &item->prop[i];
        if (p->name == NULL || p->value.len == 0) {
            break;
        }
        buf_reset(&word);
        buf_add_fmt(&word, "%s=", p->name);
        add_value(&word, p->value, utf8);
        add_word(&l, buf_slice(&word));
    }
    out->failed = out->failed || word.failed;
    buf_clear(&word);
}

bool authres_results(struct buf *out, const struct authres_item *items, unsigned n,
                     bool utf8)
{
    if (n == 0) {
        buf_add_str(out, "; none");
    }
    for (unsigned i = 0; i < n; i++) {
        buf_add_str(out, ";\r\n");
        add_item(out, &items[i], utf8);
    }
    return !out->failed;
}

bool authres_write(struct buf *out, struct slice authserv_id,
                   const struct authres_item *items, unsigned n, bool utf8)
{
    buf_add_str(out, "Authentication-Results: ");
    add_value(out, authserv_id, utf8);
    authres_results(out, items, n, utf8);
    return buf_add_str(out, "\r\n");
}

/* Passes over blanks and comments, which nest. A comment that never ends takes all. */
static struct slice skip(struct slice s)
{
    size_t i = 0;
    unsigned depth = 0;
    for (; i < s.len; i++) {
        unsigned char c = s.ptr[i];
        if (c == '(') {
            depth++;
        } else if (c == ')' && depth > 0) {
            depth--;
        } else if (c == '\\' && depth > 0) {
            i++;
        } else if (depth == 0 && !ascii_is_space(c)) {
            break;
        }
    }
    return slice_from(s, i);
}

/* value = token / quoted-string, read as broadly as anybody might, since what matters is whether a
 * reader could take it for our id: up to a blank, comment or ";". */
static bool take_value(struct slice *s, struct buf *out)
{
    bool quoted = s->len > 0 && s->ptr[0] == '"', closed = !quoted;
    size_t i = quoted;
    for (; i < s->len; i++) {
        unsigned char c = s->ptr[i];
        if (quoted && c == '\\' && i + 1 < s->len) {
            buf_add_byte(out, s->ptr[++i]);
        } else if (quoted && c == '"') {
            closed = true;
            i++;
            break;
        } else if (!quoted &&
                   (ascii_is_space(c) || c == ';' || c == '(' || c == '/' || c == '"')) {
            break;
        } else if (c != '\r' && c != '\n') {
            buf_add_byte(out, c);
        }
    }
    *s = slice_from(*s, i);
    return closed && !out->failed;
}

static bool same_id(struct slice a, struct slice b)
{
    unsigned char name[2][DNS_NAME_MAX];
    size_t len[2];
    if (slice_ieq(a, b)) {
        return true;
    }
    return domain_take(a, name[0], &len[0]) && domain_take(b, name[1], &len[1]) &&
           slice_ieq((struct slice){name[0], len[0]}, (struct slice){name[1], len[1]});
}

bool authres_is_from(struct slice value, struct slice authserv_id, struct slice *results)
{
    struct slice s = skip(value);
    struct buf id;
    buf_init(&id, 1024);
    bool ours = take_value(&s, &id) && same_id(dkim_trim(buf_slice(&id)), authserv_id);
    buf_clear(&id);
    for (s = skip(s); s.len > 0 && s.ptr[0] != ';'; s = skip(s)) {
        s = slice_from(s, 1); /* its version */
    }
    if (ours && results != NULL) {
        *results = s;
    }
    return ours;
}

/* "; spf=pass (words) smtp.mailfrom=a@b; ..." without comments and quotes. What stands in them may hold
 * any sign, so they are not merely skipped over. */
static void plain(struct slice results, struct buf *out)
{
    unsigned depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < results.len; i++) {
        unsigned char c = results.ptr[i];
        if (c == '\\' && (quoted || depth > 0)) {
            i++;
        } else if (c == '"' && depth == 0) {
            quoted = !quoted;
        } else if (!quoted && (c == '(' || (c == ')' && depth > 0))) {
            depth += c == '(' ? 1U : -1U;
        } else if (depth == 0) {
            (void)buf_add_byte(out,
                               quoted && (c == ';' || c <= ' ') ? '?' : ascii_lower(c));
        }
    }
}

/* The value of "name=" in a result; empty: there is none. */
static struct slice property(struct slice result, struct slice name)
{
    while (result.len > 0) {
        result = slice_strip(result);
        struct slice word = slice_sub(result, 0, slice_find(result, ' '));
        if (slice_istarts(word, name)) {
            return slice_from(word, name.len);
        }
        result = slice_from(result, word.len);
    }
    return SLICE("");
}

static struct slice domain_of(struct slice address)
{
    size_t at = slice_rfind(address, '@');
    return at < address.len ? slice_from(address, at + 1) : address;
}

bool authres_read_passed(struct slice value, struct buf *text, struct authres_passed *o)
{
    *o = (struct authres_passed){.dkim_n = 0};
    buf_reset(text);
    plain(value, text);
    struct slice results = buf_slice(text);
    while (results.len > 0) {
        size_t end = slice_find(results, ';');
        struct slice r = slice_strip(slice_sub(results, 0, end));
        results = slice_from(results, end + 1);
        if (slice_starts(r, SLICE("spf=pass"))) {
            struct slice from = property(r, SLICE("smtp.mailfrom="));
            o->spf = domain_of(from);
            o->sender = slice_find(from, '@') < from.len ? from : SLICE("");
        } else if (slice_starts(r, SLICE("dkim=pass")) && o->dkim_n < AUTHRES_DKIM_MAX) {
            o->dkim[o->dkim_n++] = property(r, SLICE("header.d="));
        } else if (slice_starts(r, SLICE("dmarc=pass"))) {
            o->from = property(r, SLICE("header.from="));
        }
    }
    return !text->failed;
}

/* instance = [CFWS] "i" [CFWS] "=" [CFWS] 1*2DIGIT [CFWS] ";" */
bool authres_instance(struct slice value, unsigned *instance, struct slice *rest)
{
    unsigned n = 0, digits = 0;
    struct slice s = skip(value);
    if (!slice_istarts(s, SLICE("i"))) {
        return false;
    }
    s = skip(slice_from(s, 1));
    if (!slice_starts(s, SLICE("="))) {
        return false;
    }
    s = skip(slice_from(s, 1));
    for (; s.len > 0 && ascii_is_digit(s.ptr[0]); s = slice_from(s, 1)) {
        n = n < 100 ? n * 10 + (unsigned)(s.ptr[0] - '0') : n;
        digits++;
    }
    s = skip(s);
    if (digits < 1 || digits > 2 || n == 0 || !slice_starts(s, SLICE(";"))) {
        return false;
    }
    *instance = n;
    *rest = slice_from(s, 1);
    return true;
}
