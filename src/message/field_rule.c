/* message/field_rule.c - see field_rule.h */
#include "message/field_rule.h"

#include "message/address_list.h"
#include "message/date_time.h"
#include "message/msg_id.h"

/* clang-format off */
static const struct field_rule rules[] = {
    {SLICE_INIT("Date"),                      true,  FIELD_DATE},
    {SLICE_INIT("From"),                      true,  FIELD_AUTHORS},
    {SLICE_INIT("Sender"),                    true,  FIELD_AUTHOR},
    {SLICE_INIT("Reply-To"),                  true,  FIELD_ADDRESSES},
    {SLICE_INIT("To"),                        true,  FIELD_ADDRESSES},
    {SLICE_INIT("Cc"),                        true,  FIELD_ADDRESSES},
    {SLICE_INIT("Bcc"),                       true,  FIELD_ADDRESSES},
    {SLICE_INIT("Message-ID"),                true,  FIELD_ID},
    {SLICE_INIT("In-Reply-To"),               true,  FIELD_IDS},
    {SLICE_INIT("References"),                true,  FIELD_IDS},
    {SLICE_INIT("Subject"),                   true,  FIELD_TEXT},
    {SLICE_INIT("Resent-Date"),               false, FIELD_DATE},
    {SLICE_INIT("Resent-From"),               false, FIELD_AUTHORS},
    {SLICE_INIT("Resent-Sender"),             false, FIELD_AUTHOR},
    {SLICE_INIT("Resent-Reply-To"),           false, FIELD_ADDRESSES},
    {SLICE_INIT("Resent-To"),                 false, FIELD_ADDRESSES},
    {SLICE_INIT("Resent-Cc"),                 false, FIELD_ADDRESSES},
    {SLICE_INIT("Resent-Bcc"),                false, FIELD_ADDRESSES},
    {SLICE_INIT("Resent-Message-ID"),         false, FIELD_ID},
    {SLICE_INIT("MIME-Version"),              true,  FIELD_VERSION},
    {SLICE_INIT("Content-Type"),              true,  FIELD_TYPE},
    {SLICE_INIT("Content-Transfer-Encoding"), true,  FIELD_ENCODING},
    {SLICE_INIT("Content-Disposition"),       true,  FIELD_DISPOSITION},
    {SLICE_INIT("Content-ID"),                true,  FIELD_IDS},
    {SLICE_INIT("Content-Description"),       true,  FIELD_TEXT},
    {SLICE_INIT("Received"),                  false, FIELD_RECEIVED},
    {SLICE_INIT("Return-Path"),               false, FIELD_PATH},
};
/* clang-format on */
enum { RULES = sizeof rules / sizeof rules[0] };

const struct field_rule *field_rule_n(unsigned n)
{
    return n < RULES ? &rules[n] : NULL;
}

const struct field_rule *field_rule(struct slice name)
{
    for (unsigned i = 0; i < RULES; i++) {
        if (slice_ieq(rules[i].name, name)) {
            return &rules[i];
        }
    }
    return NULL;
}

size_t field_value_len(struct slice value)
{
    struct slice s = slice_strip(value);
    size_t len = s.len;
    for (size_t i = 0; i < s.len; i++) {
        len -= s.ptr[i] == '\r' || s.ptr[i] == '\n';
    }
    return len;
}

/* --- grammar --- */

static void pass_by(void *arg, const struct address *a)
{
    (void)arg;
    (void)a;
}

static const char *date_fault(struct slice value)
{
    int64_t seconds = 0;
    return date_time_read(value, &seconds);
}

static const char *authors_fault(struct slice value)
{
    return address_list(value, 0, pass_by, NULL);
}

static const char *author_fault(struct slice value)
{
    return address_list(value, ADDRESS_ONE, pass_by, NULL);
}

static const char *addresses_fault(struct slice value)
{
    return address_list(value, ADDRESS_NONE_OK | ADDRESS_LOOSE, pass_by, NULL);
}

/* RFC 2045 4: version := "MIME-Version" ":" 1*DIGIT "." 1*DIGIT */
static const char *version_fault(struct slice value)
{
    struct lex l;
    uint64_t n = 0;
    lex_start(&l, value, LEX_ADDRESS_SPECIALS);
    bool ok = l.kind == LEX_ATOM && slice_u64(l.text, &n);
    lex_next(&l);
    ok = ok && lex_at(&l, '.');
    lex_next(&l);
    ok = ok && l.kind == LEX_ATOM && slice_u64(l.text, &n);
    lex_next(&l);
    return ok && l.kind == LEX_END ? NULL : "it is no version such as 1.0";
}

/* RFC 2045 6.1: one token, and here and there a semicolon. */
static const char *encoding_fault(struct slice value)
{
    struct lex l;
    lex_start(&l, value, LEX_MIME_SPECIALS);
    if (l.kind != LEX_ATOM) {
        return "it names no encoding";
    }
    lex_next(&l);
    return l.kind == LEX_END || lex_at(&l, ';') ? NULL
                                                : "something stands behind the encoding";
}

/* RFC 2045 5.1: content := type "/" subtype *(";" parameter). A type alone was right before MIME
 * (RFC 1049). */
static const char *type_fault(struct slice value)
{
    struct lex l;
    lex_start(&l, value, LEX_MIME_SPECIALS);
    if (l.kind != LEX_ATOM) {
        return "it names no type";
    }
    lex_next(&l);
    if (lex_at(&l, '/')) {
        lex_next(&l);
        if (l.kind != LEX_ATOM) {
            return "it has no subtype";
        }
    }
    return NULL;
}

static const char *disposition_fault(struct slice value)
{
    struct lex l;
    lex_start(&l, value, LEX_MIME_SPECIALS);
    return l.kind == LEX_ATOM ? NULL : "it names no disposition";
}

/* RFC 5322 3.6.7: words, ";" and a date. */
static const char *received_fault(struct slice value)
{
    struct lex l;
    for (lex_start(&l, value, SLICE("()<>[]\";")); l.kind != LEX_END && !lex_at(&l, ';');
         lex_next(&l)) {
        if (l.kind == LEX_BAD) {
            return l.fault;
        }
    }
    return l.kind == LEX_END ? "no date stands at its end, behind a semicolon"
                             : date_fault(l.in);
}

/* RFC 5322 3.6.7: an address in angle brackets, or nothing in them. */
static const char *path_fault(struct slice value)
{
    struct lex l;
    lex_start(&l, value, LEX_ADDRESS_SPECIALS);
    if (l.kind == LEX_BAD) {
        return l.fault;
    }
    if (!lex_at(&l, '<')) {
        return "it is no address in angle brackets";
    }
    lex_next(&l);
    if (!lex_at(&l, '>')) {
        return author_fault(value);
    }
    lex_next(&l);
    return l.kind == LEX_END ? NULL : "something stands behind the angle brackets";
}

const char *field_fault(enum field_kind kind, struct slice value)
{
    static const char *(*const faults[FIELD_KINDS])(struct slice) = {
        [FIELD_DATE] = date_fault,         [FIELD_AUTHORS] = authors_fault,
        [FIELD_AUTHOR] = author_fault,     [FIELD_ADDRESSES] = addresses_fault,
        [FIELD_ID] = msg_id_fault,         [FIELD_IDS] = msg_id_list_fault,
        [FIELD_VERSION] = version_fault,   [FIELD_ENCODING] = encoding_fault,
        [FIELD_TYPE] = type_fault,         [FIELD_DISPOSITION] = disposition_fault,
        [FIELD_RECEIVED] = received_fault, [FIELD_PATH] = path_fault,
    };
    return faults[kind] == NULL ? NULL : faults[kind](value);
}

/* --- encoded words --- */

static bool is_word_octet(unsigned char c)
{
    return c > ' ' && c < 127 && c != '?';
}

/* The next "?" behind at least one octet that an encoded word may have; s.len: none comes. */
static size_t word_part(struct slice s, size_t from, bool empty_ok)
{
    size_t i = from;
    while (i < s.len && is_word_octet(s.ptr[i])) {
        i++;
    }
    return i < s.len && s.ptr[i] == '?' && (i > from || empty_ok) ? i : s.len;
}

/* encoded-word = "=?" charset "?" encoding "?" encoded-text "?=" */
static bool has_word(struct slice s)
{
    for (;;) {
        size_t start = slice_search(s, SLICE("=?"));
        if (start == s.len) {
            return false;
        }
        s = slice_from(s, start + 2);
        size_t charset = word_part(s, 0, false);
        size_t encoding = word_part(s, charset + 1, false);
        size_t text = word_part(s, encoding + 1, true);
        if (text + 1 < s.len && s.ptr[text + 1] == '=') {
            return true;
        }
    }
}

static void look_for_word(void *arg, const struct address *a)
{
    bool *found = arg;
    bool quoted = a->local.len > 0 && a->local.ptr[0] == '"';
    bool word_alone = a->domain.len == 0; /* somebody's name, and no address */
    *found =
        *found || (!quoted && !word_alone && has_word(a->local)) || has_word(a->domain);
}

/* What stands outside of comments and quoted strings. */
static bool has_word_in_tokens(struct slice value)
{
    struct lex l;
    for (lex_start(&l, value, SLICE("()<>[]\"")); l.kind != LEX_END && l.kind != LEX_BAD;
         lex_next(&l)) {
        if (l.kind == LEX_ATOM && has_word(l.text)) {
            return true;
        }
    }
    return false;
}

bool field_encoded_word(enum field_kind kind, struct slice value)
{
    bool found = false;
    switch (kind) {
    case FIELD_AUTHORS:
    case FIELD_AUTHOR:
    case FIELD_ADDRESSES:
        /* a fault in the list is not ours: what came before it was seen */
        IGNORE(address_list(value, ADDRESS_NONE_OK | ADDRESS_LOOSE, look_for_word,
                            &found) != NULL);
        return found;
    case FIELD_DATE:
    case FIELD_ID:
    case FIELD_VERSION:
    case FIELD_ENCODING:
        return has_word_in_tokens(value);
    case FIELD_IDS: /* words between identifiers were allowed (RFC 5322 4.5.4) */
    case FIELD_TYPE:
    case FIELD_DISPOSITION:
    case FIELD_RECEIVED:
    case FIELD_PATH:
    case FIELD_TEXT:
    case FIELD_KINDS:
        break;
    }
    return false;
}

/* --- octets above 127 --- */

static bool has_8bit(struct slice s)
{
    unsigned char all = 0;
    for (size_t i = 0; i < s.len; i++) {
        all |= s.ptr[i];
    }
    return all > 127;
}

static void look_for_8bit(void *arg, const struct address *a)
{
    bool *found = arg;
    *found = *found || has_8bit(a->local) || has_8bit(a->domain);
}

/* In a token that is no comment, no quoted string. */
static bool has_8bit_in_tokens(struct slice value)
{
    struct lex l;
    for (lex_start(&l, value, SLICE("()<>[]\"")); l.kind != LEX_END && l.kind != LEX_BAD;
         lex_next(&l)) {
        if (l.kind != LEX_QUOTED && has_8bit(l.text)) {
            return true;
        }
    }
    return false;
}

enum field_8bit field_8bit(enum field_kind kind, struct slice value)
{
    bool found = false;
    if (!has_8bit(value)) {
        return FIELD_ASCII;
    }
    switch (kind) {
    case FIELD_AUTHORS:
    case FIELD_AUTHOR:
    case FIELD_ADDRESSES:
        IGNORE(address_list(value, ADDRESS_NONE_OK | ADDRESS_LOOSE, look_for_8bit,
                            &found) != NULL);
        return found ? FIELD_8BIT_TOKEN : FIELD_8BIT_TEXT;
    case FIELD_ID:
        return has_8bit_in_tokens(value) ? FIELD_8BIT_TOKEN : FIELD_8BIT_TEXT;
    case FIELD_DATE:
    case FIELD_VERSION:
    case FIELD_ENCODING:
        return has_8bit_in_tokens(value) ? FIELD_8BIT_NEVER : FIELD_8BIT_TEXT;
    case FIELD_TYPE:
    case FIELD_DISPOSITION:
        value = slice_sub(value, 0, slice_find(value, ';'));
        return has_8bit_in_tokens(value) ? FIELD_8BIT_NEVER : FIELD_8BIT_TEXT;
    case FIELD_IDS:
    case FIELD_RECEIVED:
    case FIELD_PATH:
    case FIELD_TEXT:
    case FIELD_KINDS:
        break;
    }
    return FIELD_8BIT_TEXT;
}
