/* cmd/directory.c - postern domain|user|alias|relay|push|rule|trap add|set|list|show|remove: arguments to a request
 * (directory/admin.h), to the running server or, while none runs, to its database; answers to
 * words or JSON. */
#include "base/base64.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/nearest.h"
#include "cmd/cmd.h"
#include "cmd/user_words.h"
#include "config/paths.h"
#include "directory/account.h"
#include "directory/admin.h"
#include "directory/password.h"
#include "proc/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

enum { USAGE_MAX = 8192 };

#define EVERYWHERE UINT64_MAX
#define PASSWORDS                                                                        \
    (DIR_AT(DIR_OBJECT_USER, DIR_ADD) | DIR_AT(DIR_OBJECT_USER, DIR_SET) |               \
     DIR_AT(DIR_OBJECT_PUSH, DIR_ADD) | DIR_AT(DIR_OBJECT_PUSH, DIR_SET))
/* Those with several operands. */
#define ALIASED                                                                          \
    (DIR_AT(DIR_OBJECT_ALIAS, DIR_ADD) | DIR_AT(DIR_OBJECT_ALIAS, DIR_SET) |             \
     DIR_AT(DIR_OBJECT_RULE, DIR_ADD))

/* Options that stay here. */
enum own {
    OWN_JSON = 0,
    OWN_PASSWORD_STDIN,
    OWN_PASSWORD,
    OWN_GENERATE,
    OWN_APPS,
    OWN_COUNT
};
/* clang-format off */
static const struct dir_admin_option own_options[OWN_COUNT] = {
    [OWN_JSON] = {"json", NULL, EVERYWHERE,
                  "answer in JSON, one object a line"},
    [OWN_PASSWORD_STDIN] = {"password-stdin", NULL, PASSWORDS, "the password is the first line of standard input"},
    [OWN_PASSWORD] = {"password", NULL, PASSWORDS, "ask for the password at the terminal"},
    [OWN_APPS] = {"app-passwords", NULL, DIR_AT(DIR_OBJECT_USER, DIR_SHOW), "only its application passwords"},
    [OWN_GENERATE] = {"generate", NULL, PASSWORDS, "make a password and print it, this once"},
};
/* clang-format on */

/* What the arguments say. */
struct order {
    enum dir_object object;
    enum dir_action action;
    uint64_t where; /* DIR_AT() of the two */
    bool own[OWN_COUNT];
    json_t *request;
    bool asks_salt; /* this order is the question below, its answer goes into salt */
    char
        salt[BASE64_LEN(SASL_SALT_MAX) + 1]; /* of the keys that the user has; "": none */
    char password[DIR_PASSWORD_MAX];         /* cleared before we leave */
};

/* ---- usage ---- */

static const char *operands(const struct order *o)
{
    static const char *const all[DIR_OBJECT_COUNT][DIR_ACTION_COUNT] = {
        {"DOMAIN", "DOMAIN", "", "DOMAIN", "DOMAIN"},
        {"ADDRESS", "ADDRESS", "[DOMAIN]", "ADDRESS", "ADDRESS"},
        {"ADDRESS TARGET...", "ADDRESS TARGET...", "[DOMAIN]", "ADDRESS", "ADDRESS"},
        {"CUSTOMER", "CUSTOMER", "", "CUSTOMER", "CUSTOMER", "CUSTOMER", "CUSTOMER"},
        {"ADDRESS", "ADDRESS", "", "ADDRESS", "ADDRESS"},
        {"'CONDITIONS' ACTION [TEXT]", "", "[DOMAIN]", "", "", "", "", ""},
        {"ADDRESS", "", "[DOMAIN]", "", "ADDRESS", "", "", ""},
    };
    return all[o->object][o->action];
}

static void add_option(struct buf *out, const struct dir_admin_option *option,
                       const struct order *o)
{
    if ((option->where & o->where) != 0) {
        size_t len = strlen(option->name);
        int width = len < 24 ? (int)(24 - len) : 0;
        (void)buf_add_fmt(out, "  --%s %-*s %s\n", option->name, width,
                          option->value == NULL ? "" : option->value, option->help);
    }
}

static void print_usage(const struct order *o, FILE *to)
{
    struct buf out;
    buf_init(&out, USAGE_MAX);
    (void)buf_add_fmt(&out, "usage: postern %s %s %s [options]\n", dir_objects[o->object],
                      dir_actions[o->action], operands(o));
    for (size_t i = 0; i < dir_admin_option_n; i++) {
        add_option(&out, &dir_admin_options[i], o);
    }
    for (size_t i = 0; i < OWN_COUNT; i++) {
        add_option(&out, &own_options[i], o);
    }
    (void)fwrite(out.ptr, 1, out.len, to);
    buf_clear(&out);
}

/* ---- arguments ---- */

static const struct dir_admin_option *find_in(const struct dir_admin_option *options,
                                              size_t n, const struct order *o,
                                              struct slice name, struct nearest *near)
{
    for (size_t i = 0; i < n; i++) {
        if ((options[i].where & o->where) == 0) {
            continue;
        }
        if (slice_eq(slice_of(options[i].name), name)) {
            return &options[i];
        }
        nearest_offer(near, options[i].name);
    }
    return NULL;
}

/* "--name", "--name=value" or "--name value"; *i moves past the value. */
static bool take_option(struct order *o, int argc, char **argv, int *i)
{
    struct slice arg = slice_of(argv[*i] + 2);
    size_t equals = slice_find(arg, '=');
    struct slice name = slice_sub(arg, 0, equals);
    struct nearest near = nearest_to(name);
    const char *value = equals < arg.len ? argv[*i] + 2 + equals + 1 : NULL;
    const struct dir_admin_option *option =
        find_in(own_options, OWN_COUNT, o, name, &near);
    bool own = option != NULL;
    if (!own) {
        option = find_in(dir_admin_options, dir_admin_option_n, o, name, &near);
    }
    if (option == NULL) {
        (void)fprintf(stderr, "postern %s %s: there is no option %s",
                      dir_objects[o->object], dir_actions[o->action], argv[*i]);
        (void)fprintf(stderr, near.word == NULL ? "%s\n" : "; did you mean --%s?\n",
                      near.word == NULL ? "" : near.word);
        print_usage(o, stderr);
        return false;
    }
    if (option->value != NULL && value == NULL && *i + 1 < argc) {
        value = argv[++*i];
    }
    if ((option->value != NULL) != (value != NULL)) {
        (void)fprintf(stderr, "postern: --%s %s%s\n", option->name,
                      option->value == NULL ? "takes no value" : "needs a value: ",
                      option->value == NULL ? "" : option->value);
        return false;
    }
    if (own) {
        o->own[option - own_options] = true;
        return true;
    }
    const char *before =
        (option->where & DIR_MANY) != 0
            ? json_string_value(json_object_get(o->request, option->name))
            : NULL;
    json_t *json = value == NULL    ? json_true()
                   : before == NULL ? json_string(value)
                                    : json_sprintf("%s,%s", before, value);
    if (json == NULL) {
        (void)fprintf(stderr, "postern: the value of --%s is not UTF-8\n", option->name);
    }
    return json != NULL && json_object_set_new(o->request, option->name, json) == 0;
}

static bool take_operand(struct order *o, const char *text)
{
    json_t *targets = json_object_get(o->request, "targets");
    json_t *value = json_string(text);
    if (value == NULL) {
        (void)fprintf(stderr, "postern: '%s' is not UTF-8\n", text);
        return false;
    }
    if (json_object_get(o->request, "subject") == NULL && operands(o)[0] != '\0') {
        return json_object_set_new(o->request, "subject", value) == 0;
    }
    if (targets == NULL) {
        (void)fprintf(stderr, "postern %s %s: '%s' is one too many\n",
                      dir_objects[o->object], dir_actions[o->action], text);
        print_usage(o, stderr);
        json_decref(value);
        return false;
    }
    return json_array_append_new(targets, value) == 0;
}

static int word(const char *const *words, int n, const char *text)
{
    for (int i = 0; i < n; i++) {
        if (strcmp(words[i], text) == 0) {
            return i;
        }
    }
    return -1;
}

/* EXIT_OK, or the status to leave with; *done: leave anyway. */
static int read_arguments(struct order *o, const char *usage_words, int argc, char **argv,
                          bool *done)
{
    char *words[USER_WORDS_MAX];
    const char *usage = NULL;
    int n = strcmp(argv[0], dir_objects[DIR_OBJECT_USER]) == 0
                ? user_words(argc, argv, words, &usage)
                : 0;
    if (n != 0 && (n < 0 || strcmp(argv[argc - 1], "--help") == 0)) {
        (void)fprintf(n < 0 ? stderr : stdout, "usage: postern user %s\n", usage);
        *done = true;
        return n < 0 ? EXIT_USAGE : EXIT_OK;
    }
    argc = n > 0 ? n : argc;
    argv = n > 0 ? words : argv;
    int object = word(dir_objects, DIR_OBJECT_COUNT, argv[0]);
    int action = argc < 2 ? -1 : word(dir_actions, DIR_ACTION_COUNT, argv[1]);
    bool options = true;
    *done = false;
    if (object < 0 || action < 0 ||
        !dir_admin_knows((enum dir_object)object, (enum dir_action)action)) {
        return argc < 2 ? cmd_usage(argv[0], "do what?", usage_words)
                        : cmd_no_such(argv[0], argv[1], usage_words);
    }
    o->object = (enum dir_object)object;
    o->action = (enum dir_action)action;
    o->where = DIR_AT((unsigned)object, (unsigned)action);
    o->request = json_pack("{s:s,s:s}", "object", dir_objects[object], "action",
                           dir_actions[action]);
    if (o->request == NULL ||
        ((o->where & ALIASED) != 0 &&
         json_object_set_new(o->request, "targets", json_array()) != 0)) {
        return EXIT_SYSTEM;
    }
    for (int i = 2; i < argc; i++) {
        if (options && strcmp(argv[i], "--help") == 0) {
            print_usage(o, stdout);
            *done = true;
            return EXIT_OK;
        }
        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
        } else if (options && strncmp(argv[i], "--", 2) == 0) {
            if (!take_option(o, argc, argv, &i)) {
                return EXIT_USAGE;
            }
        } else if (!take_operand(o, argv[i])) {
            return EXIT_USAGE;
        }
    }
    if (json_object_get(o->request, "subject") == NULL && operands(o)[0] != '\0' &&
        operands(o)[0] != '[') {
        print_usage(o, stderr);
        return EXIT_USAGE;
    }
    return EXIT_OK;
}

/* ---- passwords ---- */

/* One line into out, without its end; at most cap - 1 octets, a NUL ends it early. */
static bool read_line(int fd, char *out, size_t cap)
{
    size_t len = 0;
    char c = 0;
    ssize_t n = 0;
    while (len < cap && (n = read(fd, &c, 1)) == 1 && c != '\n' && c != '\003') {
        out[len++] = c;
    }
    bool ok = len < cap && n >= 0 && c != '\003';
    len = ok && len > 0 && out[len - 1] == '\r' ? len - 1 : len;
    out[len < cap ? len : cap - 1] = '\0';
    return ok;
}

static bool ask_terminal(const char *prompt, char *out, size_t cap)
{
    struct termios was, quiet;
    int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (tty < 0 || tcgetattr(tty, &was) != 0) {
        (void)fputs("postern: there is no terminal to ask for a password; say: "
                    "--password-stdin or --generate\n",
                    stderr);
        if (tty >= 0) {
            (void)close(tty);
        }
        return false;
    }
    quiet = was;
    quiet.c_lflag &=
        ~(tcflag_t)(ECHO | ISIG); /* ^C comes as an octet: echo is put back */
    bool ok = tcsetattr(tty, TCSAFLUSH, &quiet) == 0 &&
              dprintf(tty, "%s: ", prompt) > 0 && read_line(tty, out, cap);
    (void)tcsetattr(tty, TCSAFLUSH, &was);
    (void)dprintf(tty, "\n");
    (void)close(tty);
    return ok;
}

static bool get_password(struct order *o)
{
    char again[DIR_PASSWORD_MAX];
    if (o->own[OWN_GENERATE]) {
        _Static_assert(DIR_PASSWORD_MAX > DIR_PASSWORD_GENERATED, "it must fit");
        dir_password_generate(o->password);
        return true;
    }
    if (o->own[OWN_PASSWORD_STDIN]) {
        if (!read_line(STDIN_FILENO, o->password, sizeof o->password)) {
            (void)fputs("postern: standard input has no password of at most 511 octets\n",
                        stderr);
            return false;
        }
        return true;
    }
    bool same = false;
    if (ask_terminal("password", o->password, sizeof o->password) &&
        ask_terminal("once more", again, sizeof again)) {
        same = strcmp(o->password, again) == 0;
        if (!same) {
            (void)fputs("postern: these were two passwords; nothing was changed\n",
                        stderr);
        }
    }
    explicit_bzero(again, sizeof again);
    return same;
}

static void on_line(void *arg, const char *text);

static int put(struct order *o, const struct config *cfg)
{
    return cmd_ask_directory(cfg, o->request, on_line, o);
}

/* Several passwords of a user share one salt (directory/account.h). */
static int get_salt(struct order *o, struct config *cfg, struct sasl_keys *keys)
{
    struct order ask = {.asks_salt = true, .object = DIR_OBJECT_USER, .action = DIR_SHOW};
    keys->iterations = DIR_SCRAM_ITERATIONS;
    keys->salt_len = DIR_SCRAM_SALT_LEN;
    if (getrandom(keys->salt, keys->salt_len, 0) != (ssize_t)keys->salt_len) {
        return EXIT_SYSTEM;
    }
    if (o->action == DIR_ADD) {
        return EXIT_OK;
    }
    ask.request =
        json_pack("{s:s,s:s,s:O,s:b}", "object", "user", "action", "show", "subject",
                  json_object_get(o->request, "subject"), "salt", true);
    int status = ask.request == NULL ? EXIT_SYSTEM : put(&ask, cfg);
    json_decref(ask.request);
    size_t len = 0;
    unsigned char salt[SASL_SALT_MAX];
    if (status == EXIT_OK && base64_decode(slice_of(ask.salt), salt, sizeof salt, &len) &&
        len > 0) {
        memcpy(keys->salt, salt, len);
        keys->salt_len = len;
    }
    return status;
}

static int add_keys(struct order *o, struct config *cfg)
{
    struct sasl_keys keys = {0};
    char text[DIR_SCRAM_TEXT_MAX];
    int status = get_salt(o, cfg, &keys);
    if (status != EXIT_OK) {
        return status;
    }
    bool ok = sasl_keys_derive(slice_of(o->password), &keys) &&
              dir_scram_write(&keys, text) &&
              json_object_set_new(o->request, "scram-keys", json_string(text)) == 0;
    explicit_bzero(&keys, sizeof keys);
    explicit_bzero(text, sizeof text);
    return ok ? EXIT_OK : EXIT_SYSTEM;
}

/* Only the hash leaves this process. */
static int add_password(struct order *o, struct config *cfg)
{
    char hash[DIR_HASH_MAX];
    int ways = o->own[OWN_GENERATE] + o->own[OWN_PASSWORD_STDIN] + o->own[OWN_PASSWORD] +
               (json_object_get(o->request, "password-hash") != NULL);
    if (ways > 1) {
        (void)fputs("postern: a password is given in one way, not in several\n", stderr);
        return EXIT_USAGE;
    }
    if (ways == 0 || json_object_get(o->request, "password-hash") != NULL) {
        return EXIT_OK;
    }
    if (!get_password(o)) {
        return EXIT_NO;
    }
    if (!dir_password_prepare(o->password, true)) {
        (void)fputs(
            o->password[0] == '\0'
                ? "postern: an empty password is none\n"
                : "postern: a password is text in UTF-8, without control characters and "
                  "without characters that SASLprep (RFC 4013) does not know\n",
            stderr);
        return EXIT_NO;
    }
    if (!dir_password_hash(o->password, hash)) {
        (void)fputs("postern: the password cannot be hashed\n", stderr);
        return EXIT_SYSTEM;
    }
    if (json_object_set_new(o->request, "password-hash", json_string(hash)) != 0) {
        return EXIT_SYSTEM;
    }
    return o->object == DIR_OBJECT_USER ? add_keys(o, cfg) : EXIT_OK;
}

/* ---- answers ---- */

/* "12.5 MiB": rounded down. */
static void print_size(FILE *to, json_int_t octets)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    json_int_t whole = octets, tenth = 0;
    int unit = -1;
    while (whole >= 1024 && unit < 3) {
        tenth = whole % 1024 * 10 / 1024;
        whole /= 1024;
        unit++;
    }
    if (unit < 0) {
        (void)fprintf(to, "%lld", (long long)whole);
    } else {
        (void)fprintf(to, "%lld.%lld %s", (long long)whole, (long long)tenth,
                      units[unit]);
    }
}

static void print_app(const json_t *app)
{
    const char *used = json_string_value(json_object_get(app, "last_use"));
    (void)printf(
        "%s  made %s  last use %s", json_string_value(json_object_get(app, "name")),
        json_string_value(json_object_get(app, "created")), used == NULL ? "-" : used);
}

/* What 0 means no limit in. */
static bool is_limit(const char *name)
{
    static const char *const limits[] = {
        "daily-messages", "daily-recipients", "recipients",
        "day-limit",      "user-day-limit",   "peak-limit",
        "quota-monthly",  "quota-daily",      "prepaid"};
    for (unsigned i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        if (strcmp(name, limits[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* "ann@example.test 3, bob@example.test 1" */
static void print_counts(const json_t *counts)
{
    const char *between = "", *name = NULL;
    json_t *count = NULL;
    json_object_foreach((json_t *)(uintptr_t)counts, name, count)
    {
        (void)printf("%s%s %lld", between, name, (long long)json_integer_value(count));
        between = ", ";
    }
}

static void print_value(const char *name, const json_t *value)
{
    size_t i = 0;
    const json_t *item = NULL;
    bool limit = strcmp(name, "quota") == 0 || strcmp(name, "data") == 0;
    bool size = limit || strcmp(name, "used") == 0;
    if (size && json_integer_value(value) == 0) {
        (void)fputs(!limit ? "0" : name[0] == 'q' ? "no quota" : "no limit", stdout);
    } else if (size) {
        print_size(stdout, json_integer_value(value));
    } else if (json_is_integer(value) && json_integer_value(value) == 0 &&
               is_limit(name)) {
        (void)fputs("no limit", stdout);
    } else if (json_is_integer(value)) {
        (void)printf("%lld", (long long)json_integer_value(value));
    } else if (json_is_string(value)) {
        (void)fputs(json_string_value(value), stdout);
    } else if (json_is_array(value)) {
        json_array_foreach(value, i, item)
        {
            (void)fputs(i == 0 ? "" : ", ", stdout);
            if (json_is_object(item)) {
                print_app(item);
            } else {
                (void)fputs(json_string_value(item), stdout);
            }
        }
    } else if (json_is_object(value)) {
        print_counts(value);
    } else {
        (void)fputs(json_is_true(value)    ? "yes"
                    : json_is_false(value) ? "no"
                                           : "-",
                    stdout);
    }
}

/* A list's line: members in their order, with a word in front where the value alone would not
 * say what it is. */
struct column {
    const char *name, *label;
};
static const struct column columns[DIR_OBJECT_COUNT][7] = {
    {{"domain", ""},
     {"users", "users "},
     {"aliases", "aliases "},
     {"catch-all", "catch-all "}},
    {{"address", ""},
     {"state", ""},
     {"quota", ""},
     {"last_use", "last use "},
     {"name", ""}},
    {{"address", ""}, {"targets", "to "}},
    {{"relay", ""},
     {"state", ""},
     {"networks", "networks "},
     {"domains", "domains "},
     {"by_domain", "by domain "}},
    {{"address", ""}, {"state", ""}, {"recipients", "recipients "}, {"data", "data "}},
    {{"domain", ""},
     {"direction", ""},
     {"position", ""},
     {"name", ""},
     {"conditions", "when "},
     {"action", "then "}},
    {{"address", ""}},
};

static void print_entry(const struct order *o, json_t *line)
{
    const char *name = NULL;
    json_t *value = NULL;
    if (o->action == DIR_SHOW) {
        json_object_foreach(line, name, value)
        {
            (void)printf("%-22s ", name);
            print_value(name, value);
            (void)putchar('\n');
        }
        return;
    }
    for (const struct column *c = columns[o->object]; c->name != NULL; c++) {
        value = json_object_get(line, c->name);
        if (value != NULL && !(json_is_string(value) && json_string_length(value) == 0) &&
            !(json_is_array(value) && json_array_size(value) == 0)) {
            (void)printf("%s%s", c == columns[o->object] ? "" : "  ", c->label);
            print_value(c->name, value);
        }
    }
    (void)putchar('\n');
}

/* "phone  made 2026-01-31T12:00:00Z  last use -" */
static void print_apps(const struct order *o, const char *text)
{
    json_t *line = json_loads(text, 0, NULL);
    size_t i = 0;
    json_t *app = NULL;
    json_array_foreach(json_object_get(line, "app_passwords"), i, app)
    {
        char *json = json_dumps(app, JSON_COMPACT);
        if (o->own[OWN_JSON]) {
            (void)puts(json == NULL ? "" : json);
        } else {
            print_app(app);
            (void)putchar('\n');
        }
        free(json);
    }
    json_decref(line);
}

static void on_line(void *arg, const char *text)
{
    struct order *o = arg;
    if (o->asks_salt) {
        json_t *answer = json_loads(text, 0, NULL);
        const char *salt = json_string_value(json_object_get(answer, "salt"));
        if (!slice_cstr(slice_of(salt == NULL ? "" : salt), o->salt, sizeof o->salt)) {
            o->salt[0] = '\0';
        }
        json_decref(answer);
        return;
    }
    if (o->own[OWN_APPS]) {
        print_apps(o, text);
        return;
    }
    if (o->own[OWN_JSON]) {
        (void)puts(text);
        return;
    }
    json_t *line = json_loads(text, 0, NULL);
    const char *did = json_string_value(json_object_get(line, "did"));
    if (did != NULL) {
        (void)printf("%s %s %s\n", json_string_value(json_object_get(line, "object")),
                     json_string_value(json_object_get(line, "subject")), did);
    } else if (line != NULL) {
        print_entry(o, line);
    }
    json_decref(line);
}

static void print_password(const struct order *o)
{
    const char *subject = json_string_value(json_object_get(o->request, "subject"));
    if (o->own[OWN_GENERATE] && o->own[OWN_JSON]) {
        (void)printf("{\"subject\":\"%s\",\"password\":\"%s\"}\n", subject, o->password);
    } else if (o->own[OWN_GENERATE]) {
        (void)printf("password %s\n", o->password);
    } else if (o->object == DIR_OBJECT_PUSH && o->action == DIR_ADD &&
               !o->own[OWN_JSON] &&
               json_object_get(o->request, "password-hash") == NULL) {
        (void)printf(
            "It has no password: nobody can log in to it. For one, say: postern push "
            "set %s --generate\n",
            subject);
    } else if (o->object == DIR_OBJECT_USER && o->action == DIR_ADD &&
               !o->own[OWN_JSON] &&
               json_object_get(o->request, "password-hash") == NULL) {
        (void)printf("It has no password: it gets mail, but cannot log in. For one, say: "
                     "postern user set %s --generate\n",
                     subject);
    }
}

int cmd_directory(struct cmd_ctx *ctx, int argc, char **argv)
{
    struct order o = {.request = NULL};
    struct config *cfg = NULL;
    bool done = false;
    if (argc > 1 && strcmp(argv[0], "domain") == 0 && strcmp(argv[1], "key") == 0) {
        return cmd_domain_key(ctx, argc, argv);
    }
    int status = read_arguments(&o, ctx->words, argc, argv, &done);
    if (status != EXIT_OK || done) {
        goto out;
    }
    cfg = cmd_config(ctx);
    status = cfg == NULL ? EXIT_CONFIG : add_password(&o, cfg);
    if (status == EXIT_OK) {
        status = put(&o, cfg);
    }
    if (status == EXIT_OK) {
        print_password(&o);
    }
out:
    explicit_bzero(o.password, sizeof o.password);
    json_decref(o.request);
    config_free(&cfg);
    return status;
}
