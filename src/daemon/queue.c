/* daemon/queue.c - the queue role: the index of the spool, who delivers what, what became of it.
 *
 * Start   the spool is replayed before any peer is heard. Everything in it is due again at its
 *         time; targets that were in delivery are due at once, flagged as repeated, unless a
 *         delivery still has them (queue_held.c).
 * Syncs   changes of the journal are written as they happen and synced together, at most once
 *         in LEDGER_SYNC_MS (queue/ledger.h).
 * Full    below spool.free-space, or when journal or segments cannot be written, smtpd is told
 *         (SPOOL_STATE) and answers 4yz; while the journal fails nothing is delivered. Both
 *         end by themselves: asked again every TICK_MS.
 * Drain   no new jobs; those that run are waited for, and smtpd is served until it is gone. */
#include "daemon/queue.h"

#include "base/clock.h"
#include "base/log.h"
#include "bounce/classify.h"
#include "config/paths.h"
#include "config/rates.h"
#include "config/units.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    TICK_MS = 1000,
    OPEN_TRIES = 50, /* the queue before us may still be going: 5 s */
    OPEN_PAUSE_MS = 100,
    DRAIN_SPARE_MS =
        500, /* in time to close the spool: the supervisor kills who is late */
};

/* --- what the index tells --- */

static void on_changed(void *arg, const struct queue_message *m, uint16_t number,
                       enum queue_what what)
{
    struct queue_role *q = arg;
    ledger_changed(&q->ledger, m, number);
    queue_dsn_changed(q, m, number, what);
    queue_suppress_changed(q, m, number, what);
    queue_report_changed(q, m, number, what);
    story_tell(&q->story, m, number, what, q->outcome, clock_wall_ms());
}

static void on_finished(void *arg, const struct queue_message *m)
{
    struct queue_role *q = arg;
    queue_dsn_flush(q);
    if (q->ledger.store == NULL) {
        ledger_known_done(&q->ledger, m->id); /* found done at start */
    } else {
        ledger_finished(&q->ledger, m);
    }
}

static const struct queue_ops index_ops = {on_changed, on_finished};

static void after(struct event *timer, uint64_t ms)
{
    struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000) * 1000};
    (void)evtimer_add(timer, &tv);
}

static bool send_event(void *arg, struct slice payload)
{
    struct queue_role *q = arg;
    return q->trace != NULL && channel_send(q->trace, MSG_EVENTS, payload, -1);
}

static void send_trace(void *arg, struct slice record)
{
    struct queue_role *q = arg;
    trace_keep_put(&q->keep, record);
}

static bool take_events_kept(struct queue_role *q, struct slice payload)
{
    struct wire_reader r = wire_reader_of(payload);
    trace_keep_done(&q->keep, wire_u64(&r));
    trace_keep_flush(&q->keep);
    return wire_done(&r);
}

/* --- the state that smtpd goes by --- */

static bool send_state(struct queue_role *q, struct channel *ch)
{
    unsigned char state = (unsigned char)q->state;
    return channel_send(ch, MSG_SPOOL_STATE, (struct slice){&state, 1}, -1);
}

static void set_state(struct queue_role *q, enum spool_state state)
{
    static const char *const texts[] = {
        [SPOOL_READY] = "mail is taken again",
        [SPOOL_DISK_FULL] =
            "less disk free than spool.free-space: no mail is taken until "
            "there is more",
        [SPOOL_IO_ERROR] = "the journal cannot be written: no mail is taken and none "
                           "delivered until it can; see the disk and its mount",
        [SPOOL_NO_QUEUE] = "no queue",
    };
    if (state == q->state) {
        return;
    }
    log_text(state == SPOOL_READY ? LOG_INFO : LOG_ERR, "spool-state", "%s",
             texts[state]);
    q->state = state;
    for (size_t i = 0; i < ROLE_INSTANCES_MAX; i++) {
        if (q->smtpd[i] != NULL && !send_state(q, q->smtpd[i])) {
            log_text(LOG_WARN, "spool-state", "smtpd/%zu does not listen", i);
        }
    }
}

static void look_at_disk(struct queue_role *q)
{
    uint64_t free_octets = spool_store_free_octets(q->store);
    uint64_t least = q->ctx->config->spool_free_space;
    /* An eighth more to come back, so that it does not change with every message. */
    least += q->state == SPOOL_DISK_FULL ? least / 8 : 0;
    if (free_octets < least) {
        set_state(q, SPOOL_DISK_FULL);
    } else {
        set_state(q, ledger_ok(&q->ledger) ? SPOOL_READY : SPOOL_IO_ERROR);
    }
}

/* --- the journal --- */

static void on_sync(evutil_socket_t fd, short what, void *arg)
{
    struct queue_role *q = arg;
    (void)fd, (void)what;
    q->sync_set = false;
    if (q->finished) {
        return;
    }
    if (q->sent != NULL) {
        sent_flush(q->sent);
    }
    bool before = ledger_ok(&q->ledger);
    bool now = ledger_sync(&q->ledger);
    bool full = queue_held_too_many(q);
    if (now) {
        queue_held_kept(q);
    }
    if (before != now) {
        look_at_disk(q);
    }
    if (now && (!before || full)) {
        queue_jobs_soon(q);
    }
}

void queue_role_changed(struct queue_role *q)
{
    queue_dsn_flush(q);
    ledger_flush(&q->ledger);
    story_flush(&q->story, clock_wall_ms());
    if (!ledger_ok(&q->ledger)) {
        look_at_disk(q); /* the next tick writes again */
    } else if (!q->sync_set && ledger_waits(&q->ledger)) {
        q->sync_set = true;
        after(q->sync_timer, LEDGER_SYNC_MS);
    }
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct queue_role *q = arg;
    (void)fd, (void)what;
    if (q->finished) {
        return;
    }
    after(q->tick_timer, TICK_MS);
    spool_store_orphans(q->store);
    if (!ledger_ok(&q->ledger)) {
        on_sync(-1, 0, q);
    }
    if (ledger_ok(&q->ledger)) {
        spool_store_compact(q->store, clock_wall_ms());
    }
    look_at_disk(q);
    trace_keep_flush(&q->keep);
    if (ledger_ok(&q->ledger) && !ledger_waits(&q->ledger)) {
        queue_held_kept(q); /* what a channel did not take */
    }
    queue_jobs_close_idle(q);
    queue_pause_tick(q);
    queue_report_tidy(q);
    if (q->keep.dropped > 0) {
        log_text(LOG_WARN, "trace-dropped", "%llu records: the trace role is behind",
                 (unsigned long long)q->keep.dropped);
        q->keep.dropped = 0;
    }
    queue_role_changed(q);
    queue_jobs_soon(q); /* the wall clock may have been set */
}

/* --- the spool --- */

static void on_entry(void *arg, const struct spool_entry *e)
{
    struct queue_role *q = arg;
    char id[ID_TEXT_MAX];
    (void)id_text(e->header.id, id);
    switch (queue_add(q->index, e, clock_wall_ms())) {
    case QUEUE_ADDED: {
        const struct queue_message *m = queue_find(q->index, e->header.id);
        if (!m->replayed) { /* queue_told_go_on() sees to those */
            story_queued(&q->story, m, clock_wall_ms());
        }
        return;
    }
    case QUEUE_KNOWN:
        return;
    case QUEUE_MALFORMED:
        log_text(LOG_ERR, "envelope",
                 "message %s in segment %016llx: its envelope cannot be "
                 "read; it stays in the spool, undelivered",
                 id, (unsigned long long)e->segment);
        return;
    case QUEUE_NO_MEMORY:
        log_text(LOG_ERR, "memory",
                 "message %s stays in the spool until the next start: "
                 "no memory",
                 id);
        return;
    }
}

static void on_settle(void *arg, const struct spool_settle *s)
{
    struct queue_role *q = arg;
    queue_replay(q->index, s);
}

static void on_moved(void *arg, struct message_id id, uint64_t segment, uint64_t offset)
{
    struct queue_role *q = arg;
    queue_moved(q->index, id, segment, offset);
}

static void on_drained(void *arg, uint64_t segment)
{
    struct queue_role *q = arg;
    queue_jobs_segment_drained(q, segment);
}

static void on_report(void *arg, const char *text)
{
    (void)arg;
    log_text(LOG_WARN, "spool", "%s", text);
}

static const struct spool_store_ops store_ops = {on_entry, on_settle, on_moved,
                                                 on_drained, on_report};

/* Lives as long as the process: a reload is a new one. */
static struct queue_waits class_waits[256];

/* "mailbox-full 1h 6h 1d": that its times are times the configuration has checked. */
static bool read_class(const char *text)
{
    struct slice rest = slice_of(text), word;
    enum bounce_class klass;
    size_t len = slice_find(rest, ' ');
    if (!bounce_class_named(slice_sub(rest, 0, len), &klass)) {
        log_text(LOG_ERR, "class-retry",
                 "queue.class-retry: there is no class of that name: %s", text);
        return false;
    }
    struct queue_waits *w = &class_waits[(uint8_t)(klass + 1)]; /* as in job_outcome */
    for (rest = slice_trim(slice_from(rest, len));
         rest.len > 0 && w->n < QUEUE_RETRIES_MAX;
         rest = slice_trim(slice_from(rest, word.len))) {
        word = slice_sub(rest, 0, slice_find(rest, ' '));
        w->n += units_time(word, &w->ms[w->n]) == NULL;
    }
    return true;
}

static struct queue_rules rules_of(const struct config *cfg)
{
    struct queue_rules rules = {.expire_ms = cfg->queue_expire,
                                .later_ms = cfg->queue_later,
                                .later_n = (unsigned)cfg->queue_later_attempts,
                                .pause_ms = cfg->queue_pause};
    for (unsigned i = 0; i < cfg->queue_retry.n && i < QUEUE_RETRIES_MAX; i++) {
        rules.retry_ms[rules.retry_n++] = cfg->queue_retry.ms[i];
    }
    for (unsigned i = 0; i < cfg->queue_class_retry.n; i++) {
        if (read_class(cfg->queue_class_retry.item[i])) {
            rules.class_waits = class_waits;
        }
    }
    uint64_t flight = cfg->delivery_workers * QUEUE_PER_WORKER;
    rules.in_flight_max[QUEUE_LOCAL] =
        flight < QUEUE_IN_FLIGHT_MAX ? (unsigned)flight : QUEUE_IN_FLIGHT_MAX;
    rules.in_flight_max[QUEUE_REMOTE] = QUEUE_REMOTE_IN_FLIGHT_MAX;
    rules.single = cfg->push_return_path_domain[0] != '\0' ? 1U << SERVICE_PUSH : 0;
    return rules;
}

static bool open_pace(struct queue_role *q)
{
    static const uint64_t spans_ms[RATE_WINDOWS] = {
        [RATE_MINUTE] = 60 * 1000, [RATE_HOUR] = 3600 * 1000, [RATE_DAY] = 86400 * 1000};
    const struct config_list *rates = &q->ctx->config->queue_rates;
    bool ok = true;
    if (rates->n == 0) {
        return true;
    }
    q->pace = pace_new();
    for (unsigned i = 0; i < rates->n && ok && q->pace != NULL; i++) {
        struct config_rate r;
        if (config_rate_parse(slice_of(rates->item[i]), &r) != NULL ||
            r.of == RATE_OF_SITE) {
            continue; /* it was read before; sites are the deliveries' */
        }
        struct pace_rule rule = {r.limit.count, spans_ms[r.limit.window],
                                 r.limit.burst == 0 ? 1 : r.limit.burst};
        ok = pace_put(q->pace, r.of == RATE_OF_ACCOUNT ? PACE_ACCOUNT : PACE_DOMAIN,
                      slice_eq(r.name, SLICE("*")) ? SLICE("") : r.name, rule);
    }
    queue_set_pace(q->index, q->pace);
    return ok && q->pace != NULL;
}

/* The lock of the queue that was here before goes with its last descriptor. */
static const char *open_store(struct queue_role *q)
{
    char path[4096];
    const char *error = NULL;
    const struct config *cfg = q->ctx->config;
    const struct timespec pause = {0, OPEN_PAUSE_MS * 1000000L};
    int n = snprintf(path, sizeof path, "%s/" STATE_SPOOL, cfg->state_dir);
    if (n < 0 || (size_t)n >= sizeof path) {
        return "state-dir is too long";
    }
    for (int i = 0; i < OPEN_TRIES; i++) {
        errno = 0;
        q->store =
            spool_store_open(path, false, cfg->spool_segment_size, &store_ops, q, &error);
        if (q->store != NULL) {
            return NULL;
        }
        if (errno != EWOULDBLOCK) {
            break;
        }
        (void)nanosleep(&pause, NULL);
    }
    return error;
}

static const char *queue_role_open(struct role_ctx *ctx)
{
    struct queue_role *q = calloc(1, sizeof *q);
    struct queue_rules rules = rules_of(ctx->config);
    if (q == NULL) {
        return "no memory";
    }
    ctx->state = q;
    q->ctx = ctx;
    q->index = queue_new(&rules, &index_ops, q);
    if (q->index == NULL) {
        return "no memory";
    }
    buf_init(&q->out, MSG_PAYLOAD_MAX);
    trace_keep_init(&q->keep, id_new_session(), QUEUE_EVENTS_MAX, send_event, q);
    story_init(&q->story, send_trace, q);
    ledger_init(&q->ledger, NULL); /* on_finished() knows by this that we replay */
    const char *error = open_store(q);
    if (error != NULL) {
        return error;
    }
    queue_suppress_open(q); /* under the spool's lock */
    queue_pause_open(q);
    if (!open_pace(q)) {
        return "no memory for queue.rates";
    }
    queue_report_open(q);
    queue_held_open(q);
    queue_started(q->index, clock_wall_ms());
    queue_told_go_on(q);
    q->ledger.store = q->store;
    struct queue_stats stats = {0};
    queue_stats(q->index, clock_wall_ms(), &stats);
    log_text(LOG_INFO, "replayed", "%llu messages: %llu recipients to deliver, %llu held",
             (unsigned long long)stats.messages,
             (unsigned long long)stats.target_n[QUEUE_pending],
             (unsigned long long)stats.target_n[QUEUE_held]);
    return NULL;
}

/* --- the end --- */

static void finish(struct queue_role *q)
{
    if (q->finished) {
        return;
    }
    queue_dsn_finish(q);
    if (q->sent != NULL) {
        sent_flush(q->sent);
    }
    if (!ledger_sync(&q->ledger)) {
        log_text(LOG_ERR, "journal",
                 "the last outcomes cannot be written: what was just "
                 "delivered will be delivered again");
    } else {
        queue_held_kept(q);
    }
    story_flush(&q->story, clock_wall_ms());
    trace_keep_flush(&q->keep);
    queue_told_keep(q);
    suppress_close(&q->suppress);
    sent_close(&q->sent);
    spool_store_close(&q->store);
    q->finished = true;
    struct event *timers[] = {q->dispatch_timer, q->sync_timer, q->tick_timer,
                              q->end_timer};
    for (size_t i = 0; i < sizeof timers / sizeof timers[0]; i++) {
        (void)evtimer_del(timers[i]);
    }
    role_finish(q->ctx);
}

void queue_role_drained(struct queue_role *q)
{
    if (!q->draining || q->finished || queue_in_flight(q->index) > 0) {
        return;
    }
    for (size_t i = 0; i < ROLE_INSTANCES_MAX; i++) {
        if (q->smtpd[i] != NULL) {
            return;
        }
    }
    finish(q);
}

static void on_end(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    finish(arg);
}

static void queue_role_drain(struct role_ctx *ctx, uint32_t ms)
{
    struct queue_role *q = ctx->state;
    q->draining = true;
    after(q->end_timer, ms > 2 * DRAIN_SPARE_MS ? ms - DRAIN_SPARE_MS : ms / 2);
    queue_role_drained(q);
}

/* --- start --- */

static struct event *timer_new(struct queue_role *q, event_callback_fn call)
{
    struct event *timer = evtimer_new(q->ctx->base, call, q);
    if (timer == NULL) {
        fatal("queue: no memory");
    }
    return timer;
}

static void queue_role_start(struct role_ctx *ctx)
{
    struct queue_role *q = ctx->state;
    q->dispatch_timer = timer_new(q, queue_jobs_on_timer);
    q->sync_timer = timer_new(q, on_sync);
    q->tick_timer = timer_new(q, on_tick);
    q->end_timer = timer_new(q, on_end);
    queue_control_start(q);
    if (ctx->config->queue_notify) {
        queue_dsn_start(q);
    }
    (void)ledger_sync(&q->ledger); /* what the journal knows as done: segments go */
    on_tick(-1, 0, q);
}

/* --- smtpd --- */

static void own(struct queue_role *q, uint64_t segment, unsigned smtpd)
{
    if (q->owner_n == q->owner_cap) {
        size_t cap = q->owner_cap == 0 ? 64 : q->owner_cap * 2;
        struct queue_owner *more = reallocarray(q->owner, cap, sizeof *more);
        if (more == NULL) {
            return; /* then nobody owns it, and who says so may seal it */
        }
        q->owner = more;
        q->owner_cap = cap;
    }
    q->owner[q->owner_n++] = (struct queue_owner){segment, smtpd};
}

static void disown_all(struct queue_role *q, unsigned smtpd)
{
    size_t kept = 0;
    for (size_t i = 0; i < q->owner_n; i++) {
        if (q->owner[i].smtpd != smtpd) {
            q->owner[kept++] = q->owner[i];
        }
    }
    q->owner_n = kept;
}

/* A segment that we gave to another living smtpd is none of its business. */
static bool may_seal(struct queue_role *q, uint64_t segment, unsigned smtpd)
{
    for (size_t i = 0; i < q->owner_n; i++) {
        if (q->owner[i].segment == segment) {
            if (q->owner[i].smtpd != smtpd) {
                return false;
            }
            q->owner[i] = q->owner[--q->owner_n];
            return true;
        }
    }
    return true; /* from before our start */
}

static void refuse_segment(struct queue_role *q, struct channel *ch, uint64_t cookie,
                           enum spool_state why)
{
    buf_reset(&q->out);
    wire_put_u64(&q->out, cookie);
    wire_put_u8(&q->out, (uint8_t)why);
    if (!channel_send(ch, MSG_SEGMENT_NONE, buf_slice(&q->out), -1)) {
        log_text(LOG_WARN, "segment", "smtpd/%u does not listen", channel_peer_index(ch));
    }
}

static bool take_ask(struct queue_role *q, struct channel *ch, struct slice payload)
{
    struct wire_reader r = wire_reader_of(payload);
    uint64_t cookie = wire_u64(&r), octets = wire_u64(&r), segment = 0, capacity = 0;
    int fd = -1;
    if (!wire_done(&r)) {
        return false;
    }
    look_at_disk(q);
    if (q->state != SPOOL_READY) {
        refuse_segment(q, ch, cookie, q->state);
        return true;
    }
    if (!spool_store_create(q->store, octets, &segment, &capacity, &fd)) {
        bool full = errno == ENOSPC || errno == EDQUOT;
        log_text(LOG_ERR, "segment", "cannot be made: %s", strerror(errno));
        refuse_segment(q, ch, cookie, full ? SPOOL_DISK_FULL : SPOOL_IO_ERROR);
        return true;
    }
    buf_reset(&q->out);
    wire_put_u64(&q->out, cookie);
    wire_put_u64(&q->out, segment);
    wire_put_u64(&q->out, capacity);
    /* Not sent: our copy was the only one, so the store finds it an orphan. */
    if (channel_send(ch, MSG_SEGMENT_GIVE, buf_slice(&q->out), fd)) {
        own(q, segment, channel_peer_index(ch));
    }
    (void)close(fd);
    return true;
}

static bool take_spooled(struct queue_role *q, struct slice payload)
{
    struct wire_reader r = wire_reader_of(payload);
    if (payload.len % 16 != 0) {
        return false;
    }
    while (!wire_done(&r)) {
        uint64_t segment = wire_u64(&r), offset = wire_u64(&r);
        if (!spool_store_read(q->store, segment, offset)) {
            log_text(LOG_WARN, "notice", "segment %016llx has no record at %llu",
                     (unsigned long long)segment, (unsigned long long)offset);
        }
    }
    queue_role_changed(q);
    queue_jobs_soon(q);
    return true;
}

static bool take_seal(struct queue_role *q, struct channel *ch, struct slice payload)
{
    struct wire_reader r = wire_reader_of(payload);
    uint64_t segment = wire_u64(&r), end = wire_u64(&r);
    if (!wire_done(&r) || !may_seal(q, segment, channel_peer_index(ch))) {
        return false;
    }
    spool_store_seal(q->store, segment, end);
    queue_role_changed(q);
    queue_jobs_soon(q);
    return true;
}

/* --- the role --- */

static bool queue_role_message(struct role_ctx *ctx, struct channel *ch,
                               const struct msg *m)
{
    struct queue_role *q = ctx->state;
    if (q->finished) {
        return true; /* within the last turn of the loop */
    }
    switch ((int)m->type) {
    case MSG_SEGMENT_ASK:
        return take_ask(q, ch, m->payload);
    case MSG_SPOOLED:
        return take_spooled(q, m->payload);
    case MSG_SEGMENT_SEAL:
        return take_seal(q, ch, m->payload);
    case MSG_SUPPRESS_ASK:
        return queue_suppress_ask(q, ch, m->payload);
    case MSG_RETURN_ASK:
        return queue_report_ask(q, ch, m->payload);
    case MSG_DIR_RCPT_IS:
        return queue_dsn_answer(q, m->payload);
    case MSG_JOB_DONE:
        return queue_jobs_done(q, channel_peer_index(ch), m->payload);
    case MSG_EVENTS_KEPT:
        return take_events_kept(q, m->payload);
    case MSG_JOB_HELD:
        return queue_held_claim(q, ch, m->payload);
    case MSG_JOBS_TOLD:
        queue_held_told(q, ch);
        return true;
    default:
        return false;
    }
}

static void queue_role_peer(struct role_ctx *ctx, struct channel *ch)
{
    struct queue_role *q = ctx->state;
    unsigned index = channel_peer_index(ch);
    if (q->finished) {
        return;
    }
    if (channel_peer(ch) == ROLE_smtpd) {
        q->smtpd[index] = ch;
        if (!send_state(q, ch)) {
            log_text(LOG_WARN, "spool-state", "smtpd/%u does not listen", index);
        }
    } else if (channel_peer(ch) == ROLE_delivery) {
        queue_jobs_peer(q, ch);
    } else if (channel_peer(ch) == ROLE_directory) {
        queue_dsn_peer(q, ch);
        queue_report_directory(q);
    } else if (channel_peer(ch) == ROLE_trace) {
        q->trace = ch;
        trace_keep_again(&q->keep);
        trace_keep_flush(&q->keep);
    }
}

static void queue_role_joined(struct role_ctx *ctx)
{
    queue_held_joined(ctx->state);
}

static void queue_role_peer_gone(struct role_ctx *ctx, struct channel *ch)
{
    struct queue_role *q = ctx->state;
    unsigned index = channel_peer_index(ch);
    if (q->finished) {
        return;
    }
    if (channel_peer(ch) == ROLE_smtpd) {
        q->smtpd[index] = NULL;
        disown_all(q, index);
        spool_store_orphans(q->store);
        queue_role_changed(q);
        queue_jobs_soon(q);
        queue_role_drained(q);
    } else if (channel_peer(ch) == ROLE_delivery) {
        queue_jobs_peer_gone(q, index);
    } else if (q->directory == ch) {
        queue_dsn_peer(q, NULL);
    } else if (q->trace == ch) {
        q->trace = NULL;
    }
}

const struct role_ops queue_ops = {
    .role = ROLE_queue,
    .peers = "smtpd: segments and notices; delivery: jobs; directory: where senders are; "
             "trace: "
             "what became of them",
    .open = queue_role_open,
    .start = queue_role_start,
    .peer = queue_role_peer,
    .message = queue_role_message,
    .peer_gone = queue_role_peer_gone,
    .joined = queue_role_joined,
    .drain = queue_role_drain,
};
