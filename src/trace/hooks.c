/* trace/hooks.c - see hooks.h */
#include "trace/hooks.h"

#include "sql/sql.h"

#include <stdio.h>
#include <stdlib.h>

enum { BUSY_MS = 3000 };

/* clang-format off */
#define STATEMENTS(X) \
    X(add, "INSERT INTO hook (account, url, secret, record, idx, said, said_ms)" \
           " SELECT ?1, ?2, ?3, ?4, ?5, '', 0 WHERE (SELECT count(*) FROM hook) < ?6") \
    X(remove, "DELETE FROM hook WHERE account = ?1 AND (?2 = '' OR url = ?2)") \
    X(each, "SELECT id, account, url, secret, record, idx, said, said_ms FROM hook ORDER BY account, id") \
    X(move, "UPDATE hook SET record = ?2, idx = ?3 WHERE id = ?1") \
    X(say, "UPDATE hook SET said = ?2, said_ms = ?3 WHERE id = ?1") \
    X(changed, "PRAGMA data_version")
#define X(name, sql) DO_##name,
enum statement { STATEMENTS(X) STATEMENT_COUNT };
#undef X
#define X(name, sql) sql,
static const char *const statements[] = {STATEMENTS(X)};
#undef X
/* clang-format on */

static const char *const migrations[] = {
    "CREATE TABLE hook (id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " account TEXT NOT NULL, url TEXT NOT NULL, secret TEXT NOT NULL,"
    " record INTEGER NOT NULL, idx INTEGER NOT NULL,"
    " said TEXT NOT NULL, said_ms INTEGER NOT NULL, UNIQUE (account, url)) STRICT",
};
static const struct sql_kind file_kind = {
    .set_up = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
              "PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY",
    SQL_MIGRATIONS(migrations),
    SQL_STATEMENTS(statements),
};

struct hooks {
    struct sql sql;  /* all its statements prepared */
    int64_t version; /* of the data, as last looked at */
};

const char *hooks_error(const struct hooks *h)
{
    return sqlite3_errmsg(h->sql.db);
}

struct hooks *hooks_open(const char *path, char error[HOOKS_ERROR_MAX])
{
    struct hooks *h = calloc(1, sizeof *h);
    if (h == NULL) {
        (void)snprintf(error, HOOKS_ERROR_MAX, "out of memory");
        return NULL;
    }
    int code = sql_open(&h->sql, path, SQL_OURS, BUSY_MS, &file_kind);
    if (code == SQLITE_OK) {
        code = sql_prepare(&h->sql);
    }
    if (code != SQLITE_OK) {
        (void)snprintf(error, HOOKS_ERROR_MAX, "%s", sql_why(&h->sql, code));
        hooks_close(&h);
    }
    return h;
}

void hooks_close(struct hooks **hp)
{
    struct hooks *h = *hp;
    if (h == NULL) {
        return;
    }
    *hp = NULL;
    sql_close(&h->sql);
    free(h);
}

static bool run(struct hooks *h, enum statement which)
{
    int code = sqlite3_step(h->sql.stmt[which]);
    (void)sqlite3_reset(h->sql.stmt[which]);
    return code == SQLITE_DONE;
}

bool hooks_add(struct hooks *h, const struct hook_row *row, bool *known)
{
    sqlite3_stmt *stmt = h->sql.stmt[DO_add];
    sql_bind(stmt, 1, row->account);
    sql_bind(stmt, 2, row->url);
    sql_bind(stmt, 3, row->secret);
    sql_bind_count(stmt, 4, row->record);
    sql_bind_count(stmt, 5, row->index);
    sql_bind_count(stmt, 6, HOOKS_MAX);
    int code = sqlite3_step(stmt);
    (void)sqlite3_reset(stmt);
    *known = (code & 0xff) == SQLITE_CONSTRAINT ||
             (code == SQLITE_DONE && sqlite3_changes(h->sql.db) == 0);
    return code == SQLITE_DONE && !*known;
}

bool hooks_remove(struct hooks *h, struct slice account, struct slice url, uint64_t *n)
{
    sql_bind(h->sql.stmt[DO_remove], 1, account);
    sql_bind(h->sql.stmt[DO_remove], 2, url);
    bool ok = run(h, DO_remove);
    *n = ok ? (uint64_t)sqlite3_changes(h->sql.db) : 0;
    return ok;
}

bool hooks_each(struct hooks *h, void (*each)(void *arg, const struct hook_row *row),
                void *arg)
{
    sqlite3_stmt *stmt = h->sql.stmt[DO_each];
    int code;
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct hook_row row = {.id = sql_count(stmt, 0),
                               .account = sql_column(stmt, 1),
                               .url = sql_column(stmt, 2),
                               .secret = sql_column(stmt, 3),
                               .record = sql_count(stmt, 4),
                               .index = sql_count(stmt, 5),
                               .said = sql_column(stmt, 6),
                               .said_ms = sql_count(stmt, 7)};
        each(arg, &row);
    }
    (void)sqlite3_reset(stmt);
    return code == SQLITE_DONE;
}

bool hooks_move(struct hooks *h, uint64_t id, uint64_t record, uint64_t index)
{
    sql_bind_count(h->sql.stmt[DO_move], 1, id);
    sql_bind_count(h->sql.stmt[DO_move], 2, record);
    sql_bind_count(h->sql.stmt[DO_move], 3, index);
    return run(h, DO_move);
}

bool hooks_say(struct hooks *h, uint64_t id, struct slice said, uint64_t now_ms)
{
    sql_bind_count(h->sql.stmt[DO_say], 1, id);
    sql_bind(h->sql.stmt[DO_say], 2, slice_sub(said, 0, HOOKS_SAID_MAX));
    sql_bind_count(h->sql.stmt[DO_say], 3, now_ms);
    return run(h, DO_say);
}

bool hooks_changed(struct hooks *h)
{
    sqlite3_stmt *stmt = h->sql.stmt[DO_changed];
    int64_t version =
        sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : -1;
    (void)sqlite3_reset(stmt);
    bool changed = version != h->version;
    h->version = version;
    return changed;
}
