/* base/log.c - see log.h */
#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    enum log_level level;
    enum log_format format;
    const char *role;
    bool journald;
} setup = {LOG_INFO, LOG_TEXT, "postern", false};

static const struct {
    const char *name;
    int syslog; /* journald priority, sd-daemon(3) */
} levels[] = {[LOG_ERR] = {"error", 3},
              [LOG_WARN] = {"warning", 4},
              [LOG_INFO] = {"info", 6},
              [LOG_DEBUG] = {"debug", 7}};

void log_setup(enum log_level level, enum log_format format, const char *role)
{
    setup.level = level;
    setup.format = format;
    setup.role = role;
    setup.journald = getenv("JOURNAL_STREAM") != NULL;
}

void log_role(const char *role)
{
    setup.role = role;
}

static void add_text(struct buf *b, const char *name, struct slice value)
{
    bool quote = value.len == 0;
    for (size_t i = 0; i < value.len && !quote; i++) {
        quote = value.ptr[i] <= ' ' || value.ptr[i] >= 0x7f || value.ptr[i] == '"' ||
                value.ptr[i] == '=';
    }
    (void)buf_add_fmt(b, " %s=%s", name, quote ? "\"" : "");
    (void)buf_add_escaped(b, value);
    (void)buf_add_str(b, quote ? "\"" : "");
}

/* As text, but a backslash is doubled so that the escapes of buf_add_escaped() stay
 * readable inside a JSON string: octet 0xff reads "\\xff". */
static void add_json(struct buf *b, const char *name, struct slice value)
{
    (void)buf_add_fmt(b, ",\"%s\":\"", name);
    for (size_t i = 0; i < value.len; i++) {
        struct slice one = slice_sub(value, i, 1);
        unsigned char c = value.ptr[i];
        if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\') {
            (void)buf_add_byte(b, '\\');
        }
        (void)buf_add_escaped(b, one);
    }
    (void)buf_add_byte(b, '"');
}

void log_event(enum log_level level, uint64_t session, const char *event,
               const struct fields *fields)
{
    if (level > setup.level) {
        return;
    }
    void (*add)(struct buf *, const char *, struct slice) =
        setup.format == LOG_JSON ? add_json : add_text;
    char id[ID_TEXT_MAX] = "-";
    struct slice session_text = slice_of(id);
    struct buf line;
    buf_init(&line, LOG_LINE_MAX);

    if (session != 0) {
        session_text = id_text((struct message_id){session, 0}, id);
    }
    if (setup.format == LOG_JSON) {
        (void)buf_add_fmt(&line, "{\"time\":%" PRIu64 ",\"level\":\"%s\"",
                          clock_wall_ms(), levels[level].name);
    } else if (setup.journald) {
        (void)buf_add_fmt(&line, "<%d>", levels[level].syslog);
    }
    size_t start = line.len;
    add(&line, "session", session_text);
    add(&line, "role", slice_of(setup.role));
    add(&line, "event", slice_of(event));
    if (setup.format == LOG_TEXT && line.len > start) {
        memmove(line.ptr + start, line.ptr + start + 1, line.len - start - 1);
        line.len--; /* no blank at the start of the line */
    }
    for (unsigned i = 0; fields != NULL && i < fields->n; i++) {
        size_t before = line.len;
        add(&line, fields->item[i].name, fields->item[i].value);
        /* room for the mark and the end of the line */
        if (line.failed || line.len > LOG_LINE_MAX - 32) {
            line.len = before;
            line.failed = false;
            add(&line, "cut", SLICE("yes"));
            break;
        }
    }
    (void)buf_add_str(&line, setup.format == LOG_JSON ? "}\n" : "\n");
    ssize_t ignored = write(STDERR_FILENO, line.ptr, line.len);
    (void)ignored; /* there is nowhere to say that the log is gone */
    buf_clear(&line);
}

__attribute__((format(printf, 3, 0))) static void
log_vtext(enum log_level level, const char *event, const char *fmt, va_list args)
{
    char text[LOG_LINE_MAX / 2];
    struct fields f = {0};
    (void)vsnprintf(text, sizeof text, fmt, args);
    fields_add_str(&f, "text", text);
    log_event(level, 0, event, &f);
}

void log_text(enum log_level level, const char *event, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    log_vtext(level, event, fmt, args);
    va_end(args);
}

void fatal(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    log_vtext(LOG_ERR, "fatal", fmt, args);
    va_end(args);
    exit(4);
}

void log_bug(const char *file, int line, const char *what)
{
    log_text(LOG_ERR, "bug", "%s:%d: %s", file, line, what);
    abort();
}
