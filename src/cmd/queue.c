/* cmd/queue.c - postern queue list|show|retry|hold|release|remove|stats (pause and resume are in
 * queue_pause.c): arguments to a request
 * (queue/query.h), to the running server or, for what only looks, to its spool. */
#include "cmd/queue.h"

#include "base/clock.h"
#include "cmd/cmd.h"
#include "config/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOBODY_LISTENS = -1 };
#define VERBS "list|show|retry|hold|release|remove|stats|pause|resume"

enum { L = 1, S = 2, C = 4, R = 8, T = 16 }; /* list, show, changes, remove, stats */
static const struct {
    const char *name;
    unsigned kind;
    const char *usage;
} verbs[] = {
    {"list", L, "[--domain D] [--sender A] [--state pending|running|held] [--older 2h]"},
    {"show", S, "ID..."},
    {"retry", C, "ID... | --all | filters of list"},
    {"hold", C, "ID... | --all | filters of list"},
    {"release", C, "ID... | --all | filters of list"},
    {"remove", R, "ID | (ID... | --all | filters of list) --yes"},
    {"stats", T, ""},
};
enum { VERB_N = sizeof verbs / sizeof verbs[0] };

enum kind { FLAG = 0, TEXT, SPAN };
static const struct {
    const char *name, *member; /* member NULL: stays here */
    enum kind kind;
    unsigned where;
} options[] = {
    {"--json", NULL, FLAG, L | S | C | R | T},
    {"--all", "all", FLAG, C | R},
    {"--yes", "yes", FLAG, C | R},
    {"--domain", "domain", TEXT, L | C | R},
    {"--sender", "sender", TEXT, L | C | R},
    {"--state", "state", TEXT, L | C | R},
    {"--older", "older_ms", SPAN, L | C | R},
};
enum { OPTION_N = sizeof options / sizeof options[0] };

struct order {
    unsigned verb;
    json_t *request;
    struct queue_print print;
};

static void print_usage(const struct order *o, FILE *to)
{
    const char *words = verbs[o->verb].usage;
    (void)fprintf(to, "usage: postern queue %s%s%s [--json]\n", verbs[o->verb].name,
                  words[0] == '\0' ? "" : " ", words);
}

static int usage(const struct order *o, const char *wrong, const char *what)
{
    (void)fprintf(stderr, "postern queue %s: %s%s\n", verbs[o->verb].name, wrong, what);
    print_usage(o, stderr);
    return EXIT_USAGE;
}

static json_t *value_of(enum kind kind, const char *text)
{
    uint64_t ms = 0;
    if (kind == FLAG) {
        return json_true();
    }
    if (kind == TEXT) {
        return json_string(text);
    }
    return units_time(slice_of(text), &ms) == NULL ? json_integer((json_int_t)ms) : NULL;
}

static int take_option(struct order *o, int argc, char **argv, int *i)
{
    const char *name = argv[*i];
    unsigned k = 0;
    while (k < OPTION_N && (strcmp(options[k].name, name) != 0 ||
                            (options[k].where & verbs[o->verb].kind) == 0)) {
        k++;
    }
    if (k == OPTION_N) {
        return usage(o, "no such option: ", name);
    }
    if (options[k].member == NULL) {
        o->print.json = true;
        return EXIT_OK;
    }
    if (options[k].kind != FLAG && *i + 1 >= argc) {
        return usage(o, "a value is missing after ", name);
    }
    json_t *value =
        value_of(options[k].kind, options[k].kind == FLAG ? NULL : argv[++*i]);
    if (value == NULL) {
        return usage(o,
                     options[k].kind == SPAN ? "not a time such as 30min, 2h, 1d: "
                                             : "not UTF-8: ",
                     argv[*i]);
    }
    return json_object_set_new(o->request, options[k].member, value) == 0 ? EXIT_OK
                                                                          : EXIT_SYSTEM;
}

static int take_id(struct order *o, const char *text)
{
    json_t *ids = json_object_get(o->request, "id");
    if ((verbs[o->verb].kind & (S | C | R)) == 0) {
        return usage(o, "takes no id: ", text);
    }
    if (ids == NULL) {
        ids = json_array();
        if (json_object_set_new(o->request, "id", ids) != 0) {
            return EXIT_SYSTEM;
        }
    }
    json_t *id = json_string(text);
    return id == NULL ? usage(o, "no message id: ", "not UTF-8")
                      : (json_array_append_new(ids, id) == 0 ? EXIT_OK : EXIT_SYSTEM);
}

/* EXIT_OK, or the status to leave with; *done: leave anyway. */
static int read_arguments(struct order *o, int argc, char **argv, bool *done)
{
    while (argc > 1 && o->verb < VERB_N && strcmp(verbs[o->verb].name, argv[1]) != 0) {
        o->verb++;
    }
    if (argc < 2 || o->verb == VERB_N) {
        return argc < 2 ? cmd_usage("queue", "what about it?", VERBS)
                        : cmd_no_such("queue", argv[1], VERBS);
    }
    if (strcmp(argv[argc - 1], "--help") == 0) {
        print_usage(o, stdout);
        *done = true;
        return EXIT_OK;
    }
    o->print.show = verbs[o->verb].kind == S;
    o->request = json_pack("{s:s}", "do", verbs[o->verb].name);
    int status = o->request == NULL ? EXIT_SYSTEM : EXIT_OK;
    for (int i = 2; i < argc && status == EXIT_OK; i++) {
        status = argv[i][0] == '-' ? take_option(o, argc, argv, &i) : take_id(o, argv[i]);
    }
    return status;
}

static void on_line(void *arg, json_t *line)
{
    struct order *o = arg;
    queue_print(&o->print, line);
    json_decref(line);
}

static void on_text(void *arg, const char *text)
{
    json_t *line = json_loads(text, 0, NULL);
    if (line != NULL) {
        on_line(arg, line);
    }
}

static int run(struct order *o, const struct config *cfg)
{
    char *text = json_dumps(o->request, JSON_COMPACT);
    if (text == NULL) {
        return EXIT_SYSTEM;
    }
    int status = cmd_ask(cfg, "queue", text, on_text, o);
    free(text);
    if (status == NOBODY_LISTENS) {
        status = queue_offline(cfg, o->request, on_line, o);
    }
    if (status == EXIT_OK && verbs[o->verb].kind == L && !o->print.json &&
        !o->print.headed) {
        (void)puts("nothing in the queue"
                   " (or nothing that matches)");
    }
    return status;
}

int cmd_queue(struct cmd_ctx *ctx, int argc, char **argv)
{
    struct order o = {.print = {.now_ms = clock_wall_ms()}};
    bool done = false;
    if (argc > 1 && (strcmp(argv[1], "pause") == 0 || strcmp(argv[1], "resume") == 0)) {
        return queue_pause_command(ctx, argc - 1, argv + 1);
    }
    int status = read_arguments(&o, argc, argv, &done);
    struct config *cfg = status == EXIT_OK && !done ? cmd_config(ctx) : NULL;
    if (status == EXIT_OK && !done) {
        status = cfg == NULL ? EXIT_CONFIG : run(&o, cfg);
    }
    config_free(&cfg);
    json_decref(o.request);
    return status;
}
