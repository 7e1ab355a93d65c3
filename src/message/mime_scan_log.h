/* message/mime_scan_log.h - for tests and the fuzz target: a scan written down, each entity's
 * content in one piece. */
#ifndef MESSAGE_MIME_SCAN_LOG_H
#define MESSAGE_MIME_SCAN_LOG_H
#include "message/mime_scan.h"

#include <stdlib.h>
#include <string.h>

enum { SCAN_LOG_ENTITIES = 256 };

/* "[0 multipart/mixed name=a,b" ... "]0" and "!defect"; content[] by index. */
struct scan_log {
    struct buf lines;
    struct buf content[SCAN_LOG_ENTITIES];
    unsigned open, deepest;
    bool as_message; /* application/x-eml is read as a message */
};

static enum mime_want log_begin(void *arg, const struct mime_entity *e)
{
    struct scan_log *log = arg;
    log->open++;
    log->deepest = e->depth > log->deepest ? e->depth : log->deepest;
    (void)buf_add_fmt(&log->lines, "[%u<%u %u ", e->index, e->parent, e->depth);
    (void)buf_add_escaped(&log->lines, e->type);
    (void)buf_add_fmt(&log->lines, "%s%s%s", e->composite ? " composite" : "",
                      e->attached ? " attached" : "",
                      e->encoding == MIME_BASE64             ? " base64"
                      : e->encoding == MIME_QUOTED_PRINTABLE ? " qp"
                      : e->encoding == MIME_UUENCODE         ? " uu"
                                                             : "");
    if (e->disposition.len > 0) {
        (void)buf_add_str(&log->lines, " ");
        (void)buf_add_escaped(&log->lines, e->disposition);
    }
    for (unsigned i = 0; i < e->names->n; i++) {
        (void)buf_add_str(&log->lines, i == 0 ? " name=" : ",");
        (void)buf_add_escaped(&log->lines, mime_name(e->names, i));
    }
    (void)buf_add_str(&log->lines, "\n");
    bool message = log->as_message && slice_eq(e->type, SLICE("application/x-eml"));
    return message ? MIME_MESSAGE : MIME_CONTENT;
}

static bool log_content(void *arg, unsigned index, struct slice octets)
{
    struct scan_log *log = arg;
    if (index >= SCAN_LOG_ENTITIES) {
        abort(); /* the limit of parts was passed */
    }
    (void)buf_add(&log->content[index], octets);
    return true;
}

static void log_end(void *arg, unsigned index)
{
    struct scan_log *log = arg;
    log->open--;
    (void)buf_add_fmt(&log->lines, "]%u\n", index);
}

static void log_defect(void *arg, enum mime_defect d, bool attached)
{
    struct scan_log *log = arg;
    (void)buf_add_fmt(&log->lines, "!%s%s\n", mime_defect_text(d),
                      attached ? " (attached)" : "");
}

static const struct mime_scan_events log_events = {log_begin, log_content, log_end,
                                                   log_defect};

static void scan_log_init(struct scan_log *log, size_t max)
{
    memset(log, 0, sizeof *log);
    log->as_message = true;
    buf_init(&log->lines, max);
    for (unsigned i = 0; i < SCAN_LOG_ENTITIES; i++) {
        buf_init(&log->content[i], max);
    }
}

static void scan_log_clear(struct scan_log *log)
{
    buf_clear(&log->lines);
    for (unsigned i = 0; i < SCAN_LOG_ENTITIES; i++) {
        buf_clear(&log->content[i]);
    }
}

/* Scans a message in pieces of `step` octets (0: whole). */
static void scan_log_run(struct scan_log *log, struct slice message, size_t step,
                         const struct mime_scan_limits *limits)
{
    struct mime_scan *s = mime_scan_new(limits, &log_events, log);
    if (s == NULL) {
        abort();
    }
    for (size_t at = 0; at < message.len; at += step == 0 ? message.len : step) {
        if (!mime_scan_feed(s, slice_sub(message, at, step == 0 ? SIZE_MAX : step))) {
            abort();
        }
    }
    if (!mime_scan_end(s)) {
        abort();
    }
    mime_scan_free(&s);
}
#endif
