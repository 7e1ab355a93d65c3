/* cmd/suppress.c - postern suppress list|add|remove|import|export: requests to the queue role
 * (queue/suppress_query.h). Lists of any length go through in pieces, both ways. */
#include "base/buf.h"
#include "base/clock.h"
#include "cmd/cmd.h"
#include "config/units.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOBODY_LISTENS = -1, LINE_MAX_OCTETS = 4096, BATCH_ROWS = 2000, TEXT_MAX = 4096 };
/* Of what CONTROL_REQUEST_MAX allows, when each octet takes six in JSON. */
enum { BATCH_OCTETS = 128 * 1024 };
#define VERBS "list|add|remove|import|export"

enum { L = 1, A = 2, R = 4, I = 8, E = 16 };
static const struct {
    const char *name;
    unsigned kind;
    const char *request, *usage;
} verbs[] = {
    {"list", L, "list", "[ADDRESS...] [--account A] [--domain D] [--expired]"},
    {"add", A, "put",
     "ADDRESS... [--account A] [--reason hand|complaint|bounce] [--evidence TEXT] [--for "
     "30d]"},
    {"remove", R, "remove", "ADDRESS... [--account A]"},
    {"import", I, "put", "FILE|- [--account A]"},
    {"export", E, "list", "[--account A] [--domain D]"},
};
enum { VERB_N = sizeof verbs / sizeof verbs[0] };

static const char *const columns[] = {"address", "account", "reason", "times",
                                      "first",   "last",    "until",  "evidence"};
enum { COLUMN_N = sizeof columns / sizeof columns[0] };

struct order {
    unsigned verb;
    bool json, expired;
    const char *account, *domain, *reason, *evidence;
    uint64_t for_ms, now_ms;
    json_t *words; /* that are no options */
    uint64_t listed, put, not_put;
    /* import */
    int column[COLUMN_N]; /* what stands in field I: index into columns, -1: nothing */
    json_t *rows;
    size_t row_octets;
    unsigned *line_of, line; /* of each row of the batch; the one being read */
};

static unsigned kind_of(const struct order *o)
{
    return verbs[o->verb].kind;
}

static void print_usage(const struct order *o, FILE *to)
{
    (void)fprintf(to, "usage: postern suppress %s %s [--json]\n", verbs[o->verb].name,
                  verbs[o->verb].usage);
}

static int usage(const struct order *o, const char *wrong, const char *what)
{
    (void)fprintf(stderr, "postern suppress %s: %s%s\n", verbs[o->verb].name, wrong,
                  what);
    print_usage(o, stderr);
    return EXIT_USAGE;
}

/* --- answers --- */

static struct slice text_of(const json_t *line, const char *name)
{
    const json_t *value = json_object_get(line, name);
    return (struct slice){(const unsigned char *)json_string_value(value),
                          json_string_length(value)};
}

static uint64_t number(const json_t *line, const char *name)
{
    json_int_t v = json_integer_value(json_object_get(line, name));
    return v < 0 ? 0 : (uint64_t)v;
}

static void put_escaped(struct slice s)
{
    struct buf b;
    buf_init(&b, TEXT_MAX);
    (void)buf_add_shown(&b, s);
    (void)fwrite(b.len == 0 ? (const unsigned char *)"" : b.ptr, 1, b.len, stdout);
    buf_clear(&b);
}

static void put_time(uint64_t ms)
{
    char text[CLOCK_TEXT_MAX];
    struct slice s = ms == 0 ? SLICE("") : clock_text(ms, text);
    (void)fwrite(s.len == 0 ? (const unsigned char *)"" : s.ptr, 1, s.len, stdout);
}

static void print_entry(struct order *o, const json_t *line)
{
    struct slice account = text_of(line, "account");
    put_escaped(text_of(line, "address"));
    (void)fputs(account.len == 0 ? "  for all" : "  for ", stdout);
    put_escaped(account);
    (void)fputs("  ", stdout);
    put_escaped(text_of(line, "reason"));
    (void)fputs(" since ", stdout);
    put_time(number(line, "first_ms"));
    (void)fputs(number(line, "until_ms") == 0                   ? ", for good"
                : json_is_true(json_object_get(line, "active")) ? ", until "
                                                                : ", was over ",
                stdout);
    put_time(number(line, "until_ms"));
    if (text_of(line, "evidence").len > 0) {
        (void)fputs("\n    ", stdout);
        put_escaped(text_of(line, "evidence"));
    }
    (void)putchar('\n');
    o->listed++;
}

static void put_quoted(struct slice s)
{
    bool quote = false;
    for (size_t i = 0; i < s.len; i++) {
        quote = quote || s.ptr[i] == ',' || s.ptr[i] == '"' || s.ptr[i] < ' ';
    }
    if (quote) {
        (void)putchar('"');
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '"') {
            (void)putchar('"');
        }
        (void)putchar(s.ptr[i] < ' ' ? ' ' : s.ptr[i]);
    }
    if (quote) {
        (void)putchar('"');
    }
}

static void print_csv(const json_t *line)
{
    put_quoted(text_of(line, "address"));
    (void)putchar(',');
    put_quoted(text_of(line, "account"));
    (void)putchar(',');
    put_quoted(text_of(line, "reason"));
    (void)printf(",%llu,", (unsigned long long)number(line, "times"));
    put_time(number(line, "first_ms"));
    (void)putchar(',');
    put_time(number(line, "last_ms"));
    (void)putchar(',');
    put_time(number(line, "until_ms"));
    (void)putchar(',');
    put_quoted(text_of(line, "evidence"));
    (void)putchar('\n');
}

static void print_bad(const struct order *o, uint64_t row)
{
    if (kind_of(o) == I && row < json_array_size(o->rows)) {
        (void)fprintf(stderr,
                      "postern suppress import: line %u is no entry; one is a mail "
                      "address, or has the "
                      "columns that export writes\n",
                      o->line_of[row]);
    } else {
        const char *word = json_string_value(json_array_get(o->words, (size_t)row));
        (void)fprintf(stderr, "postern suppress add: not an address: %s\n",
                      word == NULL ? "" : word);
    }
}

static void on_line(void *arg, const char *text)
{
    struct order *o = arg;
    json_t *line = json_loads(text, 0, NULL);
    if (json_object_get(line, "bad") != NULL) {
        print_bad(o, number(line, "bad"));
    } else if (json_object_get(line, "put") != NULL) {
        o->put += number(line, "put");
        o->not_put += number(line, "not_put");
    } else if (kind_of(o) == E) {
        print_csv(line);
    } else if (o->json) {
        (void)puts(text);
    } else if (json_object_get(line, "removed") != NULL) {
        (void)printf("%llu entries removed\n",
                     (unsigned long long)number(line, "removed"));
    } else {
        print_entry(o, line);
    }
    json_decref(line);
}

/* Takes the reference of the request. */
static int ask(struct order *o, const struct config *cfg, json_t *request)
{
    char *text = request == NULL ? NULL : json_dumps(request, JSON_COMPACT);
    json_decref(request);
    if (text == NULL) {
        return EXIT_SYSTEM;
    }
    int status = cmd_ask(cfg, "queue", text, on_line, o);
    free(text);
    if (status == NOBODY_LISTENS) {
        (void)fputs("postern: the server does not run; the list is its own: start it "
                    "first\n",
                    stderr);
        status = EXIT_SYSTEM;
    }
    return status;
}

/* --- import --- */

/* The next field of a line, in place: RFC 4180, within one line. False: a quote is not closed. */
static bool next_field(char **rest, struct slice *out)
{
    char *at = *rest, *to = at, *from = at;
    bool quoted = *at == '"';
    at += quoted;
    while (*at != '\0' && (quoted || *at != ',')) {
        if (quoted && at[0] == '"' && at[1] != '"') {
            quoted = false;
            at++;
            continue;
        }
        at += quoted && at[0] == '"';
        *to++ = *at++;
    }
    *out = (struct slice){(const unsigned char *)from, (size_t)(to - from)};
    *rest = *at == ',' ? at + 1 : NULL;
    return !quoted;
}

/* A field into the row. False: it cannot stand there. */
static bool take_field(json_t *row, int column, struct slice field)
{
    static const char *const members[COLUMN_N] = {"address",  "account",  "reason",
                                                  "times",    "first_ms", "last_ms",
                                                  "until_ms", "evidence"};
    uint64_t v = 0;
    json_t *value = NULL;
    if (column < 0 || (field.len == 0 && column > 1)) {
        return true;
    }
    if (column >= 3 && column <= 6) {
        bool ok = column == 3 ? slice_u64(field, &v) : clock_read_text(field, &v);
        value = ok && v <= INT64_MAX ? json_integer((json_int_t)v) : NULL;
    } else {
        value = json_stringn((const char *)field.ptr, field.len);
    }
    return value != NULL && json_object_set_new(row, members[column], value) == 0;
}

static json_t *row_of(struct order *o, char *line)
{
    json_t *row = json_object();
    struct slice field;
    bool ok = row != NULL &&
              (o->account == NULL ||
               json_object_set_new(row, "account", json_string(o->account)) == 0);
    for (unsigned i = 0; ok && line != NULL; i++) {
        ok = next_field(&line, &field) &&
             (i >= COLUMN_N || take_field(row, o->column[i], field));
    }
    if (!ok || json_object_get(row, "address") == NULL) {
        json_decref(row);
        return NULL;
    }
    return row;
}

/* A first line that names the columns. False: it is no such line. */
static bool read_head(struct order *o, char *line)
{
    int column[COLUMN_N];
    struct slice field;
    bool address = false;
    for (unsigned i = 0; i < COLUMN_N; i++) {
        column[i] = -1;
    }
    for (unsigned i = 0; line != NULL && i < COLUMN_N; i++) {
        if (!next_field(&line, &field)) {
            return false;
        }
        for (int k = 0; k < COLUMN_N; k++) {
            if (slice_ieq(field, slice_of(columns[k]))) {
                column[i] = k;
                address = address || k == 0;
            }
        }
    }
    if (address) {
        memcpy(o->column, column, sizeof column);
    }
    return address;
}

static int send_batch(struct order *o, const struct config *cfg)
{
    if (json_array_size(o->rows) == 0) {
        return EXIT_OK;
    }
    int status = ask(o, cfg, json_pack("{s:s,s:O}", "suppress", "put", "rows", o->rows));
    (void)json_array_clear(o->rows);
    o->row_octets = 0;
    return status == EXIT_NO ? EXIT_OK : status; /* bad rows are counted */
}

static int take_line(struct order *o, const struct config *cfg, char *line)
{
    size_t len = strlen(line);
    while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r')) {
        line[--len] = '\0';
    }
    char head[LINE_MAX_OCTETS];
    memcpy(head, line, len + 1);
    if (len == 0 || (o->line == 1 && read_head(o, head))) {
        return EXIT_OK;
    }
    json_t *row = row_of(o, line);
    if (row == NULL) {
        o->not_put++;
        (void)fprintf(stderr,
                      "postern suppress import: line %u is no entry; one is a mail "
                      "address, or has the "
                      "columns that export writes\n",
                      o->line);
        return EXIT_OK;
    }
    o->line_of[json_array_size(o->rows)] = o->line;
    o->row_octets += len + 1;
    if (json_array_append_new(o->rows, row) != 0) {
        return EXIT_SYSTEM;
    }
    bool full = json_array_size(o->rows) == BATCH_ROWS || o->row_octets >= BATCH_OCTETS;
    return full ? send_batch(o, cfg) : EXIT_OK;
}

static int import_file(struct order *o, const struct config *cfg, FILE *file)
{
    char line[LINE_MAX_OCTETS];
    int status = EXIT_OK;
    while (status == EXIT_OK && fgets(line, sizeof line, file) != NULL) {
        o->line++;
        if (strlen(line) == sizeof line - 1 && line[sizeof line - 2] != '\n') {
            (void)fprintf(stderr, "postern suppress import: line %u is too long\n",
                          o->line);
            return EXIT_NO;
        }
        status = take_line(o, cfg, line);
    }
    return status == EXIT_OK ? send_batch(o, cfg) : status;
}

static int said_put(const struct order *o, int status)
{
    if (o->json) {
        (void)printf("{\"put\":%llu,\"not_put\":%llu}\n", (unsigned long long)o->put,
                     (unsigned long long)o->not_put);
    } else {
        (void)printf("%llu %s put\n", (unsigned long long)o->put,
                     o->put == 1 ? "entry" : "entries");
    }
    return status == EXIT_OK && o->not_put > 0 ? EXIT_NO : status;
}

static int import(struct order *o, const struct config *cfg)
{
    const char *name = json_string_value(json_array_get(o->words, 0));
    bool standard = strcmp(name, "-") == 0;
    FILE *file = standard ? stdin : fopen(name, "re");
    if (file == NULL) {
        (void)fprintf(stderr, "postern suppress import: %s: %s\n", name, strerror(errno));
        return EXIT_NO;
    }
    for (int i = 0; i < COLUMN_N; i++) {
        o->column[i] = i;
    }
    o->rows = json_array();
    o->line_of = calloc(BATCH_ROWS, sizeof *o->line_of);
    int status =
        o->rows == NULL || o->line_of == NULL ? EXIT_SYSTEM : import_file(o, cfg, file);
    if (!standard) {
        (void)fclose(file);
    }
    free(o->line_of);
    json_decref(o->rows);
    return said_put(o, status);
}

/* --- the others --- */

static int add(struct order *o, const struct config *cfg)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < json_array_size(o->words); i++) {
        json_t *row =
            json_pack("{s:O,s:s,s:s,s:s,s:I}", "address", json_array_get(o->words, i),
                      "account", o->account == NULL ? "" : o->account, "reason",
                      o->reason == NULL ? "hand" : o->reason, "evidence",
                      o->evidence == NULL ? "" : o->evidence, "until_ms",
                      (json_int_t)(o->for_ms == 0 ? 0 : o->now_ms + o->for_ms));
        (void)json_array_append_new(rows, row); /* NULL: the server says how many came */
    }
    int status = ask(o, cfg, json_pack("{s:s,s:o}", "suppress", "put", "rows", rows));
    return status == EXIT_OK || status == EXIT_NO ? said_put(o, status) : status;
}

static int run(struct order *o, const struct config *cfg)
{
    if (kind_of(o) == I) {
        return import(o, cfg);
    }
    if (kind_of(o) == A) {
        return add(o, cfg);
    }
    json_t *request = json_pack("{s:s,s:b}", "suppress", verbs[o->verb].request,
                                "expired", o->expired || kind_of(o) == E);
    if (o->account != NULL) {
        (void)json_object_set_new(request, "account", json_string(o->account));
    }
    if (o->domain != NULL) {
        (void)json_object_set_new(request, "domain", json_string(o->domain));
    }
    if (json_array_size(o->words) > 0) {
        (void)json_object_set(request, "address", o->words);
    }
    if (kind_of(o) == E) {
        (void)puts("address,account,reason,times,first,last,until,evidence");
    }
    int status = ask(o, cfg, request);
    if (status == EXIT_OK && kind_of(o) == L && !o->json && o->listed == 0) {
        (void)puts("nothing on the list (or nothing that matches)");
    }
    return status;
}

/* --- arguments --- */

static int take_text(struct order *o, const char *name, const char *value)
{
    const struct {
        const char *name;
        const char **to;
        unsigned where;
    } options[] = {
        {"--account", &o->account, L | A | R | I | E},
        {"--domain", &o->domain, L | E},
        {"--reason", &o->reason, A},
        {"--evidence", &o->evidence, A},
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (strcmp(options[i].name, name) == 0 && (options[i].where & kind_of(o)) != 0) {
            *options[i].to = value;
            return value == NULL ? usage(o, "a value is missing after ", name) : EXIT_OK;
        }
    }
    if (strcmp(name, "--for") == 0 && kind_of(o) == A) {
        return value != NULL && units_time(slice_of(value), &o->for_ms) == NULL
                   ? EXIT_OK
                   : usage(o,
                           "not a time such as 12h, 30d: ", value == NULL ? "" : value);
    }
    return usage(o, "no such option: ", name);
}

static int take_word(struct order *o, const char *word)
{
    if (kind_of(o) == E || (kind_of(o) == I && json_array_size(o->words) > 0)) {
        return usage(o, "one word too many: ", word);
    }
    json_t *text = json_string(word);
    return text == NULL
               ? usage(o, "not UTF-8: ", word)
               : (json_array_append_new(o->words, text) == 0 ? EXIT_OK : EXIT_SYSTEM);
}

/* EXIT_OK, or the status to leave with; *done: leave anyway. */
static int read_arguments(struct order *o, int argc, char **argv, bool *done)
{
    while (argc > 1 && o->verb < VERB_N && strcmp(verbs[o->verb].name, argv[1]) != 0) {
        o->verb++;
    }
    if (argc < 2 || o->verb == VERB_N) {
        return argc < 2 ? cmd_usage("suppress", "what about it?", VERBS)
                        : cmd_no_such("suppress", argv[1], VERBS);
    }
    if (strcmp(argv[argc - 1], "--help") == 0) {
        print_usage(o, stdout);
        *done = true;
        return EXIT_OK;
    }
    int status = EXIT_OK;
    for (int i = 2; i < argc && status == EXIT_OK; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            o->json = true;
        } else if (strcmp(argv[i], "--expired") == 0 && kind_of(o) == L) {
            o->expired = true;
        } else if (argv[i][0] == '-' && argv[i][1] != '\0') {
            const char *name = argv[i];
            status = take_text(o, name, i + 1 < argc ? argv[++i] : NULL);
        } else {
            status = take_word(o, argv[i]);
        }
    }
    if (status == EXIT_OK && json_array_size(o->words) == 0 &&
        (kind_of(o) & (A | R | I)) != 0) {
        status = usage(o, kind_of(o) == I ? "which file?" : "which address?", "");
    }
    return status;
}

int cmd_suppress(struct cmd_ctx *ctx, int argc, char **argv)
{
    struct order o = {.now_ms = clock_wall_ms(), .words = json_array()};
    bool done = false;
    int status = o.words == NULL ? EXIT_SYSTEM : read_arguments(&o, argc, argv, &done);
    struct config *cfg = status == EXIT_OK && !done ? cmd_config(ctx) : NULL;
    if (status == EXIT_OK && !done) {
        status = cfg == NULL ? EXIT_CONFIG : run(&o, cfg);
    }
    config_free(&cfg);
    json_decref(o.words);
    return status;
}
