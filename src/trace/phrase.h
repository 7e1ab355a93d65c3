/* trace/phrase.h - one event in words, from templates (pure).
 *
 * Format  a template is text with {holes} and [groups]. A hole prints the values of that
 *         name, escaped, several with a comma between. A group is left out unless all its
 *         holes have a value. "{#name}" prints a number in groups of three digits,
 *         "{@name}" a number of ms as a time, "{<name}" an address in angle brackets, even
 *         an empty one, "{@}" the time of the event itself. */
#ifndef TRACE_PHRASE_H
#define TRACE_PHRASE_H
#include "trace/record.h"

struct phrase {
    const struct trace_view *view;
    uint64_t day_ms; /* times of that day are printed without it; 0: always with it */
    uint32_t used;   /* fields printed so far, a bit each */
};
_Static_assert(FIELDS_MAX <= 32, "a bit each");

/* One template. A hole outside of groups without a value prints "unknown". */
void phrase_fill(struct phrase *p, const char *template, struct buf *out);
/* The template of the event's kind; "" for command, reply, check (story.c puts them
 * together). */
MUST_USE const char *phrase_of(enum trace_kind kind);
/* What no hole has printed: "before" name=value name=value; nothing when there is none. */
void phrase_rest(struct phrase *p, const char *before, struct buf *out);
/* These fields count as printed. */
void phrase_hide(struct phrase *p, const char *name);

/* Escaped; CRLF at the end left out, " / " for those inside. */
void phrase_value(struct slice value, struct buf *out);
/* "2026-11-22 06:15:46", or without the day if it is that of day_ms. */
void phrase_time(uint64_t ms, uint64_t day_ms, struct buf *out);
#endif
