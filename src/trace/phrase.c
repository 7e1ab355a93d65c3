/* trace/phrase.c - see phrase.h */
#include "trace/phrase.h"

#include "base/clock.h"

#include <string.h>

/* clang-format off */
static const char *const templates[TRACE_KIND_COUNT] = {
    [TRACE_NONE] = "",
    [TRACE_connect] = "{ip}[ (port {port})] connected",
    [TRACE_tls] = "{version}[ with {cipher}][; the client's certificate: {subject}][, SHA-256 {fingerprint}]",
    [TRACE_command] = "",
    [TRACE_reply] = "",
    [TRACE_check] = "",
    [TRACE_accepted] = "({#size} octets)[ from {<from}] accepted[ for {to}]",
    [TRACE_close] = "the connection ended[: {reason}]",
    [TRACE_queued] = "queued[ for {to}][, that is {target},] at {@}",
    [TRACE_delivered] = "delivered[ to {to}][, that is {target},][ by {transport}] at {@}[ ({where})][: {reply}]",
    [TRACE_deferred] = "not yet delivered[ to {to}][, that is {target},] at {@}[: {reply}][; next try {@next}]",
    [TRACE_failed] = "given up[ for {to}][, that is {target},] at {@}[: {reply}]",
    [TRACE_held] = "held[ for {to}] at {@}[ by {by}][: {reply}]",
    [TRACE_released] = "released[ for {to}] at {@}[ by {by}][: {reply}]",
    [TRACE_removed] = "removed[ for {to}] at {@}[ by {by}][: {reply}]",
    [TRACE_bounced] = "came back later[ from {to}] at {@}[ with {by}][: {reply}]",
    [TRACE_complained] = "[{to} ]complained at {@}[ with {by}][: {reply}]",
    [TRACE_note] = "note:[ {text}]",
    [TRACE_sender] = "{method}[ of {name}]: {result}[: {what}][; record: {record}]",
    [TRACE_dns] = "DNS: {type} {name}: {result}[: {data}][, {records} in all][ ({why})]",
};
/* clang-format on */

const char *phrase_of(enum trace_kind kind)
{
    return kind < TRACE_KIND_COUNT ? templates[kind] : "";
}

void phrase_time(uint64_t ms, uint64_t day_ms, struct buf *out)
{
    static const uint64_t day = 86400000,
                          end = UINT64_C(253402300800000); /* year 10000 */
    char text[CLOCK_TEXT_MAX];
    if (ms >= end) {
        (void)buf_add_str(out, "an unknown time");
        return;
    }
    struct slice all = clock_text(ms, text);
    if (day_ms == 0 || ms / day != day_ms / day) {
        (void)buf_add(out, slice_sub(all, 0, 10));
        (void)buf_add_byte(out, ' ');
    }
    (void)buf_add(out, slice_sub(all, 11, 8));
}

void phrase_value(struct slice value, struct buf *out)
{
    struct slice end = SLICE("\r\n");
    while (value.len >= end.len && slice_eq(slice_from(value, value.len - 2), end)) {
        value = slice_sub(value, 0, value.len - 2);
    }
    size_t start = 0;
    for (size_t i = 0; i + 1 < value.len; i++) {
        if (slice_eq(slice_sub(value, i, 2), end)) {
            (void)buf_add_shown(out, slice_sub(value, start, i - start));
            (void)buf_add_str(out, " / ");
            start = i + 2;
        }
    }
    (void)buf_add_shown(out, slice_from(value, start));
    if (value.len >= TRACE_VALUE_MAX - 2) {
        (void)buf_add_str(out, "...");
    }
}

static void grouped(struct slice value, struct buf *out)
{
    uint64_t ignored = 0;
    if (!slice_u64(value, &ignored)) {
        phrase_value(value, out);
        return;
    }
    for (size_t i = 0; i < value.len; i++) {
        if (i != 0 && (value.len - i) % 3 == 0) {
            (void)buf_add_byte(out, ',');
        }
        (void)buf_add_byte(out, value.ptr[i]);
    }
}

static void as_time(struct slice value, uint64_t day_ms, struct buf *out)
{
    uint64_t ms = 0;
    if (slice_u64(value, &ms)) {
        phrase_time(ms, day_ms, out);
    } else {
        phrase_value(value, out);
    }
}

static void fill_value(const struct phrase *p, unsigned char how, struct slice value,
                       struct buf *out)
{
    if (how == '#') {
        grouped(value, out);
    } else if (how == '@') {
        as_time(value, p->day_ms, out);
    } else {
        (void)buf_add_str(out, how == '<' ? "<" : "");
        phrase_value(value, out);
        (void)buf_add_str(out, how == '<' ? ">" : "");
    }
}

/* The values of that name; false when there is none that says anything. */
static bool fill_hole(struct phrase *p, struct slice name, struct buf *out)
{
    unsigned char how =
        name.len > 0 && memchr("#@<", name.ptr[0], 3) != NULL ? name.ptr[0] : '\0';
    bool found = false;
    name = slice_from(name, how != '\0');
    if (how == '@' && name.len == 0) {
        phrase_time(p->view->ms, p->day_ms, out);
        return true;
    }
    for (unsigned i = 0; i < p->view->field_n; i++) {
        struct slice value = p->view->field[i].value;
        if (!slice_eq(p->view->field[i].name, name)) {
            continue;
        }
        p->used |= 1U << i;
        if (value.len == 0 && how != '<') {
            continue;
        }
        if (found) {
            (void)buf_add_str(out, ", ");
        }
        found = true;
        fill_value(p, how, value, out);
    }
    return found;
}

/* Text with holes, no groups. False: one had no value (then "unknown" stands there). */
static bool fill_flat(struct phrase *p, struct slice text, struct buf *out)
{
    bool all = true;
    while (text.len != 0) {
        size_t open = slice_find(text, '{');
        (void)buf_add(out, slice_sub(text, 0, open));
        text = slice_from(text, open);
        if (text.len == 0) {
            break;
        }
        size_t close = slice_find(text, '}');
        if (!fill_hole(p, slice_sub(text, 1, close - 1), out)) {
            (void)buf_add_str(out, "unknown");
            all = false;
        }
        text = slice_from(text, close + 1);
    }
    return all;
}

void phrase_fill(struct phrase *p, const char *template, struct buf *out)
{
    struct slice text = slice_of(template);
    while (text.len != 0) {
        size_t open = slice_find(text, '[');
        (void)fill_flat(p, slice_sub(text, 0, open), out);
        text = slice_from(text, open);
        if (text.len == 0) {
            break;
        }
        size_t close = slice_find(text, ']'), before = out->len;
        if (!fill_flat(p, slice_sub(text, 1, close - 1), out) && !out->failed) {
            out->len = before;
        }
        text = slice_from(text, close + 1);
    }
}

void phrase_hide(struct phrase *p, const char *name)
{
    for (unsigned i = 0; i < p->view->field_n; i++) {
        if (slice_eq(p->view->field[i].name, slice_of(name))) {
            p->used |= 1U << i;
        }
    }
}

static bool plain(struct slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == ' ' || value.ptr[i] == '=' || value.ptr[i] == ',') {
            return false;
        }
    }
    return value.len != 0;
}

void phrase_rest(struct phrase *p, const char *before, struct buf *out)
{
    for (unsigned i = 0; i < p->view->field_n; i++) {
        if ((p->used & 1U << i) != 0) {
            continue;
        }
        struct slice value = p->view->field[i].value;
        const char *quote = plain(value) ? "" : "\"";
        (void)buf_add_str(out, before);
        (void)buf_add_escaped(out, p->view->field[i].name);
        (void)buf_add_fmt(out, "=%s", quote);
        phrase_value(value, out);
        (void)buf_add_str(out, quote);
        p->used |= 1U << i;
        before = " ";
    }
}
