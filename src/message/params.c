/* message/params.c - see params.h */
#include "message/params.h"

#include "message/mime_read.h"

/* --- parameters --- */

enum { COMMENT_MAX = 1024 }; /* keeps unclosed ones from costing the square */

/* Of a comment "(...)" at the start of s, nested ones in it; 0: there is none. */
static size_t comment_len(struct slice s)
{
    size_t depth = 0;
    s = slice_sub(s, 0, COMMENT_MAX);
    for (size_t i = 0; i < s.len && (i == 0 || depth > 0); i++) {
        if (s.ptr[i] == '\\') {
            i++;
        } else if (s.ptr[i] == '(') {
            depth++;
        } else if (s.ptr[i] == ')' && depth > 0 && --depth == 0) {
            return i + 1;
        }
    }
    return 0;
}

/* Blanks and comments at the start of s. */
static size_t gap(struct slice s)
{
    size_t i = 0, comment = 0;
    for (; i<s.len; i += comment> 0 ? comment : 1) {
        comment = s.ptr[i] == '(' ? comment_len(slice_from(s, i)) : 0;
        if (comment == 0 && !ascii_is_space(s.ptr[i])) {
            break;
        }
    }
    return i;
}

void mime_take_token(struct slice *s, struct buf *out)
{
    struct slice at = slice_from(*s, gap(*s));
    size_t i = 0;
    for (; i < at.len && !ascii_is_space(at.ptr[i]); i++) {
        unsigned char c = at.ptr[i];
        if (c == '(' || c == ';' || c == '/') {
            break;
        }
        if (c != '"') {
            (void)buf_add_byte(out, ascii_lower(c));
        }
    }
    at = slice_from(at, i);
    *s = slice_from(at, gap(at));
}

struct slice mime_take_type(struct slice value, struct buf *out, bool *valid)
{
    mime_take_token(&value, out);
    *valid = false;
    if (out->len > 0 && value.len > 0 && value.ptr[0] == '/') {
        (void)buf_add_byte(out, '/');
        size_t before = out->len;
        value = slice_from(value, 1);
        mime_take_token(&value, out);
        *valid = out->len > before;
    }
    return value;
}

static size_t quoted_len(struct slice s)
{
    size_t i = 1;
    while (i < s.len && s.ptr[i] != '"') {
        i += s.ptr[i] == '\\' ? 2 : 1;
    }
    return i < s.len ? i + 1 : s.len;
}

bool mime_unquote(struct slice value, struct buf *out)
{
    if (value.len == 0 || value.ptr[0] != '"') {
        return buf_add(out, value);
    }
    for (size_t i = 1; i < value.len && value.ptr[i] != '"'; i++) {
        if (value.ptr[i] == '\\' && i + 1 < value.len) {
            i++;
        }
        if (value.ptr[i] != '\r' && value.ptr[i] != '\n') {
            (void)buf_add_byte(out, value.ptr[i]);
        }
    }
    return !out->failed;
}

bool mime_param_next(struct slice *params, struct mime_param *out)
{
    struct slice s = *params;
    while (s.len > 0) {
        s = slice_from(s, gap(s));
        size_t end = 0;
        while (end < s.len && s.ptr[end] != '=' && s.ptr[end] != ';') {
            end++;
        }
        if (end == s.len || s.ptr[end] == ';') {
            s = slice_from(s, end + 1);
            continue;
        }
        out->name = slice_strip(slice_sub(s, 0, end));
        s = slice_from(s, end + 1);
        s = slice_from(s, gap(s));
        size_t len = 0, whole = 0;
        if (s.len > 0 && s.ptr[0] == '"') {
            len = whole = quoted_len(s);
        } else {
            while (len < s.len && s.ptr[len] != ';' && !ascii_is_space(s.ptr[len])) {
                len++;
            }
            whole = slice_find(s, ';');
        }
        out->value = slice_sub(s, 0, len);
        out->long_value = slice_strip(slice_sub(s, 0, whole));
        *params = slice_from(s, len);
        return true;
    }
    *params = s;
    return false;
}

/* "filename*12*": what stands before the first star is `base`. */
struct suffix {
    struct slice base;
    bool numbered, extended;
    uint64_t number;
};

static struct suffix suffix_of(struct slice name)
{
    struct suffix x = {0};
    size_t star = slice_find(name, '*');
    x.base = slice_strip(slice_sub(name, 0, star));
    struct slice rest = slice_from(name, star + 1);
    if (star == name.len) {
        return x;
    }
    if (rest.len > 0 && rest.ptr[rest.len - 1] == '*') {
        x.extended = true;
        rest = slice_strip(slice_sub(rest, 0, rest.len - 1));
    }
    x.numbered = rest.len > 0 && slice_u64(rest, &x.number);
    x.extended = x.extended || rest.len == 0;
    return x;
}

bool mime_param(struct slice params, const char *name, struct buf *out)
{
    struct slice wanted = slice_of(name);
    struct mime_param p;
    bool found = false;
    while (mime_param_next(&params, &p)) {
        bool same = slice_ieq(suffix_of(p.name).base, wanted);
        if (same && !(found && p.name.len == wanted.len)) {
            (void)mime_unquote(p.value, out);
            found = true;
        }
    }
    return found && !out->failed;
}

/* --- names of files --- */

void mime_names_init(struct mime_names *names)
{
    *names = (struct mime_names){0};
    buf_init(&names->octets, (size_t)MIME_NAMES_MAX * MIME_NAME_MAX);
}

void mime_names_reset(struct mime_names *names)
{
    names->n = 0;
    names->dropped = names->differ = false;
    buf_reset(&names->octets);
}

void mime_names_clear(struct mime_names *names)
{
    mime_names_reset(names);
    buf_clear(&names->octets);
}

struct slice mime_name(const struct mime_names *names, unsigned i)
{
    return slice_sub(buf_slice(&names->octets), names->item[i].at, names->item[i].len);
}

void mime_names_put(struct mime_names *names, struct slice name)
{
    for (unsigned i = 0; i < names->n; i++) {
        if (slice_eq(mime_name(names, i), name)) {
            return;
        }
    }
    if (name.len == 0) {
        return;
    }
    if (names->n == MIME_NAMES_MAX || name.len > MIME_NAME_MAX) {
        names->dropped = true;
        return;
    }
    size_t at = names->octets.len;
    if (!buf_add(&names->octets, name)) {
        names->dropped = true;
        return;
    }
    names->item[names->n].at = at;
    names->item[names->n++].len = name.len;
}

/* Octets of a name that is not extended: encoded words and all. */
static void put_plain(struct mime_names *names, struct slice octets)
{
    struct buf text;
    buf_init(&text, octets.len * 3 + 64);
    if (!mime_words(octets, NULL, &text)) {
        names->dropped = true;
    }
    mime_names_put(names, buf_slice(&text));
    buf_clear(&text);
}

static void put_value(struct mime_names *names, struct slice value)
{
    struct buf octets;
    buf_init(&octets, value.len + 1);
    (void)mime_unquote(value, &octets);
    put_plain(names, buf_slice(&octets));
    buf_clear(&octets);
}

/* RFC 2231 4: charset'language'text; takes "charset'language'" off *s. */
static struct slice take_charset(struct slice *s)
{
    size_t one = slice_find(*s, '\'');
    size_t two = one + 1 + slice_find(slice_from(*s, one + 1), '\'');
    if (one >= s->len || two >= s->len) {
        return SLICE("");
    }
    struct slice charset = slice_sub(*s, 0, one);
    *s = slice_from(*s, two + 1);
    return charset;
}

static void add_percent(struct slice s, struct buf *out)
{
    for (size_t i = 0; i < s.len; i++) {
        int high = s.ptr[i] == '%' && i + 2 < s.len ? mime_hex_value(s.ptr[i + 1]) : -1;
        int low = high >= 0 ? mime_hex_value(s.ptr[i + 2]) : -1;
        (void)buf_add_byte(out, low < 0 ? s.ptr[i] : (unsigned char)(high * 16 + low));
        i += low < 0 ? 0 : 2;
    }
}

struct sections {
    struct {
        uint64_t number;
        bool extended;
        struct slice value;
    } item[MIME_SECTIONS_MAX];
    unsigned n;
};

/* Joins the first n sections and puts what they say. */
static void put_sections(struct mime_names *names, const struct sections *s, unsigned n)
{
    struct buf octets, value, text;
    size_t total = 1;
    for (unsigned i = 0; i < n; i++) {
        total += s->item[i].value.len;
    }
    buf_init(&octets, total);
    buf_init(&value, total);
    buf_init(&text, total * 3 + 64);
    struct slice charset = SLICE("");
    bool extended = false;
    for (unsigned i = 0; i < n; i++) {
        buf_reset(&value);
        (void)mime_unquote(s->item[i].value, &value);
        struct slice part = buf_slice(&value);
        if (!s->item[i].extended) {
            (void)buf_add(&octets, part);
            continue;
        }
        if (i == 0) { /* borrows from the field: only what is quoted needs unquoting */
            struct slice raw = s->item[0].value;
            charset = take_charset(&part);
            raw = slice_from(raw, raw.len > 0 && raw.ptr[0] == '"' ? 1 : 0);
            charset = slice_sub(raw, 0, charset.len);
        }
        extended = true;
        add_percent(part, &octets);
    }
    if (extended) {
        (void)mime_to_utf8(charset, buf_slice(&octets), NULL, &text);
        mime_names_put(names, buf_slice(&text));
    } else {
        put_plain(names, buf_slice(&octets));
    }
    names->dropped |= octets.failed || text.failed;
    buf_clear(&octets);
    buf_clear(&value);
    buf_clear(&text);
}

/* By number, said twice: in the order of the field. */
static void sort_sections(struct sections *s)
{
    for (unsigned i = 1; i < s->n; i++) {
        for (unsigned j = i; j > 0 && s->item[j - 1].number > s->item[j].number; j--) {
            __typeof__(s->item[0]) other = s->item[j];
            s->item[j] = s->item[j - 1];
            s->item[j - 1] = other;
        }
    }
}

/* The name by its continuations: all of them, and what a reader has that stops at a gap. */
static void put_continued(struct mime_names *names, struct sections *s)
{
    if (s->n == 0) {
        return;
    }
    sort_sections(s);
    put_sections(names, s, s->n);
    for (unsigned i = 0; i < s->n; i++) {
        if (s->item[i].number != i) {
            names->differ = true;
            if (i > 0) {
                put_sections(names, s, i);
            }
            break;
        }
    }
}

void mime_names_add(struct mime_names *names, struct slice params)
{
    static const struct slice wanted[] = {SLICE_INIT("filename"), SLICE_INIT("name")};
    for (size_t w = 0; w < sizeof wanted / sizeof wanted[0]; w++) {
        struct sections s = {.n = 0};
        struct sections one = {.n = 1};
        struct slice rest = params;
        struct mime_param p;
        while (!names->dropped && mime_param_next(&rest, &p)) {
            struct suffix x = suffix_of(p.name);
            if (!slice_ieq(x.base, wanted[w])) {
                continue;
            }
            if (x.numbered && s.n == MIME_SECTIONS_MAX) {
                names->dropped = true;
            } else if (x.numbered) {
                s.item[s.n].number = x.number;
                s.item[s.n].extended = x.extended;
                s.item[s.n++].value = p.value;
            } else if (x.extended) {
                one.item[0].extended = true;
                one.item[0].value = p.value;
                put_sections(names, &one, 1);
            } else {
                put_value(names, p.value);
                put_value(names, p.long_value);
            }
        }
        put_continued(names, &s);
    }
}
