/* bounce/parse_json.c - notifications of sending services; see parse_impl.h
 *
 * RFC 8259 read leniently and in one pass, without a tree: each object collects the members
 * that say something about a recipient, and tells when it ends. SES (bare or as the "Message"
 * of an SNS notification) nests an array of recipients; SendGrid, Mailgun, Postmark, Mandrill,
 * SparkPost, Brevo and their like send events with one recipient each. All come out by the names
 * of the members; what an inner object says without naming anybody is the outer one's. */
#include "bounce/parse_impl.h"
#include "bounce/reply_find.h"

#include <string.h>

enum { JSON_DEPTH_MAX = 24, JSON_KEY_MAX = 40 };

enum member {
    MEMBER_ADDRESS = 0,
    MEMBER_STATUS,
    MEMBER_CODE,
    MEMBER_REPLY,
    MEMBER_EVENT,
    MEMBER_N,
};

static const struct {
    const char *key;
    enum member member;
} members[] = {
    {"emailAddress", MEMBER_ADDRESS},
    {"email", MEMBER_ADDRESS},
    {"recipient", MEMBER_ADDRESS},
    {"rcpt_to", MEMBER_ADDRESS},
    {"Email", MEMBER_ADDRESS},
    {"status", MEMBER_STATUS},
    {"code", MEMBER_CODE},
    {"error_code", MEMBER_CODE},
    {"smtp_code", MEMBER_CODE},
    {"diagnosticCode", MEMBER_REPLY},
    {"smtpResponse", MEMBER_REPLY},
    {"reason", MEMBER_REPLY},
    {"response", MEMBER_REPLY},
    {"raw_reason", MEMBER_REPLY},
    {"Details", MEMBER_REPLY},
    {"Description", MEMBER_REPLY},
    {"diag", MEMBER_REPLY},
    {"bounce_description", MEMBER_REPLY},
    {"message", MEMBER_REPLY},
    {"description", MEMBER_REPLY},
    {"error", MEMBER_REPLY},
    {"comment", MEMBER_REPLY},
    {"action", MEMBER_EVENT},
    {"event", MEMBER_EVENT},
    {"notificationType", MEMBER_EVENT},
    {"eventType", MEMBER_EVENT},
    {"type", MEMBER_EVENT},
    {"RecordType", MEMBER_EVENT},
};

/* How the value of an event begins. */
static const struct {
    const char *word;
    enum bounce_mail_kind kind;
    enum bounce_delivery delivery;
} events[] = {
    {"bounce", BOUNCE_MAIL_FAILED, BOUNCE_FAILED},
    {"hard_bounce", BOUNCE_MAIL_FAILED, BOUNCE_FAILED},
    {"hard-bounce", BOUNCE_MAIL_FAILED, BOUNCE_FAILED},
    {"hardbounce", BOUNCE_MAIL_FAILED, BOUNCE_FAILED},
    {"soft_bounce", BOUNCE_MAIL_FAILED, BOUNCE_FAILED},
    {"soft-bounce", BOUNCE_MAIL_FAILED, BOUNCE_FAILED},
    {"softbounce", BOUNCE_MAIL_FAILED, BOUNCE_FAILED},
    {"out_of_band", BOUNCE_MAIL_FAILED, BOUNCE_FAILED},
    {"policy_rejection", BOUNCE_MAIL_FAILED, BOUNCE_FAILED},
    {"invalid_email", BOUNCE_MAIL_FAILED, BOUNCE_FAILED},
    {"dropped", BOUNCE_MAIL_FAILED, BOUNCE_FAILED},
    {"failed", BOUNCE_MAIL_FAILED, BOUNCE_FAILED},
    {"blocked", BOUNCE_MAIL_FAILED, BOUNCE_FAILED},
    {"reject", BOUNCE_MAIL_FAILED, BOUNCE_FAILED},
    {"defer", BOUNCE_MAIL_DELAYED, BOUNCE_DELAYED},
    {"delay", BOUNCE_MAIL_DELAYED, BOUNCE_DELAYED},
    {"deliverydelay", BOUNCE_MAIL_DELAYED, BOUNCE_DELAYED},
    {"delivered", BOUNCE_MAIL_DELIVERED, BOUNCE_DELIVERED},
    {"delivery", BOUNCE_MAIL_DELIVERED, BOUNCE_DELIVERED},
    {"complain", BOUNCE_MAIL_FEEDBACK, BOUNCE_DELIVERY_UNKNOWN},
    {"complaint", BOUNCE_MAIL_FEEDBACK, BOUNCE_DELIVERY_UNKNOWN},
    {"spam", BOUNCE_MAIL_FEEDBACK, BOUNCE_DELIVERY_UNKNOWN},
};

struct frame {
    struct slice key; /* of the member that is being read */
    struct slice value[MEMBER_N];
    bool is_array;
    unsigned first_rcpt; /* recipients that were there when it began */
};

struct json {
    struct bounce_parser *p;
    struct slice rest;
    struct slice message; /* a notification within this one */
    struct frame frame[JSON_DEPTH_MAX];
    unsigned depth;
    bool useful; /* an event of ours was seen */
};

static void skip_blanks(struct slice *s)
{
    *s = slice_strip(*s);
}

/* Four hexadecimal digits from the start of s; anything else is 0. */
static unsigned hex4(struct slice s)
{
    unsigned value = 0;
    for (size_t i = 0; i < 4; i++) {
        unsigned char c = i < s.len ? ascii_lower(s.ptr[i]) : 'x';
        bool letter = c >= 'a' && c <= 'f';
        if (!letter && !ascii_is_digit(c)) {
            return 0;
        }
        value = value * 16 + (unsigned)(letter ? c - 'a' + 10 : c - '0');
    }
    return value;
}

/* U+FFFD at most in place of what is no character; n octets of out, 1 to 4. */
static size_t put_utf8(unsigned c, unsigned char *out)
{
    if (c < 0x80) {
        out[0] = (unsigned char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; c >>= 6) {
        out[i] = (unsigned char)(0x80 | (c & 0x3f));
    }
    out[0] = (unsigned char)(c | (n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0));
    return n;
}

/* Behind "\\u" at i; *i goes to the last octet taken. RFC 8259 7: a pair of surrogates is one
 * character. */
static size_t unescape_u(struct slice raw, size_t *i, unsigned char *out)
{
    unsigned c = hex4(slice_from(raw, *i + 1));
    *i = *i + 4 < raw.len ? *i + 4 : raw.len;
    if (c >= 0xd800 && c < 0xdc00 &&
        slice_starts(slice_from(raw, *i + 1), SLICE("\\u"))) {
        unsigned low = hex4(slice_from(raw, *i + 3));
        bool pair = low >= 0xdc00 && low < 0xe000;
        c = pair ? 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00) : 0xfffd;
        *i += pair ? 6 : 0;
    }
    bool no_character = c == 0 || (c >= 0xd800 && c < 0xe000);
    return put_utf8(no_character ? 0xfffd : c, out);
}

/* From behind the opening quote to behind the closing one; escapes undone, in the arena. */
static struct slice take_string(struct json *j)
{
    size_t i = 0;
    bool escaped = false;
    while (i < j->rest.len && j->rest.ptr[i] != '"') {
        escaped = escaped || j->rest.ptr[i] == '\\';
        i += j->rest.ptr[i] == '\\' && i + 1 < j->rest.len ? 2 : 1;
    }
    struct slice raw = slice_sub(j->rest, 0, i);
    j->rest = slice_from(j->rest, i + 1);
    /* An escape of two octets or more never grows; a cut "\\u" may, by one. */
    unsigned char *out = escaped ? arena_alloc(&j->p->arena, raw.len + 4) : NULL;
    if (out == NULL) {
        return raw;
    }
    static const char from[] = "ntrbf", to[] = "\n\t\r\b\f";
    size_t n = 0;
    for (i = 0; i < raw.len; i++) {
        unsigned char c = raw.ptr[i];
        if (c != '\\' || i + 1 >= raw.len) {
            out[n++] = c;
            continue;
        }
        c = raw.ptr[++i];
        if (c == 'u') {
            n += unescape_u(raw, &i, out + n);
            continue;
        }
        const char *known = c == '\0' ? NULL : strchr(from, c);
        out[n++] = known != NULL ? (unsigned char)to[known - from] : c;
    }
    return (struct slice){out, n};
}

static void note_event(struct json *j, struct slice value, enum bounce_delivery *delivery)
{
    const size_t none = sizeof events / sizeof events[0];
    size_t best = none, longest = 0;
    for (size_t i = 0; i < none; i++) {
        struct slice word = slice_of(events[i].word);
        if (word.len > longest && slice_istarts(value, word)) {
            longest = word.len;
            best = i;
        }
    }
    if (best < none) {
        struct bounce_mail *m = &j->p->mail;
        j->useful = true;
        m->kind = m->kind == BOUNCE_MAIL_NONE ? events[best].kind : m->kind;
        *delivery = events[best].delivery;
    }
}

/* Names of the original message, wherever they stand. */
static void note_original(struct json *j, struct slice key, struct slice value)
{
    struct bounce_mail *m = &j->p->mail;
    if (slice_eq(key, SLICE("messageId")) || slice_eq(key, SLICE("smtp-id")) ||
        slice_eq(key, SLICE("sg_message_id"))) {
        value = value.len > 1 && value.ptr[0] == '<' ? slice_sub(value, 1, value.len - 2)
                                                     : value;
        m->message_id = m->message_id.len == 0 ? value : m->message_id;
    } else if (slice_eq(key, SLICE("subject"))) {
        m->subject = m->subject.len == 0 ? value : m->subject;
    } else if (slice_eq(key, SLICE("source"))) {
        m->sender = m->sender.len == 0 ? value : m->sender;
    } else if (slice_eq(key, SLICE("reportingMTA"))) {
        size_t semi = slice_find(value, ';');
        m->reporting_host =
            slice_trim(semi < value.len ? slice_from(value, semi + 1) : value);
    } else if (slice_eq(key, SLICE("complaintFeedbackType"))) {
        m->feedback_type = value;
    }
}

static bool has_reply(struct slice s)
{
    struct bounce_found found;
    return bounce_find_reply(s, &found);
}

/* The first value counts; of replies one that a server gave. */
static void note_member(struct frame *f, struct slice value)
{
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (!slice_eq(f->key, slice_of(members[i].key))) {
            continue;
        }
        struct slice *known = &f->value[members[i].member];
        if (known->len == 0 || (members[i].member == MEMBER_REPLY && !has_reply(*known) &&
                                has_reply(value))) {
            *known = value;
        }
        return;
    }
}

static void note_string(struct json *j, struct slice value)
{
    struct frame *f = &j->frame[j->depth - 1];
    if (f->is_array) {
        /* "recipients": ["a@b.example"] of a delivery */
        if (j->depth > 1 && slice_eq(j->frame[j->depth - 2].key, SLICE("recipients")) &&
            slice_find(value, '@') < value.len && parse_find(j->p, value) == NULL) {
            IGNORE(parse_add(j->p, value));
        }
        return;
    }
    note_original(j, f->key, value);
    if (slice_eq(f->key, SLICE("Message")) && value.len > 1 && value.ptr[0] == '{') {
        j->message = value;
        return;
    }
    note_member(f, value);
}

/* Fills a recipient from what its object told. */
static void fill(struct json *j, const struct frame *f, enum bounce_delivery delivery,
                 struct bounce_recipient *r)
{
    size_t used = 0;
    if (f->value[MEMBER_REPLY].len > 0) {
        text_fill(j->p, f->value[MEMBER_REPLY], r);
    }
    if (r->status.klass == 0 &&
        !bounce_status_parse(f->value[MEMBER_STATUS], &r->status, &used)) {
        r->status = (struct bounce_status){0};
    }
    struct slice code = f->value[MEMBER_CODE];
    if (r->code == 0 && code.len == 3 && text_is_code(code) &&
        (code.ptr[0] == '4' || code.ptr[0] == '5')) {
        r->code = (unsigned)((code.ptr[0] - '0') * 100 + (code.ptr[1] - '0') * 10 +
                             (code.ptr[2] - '0'));
    }
    r->delivery = r->delivery == BOUNCE_DELIVERY_UNKNOWN ? delivery : r->delivery;
}

/* What an object tells that names nobody belongs to the one around it: "delivery-status". */
static void pass_up(struct json *j)
{
    static const enum member passed[] = {MEMBER_STATUS, MEMBER_CODE, MEMBER_REPLY};
    const struct frame *f = &j->frame[j->depth - 1];
    struct frame *outer = j->depth > 1 ? &j->frame[j->depth - 2] : NULL;
    if (outer == NULL || outer->is_array) {
        return;
    }
    for (size_t i = 0; i < sizeof passed / sizeof passed[0]; i++) {
        struct slice value = f->value[passed[i]];
        struct slice *known = &outer->value[passed[i]];
        if (value.len > 0 &&
            (known->len == 0 ||
             (passed[i] == MEMBER_REPLY && !has_reply(*known) && has_reply(value)))) {
            *known = value;
        }
    }
}

/* An object ends: what it told is one recipient, or holds for those inside it. */
static void end_object(struct json *j)
{
    struct frame *f = &j->frame[j->depth - 1];
    struct bounce_parser *p = j->p;
    enum bounce_delivery delivery = BOUNCE_DELIVERY_UNKNOWN;
    note_event(j, f->value[MEMBER_EVENT], &delivery);
    struct slice address = f->value[MEMBER_ADDRESS];
    if (slice_find(address, '@') < address.len) {
        struct bounce_recipient *r = parse_find(p, address);
        r = r != NULL ? r : parse_add(p, address);
        if (r != NULL) {
            fill(j, f, delivery, r);
        }
        return;
    }
    if (f->first_rcpt == p->mail.rcpt_n) {
        pass_up(j);
    }
    for (unsigned i = f->first_rcpt; i < p->mail.rcpt_n; i++) {
        struct bounce_recipient *r = &p->rcpt[i];
        r->delivery = r->delivery == BOUNCE_DELIVERY_UNKNOWN ? delivery : r->delivery;
        if (r->reply.len == 0) {
            fill(j, f, delivery, r);
        }
    }
}

static bool begin(struct json *j, bool is_array)
{
    if (j->depth >= JSON_DEPTH_MAX) {
        return false;
    }
    j->frame[j->depth++] =
        (struct frame){.is_array = is_array, .first_rcpt = j->p->mail.rcpt_n};
    return true;
}

/* A number, true, false, null. */
static void take_atom(struct json *j)
{
    size_t i = 0;
    while (i < j->rest.len && strchr(",]} \t\r\n", j->rest.ptr[i]) == NULL) {
        i++;
    }
    struct frame *f = &j->frame[j->depth - 1];
    struct slice value = slice_sub(j->rest, 0, i);
    if (!f->is_array && value.len == 3 && ascii_is_digit(value.ptr[0])) {
        note_member(f, value);
    }
    j->rest = slice_from(j->rest, i == 0 ? 1 : i);
}

static void take_string_of(struct json *j)
{
    j->rest = slice_from(j->rest, 1);
    struct slice value = take_string(j);
    struct frame *f = &j->frame[j->depth - 1];
    skip_blanks(&j->rest);
    if (!f->is_array && j->rest.len > 0 && j->rest.ptr[0] == ':') {
        f->key = slice_sub(value, 0, JSON_KEY_MAX);
        j->rest = slice_from(j->rest, 1);
    } else {
        note_string(j, value);
    }
}

/* One value, to its end. */
static void read_json(struct json *j, struct slice text)
{
    j->rest = text;
    j->depth = 0;
    do {
        skip_blanks(&j->rest);
        unsigned char c = j->rest.len > 0 ? j->rest.ptr[0] : ']';
        if (c == '{' || c == '[') {
            j->rest = slice_from(j->rest, 1);
            if (!begin(j, c == '[')) {
                return;
            }
        } else if (j->depth == 0) {
            return;
        } else if (c == '}' || c == ']') {
            if (c == '}') {
                end_object(j);
            }
            j->depth--;
            j->rest = slice_from(j->rest, 1);
        } else if (c == '"') {
            take_string_of(j);
        } else if (c == ',') {
            j->rest = slice_from(j->rest, 1);
        } else {
            take_atom(j);
        }
    } while (j->depth > 0 && j->rest.len > 0);
}

bool json_extract(struct bounce_parser *p, struct slice text)
{
    text = slice_strip(text);
    if (text.len < 2 || (text.ptr[0] != '{' && text.ptr[0] != '[') ||
        slice_find(text, '"') == text.len) {
        return false;
    }
    unsigned before = p->mail.rcpt_n;
    struct json *j = arena_alloc(&p->arena, sizeof *j);
    if (j != NULL) {
        *j = (struct json){.p = p};
        read_json(j, text);
        if (j->message.len > 0) { /* as SNS wraps it; no deeper */
            read_json(j, j->message);
        }
        if (j->useful && p->mail.rcpt_n > before) {
            return true;
        }
    }
    p->mail.rcpt_n = before;
    p->mail.kind = BOUNCE_MAIL_NONE;
    return false;
}
