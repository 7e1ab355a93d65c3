/* cmd/common.c - what the subcommands share; see cmd.h */
#include "cmd/cmd.h"

#include <stdio.h>

struct config *cmd_config(const struct cmd_ctx *ctx)
{
    char error[CONFIG_ERROR_MAX];
    struct config *cfg = NULL;
    if (!config_load(ctx->config_path, &cfg, error)) {
        (void)fprintf(stderr, "%s\n", error);
        return NULL;
    }
    return cfg;
}

int cmd_usage(const char *command, const char *wrong, const char *say)
{
    (void)fprintf(stderr, "postern %s: %s; say: postern %s%s%s\n", command, wrong,
                  command, say[0] == '\0' ? "" : " ", say);
    return EXIT_USAGE;
}
