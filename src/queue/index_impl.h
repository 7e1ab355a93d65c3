/* queue/index_impl.h - inside of queue/index.h: for index.c, index_view.c and their test.
 */
#ifndef QUEUE_INDEX_IMPL_H
#define QUEUE_INDEX_IMPL_H
#include "base/map.h"
#include "queue/index.h"

enum queue_asked { ASKED_NOTHING = 0, ASKED_HOLD, ASKED_REMOVE };
enum { QUEUE_CRASHES_MAX = 3 };
#define NUMBER_TOLD UINT16_MAX /* in a run: the outcome is known */
_Static_assert(SPOOL_RECIPIENTS_MAX < NUMBER_TOLD, "recipient numbers must stay below");

struct queue_run {    /* a job in flight */
    struct list node; /* of its worker's */
    uint64_t id, segment, tag;
    struct queue_message *message; /* NULL: adopted, and nothing is left of it */
    unsigned worker;
    bool adopted;
    uint16_t part, n;
    uint16_t number[];
};

struct queue_worker {
    struct list runs;
    unsigned targets[QUEUE_WAYS]; /* in its jobs */
    bool up;
};

struct queue_index {
    struct queue_rules rules;
    const struct queue_ops *ops;
    void *arg;
    struct list messages, cursors;
    struct map by_id, by_domain, by_account, by_job;
    const struct pauses *pauses; /* NULL: none */
    struct pace *pace;           /* NULL: none */
    struct map waits;            /* of accounts at domains (index_wait.c) */
    size_t waits_look_at;
    struct schedule schedule[QUEUE_WAYS];
    struct queue_worker worker[QUEUE_WORKERS_MAX];
    unsigned worker_n;            /* none is up from here on */
    uint64_t paused_ms;           /* a sender's mail was looked for last */
    struct queue_note *last_note; /* the newest: many targets share one */
    uint64_t lane_key[2];
    uint64_t next_job;
    uint64_t message_n, octets, target_n[QUEUE_STATE_COUNT];
    bool started;
};

/* The 12 octets that name a message in by_id. */
struct queue_key {
    unsigned char octets[12];
};
MUST_USE struct queue_key queue_key_of(struct message_id id);

/* index.c: the state and all counts of it; clears what was asked. */
void queue_set_state(struct queue_index *ix, struct queue_message *m, uint16_t number,
                     enum queue_state to);
void queue_tell(struct queue_index *ix, const struct queue_message *m, uint16_t number,
                enum queue_what what);
/* The part's turn has come: when may it go? Not after now: at once. */
MUST_USE uint64_t queue_part_slot(struct queue_index *ix, struct queue_part *part,
                                  uint64_t now_ms);
/* Until when pauses, or its slot, keep that part; 0: nothing does. */
MUST_USE uint64_t queue_part_paused(const struct queue_index *ix,
                                    const struct queue_part *part);
/* A delivery says that the target's site is paused. */
void queue_apply_pause(struct queue_index *ix, struct queue_message *m,
                       const struct job_outcome *o, uint64_t now_ms);
/* index_wait.c: what the part's account has for its domain waits until then, also what comes later. */
void queue_waits_init(struct queue_index *ix);
void queue_waits_clear(struct queue_index *ix);
void queue_wait_put(struct queue_index *ix, const struct queue_part *part,
                    uint64_t until_ms, uint64_t now_ms);
/* One that came: it waits as others of its account do. */
void queue_wait_apply(struct queue_index *ix, struct queue_message *m, uint64_t now_ms);
/* Puts the part where its earliest pending target belongs. */
void queue_reschedule(struct queue_index *ix, struct queue_part *part, uint64_t now_ms);
/* True: all was done, the message is gone. */
bool queue_finish(struct queue_index *ix, struct queue_message *m);
/* A running target comes back with an outcome, or (return) without one. */
void queue_apply_outcome(struct queue_index *ix, struct queue_message *m,
                         const struct job_outcome *o, uint64_t now_ms);
void queue_apply_return(struct queue_index *ix, struct queue_message *m, uint16_t number,
                        bool crashed, uint64_t now_ms);
#endif
