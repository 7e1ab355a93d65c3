/* directory/admin_alias.c - postern alias ... */
#include "directory/admin_parts.h"

#include <string.h>

enum { ABOVE_MAX = 500 }; /* aliases that lead to one alias, looked at for loops */

/* An entry in `above` once. False: no room. */
static bool note_above(int64_t *above, unsigned *n, int64_t id)
{
    for (unsigned i = 0; i < *n; i++) {
        if (above[i] == id) {
            return true;
        }
    }
    if (*n == ABOVE_MAX) {
        return false;
    }
    above[(*n)++] = id;
    return true;
}

static bool name_of(struct dir_admin *a, int64_t id, struct dir_name *out)
{
    sqlite3_stmt *stmt = db_get(a->store, DB_alias_name);
    db_int(stmt, 1, id);
    bool ok = db_step(a->store, stmt) == DB_ROW &&
              db_col_cstr(stmt, 0, out->local, sizeof out->local) &&
              db_col_cstr(stmt, 1, out->domain, sizeof out->domain);
    db_end(stmt);
    return ok;
}

static bool note_pointers(struct dir_admin *a, const struct dir_name *name,
                          int64_t *above, unsigned *n)
{
    struct dir_name prefix = *name;
    const char *sign = a->store->config.sub_address;
    size_t len = strlen(prefix.local);
    bool room = true;
    enum db_res res = DB_DONE;
    sqlite3_stmt *stmt = db_get(a->store, DB_target_who);
    db_cstr(stmt, 1, name->domain);
    db_cstr(stmt, 2, name->local);
    if (sign[0] != '\0' && len < DIR_LOCAL_MAX) {
        prefix.local[len] = sign[0];
        prefix.local[len + 1] = '\0';
        db_cstr(stmt, 3, prefix.local);
    }
    db_int(stmt, 4, ABOVE_MAX + 1);
    while (room && (res = db_step(a->store, stmt)) == DB_ROW) {
        room = note_above(above, n, db_col_int(stmt, 0));
    }
    if (res == DB_FAULT) {
        admin_fault(a);
    }
    db_end(stmt);
    return room;
}

/* The alias itself, and all that lead to it, must still end at users. */
static bool check(struct dir_admin *a, const struct dir_name *alias, int64_t id)
{
    int64_t above[ABOVE_MAX];
    unsigned n = 0;
    bool room = note_above(above, &n, id);
    for (unsigned i = 0; i < n && a->status == 0; i++) {
        struct dir_name name;
        char text[DIR_NAME_TEXT_MAX];
        if (!name_of(a, above[i], &name)) {
            admin_fault(a);
            break;
        }
        const char *wrong = db_alias_wrong(a->store, &name);
        if (wrong != NULL) {
            admin_fail(a, ADMIN_NO, "with that, alias %s %s", dir_name_text(&name, text),
                       wrong);
        }
        room = room && note_pointers(a, &name, above, &n);
    }
    if (!room) {
        admin_fail(a, ADMIN_NO, "too many aliases lead to %s@%s", alias->local,
                   alias->domain);
    }
    return a->status == 0;
}

static bool put_target(struct dir_admin *a, const struct dir_name *alias, int64_t id,
                       size_t n, const char *text)
{
    struct dir_name target;
    if (text == NULL) {
        admin_fail(a, ADMIN_USAGE, "a target is an address like alice@example.test");
        return false;
    }
    if (!admin_address(a, text, alias->domain, &target)) {
        return false;
    }
    if (strcmp(target.local, alias->local) == 0 &&
        strcmp(target.domain, alias->domain) == 0) {
        admin_fail(a, ADMIN_NO, "alias %s@%s would lead back to itself", alias->local,
                   alias->domain);
        return false;
    }
    if (!admin_takes_mail(a, &target)) {
        return false;
    }
    sqlite3_stmt *stmt = db_get(a->store, DB_target_put);
    db_int(stmt, 1, id);
    db_int(stmt, 2, (int64_t)n);
    db_cstr(stmt, 3, target.local);
    db_cstr(stmt, 4, target.domain);
    return admin_step(a, stmt);
}

bool admin_alias_write(struct dir_admin *a, const struct dir_name *alias,
                       int64_t domain_id, const json_t *targets)
{
    struct db_user user;
    int64_t id = 0;
    size_t n = json_is_string(targets) ? 1 : json_array_size(targets);
    if (n == 0 || n > DIR_TARGETS_MAX) {
        admin_fail(a, ADMIN_USAGE, "an alias leads to 1 to %d addresses, not to %zu",
                   DIR_TARGETS_MAX, n);
        return false;
    }
    enum db_res res = db_user(a->store, domain_id, slice_of(alias->local), &user);
    if (res == DB_ROW) {
        admin_fail(a, ADMIN_NO,
                   "%s@%s is a user, who gets the mail of that name; choose another",
                   alias->local, alias->domain);
        return false;
    }
    if (!admin_no_trap(a, alias, domain_id)) {
        return false;
    }
    if (res == DB_DONE) {
        res = db_alias(a->store, domain_id, slice_of(alias->local), &id);
    }
    if (res == DB_DONE) {
        sqlite3_stmt *stmt = db_get(a->store, DB_alias_put);
        db_int(stmt, 1, domain_id);
        db_cstr(stmt, 2, alias->local);
        db_int(stmt, 3, (int64_t)a->now_ms);
        if (!admin_step(a, stmt)) {
            return false;
        }
        res = db_alias(a->store, domain_id, slice_of(alias->local), &id);
    }
    if (res != DB_ROW) {
        admin_fault(a);
        return false;
    }
    sqlite3_stmt *stmt = db_get(a->store, DB_target_del);
    db_int(stmt, 1, id);
    if (!admin_step(a, stmt)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *target =
            json_is_string(targets) ? targets : json_array_get(targets, i);
        if (!put_target(a, alias, id, i, json_string_value(target))) {
            return false;
        }
    }
    return check(a, alias, id);
}

bool admin_alias_remove(struct dir_admin *a, const struct dir_name *alias,
                        int64_t domain_id)
{
    int64_t id = 0;
    enum db_res res = db_alias(a->store, domain_id, slice_of(alias->local), &id);
    if (res == DB_DONE) {
        admin_fail(a, ADMIN_NO, "there is no alias %s@%s", alias->local, alias->domain);
    } else if (res != DB_ROW) {
        admin_fault(a);
    }
    if (a->status != 0 || !admin_unpoint(a, alias)) {
        return false;
    }
    sqlite3_stmt *stmt = db_get(a->store, DB_alias_del);
    db_int(stmt, 1, id);
    return admin_step(a, stmt) && admin_drop_orphans(a);
}

static void write(struct dir_admin *a, bool add)
{
    struct dir_name name;
    char text[DIR_NAME_TEXT_MAX];
    int64_t domain_id = 0, id = 0;
    if (!admin_subject(a, &name, &domain_id)) {
        return;
    }
    (void)dir_name_text(&name, text);
    enum db_res res = db_alias(a->store, domain_id, slice_of(name.local), &id);
    if (res == DB_FAULT) {
        admin_fault(a);
    } else if (add && res == DB_ROW) {
        admin_fail(a, ADMIN_NO,
                   "alias %s is there already; say: postern alias set %s ADDRESS...",
                   text, text);
    } else if (!add && res != DB_ROW) {
        admin_fail(a, ADMIN_NO,
                   "there is no alias %s; say: postern alias add %s ADDRESS...", text,
                   text);
    }
    if (a->status == 0 &&
        admin_alias_write(a, &name, domain_id, json_object_get(a->request, "targets"))) {
        admin_did(a, "alias", text, add ? "added" : "changed");
    }
}

void admin_alias_add(struct dir_admin *a)
{
    write(a, true);
}

void admin_alias_set(struct dir_admin *a)
{
    write(a, false);
}

void admin_alias_drop(struct dir_admin *a)
{
    struct dir_name name;
    char text[DIR_NAME_TEXT_MAX];
    int64_t domain_id = 0;
    if (admin_subject(a, &name, &domain_id) && admin_alias_remove(a, &name, domain_id)) {
        admin_did(a, "alias", dir_name_text(&name, text), "removed");
    }
}

static void line(struct dir_admin *a, const struct dir_name *name, int64_t id,
                 int64_t created_ms)
{
    char text[DIR_NAME_TEXT_MAX];
    json_t *targets = json_array();
    sqlite3_stmt *stmt = db_get(a->store, DB_target_all);
    db_int(stmt, 1, id);
    enum db_res res;
    while ((res = db_step(a->store, stmt)) == DB_ROW) {
        struct dir_name target;
        if (db_col_cstr(stmt, 0, target.local, sizeof target.local) &&
            db_col_cstr(stmt, 1, target.domain, sizeof target.domain)) {
            (void)json_array_append_new(
                targets, admin_string(slice_of(dir_name_text(&target, text))));
        }
    }
    db_end(stmt);
    if (res == DB_FAULT) {
        admin_fault(a);
    }
    admin_line(a, json_pack("{s:o,s:o,s:o}", "address",
                            admin_string(slice_of(dir_name_text(name, text))), "targets",
                            targets, "created", admin_time(created_ms)));
}

static void row(struct dir_admin *a, sqlite3_stmt *stmt)
{
    (void)db_col_cstr(stmt, 0, a->cursor.local, sizeof a->cursor.local);
    line(a, &a->cursor, db_col_int(stmt, 1), db_col_int(stmt, 2));
}

static bool page(struct dir_admin *a)
{
    return admin_page(a, DB_alias_page, row);
}

void admin_alias_list(struct dir_admin *a)
{
    if (admin_list_begin(a)) {
        a->page = page;
    }
}

void admin_alias_show(struct dir_admin *a)
{
    struct dir_name name;
    int64_t domain_id = 0, id = 0;
    if (!admin_subject(a, &name, &domain_id)) {
        return;
    }
    enum db_res res = db_alias(a->store, domain_id, slice_of(name.local), &id);
    if (res == DB_ROW) {
        line(a, &name, id, 0);
    } else if (res == DB_DONE) {
        admin_fail(a, ADMIN_NO, "there is no alias %s@%s; say: postern alias list",
                   name.local, name.domain);
    } else {
        admin_fault(a);
    }
}
