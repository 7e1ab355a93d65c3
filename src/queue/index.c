/* queue/index.c - see index.h. Messages and the states of their targets; jobs are in
 * index_job.c, the readers in index_view.c. */
#include "base/hash.h"
#include "base/log.h"
#include "queue/index_impl.h"

#include <stdlib.h>
#include <string.h>

enum {
    DOMAIN_MAX = QUEUE_TEXT_MAX,
    SPLITS_MAX = 3,        /* attempts in a row without a wait */
    PAUSE_EVERY_MS = 1000, /* the whole queue is walked for a sender no more often */
    UNKNOWN_PAUSE_MS = 1000,
    TURN_MAX_S = 86400,
    JOB_CLOCK_SHIFT = 22, /* nobody gives out 4 million jobs in a millisecond */
};
#define TEXT_HELD "held by command"

struct queue_key queue_key_of(struct message_id id)
{
    struct queue_key key;
    memcpy(key.octets, &id.session, 8);
    memcpy(key.octets + 8, &id.n, 4);
    return key;
}

static struct slice key_slice(const struct queue_key *key)
{
    return (struct slice){key->octets, sizeof key->octets};
}

struct queue_index *queue_new(const struct queue_rules *rules,
                              const struct queue_ops *ops, void *arg)
{
    BUG_ON(rules->retry_n == 0 || rules->retry_n > QUEUE_RETRIES_MAX);
    struct queue_index *ix = calloc(1, sizeof *ix);
    if (ix == NULL) {
        return NULL;
    }
    ix->rules = *rules;
    ix->ops = ops;
    ix->arg = arg;
    list_init(&ix->messages);
    list_init(&ix->cursors);
    map_init(&ix->by_id, QUEUE_MESSAGES_MAX);
    map_init(&ix->by_domain, QUEUE_MESSAGES_MAX);
    map_init(&ix->by_account, QUEUE_MESSAGES_MAX);
    map_init(&ix->by_job, QUEUE_MESSAGES_MAX);
    queue_waits_init(ix);
    memcpy(ix->lane_key, ix->by_domain.key, sizeof ix->lane_key);
    sched_init(&ix->schedule[QUEUE_LOCAL]);
    sched_init(&ix->schedule[QUEUE_REMOTE]);
    for (size_t i = 0; i < QUEUE_WORKERS_MAX; i++) {
        list_init(&ix->worker[i].runs);
    }
    return ix;
}

/* --- notes --- */

static void note_unref(struct queue_note **note)
{
    struct queue_note *n = *note;
    *note = NULL;
    if (n != NULL && --n->refs == 0) {
        free(n);
    }
}

static bool note_is(const struct queue_note *n, struct slice prefix, struct slice text)
{
    struct slice have = {n->text, n->len};
    return n->len == prefix.len + text.len && slice_starts(have, prefix) &&
           slice_eq(slice_from(have, prefix.len), text);
}

/* Without memory the target goes without a note: it is for people only. */
static void note_set(struct queue_index *ix, struct queue_target *t, struct slice prefix,
                     struct slice text)
{
    text = slice_sub(text, 0, QUEUE_REPLY_MAX - prefix.len);
    struct queue_note *n = ix->last_note;
    if (n == NULL || n->refs == UINT32_MAX || !note_is(n, prefix, text)) {
        n = malloc(sizeof *n + prefix.len + text.len);
        if (n == NULL) {
            note_unref(&t->note);
            return;
        }
        n->refs = 1; /* ours, as the newest */
        n->len = (uint16_t)(prefix.len + text.len);
        memcpy(n->text, prefix.ptr, prefix.len);
        if (text.len > 0) {
            memcpy(n->text + prefix.len, text.ptr, text.len);
        }
        note_unref(&ix->last_note);
        ix->last_note = n;
    }
    n->refs++;
    note_unref(&t->note);
    t->note = n;
}

/* --- domains --- */

static void domain_unref(struct queue_index *ix, struct queue_domain *d)
{
    if (--d->refs == 0) {
        (void)map_take(&ix->by_domain, (struct slice){d->name, d->name_len});
        free(d);
    }
}

static struct queue_domain *domain_ref(struct queue_index *ix, struct slice address)
{
    unsigned char lower[DOMAIN_MAX];
    struct slice name = slice_from(address, slice_rfind(address, '@') + 1);
    for (size_t i = 0; i < name.len; i++) {
        lower[i] = ascii_lower(name.ptr[i]);
    }
    name.ptr = lower;
    struct queue_domain *d = map_get(&ix->by_domain, name);
    if (d == NULL) {
        d = calloc(1, sizeof *d + name.len);
        if (d == NULL) {
            return NULL;
        }
        d->name_len = (uint16_t)name.len;
        memcpy(d->name, lower, name.len);
        if (!map_put(&ix->by_domain, name, d)) {
            free(d);
            return NULL;
        }
    }
    d->refs++;
    return d;
}

static void account_unref(struct queue_index *ix, struct queue_account **account)
{
    struct queue_account *a = *account;
    *account = NULL;
    if (a != NULL && --a->refs == 0) {
        (void)map_take(&ix->by_account, (struct slice){a->name, a->name_len});
        free(a);
    }
}

/* NULL: no memory, or the name is empty. */
static struct queue_account *account_ref(struct queue_index *ix, struct slice name)
{
    unsigned char lower[QUEUE_TEXT_MAX];
    name = slice_sub(name, 0, sizeof lower);
    for (size_t i = 0; i < name.len; i++) {
        lower[i] = ascii_lower(name.ptr[i]);
    }
    name.ptr = lower;
    struct queue_account *a = name.len == 0 ? NULL : map_get(&ix->by_account, name);
    if (a == NULL && name.len > 0) {
        a = calloc(1, sizeof *a + name.len);
        if (a == NULL) {
            return NULL;
        }
        a->name_len = (uint16_t)name.len;
        memcpy(a->name, lower, name.len);
        if (!map_put(&ix->by_account, name, a)) {
            free(a);
            return NULL;
        }
    }
    if (a != NULL) {
        a->refs++;
    }
    return a;
}

static uint16_t lane_of(const struct queue_index *ix, const struct queue_message *m,
                        const struct queue_domain *d)
{
    unsigned char both[QUEUE_TEXT_MAX + DOMAIN_MAX];
    struct slice sender = queue_sender(m);
    memcpy(both, sender.ptr, sender.len);
    memcpy(both + sender.len, d->name, d->name_len);
    struct slice key = {both, sender.len + d->name_len};
    return (uint16_t)(hash_octets(ix->lane_key, key) % SCHED_LANES);
}

/* --- states --- */

void queue_set_state(struct queue_index *ix, struct queue_message *m, uint16_t number,
                     enum queue_state to)
{
    struct queue_target *t = &m->target[number];
    struct queue_domain *d = m->part[t->part].domain;
    d->target_n[t->state]--;
    ix->target_n[t->state]--;
    t->state = (uint8_t)to & 3U;
    t->asked = ASKED_NOTHING;
    if (to == QUEUE_done) {
        m->open_n--;
        note_unref(&t->note);
        return;
    }
    d->target_n[to]++;
    ix->target_n[to]++;
}

void queue_tell(struct queue_index *ix, const struct queue_message *m, uint16_t number,
                enum queue_what what)
{
    ix->ops->changed(ix->arg, m, number, what);
}

void queue_reschedule(struct queue_index *ix, struct queue_part *part, uint64_t now_ms)
{
    const struct queue_message *m = part->message;
    uint64_t due = UINT64_MAX;
    if (!ix->started) {
        return;
    }
    for (uint16_t i = 0; i < m->target_n; i++) {
        const struct queue_target *t = &m->target[i];
        if (t->state == QUEUE_pending && t->next_ms < due && &m->part[t->part] == part) {
            due = t->next_ms;
        }
    }
    if (due == UINT64_MAX) {
        sched_drop(&ix->schedule[part->remote], &part->unit);
    } else {
        uint64_t paused_ms = queue_part_paused(ix, part);
        due = due < paused_ms ? paused_ms : due;
        sched_put(&ix->schedule[part->remote], &part->unit, due, now_ms);
    }
}

static void release_parts(struct queue_index *ix, struct queue_message *m)
{
    for (uint16_t i = 0; i < m->part_n; i++) {
        sched_drop(&ix->schedule[m->part[i].remote], &m->part[i].unit);
        domain_unref(ix, m->part[i].domain);
    }
    sched_release(&ix->schedule[QUEUE_LOCAL], m->part_n);
    sched_release(&ix->schedule[QUEUE_REMOTE], m->part_n);
    m->part_n = 0;
}

static void message_free(struct queue_index *ix, struct queue_message *m)
{
    release_parts(ix, m);
    account_unref(ix, &m->account);
    for (uint16_t i = 0; i < m->target_n; i++) {
        note_unref(&m->target[i].note);
    }
    free(m->part);
    free(m);
}

static void move_cursors(struct queue_index *ix, const struct queue_message *gone)
{
    for (struct list *at = ix->cursors.next; at != &ix->cursors; at = at->next) {
        struct queue_cursor *c = LIST_ITEM(at, struct queue_cursor, node);
        if (c->at == &gone->node) {
            c->at = gone->node.next;
        }
    }
}

bool queue_finish(struct queue_index *ix, struct queue_message *m)
{
    if (m->open_n > 0) {
        return false;
    }
    struct queue_key key = queue_key_of(m->id);
    ix->ops->finished(ix->arg, m);
    (void)map_take(&ix->by_id, key_slice(&key));
    move_cursors(ix, m);
    list_remove(&m->node);
    ix->message_n--;
    ix->octets -= queue_octets(m);
    message_free(ix, m);
    return true;
}

void queue_free(struct queue_index **pix)
{
    struct queue_index *ix = *pix;
    *pix = NULL;
    if (ix == NULL) {
        return;
    }
    for (size_t i = 0; i < QUEUE_WORKERS_MAX; i++) {
        while (!list_empty(&ix->worker[i].runs)) {
            struct queue_run *run =
                LIST_ITEM(ix->worker[i].runs.next, struct queue_run, node);
            list_remove(&run->node);
            free(run);
        }
    }
    while (!list_empty(&ix->messages)) {
        struct queue_message *m =
            LIST_ITEM(ix->messages.next, struct queue_message, node);
        list_remove(&m->node);
        message_free(ix, m);
    }
    note_unref(&ix->last_note);
    map_clear(&ix->by_id);
    map_clear(&ix->by_domain);
    map_clear(&ix->by_account);
    map_clear(&ix->by_job);
    queue_waits_clear(ix);
    sched_clear(&ix->schedule[QUEUE_LOCAL]);
    sched_clear(&ix->schedule[QUEUE_REMOTE]);
    free(ix);
}

/* --- a message comes --- */

struct sizes {
    uint16_t target_n;
    size_t text_len;
};

static bool text_fits(struct slice s)
{
    return s.len <= QUEUE_TEXT_MAX;
}

/* The first walk over the envelope: is it sound, and how much room does it want? */
static bool measure(struct slice envelope, struct sizes *out)
{
    struct spool_envelope e = {0};
    struct spool_recipient r = {0};
    if (!spool_envelope_open(envelope, &e) || !text_fits(e.sender) ||
        e.recipient_n == 0 || e.recipient_n > SPOOL_RECIPIENTS_MAX) {
        return false;
    }
    struct sizes sizes = {0, e.sender.len};
    while (spool_envelope_next(&e, &r)) {
        if (!text_fits(r.given) || !text_fits(r.target)) {
            return false;
        }
        sizes.target_n++;
        sizes.text_len += r.given.len;
        sizes.text_len += slice_eq(r.given, r.target) ? 0 : r.target.len;
    }
    if (e.at.failed || sizes.target_n != e.recipient_n) {
        return false;
    }
    *out = sizes;
    return true;
}

static void put_text(struct queue_message *m, size_t *at, struct slice s)
{
    if (s.len > 0) {
        memcpy(m->text + *at, s.ptr, s.len);
        *at += s.len;
    }
}

/* The part of that target: the one with its domain, or a new one. */
static bool find_part(struct queue_index *ix, struct queue_message *m,
                      struct queue_target *t, const struct spool_recipient *r)
{
    bool remote = r->kind == SPOOL_REMOTE, report = r->kind == SPOOL_REPORT;
    struct queue_domain *d = domain_ref(ix, r->target);
    if (d == NULL) {
        return false;
    }
    for (uint16_t i = 0; i < m->part_n; i++) {
        if (m->part[i].domain == d && m->part[i].remote == remote &&
            m->part[i].report == report) {
            d->refs--;
            t->part = i;
            return true;
        }
    }
    struct queue_part *part = &m->part[m->part_n];
    *part = (struct queue_part){
        .message = m, .domain = d, .remote = remote, .report = report};
    sched_unit_init(&part->unit, lane_of(ix, m, d));
    t->part = m->part_n++;
    return true;
}

/* Of MT-PRIORITY (RFC 6710 4.1): above 0, 0, below. */
static enum sched_urgency urgency_of(struct slice priority)
{
    return slice_starts(priority, SLICE("-")) ? SCHED_HAS_TIME
           : slice_eq(priority, SLICE("0"))   ? SCHED_USUAL
                                              : SCHED_URGENT;
}

/* What the sender asked for: to be held (RFC 4865; a year is more than smtpd lets anybody ask for),
 * to be told of success (RFC 3461), to go before others. */
static void read_params(struct queue_index *ix, struct queue_message *m,
                        struct spool_envelope *e)
{
    enum { YEAR_S = 366 * 86400 };
    struct slice name = {0};
    struct slice value = {0};
    struct slice account = e->login.len > 0 ? e->login : e->sender;
    uint64_t until_ms = 0;
    enum sched_urgency urgency = SCHED_USUAL;
    while (spool_envelope_next_param(e, &name, &value)) {
        urgency = slice_eq(name, SLICE("mt-priority")) ? urgency_of(value) : urgency;
        account = slice_eq(name, SLICE("account")) ? value : account;
        m->wants_success = m->wants_success || (slice_starts(name, SLICE("notify#")) &&
                                                spool_notify_has(value, "SUCCESS"));
        if (slice_eq(name, SLICE("hold-until")) && slice_u64(value, &until_ms) &&
            until_ms > m->arrival_ms) {
            uint64_t s = (until_ms - m->arrival_ms) / 1000;
            m->hold_s = s < YEAR_S ? (uint32_t)s : YEAR_S;
        }
    }
    for (uint16_t i = 0; i < m->part_n; i++) {
        m->part[i].unit.band = (uint8_t)urgency;
    }
    for (uint16_t i = 0; i < m->target_n && m->hold_s > 0; i++) {
        m->target[i].next_ms = m->arrival_ms + (uint64_t)m->hold_s * 1000;
    }
    m->account = account_ref(ix, account); /* without memory: nobody's */
}

/* The second walk: targets, parts and text. False: no memory; parts so far stand. */
static bool fill(struct queue_index *ix, struct queue_message *m, struct slice envelope)
{
    struct spool_envelope e = {0};
    struct spool_recipient r = {0};
    size_t at = 0;
    if (!spool_envelope_open(envelope, &e)) {
        return false;
    }
    m->service = e.service;
    m->flags = e.flags;
    m->sender_len = (uint16_t)e.sender.len;
    put_text(m, &at, e.sender);
    for (uint16_t i = 0; i < m->target_n && spool_envelope_next(&e, &r); i++) {
        struct queue_target *t = &m->target[i];
        t->next_ms = m->arrival_ms;
        t->tried = m->replayed;
        t->delay_told = m->replayed; /* rather once too few than at each start */
        t->same = slice_eq(r.given, r.target);
        t->text = (uint32_t)at;
        t->given_len = (uint16_t)r.given.len;
        t->address_len = (uint16_t)r.target.len;
        put_text(m, &at, r.given);
        if (!t->same) {
            put_text(m, &at, r.target);
        }
        if (!find_part(ix, m, t, &r)) {
            return false;
        }
    }
    read_params(ix, m, &e);
    return true;
}

/* Parts were made for the worst case, a domain each. Nothing points at them yet. */
static void shrink_parts(struct queue_message *m)
{
    if (m->part_n == m->target_n || m->part_n == 0) {
        return;
    }
    struct queue_part *parts = realloc(m->part, m->part_n * sizeof *parts);
    if (parts == NULL) {
        return; /* larger than needed will do */
    }
    m->part = parts;
    for (uint16_t i = 0; i < m->part_n; i++) {
        list_init(&parts[i].unit.node);
    }
}

/* In both, for a part's way costs more to count than its slot. */
static bool reserve(struct queue_index *ix, uint32_t n)
{
    if (!sched_reserve(&ix->schedule[QUEUE_LOCAL], n)) {
        return false;
    }
    if (!sched_reserve(&ix->schedule[QUEUE_REMOTE], n)) {
        sched_release(&ix->schedule[QUEUE_LOCAL], n);
        return false;
    }
    return true;
}

static struct queue_message *build(struct queue_index *ix, const struct spool_entry *e,
                                   const struct sizes *sizes)
{
    size_t head =
        sizeof(struct queue_message) + sizes->target_n * sizeof(struct queue_target);
    BUG_ON(sizes->target_n == 0); /* measure() refuses an envelope without recipients */
    struct queue_part *parts = calloc(sizes->target_n, sizeof *parts);
    struct queue_message *m = calloc(1, head + sizes->text_len);
    if (parts == NULL || m == NULL) {
        goto fail;
    }
    m->id = e->header.id;
    m->segment = e->segment;
    m->offset = e->offset;
    m->message_len = e->header.message_len;
    m->envelope_len = e->header.envelope_len;
    m->head_len = e->header.head_len;
    m->arrival_ms = e->header.arrival_ms;
    m->replayed = !ix->started;
    m->target_n = m->open_n = sizes->target_n;
    m->part = parts;
    m->text = (unsigned char *)m + head;
    list_init(&m->node);
    bool ok = fill(ix, m, e->envelope);
    if (!ok || !reserve(ix, m->part_n)) {
        for (uint16_t i = 0; i < m->part_n; i++) {
            domain_unref(ix, m->part[i].domain);
        }
        goto fail;
    }
    shrink_parts(m);
    return m;
fail:
    free(parts);
    free(m);
    return NULL;
}

static void count_in(struct queue_index *ix, struct queue_message *m)
{
    for (uint16_t i = 0; i < m->target_n; i++) {
        struct queue_target *t = &m->target[i];
        ix->target_n[QUEUE_pending]++;
        m->part[t->part].domain->target_n[QUEUE_pending]++;
    }
}

static void hold(struct queue_index *ix, struct queue_message *m, uint16_t number,
                 enum queue_what what, struct slice prefix, struct slice reply);

/* A rule wants somebody to look at it first. In replay the journal has the last word. */
static void quarantine(struct queue_index *ix, struct queue_message *m,
                       struct slice envelope)
{
    struct spool_envelope e = {0};
    struct spool_recipient r = {0};
    struct slice name = {0}, why = {0};
    if (!spool_envelope_open(envelope, &e)) {
        return;
    }
    while (spool_envelope_next(&e, &r)) {
    }
    while (spool_envelope_next_param(&e, &name, &why)) {
        for (uint16_t i = 0; i < m->target_n && slice_eq(name, SLICE("quarantine"));
             i++) {
            if (ix->started) {
                hold(ix, m, i, QUEUE_HOLD, SLICE(""), why);
            } else {
                queue_set_state(ix, m, i, QUEUE_held);
                note_set(ix, &m->target[i], SLICE(""), why);
            }
        }
    }
}

enum queue_add queue_add(struct queue_index *ix, const struct spool_entry *e,
                         uint64_t now_ms)
{
    struct queue_key key = queue_key_of(e->header.id);
    struct sizes sizes = {0};
    if (map_get(&ix->by_id, key_slice(&key)) != NULL) {
        return QUEUE_KNOWN;
    }
    if (!measure(e->envelope, &sizes)) {
        return QUEUE_MALFORMED;
    }
    struct queue_message *m = build(ix, e, &sizes);
    if (m == NULL) {
        return QUEUE_NO_MEMORY;
    }
    if (!map_put(&ix->by_id, key_slice(&key), m)) {
        message_free(ix, m);
        return QUEUE_NO_MEMORY;
    }
    list_append(&ix->messages, &m->node);
    ix->message_n++;
    ix->octets += queue_octets(m);
    count_in(ix, m);
    quarantine(ix, m, e->envelope);
    queue_wait_apply(ix, m, now_ms);
    for (uint16_t i = 0; i < m->part_n; i++) {
        queue_reschedule(ix, &m->part[i], now_ms);
    }
    return QUEUE_ADDED;
}

/* --- replay --- */

static void replay_one(struct queue_index *ix, struct queue_message *m, uint16_t number,
                       const struct spool_settle *s)
{
    struct queue_target *t = &m->target[number];
    if (t->state == QUEUE_done) {
        return;
    }
    t->attempts = s->attempts > UINT16_MAX ? UINT16_MAX : (uint16_t)s->attempts;
    switch (s->outcome) {
    case SPOOL_DONE:
        queue_set_state(ix, m, number, QUEUE_done);
        return;
    case SPOOL_PENDING:
        t->next_ms = s->next_ms;
        t->failed = false; /* it may have been, and was released */
        queue_set_state(ix, m, number, QUEUE_pending);
        break;
    case SPOOL_HELD:
        queue_set_state(ix, m, number, QUEUE_held);
        /* No command writes such a note, and a reply stands behind it. */
        t->failed = slice_starts(s->reply, SLICE(QUEUE_NOTE_FAILED)) ||
                    slice_starts(s->reply, SLICE(QUEUE_NOTE_EXPIRED));
        break;
    }
    note_set(ix, t, SLICE(""), s->reply);
}

void queue_replay(struct queue_index *ix, const struct spool_settle *s)
{
    struct queue_message *m = queue_find(ix, s->id);
    if (m == NULL) {
        return;
    }
    for (uint16_t i = 0; i < m->target_n; i++) {
        if (s->target == i || s->target == SPOOL_ALL_TARGETS) {
            replay_one(ix, m, i, s);
        }
    }
}

void queue_started(struct queue_index *ix, uint64_t now_ms)
{
    struct list *next = NULL;
    ix->started = true;
    ix->next_job = now_ms << JOB_CLOCK_SHIFT;
    for (struct list *at = ix->messages.next; at != &ix->messages; at = next) {
        struct queue_message *m = LIST_ITEM(at, struct queue_message, node);
        next = at->next;
        for (uint16_t i = 0; i < m->part_n; i++) {
            queue_reschedule(ix, &m->part[i], now_ms);
        }
        (void)queue_finish(ix, m);
    }
}

void queue_moved(struct queue_index *ix, struct message_id id, uint64_t segment,
                 uint64_t offset)
{
    struct queue_message *m = queue_find(ix, id);
    if (m != NULL) {
        m->segment = segment;
        m->offset = offset;
    }
}

/* --- what deliveries and commands do to a target --- */

static void hold(struct queue_index *ix, struct queue_message *m, uint16_t number,
                 enum queue_what what, struct slice prefix, struct slice reply)
{
    queue_set_state(ix, m, number, QUEUE_held);
    note_set(ix, &m->target[number], prefix, reply);
    queue_tell(ix, m, number, what);
}

/* With the last reply, so that it is not lost with the hold. */
static void hold_by_command(struct queue_index *ix, struct queue_message *m,
                            uint16_t number, struct slice last)
{
    unsigned char copy[QUEUE_REPLY_MAX]; /* last may be the note that goes away */
    last = slice_sub(last, 0, sizeof copy);
    if (last.len == 0) {
        hold(ix, m, number, QUEUE_HOLD, SLICE(TEXT_HELD), last);
        return;
    }
    memcpy(copy, last.ptr, last.len);
    hold(ix, m, number, QUEUE_HOLD, SLICE(TEXT_HELD ", last reply: "),
         (struct slice){copy, last.len});
}

static void remove_target(struct queue_index *ix, struct queue_message *m,
                          uint16_t number)
{
    queue_set_state(ix, m, number, QUEUE_done);
    queue_tell(ix, m, number, QUEUE_REMOVE);
}

/* How long until the next attempt; a time that the reply names is kept, and none is shorter than it. */
static uint64_t wait_ms(const struct queue_index *ix, const struct queue_target *t,
                        const struct job_outcome *o)
{
    const struct queue_rules *rules = &ix->rules;
    unsigned at = t->attempts == 0 ? 0 : t->attempts - 1U;
    uint64_t wait = rules->retry_ms[at < rules->retry_n ? at : rules->retry_n - 1];
    const struct queue_waits *own =
        rules->class_waits == NULL ? NULL : &rules->class_waits[o->klass];
    if (own != NULL && own->n > 0) {
        wait = own->ms[at < own->n ? at : own->n - 1];
        return wait < (uint64_t)o->wait_s * 1000 ? (uint64_t)o->wait_s * 1000 : wait;
    }
    uint64_t named = (uint64_t)o->wait_s * 1000;
    switch (o->advice) {
    case JOB_split:
        wait = t->attempts <= SPLITS_MAX ? 0 : wait;
        break;
    case JOB_later:
        wait = wait < rules->later_ms ? rules->later_ms : wait;
        break;
    case JOB_pause_sender:
        wait = named == 0 && wait < rules->pause_ms ? rules->pause_ms : wait;
        break;
    case JOB_usual:
    case JOB_slow:
    case JOB_same_source:
    case JOB_suppress:
    case JOB_paused:
    case JOB_ADVICE_COUNT:
        break;
    }
    return wait < named ? named : wait;
}

static void defer(struct queue_index *ix, struct queue_message *m,
                  const struct job_outcome *o, uint64_t now_ms)
{
    struct queue_target *t = &m->target[o->number];
    const struct queue_rules *rules = &ix->rules;
    uint64_t last_ms = m->arrival_ms + (uint64_t)m->hold_s * 1000 + rules->expire_ms;
    if (now_ms >= last_ms || (o->advice == JOB_later && o->result == JOB_FAILED &&
                              t->attempts >= rules->later_n)) {
        t->failed = true;
        hold(ix, m, o->number, QUEUE_EXPIRED, SLICE(QUEUE_NOTE_EXPIRED), o->reply);
        return;
    }
    uint64_t next = now_ms + wait_ms(ix, t, o);
    t->next_ms = next < last_ms ? next : last_ms; /* one last attempt when time is up */
    queue_set_state(ix, m, o->number, QUEUE_pending);
    note_set(ix, t, SLICE(""), o->reply);
    queue_tell(ix, m, o->number, QUEUE_DEFERRED);
}

/* What this account still has for that domain waits as long as the target that was refused, and what comes of it
 * meanwhile. */
static void pause_sender(struct queue_index *ix, const struct queue_message *m,
                         uint16_t number, uint64_t now_ms)
{
    const struct queue_domain *domain = m->part[m->target[number].part].domain;
    uint64_t until_ms = m->target[number].next_ms;
    queue_wait_put(ix, &m->part[m->target[number].part], until_ms, now_ms);
    if (ix->paused_ms > 0 && now_ms >= ix->paused_ms &&
        now_ms - ix->paused_ms < PAUSE_EVERY_MS) {
        return; /* what is not found now says so when it is tried */
    }
    ix->paused_ms = now_ms;
    for (struct list *at = ix->messages.next; at != &ix->messages; at = at->next) {
        struct queue_message *other = LIST_ITEM(at, struct queue_message, node);
        for (uint16_t p = 0; p < other->part_n; p++) {
            bool waits = false;
            if (other->part[p].domain != domain || other->account != m->account) {
                continue;
            }
            for (uint16_t i = 0; i < other->target_n; i++) {
                struct queue_target *t = &other->target[i];
                if (t->part == p && t->state == QUEUE_pending && t->next_ms < until_ms) {
                    t->next_ms = until_ms;
                    waits = true;
                }
            }
            if (waits) {
                queue_reschedule(ix, &other->part[p], now_ms);
            }
        }
    }
}

/* A 5yz is for good, unless its class says that it passes. */
static bool is_for_good(const struct job_outcome *o)
{
    return o->result == JOB_FAILED &&
           (o->advice == JOB_usual || o->advice == JOB_suppress);
}

void queue_apply_outcome(struct queue_index *ix, struct queue_message *m,
                         const struct job_outcome *o, uint64_t now_ms)
{
    uint16_t number = o->number;
    struct queue_target *t = &m->target[number];
    enum queue_asked asked = (enum queue_asked)t->asked;
    if (o->advice == JOB_paused && o->result == JOB_DEFERRED) {
        queue_apply_pause(ix, m, o, now_ms);
        return;
    }
    t->attempts = t->attempts == UINT16_MAX ? UINT16_MAX : (uint16_t)(t->attempts + 1);
    t->crashed = 0;
    t->klass = o->klass;
    t->same_source = o->advice == JOB_same_source;
    if (o->result == JOB_DELIVERED) {
        queue_set_state(ix, m, number, QUEUE_done);
        queue_tell(ix, m, number, QUEUE_DELIVERED);
    } else if (asked == ASKED_REMOVE) {
        remove_target(ix, m, number);
    } else if (is_for_good(o)) {
        t->failed = true;
        hold(ix, m, number, QUEUE_FAILED, SLICE(QUEUE_NOTE_FAILED), o->reply);
    } else if (asked == ASKED_HOLD) {
        hold_by_command(ix, m, number, o->reply);
    } else {
        defer(ix, m, o, now_ms);
        if (o->advice == JOB_pause_sender && t->state == QUEUE_pending) {
            pause_sender(ix, m, number, now_ms);
        }
    }
}

void queue_late_told(struct queue_index *ix, const struct queue_message *m,
                     uint16_t number)
{
    struct queue_message *own = queue_find(ix, m->id);
    own->target[number].delay_told = true;
}

void queue_bounced(struct queue_index *ix, struct queue_message *m,
                   const uint16_t *number, const bool *told, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct queue_target *t = &m->target[number[i]];
        if (t->state == QUEUE_held && t->failed) { /* nobody released it meanwhile */
            queue_set_state(ix, m, number[i], QUEUE_done);
            queue_tell(ix, m, number[i], told[i] ? QUEUE_BOUNCED : QUEUE_UNTOLD);
        }
    }
    (void)queue_finish(ix, m);
}

void queue_apply_pause(struct queue_index *ix, struct queue_message *m,
                       const struct job_outcome *o, uint64_t now_ms)
{
    struct queue_target *t = &m->target[o->number];
    queue_apply_return(ix, m, o->number, false, now_ms);
    if (t->state != QUEUE_pending) {
        return;
    }
    if (o->wait_s > 0) {
        uint64_t ms = (uint64_t)(o->wait_s < TURN_MAX_S ? o->wait_s : TURN_MAX_S) * 1000;
        t->next_ms = now_ms + ms;
        note_set(ix, t, SLICE(""), o->reply);
        return;
    }
    const struct pause *p =
        ix->pauses == NULL ? NULL : pauses_find(ix->pauses, PAUSE_site, o->where);
    if (p != NULL) {
        m->part[t->part].domain->site_pause = p->number;
    } else {
        t->next_ms =
            now_ms + UNKNOWN_PAUSE_MS; /* ended meanwhile; or the delivery errs */
    }
}

void queue_apply_return(struct queue_index *ix, struct queue_message *m, uint16_t number,
                        bool crashed, uint64_t now_ms)
{
    struct queue_target *t = &m->target[number];
    enum queue_asked asked = (enum queue_asked)t->asked;
    if (asked == ASKED_REMOVE) {
        remove_target(ix, m, number);
        return;
    }
    if (asked == ASKED_HOLD) {
        hold_by_command(ix, m, number, queue_reply(m, number));
        return;
    }
    if (crashed && t->crashed < QUEUE_CRASHES_MAX) {
        t->crashed = (uint8_t)(t->crashed + 1U) & 3U;
    }
    queue_set_state(ix, m, number, QUEUE_pending);
    if (crashed && t->crashed == QUEUE_CRASHES_MAX) {
        t->next_ms = now_ms + ix->rules.retry_ms[0];
        t->crashed = 0;
    }
}

static void do_one(struct queue_index *ix, struct queue_message *m, uint16_t number,
                   enum queue_command what, uint64_t now_ms, struct queue_did *did)
{
    struct queue_target *t = &m->target[number];
    bool running = t->state == QUEUE_running, held = t->state == QUEUE_held;
    switch (what) {
    case QUEUE_DO_RETRY:
        did->held += held;
        did->running += running;
        if (t->state == QUEUE_pending) {
            t->next_ms = now_ms < t->next_ms ? now_ms : t->next_ms;
            did->changed++;
        }
        return;
    case QUEUE_DO_RELEASE:
        if (running && t->asked == ASKED_HOLD) {
            t->asked = ASKED_NOTHING;
            did->changed++;
        } else if (held) {
            t->next_ms = now_ms;
            t->failed = false;
            queue_set_state(ix, m, number, QUEUE_pending);
            queue_tell(ix, m, number, QUEUE_RELEASE);
            did->changed++;
        }
        return;
    case QUEUE_DO_HOLD:
        if (running && t->asked == ASKED_NOTHING) {
            t->asked = ASKED_HOLD;
        } else if (t->state == QUEUE_pending) {
            hold_by_command(ix, m, number, queue_reply(m, number));
            did->changed++;
        }
        did->running += running;
        return;
    case QUEUE_DO_REMOVE:
        if (running) {
            t->asked = ASKED_REMOVE;
            did->running++;
        } else {
            remove_target(ix, m, number);
            did->changed++;
        }
        return;
    }
}

bool queue_is(const struct queue_message *m, uint16_t number,
              const struct queue_which *which)
{
    enum queue_state state = (enum queue_state)m->target[number].state;
    if (state == QUEUE_done) {
        return false;
    }
    return which == NULL || ((!which->by_state || state == which->state) &&
                             (which->domain.len == 0 ||
                              slice_ieq(which->domain, queue_domain(m, number))));
}

void queue_do(struct queue_index *ix, struct queue_message *m, enum queue_command what,
              const struct queue_which *which, uint64_t now_ms, struct queue_did *did)
{
    for (uint16_t i = 0; i < m->target_n; i++) {
        if (queue_is(m, i, which)) {
            do_one(ix, m, i, what, now_ms, did);
        }
    }
    for (uint16_t i = 0; i < m->part_n; i++) {
        queue_reschedule(ix, &m->part[i], now_ms);
    }
    (void)queue_finish(ix, m);
}
