/* trace/event.h - what became of the messages of an account: its events, out of the records of the
 * trace (pure).
 *
 * Event   accepted (for each recipient), attempted (and to be tried again), delivered, bounced (given
 *         up; or, with "later", what came back after the delivery), complained, reported (something
 *         else came back), held, released, removed (by command).
 * JSON    one object: "id", "time", "event", "message", "account", "recipient", and where they are
 *         known "later", "attempt", "code", "status", "reply", "class", "action", "row" (of the catalogue:
 *         the reply is our own), "server", "next" (attempt), "report" (id of what came back), "text".
 *         Ids come in the order of events, and are the same whenever and by whomever they are read: "R.I",
 *         number of the record and of the event in it.
 * Own     slices of an event borrow from the record.
 * Safe    what is written is printable ASCII. */
#ifndef TRACE_EVENT_H
#define TRACE_EVENT_H
#include "trace/record.h"

struct event {
    uint64_t record;
    unsigned
        index; /* among the events of its record, those that are none of an account's too */
    const char *name;
    struct message_id message;
    struct slice account;
    const struct trace_view *view;
};

/* The events of that account (empty: of any) in a record, in their order. each() returns false to stop. */
void event_each(uint64_t number, struct slice record, struct slice account,
                bool (*each)(void *arg, const struct event *e), void *arg);

void event_json(const struct event *e, struct buf *out); /* without an end of line */
/* "2026-11-22 06:15:46  bounced     ann@far.test  7k2mq0x9vd4t.1  550 5.1.1 nobody" */
void event_line(const struct event *e, struct buf *out);
#endif
