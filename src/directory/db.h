/* directory/db.h - inside src/directory only: the open database and its statements. */
#ifndef DIRECTORY_DB_H
#define DIRECTORY_DB_H
#include "base/arena.h"
#include "base/map.h"
#include "directory/name.h"
#include "directory/settings.h"
#include "directory/store.h"
#include "sql/sql.h"

#include <sys/types.h>

/* Every statement there is. */
/* clang-format off */
#define DB_RELAY_COLUMNS "id, name, state = 'suspended', by_domain, created_ms, day_limit," \
                         " user_day_limit, peak_limit, peak_span_s"
#define DB_STATEMENTS(X) \
    X(begin, "BEGIN IMMEDIATE") \
    X(commit, "COMMIT") \
    X(rollback, "ROLLBACK") \
    X(savepoint, "SAVEPOINT one") \
    X(release, "RELEASE one") \
    X(rollback_to, "ROLLBACK TO one") \
    X(data_version, "PRAGMA data_version") \
    X(domain_any, "SELECT name FROM domain ORDER BY id LIMIT 1") \
    X(domain_get, "SELECT id FROM domain WHERE name = ?1") \
    X(domain_put, "INSERT INTO domain (name, created_ms) VALUES (?1, ?2)") \
    X(domain_del, "DELETE FROM domain WHERE id = ?1") \
    X(domain_page, "SELECT name, id, created_ms," \
                   " (SELECT count(*) FROM user WHERE domain_id = domain.id)," \
                   " (SELECT count(*) FROM alias WHERE domain_id = domain.id)" \
                   " FROM domain WHERE name >= ?1 ORDER BY name LIMIT ?2") \
    X(domain_next, "SELECT name, id FROM domain WHERE name > ?1 ORDER BY name LIMIT 1") \
    X(setting_get, "SELECT value FROM domain_setting WHERE domain_id = ?1 AND name = ?2") \
    X(setting_put, "INSERT OR REPLACE INTO domain_setting (domain_id, name, value)" \
                   " VALUES (?1, ?2, ?3)") \
    X(setting_del, "DELETE FROM domain_setting WHERE domain_id = ?1 AND name = ?2") \
    X(setting_all, "SELECT name, value FROM domain_setting WHERE domain_id = ?1 ORDER BY name") \
    X(setting_who, "SELECT d.name FROM domain_setting s JOIN domain d ON d.id = s.domain_id" \
                   " WHERE s.name = ?1 AND s.value = ?2 LIMIT 1") \
    X(setting_drop, "DELETE FROM domain_setting WHERE name = ?1 AND value = ?2") \
    X(setting_drop_domain, "DELETE FROM domain_setting WHERE name = ?1" \
                           " AND substr(value, -length(?2)) = ?2") \
    X(user_get, "SELECT id, state, quota, last_use_ms, name, created_ms, password IS NOT NULL" \
                " FROM user WHERE domain_id = ?1 AND local = ?2") \
    X(user_put, "INSERT INTO user (domain_id, local, password, state, quota, name," \
                " created_ms, last_use_ms, scram, second_factor, known_networks)" \
                " VALUES (?1, ?2, ?3, coalesce(?4, 'active')," \
                " coalesce(?5, 0), coalesce(?6, ''), ?7, coalesce(?8, ?7)," \
                " coalesce(?9, ''), coalesce(?10, 0), coalesce(?11, 0))") \
    /* a new password makes the old one's keys worthless, also when it brings none */ \
    X(user_set, "UPDATE user SET scram = CASE WHEN ?3 IS NULL THEN scram ELSE" \
                " coalesce(?9, '') END, password = coalesce(?3, password)," \
                " second_factor = coalesce(?10, second_factor)," \
                " known_networks = coalesce(?11, known_networks)," \
                " state = coalesce(?4, state), quota = coalesce(?5, quota)," \
                " name = coalesce(?6, name), last_use_ms = coalesce(?8, last_use_ms)" \
                " WHERE domain_id = ?1 AND local = ?2") \
    X(user_limits, "SELECT u.daily_messages, u.daily_recipients, u.recipients FROM user u" \
                   " JOIN domain d ON d.id = u.domain_id WHERE d.name = ?1 AND u.local = ?2") \
    /* below 0: as the configuration says */ \
    X(user_limit, "UPDATE user SET daily_messages = CASE WHEN ?3 IS NULL THEN daily_messages" \
                  " WHEN ?3 < 0 THEN NULL ELSE ?3 END, daily_recipients = CASE WHEN ?4 IS NULL" \
                  " THEN daily_recipients WHEN ?4 < 0 THEN NULL ELSE ?4 END, recipients =" \
                  " CASE WHEN ?5 IS NULL THEN recipients WHEN ?5 < 0 THEN NULL ELSE ?5 END" \
                  " WHERE domain_id = ?1 AND local = ?2") \
    X(user_del, "DELETE FROM user WHERE id = ?1") \
    X(user_page, "SELECT local, state, quota, last_use_ms, name, created_ms," \
                 " password IS NOT NULL FROM user" \
                 " WHERE domain_id = ?1 AND local > ?2 ORDER BY local LIMIT ?3") \
    X(user_count, "SELECT (SELECT count(*) FROM user WHERE domain_id = ?1)" \
                  " + (SELECT count(*) FROM alias WHERE domain_id = ?1)") \
    X(user_first, "SELECT u.local, d.name FROM user u JOIN domain d ON d.id = u.domain_id" \
                  " WHERE u.state <> 'disabled' ORDER BY u.domain_id <> ?1, u.id LIMIT 1") \
    X(domain_only, "SELECT name FROM domain WHERE (SELECT count(*) FROM domain) = 1") \
    X(account_get, "SELECT u.id, u.state, u.second_factor, u.known_networks," \
                   " coalesce(u.password, ''), u.scram FROM user u JOIN domain d" \
                   " ON d.id = u.domain_id WHERE d.name = ?1 AND u.local = ?2") \
    X(app_all, "SELECT name, password, scram, created_ms, last_use_ms FROM app_password" \
               " WHERE user_id = ?1 ORDER BY name") \
    X(app_put, "INSERT INTO app_password (user_id, name, password, scram, created_ms," \
               " last_use_ms) VALUES (?1, ?2, ?3, ?4, ?5, 0)") \
    X(app_del, "DELETE FROM app_password WHERE user_id = ?1 AND name = ?2 RETURNING 1") \
    X(app_used, "UPDATE app_password SET last_use_ms = ?3 WHERE user_id = ?1 AND name = ?2" \
                " AND last_use_ms < ?4") \
    X(user_network_get, "SELECT last_ms FROM user_network WHERE user_id = ?1 AND network = ?2") \
    X(user_network_all, "SELECT network FROM user_network WHERE user_id = ?1 ORDER BY network") \
    X(user_network_put, "INSERT OR REPLACE INTO user_network (user_id, network, last_ms)" \
                   " VALUES (?1, ?2, ?3)") \
    X(user_network_trim, "DELETE FROM user_network WHERE user_id = ?1 AND network NOT IN" \
                    " (SELECT network FROM user_network WHERE user_id = ?1" \
                    " ORDER BY last_ms DESC LIMIT ?2)") \
    X(grant_get, "SELECT 1 FROM user_grant WHERE user_id = ?1 AND address IN (?2, ?3)") \
    X(grant_all, "SELECT address FROM user_grant WHERE user_id = ?1 ORDER BY address") \
    X(grant_put, "INSERT OR IGNORE INTO user_grant (user_id, address) VALUES (?1, ?2)") \
    X(grant_del, "DELETE FROM user_grant WHERE user_id = ?1 AND address = ?2 RETURNING 1") \
    X(trap_get, "SELECT 1 FROM trap WHERE domain_id = ?1 AND local = ?2") \
    X(trap_put, "INSERT OR IGNORE INTO trap (domain_id, local, created_ms) VALUES (?1, ?2, ?3)") \
    X(trap_del, "DELETE FROM trap WHERE domain_id = ?1 AND local = ?2 RETURNING 1") \
    X(trap_page, "SELECT local, created_ms FROM trap" \
                 " WHERE domain_id = ?1 AND local > ?2 ORDER BY local LIMIT ?3") \
    /* the next user behind ?1, with what was seen of the folder Junk */ \
    X(junk_user, "SELECT u.id, u.local, d.name, coalesce(j.stamp, -1) FROM user u" \
                 " JOIN domain d ON d.id = u.domain_id LEFT JOIN junk_folder j" \
                 " ON j.user_id = u.id WHERE u.id > ?1 ORDER BY u.id LIMIT 1") \
    X(junk_seen, "INSERT OR REPLACE INTO junk_folder (user_id, stamp) VALUES (?1, ?2)") \
    X(junk_all, "SELECT inode, name, mtime, size FROM junk_file WHERE user_id = ?1") \
    X(junk_put, "INSERT OR REPLACE INTO junk_file (user_id, inode, name, mtime, size)" \
                " VALUES (?1, ?2, ?3, ?4, ?5)") \
    X(junk_del, "DELETE FROM junk_file WHERE user_id = ?1 AND inode = ?2 AND name = ?3") \
    X(group_all, "SELECT name FROM user_group WHERE user_id = ?1 ORDER BY name") \
    X(group_put, "INSERT OR IGNORE INTO user_group (user_id, name) VALUES (?1, ?2)") \
    X(group_del, "DELETE FROM user_group WHERE user_id = ?1 AND name = ?2 RETURNING 1") \
    X(secret_get, "SELECT value FROM secret WHERE name = ?1") \
    X(secret_put, "INSERT OR IGNORE INTO secret (name, value) VALUES (?1, ?2)") \
    X(password_get, "SELECT password FROM user WHERE domain_id = ?1 AND local = ?2") \
    X(alias_get, "SELECT id FROM alias WHERE domain_id = ?1 AND local = ?2") \
    X(alias_put, "INSERT INTO alias (domain_id, local, created_ms) VALUES (?1, ?2, ?3)") \
    X(alias_del, "DELETE FROM alias WHERE id = ?1") \
    X(alias_page, "SELECT local, id, created_ms FROM alias" \
                  " WHERE domain_id = ?1 AND local > ?2 ORDER BY local LIMIT ?3") \
    X(alias_name, "SELECT a.local, d.name FROM alias a JOIN domain d ON d.id = a.domain_id" \
                  " WHERE a.id = ?1") \
    X(alias_orphan, "SELECT a.id, a.local, d.name FROM alias a" \
                    " JOIN domain d ON d.id = a.domain_id WHERE NOT EXISTS" \
                    " (SELECT 1 FROM alias_target t WHERE t.alias_id = a.id) LIMIT 1") \
    X(target_all, "SELECT local, domain FROM alias_target WHERE alias_id = ?1 ORDER BY n") \
    X(target_put, "INSERT INTO alias_target (alias_id, n, local, domain)" \
                  " VALUES (?1, ?2, ?3, ?4)") \
    X(target_del, "DELETE FROM alias_target WHERE alias_id = ?1") \
    X(target_who, "SELECT alias_id FROM alias_target WHERE domain = ?1 AND" \
                  " (local = ?2 OR substr(local, 1, length(?3)) = ?3) LIMIT ?4") \
    X(target_drop, "DELETE FROM alias_target WHERE domain = ?1 AND" \
                   " (local = ?2 OR substr(local, 1, length(?3)) = ?3)") \
    X(target_drop_domain, "DELETE FROM alias_target WHERE domain = ?1") \
    X(relay_get, "SELECT " DB_RELAY_COLUMNS \
                 " FROM relay WHERE name = ?1") \
    X(relay_by_id, "SELECT " DB_RELAY_COLUMNS \
                   " FROM relay WHERE id = ?1") \
    X(relay_page, "SELECT " DB_RELAY_COLUMNS \
                  " FROM relay WHERE name > ?1 ORDER BY name LIMIT ?2") \
    X(relay_put, "INSERT INTO relay (name, state, by_domain, created_ms)" \
                 " VALUES (?1, 'active', 0, ?2)") \
    X(relay_set, "UPDATE relay SET state = coalesce(?2, state)," \
                 " by_domain = coalesce(?3, by_domain), day_limit = coalesce(?4, day_limit)," \
                 " user_day_limit = coalesce(?5, user_day_limit)," \
                 " peak_limit = coalesce(?6, peak_limit)," \
                 " peak_span_s = coalesce(?7, peak_span_s) WHERE id = ?1") \
    X(relay_del, "DELETE FROM relay WHERE id = ?1") \
    X(network_put, "INSERT INTO relay_network (net, bits, relay_id) VALUES (?1, ?2, ?3)") \
    X(network_del, "DELETE FROM relay_network WHERE relay_id = ?1") \
    X(network_all, "SELECT net, bits FROM relay_network WHERE relay_id = ?1 ORDER BY net, bits") \
    X(network_who, "SELECT relay_id FROM relay_network WHERE net = ?1 AND bits = ?2") \
    X(relay_domain_put, "INSERT INTO relay_domain (name, relay_id) VALUES (?1, ?2)") \
    X(relay_domain_del, "DELETE FROM relay_domain WHERE relay_id = ?1") \
    X(relay_domain_all, "SELECT name FROM relay_domain WHERE relay_id = ?1 ORDER BY name") \
    X(relay_domain_who, "SELECT relay_id FROM relay_domain WHERE name = ?1") \
    X(push_get, "SELECT id, state = 'restricted', recipient_limit, data_limit, created_ms," \
                " password IS NOT NULL FROM push WHERE domain = ?1 AND local = ?2") \
    X(push_login, "SELECT id, coalesce(password, '') FROM push" \
                  " WHERE domain = ?1 AND local = ?2") \
    X(push_page, "SELECT id, state = 'restricted', recipient_limit, data_limit, created_ms," \
                 " password IS NOT NULL, domain, local FROM push" \
                 " WHERE (domain, local) > (?1, ?2) ORDER BY domain, local LIMIT ?3") \
    X(push_put, "INSERT INTO push (domain, local, password, state, recipient_limit," \
                " data_limit, created_ms) VALUES (?1, ?2, ?3, coalesce(?4, 'active')," \
                " coalesce(?5, 300), coalesce(?6, 0), ?7)") \
    X(push_set, "UPDATE push SET password = coalesce(?3, password)," \
                " state = coalesce(?4, state)," \
                " recipient_limit = coalesce(?5, recipient_limit)," \
                " data_limit = coalesce(?6, data_limit) WHERE domain = ?1 AND local = ?2") \
    X(push_quota, "SELECT month_quota, CASE month WHEN ?2 THEN month_used ELSE 0 END, day_quota," \
                  " CASE day WHEN ?3 THEN day_used ELSE 0 END, prepaid, prepaid_used" \
                  " FROM push WHERE id = ?1") \
    X(push_limit, "UPDATE push SET month_quota = coalesce(?2, month_quota)," \
                  " day_quota = coalesce(?3, day_quota), prepaid = coalesce(?4, prepaid)," \
                  " prepaid_used = CASE WHEN ?4 IS NULL THEN prepaid_used ELSE 0 END" \
                  " WHERE domain = ?1 AND local = ?5") \
    X(push_spend, "UPDATE push SET month_used = ?4 + CASE month WHEN ?2 THEN month_used ELSE 0 END," \
                  " month = ?2, day_used = ?4 + CASE day WHEN ?3 THEN day_used ELSE 0 END," \
                  " day = ?3, prepaid_used = prepaid_used + ?4 WHERE id = ?1") \
    X(push_back, "UPDATE push SET month_used = max(0, month_used - CASE month WHEN ?2 THEN ?4" \
                 " ELSE 0 END), day_used = max(0, day_used - CASE day WHEN ?3 THEN ?4 ELSE 0 END)," \
                 " prepaid_used = max(0, prepaid_used - ?4) WHERE id = ?1") \
    X(push_del, "DELETE FROM push WHERE id = ?1") \
    X(spent_sum, "SELECT coalesce(sum(n), 0) FROM spent WHERE who = ?1 AND until_s > ?2") \
    X(spent_rows, "SELECT until_s, n FROM spent WHERE who = ?1 AND until_s > ?2 AND n > 0" \
                  " ORDER BY until_s") \
    /* of all from who ?1 to before ?2: those who sent most */ \
    X(spent_most, "SELECT who, sum(n) FROM spent WHERE who >= ?1 AND who < ?2 AND until_s > ?3" \
                  " GROUP BY who HAVING sum(n) > 0 ORDER BY 2 DESC, 1 LIMIT ?4") \
    X(spent_add, "INSERT INTO spent (who, until_s, n) VALUES (?1, ?2, ?3)" \
                 " ON CONFLICT (who, until_s) DO UPDATE SET n = n + excluded.n") \
    X(spent_back, "UPDATE spent SET n = max(0, n - ?3) WHERE who = ?1 AND until_s = ?2") \
    X(spent_trim, "DELETE FROM spent WHERE (who, until_s) IN" \
                  " (SELECT who, until_s FROM spent WHERE until_s <= ?1 LIMIT ?2)") \
    X(charge_get, "SELECT 1 FROM charge WHERE session = ?1 AND n = ?2") \
    X(charge_put, "INSERT INTO charge (session, n, who, until_s, units, made_s)" \
                  " VALUES (?1, ?2, ?3, ?4, ?5, ?6)") \
    X(charge_all, "SELECT who, until_s, units, made_s FROM charge" \
                  " WHERE session = ?1 AND n = ?2") \
    X(charge_del, "DELETE FROM charge WHERE session = ?1 AND n = ?2") \
    X(charge_trim, "DELETE FROM charge WHERE (session, n, who) IN" \
                   " (SELECT session, n, who FROM charge WHERE made_s <= ?1 LIMIT ?2)") \
    X(rule_all, "SELECT name, conditions, act, position, created_ms FROM rule" \
                " WHERE domain_id = ?1 AND direction = ?2 ORDER BY position") \
    X(rule_get, "SELECT position FROM rule" \
                " WHERE domain_id = ?1 AND direction = ?2 AND name = ?3") \
    X(rule_sum, "SELECT count(*), coalesce(sum(6 + length(CAST(name AS BLOB)) +" \
                " length(CAST(conditions AS BLOB)) + length(CAST(act AS BLOB))), 0)" \
                " FROM rule WHERE domain_id = ?1 AND direction = ?2") \
    X(rule_put, "INSERT INTO rule (domain_id, direction, name, position, conditions, act," \
                " created_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)") \
    X(rule_del, "DELETE FROM rule WHERE domain_id = ?1 AND direction = ?2 AND name = ?3") \
    /* all of the domain and direction from position ?4 to ?5 but that rule */ \
    X(rule_shift, "UPDATE rule SET position = position + ?6 WHERE domain_id = ?1" \
                  " AND direction = ?2 AND name <> ?3 AND position BETWEEN ?4 AND ?5") \
    X(rule_place, "UPDATE rule SET position = ?4" \
                  " WHERE domain_id = ?1 AND direction = ?2 AND name = ?3")
/* clang-format on */

#define X(name, sql) DB_##name,
enum db_statement { DB_STATEMENTS(X) DB_STATEMENT_COUNT };
#undef X

#define DB_CATCH_ALL "catch-all" /* the setting of a domain: "local@domain" */

struct dir_store {
    struct dir_store_config config;
    struct sql sql;
    struct map usage;   /* "local@domain" -> struct usage, a few seconds old at most */
    struct arena arena; /* of the lookup that runs */
    struct buf targets, settings; /* of the last answer */
    enum dir_store_state state;
    char fault[DIR_ERROR_MAX];
    int64_t data_version;
    dev_t dev;
    ino_t ino;
};

enum db_res { DB_ROW = 0, DB_DONE, DB_CONFLICT, DB_FAULT };

/* The statement, reset and without bindings; NULL (and a fault noted) when it cannot be
 * prepared. The functions below take NULL and do nothing, so that only db_step() is
 * checked. */
sqlite3_stmt *db_get(struct dir_store *s, enum db_statement which);
void db_cstr(sqlite3_stmt *stmt, int at, const char *value); /* NULL: SQL's NULL */
void db_int(sqlite3_stmt *stmt, int at, int64_t value);
void db_ip(sqlite3_stmt *stmt, int at, const struct ip *ip);
/* DB_DONE and worse end the statement. DB_CONFLICT: it is there already. */
MUST_USE enum db_res db_step(struct dir_store *s, sqlite3_stmt *stmt);
/* For statements left before DB_DONE. */
void db_end(sqlite3_stmt *stmt);
/* Columns; valid until the statement is stepped or ended. */
bool db_col_cstr(sqlite3_stmt *stmt, int at, char *out, size_t cap);
int64_t db_col_int(sqlite3_stmt *stmt, int at);
uint64_t db_col_limit(sqlite3_stmt *stmt, int at,
                      uint64_t null); /* what NULL stands for */

/* At a new call: forget the last one's fault. */
void db_fresh(struct dir_store *s);

enum { DIR_ACTIVE = 0, DIR_USER_DISABLED, DIR_LOCKED };
struct db_user {
    int64_t id, quota, last_use_ms, created_ms;
    int state;
    bool password;
    char name[256];
};
extern const char *const db_states[3];
MUST_USE int db_state(struct slice name); /* -1: none */

MUST_USE enum db_res db_domain(struct dir_store *s, struct slice name, int64_t *id);
MUST_USE enum db_res db_user(struct dir_store *s, int64_t domain_id, struct slice local,
                             struct db_user *out);
/* Appends the names of the user's groups that are not among them, with blanks between. DB_DONE, or
 * DB_FAULT; those that do not fit are left out. */
MUST_USE enum db_res db_groups(struct dir_store *s, int64_t user_id, struct buf *out);
/* A descriptor; -1: there is none, or mail is not kept in Maildirs. */
MUST_USE int db_open_maildir(const struct dir_store *s, const struct dir_name *user);
/* DB_ROW: it is one. */
MUST_USE enum db_res db_trap(struct dir_store *s, int64_t domain_id, struct slice local);
MUST_USE enum db_res db_alias(struct dir_store *s, int64_t domain_id, struct slice local,
                              int64_t *id);

/* A relay customer. */
struct db_relay {
    int64_t id, created_ms;
    uint64_t day, user_day, peak; /* limits, in recipients; 0: none */
    uint32_t peak_span_s;
    bool suspended, by_domain;
    char name[DIR_CUSTOMER_MAX + 1];
};
MUST_USE enum db_res db_relay(struct dir_store *s, struct slice name,
                              struct db_relay *out);
MUST_USE enum db_res db_relay_by_id(struct dir_store *s, int64_t id,
                                    struct db_relay *out);
/* A row of relay_get, relay_by_id and relay_page. */
void db_relay_row(sqlite3_stmt *stmt, struct db_relay *out);

/* The limits of a user that hold: its own, or those of the configuration. DB_DONE: there is no
 * such user. */
MUST_USE enum db_res db_user_limits(struct dir_store *s, const struct dir_name *name,
                                    struct dir_user_limits *out);

struct db_push {
    int64_t id, recipients, data, created_ms;
    bool restricted, password;
};
MUST_USE enum db_res db_push(struct dir_store *s, const struct dir_name *address,
                             struct db_push *out);
/* Its quotas in the month and the day of now_ms. */
MUST_USE bool db_push_quota(struct dir_store *s, int64_t id, uint64_t now_ms,
                            struct dir_quota quota[DIR_QUOTA_COUNT]);
void db_push_row(sqlite3_stmt *stmt, struct db_push *out);

struct usage {
    uint64_t used;    /* octets, as its maildirsize says */
    uint64_t cur_ms;  /* last change of Maildir/cur, wall ms; 0: none */
    uint64_t quota;   /* that it was asked with */
    uint64_t read_ms; /* when we looked */
};
/* quota: of the user, 0 for none; its maildirsize is made to say the same. */
struct usage db_usage(struct dir_store *s, const struct dir_name *user, uint64_t quota,
                      uint64_t now_ms);
/* It had that quota and has none now. A maildirsize that says anything else is somebody
 * else's, and stays. */
void db_quota_gone(struct dir_store *s, const struct dir_name *user, uint64_t quota);

/* Does mail for the address go to that user (by its name, a sub-address or aliases; not by a
 * catch-all)? DB_ROW: yes, DB_DONE: no. */
MUST_USE enum db_res db_leads_to(struct dir_store *s, const struct dir_name *address,
                                 const struct dir_name *user);

/* What is wrong with an alias as the database has it now, or NULL: a loop, too deep, too
 * many targets, none of them there. */
MUST_USE const char *db_alias_wrong(struct dir_store *s, const struct dir_name *alias);
#endif
