/* bounce/parse_fields.c - delivery-status groups and feedback reports; see parse_impl.h
 *
 * RFC 3464 2.1: per-message fields, then one group per recipient, blank lines between. What
 * comes back is often less neat: groups without blank lines, continuation lines that are not
 * folded, recipients after their status, the whole of it inside a text part. So fields are
 * read line by line, and a group ends where a blank line or a field that it already has
 * begins the next one. */
#include "bounce/address_find.h"
#include "bounce/parse_impl.h"
#include "bounce/reply_find.h"

#include <string.h>

enum status_field {
    FIELD_FINAL = 0,
    FIELD_ORIGINAL,
    FIELD_ACTION,
    FIELD_STATUS,
    FIELD_DIAGNOSTIC,
    FIELD_REMOTE,
    FIELD_ACTUAL,
    FIELD_RCPT_N, /* those above are a recipient's, those below the message's */
    FIELD_REPORTING = FIELD_RCPT_N,
    FIELD_ARRIVAL,
    FIELD_ENVELOPE,
    FIELD_N,
};

static const char *const field_names[FIELD_N] = {
    [FIELD_FINAL] = "Final-Recipient",
    [FIELD_ORIGINAL] = "Original-Recipient",
    [FIELD_ACTION] = "Action",
    [FIELD_STATUS] = "Status",
    [FIELD_DIAGNOSTIC] = "Diagnostic-Code",
    [FIELD_REMOTE] = "Remote-MTA",
    [FIELD_ACTUAL] = "X-Actual-Recipient",
    [FIELD_REPORTING] = "Reporting-MTA",
    [FIELD_ARRIVAL] = "Arrival-Date",
    [FIELD_ENVELOPE] = "Original-Envelope-Id",
};

static const struct {
    const char *name;
    enum bounce_delivery delivery;
} actions[] = {{"fail", BOUNCE_FAILED},         {"delayed", BOUNCE_DELAYED},
               {"delivered", BOUNCE_DELIVERED}, {"relayed", BOUNCE_RELAYED},
               {"expanded", BOUNCE_EXPANDED},   {"deferred", BOUNCE_DELAYED},
               {"bounced", BOUNCE_FAILED},      {"undeliverable", BOUNCE_FAILED}};

static enum bounce_delivery action_of(struct slice value)
{
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (slice_istarts(value, slice_of(actions[i].name))) {
            return actions[i].delivery;
        }
    }
    return BOUNCE_DELIVERY_UNKNOWN;
}

/* Behind "rfc822;", "dns;", "smtp;" and the like, where there is such a type. */
static struct slice untyped(struct slice value)
{
    size_t i = 0;
    while (i < value.len && i < 24 &&
           (ascii_is_alpha(value.ptr[i]) || ascii_is_digit(value.ptr[i]) ||
            value.ptr[i] == '-' || value.ptr[i] == ' ')) {
        i++;
    }
    return slice_strip(i < value.len && value.ptr[i] == ';' ? slice_from(value, i + 1)
                                                            : value);
}

/* RFC 6533 3: "\x{30C6}" in a utf-8 address of an ASCII report. */
static struct slice unescaped(struct bounce_parser *p, struct slice s)
{
    if (slice_search(s, SLICE("\\x{")) == s.len) {
        return s;
    }
    struct buf html, out; /* the same as "&#x30C6;" */
    buf_init(&html, s.len * 2 + 16);
    buf_init(&out, s.len * 2 + 16);
    for (size_t i = 0; i < s.len; i++) {
        if (slice_starts(slice_from(s, i), SLICE("\\x{"))) {
            (void)buf_add_str(&html, "&#x");
            i += 2;
        } else {
            (void)buf_add_byte(&html, s.ptr[i] == '}' ? ';' : s.ptr[i]);
        }
    }
    (void)mime_html_text(buf_slice(&html), &out);
    struct slice kept = parse_keep(p, buf_slice(&out));
    buf_clear(&html);
    buf_clear(&out);
    return kept;
}

/* Can this be the address as it stands? */
static bool is_plain(struct slice s, struct slice *out)
{
    return address_bare(s, out) && out->len == slice_strip(s).len &&
           slice_find(slice_from(*out, slice_rfind(*out, '@')), '.') < out->len;
}

/* The address that a person would know: the final one, unless it is a pipe, a route or a name
 * inside a house and the original is none of these. */
static struct slice pick_address(struct bounce_parser *p, const struct slice *field)
{
    static const enum status_field order[] = {FIELD_FINAL, FIELD_ORIGINAL, FIELD_ACTUAL};
    struct slice s, address;
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        s = unescaped(p, untyped(field[order[i]]));
        if (s.len > 1 && s.ptr[0] == '<' && s.ptr[s.len - 1] == '>') {
            s = slice_strip(slice_sub(s, 1, s.len - 2));
        }
        if (is_plain(s, &address)) {
            return address;
        }
    }
    struct address_found found;
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        s = unescaped(p, untyped(field[order[i]]));
        if (address_find(s, 0, &found)) {
            return found.address;
        }
    }
    s = untyped(field[FIELD_FINAL]);
    return slice_sub(s, 0, slice_find(s, ' '));
}

static void set_diagnostic(struct bounce_parser *p, struct slice value,
                           struct bounce_recipient *r)
{
    struct buf line;
    struct bounce_found found;
    bool unix_exit = slice_istarts(value, SLICE("x-unix"));
    buf_init(&line, BOUNCE_TEXT_MAX);
    (void)mime_unfold(slice_sub(untyped(value), 0, BOUNCE_TEXT_MAX - 1), &line);
    struct slice said = buf_slice(&line);
    r->stage = bounce_find_stage(said);
    if (!unix_exit && bounce_find_reply(said, &found)) {
        r->code = found.code;
        r->status = found.status.klass != 0 ? found.status : r->status;
        if (r->remote_host.len == 0) {
            r->remote_host =
                parse_keep(p, bounce_find_host(slice_sub(said, 0, found.off)));
        }
        said = found.code != 0 ? slice_from(said, found.off) : said;
    }
    r->reply = unix_exit ? r->reply : parse_keep(p, said);
    buf_clear(&line);
}

/* "mx.example.net (192.0.2.1)" -> the host. */
static struct slice host_of(struct slice value)
{
    value = untyped(value);
    size_t end = 0;
    while (end < value.len && strchr(" \t\r\n(|", value.ptr[end]) == NULL) {
        end++;
    }
    return slice_sub(value, 0, end);
}

static bool end_group(struct bounce_parser *p, struct slice *field)
{
    bool named = field[FIELD_FINAL].len > 0 || field[FIELD_ORIGINAL].len > 0;
    struct bounce_recipient *r = NULL;
    if (named) {
        r = parse_add(p, pick_address(p, field));
    }
    if (r != NULL) {
        size_t used = 0;
        struct slice original;
        r->delivery = action_of(untyped(field[FIELD_ACTION]));
        if (!bounce_status_parse(field[FIELD_STATUS], &r->status, &used)) {
            r->status = (struct bounce_status){0};
        }
        if (address_bare(untyped(field[FIELD_ORIGINAL]), &original)) {
            r->original = original;
        }
        r->remote_host = host_of(field[FIELD_REMOTE]);
        if (field[FIELD_DIAGNOSTIC].len > 0) {
            set_diagnostic(p, field[FIELD_DIAGNOSTIC], r);
        }
        /* "Status: 5.0.0 (cat.example.net: host name lookup failure)" */
        struct slice comment = slice_strip(slice_from(field[FIELD_STATUS], used));
        if (r->reply.len == 0 && comment.len > 2 && comment.ptr[0] == '(') {
            r->reply = slice_sub(comment, 1, slice_rfind(comment, ')') - 1);
        }
    }
    memset(field, 0, FIELD_RCPT_N * sizeof field[0]);
    return r != NULL;
}

/* Which field begins at this line, FIELD_N for none of ours; *value is the rest of the line.
 * `other`: it is a field, but another one. */
static enum status_field field_of(struct slice line, struct slice *value, bool *other)
{
    size_t colon = slice_find(slice_sub(line, 0, 64), ':');
    struct slice name = slice_trim(slice_sub(line, 0, colon));
    *other = false;
    if (colon >= 64 || colon >= line.len || name.len == 0) {
        return FIELD_N;
    }
    *value = slice_trim(slice_from(line, colon + 1));
    for (unsigned i = 0; i < FIELD_N; i++) {
        if (ascii_lower(name.ptr[0]) == ascii_lower((unsigned char)field_names[i][0]) &&
            slice_ieq(name, slice_of(field_names[i]))) {
            return (enum status_field)i;
        }
    }
    size_t blank = slice_find(name, ' ');
    *other = blank == name.len && !ascii_is_digit(name.ptr[0]) &&
             slice_find(name, '.') == name.len;
    return FIELD_N;
}

static void set_message_fields(struct bounce_parser *p, const struct slice *field)
{
    struct bounce_mail *m = &p->mail;
    if (m->reporting_host.len == 0) {
        m->reporting_host = host_of(field[FIELD_REPORTING]);
    }
    if (m->arrival.len == 0) {
        m->arrival = field[FIELD_ARRIVAL];
    }
    if (m->envelope_id.len == 0) {
        m->envelope_id = slice_strip(field[FIELD_ENVELOPE]);
    }
}

/* The report was cut off within the address: the last octets are half of it. */
static bool is_torn(const struct slice *field, const struct slice *end)
{
    bool alone = field[FIELD_ACTION].len == 0 && field[FIELD_STATUS].len == 0 &&
                 field[FIELD_DIAGNOSTIC].len == 0;
    for (unsigned i = 0; alone && i < FIELD_RCPT_N; i++) {
        if (field[i].len > 0 && field[i].ptr + field[i].len == end->ptr) {
            return true;
        }
    }
    return false;
}

unsigned fields_extract(struct bounce_parser *p, struct slice text)
{
    struct slice field[FIELD_N] = {{0}}, line, value;
    struct slice *last = NULL;
    unsigned n = 0;
    while (slice_line(&text, &line)) {
        bool folded = line.len > 0 && (line.ptr[0] == ' ' || line.ptr[0] == '\t'), other;
        if (slice_strip(line).len == 0) {
            n += end_group(p, field);
            last = NULL;
            continue;
        }
        enum status_field f = field_of(line, &value, &other);
        if (f == FIELD_N) { /* the rest of a value, folded or not */
            if (last != NULL && (folded || !other)) {
                last->len = (size_t)(line.ptr + line.len - last->ptr);
            } else {
                last = NULL;
            }
            continue;
        }
        if (f < FIELD_RCPT_N && field[f].len > 0 && f != FIELD_DIAGNOSTIC) {
            n += end_group(p, field);
        }
        if (field[f].len == 0) { /* of two diagnostics the first */
            field[f] = value;
            last = &field[f];
        } else {
            last = NULL;
        }
    }
    if (!is_torn(field, &text)) {
        n += end_group(p, field);
    }
    set_message_fields(p, field);
    return n;
}

void fields_feedback(struct bounce_parser *p, struct slice text)
{
    struct slice value;
    if (mime_field_find(text, "Feedback-Type", &value)) {
        p->mail.feedback_type = value;
    }
    if (mime_field_find(text, "Arrival-Date", &value) ||
        mime_field_find(text, "Received-Date", &value)) {
        p->mail.arrival = value;
    }
    if (mime_field_find(text, "Original-Envelope-Id", &value)) {
        p->mail.envelope_id = value;
    }
    if (mime_field_find(text, "Reporting-MTA", &value)) {
        p->mail.reporting_host = host_of(value);
    }
    struct mime_field f;
    while (mime_field_next(&text, &f)) {
        struct slice address;
        if ((slice_ieq(f.name, SLICE("Original-Rcpt-To")) ||
             slice_ieq(f.name, SLICE("Removal-Recipient"))) &&
            address_bare(f.value, &address) && parse_find(p, address) == NULL) {
            IGNORE(parse_add(p, address)); /* no room: counted */
        }
    }
}
