/* directory/admin_parts.h - inside src/directory only: one request being carried out. */
#ifndef DIRECTORY_ADMIN_PARTS_H
#define DIRECTORY_ADMIN_PARTS_H
#include "directory/admin.h"
#include "directory/db.h"

enum { ADMIN_NO = 1, ADMIN_USAGE = 2, ADMIN_SYSTEM = 4, ADMIN_PAGE = 64 };

struct dir_admin {
    struct dir_store *store;
    json_t *request;
    uint64_t now_ms;
    int status;
    char error[DIR_ERROR_MAX];
    bool changed;
    json_t *lines; /* array: the page that is being handed out */
    size_t at;
    /* Adds the next page to lines; false: there is none. NULL: no list. */
    bool (*page)(struct dir_admin *a);
    struct dir_name cursor; /* the last entry of the list so far */
    int64_t cursor_domain;
    bool one_domain; /* the list is of the cursor's domain only */
};

/* The first failure stays. */
void admin_fail(struct dir_admin *a, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void admin_fault(struct dir_admin *a); /* the database's */
void admin_line(struct dir_admin *a, json_t *line);
void admin_did(struct dir_admin *a, const char *object, const char *subject,
               const char *did);

/* A member of the request; NULL: not there. */
const char *admin_text(const struct dir_admin *a, const char *member);
bool admin_flag(const struct dir_admin *a, const char *member);

/* A JSON string whatever the octets. */
json_t *admin_string(struct slice s);
json_t *admin_time(int64_t ms); /* "2026-01-31T12:00:00Z"; null for 0 */

/* Each: false after admin_fail(). */
MUST_USE bool admin_step(struct dir_admin *a, sqlite3_stmt *stmt); /* a change */
MUST_USE bool admin_domain(struct dir_admin *a, const char *name, int64_t *id);
MUST_USE bool admin_address(struct dir_admin *a, const char *text, const char *domain,
                            struct dir_name *out);
/* Is there a user or an alias that takes mail for it (sub-address allowed)? */
MUST_USE bool admin_takes_mail(struct dir_admin *a, const struct dir_name *name);
/* Nothing may point at what is removed; with force, what points there is taken out. */
MUST_USE bool admin_unpoint(struct dir_admin *a, const struct dir_name *name);
MUST_USE bool admin_drop_orphans(struct dir_admin *a);
/* The subject as an address, its domain and its id. */
MUST_USE bool admin_subject(struct dir_admin *a, struct dir_name *name,
                            int64_t *domain_id);
/* Lists over all domains, or of the one that "domain" (or the subject) names. */
MUST_USE bool admin_list_begin(struct dir_admin *a);
MUST_USE bool admin_next_domain(struct dir_admin *a); /* false: no further one */
/* Runs the statement (bound from the cursor) to its end, row() for each. False: there was none. */
MUST_USE bool admin_rows(struct dir_admin *a, sqlite3_stmt *stmt,
                         void (*row)(struct dir_admin *a, sqlite3_stmt *stmt));
/* A page of what belongs to domains: the statement's parameters are domain, local part of the
 * last entry, count; row() puts its column 0, the local part, into the cursor. */
MUST_USE bool admin_page(struct dir_admin *a, enum db_statement which,
                         void (*row)(struct dir_admin *a, sqlite3_stmt *stmt));

/* targets: text (one) or array. Makes the alias, or replaces its targets. */
MUST_USE bool admin_alias_write(struct dir_admin *a, const struct dir_name *alias,
                                int64_t domain_id, const json_t *targets);
MUST_USE bool admin_alias_remove(struct dir_admin *a, const struct dir_name *alias,
                                 int64_t domain_id);

/* Of admin_login.c: the part of `user set` and `user show` that is about logging in. */
MUST_USE bool admin_login_set(struct dir_admin *a, int64_t user_id);
void admin_login_show(struct dir_admin *a, int64_t user_id, json_t *line);
/* "yes" or "no" of that member into *out (1, 0; -1: absent). */
MUST_USE bool admin_yes_no(struct dir_admin *a, const char *member, int *out);

/* Adds to a line "NAME": the limit, "NAME-used", "NAME-frees": when the first of that counts no
 * more. False: fault. The store's arena is used. */
MUST_USE bool admin_limit_show(struct dir_admin *a, json_t *line, const char *name,
                               enum dir_limit_of which, struct slice who, uint64_t limit,
                               uint32_t span_s);
/* A number from 1 on of that member, "none" (0) or, where there is such a thing, "default" (-1) into
 * *out; *given: it is there. */
MUST_USE bool admin_count(struct dir_admin *a, const char *member, const char *of_what,
                          bool has_default, int64_t *out, bool *given);

void admin_domain_add(struct dir_admin *a);
void admin_domain_set(struct dir_admin *a);
void admin_domain_list(struct dir_admin *a);
void admin_domain_show(struct dir_admin *a);
void admin_domain_remove(struct dir_admin *a);
void admin_user_add(struct dir_admin *a);
void admin_user_set(struct dir_admin *a);
void admin_user_list(struct dir_admin *a);
void admin_user_show(struct dir_admin *a);
void admin_user_remove(struct dir_admin *a);
void admin_trap_add(struct dir_admin *a);
void admin_trap_list(struct dir_admin *a);
void admin_trap_remove(struct dir_admin *a);
/* False, and said: it is one, or nobody knows. */
MUST_USE bool admin_no_trap(struct dir_admin *a, const struct dir_name *name,
                            int64_t domain_id);
void admin_alias_add(struct dir_admin *a);
void admin_alias_set(struct dir_admin *a);
void admin_alias_list(struct dir_admin *a);
void admin_alias_show(struct dir_admin *a);
void admin_alias_drop(struct dir_admin *a);
void admin_relay_add(struct dir_admin *a);
void admin_relay_set(struct dir_admin *a);
void admin_relay_list(struct dir_admin *a);
void admin_relay_show(struct dir_admin *a);
void admin_relay_remove(struct dir_admin *a);
void admin_relay_suspend(struct dir_admin *a);
void admin_relay_resume(struct dir_admin *a);
void admin_push_add(struct dir_admin *a);
void admin_push_set(struct dir_admin *a);
void admin_push_list(struct dir_admin *a);
void admin_push_show(struct dir_admin *a);
void admin_push_remove(struct dir_admin *a);
void admin_rule_add(struct dir_admin *a);
void admin_rule_list(struct dir_admin *a);
void admin_rule_show(struct dir_admin *a);
void admin_rule_remove(struct dir_admin *a);
void admin_rule_move(struct dir_admin *a);
#endif
