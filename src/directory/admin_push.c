/* directory/admin_push.c - postern push ...: accounts that send through the push service. */
#include "config/units.h"
#include "directory/admin_parts.h"
#include "directory/password.h"

#include <stdio.h>
#include <string.h>

enum { RECIPIENTS_MAX = 1000 }; /* as many as one transaction may ever have */

/* What add and set may bring; absent: SQL's NULL. */
struct given {
    const char *hash, *state;
    uint64_t recipients, data;
    bool has_recipients, has_data;
    uint64_t quota[DIR_QUOTA_COUNT];
    bool has_quota[DIR_QUOTA_COUNT];
};

static bool subject(struct dir_admin *a, struct dir_name *name)
{
    const char *text = admin_text(a, "subject");
    if (text == NULL) {
        admin_fail(a, ADMIN_USAGE,
                   "whose? Give a sending address like news@example.test");
        return false;
    }
    return admin_address(a, text, NULL, name);
}

static bool known(struct dir_admin *a, struct dir_name *name, struct db_push *out)
{
    if (!subject(a, name)) {
        return false;
    }
    enum db_res res = db_push(a->store, name, out);
    if (res == DB_DONE) {
        admin_fail(a, ADMIN_NO,
                   "there is no push account %s@%s; say: postern push add %s@%s "
                   "--generate",
                   name->local, name->domain, name->local, name->domain);
    } else if (res != DB_ROW) {
        admin_fault(a);
    }
    return a->status == 0;
}

static const char *const quotas[DIR_QUOTA_COUNT] = {"quota-monthly", "quota-daily",
                                                    "prepaid"};

static void read_quotas(struct dir_admin *a, struct given *g)
{
    for (unsigned i = 0; i < DIR_QUOTA_COUNT; i++) {
        const char *text = admin_text(a, quotas[i]);
        g->has_quota[i] = text != NULL;
        if (text != NULL && strcmp(text, "none") != 0 &&
            (!slice_u64(slice_of(text), &g->quota[i]) || g->quota[i] == 0 ||
             g->quota[i] > UINT32_MAX)) {
            admin_fail(a, ADMIN_USAGE,
                       "'%.60s' is no number of recipients; say for example: --%s 10000, "
                       "--%s none",
                       text, quotas[i], quotas[i]);
        }
    }
}

static bool read_given(struct dir_admin *a, struct given *g)
{
    const char *recipients = admin_text(a, "recipients"), *data = admin_text(a, "data");
    *g = (struct given){.hash = admin_text(a, "password-hash"),
                        .state = admin_text(a, "state"),
                        .has_recipients = recipients != NULL,
                        .has_data = data != NULL};
    if (g->hash != NULL && !dir_password_hash_ok(g->hash)) {
        admin_fail(a, ADMIN_USAGE,
                   "that is no yescrypt hash; give the password itself with "
                   "--password-stdin");
    }
    if (g->state != NULL && strcmp(g->state, "active") != 0 &&
        strcmp(g->state, "restricted") != 0) {
        admin_fail(a, ADMIN_USAGE, "'%.60s' is no state; say: active or restricted",
                   g->state);
    }
    if (recipients != NULL && (!slice_u64(slice_of(recipients), &g->recipients) ||
                               g->recipients == 0 || g->recipients > RECIPIENTS_MAX)) {
        admin_fail(a, ADMIN_USAGE, "'%.60s' is no number from 1 to %d", recipients,
                   RECIPIENTS_MAX);
    }
    if (data != NULL && strcmp(data, "none") != 0 &&
        (units_size(slice_of(data), &g->data) != NULL || g->data > INT64_MAX)) {
        admin_fail(a, ADMIN_USAGE,
                   "'%.60s' is no size; say for example: --data \"10 MiB\", --data none",
                   data);
    }
    read_quotas(a, g);
    return a->status == 0;
}

static enum db_res store_quotas(struct dir_admin *a, const struct dir_name *name,
                                const struct given *g)
{
    sqlite3_stmt *stmt = db_get(a->store, DB_push_limit);
    db_cstr(stmt, 1, name->domain);
    for (int i = 0; i < DIR_QUOTA_COUNT; i++) {
        if (g->has_quota[i]) {
            db_int(stmt, 2 + i, (int64_t)g->quota[i]);
        }
    }
    db_cstr(stmt, 5, name->local);
    enum db_res res = db_step(a->store, stmt);
    db_end(stmt);
    return res;
}

static enum db_res store(struct dir_admin *a, enum db_statement which,
                         const struct dir_name *name, const struct given *g)
{
    sqlite3_stmt *stmt = db_get(a->store, which);
    db_cstr(stmt, 1, name->domain);
    db_cstr(stmt, 2, name->local);
    db_cstr(stmt, 3, g->hash);
    db_cstr(stmt, 4, g->state);
    if (g->has_recipients) {
        db_int(stmt, 5, (int64_t)g->recipients);
    }
    if (g->has_data) {
        db_int(stmt, 6, (int64_t)g->data);
    }
    if (which == DB_push_put) {
        db_int(stmt, 7, (int64_t)a->now_ms);
    }
    enum db_res res = db_step(a->store, stmt);
    db_end(stmt);
    return res == DB_DONE ? store_quotas(a, name, g) : res;
}

void admin_push_add(struct dir_admin *a)
{
    struct dir_name name;
    struct given g;
    char text[DIR_NAME_TEXT_MAX];
    if (!subject(a, &name) || !read_given(a, &g)) {
        return;
    }
    (void)dir_name_text(&name, text);
    enum db_res res = store(a, DB_push_put, &name, &g);
    if (res == DB_CONFLICT) {
        admin_fail(a, ADMIN_NO,
                   "push account %s is there already; say: postern push set %s ...", text,
                   text);
    } else if (res != DB_DONE) {
        admin_fault(a);
    }
    admin_did(a, "push", text, "added");
}

void admin_push_set(struct dir_admin *a)
{
    struct dir_name name;
    struct db_push push;
    struct given g;
    char text[DIR_NAME_TEXT_MAX];
    if (!known(a, &name, &push) || !read_given(a, &g)) {
        return;
    }
    if (store(a, DB_push_set, &name, &g) != DB_DONE) {
        admin_fault(a);
    }
    admin_did(a, "push", dir_name_text(&name, text), "changed");
}

void admin_push_remove(struct dir_admin *a)
{
    struct dir_name name;
    struct db_push push;
    char text[DIR_NAME_TEXT_MAX];
    if (!known(a, &name, &push)) {
        return;
    }
    sqlite3_stmt *stmt = db_get(a->store, DB_push_del);
    db_int(stmt, 1, push.id);
    if (admin_step(a, stmt)) {
        admin_did(a, "push", dir_name_text(&name, text), "removed");
    }
}

static void add_entry(struct dir_admin *a, const struct dir_name *name,
                      const struct db_push *push)
{
    char text[DIR_NAME_TEXT_MAX];
    struct dir_quota q[DIR_QUOTA_COUNT] = {0};
    if (!db_push_quota(a->store, push->id, a->now_ms, q)) {
        admin_fault(a);
        return;
    }
    admin_line(a,
               json_pack("{s:o,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:b,s:o}", "address",
                         admin_string(slice_of(dir_name_text(name, text))), "state",
                         push->restricted ? "restricted" : "active", "recipients",
                         (json_int_t)push->recipients, "data", (json_int_t)push->data,
                         "quota-monthly", (json_int_t)q[DIR_QUOTA_MONTH].limit,
                         "this-month", (json_int_t)q[DIR_QUOTA_MONTH].used, "quota-daily",
                         (json_int_t)q[DIR_QUOTA_DAY].limit, "today",
                         (json_int_t)q[DIR_QUOTA_DAY].used, "prepaid",
                         (json_int_t)q[DIR_QUOTA_PREPAID].limit, "prepaid-used",
                         (json_int_t)q[DIR_QUOTA_PREPAID].used, "password",
                         push->password, "created", admin_time(push->created_ms)));
}

static void row(struct dir_admin *a, sqlite3_stmt *stmt)
{
    struct db_push push;
    db_push_row(stmt, &push);
    (void)db_col_cstr(stmt, 6, a->cursor.domain, sizeof a->cursor.domain);
    (void)db_col_cstr(stmt, 7, a->cursor.local, sizeof a->cursor.local);
    add_entry(a, &a->cursor, &push);
}

static bool page(struct dir_admin *a)
{
    sqlite3_stmt *stmt = db_get(a->store, DB_push_page);
    db_cstr(stmt, 1, a->cursor.domain);
    db_cstr(stmt, 2, a->cursor.local);
    db_int(stmt, 3, ADMIN_PAGE);
    return admin_rows(a, stmt, row);
}

void admin_push_list(struct dir_admin *a)
{
    a->page = page;
}

void admin_push_show(struct dir_admin *a)
{
    struct dir_name name;
    struct db_push push;
    if (known(a, &name, &push)) {
        add_entry(a, &name, &push);
    }
}
