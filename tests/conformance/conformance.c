/* conformance FILE.json... - plays suites of cases (../shared/suites/README.md) against the evaluators of
 * src/senderauth and src/delivery. Prints each case that fails and, a suite, "NAME passed/total".
 *
 * --shared: the files are names in ../shared/suites (POSTERN_SHARED names another place for
 * ../shared), and where that is not there the exit status is 77 (skipped).
 *
 * Exit status: 0 all passed, 1 a case failed, 2 usage, 3 a kind that nothing here plays yet, 4 a
 * file that is no suite. Of several files the highest. */
#include "conformance.h"

#include "senderauth/crypto.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_NO_KIND = 3,
    EXIT_NO_SUITE = 4,
    EXIT_SKIPPED = 77,
    ARENA_MAX = 256 << 20, /* a zone is looked through for each question */
    WHY_MAX = 1 << 20,
    FILE_MAX = 64 << 20,
    PATH_LEN_MAX = 4096,
};

static const struct {
    const char *kind;
    void (*run)(struct run *run);
} kinds[] = {
    {"dmarc", run_dmarc},         {"dmarc-from", run_dmarc_from},
    {"iprev", run_iprev},         {"spf", run_spf},
    {"dkim-verify", run_dkim},    {"arc-validate", run_arc_validate},
    {"arc-sign", run_arc_sign},   {"mta-sts", run_mta_sts},
    {"dane-tlsa", run_dane_tlsa}, {"dane-policy", run_dane_policy},
};

void case_begin(struct run *run, const char *id)
{
    arena_reset(&run->arena);
    buf_reset(&run->why);
    run->id = id;
}

void case_end(struct run *run)
{
    run->total++;
    if (run->why.len == 0) {
        run->passed++;
        return;
    }
    printf("%s: %s:%.*s\n", text_of(run->suite, "suite"), run->id, (int)run->why.len,
           (const char *)run->why.ptr);
}

void each_message(struct run *run, void (*play)(struct run *, const json_t *,
                                                struct crypto *, struct slice))
{
    json_t *cases = json_object_get(run->suite, "cases"), *one;
    struct crypto *crypto = crypto_new(CRYPTO_KEYS_MAX);
    size_t i;
    json_array_foreach(cases, i, one)
    {
        struct slice message;
        case_begin(run, text_of(one, "id"));
        if (file_octets(run, text_of(one, "message"), &message)) {
            play(run, one, crypto, message);
        }
        case_end(run);
    }
    crypto_free(&crypto);
}

void wrong(struct run *run, const char *fmt, ...)
{
    va_list args;
    buf_add_str(&run->why, run->why.len == 0 ? " " : "; ");
    va_start(args, fmt);
    buf_add_vfmt(&run->why, fmt, args);
    va_end(args);
}

const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

struct slice octets(struct run *run, const json_t *string)
{
    const unsigned char *in = (const unsigned char *)json_string_value(string);
    size_t len = json_string_length(string), n = 0;
    unsigned char *out = arena_alloc(&run->arena, len + 1);
    for (size_t i = 0; out != NULL && i < len; i++) {
        if (in[i] >= 0xc2 && in[i] <= 0xc3 && i + 1 < len) {
            out[n++] = (unsigned char)((in[i] & 3U) << 6 | (in[i + 1] & 0x3fU));
            i++;
        } else {
            out[n++] = in[i];
        }
    }
    return (struct slice){out, n};
}

static void list_words(struct run *run, const json_t *allowed)
{
    for (size_t i = 0; i < json_array_size(allowed); i++) {
        buf_add_fmt(&run->why, "%s%s", i == 0 ? "" : "|",
                    json_string_value(json_array_get(allowed, i)));
    }
}

void expect_word(struct run *run, const char *what, const json_t *allowed,
                 const char *word)
{
    const char *only = json_string_value(allowed);
    bool ok = only != NULL && strcmp(only, word) == 0;
    for (size_t i = 0; i < json_array_size(allowed); i++) {
        const char *one = json_string_value(json_array_get(allowed, i));
        ok = ok || (one != NULL && strcmp(one, word) == 0);
    }
    if (!ok) {
        wrong(run, "%s is %s, not %s", what, word, only == NULL ? "" : only);
        list_words(run, allowed);
    }
}

bool file_octets(struct run *run, const char *path, struct slice *out)
{
    char name[PATH_LEN_MAX];
    int n = snprintf(name, sizeof name, "%s/%s", run->dir, path);
    FILE *file = n > 0 && (size_t)n < sizeof name ? fopen(name, "rb") : NULL;
    if (file == NULL) {
        wrong(run, "%s does not open", path);
        return false;
    }
    struct buf buf;
    buf_init(&buf, FILE_MAX);
    for (;;) {
        unsigned char *room = buf_room(&buf, 64 << 10);
        size_t got = room == NULL ? 0 : fread(room, 1, 64 << 10, file);
        if (got == 0) {
            break;
        }
        buf_grew(&buf, got);
    }
    fclose(file);
    bool ok = !buf.failed && arena_dup(&run->arena, buf_slice(&buf), out);
    buf_clear(&buf);
    if (!ok) {
        wrong(run, "%s does not read", path);
    }
    return ok;
}

static int play(json_t *suite, const char *path)
{
    char dir[PATH_LEN_MAX];
    const char *slash = strrchr(path, '/'), *kind = text_of(suite, "kind");
    snprintf(dir, sizeof dir, "%.*s", slash == NULL ? 1 : (int)(slash - path),
             slash == NULL ? "." : path);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].kind, kind) != 0) {
            continue;
        }
        struct run run = {.suite = suite, .dir = dir};
        arena_init(&run.arena, ARENA_MAX);
        buf_init(&run.why, WHY_MAX);
        kinds[i].run(&run);
        arena_clear(&run.arena);
        buf_clear(&run.why);
        printf("%s %u/%u\n", text_of(suite, "suite"), run.passed, run.total);
        return run.passed == run.total && run.total > 0 ? 0 : EXIT_FAILED;
    }
    printf("%s: no such kind yet: %s\n", text_of(suite, "suite"), kind);
    return EXIT_NO_KIND;
}

static int play_file(const char *path)
{
    json_error_t error;
    json_t *suite = json_load_file(path, JSON_ALLOW_NUL, &error);
    if (suite == NULL || text_of(suite, "kind")[0] == '\0') {
        fprintf(stderr, "conformance: %s: %s\n", path,
                suite == NULL ? error.text : "no suite: it has no kind");
        json_decref(suite);
        return EXIT_NO_SUITE;
    }
    int status = play(suite, path);
    json_decref(suite);
    return status;
}

static const char *shared_path(const char *root, const char *name, char *out, size_t cap)
{
    const char *shared = getenv("POSTERN_SHARED");
    if (shared != NULL && shared[0] != '\0') {
        snprintf(out, cap, "%s/suites/%s", shared, name);
    } else {
        snprintf(out, cap, "%s/../shared/suites/%s", root, name);
    }
    return out;
}

int main(int argc, char **argv)
{
    char path[PATH_LEN_MAX];
    bool shared = argc > 1 && strcmp(argv[1], "--shared") == 0;
    int first = shared ? 3 : 1, status = 0;
    if (argc <= first || (!shared && argv[1][0] == '-')) {
        fprintf(stderr, "usage: conformance FILE.json... | --shared ROOT NAME.json...\n");
        return EXIT_USAGE;
    }
    for (int i = first; i < argc; i++) {
        const char *file = argv[i];
        if (shared) {
            file = shared_path(argv[2], file, path, sizeof path);
            if (access(file, R_OK) != 0) {
                printf("%s is not there: skipped\n", file);
                return EXIT_SKIPPED;
            }
        }
        int one = play_file(file);
        status = one > status ? one : status;
    }
    return status;
}
