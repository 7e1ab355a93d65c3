/* trace/query.h - reading trace.db, beside a running server or without one.
 *
 * I/O     opens the database read-only; one snapshot from open to close, so keep it short:
 *         the writer cannot clean its log meanwhile.
 * Own     a record passed to a callback is borrowed until it returns.
 * Errors  NULL / false and a text (static or the library's, valid until the next call). */
#ifndef TRACE_QUERY_H
#define TRACE_QUERY_H
#include "trace/record.h"

struct trace_query;

MUST_USE struct trace_query *trace_query_open(const char *path, const char **error);
void trace_query_close(struct trace_query **q);

/* When the oldest record came; false: there is none. */
MUST_USE bool trace_query_oldest(struct trace_query *q, uint64_t *at_ms);

/* Every record of a session, oldest first. each() returns false to stop. False: an error.
 */
MUST_USE bool trace_query_session(struct trace_query *q, uint64_t session,
                                  bool (*each)(void *arg, struct slice record), void *arg,
                                  const char **error);

/* Numbers of records: they rise in the order in which the records came. */

/* Those in whose records the key stands, since since_ms, in their order; *out is malloc()ed. *last: the
 * highest number of all in this snapshot. False: an error. */
MUST_USE bool trace_query_records(struct trace_query *q, enum trace_key kind,
                                  struct slice key, uint64_t since_ms, uint64_t **out,
                                  size_t *out_n, uint64_t *last, const char **error);
/* A record; borrowed until the next call. False: it has expired. */
MUST_USE bool trace_query_record(struct trace_query *q, uint64_t number,
                                 struct slice *out);
/* The first record behind that number. False: there is none, or *error. */
MUST_USE bool trace_query_next(struct trace_query *q, uint64_t after, uint64_t *number,
                               struct slice *out, const char **error);
/* The highest number; 0: none. */
MUST_USE uint64_t trace_query_last(struct trace_query *q);

/* The sessions in whose records the key stands, newest first, each once; at most `max` of
 * those with a record since since_ms. *out_n: how many; *more: there are others. */
MUST_USE bool trace_query_key(struct trace_query *q, enum trace_key kind,
                              struct slice key, uint64_t since_ms, uint64_t *out,
                              size_t max, size_t *out_n, bool *more, const char **error);
#endif
