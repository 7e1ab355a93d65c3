/* trace/keep.h - records that the trace role has not committed yet, kept by who told it (pure).
 *
 * EVENTS       u64 life, u64 number, the record. A life is one process's, drawn at random; its numbers rise by one.
 * EVENTS_KEPT  u64 number: done with all up to that one (committed; or lost, for more waited for the disk than could be held).
 * Order        records are sent in the order in which they were put. To a trace role that comes in place of
 *              another all are sent again that are not done with: it knows by life and number
 *              which of them the other one had committed.
 * Own          copies; `send` borrows for the call.
 * Limits       max octets are kept. Beyond them a record is sent and not kept; what can be neither is
 *              counted in `dropped`. */
#ifndef TRACE_KEEP_H
#define TRACE_KEEP_H
#include "base/wire.h"

struct trace_keep {
    bool (*send)(void *arg, struct slice payload); /* an EVENTS; false: not now */
    void *arg;
    struct buf records; /* EVENTS, as blobs */
    size_t sent;        /* octets of them that the present trace role was sent */
    struct buf payload;
    uint64_t life, last; /* number */
    uint64_t dropped;
};

void trace_keep_init(struct trace_keep *k, uint64_t life, size_t max,
                     bool (*send)(void *arg, struct slice payload), void *arg);
void trace_keep_clear(struct trace_keep *k);
void trace_keep_put(struct trace_keep *k, struct slice record);
/* Another trace role is there: it was sent nothing yet. */
void trace_keep_again(struct trace_keep *k);
/* Sends what waits. */
void trace_keep_flush(struct trace_keep *k);
void trace_keep_done(struct trace_keep *k, uint64_t number);

/* For a process that goes on in place of this one: its life, and what is not done with. */
void trace_keep_save(const struct trace_keep *k, struct buf *out);
/* False: malformed; nothing changed. */
MUST_USE bool trace_keep_load(struct trace_keep *k, struct slice saved);

/* The trace role's side. False: malformed. */
MUST_USE bool trace_keep_read(struct slice payload, uint64_t *life, uint64_t *number,
                              struct slice *record);
#endif
