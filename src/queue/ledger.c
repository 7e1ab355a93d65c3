/* queue/ledger.c - see ledger.h */
#include "queue/ledger.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

struct ledger_entry {
    struct spool_settle settle; /* its reply is in text */
    unsigned char text[QUEUE_REPLY_MAX];
};

void ledger_init(struct queue_ledger *l, struct spool_store *store)
{
    *l = (struct queue_ledger){.store = store};
}

void ledger_clear(struct queue_ledger *l)
{
    free(l->kept);
    free(l->finished);
    *l = (struct queue_ledger){0};
}

/* Memory for one more of size octets each; short of memory there is nothing better than to
 * die: the journal on disk is whole, and the next start goes on from it. */
static void *grow(void *items, size_t n, size_t *cap, size_t size)
{
    if (n < *cap) {
        return items;
    }
    *cap = *cap == 0 ? 64 : *cap * 2;
    void *more = reallocarray(items, *cap, size);
    if (more == NULL) {
        fatal("queue: no memory for what waits for the journal");
    }
    return more;
}

static void keep(struct queue_ledger *l, const struct spool_settle *s)
{
    l->kept = grow(l->kept, l->kept_n, &l->kept_cap, sizeof *l->kept);
    struct ledger_entry *e = &l->kept[l->kept_n++];
    e->settle = *s;
    e->settle.reply = slice_sub(s->reply, 0, sizeof e->text);
    if (e->settle.reply.len > 0) {
        memcpy(e->text, s->reply.ptr, e->settle.reply.len);
    }
    e->settle.reply.ptr = NULL; /* the array moves: set when it is written */
}

static void settle(struct queue_ledger *l, const struct spool_settle *s)
{
    l->unsynced = true;
    /* In order: an entry may not overtake one that failed. */
    if (l->kept_n > 0 || !spool_store_settle(l->store, s)) {
        l->failing = true;
        keep(l, s);
    }
}

static void settle_target(struct queue_ledger *l, const struct queue_message *m,
                          uint16_t number)
{
    static const enum spool_outcome outcomes[QUEUE_STATE_COUNT] = {
        [QUEUE_pending] = SPOOL_PENDING,
        [QUEUE_running] = SPOOL_PENDING, /* not told by the index */
        [QUEUE_held] = SPOOL_HELD,
        [QUEUE_done] = SPOOL_DONE,
    };
    const struct queue_target *t = &m->target[number];
    struct spool_settle s = {.id = m->id,
                             .target = number,
                             .outcome = outcomes[t->state],
                             .attempts = t->attempts,
                             .next_ms = t->next_ms,
                             .reply = queue_reply(m, number)};
    settle(l, &s);
}

void ledger_changed(struct queue_ledger *l, const struct queue_message *m,
                    uint16_t number)
{
    if (l->message != m || l->n == SPOOL_RECIPIENTS_MAX) {
        ledger_flush(l);
        l->message = m;
    }
    l->number[l->n++] = number;
}

void ledger_flush(struct queue_ledger *l)
{
    for (uint16_t i = 0; i < l->n; i++) {
        settle_target(l, l->message, l->number[i]);
    }
    l->message = NULL;
    l->n = 0;
}

void ledger_known_done(struct queue_ledger *l, struct message_id id)
{
    l->finished = grow(l->finished, l->finished_n, &l->finished_cap, sizeof *l->finished);
    l->finished[l->finished_n++] = id;
}

void ledger_finished(struct queue_ledger *l, const struct queue_message *m)
{
    if (l->message == m) {
        l->n = 0;
        l->message = NULL;
    }
    struct spool_settle s = {
        .id = m->id, .target = SPOOL_ALL_TARGETS, .outcome = SPOOL_DONE};
    settle(l, &s);
    ledger_known_done(l, m->id);
}

bool ledger_waits(const struct queue_ledger *l)
{
    return l->unsynced || l->finished_n > 0;
}

static bool write_kept(struct queue_ledger *l)
{
    size_t i = 0;
    for (; i < l->kept_n; i++) {
        struct ledger_entry *e = &l->kept[i];
        e->settle.reply.ptr = e->text;
        if (!spool_store_settle(l->store, &e->settle)) {
            break;
        }
    }
    l->kept_n -= i;
    memmove(l->kept, l->kept + i, l->kept_n * sizeof *l->kept);
    return l->kept_n == 0;
}

/* A journal whose sync failed takes nothing until the next sync has made it anew: so what was
 * kept is tried before a sync, and after it. */
static bool write_all(struct queue_ledger *l)
{
    if (l->kept_n == 0 || write_kept(l)) {
        return spool_store_sync(l->store);
    }
    return spool_store_sync(l->store) && write_kept(l) && spool_store_sync(l->store);
}

bool ledger_sync(struct queue_ledger *l)
{
    ledger_flush(l);
    if (!ledger_waits(l) && !l->failing) {
        return true;
    }
    l->failing = !write_all(l);
    if (l->failing) {
        return false;
    }
    l->unsynced = false;
    for (size_t i = 0; i < l->finished_n; i++) {
        spool_store_done(l->store, l->finished[i]);
    }
    l->finished_n = 0;
    return true;
}

bool ledger_ok(const struct queue_ledger *l)
{
    return !l->failing;
}
