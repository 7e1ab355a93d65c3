/* daemon/queue.h - inside of the queue role: what its files share.
 *
 * queue.c          the role: start, spool, what smtpd says, timers, drain
 * queue_jobs.c     deliveries: segments opened for them, jobs out, outcomes back
 * queue_held.c     what deliveries hold when a queue comes, and what they may forget
 * queue_dsn.c      what senders are told of their mail
 * queue_suppress.c addresses that no mail goes to
 * queue_pause.c    what does not go out for now
 * queue_told.c     messages that came while no queue was there
 * queue_report.c   return paths of single recipients, and what comes back to them
 * queue_control.c  the command line's requests */
#ifndef DAEMON_QUEUE_H
#define DAEMON_QUEUE_H
#include "proc/role.h"
#include "queue/ledger.h"
#include "queue/sent.h"
#include "queue/story.h"
#include "queue/suppress.h"
#include "spool/writer.h"
#include "trace/keep.h"

enum {
    QUEUE_OPEN_MAX = 4096,     /* segments open in one delivery */
    QUEUE_IN_FLIGHT_MAX = 256, /* local targets in one delivery, about */
    /* Those to other servers: most of them wait for somebody. */
    QUEUE_REMOTE_IN_FLIGHT_MAX = 2048,
    QUEUE_PER_WORKER = 4,               /* targets in flight per delivery.workers */
    QUEUE_EVENTS_MAX = 4 * 1024 * 1024, /* octets of records kept for the trace role */
    QUEUE_UNKEPT_MAX = 4096, /* jobs of one delivery whose outcomes are not on disk */
};
/* So that a segment that no job reads can always be closed for another one. */
_Static_assert(QUEUE_IN_FLIGHT_MAX + QUEUE_REMOTE_IN_FLIGHT_MAX <= QUEUE_OPEN_MAX,
               "each job may need a segment");

struct queue_open {
    uint64_t segment;
    uint64_t used; /* order of use: the smallest is closed first */
    unsigned jobs; /* in flight that read it */
    bool closing;  /* of no use any more: closed after its last job */
};

struct queue_delivery {
    struct channel *ch; /* NULL: none */
    struct queue_open *open;
    unsigned open_n;
    bool pauses_untold; /* not all that there are */
    bool told;          /* it told all that it held when we came */
    unsigned claims;    /* how much that was */
    struct buf unkept;  /* jobs whose outcomes are not on disk yet, u64 each */
};

struct queue_owner { /* which smtpd writes a segment */
    uint64_t segment;
    unsigned smtpd;
};

struct control;
struct queue_dsn;
struct queue_role {
    struct role_ctx *ctx;
    struct spool_store *store;
    struct queue_index *index;
    struct queue_ledger ledger;
    struct queue_story story;
    struct control *control;
    struct suppress *suppress; /* NULL: it cannot be opened */
    struct pauses *pauses;
    struct pace *pace;     /* of queue.rates; NULL: none */
    struct sent *sent;     /* NULL: it cannot be opened, or is not wanted */
    uint64_t serial;       /* of the return path that the outcome is about; 0: none */
    struct buf complaints; /* that the directory was not told yet: COMPLAINTs, as texts */
    struct channel *smtpd[ROLE_INSTANCES_MAX], *trace, *directory;
    struct queue_dsn *dsn; /* NULL: queue.notify is off, or the role is being started */
    struct queue_delivery delivery[ROLE_INSTANCES_MAX];
    struct queue_owner *owner;
    size_t owner_n, owner_cap;
    struct event *dispatch_timer, *sync_timer, *tick_timer, *end_timer;
    struct buf out;                    /* the message being made */
    const struct job_outcome *outcome; /* that is being applied */
    uint64_t uses;                     /* of segments, counted */
    struct trace_keep keep;            /* records that the trace role has not committed */
    uint64_t job_key[2], hear_until_ms;
    bool joined, heard; /* what deliveries held when we came */
    enum spool_state state;
    bool sync_set, dispatch_now, draining, finished;
};

/* Writes what an index call changed: to be called after every such call. */
void queue_role_changed(struct queue_role *q);
void queue_role_drained(
    struct queue_role *q); /* ends the role when nothing is left to do */

/* queue_jobs.c */
void queue_jobs_soon(struct queue_role *q); /* dispatch in the next turn of the loop */
void queue_jobs_on_timer(int fd, short what, void *arg);
void queue_jobs_peer(struct queue_role *q, struct channel *ch);
void queue_jobs_peer_gone(struct queue_role *q, unsigned index);
MUST_USE bool queue_jobs_done(struct queue_role *q, unsigned index, struct slice payload);
/* Nothing in that segment is of use any more. */
void queue_jobs_segment_drained(struct queue_role *q, uint64_t segment);
void queue_jobs_close_idle(struct queue_role *q);

/* queue_held.c */
void queue_held_open(struct queue_role *q);
/* JOB_HELD. False: it is malformed, or no queue gave that job to this delivery. */
MUST_USE bool queue_held_claim(struct queue_role *q, struct channel *ch,
                               struct slice payload);
void queue_held_told(struct queue_role *q, struct channel *ch); /* JOBS_TOLD */
void queue_held_joined(struct queue_role *q); /* all deliveries that live are known */
/* May jobs be given out? */
MUST_USE bool queue_held_heard(struct queue_role *q);
/* The outcomes of that job are applied, and told to the journal. */
void queue_held_done(struct queue_role *q, unsigned index, uint64_t job);
/* All that was told to the journal is on disk. */
void queue_held_kept(struct queue_role *q);
/* More wait for the disk than a delivery should keep. */
MUST_USE bool queue_held_too_many(const struct queue_role *q);

/* queue_dsn.c */
void queue_dsn_start(struct queue_role *q);
void queue_dsn_peer(struct queue_role *q,
                    struct channel *ch); /* the directory; NULL: gone */
/* From the index's callback, and what was collected of one message, before it can go. */
void queue_dsn_changed(struct queue_role *q, const struct queue_message *m,
                       uint16_t number, enum queue_what what);
void queue_dsn_flush(struct queue_role *q);
/* The directory's answer. False: the payload is malformed. */
MUST_USE bool queue_dsn_answer(struct queue_role *q, struct slice payload);
void queue_dsn_finish(struct queue_role *q); /* before the spool is closed */

/* queue_suppress.c */
void queue_suppress_open(struct queue_role *q);
void queue_suppress_changed(struct queue_role *q, const struct queue_message *m,
                            uint16_t number, enum queue_what what);
/* False: the payload is malformed. */
MUST_USE bool queue_suppress_ask(struct queue_role *q, struct channel *ch,
                                 struct slice payload);

/* queue_told.c: to the queue that comes next, and from the one before. */
void queue_told_keep(struct queue_role *q);
void queue_told_go_on(struct queue_role *q);

struct control_call;

/* queue_pause.c */
void queue_pause_open(struct queue_role *q);
void queue_pause_peer(struct queue_role *q, unsigned index); /* a delivery came */
void queue_pause_tick(struct queue_role *q);
void queue_pause_request(struct queue_role *q, struct control_call *call,
                         const json_t *request);

/* queue_report.c */
void queue_report_open(struct queue_role *q);
/* The return path that the job goes out under, appended; nothing: the sender. */
void queue_report_path(struct queue_role *q, const struct queue_pick *pick,
                       struct buf *out);
/* The return path that a job of the queue before us went out under. */
void queue_report_adopted(struct queue_role *q, uint64_t job, struct slice path);
void queue_report_changed(struct queue_role *q, const struct queue_message *m,
                          uint16_t number, enum queue_what what);
/* False: the payload is malformed. */
MUST_USE bool queue_report_ask(struct queue_role *q, struct channel *ch,
                               struct slice payload);
void queue_report_tidy(struct queue_role *q);      /* every second */
void queue_report_directory(struct queue_role *q); /* it came: tells it what waits */
/* {"complaints": "rates", "account": A}: how much accounts sent, and how much was complained of */
void queue_report_request(struct queue_role *q, struct control_call *call,
                          const json_t *request);

/* queue_control.c */
void queue_control_start(struct queue_role *q);
#endif
