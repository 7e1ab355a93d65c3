/* queue/index_job.c - see index.h: who delivers what. */
#include "base/hash.h"
#include "base/log.h"
#include "queue/index_impl.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_SILENT "451 4.3.0 the delivery said nothing of this recipient"

void queue_worker_up(struct queue_index *ix, unsigned worker)
{
    BUG_ON(worker >= QUEUE_WORKERS_MAX);
    ix->worker[worker].up = true;
    ix->worker_n = worker < ix->worker_n ? ix->worker_n : worker + 1;
}

static struct queue_run *run_find(const struct queue_index *ix, uint64_t job)
{
    return map_get(&ix->by_job, map_key_u64(&job));
}

/* The job is no more; what it left running comes back. */
static void run_end(struct queue_index *ix, struct queue_run *run, uint64_t now_ms,
                    void (*left)(struct queue_index *ix, struct queue_message *m,
                                 uint16_t number, uint64_t now_ms))
{
    struct queue_message *m = run->message;
    for (uint16_t i = 0; i < run->n; i++) {
        if (run->number[i] != NUMBER_TOLD) {
            left(ix, m, run->number[i], now_ms);
        }
    }
    (void)map_take(&ix->by_job, map_key_u64(&run->id));
    list_remove(&run->node);
    if (m != NULL) {
        ix->worker[run->worker].targets[m->part[run->part].remote] -= run->n;
        queue_reschedule(ix, &m->part[run->part], now_ms);
    }
    free(run);
    if (m != NULL) {
        (void)queue_finish(ix, m);
    }
}

static void left_silent(struct queue_index *ix, struct queue_message *m, uint16_t number,
                        uint64_t now_ms)
{
    struct job_outcome o = {
        .number = number, .result = JOB_DEFERRED, .reply = SLICE(TEXT_SILENT)};
    queue_apply_outcome(ix, m, &o, now_ms);
}

static void left_by_crash(struct queue_index *ix, struct queue_message *m,
                          uint16_t number, uint64_t now_ms)
{
    queue_apply_return(ix, m, number, true, now_ms);
}

static void left_unsent(struct queue_index *ix, struct queue_message *m, uint16_t number,
                        uint64_t now_ms)
{
    queue_apply_return(ix, m, number, false, now_ms);
}

void queue_worker_down(struct queue_index *ix, unsigned worker, uint64_t now_ms)
{
    BUG_ON(worker >= QUEUE_WORKERS_MAX);
    struct queue_worker *w = &ix->worker[worker];
    w->up = false;
    while (!list_empty(&w->runs)) {
        run_end(ix, LIST_ITEM(w->runs.next, struct queue_run, node), now_ms,
                left_by_crash);
    }
    BUG_ON(w->targets[QUEUE_LOCAL] != 0 || w->targets[QUEUE_REMOTE] != 0);
}

static const struct queue_worker *least_busy(const struct queue_index *ix,
                                             enum queue_way way)
{
    const struct queue_worker *best = NULL;
    for (unsigned i = 0; i < ix->worker_n; i++) {
        const struct queue_worker *w = &ix->worker[i];
        if (w->up && w->targets[way] < ix->rules.in_flight_max[way] &&
            (best == NULL || w->targets[way] < best->targets[way])) {
            best = w;
        }
    }
    return best;
}

static bool any_worker(const struct queue_index *ix)
{
    for (unsigned i = 0; i < ix->worker_n; i++) {
        if (ix->worker[i].up) {
            return true;
        }
    }
    return false;
}

/* A domain goes to the same worker while that has room: what it knows of the domain's hosts, and its
 * connections to them, are its own. */
static struct queue_worker *usual_worker(struct queue_index *ix,
                                         const struct queue_domain *d,
                                         struct queue_worker *otherwise)
{
    struct slice name = {d->name, d->name_len};
    struct queue_worker *w = &ix->worker[hash_octets(ix->lane_key, name) % ix->worker_n];
    return w->up && w->targets[QUEUE_REMOTE] < ix->rules.in_flight_max[QUEUE_REMOTE]
               ? w
               : otherwise;
}

/* The part's targets that are due, as many as one job may have. */
static uint16_t collect(const struct queue_index *ix, const struct queue_part *part,
                        uint64_t now_ms, uint16_t number[JOB_TARGETS_MAX])
{
    const struct queue_message *m = part->message;
    bool single =
        part->remote && m->service < 32 && (ix->rules.single & 1U << m->service) != 0;
    uint16_t max = single ? 1 : JOB_TARGETS_MAX;
    size_t text = m->sender_len;
    uint16_t n = 0;
    for (uint16_t i = 0; i < m->target_n && n < max; i++) {
        const struct queue_target *t = &m->target[i];
        if (t->state != QUEUE_pending || t->next_ms > now_ms ||
            &m->part[t->part] != part) {
            continue;
        }
        text += (size_t)t->given_len + t->address_len;
        if (text > QUEUE_JOB_TEXT_MAX) {
            break;
        }
        number[n++] = i;
    }
    return n;
}

static struct queue_run *run_new(struct queue_index *ix, struct queue_part *part,
                                 const uint16_t *number, uint16_t n)
{
    struct queue_run *run = malloc(sizeof *run + n * sizeof run->number[0]);
    if (run == NULL) {
        return NULL;
    }
    while (run_find(ix, ix->next_job) != NULL) {
        ix->next_job++; /* an adopted one: the clock was set back */
    }
    *run = (struct queue_run){.id = ix->next_job, .message = part->message, .n = n};
    run->segment = part->message->segment;
    run->part = (uint16_t)(part - part->message->part);
    for (uint16_t i = 0; i < n; i++) {
        run->number[i] = number[i];
    }
    if (!map_put(&ix->by_job, map_key_u64(&run->id), run)) {
        free(run);
        return NULL;
    }
    ix->next_job++;
    return run;
}

/* The part whose turn it is. What is paused, or has a later slot, goes out of the way first; each but
 * once for a pause and for a slot. */
static struct queue_part *next_part(struct queue_index *ix, enum queue_way way,
                                    uint64_t now_ms)
{
    for (;;) {
        struct sched_unit *unit = sched_next(&ix->schedule[way], now_ms);
        if (unit == NULL) {
            return NULL;
        }
        struct queue_part *part = LIST_ITEM(unit, struct queue_part, unit);
        if (queue_part_paused(ix, part) <= now_ms &&
            queue_part_slot(ix, part, now_ms) <= now_ms) {
            return part;
        }
        queue_reschedule(ix, part, now_ms);
    }
}

static bool take(struct queue_index *ix, enum queue_way way, uint64_t now_ms,
                 struct queue_pick *out)
{
    uint16_t number[JOB_TARGETS_MAX];
    struct schedule *schedule = &ix->schedule[way];
    const struct queue_worker *room = least_busy(ix, way);
    struct queue_worker *w = room == NULL ? NULL : &ix->worker[room - ix->worker];
    struct queue_part *part = w == NULL ? NULL : next_part(ix, way, now_ms);
    if (part == NULL) {
        return false;
    }
    struct queue_message *m = part->message;
    uint16_t n = collect(ix, part, now_ms, number);
    if (n == 0) {
        /* The wall clock was set back: what was due is not any more. */
        queue_reschedule(ix, part, now_ms);
        return false;
    }
    struct queue_run *run = run_new(ix, part, number, n);
    if (run == NULL) {
        return false;
    }
    w = way == QUEUE_REMOTE ? usual_worker(ix, part->domain, w) : w;
    *out = (struct queue_pick){.job = run->id,
                               .segment = run->segment,
                               .message = m,
                               .number = run->number,
                               .n = n,
                               .remote = part->remote,
                               .report = part->report};
    for (uint16_t i = 0; i < n; i++) {
        struct queue_target *t = &m->target[number[i]];
        out->repeated = out->repeated || t->tried;
        out->same_source = out->same_source || t->same_source;
        t->tried = true;
        queue_set_state(ix, m, number[i], QUEUE_running);
    }
    part->paced = 0;
    part->slot_ms = 0;
    run->worker = out->worker = (unsigned)(w - ix->worker);
    list_append(&w->runs, &run->node);
    w->targets[way] += n;
    sched_charge(schedule, &part->unit, n);
    queue_reschedule(ix, part, now_ms);
    return true;
}

bool queue_take(struct queue_index *ix, uint64_t now_ms, struct queue_pick *out)
{
    return take(ix, QUEUE_LOCAL, now_ms, out) || take(ix, QUEUE_REMOTE, now_ms, out);
}

/* --- what the queue before us gave out --- */

/* The targets of the claim whose outcome is not known, all of one part. */
static uint16_t claimed(const struct queue_message *m, const struct queue_claim *c,
                        uint16_t number[JOB_TARGETS_MAX])
{
    uint16_t n = 0;
    for (uint16_t i = 0; m != NULL && i < c->n; i++) {
        const struct queue_target *t =
            c->number[i] < m->target_n ? &m->target[c->number[i]] : NULL;
        if (t != NULL && t->state == QUEUE_pending && t->attempts == c->attempts[i] &&
            (n == 0 || t->part == m->target[number[0]].part)) {
            number[n++] = c->number[i];
        }
    }
    return n;
}

bool queue_adopt(struct queue_index *ix, const struct queue_claim *c, uint64_t now_ms)
{
    BUG_ON(!ix->started || c->worker >= QUEUE_WORKERS_MAX || c->n > JOB_TARGETS_MAX);
    uint16_t number[JOB_TARGETS_MAX];
    struct queue_message *m = queue_find(ix, c->id);
    struct queue_worker *w = &ix->worker[c->worker];
    uint16_t n = claimed(m, c, number);
    if (run_find(ix, c->job) != NULL) {
        return false;
    }
    struct queue_run *run = malloc(sizeof *run + n * sizeof run->number[0]);
    if (run == NULL) {
        fatal("queue: no memory for a job of the queue before");
    }
    *run = (struct queue_run){.id = c->job,
                              .message = n == 0 ? NULL : m,
                              .worker = c->worker,
                              .adopted = true,
                              .n = n};
    if (!map_put(&ix->by_job, map_key_u64(&run->id), run)) {
        fatal("queue: no memory for a job of the queue before");
    }
    list_append(&w->runs, &run->node);
    for (uint16_t i = 0; i < n; i++) {
        m->target[number[i]].tried = true;
        queue_set_state(ix, m, number[i], QUEUE_running);
    }
    if (n > 0) {
        memcpy(run->number, number, n * sizeof number[0]);
        run->part = m->target[number[0]].part;
        w->targets[m->part[run->part].remote] += n;
        queue_reschedule(ix, &m->part[run->part], now_ms);
    }
    return true;
}

bool queue_job_adopted(const struct queue_index *ix, uint64_t job)
{
    const struct queue_run *run = run_find(ix, job);
    return run != NULL && run->adopted;
}

bool queue_job_segment(const struct queue_index *ix, uint64_t job, unsigned worker,
                       uint64_t *segment)
{
    const struct queue_run *run = run_find(ix, job);
    if (run == NULL || run->worker != worker) {
        return false;
    }
    *segment = run->segment;
    return true;
}

void queue_job_tag(const struct queue_index *ix, uint64_t job, uint64_t tag)
{
    struct queue_run *run = run_find(ix, job);
    BUG_ON(run == NULL);
    run->tag = tag;
}

uint64_t queue_job_tagged(const struct queue_index *ix, uint64_t job)
{
    const struct queue_run *run = run_find(ix, job);
    return run == NULL ? 0 : run->tag;
}

bool queue_outcome(struct queue_index *ix, uint64_t job, unsigned worker,
                   const struct job_outcome *o, uint64_t now_ms)
{
    struct queue_run *run = run_find(ix, job);
    if (run == NULL || run->worker != worker || o->number == NUMBER_TOLD) {
        return false;
    }
    for (uint16_t i = 0; i < run->n; i++) {
        if (run->number[i] == o->number) {
            run->number[i] = NUMBER_TOLD;
            queue_apply_outcome(ix, run->message, o, now_ms);
            return true;
        }
    }
    return run->adopted;
}

bool queue_job_end(struct queue_index *ix, uint64_t job, unsigned worker, uint64_t now_ms)
{
    struct queue_run *run = run_find(ix, job);
    if (run == NULL || run->worker != worker) {
        return false;
    }
    run_end(ix, run, now_ms, left_silent);
    return true;
}

void queue_give_back(struct queue_index *ix, uint64_t job, uint64_t now_ms)
{
    struct queue_run *run = run_find(ix, job);
    if (run != NULL) {
        run_end(ix, run, now_ms, left_unsent);
    }
}

uint64_t queue_when(const struct queue_index *ix)
{
    uint64_t when = UINT64_MAX;
    for (unsigned way = 0; way < QUEUE_WAYS; way++) {
        uint64_t next = sched_when(&ix->schedule[way]);
        /* What is due while there is no room waits for the end of a job, not for a time. */
        bool room = !any_worker(ix) || least_busy(ix, (enum queue_way)way) != NULL;
        when = next < when && (next > 0 || room) ? next : when;
    }
    return when;
}

uint64_t queue_in_flight(const struct queue_index *ix)
{
    return ix->by_job.n;
}
