/* base/log.h - one line per fact on standard error.
 *
 * Text    "session=k3v9x2mq7tza time=2026-11-22T06:15:46.250Z level=info role=smtpd/0
 *         event=refused code=550 ..."; values are escaped (\xHH), quoted when they hold a blank,
 *         with \" for a quote.
 *         Into the journal (JOURNAL_STREAM names our standard error) without time and
 *         level, which go there by the prefix "<N>". JSON by setting: one object a line,
 *         "time" in ms. Fields are not named session, time, level, role, event or cut.
 * Limits  LOG_LINE_MAX octets a line; a longer one is cut and says so: cut=yes.
 * Errors  none: what cannot be written is lost. errno stays; nothing is allocated.
 * Never   passwords, message bodies: callers pass neither. */
#ifndef BASE_LOG_H
#define BASE_LOG_H
#include "base/fields.h"
#include "base/id.h"

enum log_level { LOG_ERR = 0, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT = 0, LOG_JSON };
enum { LOG_LINE_MAX = 2048 };

/* role: e.g. "smtpd/0", borrowed for the life of the process. */
void log_setup(enum log_level level, enum log_format format, const char *role);
void log_role(const char *role);

/* event: a short static word ("started", "refused"). session 0: none. fields: NULL or
 * more facts. */
void log_event(enum log_level level, uint64_t session, const char *event,
               const struct fields *fields);

/* The same with one printf-style field "text": for faults that a person must read. */
void log_text(enum log_level level, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Broken environment at start: logs and exits with status 4 (docs: postern(8), EXIT). */
__attribute__((noreturn, format(printf, 1, 2))) void fatal(const char *fmt, ...);

/* Our own mistake: always on, leaves a core. */
#define BUG_ON(cond)                                                                     \
    do {                                                                                 \
        if (__builtin_expect(!!(cond), 0)) {                                             \
            log_bug(__FILE__, __LINE__, #cond);                                          \
        }                                                                                \
    } while (0)
__attribute__((noreturn)) void log_bug(const char *file, int line, const char *what);
#endif
