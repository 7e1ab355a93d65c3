/* directory/sender.c - dir_store_mail(): on whose behalf a MAIL is; relay customers and push
 * accounts in the database. */
#include "config/config.h"
#include "directory/account.h"
#include "directory/db.h"
#include "directory/spend.h"

void db_relay_row(sqlite3_stmt *stmt, struct db_relay *out)
{
    *out = (struct db_relay){.id = db_col_int(stmt, 0),
                             .suspended = db_col_int(stmt, 2) != 0,
                             .by_domain = db_col_int(stmt, 3) != 0,
                             .created_ms = db_col_int(stmt, 4),
                             .day = (uint64_t)db_col_int(stmt, 5),
                             .user_day = (uint64_t)db_col_int(stmt, 6),
                             .peak = (uint64_t)db_col_int(stmt, 7),
                             .peak_span_s = (uint32_t)db_col_int(stmt, 8)};
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
    sql_bind(stmt, 1, name);
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
        sql_bind(stmt, 1, rest);
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

static bool name_customer(struct dir_store *s, int64_t id, struct db_relay *relay,
                          struct dir_customer *out)
{
    enum db_res res = id == 0 ? DB_DONE : db_relay_by_id(s, id, relay);
    if (res == DB_ROW) {
        out->suspended = relay->suspended;
        out->by_domain = relay->by_domain;
        return arena_dup(&s->arena, slice_of(relay->name), &out->name);
    }
    return res == DB_DONE;
}

/* local@domain in lower case; empty: no room. */
static struct slice address_of(struct dir_store *s, struct slice local,
                               struct slice domain)
{
    size_t len = local.len + 1 + domain.len;
    unsigned char *octets = arena_alloc(&s->arena, len);
    if (octets == NULL) {
        return (struct slice){0};
    }
    for (size_t i = 0; i < len; i++) {
        octets[i] = i < local.len    ? ascii_lower(local.ptr[i])
                    : i == local.len ? '@'
                                     : ascii_lower(domain.ptr[i - local.len - 1]);
    }
    return (struct slice){octets, len};
}

/* A sender is a user of the customer whose domain he is in. */
static bool customer_limits(struct dir_store *s, const struct dir_mail_ask *ask,
                            const struct db_relay *r, bool own, struct spend *sp)
{
    struct slice name = slice_of(r->name), sender = {0};
    uint64_t user_day = own && ask->domain.len > 0 ? r->user_day : 0;
    if (user_day != 0) {
        sender = address_of(s, ask->local, ask->domain);
    }
    return (user_day == 0 || sender.len > 0) &&
           spend_add(s, sp, DIR_LIMIT_RELAY_DAY, name, SLICE(""), r->day, SPEND_DAY_S) &&
           spend_add(s, sp, DIR_LIMIT_RELAY_USER, name, sender, user_day, SPEND_DAY_S) &&
           spend_add(s, sp, DIR_LIMIT_RELAY_PEAK, name, SLICE(""), r->peak,
                     r->peak_span_s);
}

static bool customers(struct dir_store *s, const struct dir_mail_ask *ask,
                      struct dir_mail *out, struct spend *sp)
{
    int64_t id[DIR_BY_COUNT] = {0};
    struct db_relay relay[DIR_BY_COUNT] = {0};
    size_t at = slice_rfind(ask->login, '@');
    bool ok = by_address(s, &ask->ip, &id[DIR_BY_ADDRESS]) &&
              by_domain(s, ask->helo, &id[DIR_BY_HELO]) &&
              by_domain(s, ask->domain, &id[DIR_BY_SENDER]) &&
              by_domain(s, slice_from(ask->login, at + 1), &id[DIR_BY_LOGIN]);
    for (unsigned i = 0; i < DIR_BY_COUNT && ok; i++) {
        ok = name_customer(s, id[i], &relay[i], &out->customer[i]);
    }
    enum dir_by by = dir_mail_by(out);
    return ok && (by == DIR_BY_COUNT ||
                  customer_limits(s, ask, &relay[by], id[by] == id[DIR_BY_SENDER], sp));
}

/* ---- push ---- */

static bool account(struct dir_store *s, const struct dir_mail_ask *ask, uint64_t now_ms,
                    struct dir_mail *out, struct spend *sp)
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
    if (!db_push_quota(s, push.id, now_ms, out->quota)) {
        return false;
    }
    for (unsigned i = 0; i < DIR_QUOTA_COUNT; i++) {
        sp->push = out->quota[i].limit != 0 ? push.id : sp->push;
    }
    return true;
}

/* ---- users ---- */

enum db_res db_user_limits(struct dir_store *s, const struct dir_name *name,
                           struct dir_user_limits *out)
{
    const struct dir_user_limits *def = &s->config.limits;
    sqlite3_stmt *stmt = db_get(s, DB_user_limits);
    db_cstr(stmt, 1, name->domain);
    db_cstr(stmt, 2, name->local);
    enum db_res res = db_step(s, stmt);
    if (res == DB_ROW) {
        *out = (struct dir_user_limits){db_col_limit(stmt, 0, def->daily_messages),
                                        db_col_limit(stmt, 1, def->daily_recipients),
                                        db_col_limit(stmt, 2, def->recipients)};
    }
    db_end(stmt);
    return res;
}

static bool user_limits(struct dir_store *s, struct slice login, struct dir_mail *out,
                        struct spend *sp)
{
    struct dir_name name = {0};
    struct dir_user_limits limits = {0};
    size_t at = slice_rfind(login, '@');
    if (!slice_cstr(slice_sub(login, 0, at), name.local, sizeof name.local) ||
        !slice_cstr(slice_from(login, at + 1), name.domain, sizeof name.domain)) {
        return true; /* dir_store_may_send() knows no such user */
    }
    enum db_res res = db_user_limits(s, &name, &limits);
    out->recipients = limits.recipients;
    return res != DB_FAULT &&
           spend_add(s, sp, DIR_LIMIT_USER_MESSAGES, login, SLICE(""),
                     limits.daily_messages, SPEND_DAY_S) &&
           spend_add(s, sp, DIR_LIMIT_USER_RECIPIENTS, login, SLICE(""),
                     limits.daily_recipients, SPEND_DAY_S);
}

/* A user who logged in (account.h). */
static bool user(struct dir_store *s, const struct dir_mail_ask *ask,
                 struct dir_mail *out, struct spend *sp)
{
    static const enum dir_sender senders[] = {
        [DIR_SEND_YES] = DIR_SENDER_OWN,
        [DIR_SEND_NOT_YOURS] = DIR_SENDER_FOREIGN,
        [DIR_SEND_DISABLED] = DIR_SENDER_UNAVAILABLE,
    };
    if (ask->login.len == 0) {
        return true;
    }
    enum dir_send may = dir_store_may_send(s, ask->login, ask->local, ask->domain);
    if (may == DIR_SEND_FAULT) {
        return false;
    }
    out->sender = senders[may];
    return user_limits(s, ask->login, out, sp);
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

/* ---- */

static bool answer(struct dir_store *s, const struct dir_mail_ask *ask, uint64_t now_ms,
                   struct dir_mail *out)
{
    struct spend sp = {0};
    bool ok = ask->service == SERVICE_RELAY        ? customers(s, ask, out, &sp)
              : ask->service == SERVICE_PUSH       ? account(s, ask, now_ms, out, &sp)
              : ask->service == SERVICE_SUBMISSION ? user(s, ask, out, &sp)
                                                   : true;
    uint64_t recipients = ask->spend == 0 ? 1 : ask->spend;
    return ok && spend_look(s, &sp, recipients, now_ms, out->limit) &&
           (ask->spend == 0 || spend_count(s, &sp, ask, now_ms, out)) &&
           (ask->service != SERVICE_SUBMISSION || groups_of(s, ask->login, &out->groups));
}

void dir_store_mail(struct dir_store *s, const struct dir_mail_ask *ask, uint64_t now_ms,
                    struct dir_mail *out)
{
    *out = (struct dir_mail){.sender = DIR_SENDER_NONE};
    db_fresh(s);
    arena_reset(&s->arena);
    bool ok =
        ask->give_back ? spend_give_back(s, ask->message) : answer(s, ask, now_ms, out);
    if (!ok) {
        *out = (struct dir_mail){.fault = true};
    }
}
