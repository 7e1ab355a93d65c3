/* message/mime_text.c - transfer encodings, charsets, encoded words, HTML; see mime_read.h */
#include "message/mime_read.h"

#include <string.h>

/* --- transfer encodings --- */

bool mime_decode(const struct mime_part *part, struct buf *out)
{
    switch (part->encoding) {
    case MIME_BASE64:
        return mime_decode_base64(part->body, out);
    case MIME_QUOTED_PRINTABLE:
        return mime_decode_quoted(part->body, out);
    case MIME_IDENTITY:
    case MIME_UUENCODE:
        break;
    }
    return buf_add(out, part->body);
}

/* --- charsets --- */

/* Octets of the UTF-8 sequence at the start of s; 0 when there is none. */
static size_t utf8_len(struct slice s)
{
    unsigned char c = s.ptr[0];
    size_t n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : 4;
    if (n > s.len || c > 0xf4 || (c >= 0x80 && c < 0xc2)) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if ((s.ptr[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if (n > 2 && ((c == 0xe0 && s.ptr[1] < 0xa0) || (c == 0xed && s.ptr[1] > 0x9f) ||
                  (c == 0xf0 && s.ptr[1] < 0x90) || (c == 0xf4 && s.ptr[1] > 0x8f))) {
        return 0;
    }
    return n;
}

static size_t ascii_run(struct slice s)
{
    size_t i = 0;
    while (i + 8 <= s.len) {
        uint64_t word;
        memcpy(&word, s.ptr + i, sizeof word);
        if ((word & 0x8080808080808080ULL) != 0) {
            break;
        }
        i += 8;
    }
    while (i < s.len && s.ptr[i] < 0x80) {
        i++;
    }
    return i;
}

static bool is_utf8(struct slice s)
{
    for (;;) {
        s = slice_from(s, ascii_run(s));
        if (s.len == 0) {
            return true;
        }
        size_t n = utf8_len(s);
        if (n == 0) {
            return false;
        }
        s = slice_from(s, n);
    }
}

static void add_utf8(uint32_t c, struct buf *out)
{
    if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) {
        c = 0xfffd;
    }
    if (c < 0x80) {
        (void)buf_add_byte(out, (unsigned char)c);
        return;
    }
    unsigned char s[4];
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; c >>= 6) {
        s[i] = (unsigned char)(0x80 | (c & 0x3f));
    }
    s[0] = (unsigned char)((n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0) | c);
    (void)buf_add(out, (struct slice){s, n});
}

/* What is no UTF-8 becomes U+FFFD, octet by octet. */
static bool add_repaired(struct slice in, struct buf *out)
{
    while (in.len > 0) {
        size_t n = ascii_run(in);
        if (n == 0) {
            n = utf8_len(in);
        }
        if (n == 0) {
            add_utf8(0xfffd, out);
            n = 1;
        } else {
            (void)buf_add(out, slice_sub(in, 0, n));
        }
        in = slice_from(in, n);
    }
    return !out->failed;
}

static const uint16_t windows_1252[32] = {
    0x20ac, 0xfffd, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
    0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0xfffd, 0x017d, 0xfffd,
    0xfffd, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
    0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0xfffd, 0x017e, 0x0178};

static bool add_latin(struct slice in, struct buf *out)
{
    while (in.len > 0) {
        size_t n = ascii_run(in);
        (void)buf_add(out, slice_sub(in, 0, n));
        if (n < in.len) {
            unsigned char c = in.ptr[n];
            add_utf8(c < 0xa0 ? windows_1252[c - 0x80] : c, out);
            n++;
        }
        in = slice_from(in, n);
    }
    return !out->failed;
}

static bool is_one_of(struct slice s, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (slice_ieq(s, slice_of(*names))) {
            return true;
        }
    }
    return false;
}

static const char *const unicode_names[] = {"utf-8", "utf8", "us-ascii",
                                            "ascii", "",     NULL};
/* By the WHATWG's reading: who says ISO-8859-1 means Windows-1252. */
static const char *const latin_names[] = {"iso-8859-1", "latin1", "windows-1252",
                                          "cp1252", NULL};

/* 7-bit charsets that give ASCII octets another meaning. */
static bool has_shifts(struct slice in)
{
    if (slice_find(in, 0x1b) < in.len) {
        return true;
    }
    for (size_t at = slice_find(in, '~'); at + 1 < in.len;
         at += 1 + slice_find(slice_from(in, at + 1), '~')) {
        if (in.ptr[at + 1] == '{') {
            return true;
        }
    }
    return false;
}

bool mime_to_utf8(struct slice charset, struct slice in,
                  const struct mime_charset *convert, struct buf *out)
{
    size_t before = out->len;
    bool shifts = has_shifts(in);
    if (!shifts && ascii_run(in) == in.len && !slice_istarts(charset, SLICE("utf-"))) {
        return buf_add(out, in);
    }
    if (is_one_of(charset, latin_names)) {
        return add_latin(in, out);
    }
    if (is_one_of(charset, unicode_names) && is_utf8(in) && !shifts) {
        return buf_add(out, in);
    }
    if (shifts && is_one_of(charset, unicode_names)) {
        charset =
            SLICE("iso-2022-jp"); /* nothing else shifts in mail that says nothing */
    }
    if (convert != NULL && convert->convert != NULL && charset.len > 0 &&
        convert->convert(convert->arg, charset, in, out)) {
        return true;
    }
    out->len = before;
    out->failed = false;
    return add_repaired(in, out);
}

bool mime_text(const struct mime_part *part, const struct mime_charset *convert,
               struct buf *store, struct slice *text)
{
    bool raw = part->encoding == MIME_IDENTITY;
    if (raw && ascii_run(part->body) == part->body.len && !has_shifts(part->body)) {
        *text = part->body;
        return true;
    }
    struct buf charset, octets;
    buf_init(&charset, 64);
    buf_init(&octets, part->body.len + 4);
    IGNORE(mime_param(part->params, "charset", &charset)); /* none: empty */
    struct slice in = part->body;
    if (!raw) {
        (void)mime_decode(part, &octets);
        in = buf_slice(&octets);
    }
    size_t before = store->len;
    bool ok = mime_to_utf8(buf_slice(&charset), in, convert, store);
    buf_clear(&charset);
    buf_clear(&octets);
    *text = slice_sub(buf_slice(store), before, SIZE_MAX);
    return ok;
}

/* --- encoded words --- */

/* RFC 2047 2 allows 75 octets a word; the bounds keep hostile text linear. */
enum { WORD_MAX = 1024, TAG_MAX = 1024 };

struct word {
    struct slice charset, text;
    bool base64;
    size_t len; /* all of it, in octets */
};

/* =?charset?Q?text?= at the start of s. */
static bool take_word(struct slice s, struct word *w)
{
    if (!slice_starts(s, SLICE("=?"))) {
        return false;
    }
    struct slice rest = slice_sub(s, 2, WORD_MAX);
    size_t q1 = slice_find(rest, '?');
    if (q1 == 0 || q1 + 2 >= rest.len || rest.ptr[q1 + 2] != '?') {
        return false;
    }
    unsigned char kind = ascii_lower(rest.ptr[q1 + 1]);
    w->charset = slice_sub(rest, 0, q1);
    w->charset = slice_sub(w->charset, 0, slice_find(w->charset, '*')); /* RFC 2231 5 */
    w->base64 = kind == 'b';
    struct slice text = slice_from(rest, q1 + 3);
    size_t end = slice_search(text, SLICE("?="));
    if (end == text.len || (kind != 'b' && kind != 'q')) {
        return false;
    }
    w->text = slice_sub(text, 0, end);
    w->len = (size_t)(text.ptr - s.ptr) + end + 2;
    return true;
}

static void decode_word(const struct word *w, struct buf *out)
{
    if (w->base64) {
        (void)mime_decode_base64(w->text, out);
        return;
    }
    for (size_t i = 0; i < w->text.len; i++) {
        int octet = mime_quoted_octet(slice_from(w->text, i));
        unsigned char c = w->text.ptr[i];
        (void)buf_add_byte(out, octet >= 0 ? (unsigned char)octet : c == '_' ? ' ' : c);
        i += octet >= 0 ? 2 : 0;
    }
}

static size_t blanks(struct slice s)
{
    size_t i = 0;
    while (i < s.len && (s.ptr[i] == ' ' || s.ptr[i] == '\t' || s.ptr[i] == '\r' ||
                         s.ptr[i] == '\n')) {
        i++;
    }
    return i;
}

bool mime_words(struct slice value, const struct mime_charset *convert, struct buf *out)
{
    if (slice_search(value, SLICE("=?")) == value.len && ascii_run(value) == value.len &&
        !has_shifts(value)) {
        return mime_unfold(value, out);
    }
    struct buf line, octets;
    buf_init(&line, value.len + 1);
    buf_init(&octets, value.len + 4);
    struct slice rest = value;
    while (rest.len > 0) {
        struct word w, more;
        if (!take_word(rest, &w)) {
            size_t n = 1 + slice_search(slice_from(rest, 1), SLICE("=?"));
            (void)buf_add(&line, slice_sub(rest, 0, n));
            rest = slice_from(rest, n);
            continue;
        }
        (void)mime_to_utf8(SLICE(""), buf_slice(&line), convert, out);
        buf_reset(&line);
        buf_reset(&octets);
        decode_word(&w, &octets);
        rest = slice_from(rest, w.len);
        /* A character may be split over words of one charset: join their octets first. */
        struct slice next = slice_from(rest, blanks(rest));
        while (take_word(next, &more)) {
            if (!slice_ieq(more.charset, w.charset)) {
                rest = next;
                break;
            }
            decode_word(&more, &octets);
            rest = slice_from(next, more.len);
            next = slice_from(rest, blanks(rest));
        }
        (void)mime_to_utf8(w.charset, buf_slice(&octets), convert, out);
    }
    (void)mime_to_utf8(SLICE(""), buf_slice(&line), convert, out);
    buf_clear(&line);
    buf_clear(&octets);
    return !out->failed;
}

/* --- HTML --- */

static const struct {
    const char *name;
    uint16_t code;
} entities[] = {
    {"amp", '&'},       {"lt", '<'},       {"gt", '>'},       {"quot", '"'},
    {"apos", '\''},     {"nbsp", ' '},     {"copy", 0xa9},    {"reg", 0xae},
    {"hellip", 0x2026}, {"ndash", 0x2013}, {"mdash", 0x2014}, {"lsquo", 0x2018},
    {"rsquo", 0x2019},  {"ldquo", 0x201c}, {"rdquo", 0x201d}, {"zwnj", 0x200c}};

/* "&lt;" at the start of s: appends what it means, returns its octets. */
static size_t add_entity(struct slice s, struct buf *out)
{
    size_t end = slice_find(slice_sub(s, 0, 12), ';');
    if (end >= 12 || end >= s.len || end < 2) {
        (void)buf_add_byte(out, '&');
        return 1;
    }
    struct slice name = slice_sub(s, 1, end - 1);
    uint32_t code = 0;
    if (name.ptr[0] == '#') {
        bool hex = name.len > 1 && ascii_lower(name.ptr[1]) == 'x';
        for (size_t i = hex ? 2 : 1; i < name.len && code < 0x110000; i++) {
            int digit = mime_hex_value(name.ptr[i]);
            code = code * (hex ? 16 : 10) + (uint32_t)(digit < 0 ? 0 : digit);
        }
    }
    for (size_t i = 0; code == 0 && i < sizeof entities / sizeof entities[0]; i++) {
        code = slice_eq(name, slice_of(entities[i].name)) ? entities[i].code : 0;
    }
    if (code == 0) {
        (void)buf_add_byte(out, '&');
        return 1;
    }
    add_utf8(code == 0xa0 ? ' ' : code, out);
    return end + 1;
}

/* Those that stand on lines of their own, and those with room above and below too. */
static const char *const line_tags[] = {"div", "tr", "li", "dt", "dd", "pre", NULL};
static const char *const block_tags[] = {"br",         "p",     "h1", "h2",    "h3",
                                         "h4",         "ul",    "ol", "table", "hr",
                                         "blockquote", "title", NULL};
static const char *const silent_tags[] = {"script", "style", "head", NULL};

static struct slice tag_name(struct slice tag)
{
    size_t i = tag.len > 1 && tag.ptr[1] == '/' ? 2 : 1, start = i;
    while (i < tag.len && (ascii_is_alpha(tag.ptr[i]) || ascii_is_digit(tag.ptr[i]))) {
        i++;
    }
    return slice_sub(tag, start, i - start);
}

/* A line end, unless only blanks stand on the line. */
static void end_line(struct buf *out)
{
    size_t n = out->len;
    while (n > 0 && out->ptr[n - 1] == ' ') {
        n--;
    }
    if (n > 0 && out->ptr[n - 1] != '\n') {
        (void)buf_add_byte(out, '\n');
    }
}

/* Behind "</name" and its '>', or all of s. */
static size_t skip_silent(struct slice s, struct slice name)
{
    for (size_t at = 0; at < s.len;) {
        at += slice_search(slice_from(s, at), SLICE("</"));
        if (slice_istarts(slice_from(s, at + 2), name)) {
            return at + slice_find(slice_from(s, at), '>') + 1;
        }
        at += 2;
    }
    return s.len;
}

/* From '<': appends a line end where the tag makes one, returns the octets to skip. */
static size_t take_tag(struct slice s, struct buf *out, bool *as_it_is)
{
    if (slice_starts(s, SLICE("<!--"))) {
        return slice_search(s, SLICE("-->")) + 3;
    }
    unsigned char next = s.len > 1 ? s.ptr[1] : ' ';
    struct slice near = slice_sub(s, 0, TAG_MAX);
    size_t end = slice_find(near, '>');
    struct slice tag = slice_sub(s, 0, end);
    /* "<user@host>" unescaped is text, not a tag. */
    if (end == near.len ||
        !(ascii_is_alpha(next) || next == '/' || next == '!' || next == '?') ||
        (slice_find(tag, '@') < tag.len && slice_find(tag, ' ') == tag.len)) {
        (void)buf_add_byte(out, '<');
        return 1;
    }
    struct slice name = tag_name(tag);
    if (is_one_of(name, line_tags)) {
        end_line(out);
    } else if (is_one_of(name, block_tags)) {
        (void)buf_add_byte(out, '\n');
    } else if (slice_ieq(name, SLICE("td")) || slice_ieq(name, SLICE("th"))) {
        (void)buf_add_byte(out, ' ');
    }
    if (slice_ieq(name, SLICE("pre"))) {
        *as_it_is = next != '/';
    }
    if (next != '/' && is_one_of(name, silent_tags)) {
        return end + 1 + skip_silent(slice_from(s, end + 1), name);
    }
    return end + 1;
}

bool mime_html_text(struct slice html, struct buf *out)
{
    bool as_it_is = false; /* within <pre> */
    while (html.len > 0 && !out->failed) {
        unsigned char c = html.ptr[0];
        size_t n = 1;
        if (c == '<') {
            n = take_tag(html, out, &as_it_is);
        } else if (c == '&') {
            n = add_entity(html, out);
        } else if (c == '\r' || c == '\n' || c == '\t') {
            bool starts = out->len == 0 || out->ptr[out->len - 1] == '\n';
            if (as_it_is || !starts) {
                (void)buf_add_byte(out, as_it_is ? c : ' ');
            }
        } else {
            while (n < html.len && html.ptr[n] != '<' && html.ptr[n] != '&' &&
                   html.ptr[n] >= ' ') {
                n++;
            }
            (void)buf_add(out, slice_sub(html, 0, n));
        }
        html = slice_from(html, n);
    }
    return !out->failed;
}
