/* queue/job.h - a delivery ordered, and what became of it (pure).
 *
 * JOB      u64 seal; u64 job; u16 index of the delivery process; u64 session, u32 n (message id); u64 segment; u64 offset; u64 message
 *          length; u32 envelope length; u32 head length; u64 arrival ms; text sender; text account
 *          (queue/pause.h); u8
 *          service; u16 flags; u16 target count; per target: u16 number in the envelope, u16 attempts
 *          that were made before, text given, text address. All targets of one job go the same way: local, or (JOB_REMOTE) to one domain elsewhere. The segment
 *          was opened by SEGMENT_OPEN.
 *          flags: enum job_flags. A job is flagged JOB_REPEATED whenever one of its targets
 *          may have been handed to a delivery before (attempts > 0, found by replay at start,
 *          delivery died): then the Maildir is searched for the file of the earlier attempt.
 *          seal: a hash of all behind it, under a key that queues hand on to each other and nobody else has.
 * JOB_HELD a JOB as it was given by the queue before: this process still works on it, or has its outcome.
 *          By the seal the queue knows that it was given so, and to that process; by the attempts
 *          whether its outcome is known already.
 * JOB_DONE u64 job; u16 target count; per target: u16 number, u8 enum job_result, u16 reply
 *          code (0: none), u8 enum job_advice, u8 class (enum bounce_class of bounce/classify.h, + 1; 0: none),
 *          u32 seconds to wait that the reply names (0: none), u16 row of the catalogue (enum reply_id) when
 *          the reply is our own (0: none), u8 told (the other server sends
 *          the notifications of success), text transport ("maildir", "lmtp", "smtp"), text where,
 *          text reply: one line with its code, "550 5.1.1 no such user"; what the other server
 *          said, or what went wrong here; text reporter, text original: of a complaint (delivery/report.h) who
 *          sent it, and fields of the message that it is about. There is one outcome for each target of the job, always.
 * Pure     octets in, values out; slices borrow from the payload.
 * Errors   the readers walk the whole payload first: after true every target or outcome
 *          decodes, and the counts are what is there. False: nothing was set.
 * Limits   1 to JOB_TARGETS_MAX targets; whole payload at most a message's. */
#ifndef QUEUE_JOB_H
#define QUEUE_JOB_H
#include "base/id.h"
#include "base/wire.h"

enum { JOB_TARGETS_MAX = 64, JOB_PAYLOAD_MAX = 65536 }; /* as in proc/msg.h */

enum job_flags {
    JOB_8BITMIME = 1, /* as in enum spool_envelope_flags */
    JOB_SMTPUTF8 = 2,
    JOB_REPEATED = 4,
    JOB_REMOTE = 8, /* its targets are on other servers */
    JOB_JUNK = 16,  /* as in enum spool_envelope_flags */
    JOB_REPORT =
        32, /* its targets are return paths of ours: delivery/report.h reads it */
    JOB_SAME_SOURCE = 64,   /* to be sent from the address it was sent from before */
    JOB_REQUIRETLS = 128,   /* as in enum spool_envelope_flags */
    JOB_TLS_OPTIONAL = 256, /* SPOOL_TLS_OPTIONAL, and not REQUIRETLS */
};
enum job_result { JOB_DELIVERED = 0, JOB_DEFERRED, JOB_FAILED };

/* What the class of a reply says that a queue should do; by the kind and action of
 * catalogue/bounces/classes.tsv. */
#define JOB_ADVICES(X)                                                                   \
    X(usual)        /* by its first digit, on the usual schedule */                      \
    X(later)        /* it passes, but not soon: few attempts, long waits */              \
    X(slow)         /* the site wants less; the delivery slows down, this waits */       \
    X(pause_sender) /* this sender waits for that domain */                              \
    X(same_source)  /* the usual, from the same address of ours (greylisting) */         \
    X(split)        /* at once, with fewer recipients */                                 \
    X(suppress)     /* the address is no good */                                         \
    X(paused) /* not tried: its site is paused, `where` is the pause's name; or it has \
                       to wait for its turn, as long as it says */
#define X(name) JOB_##name,
enum job_advice { JOB_ADVICES(X) JOB_ADVICE_COUNT };
#undef X
const char *job_advice_name(enum job_advice advice);

struct job {
    uint64_t seal, job, segment, offset, message_len, arrival_ms;
    uint32_t envelope_len, head_len;
    struct message_id id;
    struct slice sender, account;
    uint8_t service;
    uint16_t flags, worker, target_n;
    struct wire_reader targets; /* not read yet */
};
struct job_target {
    uint16_t number, attempts;
    struct slice given, address;
};
struct job_outcome {
    uint16_t number, code;
    enum job_result result;
    enum job_advice advice;
    uint8_t klass;
    bool told;
    bool own; /* reply is our own words: the host at `where` did not say it */
    uint16_t row;
    uint32_t wait_s;
    struct slice transport, where, reply, reporter, original;
};

/* The head of a JOB; j->target_n calls of job_write_target() follow. */
void job_write(struct buf *b, const struct job *j);
void job_write_target(struct buf *b, const struct job_target *t);
/* The buffer holds a whole JOB and nothing else. */
void job_seal(struct buf *b, const uint64_t key[2]);
MUST_USE bool job_sealed(struct slice payload, const uint64_t key[2]);
MUST_USE bool job_read(struct slice payload, struct job *out);
/* False at the end. */
MUST_USE bool job_next_target(struct job *j, struct job_target *out);

void job_done_write(struct buf *b, uint64_t job, uint16_t target_n);
void job_done_write_outcome(struct buf *b, const struct job_outcome *o);
MUST_USE bool job_done_read(struct slice payload, uint64_t *job, uint16_t *target_n,
                            struct wire_reader *rest);
/* False at the end. */
MUST_USE bool job_done_next(struct wire_reader *rest, struct job_outcome *out);
#endif
