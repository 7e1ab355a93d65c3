/* queue/index_pause.c - see index.h: what pauses keep waiting.
 *
 * A part that is paused stands in the schedule at the end of its pause. It gets there when its turn
 * comes (or whatever else puts it anew), so a new pause costs nothing; the end of one walks all. */
#include "base/log.h"
#include "queue/index_impl.h"

void queue_set_pauses(struct queue_index *ix, const struct pauses *pauses)
{
    ix->pauses = pauses;
}

/* The one that ends last of those that keep it. */
static const struct pause *pause_of(const struct queue_index *ix,
                                    const struct queue_part *part)
{
    const struct queue_domain *d = part->domain;
    if (ix->pauses == NULL || !part->remote || pauses_n(ix->pauses) == 0) {
        return NULL;
    }
    const struct pause *found[] = {
        pauses_find(ix->pauses, PAUSE_account, queue_account(part->message)),
        pauses_find(ix->pauses, PAUSE_domain, (struct slice){d->name, d->name_len}),
        d->site_pause == 0 ? NULL : pauses_numbered(ix->pauses, d->site_pause),
    };
    const struct pause *last = NULL;
    for (size_t i = 0; i < sizeof found / sizeof found[0]; i++) {
        if (found[i] != NULL && (last == NULL || found[i]->until_ms > last->until_ms)) {
            last = found[i];
        }
    }
    return last;
}

uint64_t queue_part_paused(const struct queue_index *ix, const struct queue_part *part)
{
    const struct pause *p = pause_of(ix, part);
    return p == NULL ? 0 : p->until_ms;
}

const struct pause *queue_paused(const struct queue_index *ix,
                                 const struct queue_message *m, uint16_t number)
{
    const struct queue_target *t = &m->target[number];
    return t->state == QUEUE_pending ? pause_of(ix, &m->part[t->part]) : NULL;
}

void queue_unpaused(struct queue_index *ix, uint64_t now_ms)
{
    for (struct list *at = ix->messages.next; at != &ix->messages; at = at->next) {
        struct queue_message *m = LIST_ITEM(at, struct queue_message, node);
        for (uint16_t i = 0; i < m->part_n; i++) {
            if (m->part[i].remote) {
                queue_reschedule(ix, &m->part[i], now_ms);
            }
        }
    }
}
