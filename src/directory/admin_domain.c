/* directory/admin_domain.c - postern domain ... */
#include "directory/admin_parts.h"

#include <stdio.h>
#include <string.h>

static bool subject(struct dir_admin *a, struct dir_name *name)
{
    const char *text = admin_text(a, "subject");
    const char *wrong = text == NULL ? "is missing; give a domain like example.test"
                                     : dir_name_domain(text, name);
    if (wrong != NULL) {
        admin_fail(a, ADMIN_USAGE, "'%.100s' %s", text == NULL ? "" : text, wrong);
    }
    return wrong == NULL;
}

static bool set_catch_all(struct dir_admin *a, const struct dir_name *domain, int64_t id)
{
    const char *text = admin_text(a, "catch-all");
    char value[DIR_NAME_TEXT_MAX];
    struct dir_name target;
    sqlite3_stmt *stmt = NULL;
    if (text == NULL) {
        return true;
    }
    if (text[0] != '\0') {
        if (!admin_address(a, text, domain->domain, &target) ||
            !admin_takes_mail(a, &target)) {
            return false;
        }
        stmt = db_get(a->store, DB_setting_put);
        db_cstr(stmt, 3, dir_name_text(&target, value));
    } else {
        stmt = db_get(a->store, DB_setting_del);
    }
    db_int(stmt, 1, id);
    db_cstr(stmt, 2, DB_CATCH_ALL);
    return admin_step(a, stmt);
}

static bool set_postmaster(struct dir_admin *a, const struct dir_name *domain, int64_t id)
{
    const json_t *target = json_object_get(a->request, "postmaster");
    struct dir_name alias = *domain;
    (void)snprintf(alias.local, sizeof alias.local, "postmaster");
    if (target == NULL) {
        return true;
    }
    if (json_string_length(target) == 0) {
        return admin_alias_remove(a, &alias, id);
    }
    return admin_alias_write(a, &alias, id, target);
}

/* What the domain demands of mail to it (settings.h). */
static bool set_demand(struct dir_admin *a, enum dir_setting which, int64_t id)
{
    const char *name = dir_setting_names[which];
    const char *text = admin_text(a, name);
    char value[DIR_SETTING_TEXT_MAX];
    if (text == NULL) {
        return true;
    }
    const char *wrong = dir_setting_read(which, text, value);
    if (wrong != NULL) {
        admin_fail(a, ADMIN_USAGE, "--%s: '%.100s' %s", name, text, wrong);
        return false;
    }
    sqlite3_stmt *stmt =
        db_get(a->store, value[0] == '\0' ? DB_setting_del : DB_setting_put);
    db_int(stmt, 1, id);
    db_cstr(stmt, 2, name);
    if (value[0] != '\0') {
        db_cstr(stmt, 3, value);
    }
    return admin_step(a, stmt);
}

static bool set_all(struct dir_admin *a, const struct dir_name *name, int64_t id)
{
    bool ok = set_catch_all(a, name, id) && set_postmaster(a, name, id);
    for (unsigned i = 0; i < DIR_SETTING_COUNT && ok; i++) {
        ok = set_demand(a, (enum dir_setting)i, id);
    }
    return ok;
}

void admin_domain_add(struct dir_admin *a)
{
    struct dir_name name;
    int64_t id = 0;
    if (!subject(a, &name)) {
        return;
    }
    enum db_res res = db_domain(a->store, slice_of(name.domain), &id);
    if (res == DB_ROW) {
        admin_fail(a, ADMIN_NO, "domain %s is there already; say: postern domain show %s",
                   name.domain, name.domain);
        return;
    }
    sqlite3_stmt *stmt = db_get(a->store, DB_domain_put);
    db_cstr(stmt, 1, name.domain);
    db_int(stmt, 2, (int64_t)a->now_ms);
    if (admin_step(a, stmt) && admin_domain(a, name.domain, &id) &&
        set_all(a, &name, id)) {
        admin_did(a, "domain", name.domain, "added");
    } else if (a->status == ADMIN_NO) {
        /* Its users cannot be there yet: tell the order in which it goes. */
        size_t len = strlen(a->error);
        (void)snprintf(
            a->error + len, sizeof a->error - len,
            " (first the domain and its users, then: postern domain set %s ...)",
            name.domain);
    }
}

void admin_domain_set(struct dir_admin *a)
{
    struct dir_name name;
    int64_t id = 0;
    if (subject(a, &name) && admin_domain(a, name.domain, &id) && set_all(a, &name, id)) {
        admin_did(a, "domain", name.domain, "changed");
    }
}

void admin_domain_remove(struct dir_admin *a)
{
    struct dir_name name;
    char suffix[DIR_DOMAIN_MAX + 2];
    int64_t id = 0;
    if (!subject(a, &name) || !admin_domain(a, name.domain, &id)) {
        return;
    }
    sqlite3_stmt *stmt = db_get(a->store, DB_user_count);
    db_int(stmt, 1, id);
    int64_t n = db_step(a->store, stmt) == DB_ROW ? db_col_int(stmt, 0) : -1;
    db_end(stmt);
    if (n < 0) {
        admin_fault(a);
        return;
    }
    if (n > 0 && !admin_flag(a, "force")) {
        admin_fail(
            a, ADMIN_NO,
            "domain %s has %lld users and aliases; to remove them with it (mail on disk "
            "stays), say: postern domain remove --force %s",
            name.domain, (long long)n, name.domain);
        return;
    }
    stmt = db_get(a->store, DB_domain_del);
    db_int(stmt, 1, id);
    if (!admin_step(a, stmt)) {
        return;
    }
    stmt = db_get(a->store, DB_target_drop_domain);
    db_cstr(stmt, 1, name.domain);
    if (!admin_step(a, stmt)) {
        return;
    }
    (void)snprintf(suffix, sizeof suffix, "@%s", name.domain);
    stmt = db_get(a->store, DB_setting_drop_domain);
    db_cstr(stmt, 1, DB_CATCH_ALL);
    db_cstr(stmt, 2, suffix);
    if (admin_step(a, stmt) && admin_drop_orphans(a)) {
        admin_did(a, "domain", name.domain, "removed");
    }
}

/* Its settings stand beside the other members: "catch-all". */
static void add_settings(struct dir_admin *a, json_t *line, int64_t id)
{
    char name[64];
    sqlite3_stmt *stmt = db_get(a->store, DB_setting_all);
    db_int(stmt, 1, id);
    enum db_res res;
    while ((res = db_step(a->store, stmt)) == DB_ROW) {
        if (db_col_cstr(stmt, 0, name, sizeof name)) {
            (void)json_object_set_new(line, name, admin_string(sql_column(stmt, 1)));
        }
    }
    db_end(stmt);
    if (res == DB_FAULT) {
        admin_fault(a);
    }
}

/* Entries from the cursor on; how many. */
static unsigned entries(struct dir_admin *a, unsigned most)
{
    unsigned n = 0;
    sqlite3_stmt *stmt = db_get(a->store, DB_domain_page);
    db_cstr(stmt, 1, a->cursor.domain);
    db_int(stmt, 2, most);
    enum db_res res;
    while ((res = db_step(a->store, stmt)) == DB_ROW) {
        json_t *line = json_pack(
            "{s:o,s:I,s:I,s:o}", "domain", admin_string(sql_column(stmt, 0)), "users",
            (json_int_t)db_col_int(stmt, 3), "aliases", (json_int_t)db_col_int(stmt, 4),
            "created", admin_time(db_col_int(stmt, 2)));
        (void)db_col_cstr(stmt, 0, a->cursor.domain, sizeof a->cursor.domain);
        add_settings(a, line, db_col_int(stmt, 1));
        admin_line(a, line);
        n++;
    }
    if (res == DB_FAULT) {
        admin_fault(a);
    }
    return n;
}

static bool page(struct dir_admin *a)
{
    if (!admin_next_domain(a)) {
        return false;
    }
    return entries(a, ADMIN_PAGE) > 0;
}

void admin_domain_list(struct dir_admin *a)
{
    a->page = page;
}

void admin_domain_show(struct dir_admin *a)
{
    int64_t id = 0;
    if (subject(a, &a->cursor) && admin_domain(a, a->cursor.domain, &id)) {
        (void)entries(a, 1);
    }
}
