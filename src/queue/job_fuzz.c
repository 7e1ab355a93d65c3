/* queue/job_fuzz.c - property: what the readers take, the writers give back octet for
 * octet, and a walk meets exactly as many targets or outcomes as were announced. */
#include "base/log.h"
#include "queue/job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void one_job(struct slice in, struct buf *again)
{
    struct job j = {0};
    if (!job_read(in, &j)) {
        return;
    }
    struct job_target t = {0};
    unsigned n = 0;
    job_write(again, &j);
    for (; job_next_target(&j, &t); n++) {
        job_write_target(again, &t);
    }
    BUG_ON(n != j.target_n);
    BUG_ON(!slice_eq(buf_slice(again), in));
}

static void one_done(struct slice in, struct buf *again)
{
    uint64_t job = 0;
    uint16_t said = 0;
    struct wire_reader rest = {0};
    if (!job_done_read(in, &job, &said, &rest)) {
        return;
    }
    struct job_outcome o = {0};
    unsigned n = 0;
    job_done_write(again, job, said);
    for (; job_done_next(&rest, &o); n++) {
        job_done_write_outcome(again, &o);
    }
    BUG_ON(n != said);
    BUG_ON(!slice_eq(buf_slice(again), in));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len > JOB_PAYLOAD_MAX) {
        return 0;
    }
    struct buf again;
    buf_init(&again, JOB_PAYLOAD_MAX);
    one_job((struct slice){data, len}, &again);
    buf_reset(&again);
    one_done((struct slice){data, len}, &again);
    buf_clear(&again);
    return 0;
}
