/* cmd/check_config.c - postern check-config: is the file good; what could stand in it. */
#include "cmd/cmd.h"
#include "config/describe.h"

#include <stdio.h>
#include <string.h>

static int print_described(void (*describe)(struct buf *out))
{
    struct buf text;
    buf_init(&text, DESCRIBE_MAX);
    describe(&text);
    bool ok = !text.failed;
    if (ok) {
        (void)fwrite(text.ptr, 1, text.len, stdout);
    } else {
        (void)fputs("postern check-config: memory is short\n", stderr);
    }
    buf_clear(&text);
    return ok ? EXIT_OK : EXIT_SYSTEM;
}

static void print_summary(const char *path, const struct config *cfg)
{
    (void)printf("%s: ok\n", path);
    (void)printf("  hostname %s, state-dir %s\n", cfg->hostname, cfg->state_dir);
    for (unsigned i = 0; i < cfg->listener_n; i++) {
        const struct config_listener *l = &cfg->listener[i];
        (void)printf("  listener %s: %s, tls %s, on", l->name,
                     config_service_name(l->service), config_tls_name(l->tls));
        for (unsigned a = 0; a < l->address_n; a++) {
            (void)printf("%s %s", a == 0 ? "" : ",", l->address[a]);
        }
        (void)putchar('\n');
    }
}

int cmd_check_config(struct cmd_ctx *ctx, int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--defaults") == 0) {
        return print_described(describe_defaults);
    }
    if (argc == 2 &&
        strcmp(argv[1], "--man") == 0) { /* for the build of postern.conf(5) */
        return print_described(describe_man);
    }
    if (argc > 1) {
        return cmd_usage(argv[0], "it takes nothing but --defaults",
                         "[-c FILE] [--defaults]");
    }
    struct config *cfg = cmd_config(ctx);
    if (cfg == NULL) {
        return EXIT_CONFIG;
    }
    print_summary(ctx->config_path, cfg);
    config_free(&cfg);
    return EXIT_OK;
}
