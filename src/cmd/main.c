/* cmd/main.c - the program: finds the subcommand, takes -c FILE off, runs it. */
#include "base/nearest.h"
#include "cmd/cmd.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_CONFIG "/etc/postern/postern.conf"

struct command {
    const char *name;
    int (*run)(struct cmd_ctx *ctx, int argc, char **argv);
    const char *usage, *help;
};

/* A subcommand is one line here and one file beside this one. */
/* clang-format off */
static const struct command commands[] = {
    {"run", cmd_run, "", "start the server in the foreground; SIGHUP reloads, SIGTERM drains"},
    {"check-config", cmd_check_config, "[--defaults]", "say whether the configuration is good; or print one with every setting"},
    {"domain", cmd_directory, "add|set|list|show|remove|key ...", "domains that mail is taken for"},
    {"user", cmd_directory, "add|set|list|show|remove|lock|unlock|grant|ungrant|allow-network|app-password ...", "people who get mail here"},
    {"alias", cmd_directory, "add|set|list|show|remove ...", "addresses that lead to users"},
    {"relay", cmd_directory, "add|set|suspend|resume|list|show|remove ...", "customers whose machines may relay"},
    {"push", cmd_directory, "add|set|list|show|remove ...", "accounts that send bulk mail"},
    {"rule", cmd_directory, "add|list|show|remove|move ...", "what administrators of domains refuse, mark or keep back"},
    {"trap", cmd_directory, "add|list|remove ...", "addresses that nobody has: who writes to them loses reputation"},
    {"queue", cmd_queue, "list|show|retry|hold|release|remove|stats|pause|resume ...", "the messages that are not delivered yet"},
    {"limits", cmd_limits, "show|reset ...", "how much of what came from whom, and what is limited"},
    {"reputation", cmd_limits, "show|set|forget|import ...", "what came of the mail of an address or a domain"},
    {"complaint", cmd_complaint, "--mailbox ADDRESS [--wanted] [FILE|-] | rates [ACCOUNT]", "a user says that a message was junk, or was not; also a feedback report; how much was complained of"},
    {"suppress", cmd_suppress, "list|add|remove|import|export ...", "addresses that push accounts send nothing to"},
    {"webhook", cmd_webhook, "add|list|remove ...", "where events of accounts are posted"},
    {"events", cmd_events, "--account A [--since TIME] [--json] [--follow]", "what became of the messages of an account"},
    {"tlsrpt", cmd_tlsrpt, "[DOMAIN] [--day YYYY-MM-DD] [--json]", "how TLS went with the servers that mail was sent to, by day and domain"},
    {"why", cmd_why, "ID|ADDRESS|IP|REPLY [--json] [--last N] [--since TIME]", "what happened to a session, a message, an address or a client, and why"},
    {"try", cmd_try, "--ip IP [--helo NAME] [--from ADDRESS] [--rcpt ADDRESS] [--login LOGIN] [--tls] [--score N] [--json] FILE|-", "what each check would say of a message from there, or of one that a user sends; nothing is done"},
    {"check", cmd_check, "DOMAIN [--ip IP] [--selector NAME ...] [--connect] [--json]", "what a strict receiver sees of a domain, and what to publish instead"},
    {"simulate", cmd_simulate, "[--listen ADDRESS:PORT] [--profile gmail|iana] [--greet ROW]", "a server that gives any of our refusals on demand, to test what sends mail"},
    {"explain", cmd_explain, "[--json] [--why] [--summary [--csv]] [--lang L] TEXT | -f FILE ... | - | --row ID | --class NAME | --rows | --rules", "what a reply, a bounce, a log means, and what to do about it"},
};
/* clang-format on */
enum { COMMAND_N = sizeof commands / sizeof commands[0] };

static const struct command *find(const char *name)
{
    for (unsigned i = 0; i < COMMAND_N; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static void print_usage(FILE *to)
{
    (void)fputs(
        "Postern, a mail gate: receives mail, takes mail, sends it, and says why.\n\n"
        "usage: postern [-c FILE] COMMAND ...\n\n",
        to);
    for (unsigned i = 0; i < COMMAND_N; i++) {
        (void)fprintf(to, "  %-14s %s\n", commands[i].name, commands[i].help);
    }
    (void)fputs(
        "  help           this text, or the usage of one command\n"
        "  --version      which Postern this is\n\n"
        "Configuration: " DEFAULT_CONFIG ", unless -c FILE says otherwise.\n"
        "Exit status: 0 done, 1 the answer is no, 2 usage, 3 configuration, 4 system.\n",
        to);
}

static int unknown(const char *name)
{
    struct nearest near = nearest_to(slice_of(name));
    nearest_offer(&near, "help");
    for (unsigned i = 0; i < COMMAND_N; i++) {
        nearest_offer(&near, commands[i].name);
    }
    if (near.word != NULL) {
        (void)fprintf(stderr, "postern: no such command '%s'; did you mean: postern %s\n",
                      name, near.word);
    } else {
        (void)fprintf(stderr, "postern: no such command '%s'; say: postern help\n", name);
    }
    return EXIT_USAGE;
}

static int help_on(const char *name)
{
    const struct command *c = find(name);
    if (c == NULL) {
        return unknown(name);
    }
    size_t len = strlen(c->usage);
    (void)printf("usage: postern [-c FILE] %s%s%s\n       %s\n", c->name,
                 len > 0 ? " " : "", c->usage, c->help);
    if (len > 4 && strcmp(c->usage + len - 4, " ...") == 0) {
        (void)printf("       postern %s %.*s --help tells the options of one of them\n",
                     c->name, (int)strcspn(c->usage, "|"), c->usage);
    }
    return EXIT_OK;
}

/* Takes -c FILE out of argv wherever it stands before a "--". False: it has no FILE. */
static bool take_config(int *argc, char **argv, const char **path)
{
    int n = 1, i = 1;
    for (; i < *argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "-c") != 0) {
            argv[n++] = argv[i];
        } else if (i + 1 < *argc && argv[i + 1][0] != '\0') {
            *path = argv[++i];
        } else {
            return false;
        }
    }
    for (; i < *argc; i++) {
        argv[n++] = argv[i];
    }
    argv[n] = NULL;
    *argc = n;
    return true;
}

static bool is_any(const char *word, const char *a, const char *b, const char *c)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0 || strcmp(word, c) == 0;
}

int main(int argc, char **argv)
{
    struct cmd_ctx ctx = {.config_path = DEFAULT_CONFIG};
    if (!take_config(&argc, argv, &ctx.config_path)) {
        (void)fputs("postern: -c has no file; say: postern -c FILE COMMAND ...\n",
                    stderr);
        return EXIT_USAGE;
    }
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    if (is_any(argv[1], "--version", "-V", "version")) {
        (void)puts("postern " POSTERN_VERSION);
        return EXIT_OK;
    }
    if (is_any(argv[1], "help", "--help", "-h")) {
        if (argc > 2 && !is_any(argv[2], "help", "--help", "-h")) {
            return help_on(argv[2]);
        }
        print_usage(stdout);
        return EXIT_OK;
    }
    const struct command *c = find(argv[1]);
    if (c == NULL) {
        return unknown(argv[1]);
    }
    if (argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0)) {
        return help_on(argv[1]);
    }
    ctx.words = c->usage;
    int status = c->run(&ctx, argc - 1, argv + 1);
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        perror("postern: standard output");
        return EXIT_SYSTEM;
    }
    return status;
}
