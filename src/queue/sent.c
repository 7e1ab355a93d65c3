/* queue/sent.c - see sent.h */
#include "queue/sent.h"

#include "base/base32.h"
#include "base/clock.h"
#include "base/log.h"
#include "sql/sql.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEY_LEN = 32,
    TOKEN_OCTETS = SENT_SERIAL_LEN + SENT_MAC_LEN,
    TOKEN_LEN = BASE32_LEN(TOKEN_OCTETS),
    COMPLAIN_EVERY_MS = 60 * 1000,
    BUSY_MS = 5000, /* the queue before us may still be going */
    DOMAIN_MAX = 255,
    DAY_MS = 24 * 60 * 60 * 1000,
};
#define PREFIX SLICE("b-")
_Static_assert(SENT_LOCAL_LEN == 2 + TOKEN_LEN, "prefix and token");

/* clang-format off */
#define STATEMENTS(X) \
    X(find, "SELECT session, n, account, address FROM sent WHERE serial = ?1") \
    X(put, "INSERT OR REPLACE INTO sent VALUES (?1, ?2, ?3, ?4, ?5)") \
    X(tidy, "DELETE FROM sent WHERE serial IN" \
            " (SELECT serial FROM sent WHERE serial < ?1 ORDER BY serial LIMIT ?2)") \
    X(tidy_complaints, "DELETE FROM complaint WHERE serial < ?1") \
    X(tidy_tally, "DELETE FROM tally WHERE day < ?1") \
    X(complain, "INSERT OR IGNORE INTO complaint VALUES (?1)") \
    X(count, "INSERT INTO tally VALUES (?1, ?2, ?3, ?4) ON CONFLICT (account, day)" \
             " DO UPDATE SET sent = sent + ?3, complained = complained + ?4") \
    X(rates, "SELECT account, sum(sent), sum(complained) FROM tally" \
             " WHERE account > ?1 AND (?2 = '' OR account = ?2) AND day >= ?3" \
             " GROUP BY account ORDER BY account LIMIT ?4")
#define X(name, sql) DO_##name,
enum statement { STATEMENTS(X) STATEMENT_COUNT };
#undef X
#define X(name, sql) sql,
static const char *const statements[] = {STATEMENTS(X)};
#undef X
/* clang-format on */

static const char *const migrations[] = {
    "CREATE TABLE secret (octets BLOB NOT NULL) STRICT;"
    "CREATE TABLE sent (serial INTEGER PRIMARY KEY, session INTEGER NOT NULL,"
    " n INTEGER NOT NULL, account TEXT NOT NULL, address TEXT NOT NULL) STRICT",
    /* Version 1 had its secret from SQLite, which below a changed root takes the time for random. */
    "DELETE FROM secret",
    "CREATE TABLE IF NOT EXISTS complaint (serial INTEGER PRIMARY KEY) STRICT;"
    "CREATE TABLE IF NOT EXISTS tally (account TEXT NOT NULL, day INTEGER NOT NULL,"
    " sent INTEGER NOT NULL, complained INTEGER NOT NULL,"
    " PRIMARY KEY (account, day)) STRICT, WITHOUT ROWID",
};
static const struct sql_kind file_kind = {
    .set_up = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
              "PRAGMA synchronous = NORMAL; PRAGMA trusted_schema = OFF;"
              "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -2048",
    SQL_MIGRATIONS(migrations),
    SQL_STATEMENTS(statements),
};

struct sent {
    struct sql sql;
    unsigned char key[KEY_LEN];
    uint64_t serial; /* the last one given out */
    uint64_t complained_ms, tidied_day;
    bool batch; /* a transaction is open */
};

/* --- the token --- */

static void mac_of(const struct sent *s, const unsigned char serial[SENT_SERIAL_LEN],
                   struct slice domain, unsigned char out[EVP_MAX_MD_SIZE])
{
    static const char what[] = "postern return path 1";
    unsigned char text[sizeof what + SENT_SERIAL_LEN + DOMAIN_MAX];
    size_t n = sizeof what + SENT_SERIAL_LEN;
    memcpy(text, what, sizeof what);
    memcpy(text + sizeof what, serial, SENT_SERIAL_LEN);
    for (size_t i = 0; i < domain.len && i < DOMAIN_MAX; i++) {
        text[n++] = ascii_lower(domain.ptr[i]);
    }
    BUG_ON(HMAC(EVP_sha256(), s->key, KEY_LEN, text, n, out, NULL) == NULL);
}

void sent_path(const struct sent *s, uint64_t serial, struct slice domain,
               struct buf *out)
{
    unsigned char octets[SENT_SERIAL_LEN + EVP_MAX_MD_SIZE];
    for (unsigned i = 0; i < SENT_SERIAL_LEN; i++) {
        octets[i] = (unsigned char)(serial >> 8 * (SENT_SERIAL_LEN - 1 - i) & 0xff);
    }
    mac_of(s, octets, domain, octets + SENT_SERIAL_LEN);
    (void)buf_add(out, PREFIX);
    (void)base32_encode(out, (struct slice){octets, TOKEN_OCTETS});
    (void)buf_add_byte(out, '@');
    (void)buf_add(out, domain);
}

bool sent_is_token(struct slice local)
{
    unsigned char octets[TOKEN_OCTETS];
    return slice_istarts(local, PREFIX) &&
           base32_decode(slice_from(local, PREFIX.len), octets, sizeof octets);
}

struct slice sent_find_text(struct slice text, struct slice domain)
{
    size_t len = SENT_LOCAL_LEN + 1 + domain.len;
    for (size_t i = 0; domain.len > 0 && i + len <= text.len; i++) {
        /* memchr() first: a report may be megabytes, and hold no such thing */
        const unsigned char *at =
            memchr(text.ptr + i + SENT_LOCAL_LEN, '@', text.len - i - SENT_LOCAL_LEN);
        if (at == NULL) {
            break;
        }
        i = (size_t)(at - text.ptr) - SENT_LOCAL_LEN;
        if (sent_is_token(slice_sub(text, i, SENT_LOCAL_LEN)) &&
            slice_ieq(slice_sub(text, i + SENT_LOCAL_LEN + 1, domain.len), domain)) {
            return slice_sub(text, i, len);
        }
    }
    return SLICE("");
}

bool sent_serial_of(const struct sent *s, struct slice address, uint64_t *serial)
{
    unsigned char octets[TOKEN_OCTETS], mac[EVP_MAX_MD_SIZE];
    size_t at = slice_rfind(address, '@');
    struct slice local = slice_sub(address, 0, at);
    if (!slice_istarts(local, PREFIX) ||
        !base32_decode(slice_from(local, PREFIX.len), octets, sizeof octets)) {
        return false;
    }
    mac_of(s, octets, slice_from(address, at + 1), mac);
    *serial = 0;
    for (unsigned i = 0; i < SENT_SERIAL_LEN; i++) {
        *serial = *serial << 8 | octets[i];
    }
    return CRYPTO_memcmp(mac, octets + SENT_SERIAL_LEN, SENT_MAC_LEN) == 0;
}

/* --- the database --- */

static void complain(struct sent *s)
{
    uint64_t now_ms = clock_mono_ms();
    if (s->complained_ms != 0 && now_ms - s->complained_ms < COMPLAIN_EVERY_MS) {
        return;
    }
    s->complained_ms = now_ms;
    log_text(
        LOG_ERR, "sent",
        "the list of return paths (sent.db) fails: %s; until it can be read, mail that "
        "comes back is put off. A damaged file: remove it, and what was sent before "
        "cannot be matched any more",
        sqlite3_errmsg(s->sql.db));
}

static sqlite3_stmt *get(struct sent *s, enum statement which)
{
    int code = SQLITE_OK;
    sqlite3_stmt *stmt = sql_get(&s->sql, which, &code);
    if (stmt == NULL) {
        complain(s);
    }
    return stmt;
}

static bool run(struct sent *s, sqlite3_stmt *stmt)
{
    bool ok = stmt != NULL && sqlite3_step(stmt) == SQLITE_DONE;
    if (!ok && stmt != NULL) {
        complain(s);
    }
    if (stmt != NULL) {
        (void)sqlite3_reset(stmt);
    }
    return ok;
}

static bool exec(struct sent *s, const char *script)
{
    return sql_exec(&s->sql, script) == SQLITE_OK;
}

static int load(struct sent *s)
{
    int64_t serial = 0;
    int code = sql_secret(&s->sql, "SELECT octets FROM secret",
                          "INSERT INTO secret VALUES (?1)", s->key, KEY_LEN);
    if (code == SQLITE_OK) {
        code = sql_number(&s->sql, "SELECT ifnull(max(serial), 0) FROM sent", &serial);
    }
    s->serial = serial < 0 ? 0 : (uint64_t)serial;
    return code;
}

struct sent *sent_open(const char *path, char error[SENT_ERROR_MAX])
{
    struct sent *s = calloc(1, sizeof *s);
    if (s == NULL) {
        (void)snprintf(error, SENT_ERROR_MAX, "out of memory");
        return NULL;
    }
    int code = sql_open(&s->sql, path, SQL_OURS, BUSY_MS, &file_kind);
    if (code == SQLITE_OK) {
        code = load(s);
    }
    if (code != SQLITE_OK) {
        (void)snprintf(error, SENT_ERROR_MAX, "%s", sql_why(&s->sql, code));
        sent_close(&s);
    }
    return s;
}

void sent_flush(struct sent *s)
{
    if (s->batch && !exec(s, "COMMIT")) {
        complain(s);
        IGNORE(!exec(s, "ROLLBACK"));
    }
    s->batch = false;
}

void sent_close(struct sent **sp)
{
    struct sent *s = *sp;
    if (s == NULL) {
        return;
    }
    *sp = NULL;
    sent_flush(s);
    sql_close(&s->sql);
    explicit_bzero(s->key, sizeof s->key);
    free(s);
}

/* --- what was sent --- */

uint64_t sent_serial(struct sent *s, uint64_t now_us)
{
    /* Never one again, whatever the clock does. */
    s->serial = now_us > s->serial ? now_us : s->serial + 1;
    return s->serial;
}

static bool count(struct sent *s, struct slice account, uint64_t day, unsigned sent,
                  unsigned complained)
{
    sqlite3_stmt *stmt = get(s, DO_count);
    if (stmt != NULL) {
        sql_bind(stmt, 1, account);
        sql_bind_count(stmt, 2, day);
        sql_bind_count(stmt, 3, sent);
        sql_bind_count(stmt, 4, complained);
    }
    return run(s, stmt);
}

bool sent_put(struct sent *s, uint64_t serial, const struct sent_entry *e)
{
    sqlite3_stmt *stmt = get(s, DO_put);
    if (stmt == NULL) {
        return false;
    }
    s->batch = s->batch || exec(s, "BEGIN");
    sql_bind_count(stmt, 1, serial);
    sql_bind_count(stmt, 2, e->id.session);
    sql_bind_count(stmt, 3, e->id.n);
    sql_bind(stmt, 4, e->account);
    sql_bind(stmt, 5, e->address);
    return run(s, stmt) && count(s, e->account, serial / 1000 / DAY_MS, 1, 0);
}

enum sent_res sent_complained(struct sent *s, struct slice path,
                              const struct sent_entry *e, uint64_t now_ms)
{
    uint64_t serial = 0;
    sqlite3_stmt *stmt = sent_serial_of(s, path, &serial) ? get(s, DO_complain) : NULL;
    if (stmt == NULL) {
        return SENT_FAULT;
    }
    sql_bind_count(stmt, 1, serial);
    if (!run(s, stmt)) {
        return SENT_FAULT;
    }
    if (sqlite3_changes(s->sql.db) == 0) {
        return SENT_NOT;
    }
    IGNORE(!count(s, e->account, now_ms / DAY_MS, 0, 1)); /* it was said */
    return SENT_YES;
}

bool sent_rates(struct sent *s, struct slice behind, struct slice only, uint64_t since_ms,
                unsigned n, unsigned *seen,
                void (*each)(void *arg, const struct sent_rate *r), void *arg)
{
    sqlite3_stmt *stmt = get(s, DO_rates);
    *seen = 0;
    if (stmt == NULL) {
        return false;
    }
    int code = SQLITE_ROW;
    sql_bind(stmt, 1, behind);
    sql_bind(stmt, 2, only);
    sql_bind_count(stmt, 3, since_ms / DAY_MS);
    sql_bind_count(stmt, 4, n);
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct sent_rate r = {.account = sql_column(stmt, 0),
                              .sent = (uint64_t)sqlite3_column_int64(stmt, 1),
                              .complained = (uint64_t)sqlite3_column_int64(stmt, 2)};
        each(arg, &r);
        *seen += 1;
    }
    if (code != SQLITE_DONE) {
        complain(s);
    }
    (void)sqlite3_reset(stmt);
    return code == SQLITE_DONE;
}

enum sent_res sent_find(struct sent *s, struct slice address, uint64_t now_ms,
                        uint64_t keep_ms, struct sent_entry *out)
{
    uint64_t serial = 0;
    if (!sent_serial_of(s, address, &serial)) {
        return SENT_NOT;
    }
    if (serial / 1000 + keep_ms < now_ms) {
        return SENT_OLD;
    }
    sqlite3_stmt *stmt = get(s, DO_find);
    if (stmt == NULL) {
        return SENT_FAULT;
    }
    sql_bind_count(stmt, 1, serial);
    int code = sqlite3_step(stmt);
    if (code != SQLITE_ROW) {
        if (code != SQLITE_DONE) {
            complain(s);
        }
        (void)sqlite3_reset(stmt);
        return code == SQLITE_DONE ? SENT_NOT : SENT_FAULT;
    }
    *out = (struct sent_entry){.id = {(uint64_t)sqlite3_column_int64(stmt, 0),
                                      (uint32_t)sqlite3_column_int64(stmt, 1)},
                               .account = sql_column(stmt, 2),
                               .address = sql_column(stmt, 3)};
    return SENT_YES;
}

void sent_tidy(struct sent *s, uint64_t now_ms, uint64_t keep_ms, unsigned n)
{
    sqlite3_stmt *stmt = get(s, DO_tidy);
    if (stmt != NULL && now_ms > keep_ms) {
        sql_bind_count(stmt, 1, (now_ms - keep_ms) * 1000);
        sql_bind_count(stmt, 2, n);
        IGNORE(!run(s, stmt)); /* it was said; the next round does it */
    }
    uint64_t day = now_ms / DAY_MS;
    if (day == s->tidied_day || now_ms <= keep_ms) {
        return;
    }
    s->tidied_day = day;
    stmt = get(s, DO_tidy_complaints);
    if (stmt != NULL) {
        sql_bind_count(stmt, 1, (now_ms - keep_ms) * 1000);
        IGNORE(!run(s, stmt));
    }
    stmt = get(s, DO_tidy_tally);
    if (stmt != NULL) {
        sql_bind_count(stmt, 1, (now_ms - keep_ms) / DAY_MS);
        IGNORE(!run(s, stmt));
    }
}
