/* daemon/queue_report.c - see queue.h: return paths of single recipients, and what comes back to them.
 *
 * Out     a message of a push account goes to each recipient elsewhere under a return path of its own
 *         (queue/sent.h). Once it was delivered we write down whom that path stands for.
 * Back    mx takes mail to such an address when we say that it is one. A delivery reads it
 *         (delivery/report.h), for it is a stranger's; what it says then counts for the one recipient
 *         that the path stands for, as an immediate reply would: an address that is no good, and a
 *         complaint, go on the account's suppression list, with what was said.
 * Also    complaints that come to an address of complaints.addresses. What they say of mail that push accounts sent
 *         counts as above, by the return path that stands in them. Other complaints are about mail that came
 *         through here: the directory role is told, which knows what came (check/complaint.h).
 *         What went out under a return path is complained of once, and counted for its account.
 * Never   an answer: what came back is done when it was read, whatever it says. */
#include "base/clock.h"
#include "base/log.h"
#include "bounce/classify.h"
#include "config/paths.h"
#include "daemon/queue.h"
#include "proc/control.h"
#include "reply/reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TIDY_N = 5000,
    COMPLAINTS_MAX = 256 * 1024, /* that wait for the directory */
    RATES_DAYS = 30,
    RATES_N = 200, /* accounts at a time */
    STATUS_SYSTEM = 4,
};

static const char *class_name(uint8_t klass)
{
    return klass > 0 && klass <= BOUNCE_CLASSES_N
               ? bounce_class_info((enum bounce_class)(klass - 1))->name
               : "unknown";
}

static const char *row_name(uint16_t row)
{
    const struct reply_row *r = reply_row((enum reply_id)row);
    return r == NULL ? "unknown" : r->id;
}

void queue_report_open(struct queue_role *q)
{
    char path[4096], error[SENT_ERROR_MAX];
    q->story.class_name = class_name;
    q->story.row_name = row_name;
    buf_init(&q->complaints, COMPLAINTS_MAX);
    if (q->ctx->config->push_return_path_domain[0] == '\0') {
        return;
    }
    int n = snprintf(path, sizeof path, "%s/" STATE_SENT_DB, q->ctx->config->state_dir);
    if (n < 0 || (size_t)n >= sizeof path) {
        log_text(LOG_ERR, "sent", "state-dir is too long for the list of return paths");
        return;
    }
    q->sent = sent_open(path, error);
    if (q->sent == NULL) {
        log_text(LOG_ERR, "sent",
                 STATE_SENT_DB
                 ": %s; until it can be opened, at the next start, push mail "
                 "goes out under its account's address, and what comes back to "
                 "return paths is put off",
                 error);
    }
}

void queue_report_path(struct queue_role *q, const struct queue_pick *pick,
                       struct buf *out)
{
    const struct queue_message *m = pick->message;
    if (q->sent == NULL || !pick->remote || pick->n != 1 || m->service != SERVICE_PUSH ||
        queue_sender(m).len == 0) {
        return;
    }
    uint64_t serial = sent_serial(q->sent, clock_wall_ms() * 1000);
    queue_job_tag(q->index, pick->job, serial);
    sent_path(q->sent, serial, slice_of(q->ctx->config->push_return_path_domain), out);
}

void queue_report_adopted(struct queue_role *q, uint64_t job, struct slice path)
{
    uint64_t serial = 0;
    if (q->sent != NULL && sent_serial_of(q->sent, path, &serial)) {
        queue_job_tag(q->index, job, serial);
    }
}

void queue_report_tidy(struct queue_role *q)
{
    queue_report_directory(q);
    if (q->sent != NULL) {
        sent_flush(q->sent);
        sent_tidy(q->sent, clock_wall_ms(), q->ctx->config->push_return_path_time,
                  TIDY_N);
    }
}

/* --- what came back --- */

static enum sent_res find(struct queue_role *q, struct slice path, struct sent_entry *out)
{
    return sent_find(q->sent, path, clock_wall_ms(),
                     q->ctx->config->push_return_path_time, out);
}

/* By the kind of mail that delivery found it to be. */
static const struct {
    const char *kind;
    enum trace_kind event;
    const char *text;
} kinds[] = {
    {"failed", TRACE_bounced, NULL},
    {"feedback", TRACE_complained, NULL},
    {"wanted", TRACE_note, "came back: says that it was no junk"},
    {"auth-failure", TRACE_note, "came back: a report that its authentication failed"},
    {"stranger", TRACE_note,
     "came back: a complaint of somebody whom complaints.providers does not name"},
    {"delayed", TRACE_note, "came back: not delivered yet, still tried there"},
    {"delivered", TRACE_note, "came back: was delivered or sent on there"},
    {"auto-reply", TRACE_note, "came back: an automatic answer"},
    {"none", TRACE_note, "came back: mail that is no report"},
};
enum { KIND_N = sizeof kinds / sizeof kinds[0] };

/* On the list, where it belongs there. NULL: it does not. */
static const char *suppress(struct queue_role *q, const struct story_back *b,
                            const struct job_outcome *o)
{
    uint64_t now_ms = clock_wall_ms();
    bool listed =
        q->suppress != NULL &&
        (b->kind == TRACE_complained
             ? suppress_complained(q->suppress, b->account, b->to, b->reply, now_ms)
         : b->kind == TRACE_bounced && o->advice == JOB_suppress
             ? suppress_bounced(q->suppress, b->account, b->to, b->reply, now_ms)
             : false);
    return listed ? "suppress" : b->kind == TRACE_bounced ? "give-up" : NULL;
}

/* What complaints say of mail that was not sent under a return path: COMPLAINTs, each behind its length. */
static void keep_complaint(struct queue_role *q, struct slice kind,
                           const struct job_outcome *o)
{
    struct buf b;
    buf_init(&b, MSG_PAYLOAD_MAX);
    wire_put_u8(&b, slice_eq(kind, SLICE("wanted")));
    wire_put_text(&b, o->reporter);
    wire_put_text(&b, o->original);
    if (q->complaints.len + b.len + 2 <= q->complaints.max) { /* else there is a flood */
        wire_put_text(&q->complaints, buf_slice(&b));
    }
    buf_clear(&b);
    queue_report_directory(q);
}

void queue_report_directory(struct queue_role *q)
{
    struct wire_reader r = wire_reader_of(buf_slice(&q->complaints));
    while (q->directory != NULL && r.rest.len > 0) {
        struct wire_reader at = r;
        if (!channel_send(q->directory, MSG_COMPLAINT, wire_text(&r), -1)) {
            r = at; /* the next tick */
            break;
        }
    }
    buf_consume(&q->complaints, q->complaints.len - r.rest.len);
}

static void log_back(const char *event, enum log_level level,
                     const struct queue_message *m, struct slice kind,
                     const struct job_outcome *o, const char *text)
{
    char id[ID_TEXT_MAX];
    struct fields f = {0};
    fields_add(&f, "id", id_text(m->id, id));
    fields_add(&f, "what", kind);
    if (o->reporter.len > 0) {
        fields_add(&f, "reporter", o->reporter);
    }
    fields_add_str(&f, "text", text);
    log_event(level, m->id.session, event, &f);
}

/* To an address for complaints: these alone count there. */
static bool is_complaint(struct slice kind)
{
    return slice_eq(kind, SLICE("feedback")) || slice_eq(kind, SLICE("wanted"));
}

static void came_back(struct queue_role *q, const struct queue_message *m,
                      uint16_t number, const struct job_outcome *o)
{
    size_t blank = slice_find(o->where, ' '), i = 0;
    struct slice kind = slice_sub(o->where, 0, blank),
                 inside = slice_from(o->where, blank + 1);
    struct slice path = queue_address(m, number);
    struct sent_entry e;
    bool token = sent_is_token(slice_sub(path, 0, slice_rfind(path, '@')));
    if (!token && !is_complaint(kind)) {
        log_back("no-complaint", LOG_INFO, m, kind, o,
                 "it came to an address for complaints, and is none that counts");
        return;
    }
    path = token ? path : inside; /* complaints tell themselves what they are about */
    while (i < KIND_N - 1 && !slice_eq(kind, slice_of(kinds[i].kind))) {
        i++;
    }
    if (q->sent == NULL || find(q, path, &e) != SENT_YES) {
        if (!token && o->original.len > 0) {
            keep_complaint(q, kind, o);
            return;
        }
        log_back("not-matched", LOG_WARN, m, kind, o,
                 "it names no return path of ours: nothing is done about it");
        return;
    }
    if (kinds[i].event == TRACE_complained &&
        sent_complained(q->sent, path, &e, clock_wall_ms()) == SENT_NOT) {
        log_back("complaint-passed-over", LOG_INFO, m, kind, o,
                 "that has been said of that message already");
        return;
    }
    struct story_back b = {.kind = kinds[i].event,
                           .id = e.id,
                           .by = m->id,
                           .account = e.account,
                           .to = e.address,
                           .reply = o->reply,
                           .klass = o->klass,
                           .text = kinds[i].text};
    b.action = suppress(q, &b, o);
    story_came_back(&q->story, &b, clock_wall_ms());
}

void queue_report_changed(struct queue_role *q, const struct queue_message *m,
                          uint16_t number, enum queue_what what)
{
    if (what != QUEUE_DELIVERED || q->outcome == NULL) {
        return;
    }
    if (m->part[m->target[number].part].report) {
        came_back(q, m, number, q->outcome);
    } else if (q->serial != 0 && q->sent != NULL) {
        IGNORE(!sent_put(q->sent, q->serial,
                         &(struct sent_entry){.id = m->id,
                                              .account = queue_sender(m),
                                              .address = queue_address(m, number)}));
    }
}

/* --- smtpd's questions --- */

bool queue_report_ask(struct queue_role *q, struct channel *ch, struct slice payload)
{
    struct wire_reader r = wire_reader_of(payload);
    uint64_t cookie = wire_u64(&r);
    struct slice address = wire_text(&r);
    struct sent_entry e;
    if (!wire_done(&r)) {
        return false;
    }
    enum sent_res res = q->sent == NULL ? SENT_FAULT : find(q, address, &e);
    buf_reset(&q->out);
    wire_put_u64(&q->out, cookie);
    wire_put_u8(&q->out, (uint8_t)res);
    if (!channel_send(ch, MSG_RETURN_IS, buf_slice(&q->out), -1)) {
        log_text(LOG_WARN, "sent", "smtpd/%u does not listen", channel_peer_index(ch));
    }
    return true;
}

/* --- postern complaint rates --- */

struct rates_asked {
    struct queue_role *q;
    struct control_call *call;
    unsigned char only[SUPPRESS_ADDRESS_MAX], last[SUPPRESS_ADDRESS_MAX];
    size_t only_len, last_len;
};

static void rates_line(void *arg, const struct sent_rate *r)
{
    struct rates_asked *asked = arg;
    asked->last_len = r->account.len < sizeof asked->last ? r->account.len : 0;
    if (asked->last_len > 0) {
        memcpy(asked->last, r->account.ptr, asked->last_len);
    }
    control_line(asked->call,
                 json_pack("{s:s%,s:I,s:I,s:i}", "account", (const char *)r->account.ptr,
                           r->account.len, "sent", (json_int_t)r->sent, "complained",
                           (json_int_t)r->complained, "days", RATES_DAYS));
}

static void rates_next(void *state, struct control_call *call)
{
    struct rates_asked *asked = state;
    uint64_t now_ms = clock_wall_ms();
    unsigned seen = 0;
    asked->call = call;
    if (!sent_rates(asked->q->sent, (struct slice){asked->last, asked->last_len},
                    (struct slice){asked->only, asked->only_len},
                    now_ms - UINT64_C(86400000) * RATES_DAYS, RATES_N, &seen, rates_line,
                    asked)) {
        control_error(call, STATUS_SYSTEM,
                      STATE_SENT_DB " cannot be read; see the server's log");
    } else if (seen < RATES_N) {
        control_done(call, 0);
    }
}

static void rates_end(void *state)
{
    free(state);
}

static const struct control_stream rates_stream = {rates_next, rates_end};

void queue_report_request(struct queue_role *q, struct control_call *call,
                          const json_t *request)
{
    const char *account = json_string_value(json_object_get(request, "account"));
    struct slice only = slice_of(account == NULL ? "" : account);
    struct rates_asked *asked = calloc(1, sizeof *asked);
    if (q->sent == NULL || asked == NULL || only.len > sizeof asked->only) {
        control_error(call, STATUS_SYSTEM, "%s",
                      q->sent == NULL ? "nothing is known: push.return-path-domain is "
                                        "not set, or " STATE_SENT_DB " cannot be opened"
                                      : "no memory, or the account's name is too long");
        free(asked);
        return;
    }
    asked->q = q;
    asked->only_len = only.len;
    if (only.len > 0) {
        memcpy(asked->only, only.ptr, only.len);
    }
    control_stream(call, &rates_stream, asked);
}
