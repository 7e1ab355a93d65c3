/* cmd/queue_pause.c - postern queue pause|resume: what does not go out for now (queue/pause.h). The
 * running server is asked; without one, `pause list` reads what it left. */
#include "base/clock.h"
#include "base/file.h"
#include "cmd/queue.h"
#include "config/paths.h"
#include "config/units.h"
#include "queue/pause.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NOBODY_LISTENS = -1, FILE_MAX = 8 * 1024 * 1024 };
enum verb { VERB_PAUSE = 0, VERB_RESUME, VERB_LIST };

struct asked {
    enum verb verb;
    json_t *request;
    struct queue_print print;
};

static const char *const usages[] = {
    [VERB_PAUSE] = ("pause --account A | --domain D | --site HOST [--reason TEXT] "
                    "[--for 2h | --until 2026-12-01T08:00:00Z]"),
    [VERB_RESUME] = "resume --account A | --domain D | --site HOST",
    [VERB_LIST] = "pause list",
};

static int usage(const struct asked *a, const char *wrong, const char *what)
{
    (void)fprintf(stderr, "postern queue: %s%s\n", wrong, what);
    (void)fprintf(stderr, "usage: postern queue %s [--json]\n", usages[a->verb]);
    if (a->verb == VERB_PAUSE) {
        (void)fprintf(stderr, "       postern queue %s [--json]\n", usages[VERB_LIST]);
    }
    return EXIT_USAGE;
}

static bool set(struct asked *a, const char *name, json_t *value)
{
    return value != NULL && json_object_set_new(a->request, name, value) == 0;
}

static int take_time(struct asked *a, const char *option, const char *text)
{
    uint64_t ms = 0;
    if (strcmp(option, "--until") == 0) {
        if (!clock_read_text(slice_of(text), &ms)) {
            return usage(a, "not a date such as 2026-12-01T08:00:00Z: ", text);
        }
    } else if (units_time(slice_of(text), &ms) != NULL || ms == 0 || ms > INT64_MAX / 2) {
        return usage(a, "not a time such as 30min, 2h, 1d: ", text);
    } else {
        ms += clock_wall_ms();
    }
    return set(a, "until_ms", json_integer((json_int_t)ms)) ? EXIT_OK : EXIT_SYSTEM;
}

static int take_option(struct asked *a, const char *option, const char *value)
{
    enum pause_kind kind;
    struct slice name = slice_from(slice_of(option), 2);
    bool pauses = a->verb == VERB_PAUSE;
    if (value == NULL) {
        return usage(a, "a value is missing after ", option);
    }
    if (a->verb != VERB_LIST && pause_kind_read(name, &kind)) {
        if (json_object_get(a->request, "kind") != NULL) {
            return usage(a, "one of --account, --domain, --site at a time", "");
        }
        return set(a, "kind", json_string(pause_kind_name(kind))) &&
                       set(a, "name", json_string(value))
                   ? EXIT_OK
                   : usage(a, "not UTF-8: ", option);
    }
    if (pauses && strcmp(option, "--reason") == 0) {
        return set(a, "reason", json_string(value)) ? EXIT_OK
                                                    : usage(a, "not UTF-8: ", option);
    }
    if (pauses && (strcmp(option, "--until") == 0 || strcmp(option, "--for") == 0)) {
        return take_time(a, option, value);
    }
    return usage(a, "no such option: ", option);
}

static int read_arguments(struct asked *a, int argc, char **argv)
{
    int i = 1;
    a->verb = strcmp(argv[0], "resume") == 0 ? VERB_RESUME : VERB_PAUSE;
    if (a->verb == VERB_PAUSE && argc > 1 && strcmp(argv[1], "list") == 0) {
        a->verb = VERB_LIST;
        i++;
    }
    static const char *const words[] = {"put", "end", "list"};
    a->request = json_pack("{s:s}", "pause", words[a->verb]);
    int status = a->request == NULL ? EXIT_SYSTEM : EXIT_OK;
    for (; i < argc && status == EXIT_OK; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            a->print.json = true;
        } else if (argv[i][0] == '-') {
            status = take_option(a, argv[i], argv[i + 1]);
            i++;
        } else {
            status = usage(a, "not understood: ", argv[i]);
        }
    }
    if (status == EXIT_OK && a->verb != VERB_LIST &&
        json_object_get(a->request, "kind") == NULL) {
        return usage(a, "say what: --account, --domain or --site", "");
    }
    return status;
}

static void print_line(struct asked *a, json_t *line)
{
    if (line != NULL && (a->verb == VERB_LIST || a->print.json)) {
        queue_print(&a->print, line);
    }
    json_decref(line);
}

static void on_text(void *arg, const char *text)
{
    print_line(arg, json_loads(text, 0, NULL));
}

static int offline(struct asked *a, const struct config *cfg)
{
    char path[4200];
    struct buf b;
    struct pauses *pauses = a->verb == VERB_LIST ? pauses_new() : NULL;
    if (pauses == NULL) {
        (void)fputs(
            "postern: the server is not running, so nothing can be changed; start "
            "it with `postern run` (or systemctl start postern)\n",
            stderr);
        return EXIT_SYSTEM;
    }
    (void)fputs("postern: the server is not running; these wait for its next start\n",
                stderr);
    buf_init(&b, FILE_MAX);
    (void)snprintf(path, sizeof path, "%s/" STATE_PAUSES, cfg->state_dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && (!file_read(fd, &b) || pauses_read(pauses, buf_slice(&b)) > 0)) {
        (void)fprintf(stderr, "postern: %s: not all of it can be read\n", path);
    }
    for (const struct pause *p = pauses_next(pauses, NULL); p != NULL;
         p = pauses_next(pauses, p)) {
        print_line(a, pause_json(p));
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    buf_clear(&b);
    pauses_free(&pauses);
    return EXIT_OK;
}

static int run(struct asked *a, const struct config *cfg)
{
    char *text = json_dumps(a->request, JSON_COMPACT);
    if (text == NULL) {
        return EXIT_SYSTEM;
    }
    int status = cmd_ask(cfg, "queue", text, on_text, a);
    free(text);
    if (status == NOBODY_LISTENS) {
        status = offline(a, cfg);
    }
    if (status == EXIT_OK && a->verb == VERB_LIST && !a->print.json && !a->print.headed) {
        (void)puts("nothing is paused");
    }
    return status;
}

int queue_pause_command(const struct cmd_ctx *ctx, int argc, char **argv)
{
    struct asked a = {.print = {.now_ms = clock_wall_ms()}};
    if (strcmp(argv[argc - 1], "--help") == 0) {
        for (size_t i = 0; i < sizeof usages / sizeof usages[0]; i++) {
            (void)printf("%s postern queue %s [--json]\n", i == 0 ? "usage:" : "      ",
                         usages[i]);
        }
        return EXIT_OK;
    }
    int status = read_arguments(&a, argc, argv);
    struct config *cfg = status == EXIT_OK ? cmd_config(ctx) : NULL;
    if (status == EXIT_OK) {
        status = cfg == NULL ? EXIT_CONFIG : run(&a, cfg);
    }
    config_free(&cfg);
    json_decref(a.request);
    return status;
}
