/* config/config.c - see config.h: the file, and the struct made of it. */
#include "config/config.h"

#include "base/file.h"
#include "config/load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FILE_MAX_LEN = 1024 * 1024,
    MESSAGE_MAX = 4 * CONFIG_ERROR_MAX, /* before it is cut to fit */
    VALUE_SHOWN = 80,
    PATH_SHOWN = 200
};

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

struct buf *load_complain(struct load *l, unsigned line)
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

void load_add_value(struct buf *out, struct slice text)
{
    buf_add_str(out, "\"");
    buf_add_escaped(out, slice_sub(text, 0, VALUE_SHOWN));
    buf_add_str(out, text.len > VALUE_SHOWN ? "...\"" : "\"");
}

/* `NAME is "VALUE": WRONG; expected` - the caller says what. */
struct buf *load_complain_value(struct load *l, unsigned line, const char *name,
                                struct slice text, const char *wrong)
{
    struct buf *e = load_complain(l, line);
    buf_add_fmt(e, "%s is ", name);
    load_add_value(e, text);
    buf_add_fmt(e, ": %s; expected ", wrong);
    return e;
}

void load_complain_memory(struct load *l)
{
    buf_add_str(load_complain(l, 0), "memory is short; expected some");
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
            load_start_section(l, &ev);
            break;
        case PARSE_SECTION_END:
            load_end_section(l, section);
            section = (struct slice){NULL, 0};
            break;
        case PARSE_VALUE:
        case PARSE_LIST:
        case PARSE_ITEM:
            load_take(l, section, &ev);
            break;
        case PARSE_ERROR:
            buf_add(load_complain(l, ev.line), ev.text);
            break;
        }
    } while (ev.kind != PARSE_END && !l->failed);
    parse_clear(&p);
}

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
        buf_add_fmt(load_complain(l, 0), "cannot be opened: %s; %s", strerror(errno),
                    advice(errno));
        return false;
    }
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        buf_add_str(load_complain(l, 0), "it is a directory; expected the file in it");
        close(fd);
        return false;
    }
    if (!file_read(fd, text) && !text->failed) {
        buf_add_fmt(load_complain(l, 0), "cannot be read: %s; %s", strerror(errno),
                    advice(errno));
    }
    close(fd);
    if (text->failed) {
        buf_add_fmt(load_complain(l, 0), "it is too large; expected at most %d KiB",
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
    buf_init(&load.error, MESSAGE_MAX);
    buf_init(&text, FILE_MAX_LEN);
    load.cfg = calloc(1, sizeof *load.cfg);
    if (load.cfg == NULL || !set_defaults(load.cfg)) {
        load_complain_memory(&load);
    } else if (read_file(&load, &text)) {
        load_text(&load, buf_slice(&text));
        if (!load.failed) {
            load_check(&load);
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
    sources_free(&cfg->sources);
    limits_index_free(&cfg->limits);
    smart_hosts_free(&cfg->smart_hosts);
    free(cfg);
    *config = NULL;
}
