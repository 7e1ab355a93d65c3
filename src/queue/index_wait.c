/* queue/index_wait.c - see index.h: accounts that a domain has asked to wait, so that what comes of them later waits too. */
#include "queue/index_impl.h"

#include <stdlib.h>
#include <string.h>

enum { SWEEP_AT_LEAST = 1024, KEY_MAX = 2 * QUEUE_TEXT_MAX + 1 };

struct wait {
    struct wait *next; /* of those that are over */
    uint64_t until_ms;
    size_t key_len;
    unsigned char key[];
};

/* Account and domain; empty: the mail is nobody's. */
static struct slice key_of(const struct queue_part *part, unsigned char out[KEY_MAX])
{
    const struct queue_account *account = part->message->account;
    const struct queue_domain *domain = part->domain;
    if (account == NULL || (size_t)account->name_len + domain->name_len + 1 > KEY_MAX) {
        return (struct slice){out, 0};
    }
    memcpy(out, account->name, account->name_len);
    out[account->name_len] = '\0';
    memcpy(out + account->name_len + 1, domain->name, domain->name_len);
    return (struct slice){out, (size_t)account->name_len + 1 + domain->name_len};
}

struct sweep {
    struct wait *first;
    uint64_t now_ms;
};

static void look_for_over(void *arg, struct slice key, void *value)
{
    struct sweep *sweep = arg;
    struct wait *w = value;
    (void)key;
    if (w->until_ms <= sweep->now_ms) {
        w->next = sweep->first;
        sweep->first = w;
    }
}

/* Each walk is paid for by as many new ones as it leaves. */
static void drop_over(struct queue_index *ix, uint64_t now_ms)
{
    struct sweep sweep = {NULL, now_ms};
    map_each(&ix->waits, look_for_over, &sweep);
    while (sweep.first != NULL) {
        struct wait *w = sweep.first;
        sweep.first = w->next;
        (void)map_take(&ix->waits, (struct slice){w->key, w->key_len});
        free(w);
    }
    ix->waits_look_at =
        ix->waits.n * 2 > SWEEP_AT_LEAST ? ix->waits.n * 2 : SWEEP_AT_LEAST;
}

void queue_wait_put(struct queue_index *ix, const struct queue_part *part,
                    uint64_t until_ms, uint64_t now_ms)
{
    unsigned char octets[KEY_MAX];
    struct slice key = key_of(part, octets);
    struct wait *w = key.len == 0 ? NULL : map_get(&ix->waits, key);
    uint64_t most_ms = now_ms + QUEUE_WAIT_MAX_MS;
    until_ms = until_ms > most_ms ? most_ms : until_ms;
    if (w == NULL && key.len > 0) {
        if (ix->waits.n >= ix->waits_look_at) {
            drop_over(ix, now_ms);
        }
        w = calloc(1, sizeof *w + key.len);
        if (w == NULL) {
            return; /* what comes later asks for itself */
        }
        w->key_len = key.len;
        memcpy(w->key, key.ptr, key.len);
        if (!map_put(&ix->waits, (struct slice){w->key, w->key_len}, w)) {
            free(w);
            return;
        }
    }
    if (w != NULL) {
        w->until_ms = w->until_ms > until_ms ? w->until_ms : until_ms;
    }
}

void queue_wait_apply(struct queue_index *ix, struct queue_message *m, uint64_t now_ms)
{
    unsigned char octets[KEY_MAX];
    for (uint16_t p = 0; p < m->part_n && ix->waits.n > 0; p++) {
        struct slice key = key_of(&m->part[p], octets);
        const struct wait *w = key.len == 0 ? NULL : map_get(&ix->waits, key);
        if (w == NULL || w->until_ms <= now_ms || !m->part[p].remote) {
            continue;
        }
        for (uint16_t i = 0; i < m->target_n; i++) {
            struct queue_target *t = &m->target[i];
            if (t->part == p && t->state == QUEUE_pending && t->next_ms < w->until_ms) {
                t->next_ms = w->until_ms;
            }
        }
    }
}

static void free_one(void *arg, struct slice key, void *value)
{
    (void)arg, (void)key;
    free(value);
}

void queue_waits_init(struct queue_index *ix)
{
    map_init(&ix->waits, QUEUE_WAITS_MAX);
    ix->waits_look_at = SWEEP_AT_LEAST;
}

void queue_waits_clear(struct queue_index *ix)
{
    map_each(&ix->waits, free_one, NULL);
    map_clear(&ix->waits);
}
