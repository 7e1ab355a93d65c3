/* cmd/run.c - postern run: the server, in the foreground. */
#include "cmd/cmd.h"
#include "daemon/roles.h"
#include "proc/supervisor.h"

int cmd_run(struct cmd_ctx *ctx, int argc, char **argv)
{
    if (argc > 1) {
        return cmd_usage("run", argv[1], "");
    }
    struct config *config = cmd_config(ctx);
    if (config == NULL) {
        return EXIT_CONFIG;
    }
    struct supervisor_options options = {
        .ops = roles, .ops_n = roles_n, .config_path = ctx->config_path};
    return supervisor_run(&options, config);
}
