/* cmd/webhook.c - postern webhook add|list|remove: where events of accounts are posted (trace/hooks.h).
 *
 * Changes webhook.db itself; a server that runs sees it within a second. */
#include "base/clock.h"
#include "base/json.h"
#include "cmd/cmd.h"
#include "config/paths.h"
#include "proc/state.h"
#include "trace/hooks.h"
#include "trace/query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define SAY                                                                              \
    "add ACCOUNT URL [--secret-stdin] | list [ACCOUNT] [--json] | remove ACCOUNT [URL]"

enum { SECRET_OCTETS = 32, WORDS_MAX = 2, LINE_OCTETS = 16 * 1024 };

struct order {
    const char *verb, *word[WORDS_MAX]; /* account, URL */
    unsigned word_n;
    bool json, secret_stdin;
    char account[HOOKS_ACCOUNT_MAX + 1];
    uint64_t told, last; /* last: number of the newest record */
    struct buf line;
};

static int parse(int argc, char **argv, struct order *o)
{
    for (int i = 1; i < argc; i++) {
        if (o->verb == NULL) {
            o->verb = argv[i];
        } else if (strcmp(argv[i], "--json") == 0 && strcmp(o->verb, "list") == 0) {
            o->json = true;
        } else if (strcmp(argv[i], "--secret-stdin") == 0 &&
                   strcmp(o->verb, "add") == 0) {
            o->secret_stdin = true;
        } else if (argv[i][0] != '-' && o->word_n < WORDS_MAX) {
            o->word[o->word_n++] = argv[i];
        } else if (argv[i][0] == '-') {
            return cmd_no_such("webhook", argv[i], SAY);
        } else {
            return cmd_usage("webhook", "too many words", SAY);
        }
    }
    bool add = o->verb != NULL && strcmp(o->verb, "add") == 0;
    bool remove = o->verb != NULL && strcmp(o->verb, "remove") == 0;
    bool list = o->verb != NULL && strcmp(o->verb, "list") == 0;
    if (o->verb != NULL && !add && !remove && !list) {
        return cmd_no_such("webhook", o->verb, SAY);
    }
    if (o->verb == NULL || (add && o->word_n != 2) || (remove && o->word_n < 1) ||
        (list && o->word_n > 1)) {
        return cmd_usage("webhook", "what, and for whom?", SAY);
    }
    if (o->word_n > 0 &&
        !slice_cstr(slice_of(o->word[0]), o->account, sizeof o->account)) {
        return cmd_usage("webhook", "that name is too long for an account", SAY);
    }
    for (char *c = o->account; *c != '\0'; c++) {
        *c = (char)ascii_lower((unsigned char)*c);
    }
    return EXIT_OK;
}

/* "https://host/..."; http only to the machine itself, for events tell who writes to whom. */
static bool url_ok(const char *text)
{
    static const char *const good[] = {"https://", "http://127.", "http://[::1]",
                                       "http://localhost:", "http://localhost/"};
    struct slice url = slice_of(text);
    bool ok = false;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ok = ok || slice_starts(url, slice_of(good[i]));
    }
    for (size_t i = 0; i < url.len; i++) {
        ok = ok && url.ptr[i] > ' ' && url.ptr[i] < 0x7f && url.ptr[i] != '@';
    }
    return ok && url.len <= HOOKS_URL_MAX && url.len > sizeof "https://" - 1;
}

/* In hex; or the first line of standard input. */
static bool make_secret(const struct order *o, char out[HOOKS_SECRET_MAX + 1])
{
    unsigned char octets[SECRET_OCTETS];
    if (o->secret_stdin) {
        if (fgets(out, HOOKS_SECRET_MAX + 1, stdin) == NULL) {
            return false;
        }
        out[strcspn(out, "\r\n")] = '\0';
        return strlen(out) >= 16;
    }
    if (getrandom(octets, sizeof octets, 0) != (ssize_t)sizeof octets) {
        return false;
    }
    for (unsigned i = 0; i < SECRET_OCTETS; i++) {
        (void)snprintf(out + 2 * i, 3, "%02x", octets[i]);
    }
    return true;
}

static int fault(const struct hooks *h)
{
    (void)fprintf(stderr, "postern webhook: webhook.db: %s\n", hooks_error(h));
    return EXIT_SYSTEM;
}

static int add(const struct order *o, struct hooks *h, const struct config *cfg)
{
    char secret[HOOKS_SECRET_MAX + 1];
    bool known = false;
    if (!url_ok(o->word[1])) {
        return cmd_usage(
            "webhook",
            "that is no https:// URL (http:// only to a loopback address), or has a "
            "user in it",
            SAY);
    }
    if (!make_secret(o, secret)) {
        return cmd_usage("webhook", "a secret has at least 16 characters", SAY);
    }
    struct hook_row row = {.account = slice_of(o->account),
                           .url = slice_of(o->word[1]),
                           .secret = slice_of(secret),
                           .record = o->last + 1};
    bool ok = hooks_add(h, &row, &known);
    if (ok && !o->secret_stdin) {
        (void)printf("%s\n", secret);
        (void)fputs(
            "That is the secret that requests are signed with; it is shown only now.\n",
            stderr);
    }
    explicit_bzero(secret, sizeof secret);
    if (ok && cfg->webhook_ports.n == 0) {
        (void)fputs("Nothing is posted before webhook.ports names its port, as in: "
                    "webhook { ports = "
                    "{\"443\"} }\n",
                    stderr);
    }
    if (known) {
        (void)fprintf(
            stderr,
            "postern webhook: %s has that URL already, or there are %d webhooks\n",
            o->account, HOOKS_MAX);
        return EXIT_NO;
    }
    return ok ? EXIT_OK : fault(h);
}

static void print_text(struct order *o, const struct hook_row *row)
{
    char when[CLOCK_TEXT_MAX];
    (void)buf_add_shown(&o->line, row->account);
    (void)buf_add_str(&o->line, "  ");
    (void)buf_add_shown(&o->line, row->url);
    if (row->said_ms > 0) {
        (void)buf_add_str(&o->line, row->said.len > 0 ? "  failed " : "  answered ");
        (void)buf_add(&o->line, clock_text(row->said_ms, when));
        (void)buf_add_str(&o->line, row->said.len > 0 ? ": " : "");
        (void)buf_add_shown(&o->line, row->said);
    }
}

static void print_row(void *arg, const struct hook_row *row)
{
    struct order *o = arg;
    if (o->account[0] != '\0' && !slice_eq(row->account, slice_of(o->account))) {
        return;
    }
    buf_reset(&o->line);
    if (o->json) {
        (void)buf_add_str(&o->line, "{\"account\":");
        (void)json_add_string(&o->line, row->account);
        (void)buf_add_str(&o->line, ",\"url\":");
        (void)json_add_string(&o->line, row->url);
        (void)buf_add_fmt(&o->line, ",\"record\":%llu,\"said_ms\":%llu,\"error\":",
                          (unsigned long long)row->record,
                          (unsigned long long)row->said_ms);
        (void)json_add_string(&o->line, row->said);
        (void)buf_add_byte(&o->line, '}');
    } else {
        print_text(o, row);
    }
    (void)fwrite(o->line.ptr, 1, o->line.len, stdout);
    (void)putchar('\n');
    o->told++;
}

static int remove_them(const struct order *o, struct hooks *h)
{
    uint64_t n = 0;
    struct slice url = o->word_n > 1 ? slice_of(o->word[1]) : SLICE("");
    if (!hooks_remove(h, slice_of(o->account), url, &n)) {
        return fault(h);
    }
    if (n == 0) {
        (void)fprintf(stderr, "postern webhook: %s has no such webhook\n", o->account);
    }
    return n == 0 ? EXIT_NO : EXIT_OK;
}

/* NULL: said. As the owner of the directory from here on. */
static struct hooks *open_store(struct order *o, const struct config *cfg)
{
    char path[4200], error[HOOKS_ERROR_MAX];
    const char *why = NULL;
    (void)snprintf(path, sizeof path, "%s/" STATE_TRACE, cfg->state_dir);
    if (access(path, F_OK) != 0) { /* no server has run here yet */
        struct sandbox_user user = state_user(cfg);
        state_make(cfg, &user);
    }
    if (!cmd_become_owner(path)) {
        return NULL;
    }
    (void)umask(077); /* there are secrets in it */
    (void)snprintf(path, sizeof path, "%s/" STATE_TRACE_DB, cfg->state_dir);
    if (access(path, F_OK) == 0) {
        struct trace_query *q = trace_query_open(path, &why);
        o->last = q == NULL ? 0 : trace_query_last(q);
        trace_query_close(&q);
    }
    (void)snprintf(path, sizeof path, "%s/" STATE_HOOKS_DB, cfg->state_dir);
    struct hooks *h = hooks_open(path, error);
    if (h == NULL) {
        (void)fprintf(stderr, "postern webhook: %s: %s\n", path, error);
    }
    return h;
}

int cmd_webhook(struct cmd_ctx *ctx, int argc, char **argv)
{
    static struct order o;
    int status = parse(argc, argv, &o);
    if (status != EXIT_OK) {
        return status;
    }
    struct config *cfg = cmd_config(ctx);
    if (cfg == NULL) {
        return EXIT_CONFIG;
    }
    struct hooks *h = open_store(&o, cfg);
    buf_init(&o.line, LINE_OCTETS);
    if (h == NULL) {
        status = EXIT_SYSTEM;
    } else if (strcmp(o.verb, "add") == 0) {
        status = add(&o, h, cfg);
    } else if (strcmp(o.verb, "remove") == 0) {
        status = remove_them(&o, h);
    } else if (!hooks_each(h, print_row, &o)) {
        status = fault(h);
    } else {
        if (o.told == 0) {
            (void)fprintf(stderr, "postern webhook: there is none%s%s\n",
                          o.account[0] == '\0' ? "" : " of ", o.account);
        }
        status = o.told > 0 || o.account[0] == '\0' ? EXIT_OK : EXIT_NO;
    }
    hooks_close(&h);
    buf_clear(&o.line);
    config_free(&cfg);
    return status;
}
