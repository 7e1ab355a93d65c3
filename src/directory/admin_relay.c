/* directory/admin_relay.c - postern relay ...: customers whose machines relay through us. */
#include "config/units.h"
#include "directory/admin_parts.h"
#include "directory/spend.h"

#include <stdio.h>
#include <string.h>

enum { USERS_SHOWN = 20 };

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

/* What add and set may bring beside networks and domains. */
struct given {
    int by_domain; /* -1: absent */
    int64_t day, user_day, peak, peak_span_s;
    bool has_day, has_user_day, has_peak;
};

/* "5000/10 min" */
static bool read_peak(struct dir_admin *a, struct given *g)
{
    const char *text = admin_text(a, "peak-limit");
    struct slice all = slice_of(text == NULL ? "" : text);
    size_t slash = slice_find(all, '/');
    uint64_t n = 0, ms = 0;
    g->has_peak = text != NULL;
    if (text == NULL || strcmp(text, "none") == 0) {
        return true;
    }
    if (!slice_u64(slice_trim(slice_sub(all, 0, slash)), &n) || n == 0 ||
        n > UINT32_MAX ||
        units_time(slice_trim(slice_from(all, slash + 1)), &ms) != NULL || ms < 1000 ||
        ms > SPEND_DAY_S * UINT64_C(1000)) {
        admin_fail(
            a, ADMIN_USAGE,
            "'%.60s' is no number of recipients in a span from a second to a day; say "
            "for example: --peak-limit \"5000/10 min\", --peak-limit none",
            text);
        return false;
    }
    g->peak = (int64_t)n;
    g->peak_span_s = (int64_t)(ms / 1000);
    return true;
}

static bool read_given(struct dir_admin *a, struct given *g)
{
    *g = (struct given){0};
    return read_by_domain(a, &g->by_domain) &&
           admin_count(a, "day-limit", "recipients", false, &g->day, &g->has_day) &&
           admin_count(a, "user-day-limit", "recipients", false, &g->user_day,
                       &g->has_user_day) &&
           read_peak(a, g);
}

static bool replace_all(struct dir_admin *a, int64_t id)
{
    return replace(a, id, "network", DB_network_del, put_network) &&
           replace(a, id, "domain", DB_relay_domain_del, put_domain);
}

static const struct given nothing = {.by_domain = -1};

static bool update(struct dir_admin *a, int64_t id, const char *state,
                   const struct given *g)
{
    sqlite3_stmt *stmt = db_get(a->store, DB_relay_set);
    db_int(stmt, 1, id);
    db_cstr(stmt, 2, state);
    if (g->by_domain >= 0) {
        db_int(stmt, 3, g->by_domain);
    }
    if (g->has_day) {
        db_int(stmt, 4, g->day);
    }
    if (g->has_user_day) {
        db_int(stmt, 5, g->user_day);
    }
    if (g->has_peak) {
        db_int(stmt, 6, g->peak);
        db_int(stmt, 7, g->peak_span_s);
    }
    return admin_step(a, stmt);
}

void admin_relay_add(struct dir_admin *a)
{
    struct db_relay relay = {0};
    struct given g;
    const char *name = subject(a);
    if (name == NULL || !read_given(a, &g)) {
        return;
    }
    sqlite3_stmt *stmt = db_get(a->store, DB_relay_put);
    db_cstr(stmt, 1, name);
    db_int(stmt, 2, (int64_t)a->now_ms);
    enum db_res res = db_step(a->store, stmt);
    db_end(stmt);
    if (res == DB_CONFLICT) {
        admin_fail(a, ADMIN_NO,
                   "relay customer %s is there already; say: postern relay set %s ...",
                   name, name);
    } else if (res == DB_FAULT) {
        admin_fault(a);
    } else if (known(a, &relay) && update(a, relay.id, NULL, &g) &&
               replace_all(a, relay.id)) {
        admin_did(a, "relay", name, "added");
    }
}

void admin_relay_set(struct dir_admin *a)
{
    struct db_relay relay = {0};
    struct given g;
    if (known(a, &relay) && read_given(a, &g) && update(a, relay.id, NULL, &g) &&
        replace_all(a, relay.id)) {
        admin_did(a, "relay", relay.name, "changed");
    }
}

void admin_relay_suspend(struct dir_admin *a)
{
    struct db_relay relay = {0};
    if (known(a, &relay) && update(a, relay.id, "suspended", &nothing)) {
        admin_did(a, "relay", relay.name, "suspended");
    }
}

void admin_relay_resume(struct dir_admin *a)
{
    struct db_relay relay = {0};
    if (known(a, &relay) && update(a, relay.id, "active", &nothing)) {
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
        struct slice octets = sql_column(stmt, 0);
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
        (void)json_array_append_new(list, admin_string(sql_column(stmt, 0)));
    }
    if (res == DB_FAULT) {
        admin_fault(a);
    }
    return list;
}

/* Who of its domains sent most. */
static json_t *users(struct dir_admin *a, const struct db_relay *relay)
{
    char from[DIR_CUSTOMER_MAX + 16], to[DIR_CUSTOMER_MAX + 16];
    json_t *all = json_object();
    enum db_res res;
    /* '!' is the sign behind the blank that ends the customer's name */
    int len = snprintf(from, sizeof from, "sender %s ", relay->name);
    (void)snprintf(to, sizeof to, "sender %s!", relay->name);
    sqlite3_stmt *stmt = db_get(a->store, DB_spent_most);
    db_cstr(stmt, 1, from);
    db_cstr(stmt, 2, to);
    db_int(stmt, 3, (int64_t)(a->now_ms / 1000));
    db_int(stmt, 4, USERS_SHOWN);
    while ((res = db_step(a->store, stmt)) == DB_ROW) {
        struct slice who = slice_from(sql_column(stmt, 0), (size_t)len);
        json_t *name = admin_string(who);
        (void)json_object_set_new(all, json_string_value(name),
                                  json_integer(db_col_int(stmt, 1)));
        json_decref(name);
    }
    if (res == DB_FAULT) {
        admin_fault(a);
    }
    return all;
}

static void add_limits(struct dir_admin *a, const struct db_relay *relay, json_t *line)
{
    char time[UNITS_TEXT_MAX];
    struct slice name = slice_of(relay->name);
    arena_reset(&a->store->arena);
    if (line == NULL ||
        !admin_limit_show(a, line, "day-limit", DIR_LIMIT_RELAY_DAY, name, relay->day,
                          SPEND_DAY_S) ||
        !admin_limit_show(a, line, "peak-limit", DIR_LIMIT_RELAY_PEAK, name, relay->peak,
                          relay->peak_span_s)) {
        admin_fault(a);
        return;
    }
    (void)units_time_text(relay->peak_span_s * UINT64_C(1000), time);
    (void)json_object_set_new(line, "peak-time", json_string(time));
    (void)json_object_set_new(line, "user-day-limit",
                              json_integer((json_int_t)relay->user_day));
    if (relay->user_day != 0) {
        (void)json_object_set_new(line, "user-day-used", users(a, relay));
    }
}

static json_t *entry(struct dir_admin *a, const struct db_relay *relay)
{
    return json_pack("{s:s,s:s,s:o,s:o,s:b,s:o}", "relay", relay->name, "state",
                     relay->suspended ? "suspended" : "active", "networks",
                     networks(a, relay->id), "domains", domains(a, relay->id),
                     "by_domain", relay->by_domain, "created",
                     admin_time(relay->created_ms));
}

static void row(struct dir_admin *a, sqlite3_stmt *stmt)
{
    struct db_relay relay = {0};
    db_relay_row(stmt, &relay);
    (void)snprintf(a->cursor.local, sizeof a->cursor.local, "%s", relay.name);
    admin_line(a, entry(a, &relay));
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
        json_t *line = entry(a, &relay);
        add_limits(a, &relay, line);
        admin_line(a, line);
    }
}
