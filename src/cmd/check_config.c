/* cmd/check_config.c - postern check-config: is the file good; what could stand in it. */
#include "cmd/cmd.h"
#include "config/describe.h"
#include "tls/tls.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

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

static void warn(const char *path, const char *what, const char *text)
{
    (void)fprintf(stderr, "%s: warning: %s: %s\n", path, what, text);
}

/* What works, and is seldom meant. */
static void warn_of_files(const char *path, const struct config *cfg,
                          const struct tls_server *server)
{
    char text[TLS_ERROR_MAX];
    for (unsigned i = 0; i < cfg->tls_certificate.n; i++) {
        struct stat st;
        if (tls_server_ending(server, i, text)) {
            (void)fprintf(stderr, "%s: warning: tls: %s: %s\n", path,
                          cfg->tls_certificate.item[i], text);
        }
        if (stat(cfg->tls_key.item[i], &st) == 0 && (st.st_mode & S_IRWXO) != 0) {
            (void)fprintf(stderr,
                          "%s: warning: tls: %s: every user of this machine may read or "
                          "change the key; say: chmod o= %s\n",
                          path, cfg->tls_key.item[i], cfg->tls_key.item[i]);
        }
    }
    if (!tls_server_is_for(server, cfg->hostname)) {
        (void)fprintf(
            stderr,
            "%s: warning: tls: no certificate is for hostname (%s): clients that "
            "look for that name in it turn away\n",
            path, cfg->hostname);
    }
}

/* Nobody could log in: the client must not, in clear text, or no proxy does it instead. */
static bool no_login(const struct config *cfg, const struct config_listener *l)
{
    return (l->service == SERVICE_SUBMISSION || l->service == SERVICE_PUSH) &&
           l->tls == TLS_NONE && !cfg->auth_allow_clear &&
           cfg->trust_login_networks.n == 0;
}

static void warn_of_settings(const char *path, const struct config *cfg)
{
    if (strchr(cfg->hostname, '.') == NULL) {
        warn(path, "hostname",
             "it is one word, which no other server can look up; say: hostname = "
             "mx.example.org");
    }
    for (unsigned i = 0; i < cfg->listener_n; i++) {
        if (no_login(cfg, &cfg->listener[i])) {
            warn(
                path, cfg->listener[i].name,
                "nobody can log in at this listener, with tls = none; say tls = required "
                "there, or auth { allow-clear = yes }");
        }
    }
}

/* The certificates as smtpd loads them. False: one cannot be used, said so. */
static bool try_certificates(const char *path, const struct config *cfg)
{
    char text[TLS_ERROR_MAX] = "";
    struct tls_options options = {.certificate = cfg->tls_certificate.item,
                                  .key = cfg->tls_key.item,
                                  .n = cfg->tls_certificate.n};
    bool wanted = false;
    for (unsigned i = 0; i < cfg->listener_n; i++) {
        wanted |= cfg->listener[i].tls != TLS_NONE;
    }
    if (!wanted) {
        return true;
    }
    struct tls_server *server = tls_server_new(&options, text);
    if (server == NULL) {
        (void)fprintf(stderr, "%s: tls: %s\n", path, text);
        return false;
    }
    warn_of_files(path, cfg, server);
    tls_server_free(&server);
    return true;
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
    bool ok = try_certificates(ctx->config_path, cfg);
    if (ok) {
        warn_of_settings(ctx->config_path, cfg);
        print_summary(ctx->config_path, cfg);
    }
    config_free(&cfg);
    return ok ? EXIT_OK : EXIT_CONFIG;
}
