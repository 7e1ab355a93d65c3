/* trace/story.c - see story.h
 *
 * Queue and delivery tell of a message long after its session; what they tell stands below
 * the line that says it was accepted. A command, the checks that it set off and its reply
 * are three events and one paragraph. */
#include "trace/story.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/json.h"
#include "trace/phrase.h"

#include <stdlib.h>
#include <string.h>

struct story_event {
    struct trace_reader at; /* to read it again: a view of it is large */
    uint64_t ms;
    uint32_t n;
    uint32_t order;
    enum trace_kind kind;
    bool told;
};

struct story {
    uint64_t session;
    struct arena arena;
    struct story_event *event;
    size_t event_n, event_cap;
    bool cut, sorted;
};

struct story *story_new(uint64_t session, size_t octets_max)
{
    struct story *s = calloc(1, sizeof *s);
    if (s != NULL) {
        s->session = session;
        arena_init(&s->arena, octets_max);
    }
    return s;
}

void story_free(struct story **sp)
{
    if (*sp != NULL) {
        arena_clear(&(*sp)->arena);
        free((*sp)->event);
        free(*sp);
        *sp = NULL;
    }
}

static bool add_event(struct story *s, const struct trace_reader *at,
                      const struct trace_view *v)
{
    if (s->event_n == s->event_cap) {
        size_t cap = s->event_cap == 0 ? 64 : s->event_cap * 2;
        struct story_event *grown = cap > 2 * (size_t)STORY_EVENTS_MAX
                                        ? NULL
                                        : reallocarray(s->event, cap, sizeof *s->event);
        if (grown == NULL) {
            return false;
        }
        s->event = grown;
        s->event_cap = cap;
    }
    s->event[s->event_n] = (struct story_event){.at = *at,
                                                .ms = v->ms,
                                                .n = v->n,
                                                .order = (uint32_t)s->event_n,
                                                .kind = v->kind};
    s->event_n++;
    return true;
}

bool story_add(struct story *s, struct slice record)
{
    struct trace_reader r;
    struct trace_view v;
    enum trace_key kind;
    struct slice copy, key;
    if (!trace_open(record, &r) || r.session != s->session) {
        return true;
    }
    if (!arena_dup(&s->arena, record, &copy) || !trace_open(copy, &r)) {
        s->cut = true;
        return false;
    }
    while (trace_next_key(&r, &kind, &key)) {
    }
    s->sorted = false;
    for (;;) {
        struct trace_reader at = r;
        if (!trace_next(&r, &v)) {
            return true;
        }
        if (s->event_n == STORY_EVENTS_MAX || !add_event(s, &at, &v)) {
            s->cut = true;
            return false;
        }
    }
}

static int by_time(const void *a, const void *b)
{
    const struct story_event *x = a, *y = b;
    if (x->ms != y->ms) {
        return x->ms < y->ms ? -1 : 1;
    }
    return x->order < y->order ? -1 : x->order > y->order;
}

static void sort(struct story *s)
{
    if (!s->sorted && s->event_n > 1) {
        qsort(s->event, s->event_n, sizeof *s->event, by_time);
    }
    s->sorted = true;
    for (size_t i = 0; i < s->event_n; i++) {
        s->event[i].told = false;
    }
}

bool story_empty(const struct story *s)
{
    return s->event_n == 0;
}

uint64_t story_begin_ms(const struct story *s)
{
    uint64_t first = s->event_n == 0 ? 0 : UINT64_MAX;
    for (size_t i = 0; i < s->event_n; i++) {
        first = s->event[i].ms < first ? s->event[i].ms : first;
    }
    return first;
}

void story_time(uint64_t ms, struct buf *out)
{
    phrase_time(ms, 0, out);
}

/* What is being told, and where it goes. */
struct teller {
    struct story *s;
    struct buf *out;
    uint64_t day_ms;
    struct trace_view v; /* of the event last looked at */
    bool opening;        /* the line of the connection is not ended yet */
    bool in_data;        /* the next reply without a command is to a message */
    bool explained;      /* by a check that no command set off */
    struct slice hello;  /* the argument of the last EHLO told */
    size_t at;           /* the event being told */
};

static struct phrase look(struct teller *t, size_t i)
{
    struct trace_reader at = t->s->event[i].at;
    if (!trace_next(&at, &t->v)) {
        t->v.field_n = 0; /* cannot be: it was read before */
    }
    return (struct phrase){&t->v, t->day_ms, 0};
}

static struct slice get(const struct teller *t, const char *name)
{
    struct slice value = {NULL, 0};
    return trace_get(&t->v, name, &value) ? value : (struct slice){NULL, 0};
}

static bool of_message(enum trace_kind kind)
{
    return (kind >= TRACE_queued && kind <= TRACE_removed) || kind == TRACE_bounced ||
           kind == TRACE_complained;
}

static void indent(struct teller *t, int depth)
{
    (void)buf_add_fmt(t->out, "%*s", depth, "");
}

/* What was found out on the way to a verdict. */
static bool is_finding(enum trace_kind kind)
{
    return kind == TRACE_dns || kind == TRACE_sender;
}

static void tell_finding(struct teller *t, size_t i, int depth)
{
    struct phrase p = look(t, i);
    indent(t, depth);
    phrase_fill(&p, phrase_of(t->s->event[i].kind), t->out);
    phrase_hide(&p, "ms");
    phrase_rest(&p, "; ", t->out);
    (void)buf_add_byte(t->out, '\n');
    t->s->event[i].told = true;
}

/* What was asked meanwhile waits until the line is ended. */
static void end_opening(struct teller *t)
{
    if (!t->opening) {
        return;
    }
    (void)buf_add_byte(t->out, '\n');
    t->opening = false;
    struct trace_view view = t->v;
    for (size_t i = 0; i < t->at; i++) {
        if (is_finding(t->s->event[i].kind) && !t->s->event[i].told) {
            tell_finding(t, i, 4);
        }
    }
    t->v = view;
}

/* The first reply after event i that no other command comes before; event_n: none. */
static size_t answer_of(const struct story *s, size_t i)
{
    for (i++; i < s->event_n; i++) {
        enum trace_kind kind = s->event[i].kind;
        if (kind == TRACE_reply) {
            return i;
        }
        if (kind == TRACE_command || kind == TRACE_close || kind == TRACE_connect) {
            break;
        }
    }
    return s->event_n;
}

/* The first digit of the reply's code; 0: no reply. Looks at it. */
static unsigned char severity(struct teller *t, size_t i)
{
    if (i >= t->s->event_n) {
        return 0;
    }
    (void)look(t, i);
    struct slice code = get(t, "code");
    return code.len == 0 ? 0 : code.ptr[0];
}

static const char *outcome(unsigned char first_digit)
{
    switch (first_digit) {
    case '2':
    case '3':
        return "was accepted";
    case '4':
        return "was refused for now";
    case '5':
        return "was refused";
    default:
        return "got an answer";
    }
}

/* ": 550 5.1.1 (rcpt-mailbox-unknown)" for a reply that was looked at. */
static void tell_code(struct teller *t, struct phrase *p)
{
    phrase_fill(p, ": {code}[ {status}][ ({row})]", t->out);
    (void)buf_add_byte(t->out, '\n');
}

static void tell_evidence(struct teller *t, struct phrase *p)
{
    phrase_hide(p, "text");
    size_t before = t->out->len;
    indent(t, 6);
    size_t start = t->out->len;
    phrase_rest(p, "evidence: ", t->out);
    if (t->out->failed) {
        return;
    }
    if (t->out->len == start) {
        t->out->len = before;
    } else {
        (void)buf_add_byte(t->out, '\n');
    }
}

static void tell_told(struct teller *t)
{
    struct slice text = get(t, "text");
    if (text.len != 0) {
        indent(t, 6);
        (void)buf_add_str(t->out, "the client was told: \"");
        phrase_value(text, t->out);
        (void)buf_add_str(t->out, "\"\n");
    }
}

/* True: the check explains a refusal. */
static bool tell_check(struct teller *t, size_t i, int depth)
{
    /* clang-format off */
    static const struct {
        struct slice verdict;
        const char *text;
    } words[] = {
        {SLICE_INIT("pass"), "check {name} passed"},
        {SLICE_INIT("observe"), "check {name} would have refused[ ({row})], but only watches"},
        {SLICE_INIT("spare"), "check {name} would have refused[ ({row})], but spares most of a new sender's mail"},
        {SLICE_INIT("defer"), "because: check {name} refused for now[ ({row})]"},
        {SLICE_INIT("reject"), "because: check {name} refused[ ({row})]"},
        {SLICE_INIT("close"), "because: check {name} ended the connection[ ({row})]"},
        {SLICE_INIT(""), "check {name} said {verdict}[ ({row})]"},
    };
    /* clang-format on */
    struct phrase p = look(t, i);
    struct slice verdict = get(t, "verdict");
    size_t w = 0;
    while (words[w].verdict.len != 0 && !slice_eq(words[w].verdict, verdict)) {
        w++;
    }
    indent(t, depth);
    phrase_fill(&p, words[w].text, t->out);
    phrase_hide(&p, "verdict");
    phrase_rest(&p, ": ", t->out);
    (void)buf_add_byte(t->out, '\n');
    t->s->event[i].told = true;
    return slice_starts(slice_of(words[w].text), SLICE("because"));
}

static bool tell_checks(struct teller *t, size_t from, size_t to)
{
    bool explained = false;
    for (size_t i = from; i < to; i++) {
        if (t->s->event[i].told) {
            continue;
        }
        if (t->s->event[i].kind == TRACE_check) {
            explained = tell_check(t, i, 6) || explained;
        } else if (is_finding(t->s->event[i].kind)) {
            tell_finding(t, i, 6);
        }
    }
    return explained;
}

/* What the reply rests on, unless a check has said so, and its text. */
static void tell_refusal(struct teller *t, size_t reply, bool explained)
{
    struct phrase p = look(t, reply);
    phrase_hide(&p, "code");
    phrase_hide(&p, "status");
    phrase_hide(&p, "row");
    if (!explained) {
        tell_evidence(t, &p);
    }
    tell_told(t);
}

static bool is_hello(struct slice verb)
{
    return slice_ieq(verb, SLICE("EHLO")) || slice_ieq(verb, SLICE("HELO"));
}

/* A greeting that went well, and STARTTLS before the TLS event, join the first line. */
static bool join_opening(struct teller *t, size_t i, size_t answer)
{
    if (!t->opening || severity(t, answer) != '2') {
        return false;
    }
    (void)look(t, i);
    struct slice verb = get(t, "verb"), argument = get(t, "argument");
    if (is_hello(verb)) {
        if (!slice_eq(argument, t->hello)) {
            (void)buf_add_str(t->out, t->hello.len == 0 ? " and said " : ", then ");
            phrase_value(verb, t->out);
            (void)buf_add_byte(t->out, ' ');
            phrase_value(argument, t->out);
            t->hello = argument;
        }
    } else if (!slice_ieq(verb, SLICE("STARTTLS"))) {
        return false;
    }
    t->s->event[answer].told = true;
    return true;
}

static void tell_command(struct teller *t, size_t i)
{
    size_t answer = answer_of(t->s, i);
    if (join_opening(t, i, answer)) {
        bool more = false;
        for (size_t k = i; k < answer; k++) {
            more = more || t->s->event[k].kind == TRACE_check;
        }
        if (more) {
            end_opening(t);
            (void)tell_checks(t, i, answer);
        }
        return;
    }
    end_opening(t);
    unsigned char digit = severity(t, answer);
    struct phrase p = look(t, i);
    indent(t, 2);
    t->in_data = digit == '3' && slice_ieq(get(t, "verb"), SLICE("DATA"));
    if (slice_ieq(get(t, "verb"), SLICE("QUIT")) && digit == '2') {
        (void)buf_add_str(t->out, "the client said QUIT\n");
        t->s->event[answer].told = true;
        return;
    }
    if (slice_eq(get(t, "verb"), SLICE("?"))) {
        phrase_hide(&p, "verb");
        phrase_fill(&p, "an unknown command[ {argument}]", t->out);
    } else {
        phrase_fill(&p, "{verb}[ {argument}]", t->out);
    }
    phrase_rest(&p, " ", t->out);
    if (answer == t->s->event_n) {
        (void)buf_add_str(t->out, ": no answer is recorded\n");
        return;
    }
    (void)buf_add_fmt(t->out, " %s", outcome(digit));
    t->s->event[answer].told = true;
    if (digit == '2' || digit == '3') {
        (void)buf_add_byte(t->out, '\n');
        (void)tell_checks(t, i, answer);
        return;
    }
    p = look(t, answer);
    tell_code(t, &p);
    tell_refusal(t, answer, tell_checks(t, i, answer));
}

/* A reply that answers no command: greeting, end of a message, timeout. */
static void tell_reply(struct teller *t, size_t i)
{
    unsigned char digit = severity(t, i);
    if (t->opening && digit == '2') {
        return; /* every connection is greeted */
    }
    bool refused = t->opening && t->hello.len == 0; /* before the client said anything */
    const char *what = refused      ? "the connection "
                       : t->in_data ? "the message "
                                    : "the server said";
    bool said = !refused && !t->in_data, explained = t->explained;
    end_opening(t);
    t->explained = false;
    t->in_data = false;
    struct phrase p = look(t, i);
    indent(t, 2);
    (void)buf_add_fmt(t->out, "%s%s", what, said ? "" : outcome(digit));
    tell_code(t, &p);
    if (digit != '2') {
        tell_refusal(t, i, explained);
    }
}

/* All that became of message n, below its line. */
static bool tell_fate(struct teller *t, uint32_t n)
{
    bool any = false;
    for (size_t i = 0; i < t->s->event_n; i++) {
        struct story_event *e = &t->s->event[i];
        if (!of_message(e->kind) || e->n != n || e->told) {
            continue;
        }
        struct phrase p = look(t, i);
        indent(t, 6);
        phrase_fill(&p, phrase_of(e->kind), t->out);
        phrase_rest(&p, "; ", t->out);
        (void)buf_add_byte(t->out, '\n');
        e->told = true;
        any = true;
    }
    return any;
}

static void tell_id(struct teller *t, uint32_t n)
{
    char id[ID_TEXT_MAX];
    (void)buf_add(t->out, id_text((struct message_id){t->s->session, n}, id));
}

static void tell_accepted(struct teller *t, size_t i)
{
    size_t answer = answer_of(t->s, i);
    uint32_t n = t->s->event[i].n;
    bool kept = severity(t, answer) == '2';
    struct phrase p = look(t, i);
    uint64_t recipients = 0;
    unsigned named = 0;
    end_opening(t);
    indent(t, 2);
    (void)buf_add_str(t->out, "message ");
    tell_id(t, n);
    (void)buf_add_byte(t->out, ' ');
    phrase_fill(&p, phrase_of(TRACE_accepted), t->out);
    phrase_hide(&p, "id");
    phrase_hide(&p, "recipients");
    for (unsigned k = 0; k < t->v.field_n; k++) {
        named += slice_eq(t->v.field[k].name, SLICE("to"));
    }
    if (slice_u64(get(t, "recipients"), &recipients) && recipients > named) {
        (void)buf_add_fmt(t->out, " and %llu more",
                          (unsigned long long)(recipients - named));
    }
    phrase_rest(&p, "; ", t->out);
    if (kept) {
        p = look(t, answer);
        phrase_fill(&p, ": {code}, on disk", t->out);
        t->s->event[answer].told = true;
        t->in_data = false;
    }
    (void)buf_add_byte(t->out, '\n');
    (void)tell_checks(t, i, kept ? answer : i);
    (void)tell_fate(t, n);
    t->s->event[i].told = true;
}

static void tell_other(struct teller *t, size_t i)
{
    enum trace_kind kind = t->s->event[i].kind;
    struct phrase p = look(t, i);
    if (kind == TRACE_tls && t->opening) {
        (void)buf_add_str(t->out, "; ");
        phrase_fill(&p, phrase_of(kind), t->out);
        phrase_rest(&p, " ", t->out);
        return;
    }
    end_opening(t);
    indent(t, 2);
    phrase_fill(&p, phrase_of(kind), t->out);
    if (kind == TRACE_connect) { /* the header has the others */
        phrase_hide(&p, "service");
        phrase_hide(&p, "listener");
        t->opening = true;
    }
    phrase_rest(&p, kind == TRACE_note ? " " : "; ", t->out);
    if (!t->opening) {
        (void)buf_add_byte(t->out, '\n');
    }
}

static void tell_event(struct teller *t, size_t i)
{
    t->at = i;
    t->s->event[i].told = true;
    switch (t->s->event[i].kind) {
    case TRACE_command:
        tell_command(t, i);
        break;
    case TRACE_reply:
        tell_reply(t, i);
        break;
    case TRACE_check:
        end_opening(t);
        t->explained = tell_check(t, i, 4);
        break;
    case TRACE_accepted:
        tell_accepted(t, i);
        break;
    case TRACE_dns:
    case TRACE_sender:
        if (t->opening) {
            t->s->event[i].told = false;
        } else {
            tell_finding(t, i, 4);
        }
        break;
    case TRACE_NONE:
    case TRACE_connect:
    case TRACE_tls:
    case TRACE_close:
    case TRACE_queued:
    case TRACE_delivered:
    case TRACE_deferred:
    case TRACE_failed:
    case TRACE_held:
    case TRACE_released:
    case TRACE_removed:
    case TRACE_bounced:
    case TRACE_complained:
    case TRACE_note:
    case TRACE_KIND_COUNT:
    default:
        tell_other(t, i);
        break;
    }
}

/* The message of that number: where it was accepted, or only what became of it. */
static void tell_message(struct teller *t, uint32_t n)
{
    for (size_t i = 0; i < t->s->event_n; i++) {
        if (t->s->event[i].kind == TRACE_accepted && t->s->event[i].n == n) {
            tell_accepted(t, i);
            return;
        }
    }
    indent(t, 2);
    (void)buf_add_str(t->out, "message ");
    tell_id(t, n);
    (void)buf_add_byte(t->out, '\n');
    if (!tell_fate(t, n)) {
        (void)buf_add_str(t->out, "      nothing of it is in the trace\n");
    }
}

static size_t find_kind(const struct story *s, enum trace_kind kind)
{
    size_t i = 0;
    while (i < s->event_n && s->event[i].kind != kind) {
        i++;
    }
    return i;
}

static void tell_header(struct teller *t)
{
    size_t connect = find_kind(t->s, TRACE_connect);
    (void)buf_add_str(t->out, "Session ");
    tell_id(t, 0);
    (void)buf_add_str(t->out, ", ");
    phrase_time(story_begin_ms(t->s), 0, t->out);
    (void)buf_add_str(t->out, " UTC");
    if (connect < t->s->event_n) {
        struct phrase p = look(t, connect);
        phrase_fill(&p, "[, service {service}][, listener {listener}]", t->out);
        (void)buf_add_byte(t->out, '\n');
    } else {
        (void)buf_add_str(t->out, "\n  (its beginning is not in the trace)\n");
    }
}

void story_text(struct story *s, uint32_t n, struct buf *out)
{
    struct teller t = {.s = s, .out = out, .day_ms = story_begin_ms(s)};
    sort(s);
    tell_header(&t);
    if (n != 0) {
        tell_message(&t, n);
    }
    for (size_t i = 0; i < s->event_n; i++) {
        if (!s->event[i].told && !(of_message(s->event[i].kind) && s->event[i].n != 0)) {
            tell_event(&t, i);
        }
    }
    t.at = s->event_n;
    end_opening(&t);
    for (size_t i = 0; i < s->event_n; i++) { /* messages without a line of their own */
        if (!s->event[i].told) {
            tell_message(&t, s->event[i].n);
        }
    }
    if (s->cut) {
        (void)buf_add_str(out, "  (more is in the trace than can be told here)\n");
    }
}

/* "192.0.2.7 EHLO client.example", as far as it is known. */
static void line_client(struct teller *t)
{
    size_t connect = find_kind(t->s, TRACE_connect);
    if (connect < t->s->event_n) {
        struct phrase p = look(t, connect);
        phrase_fill(&p, "  {ip}", t->out);
    }
    for (size_t i = 0; i < t->s->event_n; i++) {
        if (t->s->event[i].kind != TRACE_command) {
            continue;
        }
        struct phrase p = look(t, i);
        if (is_hello(get(t, "verb"))) {
            phrase_fill(&p, "[  {argument}]", t->out);
            return;
        }
    }
}

/* The last of what became of its messages, how many came in, the first refusal. */
static void line_outcome(struct teller *t)
{
    size_t accepted = 0, refused = 0, first_refused = 0, fate[TRACE_KIND_COUNT] = {0};
    size_t last_accepted = t->s->event_n;
    for (size_t i = 0; i < t->s->event_n; i++) {
        enum trace_kind kind = t->s->event[i].kind;
        fate[kind]++;
        if (kind == TRACE_accepted) {
            accepted++;
            last_accepted = i;
        }
        if (kind == TRACE_reply && (severity(t, i) == '4' || severity(t, i) == '5')) {
            first_refused = refused++ == 0 ? i : first_refused;
        }
    }
    if (accepted != 0) {
        struct phrase p = look(t, last_accepted);
        phrase_fill(&p, "[  {<from}][ -> {to}]", t->out);
        (void)buf_add_fmt(t->out, "  accepted %zu", accepted);
    }
    for (size_t k = TRACE_delivered; k < TRACE_KIND_COUNT; k++) {
        if (fate[k] != 0 && of_message((enum trace_kind)k)) {
            (void)buf_add_fmt(t->out, "%s %s %zu", accepted != 0 ? "," : " ",
                              trace_kind_name((enum trace_kind)k), fate[k]);
            accepted++;
        }
    }
    if (refused != 0) {
        struct phrase p = look(t, first_refused);
        (void)buf_add_str(t->out, accepted != 0 ? ", refused " : "  refused ");
        phrase_fill(&p, "{code}[ {status}][ {row}]", t->out);
        if (refused > 1) {
            (void)buf_add_fmt(t->out, " and %zu more", refused - 1);
        }
    } else if (accepted == 0) {
        (void)buf_add_str(t->out, "  no message");
    }
}

void story_line(struct story *s, struct buf *out)
{
    struct teller t = {.s = s, .out = out};
    sort(s);
    tell_id(&t, 0);
    (void)buf_add_str(out, "  ");
    phrase_time(story_begin_ms(s), 0, out);
    line_client(&t);
    line_outcome(&t);
    (void)buf_add_byte(out, '\n');
}

static void json_time(uint64_t ms, struct buf *out)
{
    char text[CLOCK_TEXT_MAX];
    (void)json_add_string(out, clock_text(ms, text));
}

/* A name that comes twice has a list of values, where the first one stands. */
static void json_fields(const struct trace_view *v, struct buf *out)
{
    uint32_t done = 0;
    const char *comma = "";
    for (unsigned i = 0; i < v->field_n; i++) {
        unsigned same = 0;
        if ((done & 1U << i) != 0) {
            continue;
        }
        for (unsigned k = i; k < v->field_n; k++) {
            same += slice_eq(v->field[k].name, v->field[i].name);
        }
        (void)buf_add_str(out, comma);
        (void)json_add_string(out, v->field[i].name);
        (void)buf_add_str(out, same > 1 ? ":[" : ":");
        comma = "";
        for (unsigned k = i; k < v->field_n; k++) {
            if (slice_eq(v->field[k].name, v->field[i].name)) {
                (void)buf_add_str(out, comma);
                (void)json_add_string(out, v->field[k].value);
                done |= 1U << k;
                comma = ",";
            }
        }
        (void)buf_add_str(out, same > 1 ? "]" : "");
        comma = ",";
    }
}

void story_json(struct story *s, struct buf *out)
{
    struct teller t = {.s = s, .out = out};
    sort(s);
    (void)buf_add_str(out, "{\"session\":\"");
    tell_id(&t, 0);
    (void)buf_add_str(out, "\",\"time\":");
    json_time(story_begin_ms(s), out);
    (void)buf_add_fmt(out, ",\"cut\":%s,\"events\":[", s->cut ? "true" : "false");
    for (size_t i = 0; i < s->event_n; i++) {
        (void)look(&t, i);
        (void)buf_add_str(out, i == 0 ? "{\"time\":" : ",{\"time\":");
        json_time(t.v.ms, out);
        (void)buf_add_fmt(out, ",\"event\":\"%s\"", trace_kind_name(t.v.kind));
        if (t.v.n != 0) {
            (void)buf_add_str(out, ",\"message\":\"");
            tell_id(&t, t.v.n);
            (void)buf_add_byte(out, '"');
        }
        (void)buf_add_str(out, ",\"fields\":{");
        json_fields(&t.v, out);
        (void)buf_add_str(out, "}}");
    }
    (void)buf_add_str(out, "]}\n");
}
