/* directory/spend.c - see spend.h */
#include "directory/spend.h"

#include "base/clock.h"

#include <string.h>

static const char *const prefixes[DIR_LIMIT_COUNT] = {
    [DIR_LIMIT_USER_MESSAGES] = "messages ", [DIR_LIMIT_USER_RECIPIENTS] = "user ",
    [DIR_LIMIT_RELAY_DAY] = "relay ",        [DIR_LIMIT_RELAY_USER] = "sender ",
    [DIR_LIMIT_RELAY_PEAK] = "peak ",
};

bool spend_add(struct dir_store *s, struct spend *sp, enum dir_limit_of which,
               struct slice first, struct slice second, uint64_t limit, uint32_t span_s)
{
    struct slice prefix = slice_of(prefixes[which]);
    size_t len = prefix.len + first.len + (second.len == 0 ? 0 : 1 + second.len);
    if (limit == 0) {
        return true;
    }
    unsigned char *octets = arena_alloc(&s->arena, len);
    if (octets == NULL) {
        return false;
    }
    memcpy(octets, prefix.ptr, prefix.len);
    memcpy(octets + prefix.len, first.ptr, first.len);
    if (second.len > 0) {
        octets[prefix.len + first.len] = ' ';
        memcpy(octets + len - second.len, second.ptr, second.len);
    }
    sp->key[sp->n++] = (struct spend_key){which, {octets, len}, limit, span_s};
    return true;
}

static uint64_t step_of(uint32_t span_s)
{
    uint64_t step = span_s == SPEND_DAY_S ? 60 : span_s / 600;
    return step == 0 ? 1 : step;
}

static int64_t end_of(const struct spend_key *k, uint64_t now_ms)
{
    uint64_t step = step_of(k->span_s);
    return (int64_t)((now_ms / 1000 / step + 1) * step + k->span_s);
}

static sqlite3_stmt *of_key(struct dir_store *s, enum db_statement which,
                            const struct spend_key *k, uint64_t now_ms)
{
    sqlite3_stmt *stmt = db_get(s, which);
    sql_bind(stmt, 1, k->who);
    db_int(stmt, 2, (int64_t)(now_ms / 1000));
    return stmt;
}

/* Until so much of what counts no longer does. */
static bool wait_for(struct dir_store *s, const struct spend_key *k, uint64_t units,
                     uint64_t now_ms, uint32_t *wait_s)
{
    uint64_t gone = 0;
    enum db_res res = DB_ROW;
    sqlite3_stmt *stmt = of_key(s, DB_spent_rows, k, now_ms);
    while (gone < units && (res = db_step(s, stmt)) == DB_ROW) {
        gone += (uint64_t)db_col_int(stmt, 1);
        *wait_s = (uint32_t)((uint64_t)db_col_int(stmt, 0) - now_ms / 1000);
    }
    db_end(stmt);
    *wait_s = gone < units ? 0 : *wait_s;
    return res != DB_FAULT;
}

static bool look(struct dir_store *s, const struct spend_key *k, uint64_t recipients,
                 uint64_t now_ms, struct dir_limit *out)
{
    uint64_t units = dir_limit_units(k->which, recipients);
    sqlite3_stmt *stmt = of_key(s, DB_spent_sum, k, now_ms);
    bool ok = db_step(s, stmt) == DB_ROW;
    *out = (struct dir_limit){k->limit, ok ? (uint64_t)db_col_int(stmt, 0) : 0, k->span_s,
                              0};
    db_end(stmt);
    if (!ok || !dir_limit_passed(out, units) || units > k->limit) {
        return ok;
    }
    return wait_for(s, k, out->used + units - k->limit, now_ms, &out->wait_s);
}

bool spend_look(struct dir_store *s, const struct spend *sp, uint64_t recipients,
                uint64_t now_ms, struct dir_limit out[DIR_LIMIT_COUNT])
{
    bool ok = true;
    for (unsigned i = 0; i < sp->n && ok; i++) {
        ok = look(s, &sp->key[i], recipients, now_ms, &out[sp->key[i].which]);
    }
    return ok;
}

bool spend_frees(struct dir_store *s, const struct spend_key *key, uint64_t now_ms,
                 int64_t *ms)
{
    sqlite3_stmt *stmt = of_key(s, DB_spent_rows, key, now_ms);
    enum db_res res = db_step(s, stmt);
    *ms = res == DB_ROW ? db_col_int(stmt, 0) * 1000 : 0;
    db_end(stmt);
    return res != DB_FAULT;
}

/* ---- counting ---- */

static bool done(struct dir_store *s, sqlite3_stmt *stmt)
{
    enum db_res res = db_step(s, stmt);
    db_end(stmt);
    return res == DB_DONE;
}

static sqlite3_stmt *of_message(struct dir_store *s, enum db_statement which,
                                struct message_id m)
{
    sqlite3_stmt *stmt = db_get(s, which);
    db_int(stmt, 1, (int64_t)m.session);
    db_int(stmt, 2, m.n);
    return stmt;
}

static bool charge(struct dir_store *s, struct message_id m, struct slice who,
                   int64_t end_s, uint64_t units, uint64_t now_ms)
{
    sqlite3_stmt *stmt = of_message(s, DB_charge_put, m);
    sql_bind(stmt, 3, who);
    db_int(stmt, 4, end_s);
    db_int(stmt, 5, (int64_t)units);
    db_int(stmt, 6, (int64_t)(now_ms / 1000));
    return done(s, stmt);
}

static bool count_key(struct dir_store *s, const struct spend_key *k,
                      const struct dir_mail_ask *ask, uint64_t now_ms)
{
    int64_t end_s = end_of(k, now_ms);
    uint64_t units = dir_limit_units(k->which, ask->spend);
    sqlite3_stmt *stmt = db_get(s, DB_spent_add);
    sql_bind(stmt, 1, k->who);
    db_int(stmt, 2, end_s);
    db_int(stmt, 3, (int64_t)units);
    return done(s, stmt) && charge(s, ask->message, k->who, end_s, units, now_ms);
}

enum { MONTH_LEN = 7, DAY_LEN = 10 }; /* of 2026-11-22T... */

static sqlite3_stmt *with_dates(struct dir_store *s, enum db_statement which, int64_t id,
                                uint64_t now_ms)
{
    char text[CLOCK_TEXT_MAX];
    struct slice date = clock_text(now_ms, text);
    sqlite3_stmt *stmt = db_get(s, which);
    db_int(stmt, 1, id);
    sql_bind(stmt, 2, slice_sub(date, 0, MONTH_LEN));
    sql_bind(stmt, 3, slice_sub(date, 0, DAY_LEN));
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

/* The id of the account stands for it as an end of time: a charge of a push account has no other. */
static const struct slice push_charge = SLICE_INIT("push");

static bool count_push(struct dir_store *s, int64_t id, const struct dir_mail_ask *ask,
                       uint64_t now_ms)
{
    sqlite3_stmt *stmt = with_dates(s, DB_push_spend, id, now_ms);
    db_int(stmt, 4, ask->spend);
    return done(s, stmt) && charge(s, ask->message, push_charge, id, ask->spend, now_ms);
}

/* What no longer counts goes, a little with each message. */
static bool trim(struct dir_store *s, uint64_t now_ms)
{
    int64_t now_s = (int64_t)(now_ms / 1000);
    sqlite3_stmt *stmt = db_get(s, DB_spent_trim);
    db_int(stmt, 1, now_s);
    db_int(stmt, 2, SPEND_TRIM);
    if (!done(s, stmt)) {
        return false;
    }
    stmt = db_get(s, DB_charge_trim);
    db_int(stmt, 1, now_s - SPEND_CHARGE_S);
    db_int(stmt, 2, SPEND_TRIM);
    return done(s, stmt);
}

static bool count_all(struct dir_store *s, const struct spend *sp,
                      const struct dir_mail_ask *ask, uint64_t now_ms)
{
    bool ok = sp->push == 0 || count_push(s, sp->push, ask, now_ms);
    for (unsigned i = 0; i < sp->n && ok; i++) {
        ok = count_key(s, &sp->key[i], ask, now_ms);
    }
    return ok && trim(s, now_ms);
}

/* A change within a transaction that is under way (dir_store_batch_begin()), or one of its own:
 * without one the release of a savepoint commits. */
static bool begin(struct dir_store *s)
{
    return done(s, db_get(s, DB_savepoint));
}

/* False: nothing is changed. */
static bool end(struct dir_store *s, bool ok)
{
    if (ok && done(s, db_get(s, DB_release))) {
        return true;
    }
    (void)done(s, db_get(s, DB_rollback_to));
    (void)done(s, db_get(s, DB_release));
    return false;
}

bool dir_store_batch_begin(struct dir_store *s)
{
    return done(s, db_get(s, DB_begin));
}

bool dir_store_batch_end(struct dir_store *s)
{
    bool ok = done(s, db_get(s, DB_commit));
    if (!ok) {
        (void)done(s, db_get(s, DB_rollback));
    }
    return ok;
}

static bool fits(const struct dir_mail *m, uint64_t recipients)
{
    for (unsigned i = 0; i < DIR_QUOTA_COUNT; i++) {
        const struct dir_quota *q = &m->quota[i];
        if (q->limit != 0 && (q->used >= q->limit || recipients > q->limit - q->used)) {
            return false;
        }
    }
    for (unsigned i = 0; i < DIR_LIMIT_COUNT; i++) {
        uint64_t units = dir_limit_units((enum dir_limit_of)i, recipients);
        if (dir_limit_passed(&m->limit[i], units)) {
            return false;
        }
    }
    return true;
}

bool spend_count(struct dir_store *s, const struct spend *sp,
                 const struct dir_mail_ask *ask, uint64_t now_ms, struct dir_mail *out)
{
    if (sp->n == 0 && sp->push == 0) {
        out->spent = true; /* nothing to count against: no need to write */
        return true;
    }
    sqlite3_stmt *stmt = of_message(s, DB_charge_get, ask->message);
    enum db_res res = db_step(s, stmt);
    db_end(stmt);
    out->spent = res == DB_ROW || (res == DB_DONE && fits(out, ask->spend));
    if (res != DB_DONE || !out->spent) {
        return res != DB_FAULT;
    }
    /* This role is the only one that counts, so nothing came between the look and the change. */
    return begin(s) && end(s, count_all(s, sp, ask, now_ms));
}

/* ---- giving back ---- */

static bool give_back_one(struct dir_store *s, struct slice who, int64_t end_s,
                          int64_t units, int64_t made_s)
{
    if (slice_eq(who, push_charge)) {
        sqlite3_stmt *stmt = with_dates(s, DB_push_back, end_s, (uint64_t)made_s * 1000);
        db_int(stmt, 4, units);
        return done(s, stmt);
    }
    sqlite3_stmt *stmt = db_get(s, DB_spent_back);
    sql_bind(stmt, 1, who);
    db_int(stmt, 2, end_s);
    db_int(stmt, 3, units);
    return done(s, stmt);
}

static bool give_back_all(struct dir_store *s, struct message_id message)
{
    enum db_res res = DB_ROW;
    sqlite3_stmt *stmt = of_message(s, DB_charge_all, message);
    bool ok = true;
    while (ok && (res = db_step(s, stmt)) == DB_ROW) {
        ok = give_back_one(s, sql_column(stmt, 0), db_col_int(stmt, 1),
                           db_col_int(stmt, 2), db_col_int(stmt, 3));
    }
    db_end(stmt);
    return ok && res == DB_DONE && done(s, of_message(s, DB_charge_del, message));
}

bool spend_give_back(struct dir_store *s, struct message_id message)
{
    return begin(s) && end(s, give_back_all(s, message));
}
