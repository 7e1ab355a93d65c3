/* queue/index_view.c - see index.h: the readers, and the proof that all counts agree. */
#include "base/log.h"
#include "queue/index_impl.h"

const char *queue_state_name(enum queue_state state)
{
#define X(s) #s,
    static const char *const names[] = {QUEUE_STATES(X)};
#undef X
    return (unsigned)state < QUEUE_STATE_COUNT ? names[state] : "unknown";
}

struct queue_message *queue_find(const struct queue_index *ix, struct message_id id)
{
    struct queue_key key = queue_key_of(id);
    return map_get(&ix->by_id, (struct slice){key.octets, sizeof key.octets});
}

void queue_cursor_open(struct queue_index *ix, struct queue_cursor *c)
{
    list_init(&c->node);
    list_append(&ix->cursors, &c->node);
    c->at = ix->messages.next;
}

struct queue_message *queue_cursor_next(struct queue_index *ix, struct queue_cursor *c)
{
    if (c->at == &ix->messages) {
        return NULL;
    }
    struct queue_message *m = LIST_ITEM(c->at, struct queue_message, node);
    c->at = c->at->next;
    return m;
}

void queue_cursor_close(struct queue_cursor *c)
{
    list_remove(&c->node);
}

struct slice queue_sender(const struct queue_message *m)
{
    return (struct slice){m->text, m->sender_len};
}

struct slice queue_account(const struct queue_message *m)
{
    const struct queue_account *a = m->account;
    return a == NULL ? (struct slice){0} : (struct slice){a->name, a->name_len};
}

struct slice queue_given(const struct queue_message *m, uint16_t number)
{
    const struct queue_target *t = &m->target[number];
    return (struct slice){m->text + t->text, t->given_len};
}

struct slice queue_address(const struct queue_message *m, uint16_t number)
{
    const struct queue_target *t = &m->target[number];
    size_t at = t->same ? t->text : (size_t)t->text + t->given_len;
    return (struct slice){m->text + at, t->address_len};
}

struct slice queue_domain(const struct queue_message *m, uint16_t number)
{
    const struct queue_domain *d = m->part[m->target[number].part].domain;
    return (struct slice){d->name, d->name_len};
}

struct slice queue_reply(const struct queue_message *m, uint16_t number)
{
    const struct queue_note *note = m->target[number].note;
    return note == NULL ? (struct slice){0} : (struct slice){note->text, note->len};
}

void queue_stats(const struct queue_index *ix, uint64_t now_ms, struct queue_stats *out)
{
    *out = (struct queue_stats){.messages = ix->message_n,
                                .octets = ix->octets,
                                .oldest_ms = UINT64_MAX,
                                .jobs = ix->by_job.n,
                                .domains = ix->by_domain.n};
    for (size_t i = 0; i < QUEUE_STATE_COUNT; i++) {
        out->target_n[i] = ix->target_n[i];
    }
    for (struct list *at = ix->messages.next; at != &ix->messages; at = at->next) {
        const struct queue_message *m = LIST_ITEM(at, struct queue_message, node);
        out->oldest_ms = m->arrival_ms < out->oldest_ms ? m->arrival_ms : out->oldest_ms;
        for (uint16_t i = 0; i < m->target_n; i++) {
            out->due_n +=
                m->target[i].state == QUEUE_pending && m->target[i].next_ms <= now_ms;
        }
    }
}

static uint64_t domain_targets(const struct queue_domain *d)
{
    return d->target_n[QUEUE_pending] + d->target_n[QUEUE_running] +
           d->target_n[QUEUE_held];
}

struct top {
    const struct queue_domain **item;
    size_t n, max;
};

static void top_add(void *arg, struct slice key, void *value)
{
    (void)key;
    struct top *top = arg;
    const struct queue_domain *d = value;
    size_t at = top->n;
    while (at > 0 && domain_targets(top->item[at - 1]) < domain_targets(d)) {
        at--;
    }
    if (at == top->max) {
        return;
    }
    top->n += top->n < top->max;
    for (size_t i = top->n - 1; i > at; i--) {
        top->item[i] = top->item[i - 1];
    }
    top->item[at] = d;
}

size_t queue_top_domains(const struct queue_index *ix, const struct queue_domain **top,
                         size_t n)
{
    struct top best = {top, 0, n};
    map_each(&ix->by_domain, top_add, &best);
    return best.n;
}

/* --- validate --- */

struct tally {
    uint64_t messages, octets, parts, target_n[QUEUE_STATE_COUNT];
};

static bool part_valid(const struct queue_index *ix, const struct queue_message *m,
                       const struct queue_part *part)
{
    uint64_t due = UINT64_MAX;
    for (uint16_t i = 0; i < m->target_n; i++) {
        const struct queue_target *t = &m->target[i];
        if (&m->part[t->part] == part && t->state == QUEUE_pending && t->next_ms < due) {
            due = t->next_ms;
        }
    }
    if (part->message != m || part->domain->refs == 0) {
        return false;
    }
    if (due == UINT64_MAX || !ix->started) {
        return part->unit.where == SCHED_OUT;
    }
    uint64_t paused_ms = queue_part_paused(ix, part);
    return part->unit.where != SCHED_OUT && part->unit.due_ms >= due &&
           part->unit.due_ms <= (due < paused_ms ? paused_ms : due);
}

static bool message_valid(const struct queue_index *ix, const struct queue_message *m,
                          struct tally *tally)
{
    uint16_t open = 0;
    for (uint16_t i = 0; i < m->target_n; i++) {
        const struct queue_target *t = &m->target[i];
        if (t->state != QUEUE_done) {
            open++;
            tally->target_n[t->state]++;
        }
        if (t->part >= m->part_n ||
            (t->asked != ASKED_NOTHING && t->state != QUEUE_running)) {
            return false;
        }
    }
    for (uint16_t i = 0; i < m->part_n; i++) {
        if (!part_valid(ix, m, &m->part[i])) {
            return false;
        }
    }
    tally->messages++;
    tally->octets += queue_octets(m);
    tally->parts += m->part_n;
    return m->open_n == open && (open > 0 || !ix->started) && queue_find(ix, m->id) == m;
}

/* Every running target is in exactly one job: as many as there are, and each of a job is.
 */
static bool runs_valid(const struct queue_index *ix)
{
    uint64_t running = 0, jobs = 0;
    for (size_t i = 0; i < QUEUE_WORKERS_MAX; i++) {
        const struct queue_worker *w = &ix->worker[i];
        unsigned targets[QUEUE_WAYS] = {0};
        bool given = false; /* and not only adopted */
        for (struct list *at = w->runs.next; at != &w->runs; at = at->next, jobs++) {
            const struct queue_run *run = LIST_ITEM(at, struct queue_run, node);
            if (run->message == NULL ? !run->adopted || run->n > 0 : run->n == 0) {
                return false;
            }
            given = given || !run->adopted;
            if (run->message != NULL) {
                targets[run->message->part[run->part].remote] += run->n;
            }
            for (uint16_t k = 0; k < run->n; k++) {
                uint16_t number = run->number[k];
                if (number == NUMBER_TOLD) {
                    continue;
                }
                running++;
                if (run->message->target[number].state != QUEUE_running) {
                    return false;
                }
            }
        }
        for (unsigned way = 0; way < QUEUE_WAYS; way++) {
            if (targets[way] != w->targets[way] || (given && !w->up)) {
                return false;
            }
        }
    }
    return running == ix->target_n[QUEUE_running] && jobs == ix->by_job.n;
}

static void add_domain(void *arg, struct slice key, void *value)
{
    (void)key;
    struct tally *tally = arg;
    const struct queue_domain *d = value;
    for (size_t i = 0; i < QUEUE_STATE_COUNT; i++) {
        tally->target_n[i] -= d->target_n[i];
    }
}

bool queue_validate(const struct queue_index *ix)
{
    struct tally tally = {0};
    for (struct list *at = ix->messages.next; at != &ix->messages; at = at->next) {
        if (!message_valid(ix, LIST_ITEM(at, struct queue_message, node), &tally)) {
            return false;
        }
    }
    for (size_t i = 0; i < QUEUE_STATE_COUNT; i++) {
        if (tally.target_n[i] != (i == QUEUE_done ? 0 : ix->target_n[i])) {
            return false;
        }
    }
    if (tally.messages != ix->message_n || tally.messages != ix->by_id.n ||
        tally.octets != ix->octets || tally.parts != ix->schedule[QUEUE_LOCAL].reserved ||
        tally.parts != ix->schedule[QUEUE_REMOTE].reserved) {
        return false;
    }
    map_each(&ix->by_domain, add_domain, &tally);
    for (size_t i = 0; i < QUEUE_STATE_COUNT; i++) {
        if (i != QUEUE_done && tally.target_n[i] != 0) {
            return false;
        }
    }
    return sched_validate(&ix->schedule[QUEUE_LOCAL]) &&
           sched_validate(&ix->schedule[QUEUE_REMOTE]) && runs_valid(ix);
}
