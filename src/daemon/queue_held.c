/* daemon/queue_held.c - see queue.h: what deliveries hold when a queue comes, and what they may forget.
 *
 * Held    a delivery keeps each outcome until we say that it is on disk (JOB_KEPT). To the queue that comes
 *         next it tells the jobs that it still works on or has such outcomes of (JOB_HELD, then
 *         JOBS_TOLD). They are jobs of ours from then on. Nothing is given out before all deliveries that
 *         live have told theirs, or HEAR_MS are over: so nothing is sent again that a delivery
 *         has sent, or still sends.
 * Trust   a delivery can only claim what a queue gave to it: each job bears a seal (queue/job.h). The key
 *         lies in STATE_JOB_KEY; without that file (a new one is made) what deliveries hold
 *         cannot be told from lies, and they end.
 * Limits  a delivery with QUEUE_UNKEPT_MAX outcomes that are not on disk gets no more jobs, so that is what it
 *         keeps at most, and what it has in flight. */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "config/paths.h"
#include "daemon/queue.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum {
    HEAR_MS = 15000,
    KEY_FILE_MAX = 8192, /* file_read() wants room */
    /* What was not kept, and what was in flight then. */
    CLAIMS_MAX = QUEUE_UNKEPT_MAX + QUEUE_IN_FLIGHT_MAX + QUEUE_REMOTE_IN_FLIGHT_MAX +
                 2 * JOB_TARGETS_MAX,
    UNKEPT_ROOM = 2 * CLAIMS_MAX, /* these, and the same of our own */
    KEPT_PER_MSG = MSG_PAYLOAD_MAX / 8,
};

/* --- the key --- */

static bool key_read(const char *path, uint64_t key[2])
{
    struct buf b;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    buf_init(&b, KEY_FILE_MAX);
    bool ok = file_read(fd, &b) && b.len == 2 * sizeof key[0];
    if (ok) {
        memcpy(key, b.ptr, b.len);
    }
    (void)close(fd);
    buf_clear(&b);
    return ok;
}

static bool key_make(const char *path, uint64_t key[2])
{
    const size_t len = 2 * sizeof key[0];
    if (getrandom(key, len, 0) != (ssize_t)len) {
        fatal("queue: no random octets");
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, key, len) == (ssize_t)len;
    if (fd >= 0) {
        (void)close(fd);
    }
    return ok;
}

void queue_held_open(struct queue_role *q)
{
    char path[4200];
    int n = snprintf(path, sizeof path, "%s/" STATE_JOB_KEY, q->ctx->config->state_dir);
    BUG_ON(n < 0 || (size_t)n >= sizeof path); /* the spool was opened */
    if (!key_read(path, q->job_key) && !key_make(path, q->job_key)) {
        log_text(LOG_ERR, "job-key",
                 STATE_JOB_KEY " cannot be written: what goes out when the queue dies "
                               "may be sent twice");
    }
    q->hear_until_ms = clock_mono_ms() + HEAR_MS;
}

/* --- what they hold --- */

static struct queue_delivery *delivery_of(struct queue_role *q, const struct channel *ch)
{
    return &q->delivery[channel_peer_index(ch)];
}

bool queue_held_claim(struct queue_role *q, struct channel *ch, struct slice payload)
{
    struct job j = {0};
    struct job_target t = {0};
    struct queue_claim c = {.worker = channel_peer_index(ch)};
    struct queue_delivery *d = delivery_of(q, ch);
    if (d->told || d->claims++ == CLAIMS_MAX || !job_read(payload, &j) ||
        !job_sealed(payload, q->job_key) || j.worker != c.worker) {
        return false;
    }
    c.job = j.job;
    c.id = j.id;
    for (; job_next_target(&j, &t); c.n++) {
        c.number[c.n] = t.number;
        c.attempts[c.n] = t.attempts;
    }
    if (!queue_adopt(q->index, &c, clock_wall_ms())) {
        return false;
    }
    queue_report_adopted(q, j.job, j.sender);
    return true;
}

void queue_held_told(struct queue_role *q, struct channel *ch)
{
    delivery_of(q, ch)->told = true;
    queue_worker_up(q->index, channel_peer_index(ch));
    queue_jobs_soon(q);
}

void queue_held_joined(struct queue_role *q)
{
    q->joined = true;
    queue_jobs_soon(q);
}

bool queue_held_heard(struct queue_role *q)
{
    bool all = q->joined;
    for (size_t i = 0; i < ROLE_INSTANCES_MAX; i++) {
        all = all && (q->delivery[i].ch == NULL || q->delivery[i].told);
    }
    if (!q->heard && !all && clock_mono_ms() >= q->hear_until_ms) {
        log_text(LOG_WARN, "held-untold",
                 "a delivery does not tell what it has under way: some of that may be "
                 "sent twice");
        all = true;
    }
    q->heard = q->heard || all;
    return q->heard;
}

/* --- what they need not hold any more --- */

void queue_held_done(struct queue_role *q, unsigned index, uint64_t job)
{
    struct buf *unkept = &q->delivery[index].unkept;
    if (unkept->max == 0) {
        buf_init(unkept, UNKEPT_ROOM * sizeof job);
    }
    wire_put_u64(unkept, job);
    if (unkept->failed) {
        fatal("queue: no memory for what delivery/%u is to forget", index);
    }
    if (ledger_ok(&q->ledger) && !ledger_waits(&q->ledger)) {
        queue_held_kept(q); /* it changed nothing that could be written */
    }
}

void queue_held_kept(struct queue_role *q)
{
    for (size_t i = 0; i < ROLE_INSTANCES_MAX; i++) {
        struct queue_delivery *d = &q->delivery[i];
        while (d->ch != NULL && d->unkept.len > 0) {
            struct slice some =
                slice_sub(buf_slice(&d->unkept), 0, KEPT_PER_MSG * sizeof(uint64_t));
            if (!channel_send(d->ch, MSG_JOB_KEPT, some, -1)) {
                break; /* with the next sync, or tick */
            }
            buf_consume(&d->unkept, some.len);
        }
    }
}

bool queue_held_too_many(const struct queue_role *q)
{
    for (size_t i = 0; i < ROLE_INSTANCES_MAX; i++) {
        if (q->delivery[i].unkept.len / sizeof(uint64_t) >= QUEUE_UNKEPT_MAX) {
            return true;
        }
    }
    return false;
}
