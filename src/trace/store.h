/* trace/store.h - trace.db: records in, for `postern why` (trace/query.h) to read.
 *
 * Source  docs/architecture.md, "Trace", has the tables and why they are as they are.
 * I/O     SQLite, one file with its -wal and -shm beside it. One writer is meant; a second
 *         one (the old role during a reload) does no harm.
 * Errors  none of them may stop mail. What cannot be written (full disk, a lock) is held and tried
 *         anew every second, and logged at most once a minute. A damaged database is renamed
 *         to <path>.bad (replacing an earlier one) and a new one begun.
 * Loss    what is held beyond its bound or when we end is counted. Nothing that is committed when processes die. At a power cut, what the kernel had not yet written
 *         (some seconds); the database stays whole.
 * Limits  keep_ms, size_max; memory: TRACE_RUN_PAIRS pairs (1 MiB), 4 MiB held, and SQLite's cache. */
#ifndef TRACE_STORE_H
#define TRACE_STORE_H
#include "base/slice.h"

struct trace_store;

/* path is copied. Never fails but for want of memory (NULL): a database that cannot be
 * opened is tried again later. size_max 0: no bound. */
MUST_USE struct trace_store *trace_store_open(const char *path, uint64_t keep_ms,
                                              uint64_t size_max);
void trace_store_close(struct trace_store **s); /* commits first */

/* Adds a record that is trace_valid() to what the next commit writes. False: lost. */
bool trace_store_add(struct trace_store *s, struct slice record, uint64_t now_ms);
/* A record that its sender keeps until it is committed (trace/keep.h). That one and those before it are
 * known from then on, also to the next store if the batch was committed. */
bool trace_store_add_event(struct trace_store *s, uint64_t life, uint64_t number,
                           struct slice record, uint64_t now_ms);
/* It came before. */
MUST_USE bool trace_store_knows(const struct trace_store *s, uint64_t life,
                                uint64_t number);
/* How many records wait for trace_store_commit(). */
MUST_USE unsigned trace_store_waiting(const struct trace_store *s);
/* Makes all that waits visible to readers. False: it waits on. */
bool trace_store_commit(struct trace_store *s, uint64_t now_ms);

/* One bounded step (at most about n records) of giving back what is older than keep_ms or
 * beyond size_max. True: there is more to do. */
bool trace_store_tidy(struct trace_store *s, unsigned n, uint64_t now_ms);

/* Records not kept since the start. */
MUST_USE uint64_t trace_store_lost(const struct trace_store *s);
#endif
