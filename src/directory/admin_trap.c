/* directory/admin_trap.c - postern trap ...: addresses that nobody has and nobody was ever told of. Who writes
 * to one has it from no honest list: it is refused as any unknown one is, and costs reputation. */
#include "directory/admin_parts.h"

void admin_trap_add(struct dir_admin *a)
{
    struct dir_name name;
    char text[DIR_NAME_TEXT_MAX];
    struct db_user user;
    int64_t domain_id = 0, alias = 0;
    if (!admin_subject(a, &name, &domain_id)) {
        return;
    }
    (void)dir_name_text(&name, text);
    enum db_res res = db_user(a->store, domain_id, slice_of(name.local), &user);
    if (res == DB_DONE) {
        res = db_alias(a->store, domain_id, slice_of(name.local), &alias);
    }
    if (res == DB_ROW) {
        admin_fail(a, ADMIN_NO, "%s is %s, and no trap", text,
                   alias == 0 ? "a user" : "an alias");
        return;
    }
    sqlite3_stmt *stmt = db_get(a->store, DB_trap_put);
    db_int(stmt, 1, domain_id);
    db_cstr(stmt, 2, name.local);
    db_int(stmt, 3, (int64_t)a->now_ms);
    if (res == DB_FAULT) {
        admin_fault(a);
    } else if (admin_step(a, stmt)) {
        admin_did(a, "trap", text, "added");
    }
}

void admin_trap_remove(struct dir_admin *a)
{
    struct dir_name name;
    char text[DIR_NAME_TEXT_MAX];
    int64_t domain_id = 0;
    if (!admin_subject(a, &name, &domain_id)) {
        return;
    }
    sqlite3_stmt *stmt = db_get(a->store, DB_trap_del);
    db_int(stmt, 1, domain_id);
    db_cstr(stmt, 2, name.local);
    enum db_res res = db_step(a->store, stmt);
    if (res == DB_DONE) {
        admin_fail(a, ADMIN_NO, "there is no trap %s", dir_name_text(&name, text));
    } else if (res != DB_ROW || db_step(a->store, stmt) != DB_DONE) {
        admin_fault(a);
    } else {
        admin_did(a, "trap", dir_name_text(&name, text), "removed");
    }
}

bool admin_no_trap(struct dir_admin *a, const struct dir_name *name, int64_t domain_id)
{
    char text[DIR_NAME_TEXT_MAX];
    enum db_res res = db_trap(a->store, domain_id, slice_of(name->local));
    if (res == DB_ROW) {
        (void)dir_name_text(name, text);
        admin_fail(a, ADMIN_NO, "%s is a trap; say first: postern trap remove %s", text,
                   text);
    } else if (res == DB_FAULT) {
        admin_fault(a);
    }
    return a->status == 0;
}

static void row(struct dir_admin *a, sqlite3_stmt *stmt)
{
    char text[DIR_NAME_TEXT_MAX];
    (void)db_col_cstr(stmt, 0, a->cursor.local, sizeof a->cursor.local);
    admin_line(a, json_pack("{s:o,s:o}", "address",
                            admin_string(slice_of(dir_name_text(&a->cursor, text))),
                            "created", admin_time(db_col_int(stmt, 1))));
}

static bool page(struct dir_admin *a)
{
    return admin_page(a, DB_trap_page, row);
}

void admin_trap_list(struct dir_admin *a)
{
    if (admin_list_begin(a)) {
        a->page = page;
    }
}
