/* cmd/tlsrpt.c - postern tlsrpt: how TLS went with other servers, by day and domain; out of the files of
 * delivery/tls_count.h, so also while no server runs. */
#include "base/file.h"
#include "base/json.h"
#include "base/map.h"
#include "cmd/cmd.h"
#include "config/paths.h"
#include "delivery/tls_count.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX = 256 * 1024 * 1024, DAYS_MAX = 400, KEYS_MAX = 4 * 1000 * 1000 };

struct show {
    const char *day, *domain; /* NULL: all */
    bool json;
    char days[DAYS_MAX][TLS_COUNT_DAY_MAX];
    unsigned day_n;
    /* Of one day: "DOMAIN POLICY RESULT HOST" -> uint64_t */
    struct map counts;
    const char **key;
    size_t key_n;
};

static const char *parse(int argc, char **argv, struct show *s)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            s->json = true;
        } else if (strcmp(argv[i], "--day") == 0 && i + 1 < argc) {
            s->day = argv[++i];
        } else if (s->domain == NULL && argv[i][0] != '-') {
            s->domain = argv[i];
        } else {
            return "an unknown option, one without its value, or a second domain";
        }
    }
    return NULL;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int by_key(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void find_days(struct show *s, int dir)
{
    DIR *d = fdopendir(dup(dir));
    struct dirent *one;
    while (d != NULL && (one = readdir(d)) != NULL) {
        char day[TLS_COUNT_DAY_MAX];
        if (s->day_n < DAYS_MAX && tls_counted_day(slice_of(one->d_name), day) &&
            (s->day == NULL || strcmp(day, s->day) == 0)) {
            memcpy(s->days[s->day_n++], day, sizeof day);
        }
    }
    if (d != NULL) {
        (void)closedir(d);
    }
    qsort(s->days, s->day_n, sizeof s->days[0], by_text);
}

static void add(struct show *s, const struct tls_counted *c)
{
    char key[700];
    int n = snprintf(key, sizeof key, "%.*s %s %s %.*s", (int)c->domain.len,
                     (const char *)c->domain.ptr, tls_rpt_policy_name(c->policy),
                     tls_rpt_result_name(c->result), (int)c->host.len,
                     (const char *)c->host.ptr);
    struct slice at = {(const unsigned char *)key, n > 0 ? (size_t)n : 0};
    if (at.len >= sizeof key ||
        (s->domain != NULL && !slice_ieq(c->domain, slice_of(s->domain)))) {
        return;
    }
    uint64_t *sum = map_get(&s->counts, at);
    if (sum == NULL && (sum = calloc(1, sizeof *sum)) != NULL &&
        !map_put(&s->counts, at, sum)) {
        free(sum);
        sum = NULL;
    }
    if (sum != NULL) {
        *sum += c->n;
    }
}

static void take_key(void *arg, struct slice key, void *value)
{
    struct show *s = arg;
    char *text = NULL;
    if (asprintf(&text, "%.*s %llu", (int)key.len, (const char *)key.ptr,
                 (unsigned long long)*(uint64_t *)value) >= 0) {
        s->key[s->key_n++] = text;
    }
    free(value);
}

/* "DOMAIN POLICY RESULT HOST COUNT": none of them holds a blank, or what a terminal would not like. */
static void print_line(const struct show *s, const char *day, const char *line)
{
    static const char *const names[] = {"domain", "policy", "result", "host"};
    struct slice rest = slice_of(line);
    struct buf out;
    if (!s->json) {
        (void)printf("%s %s\n", day, line);
        return;
    }
    buf_init(&out, 4096);
    (void)buf_add_fmt(&out, "{\"day\":\"%s\"", day);
    for (unsigned i = 0; i < 4; i++) {
        size_t end = slice_find(rest, ' ');
        (void)buf_add_fmt(&out, ",\"%s\":", names[i]);
        (void)json_add_string(&out, slice_sub(rest, 0, end));
        rest = slice_from(rest, end + 1);
    }
    (void)buf_add_fmt(&out, ",\"sessions\":%.*s}", (int)rest.len, (const char *)rest.ptr);
    (void)printf("%.*s\n", (int)out.len, (const char *)out.ptr);
    buf_clear(&out);
}

static bool show_day(struct show *s, int dir, const char *day)
{
    char name[TLS_COUNT_DAY_MAX + 8];
    struct buf text;
    struct tls_counted one;
    (void)snprintf(name, sizeof name, "r-%s", day);
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    buf_init(&text, FILE_MAX);
    bool ok = fd >= 0 && file_read(fd, &text);
    if (fd >= 0) {
        (void)close(fd);
    }
    struct slice rest = buf_slice(&text);
    map_init(&s->counts, KEYS_MAX);
    while (ok && tls_counted_next(&rest, &one)) {
        add(s, &one);
    }
    s->key_n = 0;
    s->key = calloc(s->counts.n + 1, sizeof *s->key);
    ok = ok && s->key != NULL;
    if (ok) {
        map_each(&s->counts, take_key, s);
        qsort(s->key, s->key_n, sizeof s->key[0], by_key);
    }
    for (size_t i = 0; ok && i < s->key_n; i++) {
        print_line(s, day, s->key[i]);
        free((void *)(uintptr_t)s->key[i]);
    }
    free(s->key);
    map_clear(&s->counts);
    buf_clear(&text);
    return ok;
}

int cmd_tlsrpt(struct cmd_ctx *ctx, int argc, char **argv)
{
    static struct show s;
    char path[4200];
    bool ok = true;
    const char *wrong = parse(argc, argv, &s);
    if (wrong != NULL) {
        return cmd_usage("tlsrpt", wrong, ctx->words);
    }
    struct config *config = cmd_config(ctx);
    if (config == NULL) {
        return EXIT_CONFIG;
    }
    (void)snprintf(path, sizeof path, "%s/" STATE_TLS, config->state_dir);
    config_free(&config);
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 && errno != ENOENT) {
        (void)fprintf(stderr, "postern: %s: %s\n", path, strerrordesc_np(errno));
        return EXIT_SYSTEM;
    }
    if (dir >= 0) {
        find_days(&s, dir);
        for (unsigned i = 0; i < s.day_n; i++) {
            ok = show_day(&s, dir, s.days[i]) && ok;
        }
        (void)close(dir);
    }
    if (!ok) {
        (void)fprintf(stderr, "postern: %s: not all of it can be read\n", path);
    }
    return ok ? EXIT_OK : EXIT_SYSTEM;
}
