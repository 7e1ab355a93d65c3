/* directory/admin_relay.c - postern relay ...: customers whose machines relay through us. */
#include "directory/admin_parts.h"

#include <stdio.h>
#include <string.h>

/* A name that stands in commands, replies and logs as it is. */
static bool name_ok(const char *name)
{
    size_t len = 0;
    for (; name[len] != '\0'; len++) {
        unsigned char c = (unsigned char)name[len];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && strchr("._-", c) == NULL) {
            return false;
        }
    }
    return len > 0 && len <= DIR_CUSTOMER_MAX;
}

static const char *subject(struct dir_admin *a)
{
    const char *name = admin_text(a, "subject");
    if (name == NULL || !name_ok(name)) {
        admin_fail(a, ADMIN_USAGE,
                   "'%.100s' is no name for a relay customer: 1 to %d letters, digits, "
                   "'.', '_' or '-'",
                   name == NULL ? "" : name, DIR_CUSTOMER_MAX);
        return NULL;
    }
    return name;
}

/* The customer that the request names. */
static bool known(struct dir_admin *a, struct db_relay *out)
{
    const char *name = subject(a);
    enum db_res res = name == NULL ? DB_DONE : db_relay(a->store, slice_of(name), out);
    if (res == DB_FAULT) {
        admin_fault(a);
    } else if (res != DB_ROW) {
        admin_fail(a, ADMIN_NO,
                   "there is no relay customer %s; say: postern relay add %s --network "
                   "192.0.2.0/24 --domain example.test",
                   name, name);
    }
    return a->status == 0;
}

/* ---- networks and domains ---- */

static bool next_item(struct slice *list, char out[DIR_DOMAIN_MAX + 1])
{
    struct slice item = {0};
    while (list->len > 0 && item.len == 0) {
        size_t comma = slice_find(*list, ',');
        item = slice_trim(slice_sub(*list, 0, comma));
        *list = slice_from(*list, comma + 1);
    }
    out[0] = '\0';
    /* What does not fit reads as a name that is none. */
    return item.len > 0 && (slice_cstr(item, out, DIR_DOMAIN_MAX + 1) ||
                            slice_cstr(SLICE("?"), out, DIR_DOMAIN_MAX + 1));
}

/* Puts a row that may be somebody's already; who: the statement that says whose. */
static bool put(struct dir_admin *a, sqlite3_stmt *stmt, sqlite3_stmt *who, int64_t id,
                const char *text)
{
    struct db_relay other;
    enum db_res res = db_step(a->store, stmt);
    db_end(stmt);
    if (res == DB_FAULT) {
        admin_fault(a);
    } else if (res == DB_CONFLICT) {
        res = db_step(a->store, who);
        int64_t other_id = res == DB_ROW ? db_col_int(who, 0) : 0;
        if (res != DB_ROW) {
            admin_fault(a);
        } else if (other_id != id) {
            res = db_relay_by_id(a->store, other_id, &other);
            admin_fail(a, ADMIN_NO, "%s is of the relay customer %s already", text,
                       res == DB_ROW ? other.name : "?");
        }
    }
    db_end(who);
    return a->status == 0;
}

static bool put_network(struct dir_admin *a, int64_t id, const char *text)
{
    char shown[NET_TEXT_MAX];
    struct net net;
    if (net_parse(slice_of(text), &net) != NET_OK) {
        admin_fail(a, ADMIN_USAGE,
                   "'%.60s' is no network; say for example: 192.0.2.0/24, 2001:db8::/32, "
                   "192.0.2.1",
                   text);
        return false;
    }
    sqlite3_stmt *stmt = db_get(a->store, DB_network_put);
    sqlite3_stmt *who = db_get(a->store, DB_network_who);
    db_ip(stmt, 1, &net.ip);
    db_int(stmt, 2, net.bits);
    db_int(stmt, 3, id);
    db_ip(who, 1, &net.ip);
    db_int(who, 2, net.bits);
    (void)net_text(&net, shown);
    return put(a, stmt, who, id, shown);
}

static bool put_domain(struct dir_admin *a, int64_t id, const char *text)
{
    struct dir_name name;
    const char *wrong = dir_name_domain(text, &name);
    if (wrong != NULL) {
        admin_fail(a, ADMIN_USAGE, "'%.100s' %s", text, wrong);
        return false;
    }
    sqlite3_stmt *stmt = db_get(a->store, DB_relay_domain_put);
    sqlite3_stmt *who = db_get(a->store, DB_relay_domain_who);
    db_cstr(stmt, 1, name.domain);
    db_int(stmt, 2, id);
    db_cstr(who, 1, name.domain);
    return put(a, stmt, who, id, name.domain);
}

/* What is given replaces what was. */
static bool replace(struct dir_admin *a, int64_t id, const char *member,
                    enum db_statement del,
                    bool (*put_one)(struct dir_admin *a, int64_t id, const char *text))
{
    char item[DIR_DOMAIN_MAX + 1];
    const char *text = admin_text(a, member);
    if (text == NULL) {
        return true;
    }
    sqlite3_stmt *stmt = db_get(a->store, del);
    db_int(stmt, 1, id);
    bool ok = admin_step(a, stmt);
    for (struct slice list = slice_of(text); ok && next_item(&list, item);) {
        ok = put_one(a, id, item);
    }
    return ok;
}

/* ---- commands ---- */

/* -1: not given. */
static bool read_by_domain(struct dir_admin *a, int *out)
{
    const char *text = admin_text(a, "by-domain");
    *out = text == NULL ? -1 : strcmp(text, "yes") == 0;
    if (text != NULL && *out == 0 && strcmp(text, "no") != 0) {
        admin_fail(a, ADMIN_USAGE, "'%.60s' is neither yes nor no", text);
    }
    return a->status == 0;
}

static bool replace_all(struct dir_admin *a, int64_t id)
{
    return replace(a, id, "network", DB_network_del, put_network) &&
           replace(a, id, "domain", DB_relay_domain_del, put_domain);
}

void admin_relay_add(struct dir_admin *a)
{
    struct db_relay relay = {0};
    int by_domain = -1;
    const char *name = subject(a);
    if (name == NULL || !read_by_domain(a, &by_domain)) {
        return;
    }
    sqlite3_stmt *stmt = db_get(a->store, DB_relay_put);
    db_cstr(stmt, 1, name);
    if (by_domain >= 0) {
        db_int(stmt, 2, by_domain);
    }
    db_int(stmt, 3, (int64_t)a->now_ms);
    enum db_res res = db_step(a->store, stmt);
    db_end(stmt);
    if (res == DB_CONFLICT) {
        admin_fail(a, ADMIN_NO,
                   "relay customer %s is there already; say: postern relay set %s ...",
                   name, name);
    } else if (res == DB_FAULT) {
        admin_fault(a);
    } else if (known(a, &relay) && replace_all(a, relay.id)) {
        admin_did(a, "relay", name, "added");
    }
}

static bool update(struct dir_admin *a, int64_t id, const char *state, int by_domain)
{
    sqlite3_stmt *stmt = db_get(a->store, DB_relay_set);
    db_int(stmt, 1, id);
    db_cstr(stmt, 2, state);
    if (by_domain >= 0) {
        db_int(stmt, 3, by_domain);
    }
    return admin_step(a, stmt);
}

void admin_relay_set(struct dir_admin *a)
{
    struct db_relay relay = {0};
    int by_domain = -1;
    if (known(a, &relay) && read_by_domain(a, &by_domain) &&
        update(a, relay.id, NULL, by_domain) && replace_all(a, relay.id)) {
        admin_did(a, "relay", relay.name, "changed");
    }
}

void admin_relay_suspend(struct dir_admin *a)
{
    struct db_relay relay = {0};
    if (known(a, &relay) && update(a, relay.id, "suspended", -1)) {
        admin_did(a, "relay", relay.name, "suspended");
    }
}

void admin_relay_resume(struct dir_admin *a)
{
    struct db_relay relay = {0};
    if (known(a, &relay) && update(a, relay.id, "active", -1)) {
        admin_did(a, "relay", relay.name, "resumed");
    }
}

void admin_relay_remove(struct dir_admin *a)
{
    struct db_relay relay = {0};
    if (!known(a, &relay)) {
        return;
    }
    sqlite3_stmt *stmt = db_get(a->store, DB_relay_del);
    db_int(stmt, 1, relay.id);
    if (admin_step(a, stmt)) {
        admin_did(a, "relay", relay.name, "removed");
    }
}

static json_t *networks(struct dir_admin *a, int64_t id)
{
    char text[NET_TEXT_MAX];
    json_t *list = json_array();
    sqlite3_stmt *stmt = db_get(a->store, DB_network_all);
    db_int(stmt, 1, id);
    enum db_res res;
    while ((res = db_step(a->store, stmt)) == DB_ROW) {
        struct net net = {.bits = (uint8_t)db_col_int(stmt, 1)};
        struct slice octets = db_col(stmt, 0);
        if (octets.len == sizeof net.ip.octet && net.bits <= 128) {
            memcpy(net.ip.octet, octets.ptr, sizeof net.ip.octet);
            (void)json_array_append_new(list, admin_string(net_text(&net, text)));
        }
    }
    if (res == DB_FAULT) {
        admin_fault(a);
    }
    return list;
}

static json_t *domains(struct dir_admin *a, int64_t id)
{
    json_t *list = json_array();
    sqlite3_stmt *stmt = db_get(a->store, DB_relay_domain_all);
    db_int(stmt, 1, id);
    enum db_res res;
    while ((res = db_step(a->store, stmt)) == DB_ROW) {
        (void)json_array_append_new(list, admin_string(db_col(stmt, 0)));
    }
    if (res == DB_FAULT) {
        admin_fault(a);
    }
    return list;
}

static void add_entry(struct dir_admin *a, const struct db_relay *relay)
{
    admin_line(a, json_pack("{s:s,s:s,s:o,s:o,s:b,s:o}", "relay", relay->name, "state",
                            relay->suspended ? "suspended" : "active", "networks",
                            networks(a, relay->id), "domains", domains(a, relay->id),
                            "by_domain", relay->by_domain, "created",
                            admin_time(relay->created_ms)));
}

static void row(struct dir_admin *a, sqlite3_stmt *stmt)
{
    struct db_relay relay = {0};
    db_relay_row(stmt, &relay);
    (void)snprintf(a->cursor.local, sizeof a->cursor.local, "%s", relay.name);
    add_entry(a, &relay);
}

static bool page(struct dir_admin *a)
{
    sqlite3_stmt *stmt = db_get(a->store, DB_relay_page);
    db_cstr(stmt, 1, a->cursor.local);
    db_int(stmt, 2, ADMIN_PAGE);
    return admin_rows(a, stmt, row);
}

void admin_relay_list(struct dir_admin *a)
{
    a->page = page;
}

void admin_relay_show(struct dir_admin *a)
{
    struct db_relay relay = {0};
    if (known(a, &relay)) {
        add_entry(a, &relay);
    }
}
