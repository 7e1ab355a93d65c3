/* directory/sender.c - dir_store_mail(): on whose behalf a MAIL is; relay customers and push
 * accounts in the database. */
#include "base/clock.h"
#include "config/config.h"
#include "directory/account.h"
#include "directory/db.h"

void db_relay_row(sqlite3_stmt *stmt, struct db_relay *out)
{
    *out = (struct db_relay){.id = db_col_int(stmt, 0),
                             .suspended = db_col_int(stmt, 2) != 0,
                             .by_domain = db_col_int(stmt, 3) != 0,
                             .created_ms = db_col_int(stmt, 4)};
    (void)db_col_cstr(stmt, 1, out->name, sizeof out->name);
}

static enum db_res one_relay(struct dir_store *s, sqlite3_stmt *stmt,
                             struct db_relay *out)
{
    enum db_res res = db_step(s, stmt);
    if (res == DB_ROW) {
        db_relay_row(stmt, out);
    }
    db_end(stmt);
    return res;
}

enum db_res db_relay(struct dir_store *s, struct slice name, struct db_relay *out)
{
    sqlite3_stmt *stmt = db_get(s, DB_relay_get);
    db_text(stmt, 1, name);
    return one_relay(s, stmt, out);
}

enum db_res db_relay_by_id(struct dir_store *s, int64_t id, struct db_relay *out)
{
    sqlite3_stmt *stmt = db_get(s, DB_relay_by_id);
    db_int(stmt, 1, id);
    return one_relay(s, stmt, out);
}

void db_push_row(sqlite3_stmt *stmt, struct db_push *out)
{
    *out = (struct db_push){.id = db_col_int(stmt, 0),
                            .restricted = db_col_int(stmt, 1) != 0,
                            .recipients = db_col_int(stmt, 2),
                            .data = db_col_int(stmt, 3),
                            .created_ms = db_col_int(stmt, 4),
                            .password = db_col_int(stmt, 5) != 0};
}

enum db_res db_push(struct dir_store *s, const struct dir_name *address,
                    struct db_push *out)
{
    sqlite3_stmt *stmt = db_get(s, DB_push_get);
    db_cstr(stmt, 1, address->domain);
    db_cstr(stmt, 2, address->local);
    enum db_res res = db_step(s, stmt);
    if (res == DB_ROW) {
        db_push_row(stmt, out);
    }
    db_end(stmt);
    return res;
}

/* ---- relay ---- */

/* The id in the statement's only column; 0: none. False: fault. */
static bool one_id(struct dir_store *s, sqlite3_stmt *stmt, int64_t *id)
{
    enum db_res res = db_step(s, stmt);
    *id = res == DB_ROW ? db_col_int(stmt, 0) : 0;
    db_end(stmt);
    return res == DB_ROW || res == DB_DONE;
}

/* Whose network holds the address: each prefix length is one look into the primary key, so
 * the cost does not grow with the number of networks. */
static bool by_address(struct dir_store *s, const struct ip *ip, int64_t *id)
{
    struct ip net = *ip;
    int least = ip_is_v4(ip) ? 96 : 0;
    for (int bits = 128; bits >= least; bits--) {
        if (bits < 128) {
            net.octet[bits / 8] &= (unsigned char)(0xff00U >> (bits % 8));
        }
        sqlite3_stmt *stmt = db_get(s, DB_network_who);
        db_ip(stmt, 1, &net);
        db_int(stmt, 2, bits);
        if (!one_id(s, stmt, id) || *id != 0) {
            return *id != 0;
        }
    }
    return true;
}

/* Whose domain it is: itself, or the longest one that it stands below. */
static bool by_domain(struct dir_store *s, struct slice domain, int64_t *id)
{
    unsigned char lower[DIR_DOMAIN_MAX];
    *id = 0;
    if (domain.len > sizeof lower) {
        return true;
    }
    for (size_t i = 0; i < domain.len; i++) {
        lower[i] = ascii_lower(domain.ptr[i]);
    }
    struct slice rest = {lower, domain.len};
    while (rest.len > 0) {
        sqlite3_stmt *stmt = db_get(s, DB_relay_domain_who);
        db_text(stmt, 1, rest);
        if (!one_id(s, stmt, id)) {
            return false;
        }
        if (*id != 0) {
            return true;
        }
        rest = slice_from(rest, slice_find(rest, '.') + 1);
    }
    return true;
}

static bool name_customer(struct dir_store *s, int64_t id, struct dir_customer *out)
{
    struct db_relay relay;
    enum db_res res = id == 0 ? DB_DONE : db_relay_by_id(s, id, &relay);
    if (res == DB_ROW) {
        out->suspended = relay.suspended;
        out->by_domain = relay.by_domain;
        return arena_dup(&s->arena, slice_of(relay.name), &out->name);
    }
    return res == DB_DONE;
}

static bool customers(struct dir_store *s, const struct dir_mail_ask *ask,
                      struct dir_mail *out)
{
    int64_t id[DIR_BY_COUNT] = {0};
    size_t at = slice_rfind(ask->login, '@');
    bool ok = by_address(s, &ask->ip, &id[DIR_BY_ADDRESS]) &&
              by_domain(s, ask->helo, &id[DIR_BY_HELO]) &&
              by_domain(s, ask->domain, &id[DIR_BY_SENDER]) &&
              by_domain(s, slice_from(ask->login, at + 1), &id[DIR_BY_LOGIN]);
    for (unsigned i = 0; i < DIR_BY_COUNT && ok; i++) {
        ok = name_customer(s, id[i], &out->customer[i]);
    }
    return ok;
}

/* ---- push ---- */

enum { MONTH_LEN = 7, DAY_LEN = 10 }; /* of 2026-11-22T... */

static sqlite3_stmt *with_dates(struct dir_store *s, enum db_statement which, int64_t id,
                                uint64_t now_ms)
{
    char text[CLOCK_TEXT_MAX];
    struct slice date = clock_text(now_ms, text);
    sqlite3_stmt *stmt = db_get(s, which);
    db_int(stmt, 1, id);
    db_text(stmt, 2, slice_sub(date, 0, MONTH_LEN));
    db_text(stmt, 3, slice_sub(date, 0, DAY_LEN));
    return stmt;
}

bool db_push_quota(struct dir_store *s, int64_t id, uint64_t now_ms,
                   struct dir_quota quota[DIR_QUOTA_COUNT])
{
    sqlite3_stmt *stmt = with_dates(s, DB_push_quota, id, now_ms);
    enum db_res res = db_step(s, stmt);
    for (int i = 0; res == DB_ROW && i < DIR_QUOTA_COUNT; i++) {
        uint64_t limit = (uint64_t)db_col_int(stmt, 2 * i);
        uint64_t used = (uint64_t)db_col_int(stmt, 2 * i + 1);
        quota[i] = (struct dir_quota){limit, limit == 0 ? 0 : used};
    }
    db_end(stmt);
    return res == DB_ROW;
}

/* Counts n recipients if no quota is passed by that. This role is the only one that counts, so
 * nothing comes between the look and the change. False: fault. */
static bool spend(struct dir_store *s, int64_t id, uint32_t n, uint64_t now_ms,
                  struct dir_mail *out)
{
    bool any = false;
    for (unsigned i = 0; i < DIR_QUOTA_COUNT; i++) {
        const struct dir_quota *q = &out->quota[i];
        any = any || q->limit != 0;
        if (q->limit != 0 && (q->used >= q->limit || n > q->limit - q->used)) {
            return true;
        }
    }
    out->spent = true;
    if (!any) {
        return true; /* nothing to count against: no need to write */
    }
    sqlite3_stmt *stmt = with_dates(s, DB_push_spend, id, now_ms);
    db_int(stmt, 4, n);
    enum db_res res = db_step(s, stmt);
    db_end(stmt);
    return res == DB_DONE;
}

static bool account(struct dir_store *s, const struct dir_mail_ask *ask,
                    struct dir_mail *out)
{
    char text[DIR_ADDRESS_MAX + 1];
    struct dir_name name;
    struct db_push push;
    if (ask->login.len == 0) {
        return true;
    }
    out->sender = DIR_SENDER_GONE;
    if (!slice_cstr(ask->login, text, sizeof text) ||
        dir_name_address(text, NULL, &name) != NULL) {
        return true;
    }
    enum db_res res = db_push(s, &name, &push);
    if (res != DB_ROW) {
        return res == DB_DONE;
    }
    bool own = slice_ieq(ask->local, slice_of(name.local)) &&
               slice_ieq(ask->domain, slice_of(name.domain));
    out->sender = push.restricted ? DIR_SENDER_UNAVAILABLE
                  : own           ? DIR_SENDER_OWN
                                  : DIR_SENDER_FOREIGN;
    out->recipients = (uint64_t)push.recipients;
    out->data = (uint64_t)push.data;
    uint64_t now_ms = clock_wall_ms();
    return db_push_quota(s, push.id, now_ms, out->quota) &&
           (ask->spend == 0 || spend(s, push.id, ask->spend, now_ms, out));
}

/* A user who logged in (account.h). */
static bool user(struct dir_store *s, const struct dir_mail_ask *ask,
                 struct dir_mail *out)
{
    if (ask->login.len == 0) {
        return true;
    }
    switch (dir_store_may_send(s, ask->login, ask->local, ask->domain)) {
    case DIR_SEND_YES:
        out->sender = DIR_SENDER_OWN;
        return true;
    case DIR_SEND_NOT_YOURS:
        out->sender = DIR_SENDER_FOREIGN;
        return true;
    case DIR_SEND_DISABLED:
        out->sender = DIR_SENDER_UNAVAILABLE;
        return true;
    case DIR_SEND_FAULT:
        break;
    }
    return false;
}

/* Last: the look-ups before it empty the arena. */
static bool groups_of(struct dir_store *s, struct slice login, struct slice *out)
{
    struct buf groups;
    buf_init(&groups, DIR_GROUPS_LEN_MAX);
    bool ok = login.len == 0 || (dir_store_groups(s, login, &groups) &&
                                 arena_dup(&s->arena, buf_slice(&groups), out));
    buf_clear(&groups);
    return ok;
}

void dir_store_mail(struct dir_store *s, const struct dir_mail_ask *ask,
                    struct dir_mail *out)
{
    bool ok = true;
    *out = (struct dir_mail){.sender = DIR_SENDER_NONE};
    db_fresh(s);
    arena_reset(&s->arena);
    if (ask->service == SERVICE_RELAY) {
        ok = customers(s, ask, out);
    } else if (ask->service == SERVICE_PUSH) {
        ok = account(s, ask, out);
    } else if (ask->service == SERVICE_SUBMISSION) {
        ok = user(s, ask, out) && groups_of(s, ask->login, &out->groups);
    }
    if (!ok) {
        *out = (struct dir_mail){.fault = true};
    }
}
