#include "bounce/normal.h"

#include "bounce/fold.h"

#include <string.h>

enum {
    TOKEN_MAX = 512, /* looked at for an address, a URL or a host name */
    NAMES_MAX = 16,  /* URLs and host names kept */
    NAME_MAX = 256,
    ID_MIN = 12, /* letters and digits mixed; a provider's own codes are shorter */
    HEX_MIN = 8,
    NUMBER_MIN = 7,
};

/* Classes of octets. */
enum {
    C_WORD = 1, /* letter or digit */
    C_DIGIT = 2,
    C_TOKEN = 4, /* goes on inside an address, URL or host name */
    C_BLANK = 8, /* controls, and brackets and quotes, which say nothing */
    C_HEX = 16,
    C_SIGN = 32, /* . : @ - the token may be more than a word */
    C_STOP = 64, /* punctuation that stands close to the word before it */
};
static const unsigned char class_of[256] = {
    /* clang-format off */
    8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8,
    8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8,
    8, 64+4, 8, 4, 4, 4, 4, 0, 8, 8, 4, 4, 64, 4, 64+32+4, 4,
    23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 64+32+4, 64, 8, 4, 8, 64+4,
    32+4, 21, 21, 21, 21, 21, 21, 5, 5, 5, 5, 5, 5, 5, 5, 5,
    5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 8, 4, 8, 4, 4,
    0, 21, 21, 21, 21, 21, 21, 5, 5, 5, 5, 5, 5, 5, 5, 5,
    5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 8, 4, 8, 4, 8,
    /* clang-format on */
};

struct scan {
    struct slice in;
    struct bounce_normal *out;
    size_t n;        /* octets in out */
    bool line_start; /* nothing of this line yet */
    struct slice name[NAMES_MAX];
    size_t names_n;
};

static inline bool is(unsigned char c, unsigned klass)
{
    return (class_of[c] & klass) != 0;
}

static inline unsigned char peek(const struct scan *s, size_t i)
{
    return i < s->in.len ? s->in.ptr[i] : '\0';
}

/* Octets beyond the room left for names are dropped: the text read is shorter than that. */
static inline void put(struct scan *s, unsigned char c, size_t from)
{
    if (s->n < 2 * BOUNCE_TEXT_MAX) {
        s->out->text[s->n] = c;
        s->out->at[s->n++] = (uint16_t)from;
    }
}

static inline void put_blank(struct scan *s, size_t from)
{
    if (s->n > 0 && s->out->text[s->n - 1] != ' ') {
        put(s, ' ', from);
    }
}

/* A mask stands apart from words and punctuation. */
static void put_mask(struct scan *s, unsigned char mask, size_t from)
{
    if (s->n > 0 && is(s->out->text[s->n - 1], C_WORD | C_STOP)) {
        put(s, ' ', from);
    }
    put(s, mask, from);
}

static void put_stop(struct scan *s, unsigned char c, size_t from)
{
    if (s->n > 0 && s->out->text[s->n - 1] == ' ') {
        s->n--;
    }
    if (s->n > 0 && s->out->text[s->n - 1] != c) {
        put(s, c, from);
    }
}

static void keep_name(struct scan *s, size_t from, size_t to)
{
    if (s->names_n < NAMES_MAX) {
        s->name[s->names_n++] = slice_sub(s->in, from, to - from);
    }
}

/* Letters and digits as they come, in lower case: eight at a time while there is room for eight. */
static inline void put_run(struct scan *s, size_t from, size_t n)
{
    typedef uint16_t places __attribute__((vector_size(16), aligned(2), may_alias));
    static const places next = {0, 1, 2, 3, 4, 5, 6, 7};
    size_t i = 0;
    if (s->n + n + 8 <= 2 * BOUNCE_TEXT_MAX) {
        unsigned char *text = s->out->text + s->n;
        uint16_t *at = s->out->at + s->n;
        for (; i < n && from + i + 8 <= s->in.len; i += 8) {
            uint64_t eight;
            memcpy(&eight, s->in.ptr + from + i, sizeof eight);
            eight |= 0x2020202020202020U; /* makes letters small and leaves digits */
            memcpy(text + i, &eight, sizeof eight);
            *(places *)(at + i) = next + (uint16_t)(from + i);
        }
        i = i < n ? i : n;
        s->n += i;
    }
    for (; i < n; i++) {
        put(s, ascii_lower(s->in.ptr[from + i]), from + i);
    }
}

/* Whether no person would write it. */
static bool is_id(const unsigned char *p, size_t len)
{
    unsigned all = C_HEX | C_DIGIT;
    size_t digits = 0;
    for (size_t i = 0; i < len; i++) {
        all &= class_of[p[i]];
        digits += (class_of[p[i]] & C_DIGIT) != 0;
    }
    return digits >= 2 && (len >= ID_MIN || (all & C_DIGIT) != 0 ||
                           ((all & C_HEX) != 0 && len >= HEX_MIN));
}

/* A run of letters and digits, in which `any` are the classes that occur. */
static inline void put_word(struct scan *s, size_t from, size_t to, unsigned any)
{
    size_t len = to - from;
    if ((any & C_DIGIT) != 0 && len >= NUMBER_MIN && is_id(s->in.ptr + from, len)) {
        put_mask(s, BOUNCE_MASK_ID, from);
    } else {
        put_run(s, from, len);
    }
}

static inline size_t word_end(const struct scan *s, size_t from, size_t to, unsigned *any)
{
    size_t i = from;
    for (*any = 0; i < to && is(s->in.ptr[i], C_WORD); i++) {
        *any |= class_of[s->in.ptr[i]];
    }
    return i;
}

/* What is no address and the like, word by word. */
static void put_words(struct scan *s, size_t from, size_t to)
{
    while (from < to) {
        unsigned char c = s->in.ptr[from];
        if (is(c, C_WORD)) {
            unsigned any;
            size_t end = word_end(s, from, to, &any);
            put_word(s, from, end, any);
            from = end;
            continue;
        }
        if (is(c, C_STOP)) {
            put_stop(s, c, from);
        } else {
            put(s, c, from);
        }
        from++;
    }
}

/* dotted quad at i -> its end; else i. "x.xx.xx.xx", as people hide addresses, counts too. */
static size_t ipv4_end(const struct scan *s, size_t i)
{
    size_t at = i;
    for (unsigned part = 0; part < 4; part++) {
        size_t start = at;
        bool hidden = (peek(s, at) | 0x20) == 'x';
        while (at - start < 3 &&
               (hidden ? (peek(s, at) | 0x20) == 'x' : ascii_is_digit(peek(s, at)))) {
            at++;
        }
        if (at == start || (part < 3 && peek(s, at++) != '.')) {
            return i;
        }
    }
    bool more =
        is(peek(s, at), C_WORD) || (peek(s, at) == '.' && is(peek(s, at + 1), C_DIGIT));
    return more ? i : at;
}

static size_t ipv6_end(const struct scan *s, size_t i, size_t to)
{
    size_t at = i, colons = 0;
    bool gap = false;
    for (; at < to &&
           (is(s->in.ptr[at], C_HEX) || s->in.ptr[at] == ':' ||
            (colons > 1 && s->in.ptr[at] == '.' && is(peek(s, at + 1), C_DIGIT)));
         at++) {
        if (s->in.ptr[at] == ':') {
            colons++;
            gap = gap || peek(s, at + 1) == ':';
        }
    }
    while (at > i && s->in.ptr[at - 1] == ':' && !gap) {
        at--;
        colons--;
    }
    bool whole = at == to || !is(s->in.ptr[at], C_WORD);
    return whole && ((gap && colons >= 2) || colons == 7) ? at : i;
}

/* Top level domains besides those of two letters; no list can hold all, and a name that is
 * not taken for one merely stays in the text. */
static bool top_level(struct slice label)
{
    static const char known[] = " com net org edu gov mil int info biz name mobi arpa "
                                "pro aero coop museum jobs asia "
                                "local lan localdomain internal intern corp home example "
                                "invalid test cloud email online "
                                "site top xyz shop store app dev tech club live mail "
                                "news group agency company world "
                                "network systems services solutions digital media space "
                                "website academy center bank "
                                "onmicrosoft ";
    if (label.len == 2) {
        return ascii_is_alpha(label.ptr[0]) && ascii_is_alpha(label.ptr[1]);
    }
    if (label.len < 3 || label.len > 11) {
        return label.len > 4 && slice_istarts(label, SLICE("xn--"));
    }
    char word[16] = " ";
    for (size_t i = 0; i < label.len; i++) {
        word[i + 1] = (char)ascii_lower(label.ptr[i]);
    }
    word[label.len + 1] = ' ';
    word[label.len + 2] = '\0';
    return strstr(known, word) != NULL;
}

/* "exist.Please": the blank behind a full stop is missing. */
static bool sentence_end(const struct scan *s, size_t dot)
{
    unsigned char a = peek(s, dot - 1), b = peek(s, dot + 1), c = peek(s, dot + 2);
    return a >= 'a' && a <= 'z' && b >= 'A' && b <= 'Z' && c >= 'a' && c <= 'z';
}

/* host name at i -> its end; else i. */
static size_t host_end(const struct scan *s, size_t i, size_t to)
{
    size_t at = i, dots = 0, label = i;
    for (; at < to; at++) {
        unsigned char c = s->in.ptr[at];
        if (c == '.') {
            if (at == label || at + 1 == to || !is(s->in.ptr[at + 1], C_WORD) ||
                sentence_end(s, at)) {
                break;
            }
            dots++;
            label = at + 1;
        } else if (!is(c, C_WORD) && c != '-' && c != '_') {
            break;
        }
    }
    struct slice last = slice_sub(s->in, label, at - label);
    while (last.len > 0 && !is(last.ptr[last.len - 1], C_WORD)) {
        last.len--;
        at--;
    }
    return dots > 0 && top_level(last) ? at : i;
}

/* An address whose @ stands at `sign` -> its end; else sign. */
static size_t address_end(const struct scan *s, size_t sign, size_t to)
{
    size_t at = sign + 1;
    while (at < to &&
           (is(s->in.ptr[at], C_WORD) || s->in.ptr[at] == '-' || s->in.ptr[at] == '_' ||
            (s->in.ptr[at] == '.' && at + 1 < to && is(s->in.ptr[at + 1], C_WORD)))) {
        at++;
    }
    return at == sign + 1 ? sign : at;
}

static size_t url_end(const struct scan *s, size_t i)
{
    while (i < s->in.len && (is(s->in.ptr[i], C_TOKEN) || s->in.ptr[i] >= 0x80)) {
        i++;
    }
    while (i > 0 && is(s->in.ptr[i - 1], C_STOP)) {
        i--;
    }
    return i;
}

static size_t find_scheme(const struct scan *s, size_t i, size_t to)
{
    for (; i + 3 < to; i++) {
        if (s->in.ptr[i] == ':' && s->in.ptr[i + 1] == '/' && s->in.ptr[i + 2] == '/') {
            return i;
        }
    }
    return to;
}

static size_t take_url(struct scan *s, size_t scheme, size_t name)
{
    size_t end = url_end(s, name);
    put_mask(s, BOUNCE_MASK_URL, scheme);
    keep_name(s, name, end > name ? end : name);
    return end > name ? end : name;
}

/* A token with one of . : @ in it; returns where to go on (> i). */
static size_t take_token(struct scan *s, size_t i, size_t to)
{
    size_t scheme = find_scheme(s, i, to);
    if (scheme < to) {
        size_t start = scheme;
        while (start > i && ascii_is_alpha(s->in.ptr[start - 1])) {
            start--;
        }
        put_words(s, i, start);
        return take_url(s, start, scheme + 3);
    }
    size_t end = ipv4_end(s, i);
    if (end > i) {
        put_mask(s, BOUNCE_MASK_IP, i);
        return end;
    }
    const unsigned char *sign = memchr(s->in.ptr + i, '@', to - i);
    if (sign != NULL && sign > s->in.ptr + i) {
        size_t at = (size_t)(sign - s->in.ptr), start = at;
        while (start > i && s->in.ptr[start - 1] != ':') {
            start--;
        }
        end = address_end(s, at, to);
        if (end > at && start < at) {
            put_words(s, i, start);
            put_mask(s, BOUNCE_MASK_ADDR, start);
            return end;
        }
    }
    if ((end = ipv6_end(s, i, to)) > i) {
        put_mask(s, BOUNCE_MASK_IP, i);
        return end;
    }
    end = host_end(s, i, to);
    if (end > i &&
        (peek(s, end) == '/' || slice_istarts(slice_from(s->in, i), SLICE("www.")))) {
        return take_url(s, i, i);
    }
    if (end > i) {
        put_mask(s, BOUNCE_MASK_HOST, i);
        keep_name(s, i, end);
        return end;
    }
    put_words(s, i, to);
    return to;
}

static void note_status(struct bounce_normal *n, struct bounce_status st)
{
    for (unsigned i = 0; i < n->status_n; i++) {
        if (n->status[i].klass == st.klass && n->status[i].subject == st.subject &&
            n->status[i].detail == st.detail) {
            return;
        }
    }
    if (n->status_n < BOUNCE_NORMAL_STATUS_MAX) {
        n->status[n->status_n++] = st;
    }
}

bool bounce_status_parse(struct slice s, struct bounce_status *out, size_t *used)
{
    uint16_t part[3] = {0};
    size_t at = 0;
    for (unsigned k = 0; k < 3; k++) {
        size_t start = at;
        while (at < s.len && at - start < 3 && ascii_is_digit(s.ptr[at])) {
            part[k] = (uint16_t)(part[k] * 10 + (s.ptr[at++] - '0'));
        }
        if (at == start || (k < 2 && (at >= s.len || s.ptr[at++] != '.'))) {
            return false;
        }
    }
    bool more = at < s.len &&
                (is(s.ptr[at], C_WORD) ||
                 (s.ptr[at] == '.' && at + 1 < s.len && is(s.ptr[at + 1], C_DIGIT)));
    if (more || (part[0] != 2 && part[0] != 4 && part[0] != 5)) {
        return false;
    }
    *out = (struct bounce_status){(uint8_t)part[0], part[1], part[2]};
    *used = at;
    return true;
}

/* Octets that a reply code at i takes, with the hyphen behind it; 0: this is a plain number.
 * It is a code at the start of a line, before a status, and, while none is known, behind
 * "said:" and "smtp;". */
static size_t take_code(struct scan *s, size_t i)
{
    unsigned char first = peek(s, i), next = peek(s, i + 3);
    struct bounce_status st;
    size_t used;
    if (first < '2' || first > '5' || !is(peek(s, i + 1), C_DIGIT) ||
        !is(peek(s, i + 2), C_DIGIT) || is(next, C_WORD) || next == '.' || next == '/') {
        return 0;
    }
    unsigned code =
        (first - '0') * 100U + (peek(s, i + 1) - '0') * 10U + (peek(s, i + 2) - '0');
    unsigned char before = i > 0 ? s->in.ptr[i - 1] : '\n';
    if (before == ' ' && i > 1) {
        before = s->in.ptr[i - 2];
    }
    bool status = (next == ' ' || next == '-') &&
                  bounce_status_parse(slice_from(s->in, i + 4), &st, &used);
    bool said = s->out->code == 0 && (before == ':' || before == ';' || before == '#');
    bool again = s->out->code == code && (next == '-' || before == ':' || before == ';');
    if (!s->line_start && !status && !said && !again) {
        return 0;
    }
    if (s->line_start && !status && s->out->code != 0 && s->out->code != code) {
        return 0;
    }
    if (s->out->code == 0) {
        s->out->code = code;
    }
    return next == '-' || next == ':' ? 4 : 3;
}

/* A status or a reply code at i: what it takes, 0: neither. */
static size_t take_number(struct scan *s, size_t i)
{
    struct bounce_status st;
    size_t used;
    if (i > 0 && (is(s->in.ptr[i - 1], C_WORD) || s->in.ptr[i - 1] == '.')) {
        return 0;
    }
    if (bounce_status_parse(slice_from(s->in, i), &st, &used)) {
        note_status(s->out, st);
        if (s->n > 0 && s->out->text[s->n - 1] == '#') {
            s->n--;
        }
        return used;
    }
    return take_code(s, i);
}

/* isn't -> is not; can't -> cannot; other apostrophes vanish. */
static void take_apostrophe(struct scan *s, size_t i)
{
    const unsigned char *t = s->out->text;
    if ((peek(s, i + 1) | 0x20) != 't' || is(peek(s, i + 2), C_WORD) || s->n < 3 ||
        t[s->n - 1] != 'n' || !is(t[s->n - 2], C_WORD)) {
        return;
    }
    if (t[s->n - 2] == 'a' && t[s->n - 3] == 'c') {
        put(s, 'n', i); /* can't */
    } else {
        s->out->text[s->n - 1] = ' ';
        put(s, 'n', i);
    }
    put(s, 'o', i);
}

static size_t take_folded(struct scan *s, size_t i)
{
    unsigned char folded[BOUNCE_FOLD_MAX];
    size_t n, used = bounce_fold(slice_from(s->in, i), folded, &n);
    if (n == 1 && folded[0] == '\'') {
        /* As the ASCII one; what follows stands `used` octets on. */
        size_t last = i + used - 1;
        take_apostrophe(s, last);
        return used;
    }
    if (n == 1 && is(folded[0], C_BLANK)) {
        put_blank(s, i);
        return used;
    }
    if (n == 1 && is(folded[0], C_STOP)) {
        put_stop(s, folded[0], i);
        return used;
    }
    for (size_t k = 0; k < n; k++) {
        put(s, folded[k], i);
    }
    return used;
}

/* One item of the text; returns where the next begins. */
static size_t step(struct scan *s, size_t i)
{
    unsigned char c = s->in.ptr[i];
    if (is(c, C_BLANK)) {
        s->line_start = s->line_start || c == '\n';
        put_blank(s, i);
        return i + 1;
    }
    if (is(c, C_DIGIT)) {
        size_t used = take_number(s, i);
        if (used > 0) {
            return i + used;
        }
    }
    s->line_start = false;
    if (is(c, C_WORD)) {
        size_t most = s->in.len - i < TOKEN_MAX ? s->in.len : i + TOKEN_MAX;
        unsigned any;
        size_t to = word_end(s, i, most, &any);
        unsigned char stop = peek(s, to);
        if (!is(stop, C_TOKEN)) {
            put_word(s, i, to, any);
            return to;
        }
        if (to < most && stop == '.' && !is(peek(s, to + 1), C_TOKEN)) {
            put_word(s, i, to, any);
            put_stop(s, stop, to);
            return to + 1;
        }
        while (to < s->in.len && to - i < TOKEN_MAX && is(s->in.ptr[to], C_TOKEN)) {
            any |= class_of[s->in.ptr[to++]];
        }
        if ((any & C_SIGN) != 0) {
            return take_token(s, i, to);
        }
        put_words(s, i, to);
        return to;
    }
    if (c >= 0x80) {
        return i + take_folded(s, i);
    }
    if (c == '\'' || c == '`') {
        take_apostrophe(s, i);
    } else if (is(c, C_STOP)) {
        put_stop(s, c, i);
    } else {
        put(s, c, i);
    }
    return i + 1;
}

/* A line of its own, with a dot before it, so that a pattern can tell where a label starts. */
static void add_name(struct bounce_normal *n, struct slice name, size_t from)
{
    name = slice_sub(name, 0, NAME_MAX);
    if (n->len + name.len + 3 > BOUNCE_NORMAL_MAX || name.len == 0) {
        return;
    }
    n->at[n->len] = (uint16_t)from;
    n->text[n->len++] = '.';
    for (size_t i = 0; i < name.len; i++) {
        n->at[n->len] = (uint16_t)(from + i);
        n->text[n->len++] = name.ptr[i] == '\n' ? ' ' : ascii_lower(name.ptr[i]);
    }
    n->at[n->len] = (uint16_t)(from + name.len);
    n->text[n->len++] = '\n';
}

void bounce_normal_host(struct bounce_normal *n, struct slice host)
{
    if (host.len > 0 && host.ptr[host.len - 1] == '.') {
        host.len--;
    }
    add_name(n, host, 0);
}

void bounce_normalize(struct slice text, unsigned code, struct bounce_normal *out)
{
    struct scan s = {
        .in = slice_sub(text, 0, BOUNCE_TEXT_MAX), .out = out, .line_start = true};
    out->code = code;
    out->status_n = out->masks_n = 0;
    for (size_t i = 0; i < s.in.len;) {
        size_t before = s.n;
        i = step(&s, i);
        if (s.n > before && out->text[s.n - 1] <= BOUNCE_MASK_ID &&
            out->masks_n < BOUNCE_NORMAL_MASKS_MAX) {
            out->mask[out->masks_n].at = (uint16_t)(s.n - 1);
            out->mask[out->masks_n++].end = (uint16_t)i;
        }
    }
    if (s.n > 0 && out->text[s.n - 1] == ' ') {
        s.n--;
    }
    out->main_len = s.n;
    out->text[s.n] = '\n';
    out->at[s.n] = (uint16_t)s.in.len;
    out->len = s.n + 1;
    for (size_t k = 0; k < s.names_n; k++) {
        add_name(out, s.name[k], (size_t)(s.name[k].ptr - s.in.ptr));
    }
}
