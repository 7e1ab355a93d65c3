/* queue/schedule.c - see schedule.h */
#include "queue/schedule.h"

#include "base/log.h"

#include <stdlib.h>

enum { HEAP_FIRST = 256 };

void sched_init(struct schedule *s)
{
    *s = (struct schedule){0};
    for (size_t b = 0; b < SCHED_BANDS; b++) {
        struct sched_band *band = &s->band[b];
        list_init(&band->ring);
        for (size_t i = 0; i < SCHED_LANES; i++) {
            list_init(&band->lane[i].units);
            list_init(&band->lane[i].ring);
            band->lane[i].credit = SCHED_QUANTUM;
        }
    }
}

void sched_clear(struct schedule *s)
{
    free(s->heap);
    s->heap = NULL;
    s->heap_n = s->heap_cap = s->reserved = 0;
}

bool sched_reserve(struct schedule *s, uint32_t n)
{
    if (n > UINT32_MAX / 2 - s->reserved) {
        return false;
    }
    uint32_t need = s->reserved + n;
    if (need > s->heap_cap) {
        uint32_t cap = s->heap_cap < HEAP_FIRST ? HEAP_FIRST : s->heap_cap * 2;
        cap = cap < need ? need : cap;
        struct sched_unit **heap = realloc(s->heap, cap * sizeof(struct sched_unit *));
        if (heap == NULL) {
            return false;
        }
        s->heap = heap;
        s->heap_cap = cap;
    }
    s->reserved = need;
    return true;
}

void sched_release(struct schedule *s, uint32_t n)
{
    BUG_ON(n > s->reserved);
    s->reserved -= n;
}

void sched_unit_init(struct sched_unit *u, uint16_t lane)
{
    *u = (struct sched_unit){.lane = lane % SCHED_LANES, .band = SCHED_USUAL};
    list_init(&u->node);
}

/* --- the heap: earliest first --- */

static void heap_set(struct schedule *s, uint32_t at, struct sched_unit *u)
{
    s->heap[at] = u;
    u->heap_at = at;
}

static void heap_up(struct schedule *s, uint32_t at)
{
    struct sched_unit *u = s->heap[at];
    while (at > 0 && s->heap[(at - 1) / 2]->due_ms > u->due_ms) {
        heap_set(s, at, s->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_set(s, at, u);
}

static void heap_down(struct schedule *s, uint32_t at)
{
    struct sched_unit *u = s->heap[at];
    for (;;) {
        uint32_t child = at * 2 + 1;
        if (child >= s->heap_n) {
            break;
        }
        if (child + 1 < s->heap_n &&
            s->heap[child + 1]->due_ms < s->heap[child]->due_ms) {
            child++;
        }
        if (s->heap[child]->due_ms >= u->due_ms) {
            break;
        }
        heap_set(s, at, s->heap[child]);
        at = child;
    }
    heap_set(s, at, u);
}

static void heap_add(struct schedule *s, struct sched_unit *u)
{
    BUG_ON(s->heap_n >= s->reserved);
    u->where = SCHED_HEAP;
    heap_set(s, s->heap_n++, u);
    heap_up(s, u->heap_at);
}

static void heap_remove(struct schedule *s, struct sched_unit *u)
{
    uint32_t at = u->heap_at;
    struct sched_unit *last = s->heap[--s->heap_n];
    u->where = SCHED_OUT;
    if (last == u) {
        return;
    }
    heap_set(s, at, last);
    heap_up(s, at);
    heap_down(s, last->heap_at);
}

/* --- the lanes --- */

static struct sched_lane *lane_of(struct schedule *s, const struct sched_unit *u)
{
    return &s->band[u->band].lane[u->lane];
}

static void lane_add(struct schedule *s, struct sched_unit *u)
{
    struct sched_lane *lane = lane_of(s, u);
    if (list_empty(&lane->units)) {
        list_append(&s->band[u->band].ring, &lane->ring);
    }
    list_append(&lane->units, &u->node);
    u->where = SCHED_LANE;
}

static void lane_remove(struct schedule *s, struct sched_unit *u)
{
    struct sched_lane *lane = lane_of(s, u);
    list_remove(&u->node);
    u->where = SCHED_OUT;
    if (list_empty(&lane->units)) {
        list_remove(&lane->ring); /* its debt stays: it may be back at once */
    }
}

static void wake_due(struct schedule *s, uint64_t now_ms)
{
    while (s->heap_n > 0 && s->heap[0]->due_ms <= now_ms) {
        struct sched_unit *u = s->heap[0];
        heap_remove(s, u);
        lane_add(s, u);
    }
}

/* --- what others call --- */

void sched_drop(struct schedule *s, struct sched_unit *u)
{
    if (u->where == SCHED_HEAP) {
        heap_remove(s, u);
    } else if (u->where == SCHED_LANE) {
        lane_remove(s, u);
    }
}

void sched_put(struct schedule *s, struct sched_unit *u, uint64_t due_ms, uint64_t now_ms)
{
    if (u->where == SCHED_HEAP && u->due_ms == due_ms && due_ms > now_ms) {
        return;
    }
    if (u->where == SCHED_LANE && due_ms <= now_ms) {
        u->due_ms = due_ms;
        return;
    }
    sched_drop(s, u);
    u->due_ms = due_ms;
    if (due_ms <= now_ms) {
        wake_due(s, now_ms); /* those that were due before stand before it */
        lane_add(s, u);
    } else {
        heap_add(s, u);
    }
}

/* The most urgent that has units, or one that was passed over long enough. */
static struct sched_band *band_next(struct schedule *s)
{
    struct sched_band *next = &s->band[0];
    for (size_t b = SCHED_BANDS; b-- > 0;) {
        struct sched_band *band = &s->band[b];
        if (list_empty(&band->ring)) {
            continue;
        }
        next = band;
        if (band->ahead >= SCHED_AHEAD) {
            break;
        }
    }
    return next;
}

struct sched_unit *sched_next(struct schedule *s, uint64_t now_ms)
{
    wake_due(s, now_ms);
    struct sched_band *band = band_next(s);
    /* Ends: every round gives each lane of the ring credit, and no lane's debt is
     * endless. */
    while (!list_empty(&band->ring)) {
        struct sched_lane *lane = LIST_ITEM(band->ring.next, struct sched_lane, ring);
        if (lane->credit > 0) {
            return LIST_ITEM(lane->units.next, struct sched_unit, node);
        }
        lane->credit += SCHED_QUANTUM;
        list_remove(&lane->ring);
        list_append(&band->ring, &lane->ring);
    }
    return NULL;
}

void sched_charge(struct schedule *s, struct sched_unit *u, int cost)
{
    struct sched_lane *lane = lane_of(s, u);
    BUG_ON(u->where != SCHED_LANE || cost < 0);
    lane->credit -= cost;
    s->band[u->band].ahead = 0;
    for (size_t b = u->band + 1U; b < SCHED_BANDS; b++) {
        struct sched_band *behind = &s->band[b];
        behind->ahead = list_empty(&behind->ring)     ? 0
                        : behind->ahead < SCHED_AHEAD ? behind->ahead + cost
                                                      : SCHED_AHEAD;
    }
    list_remove(&u->node);
    list_append(&lane->units, &u->node);
}

uint64_t sched_when(const struct schedule *s)
{
    for (size_t b = 0; b < SCHED_BANDS; b++) {
        if (!list_empty(&s->band[b].ring)) {
            return 0;
        }
    }
    return s->heap_n > 0 ? s->heap[0]->due_ms : UINT64_MAX;
}

/* How many units it has; UINT32_MAX: its rules are broken. */
static uint32_t validate_band(const struct schedule *s, size_t b)
{
    uint32_t n = 0;
    for (size_t i = 0; i < SCHED_LANES; i++) {
        const struct sched_lane *lane = &s->band[b].lane[i];
        if (list_empty(&lane->units) != list_empty(&lane->ring) ||
            lane->credit > SCHED_QUANTUM) {
            return UINT32_MAX;
        }
        for (struct list *at = lane->units.next; at != &lane->units; at = at->next) {
            const struct sched_unit *u = LIST_ITEM(at, struct sched_unit, node);
            if (u->lane != i || u->band != b || u->where != SCHED_LANE) {
                return UINT32_MAX;
            }
            n++;
        }
    }
    return n;
}

bool sched_validate(const struct schedule *s)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->heap_n; i++, n++) {
        const struct sched_unit *u = s->heap[i];
        if (u->heap_at != i || u->where != SCHED_HEAP ||
            s->heap[i == 0 ? 0 : (i - 1) / 2]->due_ms > u->due_ms) {
            return false;
        }
    }
    for (size_t b = 0; b < SCHED_BANDS; b++) {
        uint32_t units = validate_band(s, b);
        if (units == UINT32_MAX) {
            return false;
        }
        n += units;
    }
    return n <= s->reserved;
}
