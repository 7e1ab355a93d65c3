/* trace/query.c - see query.h */
#include "trace/query.h"

#include "base/map.h"
#include "sql/sql.h"
#include "trace/pairs.h"
#include "trace/schema.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    BUSY_MS = 2000,
    QUERY_PATH_MAX = 4096,
    QUERY_URI_MAX = 12 * 1024,
    QUERY_SESSIONS_MAX = 100000
};

enum statement {
    GET_RECORD = 0,
    GET_FRESH,
    GET_RUNS,
    GET_CHUNK,
    OLDEST,
    NEXT_RECORD,
    LAST,
    STATEMENT_COUNT
};
static const char *const statements[STATEMENT_COUNT] = {
    [GET_RECORD] = "SELECT at, body FROM record WHERE id = ?",
    [GET_FRESH] = "SELECT pairs FROM fresh ORDER BY id DESC",
    [GET_RUNS] = "SELECT id, chunks FROM run ORDER BY id DESC",
    [GET_CHUNK] = "SELECT pairs FROM chunk WHERE id = ?",
    [NEXT_RECORD] = "SELECT id, body FROM record WHERE id > ? ORDER BY id LIMIT 1",
    [LAST] = "SELECT ifnull(max(id), 0) FROM record",
    [OLDEST] = "SELECT at FROM record ORDER BY id LIMIT 1",
};

static const struct sql_kind file_kind = {
    .set_up = "PRAGMA trusted_schema = OFF",
    SQL_STATEMENTS(statements),
};

struct trace_query {
    struct sql sql;
    uint64_t hash_key[2];
};

/* SQLite takes no file name but a URI where it shall not look for a log. */
static bool immutable_uri(const char *path, char out[QUERY_URI_MAX])
{
    struct buf b;
    buf_init(&b, QUERY_URI_MAX);
    (void)buf_add_str(&b, "file:");
    for (const char *c = path; *c != '\0'; c++) {
        if (ascii_is_alpha((unsigned char)*c) || ascii_is_digit((unsigned char)*c) ||
            strchr("/-_.", *c) != NULL) {
            (void)buf_add_byte(&b, (unsigned char)*c);
        } else {
            (void)buf_add_fmt(&b, "%%%02x", (unsigned char)*c);
        }
    }
    (void)buf_add_str(&b, "?immutable=1");
    bool ok = !b.failed && slice_cstr(buf_slice(&b), out, QUERY_URI_MAX);
    buf_clear(&b);
    return ok;
}

/* Nobody writes now: no log, or an empty one. */
static bool at_rest(const char *path)
{
    char wal[QUERY_PATH_MAX + 8];
    struct stat st;
    int n = snprintf(wal, sizeof wal, "%s-wal", path);
    return n > 0 && (size_t)n < sizeof wal &&
           ((stat(wal, &st) != 0 && errno == ENOENT) || st.st_size == 0);
}

static int open_as(struct trace_query *q, const char *name, int flags)
{
    unsigned char key[sizeof q->hash_key];
    int rc = sql_open(&q->sql, name, SQLITE_OPEN_READONLY | flags, BUSY_MS, &file_kind);
    if (rc == SQLITE_OK) {
        rc = sql_exec(&q->sql, "BEGIN");
    }
    if (rc == SQLITE_OK) {
        rc = sql_prepare(&q->sql);
    }
    if (rc == SQLITE_OK) {
        rc = sql_octets(&q->sql, "SELECT hash_key FROM meta", key, sizeof key);
    }
    if (rc != SQLITE_OK) {
        sql_close(&q->sql);
        return rc == SQLITE_DONE ? SQLITE_CORRUPT : rc;
    }
    memcpy(q->hash_key, key, sizeof key);
    return SQLITE_OK;
}

static int open_immutable(struct trace_query *q, const char *path)
{
    char uri[QUERY_URI_MAX];
    return immutable_uri(path, uri) ? open_as(q, uri, SQLITE_OPEN_URI) : SQLITE_CANTOPEN;
}

struct trace_query *trace_query_open(const char *path, const char **error)
{
    struct trace_query *q = calloc(1, sizeof *q);
    if (q == NULL) {
        *error = strerror(ENOMEM);
        return NULL;
    }
    int rc = open_as(q, path, 0);
    if (rc != SQLITE_OK && at_rest(path)) {
        /* Reading a log wants a file beside it, which we may have no right to make. */
        rc = open_immutable(q, path);
    }
    if (rc != SQLITE_OK) {
        *error = sqlite3_errstr(rc);
        free(q);
        return NULL;
    }
    return q;
}

void trace_query_close(struct trace_query **qp)
{
    if (*qp != NULL) {
        sql_close(&(*qp)->sql);
        free(*qp);
        *qp = NULL;
    }
}

bool trace_query_oldest(struct trace_query *q, uint64_t *at_ms)
{
    sqlite3_stmt *stmt = q->sql.stmt[OLDEST];
    bool found = sqlite3_step(stmt) == SQLITE_ROW;
    if (found) {
        *at_ms = (uint64_t)sqlite3_column_int64(stmt, 0);
    }
    (void)sqlite3_reset(stmt);
    return found;
}

/* Ids of records, as the index names them; newest first when complete. */
struct ids {
    uint64_t *id;
    size_t n, cap;
};

static bool ids_add(struct ids *ids, uint64_t id)
{
    if (ids->n == ids->cap) {
        size_t cap = ids->cap == 0 ? 64 : ids->cap * 2;
        uint64_t *grown = reallocarray(ids->id, cap, sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        ids->id = grown;
        ids->cap = cap;
    }
    ids->id[ids->n++] = id;
    return true;
}

static int newest_first(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x == y ? 0 : x > y ? -1 : 1;
}

static struct slice column_blob(sqlite3_stmt *stmt, int at)
{
    /* In this order, says SQLite: the blob first, then its length. */
    const void *ptr = sqlite3_column_blob(stmt, at);
    return (struct slice){ptr, (size_t)sqlite3_column_bytes(stmt, at)};
}

static int find_fresh(struct trace_query *q, uint64_t hash, struct ids *out)
{
    sqlite3_stmt *stmt = q->sql.stmt[GET_FRESH];
    bool memory = true;
    while (memory && sqlite3_step(stmt) == SQLITE_ROW) {
        struct slice blob = column_blob(stmt, 0);
        for (size_t i = 0; memory && i < trace_pairs_n(blob); i++) {
            struct trace_pair p = trace_pairs_at(blob, i);
            memory = p.hash != hash || ids_add(out, p.record);
        }
    }
    int rc = sqlite3_reset(stmt);
    if (out->n > 1) {
        qsort(out->id, out->n, sizeof *out->id, newest_first);
    }
    return memory ? rc : SQLITE_NOMEM;
}

/* The blob is borrowed until the next call. A chunk that was dropped is an empty one. */
static int get_chunk(struct trace_query *q, int64_t run, int64_t chunk, struct slice *out)
{
    sqlite3_stmt *stmt = q->sql.stmt[GET_CHUNK];
    (void)sqlite3_reset(stmt);
    (void)sqlite3_bind_int64(stmt, 1, run << TRACE_CHUNK_SHIFT | chunk);
    int rc = sqlite3_step(stmt);
    *out = rc == SQLITE_ROW ? column_blob(stmt, 0) : (struct slice){NULL, 0};
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Called with ids newest first until it returns false. */
struct sink {
    bool (*take)(struct sink *sink, uint64_t id);
    bool stopped;
};

static int find_in_run(struct trace_query *q, int64_t run, int64_t chunks, uint64_t hash,
                       struct sink *sink)
{
    const struct trace_pair highest = {hash, UINT64_MAX};
    struct slice blob;
    int64_t low = 0, high = chunks;
    int rc = SQLITE_OK;
    while (low < high &&
           rc == SQLITE_OK) { /* low: chunks whose first pair is <= highest */
        int64_t mid = low + (high - low) / 2;
        rc = get_chunk(q, run, mid, &blob);
        bool before = trace_pairs_n(blob) > 0 &&
                      trace_pair_cmp(trace_pairs_at(blob, 0), highest) <= 0;
        low = before ? mid + 1 : low;
        high = before ? high : mid;
    }
    for (int64_t chunk = low - 1; rc == SQLITE_OK && chunk >= 0; chunk--) {
        rc = get_chunk(q, run, chunk, &blob);
        size_t i = trace_pairs_upto(blob, highest);
        while (rc == SQLITE_OK && i-- > 0) {
            struct trace_pair p = trace_pairs_at(blob, i);
            if (p.hash != hash) {
                return rc;
            }
            if (!sink->take(sink, p.record)) {
                sink->stopped = true;
                return rc;
            }
        }
    }
    return rc;
}

/* Feeds the sink every record id under the hash, newest first. */
static int find(struct trace_query *q, uint64_t hash, struct sink *sink)
{
    struct ids ids = {NULL, 0, 0};
    int rc = find_fresh(q, hash, &ids);
    for (size_t i = 0; rc == SQLITE_OK && i < ids.n && !sink->stopped; i++) {
        sink->stopped = !sink->take(sink, ids.id[i]);
    }
    free(ids.id);
    sqlite3_stmt *stmt = q->sql.stmt[GET_RUNS];
    while (rc == SQLITE_OK && !sink->stopped && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        rc = find_in_run(q, sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1),
                         hash, sink);
    }
    (void)sqlite3_reset(stmt);
    (void)sqlite3_reset(q->sql.stmt[GET_CHUNK]);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* The record's text, borrowed until the statement is reset; empty: it has expired. */
static struct slice get_record(struct trace_query *q, uint64_t id, uint64_t *at_ms)
{
    sqlite3_stmt *stmt = q->sql.stmt[GET_RECORD];
    (void)sqlite3_reset(stmt);
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)id);
    if (sqlite3_step(stmt) != SQLITE_ROW) {
        return (struct slice){NULL, 0};
    }
    *at_ms = (uint64_t)sqlite3_column_int64(stmt, 0);
    return column_blob(stmt, 1);
}

struct collect {
    struct sink sink;
    struct ids ids;
    bool no_memory;
};

static bool collect_id(struct sink *sink, uint64_t id)
{
    struct collect *c = (struct collect *)sink;
    c->no_memory = !ids_add(&c->ids, id);
    return !c->no_memory;
}

bool trace_query_session(struct trace_query *q, uint64_t session,
                         bool (*each)(void *arg, struct slice record), void *arg,
                         const char **error)
{
    struct collect c = {.sink.take = collect_id};
    struct trace_reader r;
    uint64_t at_ms = 0;
    int rc = find(q, trace_hash_session(q->hash_key, session), &c.sink);
    rc = c.no_memory ? SQLITE_NOMEM : rc;
    for (size_t i = c.ids.n; rc == SQLITE_OK && i-- > 0;) {
        struct slice record = get_record(q, c.ids.id[i], &at_ms);
        if (trace_open(record, &r) && r.session == session && !each(arg, record)) {
            break;
        }
    }
    (void)sqlite3_reset(q->sql.stmt[GET_RECORD]);
    free(c.ids.id);
    *error = rc == SQLITE_OK ? NULL : sqlite3_errstr(rc);
    return rc == SQLITE_OK;
}

struct search {
    struct sink sink;
    struct trace_query *q;
    enum trace_key kind;
    struct slice key;
    uint64_t since_ms;
    uint64_t *out;
    size_t max, n;
    struct map seen; /* sessions */
    bool more;
};

static bool has_key(struct trace_reader *r, enum trace_key kind, struct slice key)
{
    enum trace_key k;
    struct slice text;
    while (trace_next_key(r, &k, &text)) {
        if (k == kind && slice_ieq(text, key)) {
            return true;
        }
    }
    return false;
}

static bool search_id(struct sink *sink, uint64_t id)
{
    struct search *s = (struct search *)sink;
    struct trace_reader r;
    uint64_t at_ms = 0;
    struct slice record = get_record(s->q, id, &at_ms);
    if (record.len == 0) {
        return true;
    }
    if (at_ms < s->since_ms) {
        return false; /* and those that follow are older still */
    }
    if (!trace_open(record, &r) || !has_key(&r, s->kind, s->key) ||
        map_get(&s->seen, map_key_u64(&r.session)) != NULL) {
        return true;
    }
    if (s->n == s->max) {
        s->more = true;
        return false;
    }
    s->out[s->n++] = r.session;
    return map_put(&s->seen, map_key_u64(&r.session), s);
}

bool trace_query_key(struct trace_query *q, enum trace_key kind, struct slice key,
                     uint64_t since_ms, uint64_t *out, size_t max, size_t *out_n,
                     bool *more, const char **error)
{
    struct search s = {.sink.take = search_id,
                       .q = q,
                       .kind = kind,
                       .key = slice_sub(key, 0, TRACE_KEY_MAX),
                       .since_ms = since_ms,
                       .out = out,
                       .max = max < QUERY_SESSIONS_MAX ? max : QUERY_SESSIONS_MAX};
    map_init(&s.seen, QUERY_SESSIONS_MAX);
    int rc = find(q, trace_hash_key(q->hash_key, kind, key), &s.sink);
    map_clear(&s.seen);
    (void)sqlite3_reset(q->sql.stmt[GET_RECORD]);
    *out_n = s.n;
    *more = s.more;
    *error = rc == SQLITE_OK ? NULL : sqlite3_errstr(rc);
    return rc == SQLITE_OK;
}

/* Record ids under a key that are young enough, newest first; others may share its hash. */
struct walk {
    struct sink sink;
    struct trace_query *q;
    uint64_t since_ms;
    struct ids ids;
    bool no_memory;
};

static bool walk_id(struct sink *sink, uint64_t id)
{
    struct walk *w = (struct walk *)sink;
    uint64_t at_ms = 0;
    if (get_record(w->q, id, &at_ms).len == 0) {
        return true;
    }
    if (at_ms < w->since_ms) {
        return false; /* and those that follow are older still */
    }
    w->no_memory = !ids_add(&w->ids, id);
    return !w->no_memory;
}

bool trace_query_records(struct trace_query *q, enum trace_key kind, struct slice key,
                         uint64_t since_ms, uint64_t **out, size_t *out_n, uint64_t *last,
                         const char **error)
{
    struct walk w = {.sink.take = walk_id, .q = q, .since_ms = since_ms};
    key = slice_sub(key, 0, TRACE_KEY_MAX);
    *last = trace_query_last(q);
    int rc = find(q, trace_hash_key(q->hash_key, kind, key), &w.sink);
    rc = w.no_memory ? SQLITE_NOMEM : rc;
    (void)sqlite3_reset(q->sql.stmt[GET_RECORD]);
    for (size_t i = 0; i < w.ids.n / 2; i++) {
        uint64_t id = w.ids.id[i];
        w.ids.id[i] = w.ids.id[w.ids.n - 1 - i];
        w.ids.id[w.ids.n - 1 - i] = id;
    }
    *out = w.ids.id;
    *out_n = w.ids.n;
    *error = rc == SQLITE_OK ? NULL : sqlite3_errstr(rc);
    if (rc != SQLITE_OK) {
        free(w.ids.id);
        *out = NULL;
        *out_n = 0;
    }
    return rc == SQLITE_OK;
}

bool trace_query_record(struct trace_query *q, uint64_t number, struct slice *out)
{
    uint64_t at_ms = 0;
    *out = get_record(q, number, &at_ms);
    return out->len > 0;
}

bool trace_query_next(struct trace_query *q, uint64_t after, uint64_t *number,
                      struct slice *out, const char **error)
{
    sqlite3_stmt *stmt = q->sql.stmt[NEXT_RECORD];
    (void)sqlite3_reset(stmt);
    (void)sqlite3_bind_int64(stmt, 1, after > INT64_MAX ? INT64_MAX : (int64_t)after);
    int rc = sqlite3_step(stmt);
    *error = rc == SQLITE_ROW || rc == SQLITE_DONE ? NULL : sqlite3_errstr(rc);
    if (rc == SQLITE_ROW) {
        *number = (uint64_t)sqlite3_column_int64(stmt, 0);
        *out = column_blob(stmt, 1);
    }
    return rc == SQLITE_ROW;
}

uint64_t trace_query_last(struct trace_query *q)
{
    sqlite3_stmt *stmt = q->sql.stmt[LAST];
    uint64_t last =
        sqlite3_step(stmt) == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(stmt, 0) : 0;
    (void)sqlite3_reset(stmt);
    return last;
}
