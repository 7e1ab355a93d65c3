/* daemon/trace.c - the trace role: what the others tell of their sessions goes to trace.db.
 *
 * A batch is committed COMMIT_MS after its first record or at COMMIT_RECORDS, so a session
 * can be asked about some 0.1 s after its end. Nothing is queued here: what we cannot take
 * in time waits in the senders' channels, which are bounded and count what they drop. The queue, which tells
 * the events of accounts, keeps its records until we say that they are committed (trace/keep.h).
 * Drain   serves on until all peers are gone, so that the last sessions are told too. */
#include "base/clock.h"
#include "base/log.h"
#include "config/paths.h"
#include "daemon/trace_hooks.h"
#include "proc/role.h"
#include "trace/keep.h"
#include "trace/record.h"
#include "trace/store.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum {
    COMMIT_MS = 100,
    COMMIT_RECORDS = 500,
    RETRY_MS = 1000,          /* what could not be written */
    TIDY_IDLE_MS = 10 * 1000, /* nothing had expired last time */
    TIDY_BUSY_MS = 100,
    TIDY_RECORDS = 256,
    NICENESS = 10,
    STOP_LOOK_MS = 20,
};

struct trace_role {
    struct trace_store *store;
    struct trace_hooks *hooks; /* NULL: there are none */
    struct event *commit_timer, *tidy_timer, *end_timer;
    unsigned peers;
    struct channel *teller; /* the queue whose events came last; NULL: it is gone */
    uint64_t heard, said;   /* the last of these, and what it was told of them */
    uint64_t end_ms;        /* monotonic: no later than that, when it drains */
    bool draining, ending;
};

static void after(struct event *timer, uint32_t ms)
{
    struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};
    (void)evtimer_add(timer, &tv);
}

/* To be said when nothing waits to be committed. */
static void say_kept(struct trace_role *t)
{
    struct buf b;
    buf_init(&b, sizeof t->heard);
    wire_put_u64(&b, t->heard);
    if (t->teller != NULL && t->heard != t->said && !b.failed &&
        channel_send(t->teller, MSG_EVENTS_KEPT, buf_slice(&b), -1)) {
        t->said = t->heard;
    }
    buf_clear(&b);
}

/* Expiry goes along with the batch, twice as fast as it grows, so it never falls behind. */
static void commit(struct role_ctx *ctx)
{
    struct trace_role *t = ctx->state;
    uint64_t now_ms = clock_wall_ms();
    (void)evtimer_del(t->commit_timer);
    (void)trace_store_tidy(t->store, 2 * trace_store_waiting(t->store), now_ms);
    if (trace_store_commit(t->store, now_ms)) {
        say_kept(t);
    } else {
        after(t->commit_timer, RETRY_MS);
    }
}

static void on_commit(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    commit(arg);
}

static void on_tidy(evutil_socket_t fd, short what, void *arg)
{
    struct role_ctx *ctx = arg;
    struct trace_role *t = ctx->state;
    (void)fd;
    (void)what;
    bool more = trace_store_tidy(t->store, TIDY_RECORDS, clock_wall_ms());
    after(t->tidy_timer, more ? TIDY_BUSY_MS : TIDY_IDLE_MS);
}

static void finish(struct role_ctx *ctx)
{
    struct trace_role *t = ctx->state;
    if (t->hooks != NULL && !trace_hooks_stop(t->hooks) && clock_mono_ms() < t->end_ms) {
        after(t->end_timer, STOP_LOOK_MS); /* so that nothing is posted twice */
        return;
    }
    if (t->hooks != NULL) {
        trace_hooks_end(t->hooks);
    }
    t->ending = true;
    role_hear_out(ctx); /* in a reload the peers go on: our successor hears the rest */
    trace_store_close(&t->store);
    event_free(t->commit_timer);
    event_free(t->tidy_timer);
    event_free(t->end_timer);
    free(t);
    ctx->state = NULL;
    role_finish(ctx);
}

static void on_end(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    finish(arg);
}

static const char *trace_role_prepare(struct role_ctx *ctx)
{
    struct trace_role *t = calloc(1, sizeof *t);
    ctx->state = t;
    return t == NULL ? "no memory" : trace_hooks_prepare(ctx, &t->hooks);
}

static const char *trace_role_open(struct role_ctx *ctx)
{
    char path[4096];
    struct trace_role *t = ctx->state;
    int n = snprintf(path, sizeof path, "%s/" STATE_TRACE_DB, ctx->config->state_dir);
    if (n < 0 || (size_t)n >= sizeof path) {
        return "state-dir is too long";
    }
    /* Who wrote to whom is nobody else's business; and sessions come first. */
    (void)umask(077);
    (void)setpriority(PRIO_PROCESS, 0, NICENESS);
    t->store = trace_store_open(path, ctx->config->trace_keep, ctx->config->trace_size);
    if (t->store == NULL) {
        return "no memory";
    }
    return t->hooks == NULL ? NULL : trace_hooks_open(t->hooks);
}

static void trace_role_start(struct role_ctx *ctx)
{
    struct trace_role *t = ctx->state;
    t->commit_timer = evtimer_new(ctx->base, on_commit, ctx);
    t->tidy_timer = evtimer_new(ctx->base, on_tidy, ctx);
    t->end_timer = evtimer_new(ctx->base, on_end, ctx);
    if (t->commit_timer == NULL || t->tidy_timer == NULL || t->end_timer == NULL) {
        fatal("trace: no memory");
    }
    after(t->tidy_timer, TIDY_BUSY_MS);
    if (t->hooks != NULL) {
        trace_hooks_start(t->hooks);
    }
}

static void trace_role_peer(struct role_ctx *ctx, struct channel *ch)
{
    struct trace_role *t = ctx->state;
    (void)ch;
    t->peers++;
}

static void added(struct role_ctx *ctx)
{
    struct trace_role *t = ctx->state;
    if (trace_store_waiting(t->store) == 1) {
        after(t->commit_timer, COMMIT_MS);
    }
    if (trace_store_waiting(t->store) >= COMMIT_RECORDS) {
        commit(ctx);
    }
}

static bool take_record(struct role_ctx *ctx, struct slice record)
{
    struct trace_role *t = ctx->state;
    if (!trace_valid(record)) {
        return false;
    }
    if (trace_store_add(t->store, record, clock_wall_ms())) {
        added(ctx);
    }
    return true;
}

static bool take_event(struct role_ctx *ctx, struct channel *ch, struct slice payload)
{
    struct trace_role *t = ctx->state;
    struct slice record;
    uint64_t life = 0, number = 0;
    if (!trace_keep_read(payload, &life, &number, &record) || !trace_valid(record)) {
        return false;
    }
    t->said = t->teller == ch ? t->said : 0; /* another queue was told nothing yet */
    t->teller = ch;
    t->heard = number;
    /* One that a trace role before us has committed needs nothing more. */
    if (!trace_store_knows(t->store, life, number) &&
        trace_store_add_event(t->store, life, number, record, clock_wall_ms())) {
        added(ctx);
    }
    if (trace_store_waiting(t->store) == 0) {
        say_kept(t);
    }
    return true;
}

static bool take_records(struct role_ctx *ctx, struct slice records)
{
    struct wire_reader r = wire_reader_of(records);
    bool ok = true;
    while (ok && r.rest.len > 0) {
        ok = take_record(ctx, wire_text(&r));
    }
    return ok && wire_done(&r);
}

static bool trace_role_message(struct role_ctx *ctx, struct channel *ch,
                               const struct msg *m)
{
    if (ctx->state == NULL) {
        return true; /* finished within this round of the loop */
    }
    if (m->type == MSG_EVENTS) {
        return take_event(ctx, ch, m->payload);
    }
    if (m->type == MSG_TRACES) {
        return take_records(ctx, m->payload);
    }
    return m->type == MSG_TRACE && take_record(ctx, m->payload);
}

static void trace_role_peer_gone(struct role_ctx *ctx, struct channel *ch)
{
    struct trace_role *t = ctx->state;
    if (t == NULL) {
        return;
    }
    t->teller = t->teller == ch ? NULL : t->teller;
    BUG_ON(t->peers == 0);
    t->peers--;
    if (t->draining && t->peers == 0 && !t->ending) {
        finish(ctx);
    }
}

static void trace_role_drain(struct role_ctx *ctx, uint32_t ms)
{
    struct trace_role *t = ctx->state;
    if (t == NULL) {
        return;
    }
    /* In time to close the database: the supervisor kills who is late. */
    uint32_t left_ms = ms > 1000 ? ms - 500 : ms / 2;
    t->draining = true;
    t->end_ms = clock_mono_ms() + left_ms;
    commit(ctx);
    after(t->end_timer, left_ms);
    if (t->peers == 0) {
        finish(ctx);
    }
}

const struct role_ops trace_ops = {
    .role = ROLE_trace,
    .peers =
        "smtpd, directory, queue and delivery tell it; queue: which events are committed",
    .prepare = trace_role_prepare,
    .open = trace_role_open,
    .start = trace_role_start,
    .peer = trace_role_peer,
    .message = trace_role_message,
    .peer_gone = trace_role_peer_gone,
    .drain = trace_role_drain,
};
