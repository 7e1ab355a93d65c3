/* queue/schedule.h - what goes next: a heap of units that wait for their time, and lanes of
 * units that are due.
 *
 * Fair    due units stand in one of SCHED_LANES lanes, chosen by whoever puts them there
 *         (by hash: stochastic fair queueing); lanes take turns, and a lane that took more
 *         than its share waits for as many turns. Inside a lane, units go in the order in
 *         which they became due, one turn each.
 * Bands   what is urgent goes before what is usual, that before what has time (RFC 6710); but a band that
 *         waits has a turn whenever SCHED_AHEAD of cost went before it.
 * Pure    no clock; time comes as a parameter, in wall ms.
 * Own     units belong to the caller and may not move while they are in.
 * Errors  only sched_reserve() can fail; it makes sure that sched_put() cannot.
 * Limits  as many units as were reserved. */
#ifndef QUEUE_SCHEDULE_H
#define QUEUE_SCHEDULE_H
#include "base/list.h"
#include "base/slice.h"

enum {
    SCHED_LANES = 1024,
    SCHED_QUANTUM = 16, /* cost a lane may have per turn */
    SCHED_AHEAD = 256,
};

enum sched_urgency { SCHED_URGENT = 0, SCHED_USUAL, SCHED_HAS_TIME, SCHED_BANDS };

struct sched_unit {
    uint64_t due_ms;
    struct list node; /* in its lane */
    uint32_t heap_at;
    uint16_t lane;
    uint8_t where; /* enum sched_where */
    uint8_t band;  /* enum sched_urgency; may be changed while it is out */
};
enum sched_where { SCHED_OUT = 0, SCHED_HEAP, SCHED_LANE };

struct sched_lane {
    struct list units, ring;
    int credit;
};

struct sched_band {
    struct sched_lane lane[SCHED_LANES];
    struct list ring; /* lanes with units */
    int ahead;        /* cost that went before it since it had a turn */
};

struct schedule {
    struct sched_band band[SCHED_BANDS];
    struct sched_unit **heap;
    uint32_t heap_n, heap_cap, reserved;
};

void sched_init(struct schedule *s);
void sched_clear(struct schedule *s);

/* n more (sched_release(): fewer) units may come. */
MUST_USE bool sched_reserve(struct schedule *s, uint32_t n);
void sched_release(struct schedule *s, uint32_t n);

void sched_unit_init(struct sched_unit *u, uint16_t lane); /* SCHED_USUAL */

/* Puts a unit in, or moves it: into its lane when due_ms <= now_ms, else to the heap. One
 * that stands in its lane and is still due keeps its place. */
void sched_put(struct schedule *s, struct sched_unit *u, uint64_t due_ms,
               uint64_t now_ms);
void sched_drop(struct schedule *s, struct sched_unit *u); /* out; may be out already */

/* The unit whose turn it is, NULL: nothing is due. It stays in until it is put elsewhere.
 */
MUST_USE struct sched_unit *sched_next(struct schedule *s, uint64_t now_ms);
/* The unit (from sched_next()) did work of that cost: its lane pays, others go first. */
void sched_charge(struct schedule *s, struct sched_unit *u, int cost);

/* When sched_next() can give something: 0 now, UINT64_MAX never. */
MUST_USE uint64_t sched_when(const struct schedule *s);

/* Our own rules hold (debugging and tests). */
MUST_USE bool sched_validate(const struct schedule *s);
#endif
