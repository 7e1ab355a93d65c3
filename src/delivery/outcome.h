/* delivery/outcome.h - what became of one target, collected (pure).
 *
 * Own     reporter and original are borrowed until it is written; of one target of a job alone.
 * Limits  `where` is cut at OUTCOME_WHERE_MAX octets, the reply at OUTCOME_REPLY_MAX, so that the
 *         outcomes of MSG_JOB_TARGETS_MAX targets fit into one JOB_DONE. */
#ifndef DELIVERY_OUTCOME_H
#define DELIVERY_OUTCOME_H
#include "queue/job.h"

enum {
    OUTCOME_WHERE_MAX = 400,
    OUTCOME_REPLY_MAX = 500,
    OUTCOME_REPORTER_MAX = 255,
    OUTCOME_ORIGINAL_MAX = 4500
};

struct outcome {
    enum job_result result;
    uint16_t code;
    enum job_advice advice;
    uint8_t klass;
    uint16_t row; /* enum reply_id, where the reply is our own; 0: none */
    uint32_t wait_s;
    bool set, told, own; /* told, own: as struct job_outcome has them */
    size_t where_len, reply_len;
    struct slice reporter, original;
    unsigned char where[OUTCOME_WHERE_MAX], reply[OUTCOME_REPLY_MAX];
};

/* text begins with the three digits of its code: "452 4.3.1 mail store full". The first
 * call counts: what is known of a target is not unlearned. */
void outcome_set(struct outcome *o, enum job_result result, struct slice text);
void outcome_set_fmt(struct outcome *o, enum job_result result, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void outcome_where(struct outcome *o, struct slice where);

/* Appends it to a JOB_DONE. One that was never set counts as deferred. */
void outcome_write(const struct outcome *o, uint16_t number, const char *transport,
                   struct buf *done);
#endif
