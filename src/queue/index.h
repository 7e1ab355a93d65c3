/* queue/index.h - every message that is not done, in memory: the state of each target, what
 * is due when, who delivers what.
 *
 * States  of a target (one recipient number of one message); docs/architecture.md, "Queue:
 *         states of a target", has them in a table. In short: pending, running (in a job of
 *         one worker), held (until a command), done. A message whose targets are all done
 *         leaves the index.
 * Jobs    one message, one destination domain, one way (local or remote), up to JOB_TARGETS_MAX targets that are due;
 *         never two jobs for one target at once. A worker has at most rules.in_flight_max
 *         targets (one job may pass that bound); the one with the fewest gets the next job. Their numbers
 *         do not come again in the life of another index, so that outcomes find their job there too.
 * Fair    by (sender, destination domain), queue/schedule.h.
 * Pauses  (queue/pause.h) keep what is pending and goes to other servers from being taken until they end;
 *         its time stays what it was. A pause counts as no attempt, and ends nothing.
 * Pure    no system calls beside memory and random keys at birth; now_ms is wall time.
 * Own     everything belongs to the index. A message pointer is good until a call that may
 *         end a target (outcome, job end, worker down, command) returns.
 * Calls   `changed` and `finished` come from inside those calls and may call nothing here
 *         but the readers.
 * Memory  of a message: 120 octets; 64 per destination domain in it; per target 32 and its
 *         addresses (one, when both are the same); about 100 for the map. Some 350 octets
 *         for a message to one recipient, 60 for each of a long list. The last reply of a
 *         deferred target comes on top, shared by neighbours with the same one.
 * Limits  QUEUE_MESSAGES_MAX messages, QUEUE_TEXT_MAX octets an address. */
#ifndef QUEUE_INDEX_H
#define QUEUE_INDEX_H
#include "base/list.h"
#include "queue/job.h"
#include "queue/pace.h"
#include "queue/pause.h"
#include "queue/schedule.h"
#include "spool/store.h"

enum {
    QUEUE_MESSAGES_MAX = 16 * 1024 * 1024,
    QUEUE_TEXT_MAX = 1024,          /* an address */
    QUEUE_REPLY_MAX = 400,          /* octets kept of a reply */
    QUEUE_JOB_TEXT_MAX = 56 * 1024, /* addresses in one job: fits a JOB */
    QUEUE_WORKERS_MAX = 256,
    QUEUE_RETRIES_MAX = 64,
    QUEUE_WAITS_MAX = 65536, /* accounts at domains that are to wait (JOB_pause_sender) */
    QUEUE_WAIT_MAX_MS = 24 * 3600 * 1000, /* so long at most what comes later */
};

/* clang-format off */
#define QUEUE_STATES(X) X(pending) X(running) X(held) X(done)
#define X(s) QUEUE_##s,
enum queue_state { QUEUE_STATES(X) QUEUE_STATE_COUNT };
#undef X
/* clang-format on */
const char *queue_state_name(enum queue_state state);

/* What happened to a target. */
enum queue_what {
    QUEUE_DELIVERED = 0, /* done */
    QUEUE_DEFERRED,      /* pending, later */
    QUEUE_FAILED,        /* held: refused for good */
    QUEUE_EXPIRED,       /* held: deferred again, and too old */
    QUEUE_HOLD,          /* held: by command */
    QUEUE_RELEASE,       /* pending: by command */
    QUEUE_REMOVE,        /* done: by command */
    QUEUE_BOUNCED,       /* done: it had failed, and its sender was told */
    QUEUE_UNTOLD,        /* done: it had failed, and there is nobody to tell */
};

/* Local delivery never waits for what goes to other servers: each has its own schedule, and its
 * own room in each worker. */
enum queue_way { QUEUE_LOCAL = 0, QUEUE_REMOTE, QUEUE_WAYS };

struct queue_waits {
    uint64_t ms[QUEUE_RETRIES_MAX];
    unsigned n;
};

struct queue_rules {
    uint64_t retry_ms[QUEUE_RETRIES_MAX]; /* waits; the last one repeats */
    const struct queue_waits
        *class_waits;          /* instead, of 256 classes (job_outcome.klass) that
                                              have n > 0; borrowed; NULL: none has */
    unsigned retry_n;          /* at least 1 */
    uint64_t expire_ms;        /* age */
    uint64_t later_ms;         /* the least wait of JOB_later */
    unsigned later_n;          /* attempts that JOB_later is worth */
    uint64_t pause_ms;         /* the wait of JOB_pause_sender, if none is named */
    unsigned in_flight_max[2]; /* targets per worker, by enum queue_way */
    unsigned
        single; /* services (1 << of the envelope's, or'ed) whose mail goes to one remote
                        recipient a job, as each has a return path of its own */
};

/* What the note of a held target begins with that failed, or that expired. */
#define QUEUE_NOTE_FAILED  "failed: "
#define QUEUE_NOTE_EXPIRED "expired: "

struct queue_domain {                     /* interned; lives while a message names it */
    uint64_t target_n[QUEUE_STATE_COUNT]; /* done: always 0 */
    uint64_t
        site_pause; /* number of the pause that its site was found to have; 0: none */
    uint32_t refs;
    uint16_t name_len;
    unsigned char name[];
};

struct queue_account { /* interned likewise; in lower case */
    uint32_t refs;
    uint16_t name_len;
    unsigned char name[];
};

struct queue_note { /* a reply, shared */
    uint32_t refs;
    uint16_t len;
    unsigned char text[];
};

struct queue_target {
    uint64_t next_ms; /* pending: due then */
    struct queue_note *note;
    uint32_t text; /* where the addresses are in the message's text */
    uint16_t given_len, address_len;
    uint16_t part, attempts;
    uint8_t klass;     /* enum bounce_class of the last reply, + 1; 0: none */
    uint8_t state : 2; /* enum queue_state */
    uint8_t asked : 2; /* running: what to do if it is not delivered (enum queue_asked) */
    uint8_t crashed : 2;  /* workers that went away with it in a row */
    bool tried : 1;       /* may have been handed to a delivery before */
    bool same : 1;        /* address is given, and not stored */
    bool failed : 1;      /* held: for good, until its sender was told */
    bool same_source : 1; /* the last reply was JOB_same_source */
    bool delay_told : 1;  /* its sender was told that it is late */
};

struct queue_part { /* what goes to one domain of one message */
    struct sched_unit unit;
    struct queue_message *message;
    struct queue_domain *domain;
    bool remote;      /* to another server */
    bool report;      /* to a return path of ours */
    uint8_t paced;    /* kinds (1 << enum pace_kind) that gave it a slot */
    uint64_t slot_ms; /* the last of these; 0: none */
};

struct queue_message {
    struct list node; /* all, in the order of arrival here */
    struct message_id id;
    uint64_t segment, offset, message_len, arrival_ms;
    struct queue_part *part;
    struct queue_account *account; /* NULL: nobody's, as notifications are */
    unsigned char *text;           /* the sender, then the addresses */
    uint32_t envelope_len, head_len;
    uint16_t sender_len, target_n, open_n, part_n;
    uint8_t service, flags; /* as in the envelope */
    bool replayed;          /* found at start */
    bool wants_success;     /* somebody asked to be told of success (NOTIFY) */
    uint32_t
        hold_s; /* not before so long after its arrival (hold-until of spool/record.h) */
    struct queue_target target[];
};

/* Octets of header section and body. */
static inline uint64_t queue_octets(const struct queue_message *m)
{
    return m->message_len + m->head_len;
}

struct queue_ops {
    /* The target is in its new state already; held and deferred ones have their note. */
    void (*changed)(void *arg, const struct queue_message *m, uint16_t number,
                    enum queue_what what);
    /* All targets are done: the message is freed when this returns. */
    void (*finished)(void *arg, const struct queue_message *m);
};

struct queue_index;

/* rules are copied; ops are borrowed. NULL: no memory. */
MUST_USE struct queue_index *queue_new(const struct queue_rules *rules,
                                       const struct queue_ops *ops, void *arg);
void queue_free(struct queue_index **ix);

/* --- messages --- */

enum queue_add { QUEUE_ADDED = 0, QUEUE_KNOWN, QUEUE_MALFORMED, QUEUE_NO_MEMORY };

/* A record of the spool. Not ADDED: nothing changed (the record stays in the spool).
 * Before queue_started() it counts as found by replay and is not scheduled yet. */
MUST_USE enum queue_add queue_add(struct queue_index *ix, const struct spool_entry *e,
                                  uint64_t now_ms);
/* A journal entry of the time before; unknown ids and numbers are passed over. */
void queue_replay(struct queue_index *ix, const struct spool_settle *settle);
/* Replay is over: schedules everything, drops what is done (finished() is called). */
void queue_started(struct queue_index *ix, uint64_t now_ms);
void queue_moved(struct queue_index *ix, struct message_id id, uint64_t segment,
                 uint64_t offset);

/* --- deliveries --- */

void queue_worker_up(struct queue_index *ix, unsigned worker);
/* Its jobs are pending again, due now. */
void queue_worker_down(struct queue_index *ix, unsigned worker, uint64_t now_ms);

struct queue_pick {
    uint64_t job;
    unsigned worker;
    uint64_t segment; /* of the message; may move later, see queue_job_segment() */
    const struct queue_message *message;
    const uint16_t *number; /* n targets; good until the job ends */
    uint16_t n;
    bool repeated; /* one of them may have been handed out before */
    bool remote, report;
    bool same_source; /* one of them wants it */
};
/* The next job; its targets are RUNNING. False: nothing is due, or no worker has room. */
MUST_USE bool queue_take(struct queue_index *ix, uint64_t now_ms, struct queue_pick *out);

/* A job of the queue before us that a worker still has. */
struct queue_claim {
    uint64_t job;
    unsigned worker;
    struct message_id id;
    uint16_t n;
    uint16_t number[JOB_TARGETS_MAX];
    uint16_t attempts[JOB_TARGETS_MAX]; /* made when the job was given */
};
/* Those of its targets that are pending, with so many attempts, are RUNNING in it. The outcome of another one is
 * known already (or it is another worker's): queue_outcome() then changes nothing. False: there is a
 * job of that number; nothing changed. */
MUST_USE bool queue_adopt(struct queue_index *ix, const struct queue_claim *c,
                          uint64_t now_ms);
MUST_USE bool queue_job_adopted(const struct queue_index *ix, uint64_t job);

/* The segment that a job was given (0: adopted). False: that worker has no such job. */
MUST_USE bool queue_job_segment(const struct queue_index *ix, uint64_t job,
                                unsigned worker, uint64_t *segment);

/* Something to remember of a job, until it ends; 0: nothing. */
void queue_job_tag(const struct queue_index *ix, uint64_t job, uint64_t tag);
MUST_USE uint64_t queue_job_tagged(const struct queue_index *ix, uint64_t job);

/* The outcome of one target of a job. False: that worker has no such job, or the job (unless adopted) has
 * no such target, or its outcome was told already; nothing changed. */
MUST_USE bool queue_outcome(struct queue_index *ix, uint64_t job, unsigned worker,
                            const struct job_outcome *o, uint64_t now_ms);
/* The job is over. Targets without an outcome count as deferred. False: that worker has
 * no such job. */
MUST_USE bool queue_job_end(struct queue_index *ix, uint64_t job, unsigned worker,
                            uint64_t now_ms);

/* The job could not be handed over: its targets are pending as before. */
void queue_give_back(struct queue_index *ix, uint64_t job, uint64_t now_ms);

/* When queue_take() can give something if a worker has room: 0 now, UINT64_MAX never. */
MUST_USE uint64_t queue_when(const struct queue_index *ix);
MUST_USE uint64_t queue_in_flight(const struct queue_index *ix); /* jobs */

/* --- commands --- */

enum queue_command {
    QUEUE_DO_RETRY = 0,
    QUEUE_DO_HOLD,
    QUEUE_DO_RELEASE,
    QUEUE_DO_REMOVE
};
struct queue_did {
    uint64_t changed; /* targets; a retry counts those that are due now */
    uint64_t running; /* in delivery: done if that attempt fails (retry: left alone) */
    uint64_t held;    /* retry: left alone, wants a release */
};
/* Which targets of a message: all that are not done, or of them those in that state and at
 * that domain (empty: any). */
struct queue_which {
    struct slice domain;
    bool by_state;
    enum queue_state state;
};
MUST_USE bool queue_is(const struct queue_message *m, uint16_t number,
                       const struct queue_which *which);
/* The message may be gone after it. which NULL: all. */
void queue_do(struct queue_index *ix, struct queue_message *m, enum queue_command what,
              const struct queue_which *which, uint64_t now_ms, struct queue_did *did);

/* The sender was told that the target is late: once is enough. */
void queue_late_told(struct queue_index *ix, const struct queue_message *m,
                     uint16_t number);
/* Targets that failed are done: the sender was told of each, or is not to be. The message may be
 * gone after it. */
void queue_bounced(struct queue_index *ix, struct queue_message *m,
                   const uint16_t *number, const bool *told, size_t n);

/* --- pauses --- */

/* Borrowed; NULL: none. */
void queue_set_pauses(struct queue_index *ix, const struct pauses *pauses);
/* One was ended, or put with an earlier end than before: what waited for it goes on. (One more, or longer,
 * is found by itself.) Walks the index. */
void queue_unpaused(struct queue_index *ix, uint64_t now_ms);
/* The pause that the target waits for, if it is pending; NULL: none. */
MUST_USE const struct pause *queue_paused(const struct queue_index *ix,
                                          const struct queue_message *m, uint16_t number);

/* --- pace --- */

/* Borrowed; NULL: mail to other servers goes as fast as it can. A message to a domain gets a slot when its
 * turn comes, and another one for each further attempt or job. */
void queue_set_pace(struct queue_index *ix, struct pace *pace);
/* When the target, which is pending, is due: by its schedule and by its slot. */
MUST_USE uint64_t queue_next_ms(const struct queue_message *m, uint16_t number);

/* --- readers --- */

MUST_USE struct queue_message *queue_find(const struct queue_index *ix,
                                          struct message_id id);

/* Walks all messages in the order of arrival; others may come and go meanwhile. Close it.
 */
struct queue_cursor {
    struct list node; /* of the index's cursors */
    struct list *at;
};
void queue_cursor_open(struct queue_index *ix, struct queue_cursor *c);
MUST_USE struct queue_message *queue_cursor_next(struct queue_index *ix,
                                                 struct queue_cursor *c);
void queue_cursor_close(struct queue_cursor *c);

MUST_USE struct slice queue_sender(const struct queue_message *m);
MUST_USE struct slice
queue_account(const struct queue_message *m); /* pause.h; may be empty */
MUST_USE struct slice queue_given(const struct queue_message *m, uint16_t number);
MUST_USE struct slice queue_address(const struct queue_message *m, uint16_t number);
MUST_USE struct slice queue_domain(const struct queue_message *m, uint16_t number);
MUST_USE struct slice queue_reply(const struct queue_message *m, uint16_t number);

struct queue_stats {
    uint64_t messages, octets; /* octets: of messages */
    uint64_t target_n[QUEUE_STATE_COUNT];
    uint64_t due_n;     /* of the pending: due now (walks the index) */
    uint64_t oldest_ms; /* arrival; UINT64_MAX: none (walks the index) */
    uint64_t jobs, domains;
};
void queue_stats(const struct queue_index *ix, uint64_t now_ms, struct queue_stats *out);
/* The n domains with most targets into top, most first; returns how many. */
size_t queue_top_domains(const struct queue_index *ix, const struct queue_domain **top,
                         size_t n);

/* Every rule above holds (debugging and tests; slow). */
MUST_USE bool queue_validate(const struct queue_index *ix);
#endif
