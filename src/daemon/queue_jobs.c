/* daemon/queue_jobs.c - see queue.h: what deliveries are told and what they answer. */
#include "base/clock.h"
#include "base/log.h"
#include "daemon/queue.h"

#include <event2/event.h>
#include <stdlib.h>
#include <unistd.h>

enum { FULL_PAUSE_MS = 100, SLEEP_MAX_MS = 60 * 60 * 1000 };
_Static_assert((int)JOB_TARGETS_MAX == (int)MSG_JOB_TARGETS_MAX, "one limit, two names");
_Static_assert((int)JOB_PAYLOAD_MAX == (int)MSG_PAYLOAD_MAX, "one limit, two names");
_Static_assert((int)JOB_8BITMIME == (int)SPOOL_8BITMIME, "flags go through as they are");
_Static_assert((int)JOB_REQUIRETLS == (int)SPOOL_REQUIRETLS,
               "flags go through as they are");
_Static_assert((int)JOB_JUNK == (int)SPOOL_JUNK, "flags go through as they are");
_Static_assert((int)JOB_SMTPUTF8 == (int)SPOOL_SMTPUTF8, "flags go through as they are");

#define TEXT_NO_SEGMENT "451 4.3.0 the spool segment of this message cannot be opened"

/* --- segments that a delivery has open --- */

static struct queue_open *find_open(struct queue_delivery *d, uint64_t segment)
{
    for (unsigned i = 0; i < d->open_n; i++) {
        if (d->open[i].segment == segment) {
            return &d->open[i];
        }
    }
    return NULL;
}

/* False: the delivery does not listen now; the segment stays in the table. */
static bool close_one(struct queue_delivery *d, struct queue_open *o)
{
    struct buf b;
    buf_init(&b, 8);
    wire_put_u64(&b, o->segment);
    bool sent = channel_send(d->ch, MSG_SEGMENT_CLOSE, buf_slice(&b), -1);
    buf_clear(&b);
    if (sent) {
        *o = d->open[--d->open_n];
    }
    return sent;
}

static bool make_room(struct queue_delivery *d)
{
    struct queue_open *oldest = NULL;
    if (d->open_n < QUEUE_OPEN_MAX) {
        return true;
    }
    for (unsigned i = 0; i < d->open_n; i++) {
        struct queue_open *o = &d->open[i];
        if (o->jobs == 0 && (oldest == NULL || o->used < oldest->used)) {
            oldest = o;
        }
    }
    return oldest != NULL && close_one(d, oldest);
}

enum open_res { OPEN_OK = 0, OPEN_LATER, OPEN_GONE };

static enum open_res open_segment(struct queue_role *q, struct queue_delivery *d,
                                  uint64_t segment, struct queue_open **out)
{
    *out = find_open(d, segment);
    if (*out != NULL) {
        return OPEN_OK;
    }
    if (!make_room(d)) {
        return OPEN_LATER;
    }
    int fd = spool_store_fd(q->store, segment);
    if (fd < 0) {
        return OPEN_GONE;
    }
    buf_reset(&q->out);
    wire_put_u64(&q->out, segment);
    bool sent = channel_send(d->ch, MSG_SEGMENT_OPEN, buf_slice(&q->out), fd);
    (void)close(fd);
    if (!sent) {
        return OPEN_LATER;
    }
    *out = &d->open[d->open_n++];
    **out = (struct queue_open){.segment = segment};
    return OPEN_OK;
}

void queue_jobs_segment_drained(struct queue_role *q, uint64_t segment)
{
    for (size_t i = 0; i < ROLE_INSTANCES_MAX; i++) {
        struct queue_delivery *d = &q->delivery[i];
        struct queue_open *o = d->ch == NULL ? NULL : find_open(d, segment);
        if (o != NULL) {
            o->closing = true;
            if (o->jobs == 0) {
                (void)close_one(d, o); /* else queue_jobs_close_idle() */
            }
        }
    }
}

void queue_jobs_close_idle(struct queue_role *q)
{
    for (size_t i = 0; i < ROLE_INSTANCES_MAX; i++) {
        struct queue_delivery *d = &q->delivery[i];
        for (unsigned k = d->open_n; k > 0; k--) {
            struct queue_open *o = &d->open[k - 1];
            if (o->closing && o->jobs == 0 && !close_one(d, o)) {
                break;
            }
        }
    }
}

/* --- jobs out --- */

static bool send_job(struct queue_role *q, struct queue_delivery *d,
                     const struct queue_pick *pick)
{
    const struct queue_message *m = pick->message;
    /* RFC 8689 4.1: the envelope is stronger than the field. */
    bool optional =
        (m->flags & (SPOOL_TLS_OPTIONAL | SPOOL_REQUIRETLS)) == SPOOL_TLS_OPTIONAL;
    struct buf path;
    buf_init(&path, QUEUE_TEXT_MAX);
    queue_report_path(q, pick, &path);
    struct job j = {.job = pick->job,
                    .worker = (uint16_t)pick->worker,
                    .segment = pick->segment,
                    .offset = m->offset,
                    .message_len = m->message_len,
                    .arrival_ms = m->arrival_ms,
                    .envelope_len = m->envelope_len,
                    .head_len = m->head_len,
                    .id = m->id,
                    .sender = path.len > 0 ? buf_slice(&path) : queue_sender(m),
                    .account = queue_account(m),
                    .service = m->service,
                    .flags = (uint16_t)((m->flags & (JOB_8BITMIME | JOB_SMTPUTF8 |
                                                     JOB_JUNK | JOB_REQUIRETLS)) |
                                        (optional ? JOB_TLS_OPTIONAL : 0) |
                                        (pick->repeated ? JOB_REPEATED : 0) |
                                        (pick->remote ? JOB_REMOTE : 0) |
                                        (pick->report ? JOB_REPORT : 0) |
                                        (pick->same_source ? JOB_SAME_SOURCE : 0)),
                    .target_n = pick->n};
    buf_reset(&q->out);
    job_write(&q->out, &j);
    buf_clear(&path);
    for (uint16_t i = 0; i < pick->n; i++) {
        uint16_t number = pick->number[i];
        job_write_target(&q->out, &(struct job_target){number, m->target[number].attempts,
                                                       queue_given(m, number),
                                                       queue_address(m, number)});
    }
    job_seal(&q->out, q->job_key); /* QUEUE_JOB_TEXT_MAX sees to it that it fits */
    return channel_send(d->ch, MSG_JOB, buf_slice(&q->out), -1);
}

/* The file is not there, or may not be opened now: an attempt that failed, for all of them. */
static void refuse(struct queue_role *q, const struct queue_pick *pick, uint64_t now_ms)
{
    uint16_t number[JOB_TARGETS_MAX];
    char id[ID_TEXT_MAX];
    uint64_t job = pick->job;
    unsigned worker = pick->worker;
    (void)id_text(pick->message->id, id);
    log_text(LOG_ERR, "segment", "message %s: segment %016llx cannot be opened", id,
             (unsigned long long)pick->segment);
    for (uint16_t i = 0; i < pick->n; i++) {
        number[i] = pick->number[i];
    }
    for (uint16_t i = 0; i < pick->n; i++) {
        struct job_outcome o = {.number = number[i],
                                .code = 451,
                                .result = JOB_DEFERRED,
                                .reply = SLICE(TEXT_NO_SEGMENT)};
        q->outcome = &o;
        BUG_ON(!queue_outcome(q->index, job, worker, &o, now_ms));
        q->outcome = NULL;
    }
    BUG_ON(!queue_job_end(q->index, job, worker, now_ms));
    queue_role_changed(q);
}

/* False: that delivery cannot take more now. */
static bool hand_out(struct queue_role *q, const struct queue_pick *pick, uint64_t now_ms)
{
    struct queue_delivery *d = &q->delivery[pick->worker];
    struct queue_open *o = NULL;
    enum open_res res = open_segment(q, d, pick->segment, &o);
    if (res == OPEN_GONE) {
        refuse(q, pick, now_ms);
        return true;
    }
    if (res == OPEN_OK && send_job(q, d, pick)) {
        o->jobs++;
        o->used = ++q->uses;
        return true;
    }
    queue_give_back(q->index, pick->job, now_ms);
    queue_role_changed(q);
    return false;
}

static void sleep_ms(struct queue_role *q, uint64_t ms)
{
    ms = ms > SLEEP_MAX_MS ? SLEEP_MAX_MS : ms;
    struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000) * 1000};
    (void)evtimer_add(q->dispatch_timer, &tv);
}

void queue_jobs_soon(struct queue_role *q)
{
    if (!q->dispatch_now && !q->finished) {
        q->dispatch_now = true;
        sleep_ms(q, 0);
    }
}

void queue_jobs_on_timer(int fd, short what, void *arg)
{
    struct queue_role *q = arg;
    (void)fd, (void)what;
    q->dispatch_now = false;
    /* Nothing is begun whose end could not be written down. */
    if (q->draining || q->finished || !ledger_ok(&q->ledger) ||
        !q->ctx->config->queue_deliver || !queue_held_heard(q) ||
        queue_held_too_many(q)) {
        return; /* what ends this calls again */
    }
    uint64_t now_ms = clock_wall_ms();
    struct queue_pick pick = {0};
    while (queue_take(q->index, now_ms, &pick)) {
        if (!hand_out(q, &pick, now_ms)) {
            sleep_ms(q, FULL_PAUSE_MS);
            return;
        }
    }
    /* What is due waits for a delivery to have room: its JOB_DONE calls again. */
    uint64_t when = queue_when(q->index);
    if (when > now_ms && when != UINT64_MAX) {
        sleep_ms(q, when - now_ms);
    }
}

/* --- outcomes back --- */

static void release_segment(struct queue_delivery *d, uint64_t segment)
{
    struct queue_open *o = find_open(d, segment);
    BUG_ON(o == NULL || o->jobs == 0);
    o->jobs--;
    if (o->closing && o->jobs == 0) {
        (void)close_one(d, o);
    }
}

bool queue_jobs_done(struct queue_role *q, unsigned index, struct slice payload)
{
    struct wire_reader rest = {0};
    struct job_outcome o = {0};
    uint64_t job = 0, segment = 0, now_ms = clock_wall_ms();
    uint16_t n = 0;
    if (!job_done_read(payload, &job, &n, &rest) ||
        !queue_job_segment(q->index, job, index, &segment)) {
        return false;
    }
    bool honest = true, adopted = queue_job_adopted(q->index, job);
    q->serial = queue_job_tagged(q->index, job);
    while (honest && job_done_next(&rest, &o)) {
        q->outcome = &o;
        honest = queue_outcome(q->index, job, index, &o, now_ms);
        q->outcome = NULL;
    }
    q->serial = 0;
    BUG_ON(!queue_job_end(q->index, job, index, now_ms));
    queue_role_changed(q);
    queue_held_done(q, index, job);
    if (!adopted) {
        release_segment(&q->delivery[index], segment);
    }
    queue_jobs_soon(q);
    queue_role_drained(q);
    return honest;
}

/* --- deliveries come and go --- */

void queue_jobs_peer(struct queue_role *q, struct channel *ch)
{
    unsigned index = channel_peer_index(ch);
    struct queue_delivery *d = &q->delivery[index];
    BUG_ON(d->ch != NULL);
    d->open = calloc(QUEUE_OPEN_MAX, sizeof *d->open);
    if (d->open == NULL) {
        fatal("queue: no memory for delivery/%u", index);
    }
    d->open_n = 0;
    d->ch = ch;
    queue_pause_peer(q, index);
}

void queue_jobs_peer_gone(struct queue_role *q, unsigned index)
{
    struct queue_delivery *d = &q->delivery[index];
    free(d->open);
    buf_clear(&d->unkept);
    *d = (struct queue_delivery){0};
    queue_worker_down(q->index, index, clock_wall_ms());
    queue_role_changed(q);
    queue_jobs_soon(q);
    queue_role_drained(q);
}
