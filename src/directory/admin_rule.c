/* directory/admin_rule.c - postern rule ...: administrators' rules (rule/rule.h) of a domain. */
#include "directory/admin_parts.h"
#include "rule/rule.h"

#include <stdio.h>
#include <string.h>

static const char *const directions[] = {"in", "out"};

/* Which rule: its domain, direction and, where it is asked for, name. */
struct which {
    int64_t domain_id;
    struct dir_name domain;
    const char *direction, *name;
};

static bool read_direction(struct dir_admin *a, struct which *w)
{
    w->direction = admin_text(a, "direction");
    if (w->direction == NULL ||
        (strcmp(w->direction, "in") != 0 && strcmp(w->direction, "out") != 0)) {
        admin_fail(a, ADMIN_USAGE,
                   "say: --direction in (mail to the domain) or --direction out (mail "
                   "of its senders)");
        return false;
    }
    return true;
}

static bool read_which(struct dir_admin *a, struct which *w)
{
    const char *domain = admin_text(a, "domain");
    *w = (struct which){.name = admin_text(a, "name")};
    const char *wrong = domain == NULL ? "is missing; say: --domain example.test"
                                       : dir_name_domain(domain, &w->domain);
    if (wrong != NULL) {
        admin_fail(a, ADMIN_USAGE, "'%.100s' %s", domain == NULL ? "" : domain, wrong);
        return false;
    }
    if (!read_direction(a, w)) {
        return false;
    }
    if (!rule_name_ok(slice_of(w->name))) {
        admin_fail(a, ADMIN_USAGE,
                   "say: --name NAME, of up to %d letters, digits, -, _ and .",
                   RULE_NAME_MAX);
        return false;
    }
    return admin_domain(a, w->domain.domain, &w->domain_id);
}

static sqlite3_stmt *statement(struct dir_admin *a, enum db_statement which,
                               const struct which *w)
{
    sqlite3_stmt *stmt = db_get(a->store, which);
    db_int(stmt, 1, w->domain_id);
    db_cstr(stmt, 2, w->direction);
    if (which != DB_rule_sum) {
        db_cstr(stmt, 3, w->name);
    }
    return stmt;
}

/* Its position; 0: there is none of that name. False: fault. */
static bool position(struct dir_admin *a, const struct which *w, int64_t *out)
{
    sqlite3_stmt *stmt = statement(a, DB_rule_get, w);
    enum db_res res = db_step(a->store, stmt);
    *out = res == DB_ROW ? db_col_int(stmt, 0) : 0;
    db_end(stmt);
    if (res == DB_FAULT) {
        admin_fault(a);
    }
    return a->status == 0;
}

static bool known(struct dir_admin *a, const struct which *w, int64_t *at)
{
    if (position(a, w, at) && *at == 0) {
        admin_fail(a, ADMIN_NO,
                   "%s has no rule '%s' for mail %s; say: postern rule list %s",
                   w->domain.domain, w->name, w->direction, w->domain.domain);
    }
    return a->status == 0;
}

/* How many there are, and the octets that they come to as smtpd is told them. */
static bool sum(struct dir_admin *a, const struct which *w, int64_t *n, int64_t *octets)
{
    sqlite3_stmt *stmt = statement(a, DB_rule_sum, w);
    enum db_res res = db_step(a->store, stmt);
    *n = res == DB_ROW ? db_col_int(stmt, 0) : 0;
    *octets = res == DB_ROW ? db_col_int(stmt, 1) : 0;
    db_end(stmt);
    if (res != DB_ROW) {
        admin_fault(a);
    }
    return a->status == 0;
}

/* Says where in the text it is wrong. */
static void broken(struct dir_admin *a, const char *which, struct slice text,
                   const struct rule_error *e)
{
    struct slice rest = slice_sub(slice_from(text, e->at), 0, 30);
    if (rest.len == 0) {
        admin_fail(a, ADMIN_USAGE, "%s: after sign %zu, at their end: %s", which, e->at,
                   e->what);
    } else {
        admin_fail(a, ADMIN_USAGE, "%s: after sign %zu, '%.*s': %s", which, e->at,
                   (int)rest.len, (const char *)rest.ptr, e->what);
    }
}

/* The words behind the conditions, as one action: a text of its own needs no quotes. */
static bool action_text(struct dir_admin *a, struct buf *out)
{
    const json_t *words = json_object_get(a->request, "targets");
    size_t n = json_array_size(words);
    const char *act = json_string_value(json_array_get(words, 0));
    const char *text = json_string_value(json_array_get(words, 1));
    if (n < 1 || n > 2 || act == NULL || (n == 2 && text == NULL)) {
        admin_fail(a, ADMIN_USAGE,
                   "say: 'CONDITIONS' ACTION [TEXT], for example: 'attachment ends .exe' "
                   "reject 'No programs, please'");
        return false;
    }
    (void)buf_add_str(out, act);
    if (n == 2) {
        (void)buf_add_byte(out, ' ');
        (void)rule_quote(slice_of(text), out);
    }
    return true;
}

/* Where an action sends mail to must be there, or be another server's. */
static bool address_known(struct dir_admin *a, const struct rule_action *act)
{
    char text[DIR_ADDRESS_MAX + 1];
    struct dir_name name;
    struct dir_answer answer = {0};
    if (act->act != RULE_REDIRECT && act->act != RULE_COPY) {
        return true;
    }
    const char *wrong = slice_cstr(act->text, text, sizeof text)
                            ? dir_name_address(text, NULL, &name)
                            : "is too long";
    if (wrong != NULL) {
        admin_fail(a, ADMIN_USAGE, "'%.100s' %s", text, wrong);
        return false;
    }
    dir_store_lookup(a->store, slice_of(name.local), slice_of(name.domain), a->now_ms,
                     &answer);
    if (answer.status == DIR_NO_MAILBOX || answer.status == DIR_DISABLED) {
        admin_fail(a, ADMIN_NO, "%s@%s is nobody who gets mail here", name.local,
                   name.domain);
    } else if (answer.status == DIR_FAULT) {
        admin_fault(a);
    }
    return a->status == 0;
}

/* Both as they are kept. */
static bool read_rule(struct dir_admin *a, struct buf *conditions, struct buf *action)
{
    struct slice text = slice_of(admin_text(a, "subject"));
    struct rule_condition *c = NULL;
    struct rule_action act = {0};
    struct rule_error error;
    struct arena arena;
    struct buf words;
    buf_init(&words, RULE_TEXT_MAX);
    arena_init(&arena, RULE_SET_MEMORY_MAX);
    if (!action_text(a, &words)) {
        /* said */
    } else if (!rule_parse_conditions(text, &arena, &c, &error)) {
        broken(a, "conditions", text, &error);
    } else if (words.failed ||
               !rule_parse_action(buf_slice(&words), &arena, &act, &error)) {
        broken(a, "action", buf_slice(&words), &error);
    } else if (!address_known(a, &act)) {
        /* said */
    } else if (!rule_print_conditions(c, conditions) ||
               !rule_print_action(&act, action)) {
        admin_fail(a, ADMIN_USAGE, "the conditions are longer than %d octets",
                   RULE_TEXT_MAX);
    }
    arena_clear(&arena);
    buf_clear(&words);
    return a->status == 0;
}

/* To the place that --position says: those from there on make room. from 0: it is not there yet. */
static bool put_at(struct dir_admin *a, const struct which *w, int64_t from, int64_t last)
{
    const char *text = admin_text(a, "position");
    uint64_t to = 0;
    if (text == NULL) {
        return true;
    }
    if (!slice_u64(slice_of(text), &to) || to == 0 || to > (uint64_t)last) {
        admin_fail(a, ADMIN_USAGE, "'%.60s' is no position from 1 to %lld", text,
                   (long long)last);
        return false;
    }
    sqlite3_stmt *stmt = statement(a, DB_rule_shift, w);
    bool up = (int64_t)to < from;
    db_int(stmt, 4, up ? (int64_t)to : from);
    db_int(stmt, 5, up ? from : (int64_t)to);
    db_int(stmt, 6, up ? 1 : -1);
    if (!admin_step(a, stmt)) {
        return false;
    }
    stmt = statement(a, DB_rule_place, w);
    db_int(stmt, 4, (int64_t)to);
    return admin_step(a, stmt);
}

/* As smtpd will read them: one that does not fit beside the others would take all of them away. */
static bool all_fit(struct dir_admin *a, const struct which *w)
{
    struct buf all;
    buf_init(&all, RULE_SET_MAX);
    bool told = dir_store_rules(a->store, slice_of(w->domain.domain),
                                strcmp(w->direction, "out") == 0, &all);
    struct rule_set *set = told && !all.failed ? rule_set_new(buf_slice(&all)) : NULL;
    if (!told) {
        admin_fault(a);
    } else if (set == NULL) {
        admin_fail(a, ADMIN_NO,
                   "with it the expressions of %s would be more than fit; those of this "
                   "kind repeat long parts: write them with smaller numbers in {}",
                   w->domain.domain);
    }
    rule_set_free(&set);
    buf_clear(&all);
    return a->status == 0;
}

static void add(struct dir_admin *a, const struct which *w, struct slice conditions,
                struct slice action)
{
    int64_t at = 0, n = 0, octets = 0;
    if (!position(a, w, &at) || !sum(a, w, &n, &octets)) {
        return;
    }
    octets += (int64_t)(6 + strlen(w->name) + conditions.len + action.len);
    if (at != 0) {
        admin_fail(a, ADMIN_NO, "%s has a rule '%s' for mail %s already",
                   w->domain.domain, w->name, w->direction);
    } else if (octets > RULE_SET_MAX) {
        admin_fail(a, ADMIN_NO,
                   "%s has rules of %d octets already, as many as there may be",
                   w->domain.domain, RULE_SET_MAX);
    }
    if (a->status != 0) {
        return;
    }
    sqlite3_stmt *stmt = statement(a, DB_rule_put, w);
    db_int(stmt, 4, n + 1);
    sql_bind(stmt, 5, conditions);
    sql_bind(stmt, 6, action);
    db_int(stmt, 7, (int64_t)a->now_ms);
    if (admin_step(a, stmt) && put_at(a, w, n + 1, n + 1) && all_fit(a, w)) {
        admin_did(a, "rule", w->name, "added");
    }
}

void admin_rule_add(struct dir_admin *a)
{
    struct which w;
    struct buf conditions, action;
    buf_init(&conditions, RULE_TEXT_MAX);
    buf_init(&action, RULE_TEXT_MAX);
    if (read_which(a, &w) && read_rule(a, &conditions, &action)) {
        add(a, &w, buf_slice(&conditions), buf_slice(&action));
    }
    buf_clear(&conditions);
    buf_clear(&action);
}

void admin_rule_move(struct dir_admin *a)
{
    struct which w;
    int64_t at = 0, n = 0, octets = 0;
    if (!read_which(a, &w) || !known(a, &w, &at) || !sum(a, &w, &n, &octets)) {
        return;
    }
    if (admin_text(a, "position") == NULL) {
        admin_fail(a, ADMIN_USAGE, "where to? Say: --position N; 1 is asked first");
    } else if (put_at(a, &w, at, n)) {
        admin_did(a, "rule", w.name, "moved");
    }
}

void admin_rule_remove(struct dir_admin *a)
{
    struct which w;
    int64_t at = 0;
    if (!read_which(a, &w) || !known(a, &w, &at) ||
        !admin_step(a, statement(a, DB_rule_del, &w))) {
        return;
    }
    sqlite3_stmt *stmt = statement(a, DB_rule_shift, &w);
    db_int(stmt, 4, at);
    db_int(stmt, 5, INT64_MAX);
    db_int(stmt, 6, -1);
    if (admin_step(a, stmt)) {
        admin_did(a, "rule", w.name, "removed");
    }
}

/* --- what there is --- */

static void entries(struct dir_admin *a, const char *direction, const char *name)
{
    enum db_res res = DB_DONE;
    sqlite3_stmt *stmt = db_get(a->store, DB_rule_all);
    db_int(stmt, 1, a->cursor_domain);
    db_cstr(stmt, 2, direction);
    while ((res = db_step(a->store, stmt)) == DB_ROW) {
        if (name != NULL && !slice_eq(sql_column(stmt, 0), slice_of(name))) {
            continue;
        }
        admin_line(a, json_pack("{s:s,s:s,s:I,s:o,s:o,s:o,s:o}", "domain",
                                a->cursor.domain, "direction", direction, "position",
                                (json_int_t)db_col_int(stmt, 3), "name",
                                admin_string(sql_column(stmt, 0)), "conditions",
                                admin_string(sql_column(stmt, 1)), "action",
                                admin_string(sql_column(stmt, 2)), "created",
                                admin_time(db_col_int(stmt, 4))));
    }
    if (res == DB_FAULT) {
        admin_fault(a);
    }
}

/* A domain a page: its rules are bounded. */
static bool page(struct dir_admin *a)
{
    const char *only = admin_text(a, "direction");
    while (a->cursor_domain != 0 || admin_next_domain(a)) {
        for (unsigned i = 0; i < 2; i++) {
            if (only == NULL || strcmp(only, directions[i]) == 0) {
                entries(a, directions[i], NULL);
            }
        }
        a->cursor_domain = 0;
        if (a->status != 0 || json_array_size(a->lines) > 0 || a->one_domain) {
            break;
        }
    }
    return a->status == 0 && json_array_size(a->lines) > 0;
}

void admin_rule_list(struct dir_admin *a)
{
    struct which w = {0};
    if ((admin_text(a, "direction") == NULL || read_direction(a, &w)) &&
        admin_list_begin(a)) {
        a->page = page;
    }
}

void admin_rule_show(struct dir_admin *a)
{
    struct which w;
    int64_t at = 0;
    if (read_which(a, &w) && known(a, &w, &at)) {
        a->cursor = w.domain;
        a->cursor_domain = w.domain_id;
        entries(a, w.direction, w.name);
    }
}

bool dir_store_rules(struct dir_store *s, struct slice domain, bool out_going,
                     struct buf *out)
{
    int64_t id = 0;
    db_fresh(s);
    enum db_res res = db_domain(s, domain, &id);
    if (res != DB_ROW) {
        return res == DB_DONE;
    }
    sqlite3_stmt *stmt = db_get(s, DB_rule_all);
    db_int(stmt, 1, id);
    db_cstr(stmt, 2, directions[out_going]);
    while ((res = db_step(s, stmt)) == DB_ROW) {
        rule_encode(out, sql_column(stmt, 0), sql_column(stmt, 1), sql_column(stmt, 2));
    }
    return res == DB_DONE && !out->failed;
}
