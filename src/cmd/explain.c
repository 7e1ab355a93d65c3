/* cmd/explain.c - postern explain: what a reply, a bounce or a log means, and what to do. */
#include "cmd/explain.h"

#include "base/nearest.h"
#include "cmd/cmd.h"
#include "reply/reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SAY                                                                              \
    "[--json] [--why] [--summary [--csv]] [--lang L] TEXT | -f FILE ... | - | --row ID " \
    "| "                                                                                 \
    "--class NAME | --rows | --rules"

enum { FILES_MAX = 4096, TEXT_MAX = 64 * 1024 };

struct request {
    const char *file[FILES_MAX];
    unsigned file_n;
    const char *row, *klass; /* pages */
    bool rules, rows, why;
    struct buf text;
};

static const struct {
    const char *name;
    size_t offset;
} file_flags[] = {{"--json", offsetof(struct explain, json)},
                  {"--csv", offsetof(struct explain, csv)},
                  {"--summary", offsetof(struct explain, summary)}};

static bool take_flag(const char *word, struct explain *e, struct request *r)
{
    for (size_t i = 0; i < sizeof file_flags / sizeof file_flags[0]; i++) {
        if (strcmp(word, file_flags[i].name) == 0) {
            *(bool *)(void *)((char *)e + file_flags[i].offset) = true;
            return true;
        }
    }
    if (strcmp(word, "--rules") == 0) {
        r->rules = true;
    } else if (strcmp(word, "--rows") == 0) {
        r->rows = true;
    } else if (strcmp(word, "--why") == 0) {
        r->why = true;
    } else {
        return false;
    }
    return true;
}

static bool is_valued(const char *word)
{
    return strcmp(word, "--lang") == 0 || strcmp(word, "--row") == 0 ||
           strcmp(word, "--class") == 0 || strcmp(word, "-f") == 0;
}

static bool take_value(const char *word, const char *value, struct explain *e,
                       struct request *r)
{
    const char **to = strcmp(word, "--lang") == 0    ? &e->language
                      : strcmp(word, "--row") == 0   ? &r->row
                      : strcmp(word, "--class") == 0 ? &r->klass
                                                     : NULL;
    if (strcmp(word, "-f") == 0 && r->file_n < FILES_MAX) {
        to = &r->file[r->file_n++];
    }
    if (to != NULL) {
        *to = value;
    }
    return to != NULL;
}

/* "sv" or "sv_SE.UTF-8": a locale's other languages come out in English, one that was asked for
 * must be there. */
static bool is_language(struct slice name)
{
    static const char *const known[] = {"en", "zh", "sv"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (slice_istarts(name, slice_of(known[i])) &&
            (name.len == 2 || name.ptr[2] == '-' || name.ptr[2] == '_' ||
             name.ptr[2] == '.')) {
            return true;
        }
    }
    return false;
}

static int parse(int argc, char **argv, struct explain *e, struct request *r)
{
    bool options = true;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (options && strcmp(word, "--") == 0) {
            options = false;
        } else if (options && strcmp(word, "-") == 0) {
            r->file[r->file_n++] = word;
        } else if (options && take_flag(word, e, r)) {
            continue;
        } else if (options && i + 1 < argc && take_value(word, argv[i + 1], e, r)) {
            i++;
            if (strcmp(word, "--lang") == 0 && !is_language(slice_of(argv[i]))) {
                return cmd_usage("explain", "--lang wants en, zh-CN, zh-TW or sv", SAY);
            }
        } else if (options && word[0] == '-' && !ascii_is_digit((unsigned char)word[1])) {
            return is_valued(word) ? cmd_usage("explain", "a value is missing", SAY)
                                   : cmd_no_such("explain", word, SAY);
        } else {
            (void)buf_add_str(&r->text, r->text.len > 0 ? " " : "");
            (void)buf_add_str(&r->text, word);
        }
        if (r->file_n == FILES_MAX) {
            return cmd_usage("explain", "too many files; name their directory", SAY);
        }
    }
    int asked = (r->text.len > 0) + (r->file_n > 0) + (r->row != NULL) +
                (r->klass != NULL) + r->rules + r->rows;
    if (asked != 1) {
        return cmd_usage("explain", asked == 0 ? "explain what?" : "one thing at a time",
                         SAY);
    }
    if (e->csv && !e->summary) {
        return cmd_usage("explain", "--csv is for --summary", SAY);
    }
    return EXIT_OK;
}

/* As the C library chooses: LC_ALL, LC_MESSAGES, LANG. */
static const char *locale_language(void)
{
    static const char *const names[] = {"LC_ALL", "LC_MESSAGES", "LANG"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = getenv(names[i]);
        if (value != NULL && value[0] != '\0') {
            return value;
        }
    }
    return "en";
}

static int explain_text(struct explain *e, struct slice text)
{
    const struct postern_bounce_result *r =
        postern_bounce_line(e->reader, text.ptr, text.len);
    if (r == NULL) {
        r = postern_bounce_reply(e->reader, text.ptr, text.len, NULL);
    }
    explain_result(e, "", 1, r, NULL);
    return EXIT_OK;
}

static int explain_files(struct explain *e, const struct request *r)
{
    int status = EXIT_OK;
    for (unsigned i = 0; i < r->file_n; i++) {
        if (!explain_input(e, r->file[i])) {
            status = EXIT_SYSTEM;
        }
    }
    return status == EXIT_OK && e->results == 0 ? EXIT_NO : status;
}

/* A class or row of that name is not there; perhaps one that is near. */
static int no_such_page(const char *kind, const char *id)
{
    struct nearest near = nearest_to(slice_of(id));
    struct postern_bounce_class klass;
    bool row = strcmp(kind, "row") == 0;
    for (unsigned i = 0; row && i < REPLY_ID_COUNT; i++) {
        const struct reply_row *one = reply_row((enum reply_id)i);
        if (one != NULL && one->refusal) {
            nearest_offer(&near, one->id);
        }
    }
    for (size_t i = 0; !row && i < postern_bounce_classes(); i++) {
        if (postern_bounce_class(i, &klass) != 0) {
            nearest_offer(&near, klass.name);
        }
    }
    (void)fprintf(stderr, "postern explain: there is no %s '%s'", kind, id);
    if (near.word != NULL) {
        (void)fprintf(stderr, "; did you mean %s?", near.word);
    } else if (row) {
        (void)fputs("; postern explain --rows lists them", stderr);
    } else {
        (void)fputs("; there are:", stderr);
        for (size_t i = 0; i < postern_bounce_classes(); i++) {
            if (postern_bounce_class(i, &klass) != 0) {
                (void)fprintf(stderr, " %s", klass.name);
            }
        }
    }
    (void)fputc('\n', stderr);
    return EXIT_NO;
}

static int run(struct explain *e, const struct request *r)
{
    if (r->rules) {
        explain_rules(e);
        return EXIT_OK;
    }
    if (r->rows) {
        explain_rows(e);
        return EXIT_OK;
    }
    if (r->row != NULL || r->klass != NULL) {
        const char *kind = r->row != NULL ? "row" : "class";
        const char *id = r->row != NULL ? r->row : r->klass;
        if (!explain_page(e, kind, id)) {
            return no_such_page(kind, id);
        }
        return EXIT_OK;
    }
    int status =
        r->file_n > 0 ? explain_files(e, r) : explain_text(e, buf_slice(&r->text));
    if (e->summary) {
        explain_summary(e);
    }
    return status;
}

int cmd_explain(struct cmd_ctx *ctx, int argc, char **argv)
{
    static struct explain e;
    static struct request r;
    (void)ctx;
    buf_init(&r.text, TEXT_MAX);
    buf_init(&e.out, EXPLAIN_OUT_MAX);
    e.language = locale_language();
    e.progress = isatty(STDERR_FILENO) == 1;
    int status = parse(argc, argv, &e, &r);
    if (status != EXIT_OK) {
        return status;
    }
    e.reader = postern_bounce_new();
    e.why = r.why ? postern_bounce_new() : NULL;
    for (unsigned i = 0; i < BY_N; i++) {
        map_init(&e.count[i], SUMMARY_KEYS_MAX);
    }
    if (e.reader == NULL || (r.why && e.why == NULL)) {
        (void)fputs("postern explain: no memory\n", stderr);
        status = EXIT_SYSTEM;
    } else {
        status = run(&e, &r);
        explain_flush(&e);
    }
    explain_summary_clear(&e);
    postern_bounce_free(&e.reader);
    postern_bounce_free(&e.why);
    buf_clear(&e.out);
    buf_clear(&r.text);
    return status;
}
