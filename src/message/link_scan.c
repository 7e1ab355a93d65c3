/* message/link_scan.c - see link_scan.h */
#include "message/link_scan.h"

#include "message/decode.h"

#include <string.h>

/* --- hosts --- */

/* What ends the authority of a URL. */
static bool ends_authority(unsigned char c)
{
    return c <= ' ' || c == 0x7f || slice_find(SLICE("/\\?#\"'<>(){}|,;&^`*"), c) < 19;
}

/* Dots of other scripts are dots in a host (IDNA). */
static const struct slice dots[] = {
    SLICE_INIT("\xe3\x80\x82"), SLICE_INIT("\xef\xbc\x8e"), SLICE_INIT("\xef\xbd\xa1")};

static bool is_host_octet(unsigned char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '.' || c == '_' ||
           c == '[' || c == ']' || c == ':' || c >= 0x80;
}

/* host as written, into out; 0: it is none. */
static size_t clean_host(struct slice host, unsigned char out[LINK_HOST_MAX])
{
    size_t n = 0;
    while (host.len > 0) {
        int high = host.ptr[0] == '%' && host.len > 2 ? mime_hex_value(host.ptr[1]) : -1;
        int low = high >= 0 ? mime_hex_value(host.ptr[2]) : -1;
        unsigned char c = low >= 0 ? (unsigned char)(high * 16 + low) : host.ptr[0];
        size_t used = low >= 0 ? 3 : 1;
        for (size_t i = 0; i < sizeof dots / sizeof dots[0]; i++) {
            if (slice_starts(host, dots[i])) {
                c = '.';
                used = 3;
            }
        }
        if (!is_host_octet(c) || n == LINK_HOST_MAX) {
            return 0;
        }
        out[n++] = ascii_lower(c);
        host = slice_from(host, used);
    }
    while (n > 0 && out[n - 1] == '.') {
        n--;
    }
    return n;
}

/* What follows "scheme://", whatever the number of slashes was. */
static void take_authority(struct link_scan *s, struct slice url, struct slice rest)
{
    unsigned char text[LINK_HOST_MAX];
    size_t n = 0;
    while (n < rest.len && !ends_authority(rest.ptr[n])) {
        n++;
    }
    struct slice host = slice_sub(rest, 0, n);
    size_t at = slice_rfind(host, '@');
    host = at < host.len ? slice_from(host, at + 1) : host;
    if (host.len > 0 && host.ptr[0] == '[') {
        host = slice_sub(host, 0, slice_find(host, ']') + 1);
    } else {
        host = slice_sub(host, 0, slice_find(host, ':'));
    }
    size_t len = clean_host(host, text);
    if (len > 0) {
        s->found(s->arg, url, (struct slice){text, len});
    }
}

/* --- words of text --- */

static struct slice trim_end(struct slice url)
{
    while (url.len > 0 && slice_find(SLICE(".,;:!?)]}'*_"), url.ptr[url.len - 1]) < 12) {
        url.len--;
    }
    return url;
}

/* Length of a scheme that leads somewhere, right before the end of s; 0: there is none. */
static size_t scheme_before(struct slice s)
{
    static const char *const schemes[] = {"http", "https", "ftp"};
    size_t n = 0;
    while (n < s.len && n < 6 && ascii_is_alpha(s.ptr[s.len - 1 - n])) {
        n++;
    }
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        if (slice_ieq(slice_from(s, s.len - n), slice_of(schemes[i]))) {
            return n;
        }
    }
    return 0;
}

/* One word may hold several, one in another's query. */
static void take_words(struct link_scan *s, struct slice word)
{
    bool any = false;
    for (size_t at = 0; at < word.len;) {
        at += slice_search(slice_from(word, at), SLICE("://"));
        size_t scheme = at < word.len ? scheme_before(slice_sub(word, 0, at)) : 0;
        if (scheme > 0) {
            any = true;
            take_authority(s, trim_end(slice_from(word, at - scheme)),
                           slice_from(word, at + 3));
        }
        at += 3;
    }
    while (word.len > 0 && slice_find(SLICE("([{'*_"), word.ptr[0]) < 6) {
        word = slice_from(word, 1);
    }
    if (!any && slice_istarts(word, SLICE("www."))) {
        take_authority(s, trim_end(word), trim_end(word));
    }
}

static void word_end(struct link_scan *s)
{
    size_t n = s->word_len;
    s->word_len = 0;
    if (n > 4 && /* the shortest is www.x */
        (memchr(s->word, ':', n) != NULL || memchr(s->word, '.', n) != NULL)) {
        take_words(s, (struct slice){s->word, n});
    }
}

static bool ends_word(unsigned char c)
{
    return c <= ' ' || c == 0x7f || c == '<' || c == '>' || c == '"' || c == '`';
}

static void text_octet(struct link_scan *s, unsigned char c)
{
    if (ends_word(c)) {
        word_end(s);
        return;
    }
    s->word[s->word_len++] = c;
    if (s->word_len == LINK_URL_MAX) {
        word_end(s);
    }
}

/* Octets of words and between them, as far as they are nothing else; how many. */
static size_t text_run(struct link_scan *s, struct slice in)
{
    size_t i = 0;
    while (i < in.len && in.ptr[i] != '\0' && !(s->html && in.ptr[i] == '<')) {
        size_t room = LINK_URL_MAX - s->word_len, start = i;
        while (i < in.len && i - start < room && !ends_word(in.ptr[i])) {
            i++;
        }
        if (i > start) {
            memcpy(s->word + s->word_len, in.ptr + start, i - start);
            s->word_len += i - start;
        }
        if (s->word_len == LINK_URL_MAX || (i < in.len && in.ptr[i] != '\0')) {
            word_end(s);
        }
        while (i < in.len && in.ptr[i] != '\0' && in.ptr[i] != '<' &&
               ends_word(in.ptr[i])) {
            i++;
        }
        if (!s->html && i < in.len && in.ptr[i] == '<') {
            i++;
        }
    }
    return i;
}

/* --- attributes --- */

/* "&amp;", "&#x2f;" at the start of in: what it means into *c; its octets, 0: nothing. */
static size_t entity(struct slice in, unsigned char *c)
{
    static const struct {
        const char *name;
        unsigned char c;
    } names[] = {{"amp;", '&'},   {"colon;", ':'},  {"sol;", '/'},    {"period;", '.'},
                 {"bsol;", '\\'}, {"commat;", '@'}, {"Tab;", '\t'},   {"NewLine;", '\n'},
                 {"quest;", '?'}, {"num;", '#'},    {"equals;", '='}, {"percnt;", '%'}};
    struct slice name = slice_from(in, 1);
    if (name.len > 0 && name.ptr[0] == '#') {
        bool hex = name.len > 1 && (name.ptr[1] == 'x' || name.ptr[1] == 'X');
        size_t i = hex ? 2 : 1, first = i;
        uint32_t code = 0;
        for (; i < name.len && i < first + 8; i++) {
            int digit = mime_hex_value(name.ptr[i]);
            if (digit < 0 || (!hex && digit > 9)) {
                break;
            }
            code = code * (hex ? 16 : 10) + (uint32_t)digit;
        }
        *c = code < 0x80 ? (unsigned char)code : '?';
        bool semicolon = i < name.len && name.ptr[i] == ';';
        return i == first ? 0 : 1 + i + (semicolon ? 1 : 0);
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (slice_starts(name, slice_of(names[i].name))) {
            *c = names[i].c;
            return 1 + strlen(names[i].name);
        }
    }
    return 0;
}

static size_t decode_value(struct slice in, unsigned char out[LINK_URL_MAX])
{
    size_t n = 0;
    while (in.len > 0) {
        unsigned char c = in.ptr[0];
        size_t used = c == '&' ? entity(in, &c) : 0;
        out[n++] = c;
        in = slice_from(in, used > 0 ? used : 1);
    }
    return n;
}

/* WHATWG URL 4.4: blanks at the ends, and line ends and tabs anywhere, are not there. */
static struct slice without_blanks(unsigned char *s, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (s[i] > ' ' || (s[i] == ' ' && n > 0)) {
            s[n++] = s[i];
        }
    }
    return (struct slice){s, n};
}

static bool is_slash(unsigned char c)
{
    return c == '/' || c == '\\';
}

/* The value of href and its like. */
static void take_reference(struct link_scan *s, struct slice url)
{
    size_t colon = slice_find(url, ':');
    struct slice rest = url;
    if (colon < url.len && scheme_before(slice_sub(url, 0, colon)) == colon &&
        colon > 0) {
        rest = slice_from(url, colon + 1);
    } else if (!(url.len > 1 && is_slash(url.ptr[0]) && is_slash(url.ptr[1]))) {
        take_words(s, url); /* relative, or of another scheme */
        return;
    }
    while (rest.len > 0 && is_slash(rest.ptr[0])) {
        rest = slice_from(rest, 1);
    }
    take_authority(s, url, rest);
    take_words(s, slice_from(rest, 1)); /* a redirector's query */
}

static void value_end(struct link_scan *s)
{
    static const char *const references[] = {
        "href",   "src",    "action", "background", "formaction", "data",
        "lowsrc", "dynsrc", "poster", "cite",       "xlink:href"};
    unsigned char text[LINK_URL_MAX];
    struct slice name = {s->name, s->name_len};
    struct slice value = {text, decode_value((struct slice){s->word, s->word_len}, text)};
    s->word_len = 0;
    if (s->closing) {
        return;
    }
    for (size_t i = 0; i < sizeof references / sizeof references[0]; i++) {
        if (slice_eq(name, slice_of(references[i]))) {
            take_reference(s, without_blanks(text, value.len));
            return;
        }
    }
    take_words(s, value); /* style, srcset, a refresh ... */
}

/* --- tags --- */

static bool is_blank(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f';
}

static void name_octet(struct link_scan *s, unsigned char c)
{
    if (s->name_len < LINK_NAME_MAX) {
        s->name[s->name_len++] = ascii_lower(c);
    }
}

static void tag_end(struct link_scan *s)
{
    s->state = s->raw.len > 0 && !s->closing ? LINK_RAW : LINK_TEXT;
    s->raw_matched = 0;
    s->word_len = 0;
}

static void tag_named(struct link_scan *s)
{
    struct slice name = {s->name, s->name_len};
    s->raw = slice_eq(name, SLICE("script"))  ? SLICE("script")
             : slice_eq(name, SLICE("style")) ? SLICE("style")
                                              : SLICE("");
}

static void open_octet(struct link_scan *s, unsigned char c)
{
    if (c == '/' && !s->closing) {
        s->closing = true;
        return;
    }
    s->name_len = 0;
    s->raw = SLICE("");
    if (ascii_is_alpha(c)) {
        name_octet(s, c);
        s->state = LINK_TAG_NAME;
        return;
    }
    bool markup = c == '!' || c == '?' || s->closing;
    s->state = markup ? LINK_MARKUP : LINK_TEXT;
    s->markup_n = 0;
    if (!markup) {
        text_octet(s, c);
    } else if (c == '>') {
        s->state = LINK_TEXT;
    }
}

/* "<!--" is no markup: what a comment holds is read. */
static void markup_octet(struct link_scan *s, unsigned char c)
{
    s->markup_n++;
    if (c == '>' || (c == '-' && s->markup_n == 2)) {
        s->state = LINK_TEXT;
    } else if (s->markup_n == 1 && c != '-') {
        s->markup_n = 2;
    }
}

/* Between attributes, and within their names. */
static void attribute_octet(struct link_scan *s, unsigned char c)
{
    if (c == '>') {
        tag_end(s);
    } else if (s->state == LINK_EQUALS) {
        s->word_len = 0;
        if (c == '"' || c == '\'') {
            s->state = LINK_QUOTED;
            s->quote = c;
        } else if (!is_blank(c)) {
            s->state = LINK_BARE;
            s->word[s->word_len++] = c;
        }
    } else if (c == '=' && s->state != LINK_TAG) {
        s->state = LINK_EQUALS;
    } else if (is_blank(c) || c == '/') {
        s->state = s->state == LINK_NAME && c != '/' ? LINK_NAMED
                   : s->state == LINK_NAMED          ? LINK_NAMED
                                                     : LINK_TAG;
    } else {
        s->name_len = s->state == LINK_NAME ? s->name_len : 0;
        s->state = LINK_NAME;
        name_octet(s, c);
    }
}

static void value_octet(struct link_scan *s, unsigned char c)
{
    bool bare = s->state == LINK_BARE;
    if (bare ? is_blank(c) || c == '>' : c == s->quote) {
        value_end(s);
        s->state = LINK_TAG;
        if (c == '>') {
            tag_end(s);
        }
    } else if (s->word_len < LINK_URL_MAX) {
        s->word[s->word_len++] = c;
    }
}

static void raw_octet(struct link_scan *s, unsigned char c)
{
    size_t at = s->raw_matched, all = s->raw.len + 2;
    if (at == all && (is_blank(c) || c == '/' || c == '>')) {
        word_end(s);
        s->closing = true;
        s->state = LINK_TAG;
        if (c == '>') {
            tag_end(s);
        }
        return;
    }
    bool next = at < all && (at == 0   ? c == '<'
                             : at == 1 ? c == '/'
                                       : ascii_lower(c) == s->raw.ptr[at - 2]);
    s->raw_matched = next ? at + 1 : c == '<' ? 1 : 0;
    text_octet(s, c);
}

static void html_octet(struct link_scan *s, unsigned char c)
{
    switch (s->state) {
    case LINK_TEXT:
        if (c == '<') {
            word_end(s);
            s->state = LINK_OPEN;
            s->closing = false;
        } else {
            text_octet(s, c);
        }
        break;
    case LINK_OPEN:
        open_octet(s, c);
        break;
    case LINK_MARKUP:
        markup_octet(s, c);
        break;
    case LINK_TAG_NAME:
        if (is_blank(c) || c == '/' || c == '>') {
            tag_named(s);
            s->state = LINK_TAG;
            attribute_octet(s, c);
        } else {
            name_octet(s, c);
        }
        break;
    case LINK_TAG:
    case LINK_NAME:
    case LINK_NAMED:
    case LINK_EQUALS:
        attribute_octet(s, c);
        break;
    case LINK_QUOTED:
    case LINK_BARE:
        value_octet(s, c);
        break;
    case LINK_RAW:
        raw_octet(s, c);
        break;
    }
}

/* --- all of it --- */

void link_scan_init(struct link_scan *s, bool html,
                    void (*found)(void *arg, struct slice url, struct slice host),
                    void *arg)
{
    s->html = html;
    s->found = found;
    s->arg = arg;
    s->state = LINK_TEXT;
    s->closing = false;
    s->raw = SLICE("");
    s->raw_matched = 0;
    s->markup_n = 0;
    s->name_len = s->word_len = 0;
}

void link_scan_feed(struct link_scan *s, struct slice in)
{
    while (in.len > 0) {
        size_t n = s->state == LINK_TEXT ? text_run(s, in) : 0;
        if (n == 0) {
            n = 1;
            if (in.ptr[0] != '\0') { /* text_run() leaves only HTML */
                html_octet(s, in.ptr[0]);
            }
        }
        in = slice_from(in, n);
    }
}

void link_scan_end(struct link_scan *s)
{
    if (s->state == LINK_TEXT || s->state == LINK_RAW) {
        word_end(s);
    }
    s->word_len = 0;
    s->state = LINK_TEXT;
}
