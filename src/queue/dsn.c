/* queue/dsn.c - see dsn.h */
#include "queue/dsn.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/prose.h"
#include "spool/record.h"

#include <stdio.h>
#include <string.h>

enum {
    FOLD_AT = 76,
    WRAP_AT = 72, /* columns of text for people */
    BASE64_OCTETS_LINE = 57,
    WORD_OCTETS = 39,       /* UTF-8 octets in one encoded word, at most */
    TEXT_MAX = 1024 * 1024, /* 64 targets of which much is said, in all languages */
};

static const struct {
    const char *action, *status, *subject, *intro;
} actions[] = {
    [DSN_FAILED] = {"failed", "5.0.0", "dsn-subject-failed", "dsn-failed"},
    [DSN_DELAYED] = {"delayed", "4.0.0", "dsn-subject-delayed", "dsn-delayed"},
    [DSN_DELIVERED] = {"delivered", "2.0.0", "dsn-subject-delivered", "dsn-delivered"},
    [DSN_RELAYED] = {"relayed", "2.0.0", "dsn-subject-delivered", "dsn-relayed"},
    [DSN_EXPANDED] = {"expanded", "2.0.0", "dsn-subject-delivered", "dsn-expanded"},
};
enum { ACTIONS = sizeof actions / sizeof actions[0] };

/* --- octets --- */

static void base64_lines(struct buf *b, struct slice s)
{
    while (s.len > 0) {
        (void)base64_encode(b, slice_sub(s, 0, BASE64_OCTETS_LINE));
        (void)buf_add_str(b, "\r\n");
        s = slice_from(s, BASE64_OCTETS_LINE);
    }
}

/* --- fields --- */

/* name: value, folded at blanks; other octets than printable ASCII escaped. */
static void field(struct buf *b, const char *name, const char *type, struct slice value)
{
    struct buf clean;
    buf_init(&clean, TEXT_MAX);
    (void)buf_add_str(&clean, type);
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = value.ptr[i];
        bool plain = c >= ' ' && c < 127;
        (void)(plain ? buf_add_byte(&clean, c) : buf_add_fmt(&clean, "\\x%02X", c));
    }
    (void)buf_add_fmt(b, "%s:", name);
    size_t column = strlen(name) + 1;
    struct slice rest = buf_slice(&clean);
    while (rest.len > 0) {
        size_t blank = slice_find(slice_from(rest, 1), ' ') + 1;
        size_t n = blank < rest.len ? blank : rest.len;
        struct slice word = slice_sub(rest, 0, n);
        if (word.ptr[0] == ' ') {
            word = slice_from(word, 1);
        }
        bool fold = column + 1 + word.len > FOLD_AT && column > strlen(name) + 1;
        (void)buf_add_str(b, fold ? "\r\n " : " ");
        (void)buf_add(b, word);
        column = (fold ? 0 : column) + 1 + word.len;
        rest = slice_from(rest, n);
    }
    (void)buf_add_str(b, "\r\n");
    b->failed = b->failed || clean.failed;
    buf_clear(&clean);
}

/* Text of a header field that people read: as it is, or in encoded words of whole characters. */
static void people_field(struct buf *b, const char *name, struct slice text)
{
    if (slice_is_ascii(text)) {
        field(b, name, "", text);
        return;
    }
    (void)buf_add_fmt(b, "%s:", name);
    while (text.len > 0) {
        size_t n = 0;
        while (n < text.len) {
            uint32_t point = 0;
            size_t more = prose_char(slice_from(text, n), &point);
            if (n + more > WORD_OCTETS) {
                break;
            }
            n += more;
        }
        (void)buf_add_str(b, " =?UTF-8?B?");
        (void)base64_encode(b, slice_sub(text, 0, n));
        text = slice_from(text, n);
        (void)buf_add_str(b, text.len > 0 ? "?=\r\n" : "?=");
    }
    (void)buf_add_str(b, "\r\n");
}

/* RFC 6533 3: utf-8-addr-xtext, with all that is neither ASCII nor QCHAR as \x{HEX}. */
static void address_field(struct buf *b, const char *name, struct slice address)
{
    if (slice_is_ascii(address)) {
        field(b, name, "rfc822; ", address);
        return;
    }
    struct buf coded;
    buf_init(&coded, TEXT_MAX);
    while (address.len > 0) {
        uint32_t point = 0;
        size_t n = prose_char(address, &point);
        bool plain =
            point > ' ' && point < 127 && point != '\\' && point != '+' && point != '=';
        (void)(plain ? buf_add_byte(&coded, (unsigned char)point)
                     : buf_add_fmt(&coded, "\\x{%X}", point));
        address = slice_from(address, n);
    }
    field(b, name, "utf-8; ", buf_slice(&coded));
    b->failed = b->failed || coded.failed;
    buf_clear(&coded);
}

/* ORCPT: "type;address", its type kept. */
static void orcpt_field(struct buf *b, struct slice orcpt)
{
    size_t semicolon = slice_find(orcpt, ';');
    struct slice address = slice_from(orcpt, semicolon + 1);
    bool utf8 = slice_ieq(slice_sub(orcpt, 0, semicolon), SLICE("utf-8"));
    if (utf8 || !slice_is_ascii(address)) {
        address_field(b, "Original-Recipient", address);
        return;
    }
    struct buf both;
    buf_init(&both, TEXT_MAX);
    (void)buf_add(&both, slice_sub(orcpt, 0, semicolon));
    (void)buf_add_str(&both, "; ");
    (void)buf_add(&both, address);
    field(b, "Original-Recipient", "", buf_slice(&both));
    b->failed = b->failed || both.failed;
    buf_clear(&both);
}

static void date_field(struct buf *b, const char *name, uint64_t ms)
{
    char date[CLOCK_MAIL_DATE_MAX];
    field(b, name, "", clock_mail_date(ms, date));
}

/* --- text for people --- */

/* Wrapped, with `indent` before each line. */
static void paragraph(struct buf *b, const char *indent, struct slice text)
{
    do {
        (void)buf_add_str(b, indent);
        (void)buf_add(b, prose_line(&text, WRAP_AT - (unsigned)strlen(indent)));
        (void)buf_add_str(b, "\r\n");
    } while (text.len > 0);
}

static const char *word_of(const struct dsn *d, unsigned language, const char *id)
{
    const char *word = d->words.word(d->words.arg, id, d->language[language]);
    return word == NULL ? "" : word;
}

static void filled(struct buf *b, const char *indent, const char *word,
                   const struct prose_value *values, size_t n)
{
    struct buf line;
    buf_init(&line, TEXT_MAX);
    prose_fill(&line, word, values, n);
    paragraph(b, indent, buf_slice(&line));
    b->failed = b->failed || line.failed;
    buf_clear(&line);
}

static void host_said(struct buf *b, const char *word, struct slice host,
                      struct slice reply)
{
    struct buf safe;
    buf_init(&safe, TEXT_MAX);
    (void)buf_add_escaped(&safe, reply);
    const struct prose_value values[] = {{"{host}", host}, {"{reply}", buf_slice(&safe)}};
    filled(b, "  ", word, values, 2);
    b->failed = b->failed || safe.failed;
    buf_clear(&safe);
}

static void target_text(struct buf *b, const struct dsn *d, unsigned language,
                        const struct dsn_target *t)
{
    const struct dsn_page *page = &t->page[language];
    (void)buf_add_str(b, "\r\n<");
    (void)buf_add(b, t->given);
    (void)buf_add_str(b, ">\r\n");
    const char *const says[] = {page->title, page->cause, page->remedy};
    for (size_t i = 0; i < sizeof says / sizeof says[0]; i++) {
        if (says[i] != NULL && says[i][0] != '\0') {
            paragraph(b, "  ", slice_of(says[i]));
        }
    }
    if (t->reply.len > 0) {
        struct slice who = t->remote.len > 0 ? t->remote : d->hostname;
        host_said(b, word_of(d, language, "dsn-said"), who, t->reply);
    }
    if (t->action == DSN_DELAYED && t->until_ms > 0) {
        char date[CLOCK_TEXT_MAX], people[sizeof "YYYY-MM-DD hh:mm UTC"];
        (void)clock_text(t->until_ms, date);
        (void)snprintf(people, sizeof people, "%.10s %.5s UTC", date, date + 11);
        filled(b, "  ", word_of(d, language, "dsn-until"),
               &(struct prose_value){"{date}", slice_of(people)}, 1);
    }
}

static void language_text(struct buf *b, const struct dsn *d, unsigned language)
{
    filled(b, "", word_of(d, language, "dsn-greeting"),
           &(struct prose_value){"{host}", d->hostname}, 1);
    if (d->subject.len > 0) {
        filled(b, "", word_of(d, language, "dsn-about"),
               &(struct prose_value){"{subject}", d->subject}, 1);
    }
    for (unsigned a = 0; a < ACTIONS; a++) {
        bool said = false;
        for (unsigned i = 0; i < d->target_n; i++) {
            if ((unsigned)d->target[i].action != a) {
                continue;
            }
            if (!said) {
                (void)buf_add_str(b, "\r\n");
                paragraph(b, "", slice_of(word_of(d, language, actions[a].intro)));
                said = true;
            }
            target_text(b, d, language, &d->target[i]);
        }
    }
}

static void text_part(struct buf *b, const struct dsn *d)
{
    struct buf text;
    buf_init(&text, TEXT_MAX);
    for (unsigned l = 0; l < d->language_n; l++) {
        (void)buf_add_str(&text, l > 0 ? "\r\n----\r\n\r\n" : "");
        language_text(&text, d, l);
    }
    bool ascii = slice_is_ascii(buf_slice(&text));
    (void)buf_add_fmt(b,
                      "Content-Type: text/plain; charset=%s\r\n"
                      "Content-Transfer-Encoding: %s\r\n\r\n",
                      ascii ? "us-ascii" : "utf-8", ascii ? "7bit" : "base64");
    if (ascii) {
        (void)buf_add(b, buf_slice(&text));
    } else {
        base64_lines(b, buf_slice(&text));
    }
    b->failed = b->failed || text.failed;
    buf_clear(&text);
}

/* --- message/delivery-status --- */

static void status_part(struct buf *b, const struct dsn *d)
{
    (void)buf_add_str(b, "Content-Type: message/delivery-status\r\n\r\n");
    if (d->envid.len > 0) {
        field(b, "Original-Envelope-Id", "", d->envid);
    }
    field(b, "Reporting-MTA", "dns; ", d->hostname);
    date_field(b, "Arrival-Date", d->arrival_ms);
    char id[ID_TEXT_MAX];
    field(b, "X-Postern-Queue-ID", "", id_text(d->about, id));
    for (unsigned i = 0; i < d->target_n; i++) {
        const struct dsn_target *t = &d->target[i];
        (void)buf_add_str(b, "\r\n");
        if (t->orcpt.len > 0) {
            orcpt_field(b, t->orcpt);
        }
        address_field(b, "Final-Recipient", t->given);
        field(b, "Action", "", slice_of(actions[t->action].action));
        field(b, "Status", "",
              t->status.len > 0 ? t->status : slice_of(actions[t->action].status));
        if (t->remote.len > 0) {
            field(b, "Remote-MTA", "dns; ", t->remote);
        }
        if (t->reply.len > 0) {
            field(b, "Diagnostic-Code", t->remote.len > 0 ? "smtp; " : "x-postern; ",
                  t->reply);
        }
        if (t->attempt_ms > 0) {
            date_field(b, "Last-Attempt-Date", t->attempt_ms);
        }
        if (t->action == DSN_DELAYED && t->until_ms > 0) {
            date_field(b, "Will-Retry-Until", t->until_ms);
        }
    }
}

/* --- the message itself --- */

static void original_part(struct buf *b, const struct dsn *d, bool *eight_bit)
{
    static const char *const types[2][2] = {{"text/rfc822-headers", "message/rfc822"},
                                            {"message/global-headers", "message/global"}};
    bool ascii = slice_is_ascii(d->original);
    (void)buf_add_fmt(b, "Content-Type: %s\r\n", types[d->original_utf8][d->full]);
    if (!ascii && d->original_utf8) { /* these may be encoded: RFC 6532 3.7, RFC 6533 5 */
        (void)buf_add_str(b, "Content-Transfer-Encoding: base64\r\n\r\n");
        base64_lines(b, d->original);
        return;
    }
    *eight_bit = !ascii;
    (void)buf_add_str(b, ascii ? "\r\n" : "Content-Transfer-Encoding: 8bit\r\n\r\n");
    (void)buf_add(b, d->original);
}

/* --- the whole --- */

/* What the subject tells: the worst that happened. */
static const char *subject_of(const struct dsn *d)
{
    enum dsn_action worst = DSN_EXPANDED;
    for (unsigned i = 0; i < d->target_n; i++) {
        worst = d->target[i].action < worst ? d->target[i].action : worst;
    }
    return word_of(d, 0, actions[worst].subject);
}

static void header(struct buf *b, const struct dsn *d, const char *boundary)
{
    char id[ID_TEXT_MAX];
    date_field(b, "Date", d->now_ms);
    (void)buf_add_str(b, "From: Mail Delivery System <MAILER-DAEMON@");
    (void)buf_add(b, d->hostname);
    (void)buf_add_str(b, ">\r\nTo: <");
    (void)buf_add(b, d->to);
    (void)buf_add_str(b, ">\r\n");
    people_field(b, "Subject", slice_of(subject_of(d)));
    (void)buf_add_str(b, "Message-ID: <");
    (void)buf_add(b, id_text(d->id, id));
    (void)buf_add_str(b, "@");
    (void)buf_add(b, d->hostname);
    (void)buf_add_fmt(b,
                      ">\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
                      "Content-Type: multipart/report; report-type=%s;\r\n"
                      " boundary=\"%s\"\r\n\r\n",
                      "delivery-status", boundary);
}

bool dsn_write(const struct dsn *d, struct buf *b, struct dsn_needs *needs)
{
    char id[ID_TEXT_MAX];
    char boundary[ID_TEXT_MAX + 16] = "=_";
    struct slice text = id_text(d->id, id);
    memcpy(boundary + 2, text.ptr, text.len); /* random and ours: in no message yet */
    memcpy(boundary + 2 + text.len, "-report", sizeof "-report");
    *needs = (struct dsn_needs){.utf8 = !slice_is_ascii(d->to)};
    header(b, d, boundary);
    (void)buf_add_fmt(b, "--%s\r\n", boundary);
    text_part(b, d);
    (void)buf_add_fmt(b, "\r\n--%s\r\n", boundary);
    status_part(b, d);
    if (d->original.len > 0) {
        (void)buf_add_fmt(b, "\r\n--%s\r\n", boundary);
        original_part(b, d, &needs->eight_bit);
    }
    return buf_add_fmt(b, "\r\n--%s--\r\n", boundary);
}

bool dsn_wanted(struct slice notify, enum dsn_action action)
{
    static const char *const words[] = {
        [DSN_FAILED] = "FAILURE",    [DSN_DELAYED] = "DELAY",
        [DSN_DELIVERED] = "SUCCESS", [DSN_RELAYED] = "SUCCESS",
        [DSN_EXPANDED] = "SUCCESS",
    };
    return notify.len == 0 ? action == DSN_FAILED || action == DSN_DELAYED
                           : spool_notify_has(notify, words[action]);
}

/* --- languages --- */

/* "zh-Hant-HK" and "zh-TW" are zh-TW, other "zh" zh-CN; "sv-FI" is sv. NULL: none of ours. */
static const char *ours(struct slice tag, const char *const *have, unsigned have_n)
{
    if (slice_istarts(tag, SLICE("zh"))) {
        bool hant = slice_istarts(tag, SLICE("zh-hant")) ||
                    slice_ieq(tag, SLICE("zh-tw")) || slice_ieq(tag, SLICE("zh-hk")) ||
                    slice_ieq(tag, SLICE("zh-mo"));
        tag = hant ? SLICE("zh-TW") : SLICE("zh-CN");
    }
    for (unsigned i = 0; i < have_n; i++) {
        struct slice one = slice_of(have[i]);
        struct slice first = slice_sub(tag, 0, slice_find(tag, '-'));
        if (slice_ieq(tag, one) || slice_ieq(first, one)) {
            return have[i];
        }
    }
    return NULL;
}

static unsigned add_language(const char *one, unsigned n,
                             const char *out[DSN_LANGUAGES_MAX])
{
    for (unsigned i = 0; i < n; i++) {
        if (strcmp(out[i], one) == 0) {
            return n;
        }
    }
    out[n] = one;
    return n + 1;
}

unsigned dsn_languages(struct slice wanted, const char *fallback, const char *const *have,
                       unsigned have_n, const char *out[DSN_LANGUAGES_MAX])
{
    unsigned n = 0;
    while (wanted.len > 0 && n < DSN_LANGUAGES_MAX - 1) {
        size_t comma = slice_find(wanted, ',');
        struct slice tag = slice_sub(wanted, 0, comma);
        while (tag.len > 0 && (tag.ptr[0] == ' ' || tag.ptr[0] == '\t')) {
            tag = slice_from(tag, 1);
        }
        size_t end = 0;
        while (end < tag.len &&
               ((unsigned)(tag.ptr[end] | 0x20) - 'a' < 26 || tag.ptr[end] == '-')) {
            end++; /* a weight, "q=0.8", stands behind it: the order counts */
        }
        const char *one = end == 0 ? NULL : ours(slice_sub(tag, 0, end), have, have_n);
        n = one == NULL ? n : add_language(one, n, out);
        wanted = slice_from(wanted, comma + 1);
    }
    if (n == 0) {
        const char *one = ours(slice_of(fallback), have, have_n);
        n = one == NULL ? n : add_language(one, n, out);
    }
    return add_language("en", n, out);
}
