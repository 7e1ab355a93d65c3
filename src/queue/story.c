/* queue/story.c - see story.h */
#include "queue/story.h"

#include "base/log.h"
#include "config/config.h"

#define ADVICE "its sender is told; with queue.notify = no it stays on hold"

/* By enum queue_what: event of the trace, word and level of the log, what a person should do. */
static const struct {
    enum trace_kind kind;
    const char *event;
    enum log_level level;
    const char *advice;
} tellings[] = {
    [QUEUE_DELIVERED] = {TRACE_delivered, "delivered", LOG_INFO, NULL},
    [QUEUE_DEFERRED] = {TRACE_deferred, "deferred", LOG_INFO, NULL},
    [QUEUE_FAILED] = {TRACE_failed, "failed", LOG_WARN, ADVICE},
    [QUEUE_EXPIRED] = {TRACE_failed, "expired", LOG_WARN, ADVICE},
    [QUEUE_HOLD] = {TRACE_held, "held", LOG_INFO, NULL},
    [QUEUE_RELEASE] = {TRACE_released, "released", LOG_INFO, NULL},
    [QUEUE_REMOVE] = {TRACE_removed, "removed", LOG_INFO, NULL},
    [QUEUE_BOUNCED] = {TRACE_removed, "returned", LOG_INFO, NULL},
    [QUEUE_UNTOLD] = {TRACE_removed, "dropped", LOG_WARN, NULL},
};

void story_init(struct queue_story *s, void (*send)(void *arg, struct slice record),
                void *arg)
{
    *s = (struct queue_story){.send = send, .arg = arg};
    trace_init(&s->trace, 0, 0);
    buf_init(&s->record, TRACE_RECORD_MAX);
}

void story_flush(struct queue_story *s, uint64_t now_ms)
{
    if (trace_empty(&s->trace)) {
        return;
    }
    buf_reset(&s->record);
    trace_take(&s->trace, now_ms, &s->record);
    if (!s->record.failed && s->record.len > 0) {
        s->send(s->arg, buf_slice(&s->record));
    }
}

/* Is it read beside its delivery, as a feedback report? Its sender is told of the delivery alone. */
static bool is_read_too(const struct queue_message *m, uint16_t number)
{
    bool too = false;
    for (uint16_t i = 0; i < m->target_n && m->part[m->target[number].part].report; i++) {
        too |= !m->part[m->target[i].part].report &&
               slice_eq(queue_given(m, i), queue_given(m, number));
    }
    return too;
}

/* The fields that every event of a target has. */
static void add_common(struct fields *f, const struct queue_message *m, uint16_t number)
{
    struct slice given = queue_given(m, number), address = queue_address(m, number);
    fields_add(f, "to", given);
    if (!slice_eq(given, address)) {
        fields_add(f, "target", address);
    }
    if (m->service != SERVICE_MX && queue_account(m).len > 0 && !is_read_too(m, number)) {
        fields_add(f, "account", queue_account(m));
    }
}

/* Goes on in the record of that session, or begins one. */
static void open_record(struct queue_story *s, const struct queue_message *m,
                        uint16_t number, uint64_t at_ms, uint64_t now_ms)
{
    if (s->trace.session != m->id.session || trace_due(&s->trace)) {
        story_flush(s, now_ms);
    }
    if (trace_empty(&s->trace)) {
        s->trace.session = m->id.session;
        s->trace.start_ms = at_ms;
    }
    trace_key(&s->trace, TRACE_KEY_ADDRESS, queue_sender(m));
    if (m->service != SERVICE_MX) {
        trace_key(&s->trace, TRACE_KEY_ADDRESS, queue_account(m));
    }
    trace_key(&s->trace, TRACE_KEY_ADDRESS, queue_given(m, number));
    trace_key(&s->trace, TRACE_KEY_ADDRESS, queue_address(m, number));
}

void story_queued(struct queue_story *s, const struct queue_message *m, uint64_t now_ms)
{
    uint64_t at_ms = m->arrival_ms < now_ms ? m->arrival_ms : now_ms;
    if (m->service != SERVICE_PUSH) {
        return; /* together with its first attempt */
    }
    for (uint16_t i = 0; i < m->target_n; i++) {
        struct fields f = {0};
        open_record(s, m, i, at_ms, now_ms);
        add_common(&f, m, i);
        trace_event(&s->trace, TRACE_queued, at_ms, m->id.n, &f);
    }
}

static void add_class(const struct queue_story *s, struct fields *f, uint8_t klass,
                      const char *action)
{
    if (klass != 0 && s->class_name != NULL) {
        fields_add_str(f, "class", s->class_name(klass));
    }
    if (action != NULL) {
        fields_add_str(f, "action", action);
    }
}

/* What the queue does about it, in the words of catalogue/bounces. */
static const char *action_of(const struct queue_message *m, uint16_t number,
                             enum queue_what what, const struct job_outcome *o)
{
    static const char *const waits[JOB_ADVICE_COUNT] = {
        [JOB_usual] = "retry",    [JOB_later] = "retry-later",
        [JOB_slow] = "slow-down", [JOB_pause_sender] = "pause-sender",
        [JOB_split] = "split",    [JOB_suppress] = "retry"};
    if (what == QUEUE_DEFERRED && o != NULL && o->advice < JOB_ADVICE_COUNT) {
        return waits[o->advice];
    }
    if (what != QUEUE_FAILED && what != QUEUE_EXPIRED) {
        return NULL;
    }
    bool suppress = what == QUEUE_FAILED && o != NULL && o->advice == JOB_suppress &&
                    m->service == SERVICE_PUSH && m->part[m->target[number].part].remote;
    return suppress ? "suppress" : "give-up";
}

static void add_outcome(const struct queue_story *s, struct fields *f,
                        const struct queue_message *m, uint16_t number,
                        enum queue_what what, const struct job_outcome *o)
{
    const struct queue_target *t = &m->target[number];
    if (o != NULL && o->transport.len > 0) {
        fields_add(f, "transport", o->transport);
    }
    if (o != NULL && o->where.len > 0) {
        fields_add(f, "where", o->where);
    }
    if (o != NULL && o->reply.len > 0) {
        fields_add(f, "reply", slice_sub(o->reply, 0, QUEUE_REPLY_MAX));
    } else if (t->note != NULL && what != QUEUE_RELEASE) {
        fields_add(f, "reply", queue_reply(m, number));
    }
    if (what == QUEUE_DEFERRED) {
        fields_add_u64(f, "next", t->next_ms);
    }
    if (what == QUEUE_HOLD || what == QUEUE_RELEASE || what == QUEUE_REMOVE) {
        fields_add_str(f, "by", "command");
    } else if (what == QUEUE_BOUNCED) {
        fields_add_str(f, "by", "the server, which told the sender");
    } else if (what == QUEUE_UNTOLD) {
        fields_add_str(f, "by", "the server, which has nobody to tell");
    }
    if (o != NULL || what == QUEUE_DEFERRED) {
        fields_add_u64(f, "attempt", t->attempts);
    }
    if (o != NULL && o->row != 0 && s->row_name != NULL) {
        fields_add_str(f, "row", s->row_name(o->row));
    }
}

void story_tell(struct queue_story *s, const struct queue_message *m, uint16_t number,
                enum queue_what what, const struct job_outcome *o, uint64_t now_ms)
{
    bool first = o != NULL && m->target[number].attempts == 1 && !m->replayed &&
                 m->service != SERVICE_PUSH; /* story_queued() told of those */
    uint64_t at_ms = first && m->arrival_ms < now_ms ? m->arrival_ms : now_ms;
    char id[ID_TEXT_MAX];
    struct fields f = {0};

    open_record(s, m, number, at_ms, now_ms);
    add_common(&f, m, number);
    if (first) {
        trace_event(&s->trace, TRACE_queued, at_ms, m->id.n, &f);
    }
    add_outcome(s, &f, m, number, what, o);
    if (what != QUEUE_DELIVERED) {
        add_class(s, &f, o == NULL ? 0 : o->klass, action_of(m, number, what, o));
    }
    trace_event(&s->trace, tellings[what].kind, now_ms, m->id.n, &f);

    fields_add(&f, "id", id_text(m->id, id));
    fields_add(&f, "from", queue_sender(m));
    if (tellings[what].advice != NULL) {
        fields_add_str(&f, "text", tellings[what].advice);
    }
    log_event(tellings[what].level, m->id.session, tellings[what].event, &f);
}

void story_came_back(struct queue_story *s, const struct story_back *b, uint64_t now_ms)
{
    char by[ID_TEXT_MAX], id[ID_TEXT_MAX];
    struct fields f = {0};
    story_flush(s, now_ms);
    s->trace.session = b->id.session;
    s->trace.start_ms = now_ms;
    trace_key(&s->trace, TRACE_KEY_ADDRESS, b->account);
    trace_key(&s->trace, TRACE_KEY_ADDRESS, b->to);
    if (b->text != NULL) {
        fields_add_str(&f, "text", b->text);
    }
    fields_add(&f, "to", b->to);
    fields_add(&f, "account", b->account);
    if (b->reply.len > 0) {
        fields_add(&f, "reply", slice_sub(b->reply, 0, QUEUE_REPLY_MAX));
    }
    add_class(s, &f, b->klass, b->action);
    fields_add(&f, "by", id_text(b->by, by));
    trace_event(&s->trace, b->kind, now_ms, b->id.n, &f);
    story_flush(s, now_ms);

    fields_add(&f, "id", id_text(b->id, id));
    log_event(LOG_INFO, b->id.session,
              b->kind == TRACE_bounced      ? "came-back"
              : b->kind == TRACE_complained ? "complained"
                                            : "heard-of",
              &f);
}
