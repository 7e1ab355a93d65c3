/* config/config.c - see config.h: the file's events into a struct config, then the checks
 * that need more than one setting. */
#include "config/config.h"

#include "base/nearest.h"
#include "config/address.h"
#include "config/parse.h"
#include "config/setting.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FILE_MAX_LEN = 1024 * 1024,
    LISTENER_NAME_MAX = 64,
    VALUE_SHOWN = 80,
    PATH_SHOWN = 200
};

enum { LISTENER_ADDRESS = 0, LISTENER_SERVICE, LISTENER_TLS, LISTENER_SETTINGS };

static const struct {
    const char *name, *form;
} listener_settings[] = {
#define X(name, form, help) {name, form},
    CONFIG_LISTENER_SETTINGS(X)
#undef X
};
_Static_assert(sizeof listener_settings / sizeof listener_settings[0] ==
                   LISTENER_SETTINGS,
               "one enum constant a row");

static const char *const service_names[] = {"mx", "submission", "relay", "push"};
static const char *const tls_names[] = {"none", "starttls", "required", "implicit"};

const char *config_service_name(enum config_service service)
{
    return service_names[service];
}

const char *config_tls_name(enum config_tls tls)
{
    return tls_names[tls];
}

/* One config_load(). Lines: where something was set; 0: nowhere. */
struct load {
    const char *path;
    struct config *cfg;
    struct buf error;
    bool failed; /* error says why */
    unsigned line[SETTING_N], last_line;
    unsigned listener_line[CONFIG_LISTENERS_MAX];
    struct {
        unsigned line[LISTENER_SETTINGS];
    } listener[CONFIG_LISTENERS_MAX];
    const struct setting *list; /* the list that is being read */
};

/* Starts the message (the first one is the one that counts); line 0: of the whole file.
 */
static struct buf *complain(struct load *l, unsigned line)
{
    l->failed = true;
    buf_reset(&l->error);
    buf_add(&l->error, slice_sub(slice_of(l->path), 0, PATH_SHOWN));
    if (line > 0) {
        buf_add_fmt(&l->error, ":%u", line);
    }
    buf_add_str(&l->error, ": ");
    return &l->error;
}

static void add_value(struct buf *out, struct slice text)
{
    buf_add_str(out, "\"");
    buf_add_escaped(out, slice_sub(text, 0, VALUE_SHOWN));
    buf_add_str(out, text.len > VALUE_SHOWN ? "...\"" : "\"");
}

/* `NAME is "VALUE": WRONG; expected` - the caller says what. */
static struct buf *complain_value(struct load *l, unsigned line, const char *name,
                                  struct slice text, const char *wrong)
{
    struct buf *e = complain(l, line);
    buf_add_fmt(e, "%s is ", name);
    add_value(e, text);
    buf_add_fmt(e, ": %s; expected ", wrong);
    return e;
}

static void complain_setting(struct load *l, unsigned line, const struct setting *s,
                             struct slice text, const char *wrong)
{
    char name[64] = "";
    struct buf path;
    buf_init(&path, sizeof name);
    setting_path(s, &path);
    if (slice_cstr(buf_slice(&path), name, sizeof name)) {
        setting_expected(s, complain_value(l, line, name, text, wrong));
    }
    buf_clear(&path);
}

static bool is_listener(struct slice section)
{
    return slice_eq(section, SLICE("listener"));
}

/* Unknown settings ------------------------------------------------------------------- */

/* The sections that a setting of that name belongs in: it may only be in the wrong place.
 */
static bool suggest_section(struct buf *e, struct slice section, struct slice name)
{
    for (unsigned i = 0; i < SETTING_N; i++) {
        if (slice_eq(slice_of(settings[i].name), name)) {
            buf_add_fmt(
                e, "; expected it %s%s%s", settings[i].section[0] != '\0' ? "in " : "",
                settings[i].section[0] != '\0' ? settings[i].section : "outside of ",
                settings[i].section[0] != '\0' ? " { ... }" : "any section");
            return true;
        }
    }
    for (unsigned i = 0; i < LISTENER_SETTINGS && !is_listener(section); i++) {
        if (slice_eq(slice_of(listener_settings[i].name), name)) {
            buf_add_str(e, "; expected it in listener \"NAME\" { ... }");
            return true;
        }
    }
    return false;
}

static void complain_unknown_setting(struct load *l, unsigned line, struct slice section,
                                     struct slice name)
{
    struct nearest near = nearest_to(name);
    struct buf *e = complain(l, line);
    buf_add_str(e, "unknown setting ");
    add_value(e, name);
    if (section.len > 0) {
        buf_add_str(e, " in section ");
        buf_add(e, section);
    }
    if (section.len == 0 && setting_is_section(name)) {
        buf_add_str(e, "; it is a section: expected ");
        buf_add(e, name);
        buf_add_str(e, " { ... }");
        return;
    }
    if (suggest_section(e, section, name)) {
        return;
    }
    for (unsigned i = 0; i < SETTING_N; i++) {
        if (slice_eq(slice_of(settings[i].section), section)) {
            nearest_offer(&near, settings[i].name);
        }
    }
    for (unsigned i = 0; i < LISTENER_SETTINGS && is_listener(section); i++) {
        nearest_offer(&near, listener_settings[i].name);
    }
    if (near.word != NULL) {
        buf_add_fmt(e, "; did you mean \"%s\"?", near.word);
        return;
    }
    buf_add_str(e, "; expected one of");
    for (unsigned i = 0; i < SETTING_N; i++) {
        if (slice_eq(slice_of(settings[i].section), section)) {
            buf_add_fmt(e, " %s", settings[i].name);
        }
    }
    for (unsigned i = 0; i < LISTENER_SETTINGS && is_listener(section); i++) {
        buf_add_fmt(e, " %s", listener_settings[i].name);
    }
}

static void complain_unknown_section(struct load *l, const struct parse_event *ev)
{
    struct nearest near = nearest_to(ev->name);
    struct buf *e = complain(l, ev->line);
    buf_add_str(e, "unknown section ");
    add_value(e, ev->name);
    nearest_offer(&near, "listener");
    for (unsigned i = 0; i < SETTING_N; i++) {
        nearest_offer(&near, settings[i].section);
    }
    if (near.word != NULL && near.word[0] != '\0') {
        buf_add_fmt(e, "; did you mean \"%s\"?", near.word);
        return;
    }
    buf_add_str(e, "; expected one of listener");
    for (unsigned i = 1; i < SETTING_N; i++) {
        if (strcmp(settings[i].section, settings[i - 1].section) != 0) {
            buf_add_fmt(e, " %s", settings[i].section);
        }
    }
}

/* Listeners -------------------------------------------------------------------------- */

static void start_listener(struct load *l, const struct parse_event *ev)
{
    struct config *cfg = l->cfg;
    if (ev->text.len == 0 || ev->text.len > LISTENER_NAME_MAX) {
        buf_add_fmt(complain(l, ev->line),
                    "listener without a name of 1 to %d characters; expected "
                    "listener \"NAME\" { ... }",
                    LISTENER_NAME_MAX);
        return;
    }
    for (unsigned i = 0; i < cfg->listener_n; i++) {
        if (slice_eq(slice_of(cfg->listener[i].name), ev->text)) {
            struct buf *e = complain(l, ev->line);
            buf_add_str(e, "listener ");
            add_value(e, ev->text);
            buf_add_fmt(e, " stands in line %u already; expected another name",
                        l->listener_line[i]);
            return;
        }
    }
    if (cfg->listener_n == CONFIG_LISTENERS_MAX) {
        buf_add_fmt(complain(l, ev->line), "too many listeners; expected at most %d",
                    CONFIG_LISTENERS_MAX);
        return;
    }
    struct config_listener *li = &cfg->listener[cfg->listener_n];
    li->name = strndup((const char *)ev->text.ptr, ev->text.len);
    if (li->name == NULL) {
        buf_add_str(complain(l, 0), "memory is short; expected some");
        return;
    }
    l->listener_line[cfg->listener_n++] = ev->line;
}

static void add_address(struct load *l, struct config_listener *li,
                        const struct parse_event *ev)
{
    char text[VALUE_SHOWN + 1];
    struct sockaddr_storage address;
    socklen_t len;
    if (!slice_cstr(ev->text, text, sizeof text) ||
        !config_address_parse(text, &address, &len)) {
        buf_add_str(complain_value(l, ev->line, "address", ev->text,
                                   "it is no address with a port"),
                    "\"192.0.2.1:25\" or \"[2001:db8::1]:25\"");
        return;
    }
    if (li->address_n == CONFIG_ADDRESSES_MAX) {
        buf_add_fmt(complain(l, ev->line), "too many addresses; expected at most %d",
                    CONFIG_ADDRESSES_MAX);
        return;
    }
    li->address[li->address_n] = strdup(text);
    if (li->address[li->address_n] == NULL) {
        buf_add_str(complain(l, 0), "memory is short; expected some");
        return;
    }
    li->address_n++;
}

/* Number of the word in names; -1 and a complaint: none of them. */
static int take_word(struct load *l, const struct parse_event *ev, unsigned row,
                     const char *const names[], int n)
{
    for (int i = 0; i < n; i++) {
        if (slice_eq(slice_of(names[i]), ev->text)) {
            return i;
        }
    }
    struct buf *e = complain_value(l, ev->line, listener_settings[row].name, ev->text,
                                   "it is none of the words");
    for (int i = 0; i < n; i++) {
        buf_add_fmt(e, "%s%s", i == 0 ? "" : i == n - 1 ? " or " : ", ", names[i]);
    }
    return -1;
}

static void complain_again(struct load *l, unsigned line, const char *name,
                           unsigned first)
{
    buf_add_fmt(complain(l, line), "%s stands in line %u already; expected it once", name,
                first);
}

static void complain_list(struct load *l, const struct parse_event *ev)
{
    struct buf *e = complain(l, ev->line);
    buf_add_escaped(e, ev->name);
    buf_add_str(e, " takes no list; expected one value without braces");
}

static void take_listener_setting(struct load *l, const struct parse_event *ev)
{
    unsigned number = l->cfg->listener_n - 1, row = 0;
    struct config_listener *li = &l->cfg->listener[number];
    while (row < LISTENER_SETTINGS &&
           !slice_eq(slice_of(listener_settings[row].name), ev->name)) {
        row++;
    }
    if (row == LISTENER_SETTINGS) {
        complain_unknown_setting(l, ev->line, SLICE("listener"), ev->name);
        return;
    }
    unsigned *line = &l->listener[number].line[row];
    if (ev->kind != PARSE_ITEM) {
        if (*line > 0) {
            complain_again(l, ev->line, listener_settings[row].name, *line);
            return;
        }
        *line = ev->line;
    }
    if (row == LISTENER_ADDRESS) {
        if (ev->kind != PARSE_LIST) {
            add_address(l, li, ev);
        }
        return;
    }
    if (ev->kind == PARSE_LIST) {
        complain_list(l, ev);
        return;
    }
    int word = row == LISTENER_SERVICE ? take_word(l, ev, row, service_names, 4)
                                       : take_word(l, ev, row, tls_names, 4);
    if (word >= 0 && row == LISTENER_SERVICE) {
        li->service = (enum config_service)word;
    } else if (word >= 0) {
        li->tls = (enum config_tls)word;
    }
}

/* All rows must have been given, and at least one address. */
static void end_listener(struct load *l)
{
    unsigned number = l->cfg->listener_n - 1;
    const struct config_listener *li = &l->cfg->listener[number];
    for (unsigned row = 0; row < LISTENER_SETTINGS; row++) {
        if (l->listener[number].line[row] > 0 &&
            (row != LISTENER_ADDRESS || li->address_n > 0)) {
            continue;
        }
        struct buf *e = complain(l, l->listener_line[number]);
        buf_add_str(e, "listener ");
        add_value(e, slice_of(li->name));
        buf_add_fmt(e, " has no %s; expected %s = %s", listener_settings[row].name,
                    listener_settings[row].name,
                    row == LISTENER_ADDRESS ? "{\"192.0.2.1:25\"}"
                                            : listener_settings[row].form);
        return;
    }
}

/* Other sections --------------------------------------------------------------------- */

static void start_section(struct load *l, const struct parse_event *ev)
{
    if (is_listener(ev->name)) {
        start_listener(l, ev);
    } else if (!setting_is_section(ev->name)) {
        complain_unknown_section(l, ev);
    } else if (ev->titled) {
        struct buf *e = complain(l, ev->line);
        buf_add_str(e, "section ");
        buf_add(e, ev->name);
        buf_add_str(e, " takes no name; expected { behind it");
    }
}

static void take_setting(struct load *l, struct slice section,
                         const struct parse_event *ev)
{
    const struct setting *s = setting_find(section, ev->name);
    if (s == NULL) {
        complain_unknown_setting(l, ev->line, section, ev->name);
        return;
    }
    unsigned *line = &l->line[s - settings];
    if (ev->kind != PARSE_ITEM) {
        if (*line > 0) {
            complain_again(l, ev->line, s->name, *line);
            return;
        }
        *line = ev->line;
        if (setting_is_list(s)) {
            setting_clear(s, l->cfg); /* what was there is the default */
        }
    }
    if (ev->kind == PARSE_LIST) {
        if (!setting_is_list(s)) {
            complain_list(l, ev);
        }
        return;
    }
    const char *wrong = setting_take(s, ev->text, l->cfg);
    if (wrong != NULL) {
        complain_setting(l, ev->line, s, ev->text, wrong);
    }
}

static void load_text(struct load *l, struct slice text)
{
    struct parser p;
    struct slice section = {NULL, 0};
    struct parse_event ev;
    parse_init(&p, text);
    do {
        ev = parse_next(&p);
        switch (ev.kind) {
        case PARSE_END:
            l->last_line = ev.line;
            break;
        case PARSE_SECTION:
            section = ev.name;
            start_section(l, &ev);
            break;
        case PARSE_SECTION_END:
            if (is_listener(section)) {
                end_listener(l);
            }
            section = (struct slice){NULL, 0};
            break;
        case PARSE_VALUE:
        case PARSE_LIST:
        case PARSE_ITEM:
            if (is_listener(section)) {
                take_listener_setting(l, &ev);
            } else {
                take_setting(l, section, &ev);
            }
            break;
        case PARSE_ERROR:
            buf_add(complain(l, ev.line), ev.text);
            break;
        }
    } while (ev.kind != PARSE_END && !l->failed);
    parse_clear(&p);
}

/* What needs more than one setting --------------------------------------------------- */

static void check_hostname(struct load *l)
{
    char name[256] = "";
    if (l->cfg->hostname[0] != '\0') {
        return;
    }
    if (gethostname(name, sizeof name - 1) != 0 || !address_is_domain(slice_of(name))) {
        struct buf *e = complain(l, l->line[SETTING_ROW_hostname]);
        buf_add_str(e, "hostname is not set, and the machine's name ");
        add_value(e, slice_of(name));
        buf_add_str(e, " is no domain name; expected hostname = \"mx.example.org\"");
        return;
    }
    char *copy = strdup(name);
    if (copy == NULL) {
        buf_add_str(complain(l, 0), "memory is short; expected some");
        return;
    }
    free(l->cfg->hostname);
    l->cfg->hostname = copy;
}

/* Makes *path absolute below dir. An empty path stays empty. */
static bool resolve(char **path, const char *dir)
{
    char *joined;
    if ((*path)[0] == '/' || (*path)[0] == '\0') {
        return true;
    }
    bool dot = strcmp(*path, ".") == 0;
    if (asprintf(&joined, "%s%s%s", dir,
                 dot                     ? ""
                 : strcmp(dir, "/") == 0 ? ""
                                         : "/",
                 dot ? "" : *path) < 0) {
        return false;
    }
    free(*path);
    *path = joined;
    return true;
}

/* The directory of the file, absolute; the caller frees. NULL: no such directory. */
static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash == NULL   ? strdup(".")
                : slash == path ? strdup("/")
                                : strndup(path, (size_t)(slash - path));
    char *real = dir == NULL ? NULL : realpath(dir, NULL);
    free(dir);
    return real;
}

static void resolve_paths(struct load *l)
{
    char *dir = directory_of(l->path);
    bool ok = dir != NULL && resolve(&l->cfg->state_dir, dir);
    free(dir);
    for (unsigned i = 0; i < SETTING_N && ok; i++) {
        if (settings[i].type == SETTING_PATH) {
            char **path = (char **)(void *)((char *)l->cfg + settings[i].offset);
            ok = resolve(path, l->cfg->state_dir);
        }
    }
    if (!ok) {
        buf_add_fmt(complain(l, 0), "its directory: %s; expected one", strerror(errno));
    }
}

/* Where a listener listens; false: nowhere, or where one of the n before it does. */
struct place {
    struct ip ip;
    in_port_t port;
};

static bool take_place(struct place *places, unsigned n, const char *text)
{
    struct sockaddr_storage address;
    struct sockaddr_in6 in6; /* its port stands where that of sockaddr_in does */
    socklen_t len;
    if (!config_address_parse(text, &address, &len) ||
        !ip_of_sockaddr((const struct sockaddr *)&address, &places[n].ip)) {
        return false;
    }
    memcpy(&in6, &address, sizeof in6);
    places[n].port = in6.sin6_port;
    for (unsigned i = 0; i < n; i++) {
        if (places[i].port == places[n].port &&
            memcmp(&places[i].ip, &places[n].ip, sizeof places[i].ip) == 0) {
            return false;
        }
    }
    return true;
}

static void check_listeners(struct load *l)
{
    const struct config *cfg = l->cfg;
    struct place places[CONFIG_LISTENERS_MAX * CONFIG_ADDRESSES_MAX];
    unsigned n = 0;
    if (cfg->listener_n == 0) {
        buf_add_str(
            complain(l, l->last_line),
            "no listener; expected listener \"mx\" { address = {\"192.0.2.1:25\"} "
            "service = mx tls = starttls }");
        return;
    }
    for (unsigned i = 0; i < cfg->listener_n; i++) {
        for (unsigned a = 0; a < cfg->listener[i].address_n; a++, n++) {
            if (!take_place(places, n, cfg->listener[i].address[a])) {
                buf_add_fmt(complain(l, l->listener[i].line[LISTENER_ADDRESS]),
                            "address %s is listened on already; expected each once",
                            cfg->listener[i].address[a]);
                return;
            }
        }
    }
}

static void check_tls_file(struct load *l, unsigned row, const char *path,
                           unsigned wanted)
{
    const char *name = settings[row].name;
    if (path[0] == '\0') {
        buf_add_fmt(
            complain(l, l->listener_line[wanted]),
            "listener \"%s\" offers TLS, but tls.%s is not set; expected "
            "tls { certificate = \"FILE.pem\" key = \"FILE.pem\" }, or tls = none",
            l->cfg->listener[wanted].name, name);
        return;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        buf_add_fmt(complain(l, l->line[row]),
                    "tls.%s: %.200s: %s; expected a PEM file that can be read here", name,
                    path, strerror(errno));
        return;
    }
    close(fd);
}

static void check_tls(struct load *l)
{
    for (unsigned i = 0; i < l->cfg->listener_n; i++) {
        if (l->cfg->listener[i].tls == TLS_NONE) {
            continue;
        }
        check_tls_file(l, SETTING_ROW_tls_certificate, l->cfg->tls_certificate, i);
        if (!l->failed) {
            check_tls_file(l, SETTING_ROW_tls_key, l->cfg->tls_key, i);
        }
        return;
    }
}

static void check_maildir(struct load *l)
{
    bool user = false;
    for (const char *c = l->cfg->delivery_maildir; (c = strchr(c, '%')) != NULL; c += 2) {
        user = user || c[1] == 'u';
        if (c[1] != 'u' && c[1] != 'd') {
            user = false;
            break;
        }
    }
    if (!user) {
        buf_add_str(complain_value(l, l->line[SETTING_ROW_delivery_maildir],
                                   "delivery.maildir", slice_of(l->cfg->delivery_maildir),
                                   "it must name the user"),
                    "%u (local part) in it, %d (domain) if wanted, and no other %");
    }
}

static void check_retry(struct load *l)
{
    if (l->cfg->queue_retry.n == 0) {
        buf_add_str(complain(l, l->line[SETTING_ROW_queue_retry]),
                    "queue.retry is empty; expected at least one time");
    }
}

static void check(struct load *l)
{
    static void (*const steps[])(struct load *) = {check_listeners, check_hostname,
                                                   check_maildir,   resolve_paths,
                                                   check_retry,     check_tls};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0] && !l->failed; i++) {
        steps[i](l);
    }
}

/* The file ----------------------------------------------------------------------------
 */

static const char *advice(int error)
{
    switch (error) {
    case ENOENT:
        return "say where it is with -c FILE, or write one: postern check-config "
               "--defaults";
    case EACCES:
        return "run this as root, or as a user who may read it";
    default:
        return "expected a file that can be read";
    }
}

/* Its octets into *text. */
static bool read_file(struct load *l, struct buf *text)
{
    struct stat st;
    int fd = open(l->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        buf_add_fmt(complain(l, 0), "cannot be opened: %s; %s", strerror(errno),
                    advice(errno));
        return false;
    }
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        buf_add_str(complain(l, 0), "it is a directory; expected the file in it");
        close(fd);
        return false;
    }
    for (;;) {
        unsigned char *room = buf_room(text, 4096);
        ssize_t n = room == NULL ? 0 : read(fd, room, 4096);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            buf_add_fmt(complain(l, 0), "cannot be read: %s; %s", strerror(errno),
                        advice(errno));
        }
        if (n <= 0) {
            break;
        }
        buf_grew(text, (size_t)n);
    }
    close(fd);
    if (text->failed) {
        buf_add_fmt(complain(l, 0), "it is too large; expected at most %d KiB",
                    FILE_MAX_LEN / 1024);
    }
    return !l->failed;
}

static bool set_defaults(struct config *cfg)
{
    for (unsigned i = 0; i < SETTING_N; i++) {
        if (!setting_default(&settings[i], cfg)) {
            return false;
        }
    }
    return true;
}

bool config_load(const char *path, struct config **out, char error[CONFIG_ERROR_MAX])
{
    struct load load = {.path = path};
    struct buf text;
    buf_init(&load.error, CONFIG_ERROR_MAX * 4);
    buf_init(&text, FILE_MAX_LEN);
    load.cfg = calloc(1, sizeof *load.cfg);
    if (load.cfg == NULL || !set_defaults(load.cfg)) {
        buf_add_str(complain(&load, 0), "memory is short; expected some");
    } else if (read_file(&load, &text)) {
        load_text(&load, buf_slice(&text));
        if (!load.failed) {
            check(&load);
        }
    }
    bool ok = !load.failed;
    if (ok) {
        *out = load.cfg;
    } else {
        config_free(&load.cfg);
        struct slice message = slice_sub(buf_slice(&load.error), 0, CONFIG_ERROR_MAX - 1);
        if (!slice_cstr(message, error, CONFIG_ERROR_MAX) || message.len == 0) {
            (void)snprintf(error, CONFIG_ERROR_MAX, "%.200s: memory is short", path);
        }
    }
    buf_clear(&text);
    buf_clear(&load.error);
    return ok;
}

void config_free(struct config **config)
{
    struct config *cfg = *config;
    if (cfg == NULL) {
        return;
    }
    for (unsigned i = 0; i < SETTING_N; i++) {
        setting_clear(&settings[i], cfg);
    }
    for (unsigned i = 0; i < cfg->listener_n; i++) {
        free(cfg->listener[i].name);
        for (unsigned a = 0; a < cfg->listener[i].address_n; a++) {
            free(cfg->listener[i].address[a]);
        }
    }
    free(cfg);
    *config = NULL;
}
