/* cmd/cmd.h - subcommands of postern. One file a subcommand, one row each in main.c.
 *
 * Exit    0 done, 1 the answer is no (refused, not found), 2 usage, 3 configuration, 4 system. */
#ifndef CMD_CMD_H
#define CMD_CMD_H
#include "config/config.h"

#include <jansson.h>

enum { EXIT_OK = 0, EXIT_NO = 1, EXIT_USAGE = 2, EXIT_CONFIG = 3, EXIT_SYSTEM = 4 };

/* argv[0] is the subcommand; -c FILE was taken off before (config_path). */
struct cmd_ctx {
    const char *config_path;
    const char *words; /* what may follow its name, as the usage says */
};

int cmd_run(struct cmd_ctx *ctx, int argc, char **argv);
int cmd_check_config(struct cmd_ctx *ctx, int argc, char **argv);
int cmd_directory(struct cmd_ctx *ctx, int argc, char **argv);  /* domain, user, alias */
int cmd_domain_key(struct cmd_ctx *ctx, int argc, char **argv); /* domain key */
int cmd_queue(struct cmd_ctx *ctx, int argc, char **argv);
int cmd_limits(struct cmd_ctx *ctx, int argc, char **argv); /* limits, reputation */
int cmd_complaint(struct cmd_ctx *ctx, int argc, char **argv);
int cmd_reputation_import(struct cmd_ctx *ctx, const char *file, const char *level);
int cmd_suppress(struct cmd_ctx *ctx, int argc, char **argv);
int cmd_tlsrpt(struct cmd_ctx *ctx, int argc, char **argv);
int cmd_why(struct cmd_ctx *ctx, int argc, char **argv);
int cmd_webhook(struct cmd_ctx *ctx, int argc, char **argv);
int cmd_events(struct cmd_ctx *ctx, int argc, char **argv);
int cmd_check(struct cmd_ctx *ctx, int argc, char **argv);
int cmd_try(struct cmd_ctx *ctx, int argc, char **argv);
int cmd_simulate(struct cmd_ctx *ctx, int argc, char **argv);
int cmd_explain(struct cmd_ctx *ctx, int argc, char **argv);

/* Loads the configuration or says on standard error what is wrong; NULL then. */
MUST_USE struct config *cmd_config(const struct cmd_ctx *ctx);

/* cmd_usage("user", "no such thing", "add|list") prints
 * "postern user: no such thing; say: postern user add|list" and returns EXIT_USAGE. */
MUST_USE int cmd_usage(const char *command, const char *wrong, const char *say);

/* As cmd_usage("user", "there is no 'ad'", "add|list"), with "did you mean" where one of the words
 * between | is near. */
MUST_USE int cmd_no_such(const char *command, const char *word, const char *say);

/* "2 h" back from now, or a day or time in UTC, as ms; false: it is neither. */
MUST_USE bool cmd_since(const char *word, uint64_t *out);
#define CMD_SINCE_SAY                                                                    \
    "--since wants \"2 h\", \"3 d\", \"2026-11-22\" or \"2026-11-22 06:15\" (UTC)"

/* One request line of JSON to a role's control socket (<state-dir>/control/NAME.sock), the
 * answer's lines to each(); -1: nobody listens there. The caller frees nothing. */
MUST_USE int cmd_ask(const struct config *cfg, const char *socket_name,
                     const char *request, void (*each)(void *arg, const char *line),
                     void *arg);

/* A request of directory/admin.h to the server, or to its database while none runs. Returns the exit
 * status; what is wrong is said on standard error. */
MUST_USE int cmd_ask_directory(const struct config *cfg, json_t *request,
                               void (*each)(void *arg, const char *line), void *arg);
/* From here on as the owner of that directory: what we make there must be the server's, and a link that
 * somebody laid there leads us nowhere that he could not go. False: said on standard error. */
MUST_USE bool cmd_become_owner(const char *dir);
/* The database itself, as its owner from here on; made where there is none. NULL: said on standard
 * error. */
struct dir_store;
MUST_USE struct dir_store *cmd_open_directory(const struct config *cfg);
#endif
