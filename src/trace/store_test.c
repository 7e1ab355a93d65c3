/* trace/store_test.c - what goes in comes out under every key; expiry, bounds, damage. */
#include "trace/store.h"

#include "base/clock.h"
#include "base/log.h"
#include "trace/pairs.h"
#include "trace/query.h"

#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATH_LEN = 128 };
static char dir[] = "/tmp/trace-store-test-XXXXXX";
static char path[PATH_LEN], bad[PATH_LEN + 8];
static const uint64_t now = 1800000000000, day = 86400000;

static int setup(void **state)
{
    (void)state;
    static const char *const ends[] = {"",     "-wal",     "-shm",
                                       ".bad", ".bad-wal", ".bad-shm"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        char name[PATH_LEN + 16];
        (void)snprintf(name, sizeof name, "%s%s", path, ends[i]);
        (void)unlink(name);
    }
    return 0;
}

/* A record of a session with an address key each, one of three clients, and `pad` octets.
 */
static bool try_add(struct trace_store *s, uint64_t session, uint64_t at, size_t pad)
{
    struct trace_writer w;
    struct buf b;
    struct fields f;
    char text[64];
    unsigned char padding[TRACE_VALUE_MAX] = {0};
    buf_init(&b, TRACE_RECORD_MAX);
    trace_init(&w, session, at);
    (void)snprintf(text, sizeof text, "192.0.2.%d", (int)(session % 3));
    trace_key(&w, TRACE_KEY_IP, slice_of(text));
    (void)snprintf(text, sizeof text, "User%llu@Example.test",
                   (unsigned long long)session);
    trace_key(&w, TRACE_KEY_ADDRESS, slice_of(text));
    fields_reset(&f);
    fields_add(&f, "text", (struct slice){padding, pad});
    trace_event(&w, TRACE_note, at, 0, &f);
    trace_take(&w, at, &b);
    bool added = trace_store_add(s, buf_slice(&b), at);
    trace_clear(&w);
    buf_clear(&b);
    return added;
}

static void add(struct trace_store *s, uint64_t session, uint64_t at, size_t pad)
{
    assert_true(try_add(s, session, at, pad));
}

static bool count_record(void *arg, struct slice record)
{
    assert_true(trace_valid(record));
    ++*(size_t *)arg;
    return true;
}

static size_t records_of(struct trace_query *q, uint64_t session)
{
    size_t n = 0;
    const char *error = NULL;
    assert_true(trace_query_session(q, session, count_record, &n, &error));
    return n;
}

static size_t sessions_of(struct trace_query *q, enum trace_key kind, const char *key,
                          uint64_t since, uint64_t *out, size_t max, bool *more)
{
    size_t n = 0;
    const char *error = NULL;
    assert_true(
        trace_query_key(q, kind, slice_of(key), since, out, max, &n, more, &error));
    return n;
}

static struct trace_query *open_query(void)
{
    const char *error = NULL;
    struct trace_query *q = trace_query_open(path, &error);
    if (q == NULL) {
        fail_msg("%s: %s", path, error);
    }
    return q;
}

static void test_find(void **state)
{
    (void)state;
    uint64_t out[4], at = 0;
    bool more = false;
    struct trace_store *s = trace_store_open(path, day, 0);
    add(s, 1, now, 10);
    add(s, 2, now + 1, 10);
    add(s, 4, now + 2, 10);
    add(s, 1, now + 3, 10);
    assert_int_equal(trace_store_waiting(s), 4);
    struct trace_query *q = open_query();
    assert_int_equal(records_of(q, 1), 0); /* not committed yet */
    trace_query_close(&q);
    assert_true(trace_store_commit(s, now));
    assert_int_equal(trace_store_waiting(s), 0);

    q = open_query();
    assert_int_equal(records_of(q, 1), 2);
    assert_int_equal(records_of(q, 2), 1);
    assert_int_equal(records_of(q, 3), 0);
    assert_int_equal(sessions_of(q, TRACE_KEY_IP, "192.0.2.1", 0, out, 4, &more), 2);
    assert_true(out[0] == 1 && out[1] == 4 && !more); /* newest first, 1 only once */
    assert_int_equal(sessions_of(q, TRACE_KEY_IP, "192.0.2.1", 0, out, 1, &more), 1);
    assert_true(more);
    assert_int_equal(
        sessions_of(q, TRACE_KEY_ADDRESS, "USER4@example.TEST", 0, out, 4, &more), 1);
    assert_true(out[0] == 4 && !more);
    /* The same text as another kind of key is another key. */
    assert_int_equal(sessions_of(q, TRACE_KEY_ADDRESS, "192.0.2.1", 0, out, 4, &more), 0);
    assert_int_equal(sessions_of(q, TRACE_KEY_IP, "192.0.2.1", now + 3, out, 4, &more),
                     1);
    assert_true(trace_query_oldest(q, &at) && at == now);
    trace_query_close(&q);

    /* Closed and opened again: nothing lost, ids go on. */
    add(s, 5, now + 4, 10);
    trace_store_close(&s);
    assert_null(s);
    s = trace_store_open(path, day, 0);
    add(s, 6, now + 5, 10);
    assert_true(trace_store_commit(s, now));
    q = open_query();
    assert_int_equal(records_of(q, 1), 2);
    assert_int_equal(records_of(q, 5), 1);
    assert_int_equal(records_of(q, 6), 1);
    trace_query_close(&q);
    assert_int_equal(trace_store_lost(s), 0);
    trace_store_close(&s);
    q = open_query(); /* at rest */
    assert_int_equal(records_of(q, 6), 1);
    trace_query_close(&q);
}

/* Enough for two runs and a remainder, over several batches and a restart. */
static void test_runs(void **state)
{
    (void)state;
    enum { N = 50000 };
    uint64_t out[64];
    bool more = false;
    struct trace_store *s = trace_store_open(path, day, 0);
    for (uint64_t i = 1; i <= N; i++) {
        add(s, i, now + i, 0);
        if (i % 700 == 0) {
            assert_true(trace_store_commit(s, now));
        }
        if (i == N / 2) {
            trace_store_close(&s);
            s = trace_store_open(path, day, 0);
        }
    }
    assert_true(trace_store_commit(s, now));
    struct trace_query *q = open_query();
    for (uint64_t i = 1; i <= N; i += 1 + i % 97) {
        char address[64];
        (void)snprintf(address, sizeof address, "user%llu@example.test",
                       (unsigned long long)i);
        assert_int_equal(records_of(q, i), 1);
        assert_int_equal(sessions_of(q, TRACE_KEY_ADDRESS, address, 0, out, 64, &more),
                         1);
        assert_true(out[0] == i && !more);
    }
    assert_int_equal(records_of(q, N + 1), 0);
    /* A third of all has this key: chunks full of it, newest first across the runs. */
    assert_int_equal(sessions_of(q, TRACE_KEY_IP, "192.0.2.0", 0, out, 64, &more), 64);
    assert_true(more);
    for (uint64_t i = 0; i < 64; i++) {
        assert_true(out[i] == (N / 3 - i) * 3);
    }
    static uint64_t all[N];
    assert_int_equal(sessions_of(q, TRACE_KEY_IP, "192.0.2.0", 0, all, N, &more), N / 3);
    assert_false(more);
    for (uint64_t i = 0; i < N / 3; i++) {
        assert_true(all[i] == (N / 3 - i) * 3);
    }
    trace_query_close(&q);
    trace_store_close(&s);
}

static int64_t number(const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    (void)sqlite3_close(db);
    return n;
}

static void test_expiry(void **state)
{
    (void)state;
    enum { N = 40000 };
    struct trace_store *s = trace_store_open(path, day, 0);
    for (uint64_t i = 1; i <= N; i++) {
        add(s, i, i <= N / 2 + N / 4 ? now : now + day, 400);
    }
    assert_true(trace_store_commit(s, now));
    assert_false(trace_store_tidy(s, 1000, now + day)); /* exactly keep_ms old: kept */
    assert_int_equal(number("SELECT count(*) FROM record"), N);
    int64_t left = N, pages = number("PRAGMA page_count");
    int steps = 0;
    while (trace_store_tidy(s, 1000, now + day + 1)) {
        int64_t n = number("SELECT count(*) FROM record");
        assert_in_range(n, left - 1000, left); /* a step is bounded */
        left = n;
        assert_in_range(++steps, 1, 400);
    }
    assert_int_equal(left, N / 4);
    assert_int_equal(number("SELECT count(*) FROM run"), 0);
    assert_int_equal(number("SELECT count(*) FROM chunk"), 0);
    assert_true(number("PRAGMA page_count") < pages); /* given back to the disk */
    struct trace_query *q = open_query();
    assert_int_equal(records_of(q, 1), 0);
    assert_int_equal(records_of(q, N), 1);
    trace_query_close(&q);

    /* All gone: ids are not given twice while a pair may still name them. */
    while (trace_store_tidy(s, 1000, now + 3 * day)) {
    }
    assert_int_equal(number("SELECT count(*) FROM record"), 0);
    trace_store_close(&s);
    s = trace_store_open(path, day, 0);
    add(s, N + 7, now + 3 * day, 0);
    assert_true(trace_store_commit(s, now));
    q = open_query();
    assert_int_equal(records_of(q, N), 0);
    assert_int_equal(records_of(q, N + 7), 1);
    trace_query_close(&q);
    assert_int_equal(number("SELECT min(id) FROM record"), N + 1);
    trace_store_close(&s);
}

static void test_size(void **state)
{
    (void)state;
    const uint64_t size_max = 4 * 1024 * 1024;
    struct trace_store *s = trace_store_open(path, day, size_max);
    for (uint64_t i = 1; i <= 12000; i++) {
        add(s, i, now, 1000);
        if (i % 100 == 0) {
            (void)trace_store_tidy(s, 300, now);
            assert_true(trace_store_commit(s, now));
        }
    }
    assert_in_range(number("PRAGMA page_count") * 8192, size_max / 2, size_max * 5 / 4);
    struct trace_query *q = open_query();
    assert_int_equal(records_of(q, 1), 0);
    assert_int_equal(records_of(q, 12000), 1);
    trace_query_close(&q);
    trace_store_close(&s);
}

static void scribble(const char *name, off_t from, size_t n)
{
    int fd = open(name, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    unsigned char junk[4096];
    memset(junk, 0xa5, sizeof junk);
    for (size_t at = 0; at < n; at += sizeof junk) {
        assert_int_equal(pwrite(fd, junk, sizeof junk, from + (off_t)at), sizeof junk);
    }
    close(fd);
}

static int hush(void)
{
    int err = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY);
    assert_true(err >= 0 && null >= 0);
    assert_int_equal(dup2(null, STDERR_FILENO), STDERR_FILENO);
    close(null);
    return err;
}

static void unhush(int err)
{
    assert_int_equal(dup2(err, STDERR_FILENO), STDERR_FILENO);
    close(err);
}

static void quietly_open(struct trace_store **s)
{
    int err = hush();
    *s = trace_store_open(path, day, 0);
    unhush(err);
}

static void test_damage(void **state)
{
    (void)state;
    struct stat st;
    struct trace_store *s = NULL;
    /* Not a database at all. */
    scribble(path, 0, 64 * 1024);
    quietly_open(&s);
    assert_int_equal(stat(bad, &st), 0);
    add(s, 1, now, 0);
    assert_true(trace_store_commit(s, now));
    struct trace_query *q = open_query();
    assert_int_equal(records_of(q, 1), 1);
    trace_query_close(&q);
    trace_store_close(&s);

    /* A good first page, trash behind it; another format. */
    for (int i = 0; i < 2; i++) {
        (void)unlink(bad);
        if (i == 0) {
            scribble(path, 8192, 64 * 1024);
        } else {
            sqlite3 *db = NULL;
            assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
            assert_int_equal(
                sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL),
                SQLITE_OK);
            (void)sqlite3_close(db);
        }
        quietly_open(&s);
        assert_int_equal(stat(bad, &st), 0);
        add(s, 2, now, 0);
        assert_true(trace_store_commit(s, now));
        trace_store_close(&s);
    }

    /* Damaged under a running store: what comes next lands in a new one. */
    (void)unlink(bad);
    s = trace_store_open(path, day, 0);
    for (uint64_t i = 1; i < 3000; i++) {
        add(s, i, now, 1000);
    }
    assert_true(trace_store_commit(s, now));
    (void)number("PRAGMA wal_checkpoint(TRUNCATE)");
    assert_int_equal(stat(path, &st), 0);
    scribble(path, 8192, (size_t)st.st_size - 8192);
    int err = hush();
    for (int i = 0; i < 200 && stat(bad, &st) != 0; i++) {
        (void)trace_store_tidy(s, 100, now + 9 * day);
    }
    unhush(err);
    assert_int_equal(stat(bad, &st), 0);
    add(s, 77, now, 0);
    assert_true(trace_store_commit(s, now));
    q = open_query();
    assert_int_equal(records_of(q, 77), 1);
    trace_query_close(&q);
    trace_store_close(&s);
}

/* A directory that is not there: nothing broken; what came, up to the bound, is written when it is. */
static void test_no_directory(void **state)
{
    (void)state;
    char held_path[PATH_LEN];
    enum { N = 6000 }; /* 1,000 octets each: more than is held */
    char later_dir[PATH_LEN / 2], path_saved[PATH_LEN];
    (void)snprintf(later_dir, sizeof later_dir, "%s/later", dir);
    (void)snprintf(held_path, sizeof held_path, "%s/trace.db", later_dir);
    (void)memcpy(path_saved, path, sizeof path);
    int err = hush();
    struct trace_store *s = trace_store_open(held_path, day, 0);
    uint64_t t = clock_wall_ms();
    assert_non_null(s);
    for (uint64_t i = 1; i <= N; i++) {
        (void)try_add(s, i, t, 1000);
    }
    assert_false(trace_store_commit(s, t));
    assert_false(trace_store_tidy(s, 10, t));
    unhush(err);
    unsigned held = trace_store_waiting(s);
    assert_in_range(held, 3000, N - 1);
    assert_int_equal(trace_store_lost(s), N - held);
    assert_int_equal(mkdir(later_dir, 0700), 0);
    assert_false(trace_store_commit(s, t + 1)); /* not at every record anew */
    assert_true(trace_store_commit(s, t + 60000));
    assert_int_equal(trace_store_waiting(s), 0);
    assert_int_equal(trace_store_lost(s), N - held);
    trace_store_close(&s);
    (void)memcpy(path, held_path, sizeof path);
    assert_int_equal(number("SELECT count(*) FROM record"), held);
    struct trace_query *q = open_query();
    assert_int_equal(records_of(q, 1), 1);
    assert_int_equal(records_of(q, held), 1);
    trace_query_close(&q);
    (void)setup(NULL);
    (void)memcpy(path, path_saved, sizeof path);
    assert_int_equal(rmdir(later_dir), 0);
}

/* Another process has the database (as a full disk would, it lets nothing be written): events are known, and
 * kept until they are on disk. */
static void test_locked(void **state)
{
    (void)state;
    sqlite3 *other = NULL;
    struct trace_store *s = trace_store_open(path, day, 0);
    add(s, 1, now, 0);
    assert_true(trace_store_commit(s, now));
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    int err = hush();
    unsigned char record[19] = {1, 9};
    struct slice event = {record, sizeof record};
    assert_true(trace_store_add_event(s, 7, 1, event, now)); /* waits as long as it may */
    assert_true(trace_store_add_event(s, 7, 2, event, now)); /* does not */
    add(s, 2, now, 0);
    assert_false(trace_store_commit(s, now));
    unhush(err);
    assert_int_equal(trace_store_waiting(s), 3);
    assert_true(trace_store_knows(s, 7, 2));
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    assert_true(trace_store_commit(s, now + 60000));
    assert_int_equal(trace_store_waiting(s), 0);
    assert_int_equal(trace_store_lost(s), 0);
    assert_true(trace_store_knows(s, 7, 2));
    trace_store_close(&s);
    assert_int_equal(number("SELECT count(*) FROM record"), 4);
    s = trace_store_open(path, day, 0);
    assert_true(trace_store_knows(s, 7, 2));
    assert_false(trace_store_knows(s, 7, 3));
    trace_store_close(&s);
}

/* During a reload two roles write in turn. */
static void test_two_writers(void **state)
{
    (void)state;
    enum { N = 60000 };
    struct trace_store *s[2] = {trace_store_open(path, day, 0),
                                trace_store_open(path, day, 0)};
    for (uint64_t i = 1; i <= N; i++) {
        uint64_t who = i / 500 % 2;
        add(s[who], i, now, 0);
        if (i % 500 == 499 || i == N) {
            assert_true(trace_store_commit(s[who], now));
        }
    }
    assert_int_equal(trace_store_lost(s[0]) + trace_store_lost(s[1]), 0);
    struct trace_query *q = open_query();
    for (uint64_t i = 1; i <= N; i += 7) {
        assert_int_equal(records_of(q, i), 1);
    }
    trace_query_close(&q);
    trace_store_close(&s[0]);
    trace_store_close(&s[1]);
}

static void test_pairs(void **state)
{
    (void)state;
    struct trace_pair p[] = {{5, 1}, {2, 9}, {5, 0}, {UINT64_MAX, 3}, {2, 8}};
    struct buf b;
    buf_init(&b, 1024);
    trace_pairs_sort(p, 5);
    trace_pairs_put(&b, p, 5);
    assert_int_equal(trace_pairs_n(buf_slice(&b)), 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(trace_pair_cmp(trace_pairs_at(buf_slice(&b), i), p[i]), 0);
        assert_int_equal(trace_pairs_upto(buf_slice(&b), p[i]), i + 1);
        assert_true(i == 0 || trace_pair_cmp(p[i - 1], p[i]) < 0);
    }
    assert_int_equal(trace_pairs_upto(buf_slice(&b), (struct trace_pair){2, 7}), 0);
    assert_int_equal(trace_pairs_upto(buf_slice(&b), (struct trace_pair){4, 0}), 2);
    assert_int_equal(trace_pairs_upto((struct slice){NULL, 0}, p[0]), 0);
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),
        cmocka_unit_test_setup(test_find, setup),
        cmocka_unit_test_setup(test_runs, setup),
        cmocka_unit_test_setup(test_expiry, setup),
        cmocka_unit_test_setup(test_size, setup),
        cmocka_unit_test_setup(test_damage, setup),
        cmocka_unit_test_setup(test_no_directory, setup),
        cmocka_unit_test_setup(test_locked, setup),
        cmocka_unit_test_setup(test_two_writers, setup),
    };
    if (mkdtemp(dir) == NULL) {
        return 1;
    }
    (void)snprintf(path, sizeof path, "%s/trace.db", dir);
    (void)snprintf(bad, sizeof bad, "%s.bad", path);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)setup(NULL);
    (void)rmdir(dir);
    return failed;
}
