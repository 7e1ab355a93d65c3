/* trace/store.c - see store.h */
#include "trace/store.h"

#include "base/clock.h"
#include "base/log.h"
#include "sql/sql.h"
#include "trace/held.h"
#include "trace/pairs.h"
#include "trace/schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Static_assert(TRACE_RUN_CHUNKS_MAX < 1 << TRACE_CHUNK_SHIFT, "a chunk id must fit");
_Static_assert((int)TRACE_KEYS_MAX < (int)TRACE_RUN_PAIRS, "a record must fit a run");

enum {
    STORE_PATH_MAX = 4096,
    BUSY_MS = 2000,
    REOPEN_EVERY_MS = 10 * 1000,
    RETRY_EVERY_MS = 1000, /* a full disk, a lock */
    COMPLAIN_EVERY_MS = 60 * 1000,
    VACUUM_OVER_PAGES = 1024, /* free pages worth giving back to the disk */
};

enum statement {
    BEGIN = 0,
    COMMIT,
    ROLLBACK,
    OTHERS,
    ADD_RECORD,
    ADD_FRESH,
    ADD_CHUNK,
    ADD_RUN,
    HEARD,
    SET_HEARD,
    CLEAR_FRESH,
    LOAD_FRESH,
    NEXT_RECORD,
    NEXT_RUN,
    OLDEST,
    EXPIRE,
    DEAD_RUN,
    DROP_CHUNKS,
    DROP_RUN,
    PAGES,
    FREE_PAGES,
    VACUUM,
    STATEMENT_COUNT
};
static const char *const statements[STATEMENT_COUNT] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [OTHERS] = "PRAGMA data_version", /* changes when another process has written */
    [ADD_RECORD] = "INSERT INTO record(id, at, body) VALUES(?, ?, ?)",
    [ADD_FRESH] = "INSERT INTO fresh(pairs) VALUES(?)",
    [ADD_CHUNK] = "INSERT INTO chunk(id, pairs) VALUES(?, ?)",
    [ADD_RUN] = "INSERT INTO run(id, chunks, first, last) VALUES(?, ?, ?, ?)",
    [HEARD] = "SELECT life, number FROM heard",
    [SET_HEARD] = "INSERT OR REPLACE INTO heard VALUES(1, ?, ?)",
    [CLEAR_FRESH] = "DELETE FROM fresh",
    [LOAD_FRESH] = "SELECT pairs FROM fresh ORDER BY id",
    [NEXT_RECORD] = ("SELECT max(ifnull((SELECT max(id) FROM record), 0),"
                     "           ifnull((SELECT max(last) FROM run), 0)) + 1"),
    [NEXT_RUN] = "SELECT ifnull(max(id), 0) + 1 FROM run",
    [OLDEST] = "SELECT id, at FROM record ORDER BY id LIMIT 1",
    [EXPIRE] = "DELETE FROM record WHERE id < ? AND at < ?",
    [DEAD_RUN] = "SELECT id, chunks FROM run WHERE last < ? ORDER BY id LIMIT 1",
    [DROP_CHUNKS] = "DELETE FROM chunk WHERE id >= ? AND id < ?",
    [DROP_RUN] = "DELETE FROM run WHERE id = ?",
    [PAGES] = "PRAGMA page_count",
    [FREE_PAGES] = "PRAGMA freelist_count",
    [VACUUM] = "PRAGMA incremental_vacuum(64)",
};

/* Before any table: they shape the file. Syncing happens when the log of 32 MiB goes into
 * the database, so seldom, and never for a batch: the spool wants the disk for itself. */
static const char *const migrations[] = {TRACE_SCHEMA, TRACE_SCHEMA_HEARD};
static const struct sql_kind file_kind = {
    .set_up = "PRAGMA page_size = 8192;"
              "PRAGMA auto_vacuum = INCREMENTAL;"
              "PRAGMA journal_mode = WAL;"
              "PRAGMA synchronous = NORMAL;"
              "PRAGMA wal_autocheckpoint = 4000;"
              "PRAGMA journal_size_limit = 67108864;"
              "PRAGMA cache_size = -4096;"
              "PRAGMA trusted_schema = OFF;"
              "PRAGMA temp_store = MEMORY;",
    SQL_MIGRATIONS(migrations),
    SQL_STATEMENTS(statements),
};

struct trace_store {
    char path[STORE_PATH_MAX];
    uint64_t keep_ms, size_max;
    struct sql sql; /* db NULL: could not be opened, see retry_ms */
    uint64_t retry_ms;
    uint64_t hash_key[2];
    int64_t next_record, next_run, others;
    uint64_t life, heard; /* of the events: the last one that is here */
    bool heard_unsaved;
    struct trace_pair *pair; /* TRACE_RUN_PAIRS: all that stand in no run yet */
    size_t pair_n, saved_n;  /* of them, the first saved_n stand in fresh */
    struct trace_held held;  /* what no commit has put on disk */
    bool in_batch;
    unsigned batch_n; /* of those held, how many stand in the open batch */
    uint64_t lost, lost_said, complained_ms;
    struct buf blob;
};

/* The path may be that of a changed root; people know the file by its name. */
static const char *name_of(const struct trace_store *s)
{
    const char *slash = strrchr(s->path, '/');
    return slash == NULL ? s->path : slash + 1;
}

static void complain(struct trace_store *s, const char *what, uint64_t now_ms)
{
    if (s->complained_ms != 0 && now_ms - s->complained_ms < COMPLAIN_EVERY_MS) {
        return;
    }
    s->complained_ms = now_ms;
    log_text(LOG_ERR, "trace-store", "%s: %s; records lost since the last word: %" PRIu64,
             name_of(s), what, s->lost - s->lost_said);
    s->lost_said = s->lost;
}

/* One step of a statement that gives at most one row; a number in it goes to *out. */
static int run_stmt(struct trace_store *s, enum statement which, int64_t *out)
{
    sqlite3_stmt *stmt = s->sql.stmt[which];
    int rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW && out != NULL) {
        *out = sqlite3_column_int64(stmt, 0);
    }
    while (rc == SQLITE_ROW) {
        rc = sqlite3_step(stmt);
    }
    (void)sqlite3_reset(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static void close_db(struct trace_store *s)
{
    sql_close(&s->sql);
    s->in_batch = false;
    s->batch_n = 0;
}

static void forget_held(struct trace_store *s)
{
    trace_held_forget(&s->held);
    s->batch_n = 0;
}

/* Events that are held are here, though the database knows nothing of them. */
static void recall_held(struct trace_store *s)
{
    struct wire_reader r = trace_held_all(&s->held);
    struct trace_held_record h;
    while (trace_held_next(&r, &h)) {
        if (h.number > 0 && (h.life != s->life || h.number > s->heard)) {
            s->life = h.life;
            s->heard = h.number;
            s->heard_unsaved = true;
        }
    }
}

static int load_heard(struct trace_store *s)
{
    sqlite3_stmt *stmt = s->sql.stmt[HEARD];
    int rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        s->life = sql_count(stmt, 0);
        s->heard = sql_count(stmt, 1);
    }
    (void)sqlite3_reset(stmt);
    s->heard_unsaved = false;
    recall_held(s);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int save_heard(struct trace_store *s)
{
    sqlite3_stmt *stmt = s->sql.stmt[SET_HEARD];
    sql_bind_count(stmt, 1, s->life);
    sql_bind_count(stmt, 2, s->heard);
    int rc = run_stmt(s, SET_HEARD, NULL);
    s->heard_unsaved = rc != SQLITE_OK;
    return rc;
}

/* What the database knows and we only remember: ids, and the pairs that stand in no run.
 */
static int load(struct trace_store *s)
{
    s->pair_n = 0;
    int heard_rc = load_heard(s);
    if (heard_rc != SQLITE_OK) {
        return heard_rc;
    }
    int rc = run_stmt(s, NEXT_RECORD, &s->next_record);
    if (rc == SQLITE_OK) {
        rc = run_stmt(s, NEXT_RUN, &s->next_run);
    }
    sqlite3_stmt *stmt = s->sql.stmt[LOAD_FRESH];
    while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        struct slice blob = {sqlite3_column_blob(stmt, 0),
                             (size_t)sqlite3_column_bytes(stmt, 0)};
        size_t n = trace_pairs_n(blob);
        if (n > TRACE_RUN_PAIRS - s->pair_n) {
            rc = SQLITE_CORRUPT; /* we never leave more */
            break;
        }
        for (size_t i = 0; i < n; i++) {
            struct trace_pair p = trace_pairs_at(blob, i);
            s->pair[s->pair_n++] = p;
            /* Its record may be gone; its id is not free before the pair is. */
            if (p.record >= (uint64_t)s->next_record && p.record < INT64_MAX) {
                s->next_record = (int64_t)p.record + 1;
            }
        }
    }
    int done = sqlite3_reset(stmt);
    s->saved_n = s->pair_n;
    return rc != SQLITE_OK ? rc : done;
}

/* One attempt: SQLITE_OK and s->sql.db is ready, or what is wrong and it is closed. */
static int open_db(struct trace_store *s)
{
    unsigned char key[sizeof s->hash_key];
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int rc = sql_open(&s->sql, s->path, flags, BUSY_MS, &file_kind);
    if (rc == SQL_NEWER) {
        rc = SQLITE_NOTADB; /* of another Postern: set aside like a damaged one */
    }
    if (rc == SQLITE_OK) {
        rc = sql_secret(&s->sql, "SELECT hash_key FROM meta",
                        "INSERT INTO meta VALUES(?1)", key, sizeof key);
    }
    if (rc == SQLITE_OK) {
        memcpy(s->hash_key, key, sizeof key);
        rc = sql_prepare(&s->sql);
    }
    if (rc == SQLITE_OK) {
        rc = run_stmt(s, OTHERS, &s->others);
    }
    if (rc == SQLITE_OK) {
        rc = load(s);
    }
    if (rc != SQLITE_OK) {
        close_db(s);
    }
    return rc;
}

static bool damaged(int rc)
{
    rc &= 0xff;
    return rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB;
}

static void set_aside(struct trace_store *s, int why)
{
    static const char *const parts[] = {"", "-wal", "-shm"};
    char from[STORE_PATH_MAX + 16], to[STORE_PATH_MAX + 16];
    close_db(s);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        (void)snprintf(from, sizeof from, "%s%s", s->path, parts[i]);
        (void)snprintf(to, sizeof to, "%s.bad%s", s->path, parts[i]);
        if (rename(from, to) != 0 && i > 0) {
            (void)unlink(to); /* an old one would not fit the new database beside it */
        }
    }
    log_text(LOG_ERR, "trace-store", "%s: %s; set aside as %s.bad, a new one is begun",
             name_of(s), sqlite3_errstr(why), name_of(s));
}

static void open_or_replace(struct trace_store *s, uint64_t now_ms)
{
    int rc = open_db(s);
    if (damaged(rc) || rc == SQLITE_ERROR) { /* the latter: a table of ours is missing */
        set_aside(s, rc);
        rc = open_db(s);
    }
    if (rc != SQLITE_OK) {
        complain(s, sqlite3_errstr(rc), now_ms);
        s->retry_ms = now_ms + REOPEN_EVERY_MS;
    }
}

struct trace_store *trace_store_open(const char *path, uint64_t keep_ms,
                                     uint64_t size_max)
{
    struct trace_store *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->pair = calloc(TRACE_RUN_PAIRS, sizeof *s->pair);
    if (s->pair == NULL || !slice_cstr(slice_of(path), s->path, sizeof s->path)) {
        free(s->pair);
        free(s);
        return NULL;
    }
    s->keep_ms = keep_ms;
    s->size_max = size_max;
    buf_init(&s->blob, (size_t)TRACE_RUN_PAIRS * TRACE_PAIR_LEN);
    trace_held_init(&s->held);
    open_or_replace(s, clock_wall_ms());
    return s;
}

/* The wall clock may be set back: no wait is longer than the longest. */
static bool too_early(const struct trace_store *s, uint64_t now_ms)
{
    return now_ms < s->retry_ms && s->retry_ms - now_ms <= REOPEN_EVERY_MS;
}

/* The same octets would fare no better. */
static bool hopeless(int rc)
{
    rc &= 0xff;
    return rc == SQLITE_TOOBIG || rc == SQLITE_CONSTRAINT || rc == SQLITE_MISMATCH ||
           rc == SQLITE_RANGE || rc == SQLITE_MISUSE;
}

/* The batch is rolled back, and written again at the next commit. */
static void fail(struct trace_store *s, int rc, uint64_t now_ms)
{
    s->batch_n = 0;
    s->retry_ms = now_ms + RETRY_EVERY_MS;
    if (hopeless(rc)) {
        s->lost += s->held.n;
        forget_held(s);
    }
    complain(s, sqlite3_errmsg(s->sql.db), now_ms);
    if (damaged(rc)) {
        s->retry_ms = 0;
        set_aside(s, rc);
        open_or_replace(s, now_ms);
        return;
    }
    if (s->in_batch && sqlite3_get_autocommit(s->sql.db) == 0) {
        (void)run_stmt(s, ROLLBACK, NULL);
    }
    s->in_batch = false;
    if (load(s) != SQLITE_OK) {
        close_db(s);
        s->retry_ms = now_ms + REOPEN_EVERY_MS;
    }
}

/* Another writer may have numbered records and moved pairs: look before writing. */
static int begin(struct trace_store *s)
{
    int64_t others = 0;
    if (s->in_batch) {
        return SQLITE_OK;
    }
    int rc = run_stmt(s, BEGIN, NULL);
    if (rc != SQLITE_OK) {
        return rc;
    }
    s->in_batch = true;
    rc = run_stmt(s, OTHERS, &others);
    if (rc == SQLITE_OK && others != s->others) {
        s->others = others;
        rc = load(s);
    }
    return rc;
}

static int add_blob(struct trace_store *s, enum statement which, int at,
                    const struct trace_pair *pair, size_t n)
{
    buf_reset(&s->blob);
    trace_pairs_put(&s->blob, pair, n);
    if (s->blob.failed) {
        return SQLITE_NOMEM;
    }
    (void)sqlite3_bind_blob64(s->sql.stmt[which], at, s->blob.ptr, s->blob.len,
                              SQLITE_STATIC);
    return run_stmt(s, which, NULL);
}

static int add_chunks(struct trace_store *s, int64_t *chunks)
{
    int rc = SQLITE_OK;
    int64_t chunk = 0;
    for (size_t at = 0; rc == SQLITE_OK && at < s->pair_n; at += TRACE_CHUNK_PAIRS) {
        size_t n =
            s->pair_n - at < TRACE_CHUNK_PAIRS ? s->pair_n - at : TRACE_CHUNK_PAIRS;
        (void)sqlite3_bind_int64(s->sql.stmt[ADD_CHUNK], 1,
                                 s->next_run << TRACE_CHUNK_SHIFT | chunk);
        rc = add_blob(s, ADD_CHUNK, 2, s->pair + at, n);
        chunk++;
    }
    *chunks = chunk;
    return rc;
}

/* All pairs that we hold become a run. */
static int make_run(struct trace_store *s)
{
    int64_t chunks = 0;
    uint64_t first = UINT64_MAX, last = 0;
    for (size_t i = 0; i < s->pair_n; i++) {
        first = s->pair[i].record < first ? s->pair[i].record : first;
        last = s->pair[i].record > last ? s->pair[i].record : last;
    }
    trace_pairs_sort(s->pair, s->pair_n);
    int rc = add_chunks(s, &chunks);
    if (rc == SQLITE_OK) {
        sqlite3_stmt *stmt = s->sql.stmt[ADD_RUN];
        (void)sqlite3_bind_int64(stmt, 1, s->next_run);
        (void)sqlite3_bind_int64(stmt, 2, chunks);
        (void)sqlite3_bind_int64(stmt, 3, (int64_t)first);
        (void)sqlite3_bind_int64(stmt, 4, (int64_t)last);
        rc = run_stmt(s, ADD_RUN, NULL);
    }
    if (rc == SQLITE_OK) {
        rc = run_stmt(s, CLEAR_FRESH, NULL);
    }
    s->next_run++;
    s->pair_n = 0;
    s->saved_n = 0;
    return rc;
}

static int add_record(struct trace_store *s, struct slice record, uint64_t now_ms)
{
    sqlite3_stmt *stmt = s->sql.stmt[ADD_RECORD];
    (void)sqlite3_bind_int64(stmt, 1, s->next_record);
    (void)sqlite3_bind_int64(stmt, 2, (int64_t)now_ms);
    (void)sqlite3_bind_blob64(stmt, 3, record.ptr, record.len, SQLITE_STATIC);
    return run_stmt(s, ADD_RECORD, NULL);
}

static void add_pairs(struct trace_store *s, struct trace_reader *r)
{
    enum trace_key kind;
    struct slice key;
    uint64_t id = (uint64_t)s->next_record;
    s->pair[s->pair_n++] =
        (struct trace_pair){trace_hash_session(s->hash_key, r->session), id};
    while (trace_next_key(r, &kind, &key)) {
        s->pair[s->pair_n++] =
            (struct trace_pair){trace_hash_key(s->hash_key, kind, key), id};
    }
}

/* One record into the open batch; the first begins it. */
static int write_record(struct trace_store *s, const struct trace_held_record *h)
{
    struct trace_reader r;
    if (!trace_open(h->record, &r)) {
        return SQLITE_MISUSE;
    }
    int rc = begin(s);
    if (rc == SQLITE_OK && s->pair_n + 1 + r.key_n > TRACE_RUN_PAIRS) {
        rc = make_run(s);
    }
    if (rc == SQLITE_OK) {
        rc = add_record(s, h->record, h->at_ms);
    }
    if (rc != SQLITE_OK) {
        return rc;
    }
    add_pairs(s, &r);
    s->next_record++;
    s->batch_n++;
    return SQLITE_OK;
}

static bool ready(struct trace_store *s, uint64_t now_ms)
{
    if (too_early(s, now_ms)) {
        return false;
    }
    if (s->sql.db == NULL) {
        open_or_replace(s, now_ms);
    }
    if (s->sql.db == NULL) {
        complain(s, "cannot be opened", now_ms);
    }
    return s->sql.db != NULL;
}

/* What is held and stands not in the batch goes there. */
static int write_held(struct trace_store *s)
{
    struct wire_reader r = trace_held_all(&s->held);
    struct trace_held_record h;
    int rc = SQLITE_OK;
    for (unsigned n = 0, done = s->batch_n; rc == SQLITE_OK && trace_held_next(&r, &h);
         n++) {
        rc = n < done ? SQLITE_OK : write_record(s, &h);
    }
    return rc;
}

static bool add(struct trace_store *s, const struct trace_held_record *h)
{
    bool in_step = s->held.n == s->batch_n; /* else it waits with those before it */
    if (!trace_valid(h->record)) {
        return false;
    }
    if (!trace_held_add(&s->held, h) &&
        !(trace_store_commit(s, h->at_ms) && trace_held_add(&s->held, h))) {
        s->lost++;
        complain(s, "too much waits to be written", h->at_ms);
        return false;
    }
    if (!in_step || !ready(s, h->at_ms)) {
        return true;
    }
    int rc = write_record(s, h);
    if (rc != SQLITE_OK) {
        fail(s, rc, h->at_ms);
    }
    return true;
}

bool trace_store_add(struct trace_store *s, struct slice record, uint64_t now_ms)
{
    return add(s, &(struct trace_held_record){.at_ms = now_ms, .record = record});
}

bool trace_store_add_event(struct trace_store *s, uint64_t life, uint64_t number,
                           struct slice record, uint64_t now_ms)
{
    struct trace_held_record h = {
        .at_ms = now_ms, .life = life, .number = number, .record = record};
    if (!add(s, &h)) {
        return false;
    }
    s->life = life;
    s->heard = number;
    s->heard_unsaved = true;
    return true;
}

bool trace_store_knows(const struct trace_store *s, uint64_t life, uint64_t number)
{
    return s->life == life && number <= s->heard;
}

unsigned trace_store_waiting(const struct trace_store *s)
{
    return s->held.n;
}

bool trace_store_commit(struct trace_store *s, uint64_t now_ms)
{
    if (s->held.n == 0 && !s->in_batch) {
        return true;
    }
    if (!ready(s, now_ms)) {
        return false;
    }
    int rc = write_held(s);
    if (rc == SQLITE_OK && s->pair_n > s->saved_n) {
        rc = add_blob(s, ADD_FRESH, 1, s->pair + s->saved_n, s->pair_n - s->saved_n);
    }
    if (rc == SQLITE_OK && s->heard_unsaved) {
        rc = save_heard(s);
    }
    if (rc == SQLITE_OK) {
        rc = run_stmt(s, COMMIT, NULL);
    }
    if (rc != SQLITE_OK) {
        fail(s, rc, now_ms);
        return false;
    }
    s->saved_n = s->pair_n;
    s->in_batch = false;
    forget_held(s);
    return true;
}

static int drop_dead_run(struct trace_store *s, int64_t oldest, bool *more)
{
    sqlite3_stmt *stmt = s->sql.stmt[DEAD_RUN];
    (void)sqlite3_bind_int64(stmt, 1, oldest);
    int rc = sqlite3_step(stmt);
    int64_t run = sqlite3_column_int64(stmt, 0);
    int64_t chunks = sqlite3_column_int64(stmt, 1);
    (void)sqlite3_reset(stmt);
    if (rc != SQLITE_ROW) {
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
    }
    *more = true;
    (void)sqlite3_bind_int64(s->sql.stmt[DROP_CHUNKS], 1, run << TRACE_CHUNK_SHIFT);
    (void)sqlite3_bind_int64(s->sql.stmt[DROP_CHUNKS], 2,
                             (run << TRACE_CHUNK_SHIFT) + chunks);
    (void)sqlite3_bind_int64(s->sql.stmt[DROP_RUN], 1, run);
    rc = run_stmt(s, DROP_CHUNKS, NULL);
    return rc != SQLITE_OK ? rc : run_stmt(s, DROP_RUN, NULL);
}

/* Deletes up to n of the oldest records if they are too old or there are too many.
 * *oldest: the first that may still stand; the next one to come when there is none. */
static int expire(struct trace_store *s, unsigned n, uint64_t now_ms, bool oversize,
                  int64_t *oldest, bool *more)
{
    sqlite3_stmt *stmt = s->sql.stmt[OLDEST];
    int64_t before = now_ms > s->keep_ms ? (int64_t)(now_ms - s->keep_ms) : 0;
    int rc = sqlite3_step(stmt);
    int64_t id = sqlite3_column_int64(stmt, 0), at = sqlite3_column_int64(stmt, 1);
    (void)sqlite3_reset(stmt);
    if (rc != SQLITE_ROW) {
        *oldest = s->next_record;
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
    }
    *oldest = id;
    if (!oversize && at >= before) {
        return SQLITE_OK;
    }
    (void)sqlite3_bind_int64(s->sql.stmt[EXPIRE], 1, id + n);
    (void)sqlite3_bind_int64(s->sql.stmt[EXPIRE], 2, oversize ? INT64_MAX : before);
    rc = run_stmt(s, EXPIRE, NULL);
    *more = true;
    return rc;
}

bool trace_store_tidy(struct trace_store *s, unsigned n, uint64_t now_ms)
{
    int64_t pages = 0, free_pages = 0, oldest = 0;
    bool more = false;
    const int64_t page_len = 8192;
    if (s->sql.db == NULL || too_early(s, now_ms)) {
        return false;
    }
    bool own_batch = !s->in_batch;
    int rc = begin(s);
    if (rc == SQLITE_OK) {
        rc = run_stmt(s, PAGES, &pages);
    }
    if (rc == SQLITE_OK) {
        rc = run_stmt(s, FREE_PAGES, &free_pages);
    }
    bool oversize =
        s->size_max != 0 && (uint64_t)((pages - free_pages) * page_len) > s->size_max;
    if (rc == SQLITE_OK) {
        rc = expire(s, n, now_ms, oversize, &oldest, &more);
    }
    if (rc == SQLITE_OK) {
        rc = drop_dead_run(s, oldest, &more);
    }
    if (rc == SQLITE_OK && free_pages > VACUUM_OVER_PAGES && free_pages > pages / 4) {
        rc = run_stmt(s, VACUUM, NULL);
        more = true;
    }
    if (rc != SQLITE_OK) {
        fail(s, rc, now_ms);
        return false;
    }
    return own_batch && !trace_store_commit(s, now_ms) ? false : more;
}

uint64_t trace_store_lost(const struct trace_store *s)
{
    return s->lost;
}

void trace_store_close(struct trace_store **sp)
{
    struct trace_store *s = *sp;
    if (s == NULL) {
        return;
    }
    s->retry_ms = 0; /* the last chance */
    if (!trace_store_commit(s, clock_wall_ms())) {
        log_text(LOG_ERR, "trace-store", "%s: ends with %u records not written",
                 name_of(s), s->held.n);
    }
    close_db(s);
    trace_held_clear(&s->held);
    buf_clear(&s->blob);
    free(s->pair);
    free(s);
    *sp = NULL;
}
