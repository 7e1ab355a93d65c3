/* cmd/domain_key.c - postern domain key: the keys that outgoing mail is signed with (DKIM).
 *
 * Files   <state-dir>/dkim/<domain>/<selector>.pem, mode 0600; delivery/signer.h reads them at the next
 *         start or reload of the server. */
#include "base/clock.h"
#include "base/file.h"
#include "cmd/cmd.h"
#include "config/paths.h"
#include "directory/name.h"
#include "proc/state.h"
#include "senderauth/dkim_sign.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define USAGE                                                                            \
    "key generate|rotate DOMAIN [--selector NAME] [--type rsa|ed25519], key show "       \
    "DOMAIN "                                                                            \
    "[--json], key remove DOMAIN --selector NAME"

enum { RSA_BITS = 2048, PEM_MAX = 64 * 1024, PATH_ROOM = 4096 };

struct order {
    const char *verb, *selector, *type;
    bool json;
    struct dir_name domain;
    char dir[PATH_ROOM];
};

/* --- what is said --- */

/* The TXT record, in strings of at most 255 octets (RFC 6376 3.6.2.2). */
static void print_record(const struct order *o, const char *selector, struct slice record)
{
    (void)printf("%s._domainkey.%s. IN TXT (", selector, o->domain.domain);
    while (record.len > 0) {
        struct slice part = slice_sub(record, 0, 255);
        (void)printf(" \"%.*s\"", (int)part.len, (const char *)part.ptr);
        record = slice_from(record, part.len);
    }
    (void)puts(" )");
}

static int show_one(const struct order *o, const char *selector)
{
    char path[PATH_ROOM + 300];
    const char *why = NULL;
    struct buf pem;
    struct buf record;
    buf_init(&pem, PEM_MAX);
    buf_init(&record, PEM_MAX);
    (void)snprintf(path, sizeof path, "%s/%s.pem", o->dir, selector);
    struct crypto_private *key = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || !file_read(fd, &pem)) {
        why = strerror(errno);
    } else {
        key = crypto_private_new(buf_slice(&pem), &why);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    int status = EXIT_OK;
    if (key == NULL || !dkim_sign_record(key, &record)) {
        (void)fprintf(stderr, "postern domain key: %s: %s\n", path,
                      why == NULL ? "no memory" : why);
        status = EXIT_SYSTEM;
    } else if (o->json) {
        json_t *line = json_pack(
            "{s:s, s:s, s:s, s:i, s:s%}", "domain", o->domain.domain, "selector",
            selector, "type", crypto_private_kind(key) == CRYPTO_RSA ? "rsa" : "ed25519",
            "bits", (int)crypto_private_bits(key), "record", (const char *)record.ptr,
            record.len);
        char *text = line == NULL ? NULL : json_dumps(line, JSON_COMPACT);
        (void)puts(text == NULL ? "{}" : text);
        free(text);
        json_decref(line);
    } else {
        print_record(o, selector, buf_slice(&record));
    }
    crypto_private_free(&key);
    explicit_bzero(pem.ptr, pem.cap);
    buf_clear(&pem);
    buf_clear(&record);
    return status;
}

static int show(const struct order *o)
{
    DIR *dir = opendir(o->dir);
    struct dirent *e;
    unsigned n = 0;
    int status = EXIT_OK;
    while (dir != NULL && (e = readdir(dir)) != NULL) {
        size_t len = strlen(e->d_name);
        if (e->d_name[0] != '.' && len > 4 && strcmp(e->d_name + len - 4, ".pem") == 0) {
            e->d_name[len - 4] = '\0';
            int one = show_one(o, e->d_name);
            status = one == EXIT_OK ? status : one;
            n++;
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    if (n == 0) {
        (void)fprintf(
            stderr,
            "postern domain key: %s has no keys; say: postern domain key generate %s\n",
            o->domain.domain, o->domain.domain);
        return EXIT_NO;
    }
    return status;
}

/* --- what is made --- */

static bool make_dir(const struct config *cfg, const struct order *o)
{
    char parent[PATH_ROOM];
    if (access(cfg->state_dir, F_OK) != 0) { /* no server has run here yet */
        struct sandbox_user user = state_user(cfg);
        state_make(cfg, &user);
    }
    (void)snprintf(parent, sizeof parent, "%s/" STATE_DKIM, cfg->state_dir);
    if ((mkdir(parent, 0700) != 0 && errno != EEXIST) ||
        (mkdir(o->dir, 0700) != 0 && errno != EEXIST)) {
        (void)fprintf(stderr, "postern domain key: %s: %s\n", o->dir, strerror(errno));
        return false;
    }
    return true;
}

/* Written whole under another name, then renamed: the server never reads half a key. */
static bool write_key(const struct order *o, const char *selector, EVP_PKEY *key)
{
    char path[PATH_ROOM + 300];
    char temporary[PATH_ROOM + 300];
    (void)snprintf(path, sizeof path, "%s/%s.pem", o->dir, selector);
    (void)snprintf(temporary, sizeof temporary, "%s/.%s.new", o->dir, selector);
    if (access(path, F_OK) == 0) {
        (void)fprintf(
            stderr, "postern domain key: %s is there already; give another --selector\n",
            path);
        return false;
    }
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    bool ok = file != NULL &&
              PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1 &&
              fflush(file) == 0 && fsync(fd) == 0;
    int error = errno;
    if (file != NULL) {
        ok = fclose(file) == 0 && ok;
    }
    if (!ok || rename(temporary, path) != 0) {
        (void)fprintf(stderr, "postern domain key: %s: %s\n", path,
                      strerror(ok ? errno : error));
        (void)unlink(temporary);
        return false;
    }
    int dir = open(o->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ok = dir >= 0 && fsync(dir) == 0;
    if (!ok) {
        (void)fprintf(stderr, "postern domain key: %s: %s\n", o->dir, strerror(errno));
    }
    if (dir >= 0) {
        (void)close(dir);
    }
    return ok;
}

static int generate(const struct config *cfg, const struct order *o)
{
    char selector[64];
    char date[CLOCK_TEXT_MAX];
    bool rsa = strcmp(o->type, "rsa") == 0;
    (void)clock_text(clock_wall_ms(), date);
    (void)snprintf(selector, sizeof selector, "%s%.4s%.2s%.2s", rsa ? "r" : "e", date,
                   date + 5, date + 8);
    const char *name = o->selector == NULL ? selector : o->selector;
    EVP_PKEY *key =
        rsa ? EVP_RSA_gen(RSA_BITS) : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    int status = EXIT_SYSTEM;
    if (key == NULL) {
        (void)fputs("postern domain key: no key can be made: no memory\n", stderr);
    } else if (make_dir(cfg, o) && write_key(o, name, key)) {
        status = show_one(o, name);
        (void)fputs("Publish this record, wait until it can be seen, then reload the "
                    "server (SIGHUP): from then on "
                    "mail is signed.\n",
                    stderr);
    }
    EVP_PKEY_free(key);
    return status;
}

static int rotate(const struct config *cfg, const struct order *o)
{
    int status = generate(cfg, o);
    if (status == EXIT_OK) {
        (void)fputs(
            "Until then all keys sign. Then: postern domain key remove DOMAIN --selector "
            "OLD, and reload. "
            "Leave the old record published for a week: mail under way needs it.\n",
            stderr);
    }
    return status;
}

static int remove_key(const struct order *o)
{
    char path[PATH_ROOM + 300];
    if (o->selector == NULL) {
        return cmd_usage("domain", "which key?", USAGE);
    }
    (void)snprintf(path, sizeof path, "%s/%s.pem", o->dir, o->selector);
    if (unlink(path) != 0) {
        (void)fprintf(stderr, "postern domain key: %s: %s\n", path, strerror(errno));
        return errno == ENOENT ? EXIT_NO : EXIT_SYSTEM;
    }
    return EXIT_OK;
}

/* --- arguments --- */

/* A label or several: nothing that leads out of the directory. */
static bool is_selector(const char *text)
{
    struct dir_name name;
    char as_domain[300];
    int n = snprintf(as_domain, sizeof as_domain, "%s.x", text);
    return n > 0 && (size_t)n < sizeof as_domain &&
           dir_name_domain(as_domain, &name) == NULL;
}

static int read_order(int argc, char **argv, struct order *o)
{
    const char *domain = NULL;
    for (int i = 3; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            o->json = true;
        } else if (strcmp(argv[i], "--selector") == 0 && i + 1 < argc) {
            o->selector = argv[++i];
        } else if (strcmp(argv[i], "--type") == 0 && i + 1 < argc) {
            o->type = argv[++i];
        } else if (argv[i][0] != '-' && domain == NULL) {
            domain = argv[i];
        } else {
            return cmd_usage("domain", "the arguments of key are not understood", USAGE);
        }
    }
    if (domain == NULL) {
        return cmd_usage("domain", "key of which domain?", USAGE);
    }
    const char *wrong = dir_name_domain(domain, &o->domain);
    if (wrong != NULL) {
        (void)fprintf(stderr, "postern domain key: '%s': %s\n", domain, wrong);
        return EXIT_USAGE;
    }
    if (o->selector != NULL && !is_selector(o->selector)) {
        return cmd_usage("domain", "a selector is letters, digits and hyphens", USAGE);
    }
    if (strcmp(o->type, "rsa") != 0 && strcmp(o->type, "ed25519") != 0) {
        return cmd_usage("domain", "--type is rsa or ed25519", USAGE);
    }
    return EXIT_OK;
}

int cmd_domain_key(struct cmd_ctx *ctx, int argc, char **argv)
{
    struct order o = {.verb = argc > 2 ? argv[2] : "", .type = "rsa"};
    static const char *const verbs[] = {"generate", "rotate", "show", "remove"};
    unsigned verb = 0;
    while (verb < 4 && strcmp(o.verb, verbs[verb]) != 0) {
        verb++;
    }
    if (argc > 2 && strcmp(argv[argc - 1], "--help") == 0) {
        (void)puts("usage: postern domain " USAGE);
        return EXIT_OK;
    }
    if (verb == 4) {
        return argc < 3
                   ? cmd_usage("domain", "key what?", USAGE)
                   : cmd_no_such("domain key", o.verb, "generate|rotate|show|remove");
    }
    int status = read_order(argc, argv, &o);
    if (status != EXIT_OK) {
        return status;
    }
    struct config *cfg = cmd_config(ctx);
    if (cfg == NULL) {
        return EXIT_CONFIG;
    }
    (void)snprintf(o.dir, sizeof o.dir, "%s/" STATE_DKIM "/%s", cfg->state_dir,
                   o.domain.domain);
    status = verb == 0   ? generate(cfg, &o)
             : verb == 1 ? rotate(cfg, &o)
             : verb == 2 ? show(&o)
                         : remove_key(&o);
    config_free(&cfg);
    return status;
}
