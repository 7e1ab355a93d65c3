/* cmd/queue_offline.c - see queue.h: the spool replayed read-only. */
#include "base/clock.h"
#include "cmd/cmd.h"
#include "cmd/queue.h"
#include "config/paths.h"
#include "queue/query.h"

#include <stdio.h>

static void on_changed(void *arg, const struct queue_message *m, uint16_t number,
                       enum queue_what what)
{
    (void)arg, (void)m, (void)number, (void)what;
}

static void on_finished(void *arg, const struct queue_message *m)
{
    (void)arg, (void)m;
}

static const struct queue_ops index_ops = {on_changed, on_finished};

static void on_entry(void *arg, const struct spool_entry *e)
{
    char id[ID_TEXT_MAX];
    enum queue_add res = queue_add(arg, e, clock_wall_ms());
    if (res != QUEUE_ADDED && res != QUEUE_KNOWN) {
        (void)id_text(e->header.id, id);
        (void)fprintf(stderr, "postern: message %s cannot be read\n", id);
    }
}

static void on_settle(void *arg, const struct spool_settle *s)
{
    queue_replay(arg, s);
}

static void on_moved(void *arg, struct message_id id, uint64_t segment, uint64_t offset)
{
    (void)arg, (void)id, (void)segment, (void)offset;
}

static void on_drained(void *arg, uint64_t segment)
{
    (void)arg, (void)segment;
}

static void on_report(void *arg, const char *text)
{
    (void)arg;
    (void)fprintf(stderr, "postern: spool: %s\n", text);
}

static const struct spool_store_ops store_ops = {on_entry, on_settle, on_moved,
                                                 on_drained, on_report};

static bool has_room(void *arg)
{
    (void)arg;
    return true;
}

static int answer(struct queue_index *ix, const json_t *request,
                  void (*line)(void *arg, json_t *line), void *arg)
{
    const char *wrong = NULL;
    char complaint[QUEUE_COMPLAINT_MAX] = "";
    int status = EXIT_SYSTEM;
    const struct queue_query_out out = {line, has_room, arg};
    struct queue_query *query = queue_query_new(ix, request, &wrong);
    if (query == NULL) {
        (void)fprintf(stderr, "postern: %s\n", wrong);
        return EXIT_USAGE;
    }
    if (queue_query_changes(query)) {
        (void)fputs(
            "postern: the server is not running, so nothing can be changed; start it "
            "with `postern run` (or systemctl start postern)\n",
            stderr);
    } else {
        (void)fputs(
            "postern: the server is not running; this is what lies in its spool\n",
            stderr);
        while (queue_query_step(query, clock_wall_ms(), &out, &status, complaint)) {
        }
    }
    if (complaint[0] != '\0') {
        (void)fprintf(stderr, "postern: %s\n", complaint);
    }
    queue_query_free(&query);
    return status;
}

int queue_offline(const struct config *cfg, const json_t *request,
                  void (*line)(void *arg, json_t *line), void *arg)
{
    static const struct queue_rules rules = {.retry_ms = {1},
                                             .retry_n = 1,
                                             .expire_ms = UINT64_MAX / 2,
                                             .in_flight_max = {1, 1}};
    char path[4200];
    const char *error = NULL;
    struct queue_index *ix = queue_new(&rules, &index_ops, NULL);
    (void)snprintf(path, sizeof path, "%s/" STATE_SPOOL, cfg->state_dir);
    struct spool_store *store =
        ix == NULL ? NULL
                   : spool_store_open(path, true, cfg->spool_segment_size, &store_ops, ix,
                                      &error);
    if (store == NULL) {
        (void)fprintf(stderr,
                      "postern: the server is not running, and its spool %s: %s\n", path,
                      ix == NULL ? "no memory" : error);
        queue_free(&ix);
        return EXIT_SYSTEM;
    }
    queue_started(ix, clock_wall_ms());
    int status = answer(ix, request, line, arg);
    spool_store_close(&store);
    queue_free(&ix);
    return status;
}
