/* bounce_score REPLIES.TSV [FLOOR] [-v] - how well the classifier does on labelled replies
 * (class, accept, mx, text; ../shared/bounces, catalogue/bounces/labelled.tsv). Prints the figures; with FLOOR, a file of
 * "name value" lines, none may be worse than there. -v names every reply that is wrong.
 * Exit status 77 (skipped) when the replies are not there. */
#include "bounce/classify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 8192, CELLS = 4 };

struct tally {
    unsigned right, all;
};

struct score {
    struct tally replies, of_class[BOUNCE_CLASSES_N];
    unsigned false_hard, missed_hard, unclassified;
    bool verbose;
};

static unsigned split(char *line, char *cell[CELLS])
{
    unsigned n = 0;
    line[strcspn(line, "\r\n")] = '\0';
    for (char *p = line; p != NULL && n < CELLS; n++) {
        cell[n] = p;
        if (n + 1 < CELLS && (p = strchr(p, '\t')) != NULL) {
            *p++ = '\0';
        }
    }
    return n;
}

/* Whether the comma separated list holds the name; `hard` whether any in it is a hard class. */
static bool in_list(const char *list, const char *name, bool *hard)
{
    bool found = false;
    while (*list != '\0') {
        size_t n = strcspn(list, ",");
        struct slice word = {(const unsigned char *)list, n};
        enum bounce_class klass;
        found = found || slice_eq(word, slice_of(name));
        if (bounce_class_named(word, &klass) &&
            bounce_class_info(klass)->kind == BOUNCE_HARD) {
            *hard = true;
        }
        list += n + (list[n] == ',');
    }
    return found;
}

static void judge(struct score *s, struct bounce_classifier *c, char *cell[CELLS])
{
    struct bounce_reply reply = {.text = slice_of(cell[3])};
    struct bounce_context context = {.mx_host = slice_of(cell[2])};
    struct bounce_verdict v;
    enum bounce_class truth;
    bool any_hard = false;
    if (!bounce_class_named(slice_of(cell[0]), &truth)) {
        return;
    }
    bounce_classify(c, &reply, &context, &v);
    const char *name = bounce_class_info(v.klass)->name;
    bool right = in_list(cell[1], name, &any_hard) || strcmp(cell[0], name) == 0;
    bool hard = bounce_class_info(truth)->kind == BOUNCE_HARD && v.code / 100 != 4;
    s->replies.all++;
    s->replies.right += right;
    s->of_class[truth].all++;
    s->of_class[truth].right += right;
    s->unclassified += v.klass == BOUNCE_UNCLASSIFIED;
    bool wrong_hard = v.kind == BOUNCE_HARD && !any_hard;
    bool missed = hard && v.kind != BOUNCE_HARD;
    s->false_hard += wrong_hard;
    s->missed_hard += missed;
    if (s->verbose && (!right || wrong_hard || missed)) {
        printf("%s%s%s %s -> %s [%s] %s\n", right ? "" : "wrong",
               wrong_hard ? " FALSE-HARD" : "", missed ? " missed" : "", cell[1], name,
               v.rule == BOUNCE_RULE_NONE ? "-" : bounce_rule_info(v.rule)->id, cell[3]);
    }
}

static double percent(struct tally t)
{
    return t.all == 0 ? 100.0 : 100.0 * t.right / t.all;
}

static int hold_against(const char *path, const char *const *names, const double *values,
                        const bool *more_is_worse, size_t n)
{
    FILE *f = fopen(path, "r");
    char name[64], number[64], line[256];
    int worse = 0;
    if (f == NULL) {
        perror(path);
        return 4;
    }
    while (fgets(line, sizeof line, f) != NULL) {
        char *at = strchr(line, ' ');
        if (line[0] == '#' || at == NULL || (size_t)(at - line) >= sizeof name) {
            continue;
        }
        memcpy(name, line, (size_t)(at - line));
        name[at - line] = '\0';
        snprintf(number, sizeof number, "%s", at + 1);
        double floor = strtod(number, NULL);
        for (size_t i = 0; i < n; i++) {
            if (strcmp(names[i], name) != 0) {
                continue;
            }
            if (more_is_worse[i] ? values[i] > floor + 1e-6 : values[i] < floor - 0.005) {
                printf("%s is %.2f, the floor %.2f\n", name, values[i], floor);
                worse = 1;
            }
        }
    }
    fclose(f);
    return worse;
}

static int report(const struct score *s, const char *floor)
{
    static const char *const names[] = {"accuracy", "macro-recall", "false-suppressions",
                                        "missed-hard", "unclassified"};
    static const bool more_is_worse[] = {false, false, true, true, true};
    double macro = 0;
    unsigned classes = 0;
    for (unsigned i = 0; i < BOUNCE_CLASSES_N; i++) {
        if (s->of_class[i].all > 0) {
            macro += percent(s->of_class[i]);
            classes++;
        }
    }
    double values[] = {percent(s->replies), classes == 0 ? 100.0 : macro / classes,
                       s->false_hard, s->missed_hard,
                       s->replies.all == 0 ? 0
                                           : 100.0 * s->unclassified / s->replies.all};
    printf("replies %u\n", s->replies.all);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        printf("%s %.2f\n", names[i], values[i]);
    }
    return floor == NULL ? 0
                         : hold_against(floor, names, values, more_is_worse,
                                        sizeof values / sizeof values[0]);
}

int main(int argc, char **argv)
{
    static char line[LINE];
    char *cell[CELLS];
    struct score s = {.verbose = argc > 2 && strcmp(argv[argc - 1], "-v") == 0};
    const char *floor = argc > 2 && argv[2][0] != '-' ? argv[2] : NULL;
    FILE *f = argc > 1 ? fopen(argv[1], "r") : NULL;
    if (f == NULL) {
        puts("no labelled replies here");
        return 77;
    }
    struct bounce_classifier *c = bounce_classifier_new();
    if (c == NULL) {
        fputs("no classifier\n", stderr);
        return 4;
    }
    while (fgets(line, sizeof line, f) != NULL) {
        if (split(line, cell) == CELLS) {
            judge(&s, c, cell);
        }
    }
    fclose(f);
    bounce_classifier_free(&c);
    return report(&s, floor);
}
