/* daemon/queue_report.c - see queue.h: return paths of single recipients, and what comes back to them.
 *
 * Out     a message of a push account goes to each recipient elsewhere under a return path of its own
 *         (queue/sent.h). Once it was delivered we write down whom that path stands for.
 * Back    mx takes mail to such an address when we say that it is one. A delivery reads it
 *         (delivery/report.h), for it is a stranger's; what it says then counts for the one recipient
 *         that the path stands for, as an immediate reply would: an address that is no good, and a
 *         complaint, go on the account's suppression list, with what was said.
 * Never   an answer: what came back is done when it was read, whatever it says. */
#include "base/clock.h"
#include "base/log.h"
#include "bounce/classify.h"
#include "config/paths.h"
#include "daemon/queue.h"
#include "reply/reply.h"

#include <stdio.h>

enum { TIDY_N = 5000 };

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

static void came_back(struct queue_role *q, const struct queue_message *m,
                      uint16_t number, const struct job_outcome *o)
{
    size_t blank = slice_find(o->where, ' '), i = 0;
    struct slice kind = slice_sub(o->where, 0, blank),
                 inside = slice_from(o->where, blank + 1);
    struct slice path = queue_address(m, number);
    struct sent_entry e;
    /* A mailbox for complaints: they tell themselves what they are about. */
    if (!sent_is_token(slice_sub(path, 0, slice_rfind(path, '@')))) {
        path = inside;
    }
    while (i < KIND_N - 1 && !slice_eq(kind, slice_of(kinds[i].kind))) {
        i++;
    }
    if (q->sent == NULL || find(q, path, &e) != SENT_YES) {
        char id[ID_TEXT_MAX];
        struct fields f = {0};
        fields_add(&f, "id", id_text(m->id, id));
        fields_add(&f, "what", kind);
        fields_add_str(&f, "text",
                       "it names no return path of ours: nothing is done about it");
        log_event(LOG_WARN, m->id.session, "not-matched", &f);
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
