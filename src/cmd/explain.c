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

static const char *const option_names[] = {"--json",  "--why",  "--summary",
                                           "--csv",   "--lang", "--row",
                                           "--class", "--rows", "--rules"};

static const struct {
    const char *name;
    size_t offset;
} file_flags[] = {{"--json", offsetof(struct explain, json)},
                  {"--csv", offsetof(struct explain, csv)},
                  {"--summary", offsetof(struct explain, summary)}};

static int usage(const struct explain *e)
{
    struct buf text;
    buf_init(&text, TEXT_MAX);
    explain_filled(e, &text, "usage", "{usage}", "postern explain " SAY);
    (void)fprintf(stderr, "%.*s\n", (int)text.len, (const char *)text.ptr);
    buf_clear(&text);
    return EXIT_USAGE;
}

/* What is wrong with the words of the command, and what would be right. */
static int wrong(const struct explain *e, const char *id)
{
    explain_wrong(e, NULL, id, "", "");
    return usage(e);
}

/* There is no such option, row or class: that, what is near it, and else more. */
static void not_there(const struct explain *e, const char *id, const char *word,
                      const char *near, struct slice more)
{
    struct buf text;
    buf_init(&text, TEXT_MAX);
    explain_filled(e, &text, id, "{word}", word);
    if (near != NULL) {
        explain_filled(e, &text, "err-near", "{word}", near);
    } else {
        (void)buf_add(&text, more);
    }
    (void)fprintf(stderr, "postern explain: %.*s\n", (int)text.len,
                  (const char *)text.ptr);
    buf_clear(&text);
}

static int no_such_option(const struct explain *e, const char *word)
{
    struct nearest near = nearest_to(slice_of(word));
    for (size_t i = 0; i < sizeof option_names / sizeof option_names[0]; i++) {
        nearest_offer(&near, option_names[i]);
    }
    not_there(e, "err-option", word, near.word, SLICE(""));
    return usage(e);
}

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

/* What is wrong is said in the language asked for, wherever in the command that stands. */
static const char *asked_language(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--lang") == 0 && is_language(slice_of(argv[i + 1]))) {
            return argv[i + 1];
        }
    }
    return locale_language();
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
                e->language = locale_language();
                return wrong(e, "err-lang");
            }
        } else if (options && word[0] == '-' && !ascii_is_digit((unsigned char)word[1])) {
            return is_valued(word) ? wrong(e, "err-value") : no_such_option(e, word);
        } else {
            (void)buf_add_str(&r->text, r->text.len > 0 ? " " : "");
            (void)buf_add_str(&r->text, word);
        }
        if (r->file_n == FILES_MAX) {
            return wrong(e, "err-files");
        }
    }
    int asked = (r->text.len > 0) + (r->file_n > 0) + (r->row != NULL) +
                (r->klass != NULL) + r->rules + r->rows;
    if (asked != 1) {
        return wrong(e, asked == 0 ? "err-what" : "err-one");
    }
    if (e->csv && !e->summary) {
        return wrong(e, "err-csv");
    }
    return EXIT_OK;
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
static int no_such_page(const struct explain *e, const char *kind, const char *id)
{
    struct nearest near = nearest_to(slice_of(id));
    struct postern_bounce_class klass;
    struct buf all, more;
    bool row = strcmp(kind, "row") == 0;
    buf_init(&all, TEXT_MAX);
    buf_init(&more, TEXT_MAX);
    for (unsigned i = 0; row && i < REPLY_ID_COUNT; i++) {
        const struct reply_row *one = reply_row((enum reply_id)i);
        if (one != NULL && one->refusal) {
            nearest_offer(&near, one->id);
        }
    }
    for (size_t i = 0; !row && postern_bounce_class(i, &klass) != 0; i++) {
        nearest_offer(&near, klass.name);
        (void)buf_add_fmt(&all, "%s%s", i == 0 ? "" : " ", klass.name);
    }
    (void)buf_add_byte(&all, '\0');
    explain_filled(e, &more, row ? "err-rows" : "err-classes", "{words}",
                   (const char *)all.ptr);
    not_there(e, row ? "err-no-row" : "err-no-class", id, near.word, buf_slice(&more));
    buf_clear(&all);
    buf_clear(&more);
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
            return no_such_page(e, kind, id);
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
    e.language = asked_language(argc, argv);
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
        explain_wrong(&e, NULL, "err-memory", "", "");
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
