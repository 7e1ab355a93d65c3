/* trace/hooks.c - see hooks.h */
#include "trace/hooks.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

enum { SCHEMA = 1, BUSY_MS = 3000 };

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

static const char schema[] =
    "BEGIN IMMEDIATE; CREATE TABLE IF NOT EXISTS hook (id INTEGER PRIMARY KEY "
    "AUTOINCREMENT,"
    " account TEXT NOT NULL, url TEXT NOT NULL, secret TEXT NOT NULL, record INTEGER NOT "
    "NULL,"
    " idx INTEGER NOT NULL, said TEXT NOT NULL, said_ms INTEGER NOT NULL,"
    " UNIQUE (account, url)) STRICT; PRAGMA user_version = 1; COMMIT";

struct hooks {
    sqlite3 *db;
    sqlite3_stmt *stmt[STATEMENT_COUNT];
    int64_t version; /* of the data, as last looked at */
};

const char *hooks_error(const struct hooks *h)
{
    return sqlite3_errmsg(h->db);
}

static int first_number(void *arg, int n, char **value, char **name)
{
    (void)name;
    if (n > 0 && value[0] != NULL) {
        IGNORE(slice_u64(slice_of(value[0]), arg)); /* stays what it was: a newer one */
    }
    return 0;
}

static bool exec(struct hooks *h, const char *sql)
{
    return sqlite3_exec(h->db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

static bool set_up(struct hooks *h)
{
    uint64_t version = UINT64_MAX;
    (void)sqlite3_busy_timeout(h->db, BUSY_MS);
    if (!exec(h, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                 "PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY") ||
        sqlite3_exec(h->db, "PRAGMA user_version", first_number, &version, NULL) !=
            SQLITE_OK ||
        (version == 0 && !exec(h, schema)) || (version != 0 && version != SCHEMA)) {
        return false;
    }
    for (unsigned i = 0; i < STATEMENT_COUNT; i++) {
        if (sqlite3_prepare_v3(h->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &h->stmt[i], NULL) != SQLITE_OK) {
            return false;
        }
    }
    return true;
}

struct hooks *hooks_open(const char *path, char error[HOOKS_ERROR_MAX])
{
    struct hooks *h = calloc(1, sizeof *h);
    if (h == NULL) {
        (void)snprintf(error, HOOKS_ERROR_MAX, "out of memory");
        return NULL;
    }
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                SQLITE_OPEN_NOFOLLOW;
    if (sqlite3_open_v2(path, &h->db, flags, NULL) != SQLITE_OK || !set_up(h)) {
        (void)snprintf(error, HOOKS_ERROR_MAX, "%s",
                       sqlite3_errcode(h->db) == SQLITE_OK ? "made by a newer postern"
                                                           : sqlite3_errmsg(h->db));
        hooks_close(&h);
    }
    return h;
}

void hooks_close(struct hooks **p)
{
    struct hooks *h = *p;
    if (h == NULL) {
        return;
    }
    *p = NULL;
    for (unsigned i = 0; i < STATEMENT_COUNT; i++) {
        (void)sqlite3_finalize(h->stmt[i]);
    }
    (void)sqlite3_close(h->db);
    free(h);
}

static void bind(sqlite3_stmt *stmt, int at, struct slice v)
{
    (void)sqlite3_bind_text64(stmt, at, v.len == 0 ? "" : (const char *)v.ptr, v.len,
                              SQLITE_TRANSIENT, SQLITE_UTF8);
}

static void bind_int(sqlite3_stmt *stmt, int at, uint64_t v)
{
    (void)sqlite3_bind_int64(stmt, at, v > INT64_MAX ? INT64_MAX : (int64_t)v);
}

static bool run(struct hooks *h, enum statement which)
{
    int code = sqlite3_step(h->stmt[which]);
    (void)sqlite3_reset(h->stmt[which]);
    return code == SQLITE_DONE;
}

bool hooks_add(struct hooks *h, const struct hook_row *row, bool *known)
{
    sqlite3_stmt *stmt = h->stmt[DO_add];
    bind(stmt, 1, row->account);
    bind(stmt, 2, row->url);
    bind(stmt, 3, row->secret);
    bind_int(stmt, 4, row->record);
    bind_int(stmt, 5, row->index);
    bind_int(stmt, 6, HOOKS_MAX);
    int code = sqlite3_step(stmt);
    (void)sqlite3_reset(stmt);
    *known =
        code == SQLITE_CONSTRAINT || (code == SQLITE_DONE && sqlite3_changes(h->db) == 0);
    return code == SQLITE_DONE && !*known;
}

bool hooks_remove(struct hooks *h, struct slice account, struct slice url, uint64_t *n)
{
    bind(h->stmt[DO_remove], 1, account);
    bind(h->stmt[DO_remove], 2, url);
    bool ok = run(h, DO_remove);
    *n = ok ? (uint64_t)sqlite3_changes(h->db) : 0;
    return ok;
}

static struct slice column(sqlite3_stmt *stmt, int at)
{
    const unsigned char *text = sqlite3_column_text(stmt, at);
    int len = sqlite3_column_bytes(stmt, at);
    return (struct slice){text, text == NULL || len < 0 ? 0 : (size_t)len};
}

static uint64_t number(sqlite3_stmt *stmt, int at)
{
    int64_t v = sqlite3_column_int64(stmt, at);
    return v < 0 ? 0 : (uint64_t)v;
}

bool hooks_each(struct hooks *h, void (*each)(void *arg, const struct hook_row *row),
                void *arg)
{
    sqlite3_stmt *stmt = h->stmt[DO_each];
    int code;
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct hook_row row = {.id = number(stmt, 0),
                               .account = column(stmt, 1),
                               .url = column(stmt, 2),
                               .secret = column(stmt, 3),
                               .record = number(stmt, 4),
                               .index = number(stmt, 5),
                               .said = column(stmt, 6),
                               .said_ms = number(stmt, 7)};
        each(arg, &row);
    }
    (void)sqlite3_reset(stmt);
    return code == SQLITE_DONE;
}

bool hooks_move(struct hooks *h, uint64_t id, uint64_t record, uint64_t index)
{
    bind_int(h->stmt[DO_move], 1, id);
    bind_int(h->stmt[DO_move], 2, record);
    bind_int(h->stmt[DO_move], 3, index);
    return run(h, DO_move);
}

bool hooks_say(struct hooks *h, uint64_t id, struct slice said, uint64_t now_ms)
{
    bind_int(h->stmt[DO_say], 1, id);
    bind(h->stmt[DO_say], 2, slice_sub(said, 0, HOOKS_SAID_MAX));
    bind_int(h->stmt[DO_say], 3, now_ms);
    return run(h, DO_say);
}

bool hooks_changed(struct hooks *h)
{
    sqlite3_stmt *stmt = h->stmt[DO_changed];
    int64_t version =
        sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : -1;
    (void)sqlite3_reset(stmt);
    bool changed = version != h->version;
    h->version = version;
    return changed;
}
