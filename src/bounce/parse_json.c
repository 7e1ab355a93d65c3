/* bounce/parse_json.c - notifications of sending services; see parse_impl.h
 *
 * RFC 8259 read leniently and in one pass, without a tree: each object collects the members
 * that say something about a recipient, and tells when it ends. SES (bare or as the "Message"
 * of an SNS notification) nests an array of recipients; SendGrid and its like send an array
 * of events with one recipient each. Both come out by the names of the members. */
#include "bounce/parse_impl.h"

#include <string.h>

enum { JSON_DEPTH_MAX = 24, JSON_KEY_MAX = 40, JSON_NEST_MAX = 2 };

enum member { MEMBER_ADDRESS = 0, MEMBER_STATUS, MEMBER_REPLY, MEMBER_EVENT, MEMBER_N };

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
    {"diagnosticCode", MEMBER_REPLY},
    {"smtpResponse", MEMBER_REPLY},
    {"reason", MEMBER_REPLY},
    {"response", MEMBER_REPLY},
    {"raw_reason", MEMBER_REPLY},
    {"Details", MEMBER_REPLY},
    {"action", MEMBER_EVENT},
    {"event", MEMBER_EVENT},
    {"notificationType", MEMBER_EVENT},
    {"eventType", MEMBER_EVENT},
    {"type", MEMBER_EVENT},
};

static const struct {
    const char *word;
    enum bounce_mail_kind kind;
    enum bounce_delivery delivery;
} events[] = {
    {"bounce", BOUNCE_MAIL_FAILED, BOUNCE_FAILED},
    {"dropped", BOUNCE_MAIL_FAILED, BOUNCE_FAILED},
    {"failed", BOUNCE_MAIL_FAILED, BOUNCE_FAILED},
    {"blocked", BOUNCE_MAIL_FAILED, BOUNCE_FAILED},
    {"reject", BOUNCE_MAIL_FAILED, BOUNCE_FAILED},
    {"deferred", BOUNCE_MAIL_DELAYED, BOUNCE_DELAYED},
    {"delayed", BOUNCE_MAIL_DELAYED, BOUNCE_DELAYED},
    {"deliverydelay", BOUNCE_MAIL_DELAYED, BOUNCE_DELAYED},
    {"delivered", BOUNCE_MAIL_DELIVERED, BOUNCE_DELIVERED},
    {"delivery", BOUNCE_MAIL_DELIVERED, BOUNCE_DELIVERED},
    {"complaint", BOUNCE_MAIL_FEEDBACK, BOUNCE_DELIVERY_UNKNOWN},
    {"complained", BOUNCE_MAIL_FEEDBACK, BOUNCE_DELIVERY_UNKNOWN},
    {"spamreport", BOUNCE_MAIL_FEEDBACK, BOUNCE_DELIVERY_UNKNOWN},
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
    struct frame frame[JSON_DEPTH_MAX];
    unsigned depth, nest;
    bool useful; /* an event of ours was seen */
};

static bool read_json(struct bounce_parser *p, struct slice text, unsigned nest);

static void skip_blanks(struct slice *s)
{
    *s = slice_strip(*s);
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
    unsigned char *out = escaped ? arena_alloc(&j->p->arena, raw.len + 1) : NULL;
    if (out == NULL) {
        return raw;
    }
    static const char from[] = "ntrbf", to[] = "\n\t\r\b\f";
    size_t n = 0;
    for (i = 0; i < raw.len; i++) {
        unsigned char c = raw.ptr[i];
        if (c == '\\' && i + 1 < raw.len) {
            c = raw.ptr[++i];
            const char *known = c == '\0' ? NULL : strchr(from, c);
            c = known != NULL ? (unsigned char)to[known - from] : c;
            if (c == 'u') { /* \uXXXX: ASCII as it is, all else is not looked at */
                struct slice hex = slice_sub(raw, i + 1, 4);
                unsigned value = 0;
                for (size_t k = 0; k < hex.len; k++) {
                    unsigned char h = ascii_lower(hex.ptr[k]);
                    value = value * 16 +
                            (unsigned)(ascii_is_digit(h) ? h - '0' : h - 'a' + 10);
                }
                c = value < 0x80 ? (unsigned char)value : '?';
                i += hex.len;
            }
        }
        out[n++] = c;
    }
    return (struct slice){out, n};
}

static void note_event(struct json *j, struct slice value, enum bounce_delivery *delivery)
{
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        struct slice word = slice_of(events[i].word);
        if (slice_istarts(value, word)) {
            struct bounce_mail *m = &j->p->mail;
            j->useful = true;
            m->kind = m->kind == BOUNCE_MAIL_NONE ? events[i].kind : m->kind;
            *delivery = events[i].delivery;
            return;
        }
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
        j->useful = read_json(j->p, value, j->nest + 1) || j->useful;
        return;
    }
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (slice_eq(f->key, slice_of(members[i].key)) &&
            f->value[members[i].member].len == 0) {
            f->value[members[i].member] = value;
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
            size_t used = 0;
            text_fill(p, f->value[MEMBER_REPLY], r);
            if (r->status.klass == 0 &&
                !bounce_status_parse(f->value[MEMBER_STATUS], &r->status, &used)) {
                r->status = (struct bounce_status){0};
            }
            r->delivery = delivery;
        }
        return;
    }
    for (unsigned i = f->first_rcpt; i < p->mail.rcpt_n; i++) {
        struct bounce_recipient *r = &p->rcpt[i];
        r->delivery = r->delivery == BOUNCE_DELIVERY_UNKNOWN ? delivery : r->delivery;
        if (r->reply.len == 0 && f->value[MEMBER_REPLY].len > 0) {
            text_fill(p, f->value[MEMBER_REPLY], r);
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

static void take_atom(struct json *j)
{
    size_t i = 0;
    while (i < j->rest.len && strchr(",]}", j->rest.ptr[i]) == NULL) {
        i++;
    }
    j->rest = slice_from(j->rest, i == 0 ? 1 : i);
}

static bool read_json(struct bounce_parser *p, struct slice text, unsigned nest)
{
    struct json *j = nest < JSON_NEST_MAX ? arena_alloc(&p->arena, sizeof *j) : NULL;
    if (j == NULL) {
        return false;
    }
    j->p = p;
    j->rest = text;
    j->nest = nest;
    do {
        skip_blanks(&j->rest);
        unsigned char c = j->rest.len > 0 ? j->rest.ptr[0] : ']';
        if (c == '{' || c == '[') {
            j->rest = slice_from(j->rest, 1);
            if (!begin(j, c == '[')) {
                break;
            }
        } else if (j->depth == 0) {
            break;
        } else if (c == '}' || c == ']') {
            if (c == '}') {
                end_object(j);
            }
            j->depth--;
            j->rest = slice_from(j->rest, 1);
        } else if (c == '"') {
            j->rest = slice_from(j->rest, 1);
            struct slice value = take_string(j);
            skip_blanks(&j->rest);
            if (!j->frame[j->depth - 1].is_array && j->rest.len > 0 &&
                j->rest.ptr[0] == ':') {
                j->frame[j->depth - 1].key = slice_sub(value, 0, JSON_KEY_MAX);
                j->rest = slice_from(j->rest, 1);
            } else {
                note_string(j, value);
            }
        } else if (c == ',') {
            j->rest = slice_from(j->rest, 1);
        } else {
            take_atom(j);
        }
    } while (j->depth > 0 && j->rest.len > 0);
    return j->useful;
}

bool json_extract(struct bounce_parser *p, struct slice text)
{
    text = slice_strip(text);
    if (text.len < 2 || (text.ptr[0] != '{' && text.ptr[0] != '[') ||
        slice_find(text, '"') == text.len) {
        return false;
    }
    unsigned before = p->mail.rcpt_n;
    if (read_json(p, text, 0) && p->mail.rcpt_n > before) {
        return true;
    }
    p->mail.rcpt_n = before;
    p->mail.kind = BOUNCE_MAIL_NONE;
    return false;
}
