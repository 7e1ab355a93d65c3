/* trace/story.h - the records of one session, told to a person or a program (pure).
 *
 * Own     records are copied; the story owns all it holds until story_free().
 * Limits  octets_max of records, STORY_EVENTS_MAX events; beyond that story_add() is false
 *         and the story says that it is cut.
 * Safe    values come from hostile clients: all that is written is printable ASCII and
 *         line ends of our own. */
#ifndef TRACE_STORY_H
#define TRACE_STORY_H
#include "trace/record.h"

enum { STORY_EVENTS_MAX = 50000 };

struct story;

MUST_USE struct story *story_new(uint64_t session,
                                 size_t octets_max); /* NULL: no memory */
void story_free(struct story **s);

/* Records of other sessions are ignored. */
MUST_USE bool story_add(struct story *s, struct slice record);
MUST_USE bool story_empty(const struct story *s);
/* When its first event happened; 0: it has none. */
MUST_USE uint64_t story_begin_ms(const struct story *s);

/* In plain words, several lines. n: this message of the session first (0: none). */
void story_text(struct story *s, uint32_t n, struct buf *out);
/* In one line: id, time, client, from whom to whom, outcome. */
void story_line(struct story *s, struct buf *out);
/* One JSON object, one line: {"session", "time", "events": [{"time", "event", "message"
 * (where it is of one), "fields": {name: value, or [values]}}]}. */
void story_json(struct story *s, struct buf *out);

/* "2026-11-22 06:15:46" in UTC. */
void story_time(uint64_t ms, struct buf *out);
#endif
