/* base/log.c - see log.h */
#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TAIL_MAX = 16 }; /* octets of: ,"cut":"yes"} and a line end */

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

/* systemd sets the variable and children inherit it, also those whose standard error goes
 * elsewhere: compare what it names with what we have (systemd.exec(5)). */
static bool to_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat st;
    char ours[64];
    if (stream == NULL || fstat(STDERR_FILENO, &st) != 0) {
        return false;
    }
    (void)snprintf(ours, sizeof ours, "%ju:%ju", (uintmax_t)st.st_dev,
                   (uintmax_t)st.st_ino);
    return strcmp(stream, ours) == 0;
}

void log_setup(enum log_level level, enum log_format format, const char *role)
{
    setup.level = level;
    setup.format = format;
    setup.role = role;
    setup.journald = to_journal();
}

void log_role(const char *role)
{
    setup.role = role;
}

static bool wants_quotes(struct slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = value.ptr[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '=') {
            return true;
        }
    }
    return value.len == 0;
}

/* A quote within is \", as those who read logfmt expect; what else is not plain is \xHH. */
static void add_text(struct buf *b, const char *name, struct slice value)
{
    const char *quote = wants_quotes(value) ? "\"" : "";
    (void)buf_add_str(b, name);
    (void)buf_add_str(b, "=");
    (void)buf_add_str(b, quote);
    struct slice rest = value;
    for (size_t n; (n = slice_find(rest, '"')) < rest.len;
         rest = slice_from(rest, n + 1)) {
        (void)buf_add_escaped(b, slice_sub(rest, 0, n));
        (void)buf_add_str(b, "\\\"");
    }
    (void)buf_add_escaped(b, rest);
    (void)buf_add_str(b, quote);
}

static void add_json(struct buf *b, const char *name, struct slice value)
{
    (void)json_add_string(b, slice_of(name));
    (void)buf_add_byte(b, ':');
    (void)json_add_string(b, value);
}

/* All of it, or b as it was and false. */
static bool add(struct buf *b, const char *name, struct slice value)
{
    size_t before = b->len;
    bool json = setup.format == LOG_JSON;
    unsigned char last = before == 0 ? '\0' : b->ptr[before - 1];
    if (last != '\0' && last != '{' && last != '>') {
        (void)buf_add_byte(b, json ? ',' : ' ');
    }
    (json ? add_json : add_text)(b, name, value);
    if (b->failed) {
        b->failed = false;
        b->len = before;
        return false;
    }
    return true;
}

/* As much of the value as there is room for. */
static void add_cut(struct buf *b, const char *name, struct slice value)
{
    size_t fits = 0, fails = value.len, before = b->len;
    while (fits + 1 < fails) {
        size_t half = fits + (fails - fits) / 2;
        bool ok = add(b, name, slice_sub(value, 0, half));
        fits = ok ? half : fits;
        fails = ok ? fails : half;
        b->len = before;
    }
    (void)add(b, name, slice_sub(value, 0, fits));
}

static void add_time(struct buf *b)
{
    uint64_t ms = clock_wall_ms();
    char text[CLOCK_TEXT_MAX];
    if (setup.format == LOG_JSON) {
        (void)buf_add_fmt(b, "\"time\":%" PRIu64, ms);
    } else if (!setup.journald) {
        (void)add(b, "time", clock_text(ms, text));
    }
}

static void add_head(struct buf *b, enum log_level level, uint64_t session,
                     const char *event)
{
    char id[ID_TEXT_MAX] = "-";
    if (session != 0) {
        (void)id_text((struct message_id){session, 0}, id);
    }
    if (setup.journald) {
        (void)buf_add_fmt(b, "<%d>", levels[level].syslog);
    }
    if (setup.format == LOG_JSON) {
        (void)buf_add_byte(b, '{');
        add_time(b);
        (void)add(b, "session", slice_of(id));
    } else {
        (void)add(b, "session", slice_of(id));
        add_time(b);
    }
    if (setup.format == LOG_JSON || !setup.journald) {
        (void)add(b, "level", slice_of(levels[level].name));
    }
    (void)add(b, "role", slice_of(setup.role));
    (void)add(b, "event", slice_of(event));
}

static void add_fields(struct buf *b, const struct fields *fields)
{
    bool whole = fields->dropped == 0;
    for (unsigned i = 0; i < fields->n; i++) {
        if (!add(b, fields->item[i].name, fields->item[i].value)) {
            add_cut(b, fields->item[i].name, fields->item[i].value);
            whole = false;
            break;
        }
    }
    if (!whole) {
        b->max = LOG_LINE_MAX;
        (void)add(b, "cut", SLICE("yes"));
    }
}

void log_event(enum log_level level, uint64_t session, const char *event,
               const struct fields *fields)
{
    if (level > setup.level) {
        return;
    }
    int saved_errno = errno;
    unsigned char room[LOG_LINE_MAX];
    /* On the stack and full-grown, so that it never allocates: a lack of memory must be
     * sayable. The end is kept for the mark of a cut. */
    struct buf line = {room, 0, sizeof room, sizeof room - TAIL_MAX, false};
    add_head(&line, level, session, event);
    if (fields != NULL) {
        add_fields(&line, fields);
    }
    line.max = sizeof room;
    (void)buf_add_str(&line, setup.format == LOG_JSON ? "}\n" : "\n");
    ssize_t n = -1;
    do {
        n = write(STDERR_FILENO, line.ptr, line.len);
    } while (n < 0 &&
             errno == EINTR); /* otherwise: nowhere to say that the log is gone */
    errno = saved_errno;
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
