/* directory/account.c - see account.h */
#include "directory/account.h"

#include "base/base64.h"
#include "base/log.h"
#include "base/netset.h"
#include "directory/db.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum { NETWORK_REFRESH_MS = 24 * 60 * 60 * 1000, USE_REFRESH_MS = 60 * 1000 };

void dir_account_clear(struct dir_account *a)
{
    explicit_bzero(a, sizeof *a);
}

/* --- texts --- */

struct slice dir_network(struct slice ip_text_, char out[DIR_NETWORK_TEXT_MAX])
{
    struct net net = {0};
    _Static_assert((int)DIR_NETWORK_TEXT_MAX >= (int)NET_TEXT_MAX, "a network must fit");
    if (!ip_parse(ip_text_, &net.ip)) {
        out[0] = '\0';
        return SLICE("");
    }
    net.bits = ip_is_v4(&net.ip) ? 96 + 24 : 48;
    memset(net.ip.octet + net.bits / 8, 0, sizeof net.ip.octet - net.bits / 8);
    return net_text(&net, out);
}

bool dir_scram_write(const struct sasl_keys *k, char out[DIR_SCRAM_TEXT_MAX])
{
    struct buf b;
    buf_init(&b, DIR_SCRAM_TEXT_MAX - 1);
    (void)buf_add_fmt(&b, "%" PRIu32 ":", k->iterations);
    (void)base64_encode(&b, (struct slice){k->salt, k->salt_len});
    (void)buf_add_byte(&b, ':');
    (void)base64_encode(&b, (struct slice){k->stored, sizeof k->stored});
    (void)buf_add_byte(&b, ':');
    (void)base64_encode(&b, (struct slice){k->server, sizeof k->server});
    bool ok = !b.failed && slice_cstr(buf_slice(&b), out, DIR_SCRAM_TEXT_MAX);
    buf_clear(&b);
    return ok;
}

static struct slice part(struct slice *text)
{
    size_t at = slice_find(*text, ':');
    struct slice s = slice_sub(*text, 0, at);
    *text = slice_from(*text, at + 1);
    return s;
}

bool dir_scram_read(struct slice text, struct sasl_keys *out)
{
    struct sasl_keys k = {0};
    uint64_t iterations = 0;
    size_t stored = 0;
    size_t server = 0;
    bool ok = slice_u64(part(&text), &iterations) && iterations >= SASL_ITERATIONS_MIN &&
              iterations <= SASL_ITERATIONS_MAX &&
              base64_decode(part(&text), k.salt, sizeof k.salt, &k.salt_len) &&
              k.salt_len > 0 &&
              base64_decode(part(&text), k.stored, sizeof k.stored, &stored) &&
              base64_decode(part(&text), k.server, sizeof k.server, &server) &&
              stored == SASL_KEY_LEN && server == SASL_KEY_LEN && text.len == 0;
    k.iterations = (uint32_t)iterations;
    if (ok) {
        *out = k;
    }
    return ok;
}

/* --- the account --- */

static enum dir_account_res res_of(enum db_res res)
{
    return res == DB_ROW    ? DIR_ACCOUNT_FOUND
           : res == DB_DONE ? DIR_ACCOUNT_NONE
                            : DIR_ACCOUNT_FAULT;
}

/* The domain of a server that has one. */
static enum db_res only_domain(struct dir_store *s, char out[DIR_DOMAIN_MAX + 1])
{
    sqlite3_stmt *stmt = db_get(s, DB_domain_only);
    enum db_res res = db_step(s, stmt);
    if (res == DB_ROW && !db_col_cstr(stmt, 0, out, DIR_DOMAIN_MAX + 1)) {
        res = DB_DONE;
    }
    db_end(stmt);
    return res;
}

/* What the client typed, as the directory writes it. DB_DONE: it can be nobody. */
static enum db_res name_of(struct dir_store *s, struct slice user, struct dir_name *name)
{
    char text[SASL_USER_MAX + 1];
    char domain[DIR_DOMAIN_MAX + 1] = "";
    if (!slice_cstr(user, text, sizeof text)) {
        return DB_DONE;
    }
    if (slice_find(user, '@') == user.len) {
        enum db_res res = only_domain(s, domain);
        if (res != DB_ROW) {
            return res;
        }
    }
    const char *wrong = dir_name_address(text, domain[0] == '\0' ? NULL : domain, name);
    return wrong == NULL ? DB_ROW : DB_DONE;
}

/* Columns at and behind: hash, scram. */
static void take_credential(struct dir_account *a, const char *name, sqlite3_stmt *stmt,
                            int at)
{
    struct dir_credential *c = &a->credential[a->n];
    *c = (struct dir_credential){0};
    if (!slice_cstr(slice_of(name), c->name, sizeof c->name) ||
        !db_col_cstr(stmt, at, c->hash, sizeof c->hash)) {
        return;
    }
    c->has_keys = dir_scram_read(sql_column(stmt, at + 1), &c->keys);
    a->n++;
}

static enum db_res app_passwords(struct dir_store *s, struct dir_account *a)
{
    sqlite3_stmt *stmt = db_get(s, DB_app_all);
    db_int(stmt, 1, a->id);
    enum db_res res;
    while ((res = db_step(s, stmt)) == DB_ROW && a->n <= DIR_APP_PASSWORDS_MAX) {
        char name[DIR_APP_NAME_MAX + 1];
        if (db_col_cstr(stmt, 0, name, sizeof name)) {
            take_credential(a, name, stmt, 1);
        }
    }
    db_end(stmt);
    return res == DB_FAULT ? DB_FAULT : DB_ROW;
}

static enum db_res network_seen(struct dir_store *s, int64_t id, struct slice ip,
                                int64_t *last_ms)
{
    char network[DIR_NETWORK_TEXT_MAX];
    sqlite3_stmt *stmt = db_get(s, DB_user_network_get);
    db_int(stmt, 1, id);
    sql_bind(stmt, 2, dir_network(ip, network));
    enum db_res res = db_step(s, stmt);
    *last_ms = res == DB_ROW ? db_col_int(stmt, 0) : 0;
    db_end(stmt);
    return res;
}

enum dir_account_res dir_store_account(struct dir_store *s, struct slice user,
                                       struct slice ip, struct dir_account *out)
{
    struct dir_name name = {0};
    int64_t last_ms = 0;
    *out = (struct dir_account){0};
    db_fresh(s);
    enum db_res res = name_of(s, user, &name);
    if (res != DB_ROW) {
        return res_of(res);
    }
    sqlite3_stmt *stmt = db_get(s, DB_account_get);
    db_cstr(stmt, 1, name.domain);
    db_cstr(stmt, 2, name.local);
    res = db_step(s, stmt);
    if (res == DB_ROW) {
        int state = db_state(sql_column(stmt, 1));
        out->id = db_col_int(stmt, 0);
        out->disabled = state == DIR_USER_DISABLED || state < 0;
        out->locked = state == DIR_LOCKED;
        out->second_factor = db_col_int(stmt, 2) != 0;
        out->known_networks = db_col_int(stmt, 3) != 0;
        (void)dir_name_text(&name, out->login);
        if (sql_column(stmt, 4).len > 0) {
            take_credential(out, "", stmt, 4);
        }
    }
    db_end(stmt);
    if (res == DB_ROW) {
        res = app_passwords(s, out);
    }
    if (res != DB_ROW) {
        return res_of(res);
    }
    res = network_seen(s, out->id, ip, &last_ms);
    out->network_known = res == DB_ROW;
    return res == DB_FAULT ? DIR_ACCOUNT_FAULT : DIR_ACCOUNT_FOUND;
}

enum dir_account_res dir_store_push_account(struct dir_store *s, struct slice user,
                                            struct dir_account *out)
{
    char text[SASL_USER_MAX + 1];
    struct dir_name name = {0};
    *out = (struct dir_account){0};
    db_fresh(s);
    if (!slice_cstr(user, text, sizeof text) ||
        dir_name_address(text, NULL, &name) != NULL) {
        return DIR_ACCOUNT_NONE;
    }
    sqlite3_stmt *stmt = db_get(s, DB_push_login);
    db_cstr(stmt, 1, name.domain);
    db_cstr(stmt, 2, name.local);
    enum db_res res = db_step(s, stmt);
    if (res == DB_ROW) {
        struct dir_credential *c = &out->credential[0];
        out->id = db_col_int(stmt, 0);
        (void)dir_name_text(&name, out->login);
        if (db_col_cstr(stmt, 1, c->hash, sizeof c->hash) && c->hash[0] != '\0') {
            out->n = 1;
        }
    }
    db_end(stmt);
    return res_of(res);
}

void dir_store_logged_in(struct dir_store *s, const struct dir_account *a,
                         unsigned credential, struct slice ip, uint64_t now_ms)
{
    char network[DIR_NETWORK_TEXT_MAX];
    int64_t last_ms = 0;
    db_fresh(s);
    enum db_res res = network_seen(s, a->id, ip, &last_ms);
    if (res != DB_FAULT && dir_network(ip, network).len > 0 &&
        (int64_t)now_ms - last_ms > NETWORK_REFRESH_MS) {
        sqlite3_stmt *stmt = db_get(s, DB_user_network_put);
        db_int(stmt, 1, a->id);
        sql_bind(stmt, 2, dir_network(ip, network));
        db_int(stmt, 3, (int64_t)now_ms);
        IGNORE(db_step(s, stmt)); /* a fault is noted; who logged in is in all the same */
        stmt = db_get(s, DB_user_network_trim);
        db_int(stmt, 1, a->id);
        db_int(stmt, 2, DIR_NETWORKS_MAX);
        IGNORE(db_step(s, stmt));
    }
    if (credential > 0 && credential < a->n) {
        sqlite3_stmt *stmt = db_get(s, DB_app_used);
        db_int(stmt, 1, a->id);
        db_cstr(stmt, 2, a->credential[credential].name);
        db_int(stmt, 3, (int64_t)now_ms);
        db_int(stmt, 4, (int64_t)now_ms - USE_REFRESH_MS);
        IGNORE(db_step(s, stmt));
    }
}

/* --- senders --- */

/* An address that the administrator named for this user, or its whole domain. */
static enum db_res granted(struct dir_store *s, int64_t id, const struct dir_name *sender)
{
    char text[DIR_NAME_TEXT_MAX];
    sqlite3_stmt *stmt = db_get(s, DB_grant_get);
    db_int(stmt, 1, id);
    db_cstr(stmt, 2, dir_name_text(sender, text));
    db_cstr(stmt, 3, strchr(text, '@'));
    enum db_res res = db_step(s, stmt);
    db_end(stmt);
    return res;
}

/* DB_DONE: there is no such user. */
static enum db_res user_of(struct dir_store *s, struct slice login, struct dir_name *user,
                           struct db_user *row)
{
    size_t at = slice_rfind(login, '@');
    int64_t domain_id = 0;
    if (!slice_cstr(slice_sub(login, 0, at), user->local, sizeof user->local) ||
        !slice_cstr(slice_from(login, at + 1), user->domain, sizeof user->domain)) {
        return DB_DONE;
    }
    enum db_res res = db_domain(s, slice_of(user->domain), &domain_id);
    return res == DB_ROW ? db_user(s, domain_id, slice_of(user->local), row) : res;
}

bool dir_store_groups(struct dir_store *s, struct slice login, struct buf *out)
{
    struct dir_name user = {0};
    struct db_user row;
    db_fresh(s);
    enum db_res res = user_of(s, login, &user, &row);
    res = res == DB_ROW ? db_groups(s, row.id, out) : res;
    return res == DB_DONE && !out->failed;
}

enum dir_send dir_store_may_send(struct dir_store *s, struct slice login,
                                 struct slice local, struct slice domain)
{
    struct dir_name user = {0};
    struct dir_name sender = {0};
    struct db_user row;
    db_fresh(s);
    enum db_res res = user_of(s, login, &user, &row);
    if (res == DB_FAULT) {
        return DIR_SEND_FAULT;
    }
    if (res != DB_ROW || row.state == DIR_USER_DISABLED || row.state < 0) {
        return DIR_SEND_DISABLED;
    }
    if (local.len == 0 && domain.len == 0) {
        return DIR_SEND_YES; /* <>: a report of a mail program (RFC 8098 3) */
    }
    if (!slice_cstr(local, sender.local, sizeof sender.local) ||
        !slice_cstr(domain, sender.domain, sizeof sender.domain)) {
        return DIR_SEND_NOT_YOURS;
    }
    for (char *p = sender.local; *p != '\0'; p++) {
        *p = (char)ascii_lower((unsigned char)*p);
    }
    for (char *p = sender.domain; *p != '\0'; p++) {
        *p = (char)ascii_lower((unsigned char)*p);
    }
    res = db_leads_to(s, &sender, &user);
    if (res == DB_DONE) {
        res = granted(s, row.id, &sender);
    }
    return res == DB_FAULT ? DIR_SEND_FAULT
           : res == DB_ROW ? DIR_SEND_YES
                           : DIR_SEND_NOT_YOURS;
}

/* --- the secret --- */

bool dir_store_secret(struct dir_store *s, unsigned char out[DIR_SECRET_LEN])
{
    struct buf b;
    size_t len = 0;
    db_fresh(s);
    if (getrandom(out, DIR_SECRET_LEN, 0) != DIR_SECRET_LEN) {
        fatal("the kernel gives no random octets");
    }
    buf_init(&b, BASE64_LEN(DIR_SECRET_LEN));
    (void)base64_encode(&b, (struct slice){out, DIR_SECRET_LEN});
    sqlite3_stmt *stmt = db_get(s, DB_secret_put); /* unless it is there */
    db_cstr(stmt, 1, "login");
    sql_bind(stmt, 2, buf_slice(&b));
    bool ok = db_step(s, stmt) == DB_DONE;
    stmt = db_get(s, DB_secret_get);
    db_cstr(stmt, 1, "login");
    ok = ok && db_step(s, stmt) == DB_ROW &&
         base64_decode(sql_column(stmt, 0), out, DIR_SECRET_LEN, &len) &&
         len == DIR_SECRET_LEN;
    db_end(stmt);
    buf_clear(&b);
    return ok;
}
