/* queue/story.h - what became of messages, told to trace and log.
 *
 * Trace   records under the session that brought the message, keyed by the addresses: `queued`
 *         and the outcome of the first attempt come in one record, since two would double the
 *         work of the trace; `queued` has the time of arrival.
 * Account of mail that was not taken on mx: a field of each event, and a key. What a push account sends
 *         is told as queued when it comes, so that whoever follows its events sees it at once.
 * Class   of a reply, and what was done about it: "retry", "retry-later", "slow-down", "pause-sender",
 *         "split", "suppress" (the address), "give-up"; told with what was not delivered.
 * Log     one line per target and event. What needs a person (failed, expired) is a warning
 *         that says what to do.
 * Own     borrows all; story_flush() hands the record out and forgets the message. */
#ifndef QUEUE_STORY_H
#define QUEUE_STORY_H
#include "queue/index.h"
#include "trace/record.h"

struct queue_story {
    void (*send)(void *arg, struct slice record); /* at most TRACE_RECORD_MAX octets */
    void *arg;
    const char *(*class_name)(uint8_t klass); /* NULL: neither has names */
    const char *(*row_name)(uint16_t row);
    struct trace_writer trace;
    struct buf record;
};

void story_init(struct queue_story *s, void (*send)(void *arg, struct slice record),
                void *arg);

/* A message came that was not here before. */
void story_queued(struct queue_story *s, const struct queue_message *m, uint64_t now_ms);
/* outcome: of a delivery, NULL: a command's or our own decision. */
void story_tell(struct queue_story *s, const struct queue_message *m, uint16_t number,
                enum queue_what what, const struct job_outcome *outcome, uint64_t now_ms);

/* What came back long after the delivery: the message may be gone. */
struct story_back {
    enum trace_kind kind; /* TRACE_bounced, TRACE_complained, TRACE_note */
    struct message_id id, by;
    struct slice account, to, reply;
    uint8_t klass;
    const char *action; /* NULL: nothing was done */
    const char *text;   /* of a note */
};
void story_came_back(struct queue_story *s, const struct story_back *b, uint64_t now_ms);
void story_flush(struct queue_story *s, uint64_t now_ms);
#endif
