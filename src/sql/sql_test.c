/* sql/sql_test.c - files are opened, brought up to date, and refused when they are newer. */
#include "sql/sql.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { PUT = 0, GET, STATEMENTS };
static const char *const statements[STATEMENTS] = {
    [PUT] = "INSERT INTO word VALUES (?1, ?2)",
    [GET] = "SELECT text, n FROM word",
};
static const char *const migrations[] = {
    "CREATE TABLE word (text TEXT NOT NULL) STRICT; INSERT INTO word VALUES ('old')",
    ("ALTER TABLE word ADD COLUMN n INTEGER NOT NULL DEFAULT -5;"
     "CREATE TABLE secret (octets BLOB NOT NULL) STRICT"),
    "CREATE TABLE half (done INTEGER); CREATE NONSENSE",
};
static const struct sql_kind first = {"PRAGMA journal_mode = WAL", migrations, 1,
                                      statements, STATEMENTS},
                             second = {"PRAGMA journal_mode = WAL", migrations, 2,
                                       statements, STATEMENTS},
                             broken = {"PRAGMA journal_mode = WAL", migrations, 3,
                                       statements, STATEMENTS};

struct fixture {
    char dir[64], path[96];
};

static int set_up(void **state)
{
    static struct fixture f;
    (void)snprintf(f.dir, sizeof f.dir, "/tmp/sql-test-XXXXXX");
    *state = &f;
    if (mkdtemp(f.dir) == NULL) {
        return 1;
    }
    (void)snprintf(f.path, sizeof f.path, "%s/x.db", f.dir);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    (void)unlink(f->path);
    return rmdir(f->dir); /* no other file was left */
}

static void test_versions(void **state)
{
    struct fixture *f = *state;
    struct sql s;
    int code = SQLITE_OK;
    int64_t n = 0;
    assert_int_equal(sql_open(&s, f->path, SQL_OURS, 1000, &first), SQLITE_OK);
    assert_int_equal(sql_number(&s, "PRAGMA user_version", &n), SQLITE_OK);
    assert_int_equal(n, 1);
    assert_int_not_equal(sql_prepare(&s), SQLITE_OK); /* n is not there yet */
    sql_close(&s);
    assert_int_equal(sql_open(&s, f->path, SQL_OURS, 1000, &second), SQLITE_OK);
    assert_int_equal(sql_prepare(&s), SQLITE_OK);
    sqlite3_stmt *stmt = sql_get(&s, GET, &code);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_true(slice_eq(sql_column(stmt, 0), SLICE("old"))); /* what it had stays */
    assert_int_equal(sql_count(stmt, 1), 0);
    sql_close(&s);
    /* An older program does not touch it. */
    code = sql_open(&s, f->path, SQL_OURS, 1000, &first);
    assert_int_equal(code, SQL_NEWER);
    assert_non_null(strstr(sql_why(&s, code), "newer"));
    sql_close(&s);
    /* A migration that fails leaves nothing of itself. */
    assert_int_not_equal(sql_open(&s, f->path, SQL_OURS, 1000, &broken), SQLITE_OK);
    sql_close(&s);
    assert_int_equal(sql_open(&s, f->path, SQL_OURS, 1000, &second), SQLITE_OK);
    assert_int_equal(
        sql_number(&s, "SELECT 1 FROM sqlite_master WHERE name = 'half'", &n),
        SQLITE_DONE);
    sql_close(&s);
    sql_close(&s); /* of nothing */
}

static void test_values(void **state)
{
    struct fixture *f = *state;
    struct sql s;
    int code = SQLITE_OK;
    int64_t n = 7;
    assert_int_equal(sql_open(&s, f->path, SQL_OURS, 1000, &second), SQLITE_OK);
    assert_int_equal(sql_exec(&s, "DELETE FROM word"), SQLITE_OK);
    assert_int_equal(sql_number(&s, "SELECT n FROM word", &n), SQLITE_DONE);
    assert_int_equal(n, 7);
    sqlite3_stmt *stmt = sql_get(&s, PUT, &code);
    sql_bind(stmt, 1, (struct slice){NULL, 0}); /* empty is not NULL */
    sql_bind_count(stmt, 2, UINT64_MAX);
    assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
    /* Values do not live on. */
    stmt = sql_get(&s, PUT, &code);
    assert_int_equal(sqlite3_step(stmt) & 0xff, SQLITE_CONSTRAINT);
    stmt = sql_get(&s, GET, &code);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_int_equal(sql_column(stmt, 0).len, 0);
    assert_int_equal(sql_count(stmt, 1), INT64_MAX);
    sql_bind(NULL, 1, SLICE("x"));
    sql_bind_count(NULL, 1, 1);
    sql_close(&s);
}

static void test_secret(void **state)
{
    struct fixture *f = *state;
    static const char ask[] = "SELECT octets FROM secret",
                      put[] = "INSERT INTO secret VALUES (?1)";
    static const unsigned char none[16];
    unsigned char one[16] = {0}, two[16] = {0}, longer[17];
    struct sql s, other;
    assert_int_equal(sql_open(&s, f->path, SQL_OURS, 1000, &second), SQLITE_OK);
    assert_int_equal(sql_open(&other, f->path, SQL_OURS, 1000, &second), SQLITE_OK);
    assert_int_equal(sql_secret(&s, ask, put, one, sizeof one), SQLITE_OK);
    assert_memory_not_equal(one, none, sizeof one);
    assert_int_equal(sql_secret(&other, ask, put, two, sizeof two), SQLITE_OK);
    assert_memory_equal(one, two, sizeof one);
    assert_int_equal(sql_secret(&s, ask, put, longer, sizeof longer), SQLITE_CORRUPT);
    /* Its device for randomness is not asked: two that are made are not the same. */
    assert_int_equal(sql_exec(&s, "DELETE FROM secret"), SQLITE_OK);
    assert_int_equal(sql_secret(&s, ask, put, two, sizeof two), SQLITE_OK);
    assert_memory_not_equal(one, two, sizeof one);
    sql_close(&s);
    sql_close(&other);
}

static void test_faults(void **state)
{
    struct fixture *f = *state;
    struct sql s;
    char link[128];
    int code = sql_open(&s, "/nowhere/at/all.db", SQL_OURS, 10, &second);
    assert_int_equal(code & 0xff, SQLITE_CANTOPEN);
    assert_true(strlen(sql_why(&s, code)) > 0);
    sql_close(&s);
    FILE *file = fopen(f->path, "w");
    assert_non_null(file);
    (void)fprintf(file, "this is no database, and it is long enough to be looked at\n");
    assert_int_equal(fclose(file), 0);
    assert_int_equal(sql_open(&s, f->path, SQL_OURS, 10, &second) & 0xff, SQLITE_NOTADB);
    sql_close(&s);
    assert_int_equal(unlink(f->path), 0);
    (void)snprintf(link, sizeof link, "%s/link.db", f->dir);
    assert_int_equal(symlink(f->path, link), 0);
    assert_int_equal(sql_open(&s, link, SQL_OURS, 10, &second) & 0xff, SQLITE_CANTOPEN);
    sql_close(&s);
    assert_int_equal(unlink(link), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_versions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_secret, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_faults, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
