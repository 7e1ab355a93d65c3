/* queue/suppress.c - see suppress.h */
#include "queue/suppress.h"

#include "base/clock.h"
#include "base/log.h"
#include "sql/sql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    COMPLAIN_EVERY_MS = 60 * 1000,
    BUSY_MS = 5000, /* the queue before us may still be going */
};

/* clang-format off */
#define COLUMNS "domain, local, account, reason, times, first_ms, last_ms, until_ms, evidence"
#define STATEMENTS(X) \
    X(find, "SELECT " COLUMNS " FROM suppressed WHERE domain = ?1 AND local = ?2" \
            " AND account IN ('', ?3) AND (until_ms = 0 OR until_ms > ?4) LIMIT 1") \
    X(get, "SELECT " COLUMNS " FROM suppressed WHERE domain = ?1 AND local = ?2 AND account = ?3") \
    X(of, "SELECT " COLUMNS " FROM suppressed WHERE domain = ?1 AND local = ?2 ORDER BY account") \
    X(listed, "SELECT 1 FROM suppressed WHERE domain = ?1 AND local = ?2 AND reason = 0 LIMIT 1") \
    X(alive, "DELETE FROM suppressed WHERE domain = ?1 AND local = ?2 AND reason = 0") \
    X(put, "INSERT INTO suppressed (" COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)" \
           " ON CONFLICT DO UPDATE SET reason = ?4, times = ?5, first_ms = min(first_ms, ?6)," \
           " last_ms = ?7, until_ms = ?8, evidence = ?9") \
    X(remove, "DELETE FROM suppressed WHERE domain = ?1 AND local = ?2 AND account = ?3") \
    X(remove_all, "DELETE FROM suppressed WHERE domain = ?1 AND local = ?2") \
    X(page, "SELECT " COLUMNS " FROM suppressed WHERE (domain, local, account) > (?1, ?2, ?3)" \
            " ORDER BY domain, local, account LIMIT ?4") \
    X(page_domain, "SELECT " COLUMNS " FROM suppressed WHERE domain = ?1" \
                   " AND (local, account) > (?2, ?3) ORDER BY local, account LIMIT ?4")
#define X(name, sql) DO_##name,
enum statement { STATEMENTS(X) STATEMENT_COUNT };
#undef X
#define X(name, sql) sql,
static const char *const statements[] = {STATEMENTS(X)};
#undef X
/* clang-format on */

static const char *const migrations[] = {
    "CREATE TABLE suppressed (domain TEXT NOT NULL, local TEXT NOT NULL,"
    " account TEXT NOT NULL, reason INTEGER NOT NULL CHECK (reason BETWEEN 0 AND 2),"
    " times INTEGER NOT NULL, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL,"
    " until_ms INTEGER NOT NULL, evidence TEXT NOT NULL,"
    " PRIMARY KEY (domain, local, account)) STRICT, WITHOUT ROWID",
};
_Static_assert(SUPPRESS_CACHE_KIB == 8192, "as below");
static const struct sql_kind file_kind = {
    .set_up = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
              "PRAGMA synchronous = NORMAL; PRAGMA trusted_schema = OFF;"
              "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192",
    SQL_MIGRATIONS(migrations),
    SQL_STATEMENTS(statements),
};

struct suppress {
    struct sql sql;
    sqlite3_stmt *open; /* whose columns were lent */
    uint64_t complained_ms;
};

static const char *const reasons[] = {
#define X(name) #name,
    SUPPRESS_REASONS(X)
#undef X
};

const char *suppress_reason_name(enum suppress_reason reason)
{
    return (unsigned)reason < SUPPRESS_REASON_COUNT ? reasons[reason] : "?";
}

bool suppress_reason_read(struct slice name, enum suppress_reason *out)
{
    for (unsigned i = 0; i < SUPPRESS_REASON_COUNT; i++) {
        if (slice_eq(name, slice_of(reasons[i]))) {
            *out = (enum suppress_reason)i;
            return true;
        }
    }
    return false;
}

/* --- addresses --- */

/* As the list has it. */
struct key {
    unsigned char octets[SUPPRESS_ADDRESS_MAX];
    struct slice local, domain;
};

bool suppress_address_ok(struct slice address)
{
    size_t at = slice_rfind(address, '@');
    for (size_t i = 0; i < address.len; i++) {
        if (address.ptr[i] < ' ' || address.ptr[i] == 0x7f) {
            return false;
        }
    }
    return at > 0 && at + 1 < address.len && address.len <= SUPPRESS_ADDRESS_MAX;
}

/* False: no address. */
static bool key_of(struct slice address, struct key *k)
{
    if (!suppress_address_ok(address)) {
        return false;
    }
    size_t at = slice_rfind(address, '@'), n = 0;
    bool quoted = at >= 2 && address.ptr[0] == '"' && address.ptr[at - 1] == '"';
    for (size_t i = quoted ? 1 : 0; i < (quoted ? at - 1 : at); i++) {
        /* RFC 5321 4.1.2: a quoted pair stands for what it quotes. */
        i += quoted && address.ptr[i] == '\\' && i + 2 < at ? 1 : 0;
        k->octets[n++] = address.ptr[i];
    }
    k->local = (struct slice){k->octets, n};
    k->domain = (struct slice){k->octets + n, address.len - at - 1};
    for (size_t i = at + 1; i < address.len; i++) {
        k->octets[n++] = ascii_lower(address.ptr[i]);
    }
    return k->local.len > 0;
}

/* --- the database --- */

static void complain(struct suppress *s, int code)
{
    uint64_t now_ms = clock_mono_ms();
    if (code == SQLITE_OK ||
        (s->complained_ms != 0 && now_ms - s->complained_ms < COMPLAIN_EVERY_MS)) {
        return;
    }
    s->complained_ms = now_ms;
    log_text(LOG_ERR, "suppress",
             "the suppression list (queue.db) fails: %s; until it can be read, the push "
             "service "
             "defers recipients. A damaged file: put a backup in its place, or remove it",
             sqlite3_errmsg(s->sql.db));
}

static void end_open(struct suppress *s)
{
    if (s->open != NULL) {
        (void)sqlite3_reset(s->open);
        s->open = NULL;
    }
}

static sqlite3_stmt *get(struct suppress *s, enum statement which)
{
    end_open(s);
    int code = SQLITE_OK;
    sqlite3_stmt *stmt = sql_get(&s->sql, which, &code);
    complain(s, code);
    return stmt; /* NULL does nothing below, and gives a fault */
}

/* Accounts are told apart without regard to case. */
static void bind_account(sqlite3_stmt *stmt, struct slice account)
{
    unsigned char lower[SUPPRESS_ADDRESS_MAX];
    account = slice_sub(account, 0, sizeof lower);
    for (size_t i = 0; i < account.len; i++) {
        lower[i] = ascii_lower(account.ptr[i]);
    }
    sql_bind(stmt, 3, (struct slice){lower, account.len});
}

static void bind_key(sqlite3_stmt *stmt, const struct key *k)
{
    sql_bind(stmt, 1, k->domain);
    sql_bind(stmt, 2, k->local);
}

/* A row: YES, and its columns are lent until the next call. */
static enum suppress_res step(struct suppress *s, sqlite3_stmt *stmt)
{
    if (stmt == NULL) {
        return SUPPRESS_FAULT;
    }
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW) {
        s->open = stmt;
        return SUPPRESS_YES;
    }
    s->open = NULL;
    if (code != SQLITE_DONE) {
        complain(s, code);
    }
    (void)sqlite3_reset(stmt);
    return code == SQLITE_DONE ? SUPPRESS_NOT : SUPPRESS_FAULT;
}

static struct suppress_entry entry_of(sqlite3_stmt *stmt)
{
    uint64_t times = sql_count(stmt, 4);
    return (struct suppress_entry){
        .domain = sql_column(stmt, 0),
        .local = sql_column(stmt, 1),
        .account = sql_column(stmt, 2),
        .reason = (enum suppress_reason)sql_count(stmt, 3), /* CHECKed */
        .times = times > UINT32_MAX ? UINT32_MAX : (uint32_t)times,
        .first_ms = sql_count(stmt, 5),
        .last_ms = sql_count(stmt, 6),
        .until_ms = sql_count(stmt, 7),
        .evidence = sql_column(stmt, 8),
    };
}

static bool exec(struct suppress *s, const char *script)
{
    end_open(s);
    int code = sql_exec(&s->sql, script);
    complain(s, code);
    return code == SQLITE_OK;
}

struct suppress *suppress_open(const char *path, char error[SUPPRESS_ERROR_MAX])
{
    struct suppress *s = calloc(1, sizeof *s);
    if (s == NULL) {
        (void)snprintf(error, SUPPRESS_ERROR_MAX, "out of memory");
        return NULL;
    }
    int code = sql_open(&s->sql, path, SQL_OURS, BUSY_MS, &file_kind);
    if (code != SQLITE_OK) {
        (void)snprintf(error, SUPPRESS_ERROR_MAX, "%s", sql_why(&s->sql, code));
        suppress_close(&s);
    }
    return s;
}

void suppress_close(struct suppress **sp)
{
    struct suppress *s = *sp;
    if (s == NULL) {
        return;
    }
    *sp = NULL;
    sql_close(&s->sql);
    free(s);
}

/* --- questions and changes --- */

enum suppress_res suppress_find(struct suppress *s, struct slice account,
                                struct slice address, uint64_t now_ms,
                                struct suppress_entry *out)
{
    struct key k;
    if (!key_of(address, &k)) {
        return SUPPRESS_NOT;
    }
    sqlite3_stmt *stmt = get(s, DO_find);
    bind_key(stmt, &k);
    bind_account(stmt, account);
    sql_bind_count(stmt, 4, now_ms);
    enum suppress_res res = step(s, stmt);
    if (res == SUPPRESS_YES) {
        *out = entry_of(stmt);
    }
    return res;
}

static bool put(struct suppress *s, const struct key *k, const struct suppress_entry *e)
{
    sqlite3_stmt *stmt = get(s, DO_put);
    bind_key(stmt, k);
    bind_account(stmt, e->account);
    sql_bind_count(stmt, 4, e->reason);
    sql_bind_count(stmt, 5, e->times);
    sql_bind_count(stmt, 6, e->first_ms);
    sql_bind_count(stmt, 7, e->last_ms);
    sql_bind_count(stmt, 8, e->until_ms);
    sql_bind(stmt, 9, slice_sub(e->evidence, 0, SUPPRESS_EVIDENCE_MAX));
    return step(s, stmt) == SUPPRESS_NOT;
}

bool suppress_put(struct suppress *s, struct slice address,
                  const struct suppress_entry *e)
{
    struct key k;
    return key_of(address, &k) && e->account.len <= SUPPRESS_ADDRESS_MAX && put(s, &k, e);
}

static uint32_t once_more(uint32_t times)
{
    return times < UINT32_MAX ? times + 1 : times;
}

/* What a bounce makes of the entry that is there; one by hand or of a complaint keeps its reason and
 * its time. */
static void bounced_again(const struct suppress_entry *old, struct suppress_entry *e)
{
    uint64_t now_ms = e->last_ms;
    e->reason = old->reason;
    e->times = old->times;
    e->until_ms = old->until_ms;
    if (old->until_ms == 0 || old->until_ms > now_ms) {
        return; /* on their way already when the first one bounced */
    }
    e->times = once_more(old->times);
    uint32_t doublings = e->times - 1;
    doublings = doublings < SUPPRESS_DOUBLINGS ? doublings : SUPPRESS_DOUBLINGS;
    e->reason = SUPPRESS_bounce;
    e->until_ms = now_ms + (SUPPRESS_FIRST_MS << doublings);
}

static void complained_again(const struct suppress_entry *old, struct suppress_entry *e)
{
    e->times = once_more(old->times);
}

/* Puts the entry of something that happened now, as `again` changes it where there is one. */
static bool happened(struct suppress *s, struct slice address, uint64_t now_ms,
                     struct suppress_entry e,
                     void (*again)(const struct suppress_entry *old,
                                   struct suppress_entry *e))
{
    struct key k;
    if (!key_of(address, &k) || e.account.len > SUPPRESS_ADDRESS_MAX) {
        return false;
    }
    e.times = 1;
    e.first_ms = e.last_ms = now_ms;
    sqlite3_stmt *stmt = get(s, DO_get);
    bind_key(stmt, &k);
    bind_account(stmt, e.account);
    enum suppress_res res = step(s, stmt);
    if (res == SUPPRESS_YES) {
        struct suppress_entry old = entry_of(stmt);
        again(&old, &e);
    }
    return res != SUPPRESS_FAULT && put(s, &k, &e);
}

bool suppress_bounced(struct suppress *s, struct slice account, struct slice address,
                      struct slice evidence, uint64_t now_ms)
{
    return happened(s, address, now_ms,
                    (struct suppress_entry){.account = account,
                                            .reason = SUPPRESS_bounce,
                                            .until_ms = now_ms + SUPPRESS_FIRST_MS,
                                            .evidence = evidence},
                    bounced_again);
}

bool suppress_complained(struct suppress *s, struct slice account, struct slice address,
                         struct slice evidence, uint64_t now_ms)
{
    return happened(s, address, now_ms,
                    (struct suppress_entry){.account = account,
                                            .reason = SUPPRESS_complaint,
                                            .evidence = evidence},
                    complained_again);
}

bool suppress_alive(struct suppress *s, struct slice address)
{
    struct key k;
    if (!key_of(address, &k)) {
        return false;
    }
    sqlite3_stmt *stmt = get(s, DO_listed);
    bind_key(stmt, &k);
    if (step(s, stmt) != SUPPRESS_YES) {
        return false;
    }
    stmt = get(s, DO_alive);
    bind_key(stmt, &k);
    return step(s, stmt) == SUPPRESS_NOT;
}

bool suppress_remove(struct suppress *s, const struct slice *account,
                     struct slice address, uint64_t *n)
{
    struct key k;
    *n = 0;
    if (!key_of(address, &k)) {
        return true;
    }
    sqlite3_stmt *stmt = get(s, account == NULL ? DO_remove_all : DO_remove);
    bind_key(stmt, &k);
    if (account != NULL) {
        bind_account(stmt, *account);
    }
    bool ok = step(s, stmt) == SUPPRESS_NOT;
    *n = ok ? (uint64_t)sqlite3_changes(s->sql.db) : 0;
    return ok;
}

bool suppress_begin(struct suppress *s)
{
    return exec(s, "PRAGMA synchronous = FULL") && exec(s, "BEGIN IMMEDIATE");
}

bool suppress_commit(struct suppress *s)
{
    bool ok = exec(s, "COMMIT");
    if (!ok && sqlite3_get_autocommit(s->sql.db) == 0) {
        (void)exec(s, "ROLLBACK");
    }
    return exec(s, "PRAGMA synchronous = NORMAL") && ok;
}

/* --- all of it --- */

bool suppress_of(struct suppress *s, struct slice address,
                 void (*each)(void *arg, const struct suppress_entry *e), void *arg)
{
    struct key k;
    enum suppress_res res = SUPPRESS_NOT;
    if (!key_of(address, &k)) {
        return true;
    }
    sqlite3_stmt *stmt = get(s, DO_of);
    bind_key(stmt, &k);
    while ((res = step(s, stmt)) == SUPPRESS_YES) {
        struct suppress_entry e = entry_of(stmt);
        each(arg, &e);
    }
    return res == SUPPRESS_NOT;
}

static void put_place(struct suppress_place *p, const struct suppress_entry *e)
{
    size_t domain =
        e->domain.len < SUPPRESS_ADDRESS_MAX ? e->domain.len : SUPPRESS_ADDRESS_MAX;
    size_t local =
        e->local.len < SUPPRESS_ADDRESS_MAX ? e->local.len : SUPPRESS_ADDRESS_MAX;
    size_t account =
        e->account.len < SUPPRESS_ADDRESS_MAX ? e->account.len : SUPPRESS_ADDRESS_MAX;
    memcpy(p->octets, e->domain.ptr, domain);
    memcpy(p->octets + domain, e->local.ptr, local);
    if (account > 0) {
        memcpy(p->octets + domain + local, e->account.ptr, account);
    }
    p->domain_len = domain;
    p->local_len = local;
    p->account_len = account;
}

bool suppress_page(struct suppress *s, struct suppress_place *place, struct slice domain,
                   unsigned n, unsigned *seen,
                   void (*each)(void *arg, const struct suppress_entry *e), void *arg)
{
    unsigned char lower[SUPPRESS_ADDRESS_MAX];
    struct slice at = {place->octets, place->domain_len};
    struct slice local = {place->octets + at.len, place->local_len};
    struct slice account = {place->octets + at.len + local.len, place->account_len};
    *seen = 0;
    domain = slice_sub(domain, 0, sizeof lower);
    for (size_t i = 0; i < domain.len; i++) {
        lower[i] = ascii_lower(domain.ptr[i]);
    }
    sqlite3_stmt *stmt = get(s, domain.len == 0 ? DO_page : DO_page_domain);
    sql_bind(stmt, 1, domain.len == 0 ? at : (struct slice){lower, domain.len});
    sql_bind(stmt, 2, local);
    sql_bind(stmt, 3, account);
    sql_bind_count(stmt, 4, n);
    enum suppress_res res;
    while ((res = step(s, stmt)) == SUPPRESS_YES) {
        struct suppress_entry e = entry_of(stmt);
        put_place(place, &e);
        ++*seen;
        each(arg, &e);
    }
    return res == SUPPRESS_NOT;
}
