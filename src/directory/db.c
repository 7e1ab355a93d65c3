/* directory/db.c - the database: schema, opening, statements, faults. */
#include "directory/db.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    USAGE_ENTRIES_MAX = 4096,
    LOOKUP_MEMORY_MAX = 2 * 1024 * 1024,
    CHECK_OCTETS_MAX = 64 * 1024 * 1024, /* larger files are not read through at start */
};

/* One entry a version; PRAGMA user_version counts how many a database has had. Never
 * change one that was released: add the next. */
static const char *const migrations[] = {
    "CREATE TABLE domain ("
    " id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, created_ms INTEGER NOT NULL) "
    "STRICT;"
    "CREATE TABLE domain_setting ("
    " domain_id INTEGER NOT NULL REFERENCES domain ON DELETE CASCADE,"
    " name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (domain_id, name)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE user ("
    " id INTEGER PRIMARY KEY,"
    " domain_id INTEGER NOT NULL REFERENCES domain ON DELETE CASCADE,"
    " local TEXT NOT NULL, password TEXT,"
    " state TEXT NOT NULL CHECK (state IN ('active', 'disabled', 'locked')),"
    " quota INTEGER NOT NULL CHECK (quota >= 0), name TEXT NOT NULL,"
    " created_ms INTEGER NOT NULL, last_use_ms INTEGER NOT NULL,"
    " UNIQUE (domain_id, local)) STRICT;"
    "CREATE TABLE alias ("
    " id INTEGER PRIMARY KEY,"
    " domain_id INTEGER NOT NULL REFERENCES domain ON DELETE CASCADE,"
    " local TEXT NOT NULL, created_ms INTEGER NOT NULL, UNIQUE (domain_id, local)) "
    "STRICT;"
    "CREATE TABLE alias_target ("
    " alias_id INTEGER NOT NULL REFERENCES alias ON DELETE CASCADE,"
    " n INTEGER NOT NULL, local TEXT NOT NULL, domain TEXT NOT NULL,"
    " PRIMARY KEY (alias_id, n)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX alias_target_by_address ON alias_target (domain, local);",

    /* net: 16 octets, IPv4 mapped. A limit of 0 is none. */
    "CREATE TABLE relay ("
    " id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    " state TEXT NOT NULL CHECK (state IN ('active', 'suspended')),"
    " by_domain INTEGER NOT NULL CHECK (by_domain IN (0, 1)),"
    " day_limit INTEGER NOT NULL DEFAULT 0 CHECK (day_limit >= 0),"
    " user_day_limit INTEGER NOT NULL DEFAULT 0 CHECK (user_day_limit >= 0),"
    " peak_limit INTEGER NOT NULL DEFAULT 0 CHECK (peak_limit >= 0),"
    " created_ms INTEGER NOT NULL) STRICT;"
    "CREATE TABLE relay_network ("
    " net BLOB NOT NULL, bits INTEGER NOT NULL,"
    " relay_id INTEGER NOT NULL REFERENCES relay ON DELETE CASCADE,"
    " PRIMARY KEY (net, bits)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX relay_network_by_relay ON relay_network (relay_id);"
    "CREATE TABLE relay_domain ("
    " name TEXT PRIMARY KEY,"
    " relay_id INTEGER NOT NULL REFERENCES relay ON DELETE CASCADE"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX relay_domain_by_relay ON relay_domain (relay_id);"
    "CREATE TABLE push ("
    " id INTEGER PRIMARY KEY, domain TEXT NOT NULL, local TEXT NOT NULL, password TEXT,"
    " state TEXT NOT NULL CHECK (state IN ('active', 'restricted')),"
    " recipient_limit INTEGER NOT NULL CHECK (recipient_limit > 0),"
    " data_limit INTEGER NOT NULL CHECK (data_limit >= 0),"
    " created_ms INTEGER NOT NULL, UNIQUE (domain, local)) STRICT;",
    /* Logging in. scram: see dir_scram_write(). */
    "ALTER TABLE user ADD COLUMN scram TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE user ADD COLUMN second_factor INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE user ADD COLUMN known_networks INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE app_password ("
    " user_id INTEGER NOT NULL REFERENCES user ON DELETE CASCADE,"
    " name TEXT NOT NULL, password TEXT NOT NULL, scram TEXT NOT NULL,"
    " created_ms INTEGER NOT NULL, last_use_ms INTEGER NOT NULL,"
    " PRIMARY KEY (user_id, name)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE user_network ("
    " user_id INTEGER NOT NULL REFERENCES user ON DELETE CASCADE,"
    " network TEXT NOT NULL, last_ms INTEGER NOT NULL,"
    " PRIMARY KEY (user_id, network)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE user_grant ("
    " user_id INTEGER NOT NULL REFERENCES user ON DELETE CASCADE,"
    " address TEXT NOT NULL, PRIMARY KEY (user_id, address)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE secret (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;",
    /* What push accounts sent, in recipients. A limit of 0 is none; used counts for the day or the
     * month beside it. */
    "ALTER TABLE push ADD COLUMN month_quota INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE push ADD COLUMN month TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE push ADD COLUMN month_used INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE push ADD COLUMN day_quota INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE push ADD COLUMN day TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE push ADD COLUMN day_used INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE push ADD COLUMN prepaid INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE push ADD COLUMN prepaid_used INTEGER NOT NULL DEFAULT 0;",
    /* Administrators' rules, as rule/rule.h prints them; positions count from 1. */
    "CREATE TABLE rule ("
    " domain_id INTEGER NOT NULL REFERENCES domain ON DELETE CASCADE,"
    " direction TEXT NOT NULL CHECK (direction IN ('in', 'out')),"
    " name TEXT NOT NULL, position INTEGER NOT NULL,"
    " conditions TEXT NOT NULL, act TEXT NOT NULL, created_ms INTEGER NOT NULL,"
    " PRIMARY KEY (domain_id, direction, name)) STRICT, WITHOUT ROWID;",
    /* Groups of users, for rules. */
    "CREATE TABLE user_group ("
    " user_id INTEGER NOT NULL REFERENCES user ON DELETE CASCADE,"
    " name TEXT NOT NULL, PRIMARY KEY (user_id, name)) STRICT, WITHOUT ROWID;",
    /* directory/spend.h. A user's limit of 0 is none, NULL the one of the configuration. */
    "ALTER TABLE user ADD COLUMN daily_messages INTEGER CHECK (daily_messages >= 0);"
    "ALTER TABLE user ADD COLUMN daily_recipients INTEGER CHECK (daily_recipients >= 0);"
    "ALTER TABLE user ADD COLUMN recipients INTEGER CHECK (recipients >= 0);"
    "ALTER TABLE relay ADD COLUMN peak_span_s INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE spent ("
    " who TEXT NOT NULL, until_s INTEGER NOT NULL, n INTEGER NOT NULL CHECK (n >= 0),"
    " PRIMARY KEY (who, until_s)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX spent_by_end ON spent (until_s);"
    "CREATE TABLE charge ("
    " session INTEGER NOT NULL, n INTEGER NOT NULL, who TEXT NOT NULL,"
    " until_s INTEGER NOT NULL, units INTEGER NOT NULL, made_s INTEGER NOT NULL,"
    " PRIMARY KEY (session, n, who)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX charge_by_age ON charge (made_s);",
    /* Addresses that nobody has, and whose senders are thought less of. */
    "CREATE TABLE trap ("
    " domain_id INTEGER NOT NULL REFERENCES domain ON DELETE CASCADE,"
    " local TEXT NOT NULL, created_ms INTEGER NOT NULL,"
    " PRIMARY KEY (domain_id, local)) STRICT, WITHOUT ROWID;",
    /* What is known of the folders Junk (junk.h); name: a hash. */
    "CREATE TABLE junk_folder ("
    " user_id INTEGER PRIMARY KEY REFERENCES user ON DELETE CASCADE,"
    " stamp INTEGER NOT NULL) STRICT;"
    "CREATE TABLE junk_file ("
    " user_id INTEGER NOT NULL REFERENCES user ON DELETE CASCADE,"
    " inode INTEGER NOT NULL, name INTEGER NOT NULL,"
    " mtime INTEGER NOT NULL, size INTEGER NOT NULL,"
    " PRIMARY KEY (user_id, inode, name)) STRICT, WITHOUT ROWID;",
};

#define X(name, sql) [DB_##name] = sql,
static const char *const statements[] = {DB_STATEMENTS(X)};
#undef X

static const struct sql_kind file_kind = {
    .set_up = "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;"
              "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
              "PRAGMA temp_store = MEMORY",
    SQL_MIGRATIONS(migrations),
    SQL_STATEMENTS(statements),
};

const char *const db_states[3] = {"active", "disabled", "locked"};

int db_state(struct slice name)
{
    for (int i = 0; i < 3; i++) {
        if (slice_eq(name, slice_of(db_states[i]))) {
            return i;
        }
    }
    return -1;
}

static const char *advice(int code)
{
    switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return "the file is damaged: put a backup in its place, or rescue what is left "
               "with "
               "`sqlite3 directory.db .recover`; it is opened again by itself";
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY:
        return "file and directory must exist, and belong to the user that postern runs "
               "as";
    case SQLITE_FULL:
    case SQLITE_IOERR:
        return "see to the disk";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return "another program holds it locked; try again";
    default:
        return "if it stays so, restart postern";
    }
}

static void note_fault(struct dir_store *s, int code)
{
    bool busy = (code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED;
    if (s->state != DIR_STORE_BROKEN) {
        s->state = busy ? DIR_STORE_BUSY : DIR_STORE_BROKEN;
        (void)snprintf(s->fault, sizeof s->fault, "%.300s: %.120s; %s", s->config.shown,
                       sql_why(&s->sql, code), advice(code));
    }
}

void db_fresh(struct dir_store *s)
{
    if (s->state == DIR_STORE_BUSY) {
        s->state = DIR_STORE_OK;
    }
}

sqlite3_stmt *db_get(struct dir_store *s, enum db_statement which)
{
    int code = SQLITE_OK;
    sqlite3_stmt *stmt = sql_get(&s->sql, which, &code);
    if (stmt == NULL) {
        note_fault(s, code);
    }
    return stmt;
}

void db_ip(sqlite3_stmt *stmt, int at, const struct ip *ip)
{
    if (stmt != NULL) {
        (void)sqlite3_bind_blob64(stmt, at, ip->octet, sizeof ip->octet,
                                  SQLITE_TRANSIENT);
    }
}

void db_cstr(sqlite3_stmt *stmt, int at, const char *value)
{
    if (value != NULL) {
        sql_bind(stmt, at, slice_of(value));
    }
}

void db_int(sqlite3_stmt *stmt, int at, int64_t value)
{
    if (stmt != NULL) {
        (void)sqlite3_bind_int64(stmt, at, value);
    }
}

enum db_res db_step(struct dir_store *s, sqlite3_stmt *stmt)
{
    if (stmt == NULL) {
        return DB_FAULT;
    }
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW) {
        return DB_ROW;
    }
    bool conflict = (code & 0xff) == SQLITE_CONSTRAINT;
    if (code != SQLITE_DONE && !conflict) {
        note_fault(s, code);
    }
    (void)sqlite3_reset(stmt);
    return code == SQLITE_DONE ? DB_DONE : conflict ? DB_CONFLICT : DB_FAULT;
}

void db_end(sqlite3_stmt *stmt)
{
    if (stmt != NULL) {
        (void)sqlite3_reset(stmt);
    }
}

bool db_col_cstr(sqlite3_stmt *stmt, int at, char *out, size_t cap)
{
    return slice_cstr(sql_column(stmt, at), out, cap);
}

int64_t db_col_int(sqlite3_stmt *stmt, int at)
{
    return sqlite3_column_int64(stmt, at);
}

uint64_t db_col_limit(sqlite3_stmt *stmt, int at, uint64_t null)
{
    return sqlite3_column_type(stmt, at) == SQLITE_NULL
               ? null
               : (uint64_t)sqlite3_column_int64(stmt, at);
}

enum db_res db_domain(struct dir_store *s, struct slice name, int64_t *id)
{
    sqlite3_stmt *stmt = db_get(s, DB_domain_get);
    sql_bind(stmt, 1, name);
    enum db_res res = db_step(s, stmt);
    if (res == DB_ROW) {
        *id = db_col_int(stmt, 0);
    }
    db_end(stmt);
    return res;
}

enum db_res db_user(struct dir_store *s, int64_t domain_id, struct slice local,
                    struct db_user *out)
{
    sqlite3_stmt *stmt = db_get(s, DB_user_get);
    db_int(stmt, 1, domain_id);
    sql_bind(stmt, 2, local);
    enum db_res res = db_step(s, stmt);
    if (res == DB_ROW) {
        *out = (struct db_user){.id = db_col_int(stmt, 0),
                                .state = db_state(sql_column(stmt, 1)),
                                .quota = db_col_int(stmt, 2),
                                .last_use_ms = db_col_int(stmt, 3),
                                .created_ms = db_col_int(stmt, 5),
                                .password = db_col_int(stmt, 6) != 0};
        (void)db_col_cstr(stmt, 4, out->name, sizeof out->name);
    }
    db_end(stmt);
    return res;
}

static bool is_among(struct slice words, struct slice word)
{
    while (words.len > 0) {
        size_t end = slice_find(words, ' ');
        if (slice_eq(slice_sub(words, 0, end), word)) {
            return true;
        }
        words = slice_from(words, end + 1);
    }
    return false;
}

enum db_res db_groups(struct dir_store *s, int64_t user_id, struct buf *out)
{
    enum db_res res;
    sqlite3_stmt *stmt = db_get(s, DB_group_all);
    db_int(stmt, 1, user_id);
    while ((res = db_step(s, stmt)) == DB_ROW) {
        struct slice name = sql_column(stmt, 0);
        if (!is_among(buf_slice(out), name) &&
            out->len + 1 + name.len <= DIR_GROUPS_LEN_MAX) {
            (void)buf_add_str(out, out->len > 0 ? " " : "");
            (void)buf_add(out, name);
        }
    }
    db_end(stmt);
    return res;
}

enum db_res db_trap(struct dir_store *s, int64_t domain_id, struct slice local)
{
    sqlite3_stmt *stmt = db_get(s, DB_trap_get);
    db_int(stmt, 1, domain_id);
    sql_bind(stmt, 2, local);
    enum db_res res = db_step(s, stmt);
    db_end(stmt);
    return res;
}

enum db_res db_alias(struct dir_store *s, int64_t domain_id, struct slice local,
                     int64_t *id)
{
    sqlite3_stmt *stmt = db_get(s, DB_alias_get);
    db_int(stmt, 1, domain_id);
    sql_bind(stmt, 2, local);
    enum db_res res = db_step(s, stmt);
    if (res == DB_ROW) {
        *id = db_col_int(stmt, 0);
    }
    db_end(stmt);
    return res;
}

/* A new empty file that belongs to whom the directory belongs: a command given by root
 * must not lock the server out. (SQLite gives -wal and -shm the owner of the file by
 * itself.) */
static bool make_file(const char *path, const char *shown, char error[DIR_ERROR_MAX])
{
    char dir[4200];
    struct slice s = slice_of(path);
    size_t slash = slice_rfind(s, '/');
    struct stat st;
    int fd = -1;
    bool ok = false;
    if (!slice_cstr(slash == s.len ? SLICE(".") : slice_sub(s, 0, slash + 1), dir,
                    sizeof dir)) {
        errno = ENAMETOOLONG;
    } else if (stat(dir, &st) == 0) {
        fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        ok = fd >= 0 && (geteuid() != 0 || fchown(fd, st.st_uid, st.st_gid) == 0);
        ok = ok || (fd < 0 && errno == EEXIST);
    }
    if (!ok) {
        (void)snprintf(error, DIR_ERROR_MAX,
                       "%.300s: %s; the directory must exist and be writable", shown,
                       strerror(errno));
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return ok;
}

static int first_word(void *arg, int n, char **value, char **name)
{
    (void)name;
    *(bool *)arg = n > 0 && value[0] != NULL && strcmp(value[0], "ok") == 0;
    return 0;
}

static void set_up(struct dir_store *s, off_t octets)
{
    bool sound = true;
    int code =
        sql_open(&s->sql, s->config.path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                 s->config.busy_ms, &file_kind);
    if (code == SQLITE_OK && octets <= CHECK_OCTETS_MAX) {
        code = sqlite3_exec(s->sql.db, "PRAGMA quick_check(1)", first_word, &sound, NULL);
    }
    if (code == SQL_NEWER || (code == SQLITE_OK && !sound)) {
        s->state = DIR_STORE_BROKEN;
        (void)snprintf(s->fault, sizeof s->fault, "%.300s: %s", s->config.shown,
                       sound ? sql_why(&s->sql, code) : advice(SQLITE_CORRUPT));
    } else if (code != SQLITE_OK) {
        note_fault(s, code);
    } else {
        (void)dir_store_changed(s); /* from here on: by others */
    }
}

struct dir_store *dir_store_open(const struct dir_store_config *config,
                                 char error[DIR_ERROR_MAX])
{
    struct stat st = {0};
    struct dir_store *s = NULL;
    if (config->create && access(config->path, F_OK) != 0 && errno == ENOENT &&
        !make_file(config->path, config->shown, error)) {
        return NULL;
    }
    if (stat(config->path, &st) != 0) {
        (void)snprintf(error, DIR_ERROR_MAX, "%.300s: %s; %s", config->shown,
                       strerror(errno), advice(SQLITE_CANTOPEN));
        return NULL;
    }
    s = calloc(1, sizeof *s);
    if (s == NULL) {
        (void)snprintf(error, DIR_ERROR_MAX, "%.300s: out of memory", config->shown);
        return NULL;
    }
    s->config = *config;
    s->dev = st.st_dev;
    s->ino = st.st_ino;
    map_init(&s->usage, USAGE_ENTRIES_MAX);
    arena_init(&s->arena, LOOKUP_MEMORY_MAX);
    buf_init(&s->targets, DIR_TARGETS_LEN_MAX);
    buf_init(&s->settings, DIR_SETTINGS_MAX);
    set_up(s, st.st_size);
    if (s->state != DIR_STORE_OK) {
        (void)snprintf(error, DIR_ERROR_MAX, "%s", s->fault);
        dir_store_close(&s);
    }
    return s;
}

static void free_usage(void *arg, struct slice key, void *value)
{
    (void)arg, (void)key;
    free(value);
}

void dir_store_close(struct dir_store **store)
{
    struct dir_store *s = *store;
    *store = NULL;
    if (s == NULL) {
        return;
    }
    sql_close(&s->sql);
    map_each(&s->usage, free_usage, NULL);
    map_clear(&s->usage);
    arena_clear(&s->arena);
    buf_clear(&s->targets);
    buf_clear(&s->settings);
    free(s);
}

enum dir_store_state dir_store_state(const struct dir_store *s)
{
    return s->state;
}

const char *dir_store_fault(const struct dir_store *s)
{
    return s->fault;
}

bool dir_store_changed(struct dir_store *s)
{
    sqlite3_stmt *stmt = db_get(s, DB_data_version);
    int64_t version = db_step(s, stmt) == DB_ROW ? db_col_int(stmt, 0) : s->data_version;
    db_end(stmt);
    bool changed = version != s->data_version;
    s->data_version = version;
    return changed;
}

bool dir_store_in_place(const struct dir_store *s)
{
    struct stat st;
    return stat(s->config.path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino;
}

bool dir_store_has_domains(struct dir_store *s)
{
    sqlite3_stmt *stmt = db_get(s, DB_domain_any);
    bool any = db_step(s, stmt) == DB_ROW;
    db_end(stmt);
    return any;
}
