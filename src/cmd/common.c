/* cmd/common.c - what the subcommands share; see cmd.h */
#include "cmd/cmd.h"

#include "base/clock.h"
#include "base/nearest.h"
#include "config/units.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

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

int cmd_no_such(const char *command, const char *word, const char *say)
{
    char words[1024], *each = words;
    struct nearest near = nearest_to(slice_of(word));
    (void)snprintf(words, sizeof words, "%s", say);
    const char *end = words + strlen(words);
    while (each < end) {
        size_t len = strcspn(each, " |[],.");
        each[len] = '\0';
        if (each[0] == '-' || (each[0] >= 'a' && each[0] <= 'z')) {
            nearest_offer(&near, each);
        }
        each += len + 1;
    }
    (void)fprintf(stderr, "postern %s: there is no '%s'; %s%s%ssay: postern %s%s%s\n",
                  command, word, near.word == NULL ? "" : "did you mean '",
                  near.word == NULL ? "" : near.word, near.word == NULL ? "" : "'? Else ",
                  command, say[0] == '\0' ? "" : " ", say);
    return EXIT_USAGE;
}

bool cmd_since(const char *word, uint64_t *out)
{
    static const char *const forms[] = {"%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M",
                                        "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"};
    uint64_t ms = 0, now_ms = clock_wall_ms();
    if (units_time(slice_of(word), &ms) == NULL) {
        *out = ms < now_ms ? now_ms - ms : 0;
        return true;
    }
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct tm tm = {0};
        const char *end = strptime(word, forms[i], &tm);
        time_t t = end != NULL && *end == '\0' ? timegm(&tm) : -1;
        if (t >= 0) {
            *out = (uint64_t)t * 1000;
            return true;
        }
    }
    return false;
}
