/* daemon/queue_control.c - see queue.h: `postern queue` and `postern suppress` ask; queue_pause.c,
 * queue/query.h and queue/suppress_query.h answer, in steps between which everything else goes on. */
#include "base/clock.h"
#include "base/log.h"
#include "daemon/queue.h"
#include "proc/control.h"
#include "queue/query.h"
#include "queue/suppress_query.h"

#include <stdlib.h>

enum { STATUS_USAGE = 2, STATUS_SYSTEM = 4 };

struct asked {
    struct queue_role *q;
    struct queue_query *query; /* one of the two */
    struct suppress_query *suppress;
};

static void write_line(void *arg, json_t *line)
{
    control_line(arg, line);
}

static bool has_room(void *arg)
{
    return control_room(arg);
}

static void answered(struct control_call *call, int status, const char *complaint)
{
    if (complaint[0] != '\0') {
        control_error(call, status, "%s", complaint);
    } else {
        control_done(call, status);
    }
}

static void next_of_list(struct asked *asked, struct control_call *call)
{
    const struct queue_query_out out = {write_line, has_room, call};
    char complaint[QUEUE_COMPLAINT_MAX];
    int status = 0;
    if (asked->q->suppress == NULL) {
        control_error(call, STATUS_SYSTEM,
                      "the suppression list cannot be opened; see the server's log");
    } else if (!suppress_query_step(asked->suppress, clock_wall_ms(), &out, &status,
                                    complaint)) {
        answered(call, status, complaint);
    }
}

static void next(void *state, struct control_call *call)
{
    struct asked *asked = state;
    struct queue_role *q = asked->q;
    if (asked->suppress != NULL) {
        next_of_list(asked, call);
        return;
    }
    const struct queue_query_out out = {write_line, has_room, call};
    char complaint[QUEUE_COMPLAINT_MAX];
    int status = 0;
    bool changes = queue_query_changes(asked->query);
    if (changes && !ledger_ok(&q->ledger)) {
        control_error(
            call, STATUS_SYSTEM,
            "the journal of the spool cannot be written now; see the server's log");
        return;
    }
    bool more = queue_query_step(asked->query, clock_wall_ms(), &out, &status, complaint);
    if (changes) {
        queue_role_changed(q);
        queue_jobs_soon(q);
    }
    if (!more) {
        answered(call, status, complaint);
    }
}

static void end(void *state)
{
    struct asked *asked = state;
    queue_query_free(&asked->query);
    suppress_query_free(&asked->suppress);
    free(asked);
}

static const struct control_stream stream = {next, end};

static void handle(void *arg, struct control_call *call, json_t *request)
{
    struct queue_role *q = arg;
    const char *wrong = NULL;
    if (q->finished) {
        control_error(call, STATUS_SYSTEM, "the server is going down");
        return;
    }
    if (json_object_get(request, "pause") != NULL) {
        queue_pause_request(q, call, request);
        return;
    }
    if (json_object_get(request, "complaints") != NULL) {
        queue_report_request(q, call, request);
        return;
    }
    struct asked *asked = calloc(1, sizeof *asked);
    if (asked == NULL) {
        control_error(call, STATUS_SYSTEM, "no memory");
        return;
    }
    asked->q = q;
    if (json_object_get(request, "suppress") != NULL) {
        asked->suppress = suppress_query_new(q->suppress, request, &wrong);
    } else {
        asked->query = queue_query_new(q->index, request, &wrong);
    }
    if (asked->query == NULL && asked->suppress == NULL) {
        free(asked);
        control_error(call, STATUS_USAGE, "%s", wrong);
        return;
    }
    control_stream(call, &stream, asked);
}

void queue_control_start(struct queue_role *q)
{
    if (q->ctx->control_fd < 0) {
        return; /* a test without one */
    }
    q->control = control_new(q->ctx->base, q->ctx->control_fd, handle, q);
    if (q->control == NULL) {
        fatal("queue: no memory for the control socket");
    }
}
