/* cmd/why.c - postern why ID|ADDRESS|IP|REPLY: what happened and why, from the trace.
 *
 * Reads trace.db itself, so it tells of a server that is down as well. */
#include "base/clock.h"
#include "cmd/cmd.h"
#include "config/paths.h"
#include "trace/query.h"
#include "trace/story.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SAY "ID|ADDRESS|IP|REPLY [--json] [--last N] [--since TIME]"

enum {
    LAST_DEFAULT = 20,
    LAST_MAX = 10000,
    STORY_OCTETS = 64 * 1024 * 1024,
    OUTPUT_OCTETS = 256 * 1024 * 1024,
    /* The trace is written every 0.1 s: a session that ended just now may still come. */
    TRIES = 5,
    TRY_AGAIN_MS = 100,
};

enum subject { SUBJECT_ID = 0, SUBJECT_ADDRESS, SUBJECT_IP };

struct why {
    enum subject subject;
    struct message_id id;
    char key[TRACE_KEY_MAX + 1]; /* address or IP as the trace has it */
    bool json;
    uint64_t last, since_ms;
    char path[4096];
    struct trace_query *query;
    struct buf out;
};

/* --- the command line --- */

static bool lower(const char *word, char *out, size_t cap)
{
    size_t n = strlen(word);
    if (n >= cap) {
        return false;
    }
    for (size_t i = 0; i <= n; i++) {
        out[i] = (char)ascii_lower((unsigned char)word[i]);
    }
    return true;
}

static bool parse_ip(const char *word, struct why *w)
{
    struct in6_addr a6;
    struct in_addr a4;
    if (inet_pton(AF_INET, word, &a4) == 1) {
        return inet_ntop(AF_INET, &a4, w->key, sizeof w->key) != NULL;
    }
    if (inet_pton(AF_INET6, word, &a6) != 1) {
        return false;
    }
    if (IN6_IS_ADDR_V4MAPPED(&a6)) {
        return inet_ntop(AF_INET, &a6.s6_addr[12], w->key, sizeof w->key) != NULL;
    }
    return inet_ntop(AF_INET6, &a6, w->key, sizeof w->key) != NULL;
}

static bool parse_address(const char *word, struct why *w)
{
    struct slice s = slice_of(word);
    if (s.len > 1 && s.ptr[0] == '<' && s.ptr[s.len - 1] == '>') {
        s = slice_sub(s, 1, s.len - 2);
    }
    size_t at = slice_rfind(s, '@');
    if (at == 0 || at + 1 >= s.len || !slice_cstr(s, w->key, sizeof w->key)) {
        return false;
    }
    return lower(w->key, w->key, sizeof w->key);
}

static bool parse_id(struct slice word, struct message_id *out)
{
    char id[ID_TEXT_MAX];
    return slice_cstr(word, id, sizeof id) && lower(id, id, sizeof id) &&
           id_parse(slice_of(id), out);
}

/* A reply as somebody was told it, or a line of a log with it: "... - 7k2mq0x9vd4t postern", or
 * "250 2.0.0 Message queued as 7k2mq0x9vd4t.1". Cut off, it may lack the last word. */
static bool find_id(struct slice text, struct message_id *out)
{
    static const struct slice parts = SLICE_INIT(" \t\r\n\"'`,;:=<>()[]{}");
    struct message_id last = {0}, id;
    struct slice before = {0};
    while (text.len > 0) {
        size_t n = 0;
        while (n < text.len && slice_find(parts, text.ptr[n]) == parts.len) {
            n++;
        }
        struct slice word = slice_sub(text, 0, n);
        if (slice_eq(word, SLICE("postern")) && parse_id(before, out)) {
            return true;
        }
        /* Twelve letters without a digit are likelier a word, but for their place. */
        bool likely = slice_eq(before, SLICE("-"));
        for (size_t i = 0; i < n; i++) {
            likely = likely || ascii_is_digit(word.ptr[i]);
        }
        if (likely && parse_id(word, &id)) {
            last = id;
        }
        before = n > 0 ? word : before;
        text = slice_from(text, n + 1);
    }
    *out = last;
    return last.session != 0;
}

static bool parse_subject(const char *word, struct why *w)
{
    bool one = strpbrk(word, " \t\r\n") == NULL;
    if (!one) {
        w->subject = SUBJECT_ID;
        return find_id(slice_of(word), &w->id);
    }
    if (parse_ip(word, w)) {
        w->subject = SUBJECT_IP;
        return true;
    }
    if (parse_address(word, w)) {
        w->subject = SUBJECT_ADDRESS;
        return true;
    }
    w->subject = SUBJECT_ID;
    return parse_id(slice_of(word), &w->id);
}

/* EXIT_OK, or what cmd_usage() said. */
static int parse(int argc, char **argv, struct why *w)
{
    const char *subject = NULL;
    w->last = LAST_DEFAULT;
    for (int i = 1; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--json") == 0) {
            w->json = true;
        } else if (strcmp(argv[i], "--last") == 0) {
            if (!slice_u64(slice_of(next), &w->last) || w->last == 0 ||
                w->last > LAST_MAX) {
                return cmd_usage("why", "--last wants a number from 1 to 10000", SAY);
            }
            i++;
        } else if (strcmp(argv[i], "--since") == 0) {
            if (!cmd_since(next, &w->since_ms)) {
                return cmd_usage("why", CMD_SINCE_SAY, SAY);
            }
            i++;
        } else if (argv[i][0] == '-') {
            return cmd_no_such("why", argv[i], SAY);
        } else if (subject != NULL) {
            return cmd_usage("why", "one thing at a time", SAY);
        } else {
            subject = argv[i];
        }
    }
    if (subject == NULL) {
        return cmd_usage("why", "about what?", SAY);
    }
    if (!parse_subject(subject, w)) {
        return cmd_usage("why",
                         "that is neither an IP address, nor a mail address, nor an id "
                         "(12 letters and digits without i, l, o and u; for a message "
                         "with a point and its number), nor a reply that ends in one",
                         SAY);
    }
    return EXIT_OK;
}

/* --- what is found --- */

static void print(struct why *w)
{
    (void)fwrite(w->out.ptr, 1, w->out.len, stdout);
    if (w->out.failed) {
        (void)fputs("postern why: there is more than can be told at once\n", stderr);
    }
    buf_reset(&w->out);
}

static bool add_record(void *arg, struct slice record)
{
    return story_add(arg, record);
}

/* NULL: an error, which was said. */
static struct story *load(struct why *w, uint64_t session)
{
    const char *error = "no memory";
    struct story *s = story_new(session, STORY_OCTETS);
    if (s == NULL || !trace_query_session(w->query, session, add_record, s, &error)) {
        (void)fprintf(stderr, "postern why: %s: %s\n", w->path, error);
        story_free(&s);
    }
    return s;
}

enum form { FORM_TEXT = 0, FORM_LINE, FORM_JSON };

/* 1: told; 0: there is nothing; -1: an error, which was said. */
static int tell(struct why *w, uint64_t session, enum form form)
{
    struct story *s = load(w, session);
    if (s == NULL) {
        return -1;
    }
    bool empty = story_empty(s);
    if (!empty && form == FORM_TEXT) {
        story_text(s, w->id.n, &w->out);
    } else if (!empty && form == FORM_LINE) {
        story_line(s, &w->out);
    } else if (!empty) {
        story_json(s, &w->out);
    }
    story_free(&s);
    print(w);
    return empty ? 0 : 1;
}

static int tell_key(struct why *w)
{
    static uint64_t session[LAST_MAX];
    size_t n = 0;
    bool more = false;
    const char *error = NULL;
    enum trace_key kind = w->subject == SUBJECT_IP ? TRACE_KEY_IP : TRACE_KEY_ADDRESS;
    if (!trace_query_key(w->query, kind, slice_of(w->key), w->since_ms, session,
                         (size_t)w->last, &n, &more, &error)) {
        (void)fprintf(stderr, "postern why: %s: %s\n", w->path, error);
        return -1;
    }
    enum form form = w->json ? FORM_JSON : n == 1 && !more ? FORM_TEXT : FORM_LINE;
    if (form == FORM_LINE && n > 0) {
        (void)buf_add_fmt(&w->out, "%zu session%s with ", n, n == 1 ? "" : "s");
        (void)buf_add_shown(&w->out, slice_of(w->key));
        (void)buf_add_str(&w->out,
                          ", newest first (UTC); postern why ID tells all of one\n");
        print(w);
    }
    for (size_t i = 0; i < n; i++) {
        if (tell(w, session[i], form) < 0) {
            return -1;
        }
    }
    if (more && form == FORM_LINE) {
        (void)printf(
            "there are older ones: postern why ... --last %llu\n",
            (unsigned long long)(w->last * 5 < LAST_MAX ? w->last * 5 : LAST_MAX));
    }
    return n > 0 ? 1 : 0;
}

static void say_nothing_found(struct why *w)
{
    static const char *const what[] = {
        [SUBJECT_ID] = "session", [SUBJECT_ADDRESS] = "address", [SUBJECT_IP] = "client"};
    char id[ID_TEXT_MAX];
    uint64_t oldest = 0;
    buf_reset(&w->out);
    (void)buf_add_fmt(&w->out, "postern why: nothing is known of %s ", what[w->subject]);
    (void)buf_add_escaped(&w->out, w->subject == SUBJECT_ID ? id_text(w->id, id)
                                                            : slice_of(w->key));
    if (w->since_ms != 0 && w->subject != SUBJECT_ID) {
        (void)buf_add_str(&w->out, " since ");
        story_time(w->since_ms, &w->out);
    }
    if (trace_query_oldest(w->query, &oldest)) {
        (void)buf_add_str(&w->out, ".\nThe trace goes back to ");
        story_time(oldest, &w->out);
        (void)buf_add_str(&w->out, " UTC");
    } else {
        (void)buf_add_str(&w->out, ".\nThe trace is empty");
    }
    (void)buf_add_str(&w->out, w->subject == SUBJECT_ID
                                   ? "; a session enters it when it ends. Is the id "
                                     "mistyped? It has 12 letters and digits, without "
                                     "i, l, o and u.\n"
                                   : "; a session enters it when it ends.\n");
    (void)fwrite(w->out.ptr, 1, w->out.len, stderr);
}

/* --- */

static bool open_query(struct why *w)
{
    const char *error = NULL;
    trace_query_close(&w->query);
    w->query = trace_query_open(w->path, &error);
    if (w->query == NULL) {
        (void)fprintf(stderr, "postern why: %s: %s\n", w->path, error);
    }
    return w->query != NULL;
}

/* A first look sees one moment; a session that has just ended may come into the next. */
static int tell_subject(struct why *w)
{
    int told = 0;
    for (int i = 0; i < TRIES && told == 0; i++) {
        if (i > 0) {
            (void)usleep(TRY_AGAIN_MS * 1000);
        }
        if (!open_query(w)) {
            return EXIT_SYSTEM;
        }
        told = w->subject != SUBJECT_ID
                   ? tell_key(w)
                   : tell(w, w->id.session, w->json ? FORM_JSON : FORM_TEXT);
    }
    if (told < 0) {
        return EXIT_SYSTEM;
    }
    if (told == 0) {
        say_nothing_found(w);
    }
    return told > 0 ? EXIT_OK : EXIT_NO;
}

int cmd_why(struct cmd_ctx *ctx, int argc, char **argv)
{
    static struct why w;
    int status = parse(argc, argv, &w);
    if (status != EXIT_OK) {
        return status;
    }
    struct config *cfg = cmd_config(ctx);
    if (cfg == NULL) {
        return EXIT_CONFIG;
    }
    int n = snprintf(w.path, sizeof w.path, "%s/" STATE_TRACE_DB, cfg->state_dir);
    config_free(&cfg);
    if (n < 0 || (size_t)n >= sizeof w.path) {
        (void)fputs("postern why: state-dir is too long\n", stderr);
        return EXIT_CONFIG;
    }
    if (access(w.path, F_OK) != 0 && errno == ENOENT) {
        (void)fprintf(stderr,
                      "postern why: there is no trace yet (%s): has a server run with "
                      "this configuration?\n",
                      w.path);
        return EXIT_NO;
    }
    buf_init(&w.out, OUTPUT_OCTETS);
    status = tell_subject(&w);
    trace_query_close(&w.query);
    buf_clear(&w.out);
    return status;
}
