/* queue/index_pause.c - see index.h: what pauses and the pace keep waiting.
 *
 * A part that is paused stands in the schedule at the end of its pause. It gets there when its turn
 * comes (or whatever else puts it anew), so a new pause costs nothing; the end of one walks all. */
#include "base/log.h"
#include "queue/index_impl.h"

enum { SLOT_LATE_MS = 1000 }; /* so much later a slot is still good */

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
    uint64_t until_ms = p == NULL ? 0 : p->until_ms;
    return until_ms > part->slot_ms ? until_ms : part->slot_ms;
}

void queue_set_pace(struct queue_index *ix, struct pace *pace)
{
    ix->pace = pace;
}

/* One kind after the other: the account's time is asked for when the domain's has come, so a slow
 * domain costs an account nothing. */
uint64_t queue_part_slot(struct queue_index *ix, struct queue_part *part, uint64_t now_ms)
{
    const struct slice names[PACE_KINDS] = {
        [PACE_DOMAIN] = {part->domain->name, part->domain->name_len},
        [PACE_ACCOUNT] = queue_account(part->message),
    };
    if (ix->pace == NULL || !part->remote) {
        return 0;
    }
    if (part->slot_ms + SLOT_LATE_MS < now_ms) {
        part->paced =
            0; /* it was kept from using it: those that were go one by one again */
    }
    for (unsigned kind = 0; kind < PACE_KINDS && part->slot_ms <= now_ms; kind++) {
        if ((part->paced & 1U << kind) == 0) {
            part->paced |= (uint8_t)(1U << kind);
            part->slot_ms =
                pace_slot(ix->pace, (enum pace_kind)kind, names[kind], now_ms);
        }
    }
    return part->slot_ms;
}

uint64_t queue_next_ms(const struct queue_message *m, uint16_t number)
{
    const struct queue_target *t = &m->target[number];
    uint64_t slot_ms = m->part[t->part].slot_ms;
    return t->next_ms > slot_ms ? t->next_ms : slot_ms;
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
