/* directory/admin_login.c - of postern user set and show: application passwords, networks,
 * granted senders, groups. */
#include "base/base64.h"
#include "base/netset.h"
#include "directory/account.h"
#include "directory/admin_parts.h"
#include "rule/rule.h"

#include <stdio.h>
#include <string.h>

bool admin_yes_no(struct dir_admin *a, const char *member, int *out)
{
    const char *text = admin_text(a, member);
    *out = text == NULL ? -1 : strcmp(text, "yes") == 0;
    if (text != NULL && *out == 0 && strcmp(text, "no") != 0) {
        admin_fail(a, ADMIN_USAGE, "--%s takes yes or no", member);
        return false;
    }
    return true;
}

/* --- application passwords --- */

static bool app_name_ok(struct dir_admin *a, const char *name)
{
    struct slice s = slice_of(name);
    bool ok = s.len > 0 && s.len <= DIR_APP_NAME_MAX;
    for (size_t i = 0; i < s.len; i++) {
        ok = ok && s.ptr[i] >= ' ' && s.ptr[i] != 0x7f;
    }
    if (!ok) {
        admin_fail(a, ADMIN_USAGE,
                   "an application password's name is one line of 1 to %d octets",
                   DIR_APP_NAME_MAX);
    }
    return ok;
}

static unsigned app_count(struct dir_admin *a, int64_t id, const char *name, bool *there)
{
    unsigned n = 0;
    sqlite3_stmt *stmt = db_get(a->store, DB_app_all);
    db_int(stmt, 1, id);
    *there = false;
    enum db_res res;
    while ((res = db_step(a->store, stmt)) == DB_ROW) {
        n++;
        *there = *there || slice_eq(sql_column(stmt, 0), slice_of(name));
    }
    if (res == DB_FAULT) {
        admin_fault(a);
    }
    return n;
}

static bool app_add(struct dir_admin *a, int64_t id, const char *name)
{
    const char *hash = admin_text(a, "password-hash");
    const char *scram = admin_text(a, "scram-keys");
    bool there = false;
    if (!app_name_ok(a, name)) {
        return false;
    }
    if (hash == NULL) {
        admin_fail(a, ADMIN_USAGE, "--app-password needs --generate");
        return false;
    }
    unsigned n = app_count(a, id, name, &there);
    if (there) {
        admin_fail(a, ADMIN_NO, "there is an application password '%s' already", name);
    } else if (n >= DIR_APP_PASSWORDS_MAX) {
        admin_fail(a, ADMIN_NO,
                   "it has %d application passwords, and may not have more; revoke one",
                   DIR_APP_PASSWORDS_MAX);
    }
    if (a->status != 0) {
        return false;
    }
    sqlite3_stmt *stmt = db_get(a->store, DB_app_put);
    db_int(stmt, 1, id);
    db_cstr(stmt, 2, name);
    db_cstr(stmt, 3, hash);
    db_cstr(stmt, 4, scram == NULL ? "" : scram);
    db_int(stmt, 5, (int64_t)a->now_ms);
    return admin_step(a, stmt);
}

/* A DELETE that says whether there was something to delete. */
static bool take_out(struct dir_admin *a, enum db_statement which, int64_t id,
                     const char *value, const char *what)
{
    sqlite3_stmt *stmt = db_get(a->store, which);
    db_int(stmt, 1, id);
    db_cstr(stmt, 2, value);
    enum db_res res = db_step(a->store, stmt);
    if (res == DB_DONE) {
        admin_fail(a, ADMIN_NO, "there is no %s '%.100s'", what, value);
    } else if (res != DB_ROW || db_step(a->store, stmt) != DB_DONE) {
        admin_fault(a);
    }
    return a->status == 0;
}

/* --- networks and senders --- */

static bool allow_network(struct dir_admin *a, int64_t id, const char *text)
{
    char network[DIR_NETWORK_TEXT_MAX];
    char address[IP_TEXT_MAX];
    struct net net = {0};
    enum net_error error = net_parse(slice_of(text), &net);
    struct slice place = SLICE("");
    if (error == NET_OK || error == NET_HOST_BITS) {
        place = dir_network(ip_text(&net.ip, address), network);
    }
    bool wider = place.len > 0 && net.bits < (ip_is_v4(&net.ip) ? 96 + 24 : 48);
    if (place.len == 0 || wider) {
        admin_fail(
            a, ADMIN_USAGE,
            "'%.60s' is no address, nor a network of one place: /24 of IPv4, /48 of IPv6",
            text);
        return false;
    }
    sqlite3_stmt *stmt = db_get(a->store, DB_user_network_put);
    db_int(stmt, 1, id);
    sql_bind(stmt, 2, place);
    db_int(stmt, 3, (int64_t)a->now_ms);
    return admin_step(a, stmt);
}

/* An address, or "@domain", as the directory writes it. */
static bool sender_of(struct dir_admin *a, const char *text, char out[DIR_NAME_TEXT_MAX])
{
    struct dir_name name = {0};
    const char *wrong = text[0] == '@' ? dir_name_domain(text + 1, &name)
                                       : dir_name_address(text, NULL, &name);
    if (wrong != NULL) {
        admin_fail(a, ADMIN_USAGE, "'%.100s' %s", text, wrong);
        return false;
    }
    (void)snprintf(out, DIR_NAME_TEXT_MAX, "%s@%s", name.local, name.domain);
    return true;
}

static bool grant(struct dir_admin *a, int64_t id, const char *text)
{
    char sender[DIR_NAME_TEXT_MAX];
    if (!sender_of(a, text, sender)) {
        return false;
    }
    sqlite3_stmt *stmt = db_get(a->store, DB_grant_put);
    db_int(stmt, 1, id);
    db_cstr(stmt, 2, sender);
    return admin_step(a, stmt);
}

static bool ungrant(struct dir_admin *a, int64_t id, const char *text)
{
    char sender[DIR_NAME_TEXT_MAX];
    return sender_of(a, text, sender) &&
           take_out(a, DB_grant_del, id, sender, "grant of");
}

static json_t *all_of(struct dir_admin *a, enum db_statement which, int64_t id, bool apps)
{
    json_t *list = json_array();
    sqlite3_stmt *stmt = db_get(a->store, which);
    db_int(stmt, 1, id);
    enum db_res res;
    while ((res = db_step(a->store, stmt)) == DB_ROW) {
        json_t *item = admin_string(sql_column(stmt, 0));
        if (apps) {
            item = json_pack("{s:o,s:o,s:o}", "name", item, "created",
                             admin_time(db_col_int(stmt, 3)), "last_use",
                             admin_time(db_col_int(stmt, 4)));
        }
        (void)json_array_append_new(list, item);
    }
    if (res == DB_FAULT) {
        admin_fault(a);
    }
    return list;
}

/* Names of groups are in lower case. */
static bool group_of(struct dir_admin *a, const char *text, char out[RULE_NAME_MAX + 1])
{
    size_t n = strlen(text);
    if (!rule_name_ok(slice_of(text))) {
        admin_fail(a, ADMIN_USAGE,
                   "'%.100s' is no name of a group: up to %d letters, digits, -, _ and .",
                   text, RULE_NAME_MAX);
        return false;
    }
    for (size_t i = 0; i <= n; i++) {
        out[i] = (char)ascii_lower((unsigned char)text[i]);
    }
    return true;
}

static bool join(struct dir_admin *a, int64_t id, const char *text)
{
    char name[RULE_NAME_MAX + 1];
    if (!group_of(a, text, name)) {
        return false;
    }
    json_t *groups = all_of(a, DB_group_all, id, false);
    size_t n = json_array_size(groups);
    json_decref(groups);
    if (n >= DIR_USER_GROUPS_MAX) {
        admin_fail(a, ADMIN_NO, "a user is in %d groups at the most",
                   DIR_USER_GROUPS_MAX);
        return false;
    }
    sqlite3_stmt *stmt = db_get(a->store, DB_group_put);
    db_int(stmt, 1, id);
    db_cstr(stmt, 2, name);
    return admin_step(a, stmt);
}

static bool leave(struct dir_admin *a, int64_t id, const char *text)
{
    char name[RULE_NAME_MAX + 1];
    return group_of(a, text, name) && take_out(a, DB_group_del, id, name, "group");
}

static bool revoke(struct dir_admin *a, int64_t id, const char *name)
{
    return take_out(a, DB_app_del, id, name, "application password");
}

bool admin_login_set(struct dir_admin *a, int64_t user_id)
{
    static const struct {
        const char *member;
        bool (*run)(struct dir_admin *a, int64_t id, const char *text);
    } rows[] = {{"app-password", app_add},
                {"app-password-revoke", revoke},
                {"allow-network", allow_network},
                {"grant", grant},
                {"ungrant", ungrant},
                {"group", join},
                {"ungroup", leave}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *text = admin_text(a, rows[i].member);
        if (text != NULL && !rows[i].run(a, user_id, text)) {
            return false;
        }
    }
    return true;
}

/* --- show --- */

/* The salt of the user's keys: of the main password, else of an application's. */
static void add_salt(const struct dir_account *account, json_t *line)
{
    for (unsigned i = 0; i < account->n; i++) {
        const struct dir_credential *c = &account->credential[i];
        struct buf b;
        if (!c->has_keys) {
            continue;
        }
        buf_init(&b, BASE64_LEN(SASL_SALT_MAX));
        (void)base64_encode(&b, (struct slice){c->keys.salt, c->keys.salt_len});
        (void)json_object_set_new(line, "salt", admin_string(buf_slice(&b)));
        buf_clear(&b);
        return;
    }
}

void admin_login_show(struct dir_admin *a, int64_t user_id, json_t *line)
{
    struct dir_account account;
    const char *address = json_string_value(json_object_get(line, "address"));
    if (dir_store_account(a->store, slice_of(address), SLICE(""), &account) !=
        DIR_ACCOUNT_FOUND) {
        admin_fault(a);
        return;
    }
    bool scram = account.n > 0 && account.credential[0].has_keys;
    (void)json_object_set_new(line, "scram", json_boolean(scram));
    (void)json_object_set_new(line, "second_factor", json_boolean(account.second_factor));
    (void)json_object_set_new(line, "known_networks",
                              json_boolean(account.known_networks));
    (void)json_object_set_new(line, "networks",
                              all_of(a, DB_user_network_all, user_id, false));
    (void)json_object_set_new(line, "grants", all_of(a, DB_grant_all, user_id, false));
    (void)json_object_set_new(line, "groups", all_of(a, DB_group_all, user_id, false));
    (void)json_object_set_new(line, "app_passwords",
                              all_of(a, DB_app_all, user_id, true));
    if (admin_flag(a, "salt")) {
        add_salt(&account, line);
    }
    dir_account_clear(&account);
}
