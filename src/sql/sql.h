/* sql/sql.h - a SQLite file: opened and brought up to date, its statements, values in and out.
 *
 * Kind    what a file is. Its version is PRAGMA user_version: how many of the migrations it has had. They
 *         run in one transaction, and count once the lock is held: two may open it at the same time.
 * I/O     files, through SQLite.
 * Own     the caller's memory; sql_close() also after a failed sql_open(). Columns live until the
 *         statement is stepped or reset. Kinds are static.
 * Errors  codes of SQLite, extended ones, and SQL_NEWER; sql_why() has words for them. */
#ifndef SQL_SQL_H
#define SQL_SQL_H
#include "base/slice.h"

#include <sqlite3.h>

struct sql_kind {
    const char *set_up; /* PRAGMAs, at each opening */
    const char *const
        *migrations;  /* [0] makes version 1 of an empty file, [1] 2 of 1 ... */
    unsigned version; /* how many those are; 0: whatever it is */
    const char *const *statements;
    unsigned statement_n;
};
/* Of arrays. */
#define SQL_MIGRATIONS(rows)                                                             \
    .migrations = (rows), .version = sizeof(rows) / sizeof(rows)[0]
#define SQL_STATEMENTS(rows)                                                             \
    .statements = (rows), .statement_n = sizeof(rows) / sizeof(rows)[0]

struct sql {
    sqlite3 *db;
    sqlite3_stmt **stmt; /* statement_n; NULL: not asked for yet */
    const struct sql_kind *kind;
};

enum { SQL_NEWER = -1 };
/* Of a file that is ours alone: made where there is none, never through a symbolic link. */
enum {
    SQL_OURS = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
               SQLITE_OPEN_NOFOLLOW
};

MUST_USE int sql_open(struct sql *s, const char *path, int flags, int busy_ms,
                      const struct sql_kind *kind);
/* s may be all zeros. */
void sql_close(struct sql *s);
const char *sql_why(const struct sql *s, int code);

MUST_USE int sql_exec(struct sql *s, const char *script);
/* The number in the first column of the first row. SQLITE_DONE: there is no row. */
MUST_USE int sql_number(struct sql *s, const char *question, int64_t *out);
/* The octets in that place. SQLITE_CORRUPT: they are not that many. */
MUST_USE int sql_octets(struct sql *s, const char *question, unsigned char *out,
                        size_t len);
/* The secret that `question` gives, made and put there by `answer` (?1) where there is none. From
 * getrandom(), as SQLite's own random octets come from a device that a changed root does not have.
 * len: 256 at most. */
MUST_USE int sql_secret(struct sql *s, const char *question, const char *answer,
                        unsigned char *out, size_t len);

/* The statement, reset and without values; prepared when it is first asked for. NULL: it cannot be, and
 * *code says why. */
MUST_USE sqlite3_stmt *sql_get(struct sql *s, unsigned which, int *code);
/* All of them now, so that a file that lacks a table is known at once. */
MUST_USE int sql_prepare(struct sql *s);

/* Values; NULL for a statement does nothing. A failed one (no memory) leaves SQL's NULL, which no row
 * matches and NOT NULL refuses. Text is copied. */
void sql_bind(sqlite3_stmt *stmt, int at, struct slice text);
void sql_bind_count(sqlite3_stmt *stmt, int at, uint64_t n); /* INT64_MAX at most */
struct slice sql_column(sqlite3_stmt *stmt, int at);
uint64_t sql_count(sqlite3_stmt *stmt, int at); /* below 0: 0 */
#endif
