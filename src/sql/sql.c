/* sql/sql.c - see sql.h */
#include "sql/sql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

int sql_exec(struct sql *s, const char *script)
{
    return sqlite3_exec(s->db, script, NULL, NULL, NULL);
}

/* On SQLITE_ROW the statement is the caller's to finalize. */
static int first_row(struct sql *s, const char *question, sqlite3_stmt **stmt)
{
    int code = sqlite3_prepare_v2(s->db, question, -1, stmt, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_step(*stmt);
    }
    if (code != SQLITE_ROW) {
        (void)sqlite3_finalize(*stmt);
    }
    return code;
}

int sql_number(struct sql *s, const char *question, int64_t *out)
{
    sqlite3_stmt *stmt = NULL;
    int code = first_row(s, question, &stmt);
    if (code != SQLITE_ROW) {
        return code;
    }
    *out = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    return SQLITE_OK;
}

int sql_octets(struct sql *s, const char *question, unsigned char *out, size_t len)
{
    sqlite3_stmt *stmt = NULL;
    int code = first_row(s, question, &stmt);
    if (code != SQLITE_ROW) {
        return code;
    }
    const void *octets = sqlite3_column_blob(stmt, 0);
    bool fits = octets != NULL && (size_t)sqlite3_column_bytes(stmt, 0) == len;
    if (fits) {
        memcpy(out, octets, len);
    }
    (void)sqlite3_finalize(stmt);
    return fits ? SQLITE_OK : SQLITE_CORRUPT;
}

static int put_secret(struct sql *s, const char *answer, unsigned char *out, size_t len)
{
    sqlite3_stmt *stmt = NULL;
    if (getrandom(out, len, 0) != (ssize_t)len) {
        return SQLITE_IOERR;
    }
    int code = sqlite3_prepare_v2(s->db, answer, -1, &stmt, NULL);
    if (code == SQLITE_OK) {
        (void)sqlite3_bind_blob64(stmt, 1, out, len, SQLITE_TRANSIENT);
        code = sqlite3_step(stmt);
    }
    (void)sqlite3_finalize(stmt);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* COMMIT, or ROLLBACK where something went wrong. */
static int end(struct sql *s, int code)
{
    if (code == SQLITE_OK) {
        code = sql_exec(s, "COMMIT");
    }
    if (code != SQLITE_OK && sqlite3_get_autocommit(s->db) == 0) {
        IGNORE(sql_exec(s, "ROLLBACK")); /* closing does it, too */
    }
    return code;
}

int sql_secret(struct sql *s, const char *question, const char *answer,
               unsigned char *out, size_t len)
{
    int code = sql_octets(s, question, out, len);
    if (code != SQLITE_DONE) {
        return code;
    }
    code = sql_exec(s, "BEGIN IMMEDIATE");
    if (code != SQLITE_OK) {
        return code;
    }
    code = sql_octets(s, question, out, len); /* another may have been quicker */
    return end(s, code == SQLITE_DONE ? put_secret(s, answer, out, len) : code);
}

static int version_of(struct sql *s, int64_t *out)
{
    int code = sql_number(s, "PRAGMA user_version", out);
    if (code == SQLITE_OK && (*out < 0 || *out > s->kind->version)) {
        return SQL_NEWER;
    }
    return code;
}

static int migrate(struct sql *s)
{
    int64_t version = 0;
    if (s->kind->version == 0) {
        return SQLITE_OK;
    }
    int code = version_of(s, &version);
    if (code != SQLITE_OK || version == s->kind->version) {
        return code;
    }
    code = sql_exec(s, "BEGIN IMMEDIATE");
    if (code != SQLITE_OK) {
        return code;
    }
    code = version_of(s, &version);
    for (; code == SQLITE_OK && version < s->kind->version; version++) {
        char set[64];
        (void)snprintf(set, sizeof set, "PRAGMA user_version = %d", (int)version + 1);
        code = sql_exec(s, s->kind->migrations[version]);
        if (code == SQLITE_OK) {
            code = sql_exec(s, set);
        }
    }
    return end(s, code);
}

int sql_open(struct sql *s, const char *path, int flags, int busy_ms,
             const struct sql_kind *kind)
{
    *s = (struct sql){.kind = kind, .stmt = calloc(kind->statement_n, sizeof *s->stmt)};
    if (s->stmt == NULL) {
        return SQLITE_NOMEM;
    }
    int code = sqlite3_open_v2(path, &s->db, flags, NULL);
    if (code == SQLITE_OK) {
        (void)sqlite3_extended_result_codes(s->db, 1);
        (void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        (void)sqlite3_busy_timeout(s->db, busy_ms);
        code = sql_exec(s, kind->set_up);
    }
    return code == SQLITE_OK ? migrate(s) : code;
}

void sql_close(struct sql *s)
{
    for (unsigned i = 0; s->stmt != NULL && i < s->kind->statement_n; i++) {
        (void)sqlite3_finalize(s->stmt[i]);
    }
    free(s->stmt);
    (void)sqlite3_close(s->db);
    *s = (struct sql){0};
}

const char *sql_why(const struct sql *s, int code)
{
    if (code == SQL_NEWER) {
        return "made by a newer postern; install that one";
    }
    bool of_last = s->db != NULL && (sqlite3_errcode(s->db) & 0xff) == (code & 0xff);
    return of_last ? sqlite3_errmsg(s->db) : sqlite3_errstr(code);
}

sqlite3_stmt *sql_get(struct sql *s, unsigned which, int *code)
{
    sqlite3_stmt **stmt = &s->stmt[which];
    *code = SQLITE_OK;
    if (*stmt == NULL) {
        *code = sqlite3_prepare_v3(s->db, s->kind->statements[which], -1,
                                   SQLITE_PREPARE_PERSISTENT, stmt, NULL);
    }
    if (*stmt != NULL) {
        (void)sqlite3_reset(*stmt);
        (void)sqlite3_clear_bindings(*stmt);
    }
    return *stmt;
}

int sql_prepare(struct sql *s)
{
    int code = SQLITE_OK;
    for (unsigned i = 0; code == SQLITE_OK && i < s->kind->statement_n; i++) {
        IGNORE(sql_get(s, i, &code) == NULL); /* code says it */
    }
    return code;
}

void sql_bind(sqlite3_stmt *stmt, int at, struct slice text)
{
    if (stmt != NULL) {
        (void)sqlite3_bind_text64(stmt, at, text.len == 0 ? "" : (const char *)text.ptr,
                                  text.len, SQLITE_TRANSIENT, SQLITE_UTF8);
    }
}

void sql_bind_count(sqlite3_stmt *stmt, int at, uint64_t n)
{
    if (stmt != NULL) {
        (void)sqlite3_bind_int64(stmt, at, n > INT64_MAX ? INT64_MAX : (int64_t)n);
    }
}

struct slice sql_column(sqlite3_stmt *stmt, int at)
{
    const unsigned char *text = sqlite3_column_text(stmt, at);
    int len = sqlite3_column_bytes(stmt, at);
    return (struct slice){text, text == NULL || len < 0 ? 0 : (size_t)len};
}

uint64_t sql_count(sqlite3_stmt *stmt, int at)
{
    int64_t n = sqlite3_column_int64(stmt, at);
    return n < 0 ? 0 : (uint64_t)n;
}
