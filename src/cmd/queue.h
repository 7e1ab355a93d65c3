/* cmd/queue.h - inside of `postern queue`: how the answers look to people, and how they come
 * about while no server runs. */
#ifndef CMD_QUEUE_H
#define CMD_QUEUE_H
#include "cmd/cmd.h"

#include <jansson.h>

/* Prints one line of an answer (queue/query.h): of a list, of one message shown, of the
 * statistics, or what a change did. */
struct queue_print {
    bool json, show, headed;
    uint64_t now_ms;
};
void queue_print(struct queue_print *p, json_t *line);

/* `postern queue pause ...` and `resume ...` (cmd/queue_pause.c); argv[0] is "pause" or "resume". */
MUST_USE int queue_pause_command(const struct cmd_ctx *ctx, int argc, char **argv);

/* Replays the spool, changing nothing, and answers list, show and stats from it; line() owns
 * each line. Returns the exit status, complaints are on standard error. */
MUST_USE int queue_offline(const struct config *cfg, const json_t *request,
                           void (*line)(void *arg, json_t *line), void *arg);
#endif
