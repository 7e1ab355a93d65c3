/* trace/schema.h - the tables of trace.db, for the store that writes and the query that
 * reads. docs/architecture.md, "Trace", says why they are so.
 *
 * All four grow at the end only and are emptied from the start, so a batch touches a
 * handful of pages, whatever the keys are.
 * meta    the key of the hashes (16 octets, host order)
 * record  one row a record; at: when it came, by the store's clock
 * fresh   one row a batch: its pairs as they came
 * run     TRACE_RUN_PAIRS pairs, sorted, in the chunks run << 16 | 0 .. chunks - 1;
 *         first and last: ids of the records that they name
 * heard   up to which number (trace/keep.h) the records of which life of the queue are here: one row */
#ifndef TRACE_SCHEMA_H
#define TRACE_SCHEMA_H

#define TRACE_SCHEMA_HEARD                                                               \
    "CREATE TABLE heard(one INTEGER PRIMARY KEY CHECK(one = 1), life INTEGER NOT NULL,"  \
    "                   number INTEGER NOT NULL)"

/* The application's id stands in the file's header, where `file` shows it: "PsTr". */
#define TRACE_SCHEMA                                                                     \
    "PRAGMA application_id = 0x50735472;"                                                \
    "CREATE TABLE meta(hash_key BLOB NOT NULL);"                                         \
    "CREATE TABLE record(id INTEGER PRIMARY KEY, at INTEGER NOT NULL,"                   \
    "                    body BLOB NOT NULL);"                                           \
    "CREATE TABLE fresh(id INTEGER PRIMARY KEY, pairs BLOB NOT NULL);"                   \
    "CREATE TABLE run(id INTEGER PRIMARY KEY, chunks INTEGER NOT NULL,"                  \
    "                 first INTEGER NOT NULL, last INTEGER NOT NULL);"                   \
    "CREATE TABLE chunk(id INTEGER PRIMARY KEY, pairs BLOB NOT NULL);"

enum { TRACE_CHUNK_SHIFT = 16 };
#endif
