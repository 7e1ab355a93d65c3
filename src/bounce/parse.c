/* bounce/parse.c - see parse.h; what a message is, and the order in which its parts are asked */
#include "bounce/parse.h"

#include "bounce/address_find.h"
#include "bounce/parse_impl.h"
#include "bounce/reply_find.h"

#include <stdlib.h>
#include <string.h>

enum {
    DSN_SURE = 4, /* what a machine-readable part adds to `sure` */
};

/* --- names --- */

static const char *const kind_names[] = {
    [BOUNCE_MAIL_NONE] = "none",         [BOUNCE_MAIL_FAILED] = "failed",
    [BOUNCE_MAIL_DELAYED] = "delayed",   [BOUNCE_MAIL_DELIVERED] = "delivered",
    [BOUNCE_MAIL_FEEDBACK] = "feedback", [BOUNCE_MAIL_AUTO_REPLY] = "auto-reply"};
static const char *const delivery_names[] = {
    [BOUNCE_DELIVERY_UNKNOWN] = "unknown", [BOUNCE_FAILED] = "failed",
    [BOUNCE_DELAYED] = "delayed",          [BOUNCE_DELIVERED] = "delivered",
    [BOUNCE_RELAYED] = "relayed",          [BOUNCE_EXPANDED] = "expanded"};

const char *bounce_mail_kind_name(enum bounce_mail_kind kind)
{
    return kind_names[kind];
}

const char *bounce_delivery_name(enum bounce_delivery delivery)
{
    return delivery_names[delivery];
}

/* --- the parser's memory --- */

struct bounce_parser *bounce_parser_new(struct bounce_classifier *classifier,
                                        const struct mime_charset *convert)
{
    struct bounce_parser *p = calloc(1, sizeof *p);
    if (p != NULL) {
        p->classifier = classifier;
        p->convert = convert != NULL ? *convert : (struct mime_charset){0};
        arena_init(&p->arena, BOUNCE_PARSE_MAX);
        for (unsigned i = 0; i < BOUNCE_LEVELS_MAX; i++) {
            buf_init(&p->inner[i], INNER_MAX);
        }
    }
    return p;
}

void bounce_parser_free(struct bounce_parser **p)
{
    if (*p != NULL) {
        arena_clear(&(*p)->arena);
        for (unsigned i = 0; i < BOUNCE_LEVELS_MAX; i++) {
            buf_clear(&(*p)->inner[i]);
        }
        free((*p)->mentions);
        free(*p);
        *p = NULL;
    }
}

static void reset(struct bounce_parser *p)
{
    arena_reset(&p->arena);
    memset(p->header, 0, sizeof p->header);
    p->subject = p->notice = p->copy = (struct slice){0};
    p->mentions_known = p->transcript_known = false;
    p->delayed = false;
    p->sure = 0;
    p->mail = (struct bounce_mail){.format = "", .rcpt = p->rcpt};
}

struct slice parse_keep(struct bounce_parser *p, struct slice s)
{
    struct slice kept = {0};
    s = slice_sub(s, 0, BOUNCE_TEXT_MAX);
    return s.len > 0 && arena_dup(&p->arena, s, &kept) ? kept : (struct slice){0};
}

struct bounce_recipient *parse_add(struct bounce_parser *p, struct slice address)
{
    if (p->mail.rcpt_n >= BOUNCE_RCPTS_MAX) {
        p->mail.more++;
        return NULL;
    }
    struct bounce_recipient *r = &p->rcpt[p->mail.rcpt_n++];
    *r = (struct bounce_recipient){.address = address};
    return r;
}

struct bounce_recipient *parse_find(struct bounce_parser *p, struct slice address)
{
    for (unsigned i = 0; i < p->mail.rcpt_n; i++) {
        if (slice_ieq(p->rcpt[i].address, address)) {
            return &p->rcpt[i];
        }
    }
    return NULL;
}

/* --- parts --- */

static bool is_machine_part(const struct mime_part *part)
{
    return mime_is(part, "message/delivery-status") ||
           mime_is(part, "message/global-delivery-status");
}

/* Decoded and in UTF-8; a copy in the arena where it is not the message itself. */
static struct slice part_text(struct bounce_parser *p, const struct mime_part *part)
{
    struct buf store, plain;
    struct slice text;
    buf_init(&store, NOTICE_MAX * 4);
    buf_init(&plain, NOTICE_MAX * 4);
    struct mime_part cut = *part;
    cut.body = slice_sub(part->body, 0, NOTICE_MAX * 2);
    IGNORE(mime_text(&cut, &p->convert, &store, &text)); /* what came out counts */
    if (mime_is(part, "text/html")) {
        (void)mime_html_text(text, &plain);
        text = buf_slice(&plain);
    }
    struct slice kept = text;
    if (text.ptr != part->body.ptr && !arena_dup(&p->arena, text, &kept)) {
        kept = (struct slice){0};
    }
    buf_clear(&store);
    buf_clear(&plain);
    return kept;
}

/* Nothing in it, or octets that are no text whatever the header says. */
static bool is_no_text(struct slice s)
{
    s = slice_strip(slice_sub(s, 0, 1024));
    size_t odd = 0;
    static const uint32_t text =
        1U << '\n' | 1U << '\r' | 1U << '\t' | 1U << '\f' | 1U << 0x1b;
    for (size_t i = 0; i < s.len; i++) {
        odd += s.ptr[i] < 0x20 && (text >> s.ptr[i] & 1) == 0;
    }
    return s.len == 0 || odd > s.len / 32;
}

static bool is_attachment(const struct bounce_parser *p, const struct mime_part *part)
{
    struct slice value = p->header[HEADER_DISPOSITION]; /* the message's own was read */
    return (part == &p->mime.part[0] ||
            mime_field_find(part->header, "Content-Disposition", &value)) &&
           slice_istarts(value, SLICE("attachment"));
}

/* Parts of an attached message are not the report's. */
static bool is_inner(const struct mime_message *m, unsigned i)
{
    while (i != 0) {
        i = m->part[i].parent;
        if (mime_is(&m->part[i], "message/*") && i != 0) {
            return true;
        }
    }
    return false;
}

/* The notice: the first text that says anything, plain before HTML. */
static void read_notice(struct bounce_parser *p)
{
    const struct mime_message *m = &p->mime;
    struct slice text = {0}, html = {0};
    for (unsigned i = 0; i < m->n && text.len == 0; i++) {
        const struct mime_part *part = &m->part[i];
        if (part->has_parts || is_inner(m, i)) {
            continue;
        }
        if (mime_is(part, "text/html")) {
            html = html.len == 0 ? part_text(p, part) : html;
        } else if ((mime_is(part, "text/plain") || mime_is(part, "text") ||
                    mime_is(part, "multipart/*")) &&
                   !is_attachment(p, part)) {
            text = part_text(p, part);
            text = is_no_text(text) ? (struct slice){0} : text;
        }
    }
    p->notice = text.len > 0 ? text : html;
}

/* The start of a part, its transfer encoding undone. */
static struct slice part_octets(struct bounce_parser *p, const struct mime_part *part)
{
    if (part->encoding == MIME_IDENTITY) {
        return part->body;
    }
    struct buf plain;
    struct mime_part cut = *part;
    struct slice kept = {0};
    cut.body = slice_sub(part->body, 0, COPY_MAX);
    buf_init(&plain, COPY_MAX);
    (void)mime_decode(&cut, &plain);
    if (!arena_dup(&p->arena, buf_slice(&plain), &kept)) {
        kept = (struct slice){0};
    }
    buf_clear(&plain);
    return kept;
}

/* The header section of the original: a part of its own, or behind the notice. */
static struct slice find_copy(struct bounce_parser *p, struct slice behind)
{
    const struct mime_message *m = &p->mime;
    for (unsigned i = 1; i < m->n; i++) {
        const struct mime_part *part = &m->part[i];
        if (part->is_message) {
            return part->header;
        }
        if (mime_is(part, "text/rfc822-headers") || mime_is(part, "message/rfc822*") ||
            mime_is(part, "message/global-headers") || mime_is(part, "message/partial")) {
            return part_octets(p, part);
        }
    }
    struct slice header, body, line, start = behind;
    for (int i = 0; i < 8 && slice_line(&behind, &line); i++) {
        mime_split(start, &header, &body);
        if (header.len > 0 && slice_find(slice_sub(header, 0, 64), ':') < 64) {
            return header;
        }
        start = behind;
    }
    for (unsigned i = 1; i < m->n; i++) { /* headers in a text part of their own */
        mime_split(m->part[i].body, &header, &body);
        if (mime_is(&m->part[i], "text/plain") &&
            slice_istarts(header, SLICE("Received:"))) {
            return header;
        }
    }
    return (struct slice){0};
}

static void read_original(struct bounce_parser *p)
{
    struct bounce_mail *m = &p->mail;
    struct mime_field f;
    struct slice copy = p->copy, other;
    while (m->message_id.len == 0 || m->sender.len == 0 || m->subject.len == 0) {
        if (copy.len > 0 && strchr("MmFfSs", copy.ptr[0]) == NULL) {
            IGNORE(slice_line(&copy, &other)); /* none of the three */
            continue;
        }
        if (!mime_field_next(&copy, &f)) {
            break;
        }
        if (slice_ieq(f.name, SLICE("Message-ID")) && m->message_id.len == 0) {
            struct slice id = f.value;
            bool bracketed = id.len > 1 && id.ptr[0] == '<';
            m->message_id = bracketed ? slice_sub(id, 1, slice_find(id, '>') - 1) : id;
        } else if (slice_ieq(f.name, SLICE("From")) && m->sender.len == 0) {
            m->sender = header_address(f.value);
        } else if (slice_ieq(f.name, SLICE("Subject")) && m->subject.len == 0) {
            struct buf line;
            buf_init(&line, BOUNCE_TEXT_MAX);
            (void)mime_words(slice_sub(f.value, 0, 1024), &p->convert, &line);
            m->subject = parse_keep(p, buf_slice(&line));
            buf_clear(&line);
        }
    }
}

/* --- whom it is about, where only headers tell --- */

static unsigned add_addresses(struct bounce_parser *p, struct slice value)
{
    struct address_found f;
    unsigned n = 0;
    for (size_t at = 0; address_find(value, at, &f); at = f.end) {
        if (parse_find(p, f.address) == NULL && parse_add(p, f.address) != NULL) {
            n++;
        }
    }
    return n;
}

/* The original's only addressee; of several nobody knows which. */
static unsigned add_addressee(struct bounce_parser *p)
{
    static const char *const names[] = {"X-HmXmrOriginalRecipient", "X-Original-Rcpt-To",
                                        "X-Actual-Recipient", "To"};
    struct slice value;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct address_found f;
        if (mime_field_find(p->copy, names[i], &value) && address_find(value, 0, &f)) {
            struct address_found second;
            bool more = address_find(value, f.end, &second);
            return more ? 0 : add_addresses(p, value);
        }
    }
    return 0;
}

/* What is said of the whole report goes to those about whom nothing is said. */
static void fill_from_notice(struct bounce_parser *p)
{
    for (unsigned i = 0; i < p->mail.rcpt_n; i++) {
        if (p->rcpt[i].code == 0 && p->rcpt[i].reply.len == 0) {
            text_fill(p, p->notice, &p->rcpt[i]);
        }
    }
}

/* --- formats --- */

/* Asked in this order; the first that takes the message names its format. */
struct format {
    const char *name;
    bool (*take)(struct bounce_parser *p);
};

static bool take_feedback(struct bounce_parser *p)
{
    const struct mime_message *m = &p->mime;
    const struct mime_part *report = NULL, *original = NULL;
    for (unsigned i = 1; i < m->n; i++) {
        if (mime_is(&m->part[i], "message/feedback-report") && !is_inner(m, i)) {
            report = &m->part[i];
        } else if (m->part[i].is_message && original == NULL) {
            original = &m->part[i];
        }
    }
    struct slice value;
    bool hotmail = original != NULL &&
                   mime_field_find(original->header, "X-HmXmrOriginalRecipient", &value);
    if (report == NULL && !hotmail) {
        return false;
    }
    p->mail.kind = BOUNCE_MAIL_FEEDBACK;
    p->mail.feedback_type = SLICE("abuse");
    if (report != NULL) {
        fields_feedback(p, part_text(p, report));
    }
    if (p->mail.rcpt_n == 0 && add_addressee(p) == 0) {
        IGNORE(parse_add(p, (struct slice){0})); /* the first always has room */
    }
    return true;
}

static bool take_receipt(struct bounce_parser *p)
{
    struct slice value, address;
    for (unsigned i = 1; i < p->mime.n; i++) {
        const struct mime_part *part = &p->mime.part[i];
        if (!mime_is(part, "message/disposition-notification") || is_inner(&p->mime, i)) {
            continue;
        }
        struct slice text = part_text(p, part);
        p->mail.kind = BOUNCE_MAIL_AUTO_REPLY;
        address = header_address(mime_field_find(text, "Final-Recipient", &value)
                                     ? value
                                     : p->header[HEADER_FROM]);
        return parse_add(p, address) != NULL;
    }
    return false;
}

/* "Final-Recipient:" and the like, blind to the letter case of the part that varies. */
static bool has_status_fields(struct slice s)
{
    for (size_t at = 0; at < s.len; at++) {
        at += slice_find(slice_from(s, at), ':');
        if (at >= 10 && at < s.len && s.ptr[at - 10] == '-' &&
            slice_ieq(slice_sub(s, at - 9, 9), SLICE("recipient"))) {
            return true;
        }
    }
    return false;
}

/* Status groups in a part that says it is something else: its first line is one of theirs. */
static bool is_unnamed_machine_part(struct bounce_parser *p, const struct mime_part *part,
                                    struct slice *text)
{
    static const char *const starts[] = {
        "reporting-mta:", "final-recipient:",      "original-recipient:",
        "arrival-date:",  "original-envelope-id:", NULL};
    if (part->has_parts || part->is_message ||
        !(mime_is(part, "text/plain") || mime_is(part, "application/octet-stream") ||
          mime_is(part, "message/*"))) {
        return false;
    }
    if (part->encoding != MIME_BASE64 && !text_starts(slice_strip(part->body), starts)) {
        return false; /* most are not; quoted-printable has these words as they are */
    }
    *text = slice_strip(part_text(p, part));
    return text_starts(*text, starts) && has_status_fields(*text);
}

static bool take_dsn(struct bounce_parser *p)
{
    unsigned n = 0;
    struct slice text;
    bool seen = false;
    for (unsigned i = 1; i < p->mime.n; i++) {
        const struct mime_part *part = &p->mime.part[i];
        if (is_machine_part(part) && !is_inner(&p->mime, i)) {
            seen = true;
            n += fields_extract(p, part_text(p, part));
        }
    }
    for (unsigned i = 1; i < p->mime.n && !seen; i++) {
        if (!is_inner(&p->mime, i) &&
            is_unnamed_machine_part(p, &p->mime.part[i], &text)) {
            seen = true;
            n += fields_extract(p, text);
        }
    }
    p->sure += seen ? DSN_SURE : 0;
    for (unsigned i = 0; i < p->mail.rcpt_n; i++) {
        text_complete(p, p->notice, &p->rcpt[i]);
    }
    return n > 0;
}

static bool take_json(struct bounce_parser *p)
{
    return json_extract(p, p->notice);
}

/* The same fields in a text, because nobody told what it is. */
static bool take_fields(struct bounce_parser *p)
{
    struct slice text = p->notice, raw = p->mime.part[0].body;
    if (!p->has_fields || p->sure == 0) {
        return false;
    }
    size_t cut = text_cut(text, false);
    unsigned n = fields_extract(p, slice_sub(text, 0, cut));
    if (n == 0 && raw.ptr != text.ptr) {
        n = fields_extract(p, slice_sub(raw, 0, NOTICE_MAX));
    }
    for (unsigned i = 0; i < p->mail.rcpt_n; i++) {
        text_complete(p, slice_sub(text, 0, slice_isearch(text, SLICE("Reporting-MTA:"))),
                      &p->rcpt[i]);
    }
    p->sure += n > 0 ? DSN_SURE : 0;
    return n > 0;
}

static bool take_automatic(struct bounce_parser *p)
{
    if (!header_is_automatic(p) || p->sure >= REPORT_SURE) {
        return false;
    }
    p->mail.kind = BOUNCE_MAIL_AUTO_REPLY;
    struct bounce_recipient *r = parse_add(p, header_address(p->header[HEADER_FROM]));
    if (r != NULL) {
        r->reply = parse_keep(p, slice_strip(p->notice));
    }
    return true;
}

/* Exim and Gmail name in the header who failed; the notice says why. */
static bool take_failed_header(struct bounce_parser *p)
{
    struct slice failed = p->header[HEADER_FAILED_RECIPIENTS];
    if (failed.len == 0 || add_addresses(p, failed) == 0) {
        return false;
    }
    for (unsigned i = 0; i < p->mail.rcpt_n; i++) {
        text_complete(p, p->notice, &p->rcpt[i]);
    }
    fill_from_notice(p);
    return true;
}

static bool take_list(struct bounce_parser *p)
{
    if (p->sure == 0) {
        return false;
    }
    unsigned n = text_extract(p, p->notice);
    /* Without a daemon's name it must look like a refusal, not only mention an address. */
    if (p->sure < REPORT_SURE) {
        for (unsigned i = 0; i < p->mail.rcpt_n; i++) {
            if (p->rcpt[i].code == 0 && p->rcpt[i].status.klass == 0 &&
                !header_null_path(p) && p->mail.rcpt_n > 4) {
                p->mail.rcpt_n = 0;
            }
        }
        n = p->mail.rcpt_n;
    }
    return n > 0;
}

static bool take_original(struct bounce_parser *p)
{
    if (p->sure < REPORT_SURE) {
        return false;
    }
    /* A report about somebody, even if it does not say whom: but not on a daemon's name alone. */
    if (add_addressee(p) == 0 && p->sure > REPORT_SURE) {
        bool oneself = text_may_mean(p, p->notice, p->self);
        IGNORE(parse_add(p, oneself ? p->self : (struct slice){0}));
    }
    fill_from_notice(p);
    return p->mail.rcpt_n > 0;
}

/* Those that their structure tells, whoever sent them. */
static const struct format sure_ones[] = {
    {"feedback", take_feedback},
    {"receipt", take_receipt},
    {"dsn", take_dsn},
    {"json", take_json},
};
static const struct format told_ones[] = {
    {"dsn-text", take_fields},
    {"auto-reply", take_automatic},
    {"failed-recipients", take_failed_header},
    {"list", take_list},
};
static const struct format after_inner[] = {{"original", take_original}};

/* Whose report it is, for people; the extractors do not ask. */
/* clang-format off */
static const char *const maker_words[] = {
    "This is the qmail-send program", "created automatically by mail delivery software",
    "This is the Postfix program", "This is the mail system at host",
    "Transcript of session follows", "This is the DragonFly Mail Agent",
    "This is the MAILER-DAEMON, please DO NOT REPLY",
    "Technical details of permanent failure", "Technical details of temporary failure",
    "** Message not delivered **", "groups.google.com/",
    "Diagnostic information for administrators",
    "did not reach the following recipient",
    "did not reach some or all of the intended recipients", "was not delivered to:",
    "Sorry, we were unable to deliver your message",
    "Unable to deliver message to the following",
    "This is a delivery status notification from", "Technical report:",
    "This report relates to a message you sent", "was rejected by a remote",
    "ERROR_CODE :", NULL};
static const char *const maker_names[] = {
    "qmail",         "exim",          "postfix",  "postfix",  "sendmail",
    "dragonfly",     "opensmtpd",     "gmail",    "gmail",    "gmail",
    "google-groups", "microsoft-365", "exchange", "exchange", "domino",
    "yahoo",         "yahoo",         "courier",  "workmail", "messaging-server",
    "ezweb",         "zoho"};
/* clang-format on */
_Static_assert(sizeof maker_words / sizeof maker_words[0] ==
                   sizeof maker_names / sizeof maker_names[0] + 1,
               "one name for each saying");

static const char *maker_of(struct bounce_parser *p, struct slice notice)
{
    unsigned which = text_which(p, slice_sub(notice, 0, 1024), maker_words);
    return which == 0 ? NULL : maker_names[which - 1];
}

/* --- a message --- */

static bool try_formats(struct bounce_parser *p, const struct format *f, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        p->mail.rcpt_n = 0;
        if (f[i].take(p)) {
            const char *maker =
                p->mail.kind == BOUNCE_MAIL_NONE ? maker_of(p, p->notice) : NULL;
            p->mail.format = maker != NULL ? maker : f[i].name;
            return true;
        }
    }
    p->mail.rcpt_n = 0;
    return false;
}

/* One level; `behind` is what follows the notice in its part. */
static void read_level(struct bounce_parser *p, struct slice message,
                       struct slice *behind)
{
    /* A service's JSON without a mail around it: its first line looks like a field. */
    struct slice start = slice_strip(slice_sub(message, 0, 64));
    bool bare = start.len > 0 && (start.ptr[0] == '{' || start.ptr[0] == '[');
    reset(p);
    mime_read(bare ? slice_sub(message, 0, 0) : message, &p->mime);
    header_read(p, p->mime.part[0].header);
    if (bare) {
        p->notice = message;
    } else {
        read_notice(p);
    }
    struct slice whole = p->notice;
    size_t cut = text_cut(whole, p->sure >= REPORT_SURE);
    *behind = slice_from(whole, cut);
    p->copy = find_copy(p, *behind);
    p->has_fields = has_status_fields(whole);
    p->notice = p->has_fields ? whole : slice_sub(whole, 0, cut);
    header_weigh_notice(p);
    p->whole = whole;
}

static bool take_sure(struct bounce_parser *p)
{
    return try_formats(p, sure_ones, sizeof sure_ones / sizeof sure_ones[0]);
}

static bool take_told(struct bounce_parser *p)
{
    return try_formats(p, told_ones, sizeof told_ones / sizeof told_ones[0]);
}

/* "This is the mail system at host mx.example.", where no field says it. */
static void read_reporting_host(struct bounce_parser *p)
{
    static const char *const words[] = {"mail system at ", "mail system at host ",
                                        "program at ",     "program at host ",
                                        "agent at ",       NULL}; /* of two the last */
    struct slice start = slice_sub(p->notice, 0, 512);
    unsigned which = p->mail.reporting_host.len > 0 ? 0 : text_which(p, start, words);
    if (which != 0) {
        struct slice word = slice_of(words[which - 1]);
        start = slice_from(start, slice_isearch(start, word) + word.len);
        p->mail.reporting_host = bounce_host_token(start);
    }
}

static bool is_report(enum bounce_mail_kind kind)
{
    return kind != BOUNCE_MAIL_NONE && kind != BOUNCE_MAIL_AUTO_REPLY;
}

/* The copy below the notice is a mail system's own message: a list manager's bounce probe. */
static bool copy_is_report(struct bounce_parser *p)
{
    struct slice value;
    return (mime_field_find(p->copy, "Return-Path", &value) &&
            slice_eq(value, SLICE("<>"))) ||
           (mime_field_find(p->copy, "From", &value) && header_names_daemon(p, value));
}

/* What somebody passed on: attached, in his text, or below it. */
static struct slice passed_inner(struct bounce_parser *p, struct slice message,
                                 struct slice behind, struct buf *store)
{
    bool original = p->sure >= REPORT_SURE && p->copy.len > 0 && !passed_subject(p) &&
                    !copy_is_report(p); /* a report of a system that nobody knows */
    struct slice inner =
        original ? (struct slice){0} : parse_inner(p, message, (struct slice){0}, store);
    if (inner.len == 0) {
        inner = passed_text(p, p->whole, store);
    }
    return inner.len == 0 && copy_is_report(p) ? parse_inner(p, message, behind, store)
                                               : inner;
}

/* Level by level inwards, until one is a report; then outwards again, for what is a report about
 * somebody it does not name. An automatic answer within another message is just a letter. */
static bool parse_message(struct bounce_parser *p, struct slice message)
{
    struct slice level[BOUNCE_LEVELS_MAX], behind;
    unsigned n = 0;
    level[0] = message;
    for (;;) {
        read_level(p, level[n], &behind);
        bool more = n + 1 < BOUNCE_LEVELS_MAX, taken = take_sure(p);
        struct slice inner = {0};
        if (!taken && more && passed_on(p)) {
            inner = passed_inner(p, level[n], behind, &p->inner[n]);
        }
        taken = taken || (inner.len == 0 && take_told(p));
        if (taken && (n == 0 || p->mail.kind != BOUNCE_MAIL_AUTO_REPLY)) {
            return true;
        }
        if (!taken && more && inner.len == 0) {
            inner = parse_inner(p, level[n], behind, &p->inner[n]);
        }
        if (taken || inner.len == 0) {
            break;
        }
        level[++n] = inner;
    }
    bool letter = p->mail.kind == BOUNCE_MAIL_AUTO_REPLY;
    for (;;) {
        if (!letter && try_formats(p, after_inner, 1)) {
            return true;
        }
        if (n == 0) {
            return false;
        }
        letter = false;
        read_level(p, level[--n], &behind);
        if (take_sure(p) || take_told(p)) {
            return true;
        }
    }
}

const struct bounce_mail *bounce_parse(struct bounce_parser *p, struct slice message)
{
    if (parse_message(p, message)) {
        text_complete_alone(p);
        parse_settle(p);
        read_reporting_host(p);
    }
    read_original(p);
    if (!is_report(p->mail.kind) && p->mail.kind != BOUNCE_MAIL_AUTO_REPLY) {
        p->mail.format = "";
    }
    return &p->mail;
}

void bounce_parse_reply(struct bounce_parser *p, struct slice text,
                        const struct bounce_context *context,
                        struct bounce_recipient *out)
{
    struct bounce_context known = context != NULL ? *context : (struct bounce_context){0};
    struct bounce_found found = {0};
    reset(p);
    *out = (struct bounce_recipient){
        .reply = slice_strip(slice_sub(text, 0, BOUNCE_TEXT_MAX))};
    if (bounce_find_reply(out->reply, &found)) {
        out->code = found.code;
        out->status = found.status;
    }
    if (known.stage == BOUNCE_STAGE_UNKNOWN && known.command.len == 0) {
        known.stage = bounce_find_stage(out->reply);
    }
    out->stage = known.stage;
    out->remote_host = known.mx_host.len > 0
                           ? known.mx_host
                           : bounce_find_host(slice_sub(out->reply, 0, found.off));
    known.mx_host = out->remote_host;
    struct bounce_reply reply = {out->code, out->status, out->reply};
    bounce_classify(p->classifier, &reply, &known, &out->verdict);
    out->delivery = out->verdict.kind == BOUNCE_NO_FAILURE ? BOUNCE_DELIVERY_UNKNOWN
                    : out->code / 100 == 4                 ? BOUNCE_DELAYED
                                                           : BOUNCE_FAILED;
}

bool bounce_parse_bare(struct bounce_parser *p, struct slice line,
                       struct bounce_recipient *out)
{
    struct bounce_status status;
    size_t used;
    line = slice_strip(line);
    bool code =
        line.len >= 3 && line.ptr[0] >= '2' && line.ptr[0] <= '5' &&
        ascii_is_digit(line.ptr[1]) && ascii_is_digit(line.ptr[2]) &&
        (line.len == 3 || line.ptr[3] == ' ' || line.ptr[3] == '-' || line.ptr[3] == ':');
    if (!code && !bounce_status_parse(line, &status, &used)) {
        return false;
    }
    bounce_parse_reply(p, line, NULL, out);
    return true;
}
