/* cmd/events.c - postern events: what became of the messages of an account, from the trace.
 *
 * Reads trace.db itself, as `postern why` does. --follow goes on with what comes, until it is ended or
 * nobody reads it any more. */
#include "base/clock.h"
#include "cmd/cmd.h"
#include "config/paths.h"
#include "trace/event.h"
#include "trace/query.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SAY "--account A [--since TIME] [--json] [--follow]"

enum {
    LOOK_EVERY_MS = 200,
    PATIENCE_MS =
        60 * 1000, /* a trace role that ends or begins may lock its file meanwhile */
    SNAPSHOT_RECORDS =
        10000, /* read from one: the server cannot clean its log meanwhile */
    LINE_OCTETS = 64 * 1024,
};

struct events {
    char path[4096], account[TRACE_KEY_MAX + 1];
    uint64_t since_ms, told;
    bool json, follow, broken; /* broken: standard output is gone */
    struct trace_query *query;
    struct buf line;
};

static int parse(int argc, char **argv, struct events *e)
{
    for (int i = 1; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--json") == 0) {
            e->json = true;
        } else if (strcmp(argv[i], "--follow") == 0) {
            e->follow = true;
        } else if (strcmp(argv[i], "--since") == 0) {
            if (!cmd_since(next, &e->since_ms)) {
                return cmd_usage("events", CMD_SINCE_SAY, SAY);
            }
            i++;
        } else if (strcmp(argv[i], "--account") == 0) {
            if (next[0] == '\0' ||
                !slice_cstr(slice_of(next), e->account, sizeof e->account)) {
                return cmd_usage(
                    "events",
                    "--account wants a login, a sending address or a relay customer",
                    SAY);
            }
            i++;
        } else {
            return cmd_no_such("events", argv[i], SAY);
        }
    }
    if (e->account[0] == '\0') {
        return cmd_usage("events", "of which account?", SAY);
    }
    for (char *c = e->account; *c != '\0'; c++) {
        *c = (char)ascii_lower((unsigned char)*c);
    }
    return EXIT_OK;
}

static bool look(struct events *e, const char **error)
{
    trace_query_close(&e->query);
    e->query = trace_query_open(e->path, error);
    return e->query != NULL;
}

static bool print(void *arg, const struct event *event)
{
    struct events *e = arg;
    if (event->view->ms < e->since_ms) {
        return true;
    }
    buf_reset(&e->line);
    if (e->json) {
        event_json(event, &e->line);
        (void)buf_add_byte(&e->line, '\n');
    } else {
        event_line(event, &e->line);
    }
    e->broken = fwrite(e->line.ptr, 1, e->line.len, stdout) != e->line.len;
    e->told++;
    return !e->broken;
}

static bool said(const char *path, const char *error)
{
    (void)fprintf(stderr, "postern events: %s: %s\n", path, error);
    return false;
}

/* All up to now. *last: the highest number that was looked at. */
static bool tell_history(struct events *e, uint64_t *last)
{
    uint64_t *number = NULL;
    size_t n = 0;
    const char *error = NULL;
    struct slice record;
    if (!look(e, &error)) {
        return said(e->path, error);
    }
    if (!trace_query_records(e->query, TRACE_KEY_ADDRESS, slice_of(e->account),
                             e->since_ms, &number, &n, last, &error)) {
        return said(e->path, error);
    }
    bool ok = true;
    for (size_t i = 0; ok && i < n && !e->broken; i++) {
        ok = i % SNAPSHOT_RECORDS != SNAPSHOT_RECORDS - 1 || look(e, &error) ||
             said(e->path, error);
        if (ok && trace_query_record(e->query, number[i], &record)) {
            event_each(number[i], record, slice_of(e->account), print, e);
        }
    }
    free(number);
    return ok;
}

/* What came behind that number. */
static bool tell_news(struct events *e, uint64_t *last, const char **error)
{
    struct slice record;
    if (!look(e, error)) {
        return false;
    }
    if (trace_query_last(e->query) < *last) {
        *last = 0; /* it was damaged, and began anew */
    }
    for (int i = 0; i < SNAPSHOT_RECORDS && !e->broken &&
                    trace_query_next(e->query, *last, last, &record, error);
         i++) {
        event_each(*last, record, slice_of(e->account), print, e);
    }
    return *error == NULL;
}

static int follow(struct events *e, uint64_t last)
{
    uint64_t well_ms = clock_mono_ms();
    while (!e->broken && fflush(stdout) == 0) {
        const char *error = NULL;
        trace_query_close(&e->query); /* no snapshot is kept while nothing happens */
        (void)usleep(LOOK_EVERY_MS * 1000);
        if (tell_news(e, &last, &error)) {
            well_ms = clock_mono_ms();
        } else if (clock_mono_ms() - well_ms >= PATIENCE_MS) {
            return said(e->path, error) ? EXIT_OK : EXIT_SYSTEM;
        }
    }
    return EXIT_OK;
}

int cmd_events(struct cmd_ctx *ctx, int argc, char **argv)
{
    static struct events e;
    uint64_t last = 0;
    int status = parse(argc, argv, &e);
    if (status != EXIT_OK) {
        return status;
    }
    struct config *cfg = cmd_config(ctx);
    if (cfg == NULL) {
        return EXIT_CONFIG;
    }
    int n = snprintf(e.path, sizeof e.path, "%s/" STATE_TRACE_DB, cfg->state_dir);
    config_free(&cfg);
    if (n < 0 || (size_t)n >= sizeof e.path) {
        (void)fputs("postern events: state-dir is too long\n", stderr);
        return EXIT_CONFIG;
    }
    if (access(e.path, F_OK) != 0 && errno == ENOENT) {
        (void)fprintf(
            stderr,
            "postern events: there is no trace yet (%s): has a server run with this "
            "configuration?\n",
            e.path);
        return EXIT_NO;
    }
    buf_init(&e.line, LINE_OCTETS);
    status = !tell_history(&e, &last) ? EXIT_SYSTEM
             : e.follow               ? follow(&e, last)
                                      : EXIT_OK;
    if (status == EXIT_OK && e.told == 0 && !e.follow) {
        (void)fprintf(stderr, "postern events: nothing is known of messages of %s\n",
                      e.account);
        status = EXIT_NO;
    }
    trace_query_close(&e.query);
    buf_clear(&e.line);
    return status;
}
