/* cmd/limits.c - postern limits show|reset, postern reputation show|set|forget: a request to the
 * directory role (daemon/directory_rates.h), its answer in words or JSON. */
#include "cmd/cmd.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOBODY_LISTENS = -1, OPERANDS_MAX = 2 };

static const struct {
    const char *object, *action, *usage;
    int least, most; /* operands */
} verbs[] = {
    {"limits", "show", "[KEY]", 0, 1},
    {"limits", "reset", "KEY", 1, 1},
    {"reputation", "show", "[KEY]", 0, 1},
    {"reputation", "set", "KEY good|neutral|low|very-low", 2, 2},
    {"reputation", "forget", "KEY", 1, 1},
    {"reputation", "import", "FILE|- [--level LEVEL]", 1, 1},
};
enum { VERB_N = sizeof verbs / sizeof verbs[0], VERB_IMPORT = VERB_N - 1 };

struct order {
    bool json;
    unsigned lines;
};

static void print_limits(json_t *line)
{
    size_t i = 0;
    json_t *one = NULL;
    json_array_foreach(json_object_get(line, "limits"), i, one)
    {
        const char *setting = "", *window = "", *exception = NULL;
        json_int_t limit = 0, burst = 0, used = 0;
        IGNORE(json_unpack(one, "{s:s,s:I,s:s,s:I,s:I,s?s}", "setting", &setting, "limit",
                           &limit, "window", &window, "burst", &burst, "used", &used,
                           "exception", &exception)); /* as they are, then */
        if (limit == 0) {
            (void)printf("    rate.%s off", setting);
        } else {
            (void)printf("    rate.%s %lld/%s", setting, (long long)limit, window);
            if (burst > 0) {
                (void)printf(" burst %lld", (long long)burst);
            }
            (void)printf(" now, %lld used", (long long)used);
        }
        if (exception != NULL) {
            (void)printf(", by the exception \"%s\"", exception);
        }
        (void)puts("");
    }
}

static void print_line(json_t *line)
{
    const char *kind = "", *key = "", *reputation = "";
    json_int_t hour = 0, day = 0, usual = 0, good = 0, bad = 0, limited = 0;
    if (json_unpack(line, "{s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I}", "kind", &kind, "key",
                    &key, "reputation", &reputation, "hour", &hour, "day", &day, "usual",
                    &usual, "good", &good, "bad", &bad, "limited_s", &limited) != 0) {
        (void)fputs("postern: the server's answer is malformed\n", stderr);
        return;
    }
    (void)printf("%s:%s\n    %lld in the last hour, %lld in the last day, usual %lld an "
                 "hour",
                 kind, key, (long long)hour, (long long)day, (long long)usual);
    if (limited > 0) {
        (void)printf("; limited for %lld s", (long long)limited);
    }
    (void)puts("");
    print_limits(line);
    (void)printf("    %lld good and %lld bad signs: reputation %s\n", (long long)good,
                 (long long)bad, reputation);
}

static void on_line(void *arg, const char *text)
{
    struct order *o = arg;
    o->lines++;
    if (o->json) {
        (void)puts(text);
        return;
    }
    json_t *line = json_loads(text, 0, NULL);
    print_line(line);
    json_decref(line);
}

static int usage(const char *object, const char *wrong)
{
    (void)fprintf(stderr, "postern %s: %s; say:\n", object, wrong);
    for (unsigned i = 0; i < VERB_N; i++) {
        if (strcmp(verbs[i].object, object) == 0) {
            (void)fprintf(stderr, "  postern %s %s %s [--json]\n", object,
                          verbs[i].action, verbs[i].usage);
        }
    }
    return EXIT_USAGE;
}

static int ask(struct cmd_ctx *ctx, struct order *o, unsigned verb,
               const char *const operand[OPERANDS_MAX])
{
    json_t *request =
        json_pack("{s:s,s:s,s:s*,s:s*}", "object", verbs[verb].object, "action",
                  verbs[verb].action, "key", operand[0], "level", operand[1]);
    char *text = request == NULL ? NULL : json_dumps(request, JSON_COMPACT);
    json_decref(request);
    if (text == NULL) {
        (void)fputs("postern: a word is not UTF-8, or memory is short\n", stderr);
        return EXIT_USAGE;
    }
    struct config *cfg = cmd_config(ctx);
    int status = cfg == NULL ? EXIT_CONFIG : cmd_ask(cfg, "directory", text, on_line, o);
    free(text);
    config_free(&cfg);
    if (status == NOBODY_LISTENS) {
        (void)fputs("postern: no server runs here: the counts are in its memory\n",
                    stderr);
        return EXIT_SYSTEM;
    }
    if (status == EXIT_OK && o->lines == 0 && !o->json) {
        (void)puts(verbs[verb].object[0] == 'l' ? "nothing is limited, or near its limit"
                                                : "nothing has a reputation yet");
    } else if (status == EXIT_NO) {
        (void)fprintf(stderr, "postern: nothing is known of %s\n", operand[0]);
    }
    return status;
}

int cmd_limits(struct cmd_ctx *ctx, int argc, char **argv)
{
    const char *operand[OPERANDS_MAX] = {NULL, NULL};
    const char *object = argv[0], *level = NULL;
    struct order o = {.json = false};
    unsigned verb = 0;
    int n = 0;
    while (verb < VERB_N && (strcmp(verbs[verb].object, object) != 0 || argc < 2 ||
                             strcmp(verbs[verb].action, argv[1]) != 0)) {
        verb++;
    }
    if (verb == VERB_N) {
        return argc < 2 ? usage(object, "what?")
                        : cmd_no_such(object, argv[1],
                                      strcmp(object, "limits") == 0
                                          ? "show|reset"
                                          : "show|set|forget|import");
    }
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            (void)printf("usage: postern %s %s %s [--json]\n", object, verbs[verb].action,
                         verbs[verb].usage);
            return EXIT_OK;
        }
        if (strcmp(argv[i], "--json") == 0) {
            o.json = true;
        } else if (verb == VERB_IMPORT && strcmp(argv[i], "--level") == 0 &&
                   i + 1 < argc) {
            level = argv[++i];
        } else if (argv[i][0] == '-' && argv[i][1] != '\0') {
            return usage(object, verb == VERB_IMPORT && strcmp(argv[i], "--level") == 0
                                     ? "--level wants good, neutral, low or very-low"
                                     : "there is no such option");
        } else if (n < verbs[verb].most) {
            operand[n++] = argv[i];
        } else {
            return usage(object, "there is a word too many");
        }
    }
    if (verb == VERB_IMPORT && n == 1) {
        return cmd_reputation_import(ctx, operand[0], level);
    }
    return n < verbs[verb].least ? usage(object, "a word is missing")
                                 : ask(ctx, &o, verb, operand);
}
