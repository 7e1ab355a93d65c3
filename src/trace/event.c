/* trace/event.c - see event.h */
#include "trace/event.h"

#include "base/clock.h"
#include "base/json.h"
#include "trace/phrase.h"

/* By what the trace calls it. */
static const char *const names[TRACE_KIND_COUNT] = {
    [TRACE_queued] = "accepted",     [TRACE_deferred] = "attempted",
    [TRACE_delivered] = "delivered", [TRACE_failed] = "bounced",
    [TRACE_bounced] = "bounced",     [TRACE_complained] = "complained",
    [TRACE_note] = "reported",       [TRACE_held] = "held",
    [TRACE_released] = "released",   [TRACE_removed] = "removed",
};

static struct slice get(const struct trace_view *v, const char *name)
{
    struct slice value = {NULL, 0};
    return trace_get(v, name, &value) ? value : (struct slice){NULL, 0};
}

void event_each(uint64_t number, struct slice record, struct slice account,
                bool (*each)(void *arg, const struct event *e), void *arg)
{
    struct trace_reader r;
    struct trace_view v;
    struct event e = {.record = number, .view = &v};
    if (!trace_open(record, &r)) {
        return;
    }
    for (; trace_next(&r, &v); e.index++) {
        e.name = v.kind < TRACE_KIND_COUNT ? names[v.kind] : NULL;
        e.account = get(&v, "account");
        e.message = (struct message_id){r.session, v.n};
        /* A target that failed leaves the queue when its sender was told: it bounced before. */
        bool by_itself =
            v.kind == TRACE_removed && !slice_eq(get(&v, "by"), SLICE("command"));
        if (e.name != NULL && e.account.len > 0 && v.n != 0 && !by_itself &&
            (account.len == 0 || slice_ieq(account, e.account)) && !each(arg, &e)) {
            return;
        }
    }
}

/* --- the reply --- */

static size_t digits(struct slice s, size_t at)
{
    size_t n = 0;
    while (at + n < s.len && ascii_is_digit(s.ptr[at + n])) {
        n++;
    }
    return n;
}

/* "550" in front; empty: there is none. */
static struct slice code_of(struct slice reply)
{
    bool is = digits(reply, 0) == 3 &&
              (reply.len == 3 || reply.ptr[3] == ' ' || reply.ptr[3] == '-');
    return slice_sub(reply, 0, is ? 3 : 0);
}

/* "5.1.1" behind it. */
static struct slice status_of(struct slice reply)
{
    size_t at = code_of(reply).len + 1, start = at;
    if (at == 1 || digits(reply, at) != 1) {
        return SLICE("");
    }
    at++;
    for (int i = 0; i < 2; i++) {
        size_t n = at < reply.len && reply.ptr[at] == '.' ? digits(reply, at + 1) : 0;
        if (n == 0 || n > 3) {
            return SLICE("");
        }
        at += n + 1;
    }
    return slice_sub(reply, start, at - start);
}

/* --- told --- */

static void name_of(const char *name, struct buf *out)
{
    (void)buf_add_fmt(out, ",\"%s\":", name);
}

static void add_text(const char *name, struct slice value, struct buf *out)
{
    if (value.len > 0) {
        name_of(name, out);
        (void)json_add_string(out, value);
    }
}

static void add_number(const char *name, struct slice value, struct buf *out)
{
    uint64_t number = 0;
    if (slice_u64(value, &number)) {
        name_of(name, out);
        (void)buf_add_fmt(out, "%llu", (unsigned long long)number);
    }
}

static void add_time(const char *name, uint64_t ms, struct buf *out)
{
    char text[CLOCK_TEXT_MAX];
    add_text(name, clock_text(ms, text), out);
}

void event_json(const struct event *e, struct buf *out)
{
    static const struct {
        const char *name, *field;
    } texts[] = {{"class", "class"},
                 {"action", "action"},
                 {"row", "row"},
                 {"server", "where"},
                 {"text", "text"}};
    char id[ID_TEXT_MAX];
    const struct trace_view *v = e->view;
    struct slice reply = get(v, "reply");
    uint64_t next = 0;
    (void)buf_add_fmt(out, "{\"id\":\"%llu.%u\"", (unsigned long long)e->record,
                      e->index);
    add_time("time", v->ms, out);
    add_text("event", slice_of(e->name), out);
    add_text("message", id_text(e->message, id), out);
    add_text("account", e->account, out);
    add_text("recipient", get(v, "to"), out);
    if (v->kind == TRACE_bounced || v->kind == TRACE_complained) {
        (void)buf_add_str(out, ",\"later\":true");
    }
    add_number("attempt", get(v, "attempt"), out);
    add_number("code", code_of(reply), out);
    add_text("status", status_of(reply), out);
    add_text("reply", reply, out);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        add_text(texts[i].name, get(v, texts[i].field), out);
    }
    if (slice_u64(get(v, "next"), &next)) {
        add_time("next", next, out);
    }
    if (!slice_eq(get(v, "by"), SLICE("command"))) {
        add_text("report", get(v, "by"), out);
    }
    (void)buf_add_byte(out, '}');
}

void event_line(const struct event *e, struct buf *out)
{
    struct phrase p = {.view = e->view};
    char id[ID_TEXT_MAX];
    (void)id_text(e->message, id);
    phrase_time(e->view->ms, 0, out);
    (void)buf_add_fmt(out, "  %-10s  ", e->name);
    phrase_fill(&p, "[{to}]", out);
    (void)buf_add_fmt(out, "  %s", id);
    if (e->view->kind == TRACE_bounced) {
        (void)buf_add_str(out, "  later");
    }
    phrase_fill(
        &p, "[  {reply}][  class {class}][  action {action}][  next {@next}][  {text}]",
        out);
    (void)buf_add_byte(out, '\n');
}
