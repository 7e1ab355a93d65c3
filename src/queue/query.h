/* queue/query.h - what people ask of the queue, as JSON objects: one request, lines of
 * answer. Used by the queue role and, on a spool that it replayed itself, by the command line.
 *
 * Request {"do": "list" | "show" | "stats" | "retry" | "hold" | "release" | "remove",
 *          "id": ["..."], "all": true, "domain": "...", "sender": "...",
 *          "state": "pending" | "running" | "held", "older_ms": N, "yes": true}
 *         list: any filters, or none. show: ids. Changes: ids, "all", or filters; remove of
 *         more than one id, or by filter, wants "yes". Domain and state choose targets of a
 *         message: the others of it stay as they are.
 * Answer  list: an object a message. show: the same, then an object a target. stats: one
 *         object, then one for each of the QUEUE_TOP largest domains. Changes: one object with
 *         counts. "paused" says which pause a message or target waits for. Times are Unix ms. Octets that are no UTF-8 are escaped (\xHH).
 * Pure    reads the index; queue_query_step() changes it by queue_do() only.
 * Own     json_t: the caller's. A query is freed before its index. */
#ifndef QUEUE_QUERY_H
#define QUEUE_QUERY_H
#include "queue/index.h"

#include <jansson.h>

enum {
    QUEUE_TOP = 10,
    QUEUE_QUERY_IDS_MAX = 10000,
    QUEUE_QUERY_STEP = 500, /* messages looked at per step */
    QUEUE_SHOWN_MAX = 3,    /* recipients in a line of list */
};

struct queue_query;

/* NULL: *wrong (static) says what the request should be. Closed by queue_query_free(). */
MUST_USE struct queue_query *queue_query_new(struct queue_index *ix,
                                             const json_t *request, const char **wrong);
void queue_query_free(struct queue_query **q);

/* Does it change anything? Then only the queue role may do it. */
MUST_USE bool queue_query_changes(const struct queue_query *q);

/* One bounded step; line() gets each line of the answer (and owns it). room() false: stop
 * soon. True: call again. False: that was all, *status is the exit status (cmd/cmd.h): 0, or
 * 1 when an id is unknown or nothing matched; *complaint (empty: none) says so to people. */
enum { QUEUE_COMPLAINT_MAX = 200 };
struct queue_query_out {
    void (*line)(void *arg, json_t *line);
    bool (*room)(void *arg);
    void *arg;
};
MUST_USE bool queue_query_step(struct queue_query *q, uint64_t now_ms,
                               const struct queue_query_out *out, int *status,
                               char complaint[QUEUE_COMPLAINT_MAX]);
#endif
