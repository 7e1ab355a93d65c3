/* queue/suppress_query.h - what people ask of the suppression list, as JSON objects: one request,
 * lines of answer. The queue role answers `postern suppress` by it.
 *
 * Request {"suppress": "list" | "put" | "remove", ...}
 *         list: "address": [...], or a walk over all, "domain": only that; "account": of that one
 *         (empty: for all); "expired": true: also those whose time is over.
 *         put: "rows": [{"address", and where they are known "account", "reason", "evidence",
 *         "times", "first_ms", "last_ms", "until_ms"}]
 *         remove: "address": [...]; "account": of that one only
 * Answer  list: an object an entry, with those members and "active". put, remove: one with counts;
 *         put: before it {"bad": I} for each row (from 0) that is none.
 * Own     json_t: the caller's; the query takes a reference of the request. It is freed before
 *         its list. */
#ifndef QUEUE_SUPPRESS_QUERY_H
#define QUEUE_SUPPRESS_QUERY_H
#include "queue/query.h"
#include "queue/suppress.h"

enum { SUPPRESS_ROWS_MAX = 10000, SUPPRESS_QUERY_STEP = 500 };

struct suppress_query;

/* NULL: *wrong (static) says what the request should be. Closed by suppress_query_free(). */
MUST_USE struct suppress_query *suppress_query_new(struct suppress *s, json_t *request,
                                                   const char **wrong);
void suppress_query_free(struct suppress_query **q);

/* As queue_query_step(). */
MUST_USE bool suppress_query_step(struct suppress_query *q, uint64_t now_ms,
                                  const struct queue_query_out *out, int *status,
                                  char complaint[QUEUE_COMPLAINT_MAX]);
#endif
