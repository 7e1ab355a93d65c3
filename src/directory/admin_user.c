/* directory/admin_user.c - postern user ... */
#include "config/units.h"
#include "directory/account.h"
#include "directory/admin_parts.h"
#include "directory/password.h"
#include "directory/spend.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { NAME_MAX_LEN = 255, USER_LIMITS = 3 };

/* What add and set may bring; absent: SQL's NULL. */
struct given {
    const char *hash, *state, *name, *scram;
    int second_factor, known_networks; /* -1: absent */
    int64_t quota, last_use_ms;
    bool has_quota, has_last_use;
    int64_t limit[USER_LIMITS]; /* below 0: of the configuration */
    bool has_limit[USER_LIMITS], has_limits;
};

/* In the order of the statement user_limit. */
static const char *const user_limits[USER_LIMITS][2] = {
    {"daily-messages", "messages"},
    {"daily-recipients", "recipients"},
    {"recipients", "recipients"},
};

static bool read_limits(struct dir_admin *a, struct given *g)
{
    for (int i = 0; i < USER_LIMITS; i++) {
        if (!admin_count(a, user_limits[i][0], user_limits[i][1], true, &g->limit[i],
                         &g->has_limit[i])) {
            return false;
        }
        g->has_limits |= g->has_limit[i];
    }
    return true;
}

static bool store_limits(struct dir_admin *a, const struct dir_name *name,
                         int64_t domain_id, const struct given *g)
{
    if (!g->has_limits) {
        return true;
    }
    sqlite3_stmt *stmt = db_get(a->store, DB_user_limit);
    db_int(stmt, 1, domain_id);
    db_cstr(stmt, 2, name->local);
    for (int i = 0; i < USER_LIMITS; i++) {
        if (g->has_limit[i]) {
            db_int(stmt, 3 + i, g->limit[i]);
        }
    }
    return admin_step(a, stmt);
}

static bool read_quota(struct dir_admin *a, struct given *g)
{
    const char *text = admin_text(a, "quota");
    uint64_t octets = 0;
    if (text == NULL) {
        return true;
    }
    if (strcmp(text, "none") != 0 &&
        (units_size(slice_of(text), &octets) != NULL || octets > INT64_MAX)) {
        admin_fail(a, ADMIN_USAGE,
                   "'%.60s' is no size; say for example: --quota \"2 GiB\", "
                   "--quota none",
                   text);
        return false;
    }
    g->quota = (int64_t)octets;
    g->has_quota = true;
    return true;
}

static bool read_time(const char *text, uint64_t now_ms, int64_t *out)
{
    static const char *const formats[] = {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S",
                                          "%Y-%m-%d"};
    struct slice s = slice_of(text), ago = SLICE(" ago");
    uint64_t span = 0;
    if (slice_eq(s, SLICE("now"))) {
        *out = (int64_t)now_ms;
        return true;
    }
    if (s.len > ago.len && slice_eq(slice_from(s, s.len - ago.len), ago)) {
        if (units_time(slice_sub(s, 0, s.len - ago.len), &span) != NULL ||
            span > now_ms) {
            return false;
        }
        *out = (int64_t)(now_ms - span);
        return true;
    }
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        struct tm tm = {0};
        const char *end = strptime(text, formats[i], &tm);
        if (end != NULL && *end == '\0') {
            *out = (int64_t)timegm(&tm) * 1000;
            return *out >= 0 && (uint64_t)*out <= now_ms;
        }
    }
    return false;
}

static bool read_given(struct dir_admin *a, struct given *g)
{
    const char *last_use = admin_text(a, "last-use");
    *g = (struct given){.hash = admin_text(a, "password-hash"),
                        .state = admin_text(a, "state"),
                        .name = admin_text(a, "name"),
                        .scram = admin_text(a, "scram-keys")};
    struct sasl_keys keys;
    if (g->hash != NULL && !dir_password_hash_ok(g->hash)) {
        admin_fail(a, ADMIN_USAGE,
                   "that is no yescrypt hash; give the password itself with "
                   "--password-stdin");
        return false;
    }
    if (g->scram != NULL && !dir_scram_read(slice_of(g->scram), &keys)) {
        admin_fail(a, ADMIN_USAGE, "these are no keys for SCRAM-SHA-256");
        return false;
    }
    if (admin_text(a, "app-password") != NULL) {
        /* the hash is of that one */
        g->hash = NULL;
        g->scram = NULL;
    }
    if (!admin_yes_no(a, "second-factor", &g->second_factor) ||
        !admin_yes_no(a, "known-networks", &g->known_networks)) {
        return false;
    }
    if (g->state != NULL && db_state(slice_of(g->state)) < 0) {
        admin_fail(a, ADMIN_USAGE, "'%.60s' is no state; say: active, disabled or locked",
                   g->state);
        return false;
    }
    for (const char *p = g->name; p != NULL && *p != '\0'; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f || p - g->name >= NAME_MAX_LEN) {
            admin_fail(a, ADMIN_USAGE, "a name is one line of at most %d octets",
                       NAME_MAX_LEN);
            return false;
        }
    }
    g->has_last_use = last_use != NULL;
    if (last_use != NULL && !read_time(last_use, a->now_ms, &g->last_use_ms)) {
        admin_fail(a, ADMIN_USAGE,
                   "'%.60s' is no time in the past; say for example: now, 2026-01-31, "
                   "\"120 d ago\"",
                   last_use);
        return false;
    }
    return read_quota(a, g) && read_limits(a, g);
}

static bool store(struct dir_admin *a, enum db_statement which,
                  const struct dir_name *name, int64_t domain_id, const struct given *g)
{
    sqlite3_stmt *stmt = db_get(a->store, which);
    db_int(stmt, 1, domain_id);
    db_cstr(stmt, 2, name->local);
    db_cstr(stmt, 3, g->hash);
    db_cstr(stmt, 4, g->state);
    if (g->has_quota) {
        db_int(stmt, 5, g->quota);
    }
    db_cstr(stmt, 6, g->name);
    db_int(stmt, 7, (int64_t)a->now_ms);
    if (g->has_last_use) {
        db_int(stmt, 8, g->last_use_ms);
    }
    db_cstr(stmt, 9, g->scram);
    if (g->second_factor >= 0) {
        db_int(stmt, 10, g->second_factor);
    }
    if (g->known_networks >= 0) {
        db_int(stmt, 11, g->known_networks);
    }
    return admin_step(a, stmt) && store_limits(a, name, domain_id, g);
}

/* A new user's name must be free, and must stay one for whoever reads a target. */
static bool name_free(struct dir_admin *a, const struct dir_name *name, int64_t domain_id)
{
    char text[DIR_NAME_TEXT_MAX];
    const char *sign = a->store->config.sub_address;
    struct slice local = slice_of(name->local);
    struct db_user user;
    int64_t alias = 0;
    (void)dir_name_text(name, text);
    if (sign[0] != '\0' && slice_find(local, (unsigned char)sign[0]) < local.len) {
        admin_fail(a, ADMIN_NO,
                   "the sign %s starts a sub-address (delivery.sub-address) and cannot "
                   "stand in a "
                   "user's name; an alias may have it: postern alias add %s ADDRESS...",
                   sign, text);
        return false;
    }
    enum db_res res = db_user(a->store, domain_id, local, &user);
    if (res == DB_ROW) {
        admin_fail(a, ADMIN_NO, "user %s is there already; say: postern user set %s ...",
                   text, text);
        return false;
    }
    if (res == DB_DONE) {
        res = db_alias(a->store, domain_id, local, &alias);
    }
    if (res == DB_ROW) {
        admin_fail(a, ADMIN_NO, "%s is an alias; say first: postern alias remove %s",
                   text, text);
    } else if (res != DB_DONE) {
        admin_fault(a);
    }
    return a->status == 0 && admin_no_trap(a, name, domain_id);
}

void admin_user_add(struct dir_admin *a)
{
    struct dir_name name;
    struct given g;
    char text[DIR_NAME_TEXT_MAX];
    int64_t domain_id = 0;
    if (admin_subject(a, &name, &domain_id) && read_given(a, &g) &&
        name_free(a, &name, domain_id) && store(a, DB_user_put, &name, domain_id, &g)) {
        admin_did(a, "user", dir_name_text(&name, text), "added");
    }
}

/* The user that the request names. */
static bool known(struct dir_admin *a, struct dir_name *name, int64_t *domain_id,
                  struct db_user *user)
{
    if (!admin_subject(a, name, domain_id)) {
        return false;
    }
    enum db_res res = db_user(a->store, *domain_id, slice_of(name->local), user);
    if (res == DB_DONE) {
        admin_fail(a, ADMIN_NO, "there is no user %s@%s; say: postern user list %s",
                   name->local, name->domain, name->domain);
    } else if (res != DB_ROW) {
        admin_fault(a);
    }
    return a->status == 0;
}

void admin_user_set(struct dir_admin *a)
{
    struct dir_name name;
    struct db_user user;
    struct given g;
    char text[DIR_NAME_TEXT_MAX];
    int64_t domain_id = 0;
    if (!known(a, &name, &domain_id, &user) || !read_given(a, &g) ||
        !store(a, DB_user_set, &name, domain_id, &g) || !admin_login_set(a, user.id)) {
        return;
    }
    if (g.has_quota && g.quota == 0 && user.quota > 0) {
        db_quota_gone(a->store, &name, (uint64_t)user.quota);
    }
    admin_did(a, "user", dir_name_text(&name, text), "changed");
}

void admin_user_remove(struct dir_admin *a)
{
    struct dir_name name;
    struct db_user user;
    char text[DIR_NAME_TEXT_MAX];
    int64_t domain_id = 0;
    if (!known(a, &name, &domain_id, &user) || !admin_unpoint(a, &name)) {
        return;
    }
    sqlite3_stmt *stmt = db_get(a->store, DB_user_del);
    db_int(stmt, 1, user.id);
    if (admin_step(a, stmt) && admin_drop_orphans(a)) {
        admin_did(a, "user", dir_name_text(&name, text), "removed");
    }
}

static json_t *entry(const struct dir_name *name, const struct db_user *user)
{
    char text[DIR_NAME_TEXT_MAX];
    const char *state = user->state < 0 ? "unknown" : db_states[user->state];
    return json_pack("{s:o,s:s,s:I,s:b,s:o,s:o,s:o}", "address",
                     admin_string(slice_of(dir_name_text(name, text))), "state", state,
                     "quota", (json_int_t)user->quota, "password", user->password, "name",
                     admin_string(slice_of(user->name)), "created",
                     admin_time(user->created_ms), "last_use",
                     admin_time(user->last_use_ms));
}

static void row(struct dir_admin *a, sqlite3_stmt *stmt)
{
    struct db_user user = {.state = db_state(sql_column(stmt, 1)),
                           .quota = db_col_int(stmt, 2),
                           .last_use_ms = db_col_int(stmt, 3),
                           .created_ms = db_col_int(stmt, 5),
                           .password = db_col_int(stmt, 6) != 0};
    (void)db_col_cstr(stmt, 0, a->cursor.local, sizeof a->cursor.local);
    (void)db_col_cstr(stmt, 4, user.name, sizeof user.name);
    admin_line(a, entry(&a->cursor, &user));
}

static bool page(struct dir_admin *a)
{
    return admin_page(a, DB_user_page, row);
}

void admin_user_list(struct dir_admin *a)
{
    if (admin_list_begin(a)) {
        a->page = page;
    }
}

/* Limits that hold, and what is used of them. */
static void add_limits(struct dir_admin *a, const struct dir_name *name, json_t *line)
{
    char text[DIR_NAME_TEXT_MAX];
    struct dir_user_limits limits = {0};
    struct slice who = slice_of(dir_name_text(name, text));
    arena_reset(&a->store->arena);
    if (db_user_limits(a->store, name, &limits) != DB_ROW ||
        !admin_limit_show(a, line, "daily-messages", DIR_LIMIT_USER_MESSAGES, who,
                          limits.daily_messages, SPEND_DAY_S) ||
        !admin_limit_show(a, line, "daily-recipients", DIR_LIMIT_USER_RECIPIENTS, who,
                          limits.daily_recipients, SPEND_DAY_S)) {
        admin_fault(a);
    }
    (void)json_object_set_new(line, "recipients",
                              json_integer((json_int_t)limits.recipients));
}

void admin_user_show(struct dir_admin *a)
{
    struct dir_name name;
    struct db_user user;
    int64_t domain_id = 0;
    if (!known(a, &name, &domain_id, &user)) {
        return;
    }
    struct usage usage = db_usage(a->store, &name, (uint64_t)user.quota, a->now_ms);
    json_t *line = entry(&name, &user);
    if (line != NULL) {
        (void)json_object_set_new(line, "used", json_integer((json_int_t)usage.used));
        if ((int64_t)usage.cur_ms > user.last_use_ms) {
            (void)json_object_set_new(line, "last_use",
                                      admin_time((int64_t)usage.cur_ms));
        }
        add_limits(a, &name, line);
        admin_login_show(a, user.id, line);
    }
    admin_line(a, line);
}
