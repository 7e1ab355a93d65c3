/* delivery/send_rate.c - see send_rate.h */
#include "delivery/send_rate.h"

#include "base/buf.h"

#include <stdlib.h>

enum { KEY_MAX = 2048, SWEEP_MAX = 256, NO_EVIDENCE = 1 << 30 };
#define SECOND_US UINT64_C(1000000)

/* --- turns --- */

void send_turns_init(struct send_turns *t)
{
    map_init(&t->by_key, SEND_TURNS_MAX);
}

static void free_turn(void *arg, struct slice key, void *value)
{
    (void)arg, (void)key;
    free(value);
}

void send_turns_clear(struct send_turns *t)
{
    map_each(&t->by_key, free_turn, NULL);
    map_clear(&t->by_key);
}

struct sweep {
    struct slice key[SWEEP_MAX];
    unsigned n;
    uint64_t now_us;
};

static void look_for_over(void *arg, struct slice key, void *value)
{
    struct sweep *sweep = arg;
    const uint64_t *next_us = value;
    if (*next_us <= sweep->now_us && sweep->n < SWEEP_MAX) {
        sweep->key[sweep->n++] = key;
    }
}

void send_turns_sweep(struct send_turns *t, uint64_t now_us)
{
    struct sweep sweep = {.now_us = now_us};
    map_each(&t->by_key, look_for_over, &sweep);
    for (unsigned i = 0; i < sweep.n; i++) {
        free(map_take(&t->by_key, sweep.key[i]));
    }
}

/* Behind all that wait already. Without memory: with the others. */
static uint64_t take_turn(struct send_turns *t, uint64_t tag, uint64_t wait_s,
                          uint64_t step_us, uint64_t now_us)
{
    uint64_t *next_us = map_get(&t->by_key, map_key_u64(&tag));
    if (next_us == NULL) {
        next_us = calloc(1, sizeof *next_us);
        if (next_us == NULL || !map_put(&t->by_key, map_key_u64(&tag), next_us)) {
            free(next_us);
            return wait_s;
        }
    }
    uint64_t least_us = now_us + wait_s * SECOND_US;
    uint64_t at_us = *next_us < least_us ? least_us : *next_us;
    uint64_t most_us = now_us + SEND_WAIT_MAX_S * SECOND_US;
    at_us = at_us > most_us ? most_us : at_us;
    *next_us = at_us + step_us;
    return (at_us - now_us + SECOND_US - 1) / SECOND_US;
}

/* --- rates --- */

uint64_t send_rate_wait_s(const struct rate_table *table, struct send_turns *turns,
                          enum rate_kind kind, struct slice name, uint64_t n,
                          const struct rate_bound *bound, uint64_t now_us)
{
    struct rate_view v = {0};
    if (table == NULL || bound->least.count == 0) {
        return 0;
    }
    struct rate_key key = rate_key(table, kind, name);
    if (!rate_read(table, &key, now_us, &v)) {
        return 0; /* the first: however many, else it would never go */
    }
    struct rate_limit limit = rate_allowed(bound, &v, NO_EVIDENCE);
    struct rate_view with = rate_with(&limit, &v, n, now_us);
    if (!rate_over(&limit, &with, now_us) || rate_measured(&limit, &v, now_us) == 0) {
        return 0;
    }
    uint64_t step_us = rate_window_s(limit.window) * SECOND_US / limit.count;
    return take_turn(turns, key.tag, rate_wait_s(&limit, &with, now_us), step_us * n,
                     now_us);
}

void send_rate_count(struct rate_table *table, enum rate_kind kind, struct slice name,
                     uint64_t n, const struct rate_bound *bound, uint64_t now_us)
{
    if (table != NULL && bound->least.count > 0) {
        struct rate_key key = rate_key(table, kind, name);
        (void)rate_add(table, &key, n, bound->least.burst > 0 ? &bound->least : NULL,
                       now_us, NULL);
    }
}

/* --- warm-up --- */

/* A key of its own for each day, so the count of its sliding day is that of the day. */
static struct rate_key warm_key(const struct rate_table *table, struct slice key,
                                uint64_t day, struct buf *room)
{
    buf_init(room, KEY_MAX);
    (void)buf_add_fmt(room, "%llu ", (unsigned long long)day);
    (void)buf_add(room, slice_sub(key, 0, KEY_MAX - 32));
    return rate_key(table, RATE_warm_up, buf_slice(room));
}

bool send_warm_room(const struct rate_table *table, struct slice key, uint64_t day,
                    uint64_t n, uint64_t bound, uint64_t now_us)
{
    struct rate_view v = {0};
    struct buf room;
    if (table == NULL) {
        return true;
    }
    struct rate_key k = warm_key(table, key, day, &room);
    bool known = rate_read(table, &k, now_us, &v);
    buf_clear(&room);
    uint64_t sent = known ? v.count[RATE_DAY] : 0;
    return sent == 0 ||
           (sent < bound &&
            n <= bound - sent); /* one that is larger than a day may go first */
}

void send_warm_count(struct rate_table *table, struct slice key, uint64_t day, uint64_t n,
                     uint64_t now_us)
{
    struct buf room;
    if (table == NULL) {
        return;
    }
    struct rate_key k = warm_key(table, key, day, &room);
    (void)rate_add(table, &k, n, NULL, now_us, NULL);
    buf_clear(&room);
}
