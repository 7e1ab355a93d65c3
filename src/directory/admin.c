/* directory/admin.c - requests: which command, which options; what the commands share. */
#include "base/nearest.h"
#include "directory/admin_parts.h"
#include "directory/spend.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *const dir_objects[DIR_OBJECT_COUNT] = {"domain", "user", "alias", "relay",
                                                   "push",   "rule", "trap"};
const char *const dir_actions[DIR_ACTION_COUNT] = {"add",    "set",     "list",   "show",
                                                   "remove", "suspend", "resume", "move"};

#define DOMAIN(action) DIR_AT(DIR_OBJECT_DOMAIN, action)
#define USER(action)   DIR_AT(DIR_OBJECT_USER, action)
#define ALIAS(action)  DIR_AT(DIR_OBJECT_ALIAS, action)
#define RELAY(action)  DIR_AT(DIR_OBJECT_RELAY, action)
#define PUSH(action)   DIR_AT(DIR_OBJECT_PUSH, action)
#define RULE(action)   DIR_AT(DIR_OBJECT_RULE, action)
#define RULES          (RULE(DIR_ADD) | RULE(DIR_SHOW) | RULE(DIR_REMOVE) | RULE(DIR_MOVE))
#define DOMAINS        (DOMAIN(DIR_ADD) | DOMAIN(DIR_SET))
#define USERS          (USER(DIR_ADD) | USER(DIR_SET))
#define RELAYS         (RELAY(DIR_ADD) | RELAY(DIR_SET))
#define PUSHES         (PUSH(DIR_ADD) | PUSH(DIR_SET))

/* clang-format off */
const struct dir_admin_option dir_admin_options[] = {
    {"catch-all", "ADDRESS", DOMAINS,
     "user or alias that gets mail for names nobody has; empty: none"},
    {"allow-networks", "NETWORKS", DOMAINS | DIR_MANY,
     "only clients from these may send to it (mx); none: all may"},
    {"require-tls", "WHOM", DOMAINS | DIR_MANY,
     "all, or senders' domains: whose mail must come over TLS (mx); none"},
    {"one-domain-per-transaction", "yes|no", DOMAINS,
     "no recipients of other domains beside its own (mx)"},
    {"policy-size", "N", DOMAINS,
     "most domains with such settings in a transaction to it (mx); none: limits.policies"},
    {"message-size", "SIZE", DOMAINS,
     "largest message to it (mx), below limits.message-size; none"},
    {"postmaster", "ADDRESS", DOMAINS,
     "who gets the mail for postmaster (else the first user); empty: forget it"},
    {"state", "STATE", USER(DIR_ADD) | USER(DIR_SET),
     "active; disabled: mail is refused; locked: mail is kept, but no login"},
    {"quota", "SIZE", USER(DIR_ADD) | USER(DIR_SET), "room for mail: 500 MiB, 2 GiB, none"},
    {"name", "TEXT", USER(DIR_ADD) | USER(DIR_SET), "the person's name"},
    {"last-use", "TIME", USER(DIR_ADD) | USER(DIR_SET),
     "when the mailbox was used: now, 2026-01-31, 2026-01-31T12:00:00Z, \"120 d ago\""},
    {"password-hash", "HASH", USER(DIR_ADD) | USER(DIR_SET) | PUSHES,
     "a yescrypt hash ($y$...)"},
    {"network", "NETWORK", RELAYS | DIR_MANY,
     "of the customer's machines: 192.0.2.0/24; several replace those there were"},
    {"domain", "DOMAIN", RELAYS | DIR_MANY,
     "of the customer's senders, with the names below it; several replace"},
    {"by-domain", "yes|no", RELAYS,
     "yes: naming such a domain in HELO or MAIL is enough, which anybody can; no (as it begins): only address or login"},
    {"day-limit", "N", RELAYS, "most recipients of the customer's mail in any 24 hours; none"},
    {"user-day-limit", "N", RELAYS,
     "the same of each sender in its domains; none"},
    {"peak-limit", "N/TIME", RELAYS,
     "most recipients of the customer's mail in any span of that length: \"5000/10 min\"; none"},
    {"daily-messages", "N", USERS,
     "most messages sent (submission) in any 24 hours; none; default: limits.user-daily-messages"},
    {"daily-recipients", "N", USERS,
     "most recipients of them; none; default: limits.user-daily-recipients"},
    {"recipients", "N", USERS,
     "most recipients of one message sent; none; default: limits.user-recipients"},
    {"state", "STATE", PUSHES, "active; restricted: may not send at present"},
    {"recipients", "N", PUSHES, "most recipients of one message (300)"},
    {"data", "SIZE", PUSHES, "largest message; none: limits.message-size"},
    {"quota-monthly", "N", PUSHES, "most recipients a month (UTC); none"},
    {"quota-daily", "N", PUSHES, "most recipients a day (UTC); none"},
    {"prepaid", "N", PUSHES, "recipients paid for, counted from now on; none: not prepaid"},
    {"scram-keys", "KEYS", USER(DIR_ADD) | USER(DIR_SET),
     "what SCRAM-SHA-256 needs of that password: iterations:salt:stored:server"},
    {"second-factor", "yes|no", USER(DIR_ADD) | USER(DIR_SET),
     "yes: logs in with application passwords only"},
    {"known-networks", "yes|no", USER(DIR_ADD) | USER(DIR_SET),
     "yes: logs in only from networks seen before, or allowed"},
    {"allow-network", "NETWORK", USER(DIR_SET), "as if it had logged in from there"},
    {"app-password", "NAME", USER(DIR_SET), "with --generate: a new one, named so"},
    {"app-password-revoke", "NAME", USER(DIR_SET), "it logs in no more"},
    {"grant", "ADDRESS", USER(DIR_SET), "may also send as it; @example.test: as anybody there"},
    {"ungrant", "ADDRESS", USER(DIR_SET), "may no more"},
    {"group", "NAME", USER(DIR_SET), "joins that group, which rules can ask for"},
    {"ungroup", "NAME", USER(DIR_SET), "leaves it"},
    {"salt", NULL, USER(DIR_SHOW), "also the salt of its SCRAM keys"},
    {"domain", "DOMAIN", RULES, "whose rule it is"},
    {"direction", "in|out", RULES | RULE(DIR_LIST), "for mail to the domain, or of its senders"},
    {"name", "NAME", RULES, "of the rule; replies that it makes carry it"},
    {"position", "N", RULE(DIR_ADD) | RULE(DIR_MOVE), "1 is asked first; a new one is the last"},
    {"domain", "DOMAIN", USER(DIR_LIST) | ALIAS(DIR_LIST), "only of this domain"},
    {"force", NULL, DOMAIN(DIR_REMOVE) | USER(DIR_REMOVE) | ALIAS(DIR_REMOVE),
     "also what is in it, or leads to it"},
};
/* clang-format on */
const size_t dir_admin_option_n = sizeof dir_admin_options / sizeof dir_admin_options[0];

static const struct {
    void (*run)(struct dir_admin *a);
    bool changes;
} commands[DIR_OBJECT_COUNT][DIR_ACTION_COUNT] = {
    [DIR_OBJECT_DOMAIN] = {{admin_domain_add, true},
                           {admin_domain_set, true},
                           {admin_domain_list, false},
                           {admin_domain_show, false},
                           {admin_domain_remove, true}},
    [DIR_OBJECT_USER] = {{admin_user_add, true},
                         {admin_user_set, true},
                         {admin_user_list, false},
                         {admin_user_show, false},
                         {admin_user_remove, true}},
    [DIR_OBJECT_ALIAS] = {{admin_alias_add, true},
                          {admin_alias_set, true},
                          {admin_alias_list, false},
                          {admin_alias_show, false},
                          {admin_alias_drop, true}},
    [DIR_OBJECT_RELAY] = {{admin_relay_add, true},
                          {admin_relay_set, true},
                          {admin_relay_list, false},
                          {admin_relay_show, false},
                          {admin_relay_remove, true},
                          {admin_relay_suspend, true},
                          {admin_relay_resume, true}},
    [DIR_OBJECT_PUSH] = {{admin_push_add, true},
                         {admin_push_set, true},
                         {admin_push_list, false},
                         {admin_push_show, false},
                         {admin_push_remove, true}},
    [DIR_OBJECT_RULE] = {[DIR_ADD] = {admin_rule_add, true},
                         [DIR_LIST] = {admin_rule_list, false},
                         [DIR_SHOW] = {admin_rule_show, false},
                         [DIR_REMOVE] = {admin_rule_remove, true},
                         [DIR_MOVE] = {admin_rule_move, true}},
    [DIR_OBJECT_TRAP] = {[DIR_ADD] = {admin_trap_add, true},
                         [DIR_LIST] = {admin_trap_list, false},
                         [DIR_REMOVE] = {admin_trap_remove, true}},
};

bool dir_admin_knows(enum dir_object object, enum dir_action action)
{
    return commands[object][action].run != NULL;
}

void admin_fail(struct dir_admin *a, int status, const char *fmt, ...)
{
    if (a->status != 0) {
        return;
    }
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(a->error, sizeof a->error, fmt, args);
    va_end(args);
    a->status = status;
}

void admin_fault(struct dir_admin *a)
{
    admin_fail(a, ADMIN_SYSTEM, "%s",
               dir_store_state(a->store) == DIR_STORE_OK ? "the database did not answer"
                                                         : dir_store_fault(a->store));
}

void admin_line(struct dir_admin *a, json_t *line)
{
    if (line == NULL || json_array_append_new(a->lines, line) != 0) {
        admin_fail(a, ADMIN_SYSTEM, "out of memory");
    }
}

void admin_did(struct dir_admin *a, const char *object, const char *subject,
               const char *did)
{
    if (a->status == 0) {
        admin_line(a, json_pack("{s:s,s:s,s:s}", "object", object, "subject", subject,
                                "did", did));
    }
}

const char *admin_text(const struct dir_admin *a, const char *member)
{
    return json_string_value(json_object_get(a->request, member));
}

bool admin_flag(const struct dir_admin *a, const char *member)
{
    return json_is_true(json_object_get(a->request, member));
}

json_t *admin_string(struct slice s)
{
    json_t *text = json_stringn((const char *)s.ptr, s.len);
    if (text == NULL) { /* not UTF-8: only a hand could put that into the database */
        struct buf b;
        buf_init(&b, 4096);
        (void)buf_add_escaped(&b, s);
        text = json_stringn((const char *)b.ptr, b.len);
        buf_clear(&b);
    }
    return text;
}

json_t *admin_time(int64_t ms)
{
    char text[32];
    struct tm tm;
    time_t t = (time_t)(ms / 1000);
    if (ms <= 0 || gmtime_r(&t, &tm) == NULL ||
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
        return json_null();
    }
    return json_string(text);
}

bool admin_limit_show(struct dir_admin *a, json_t *line, const char *name,
                      enum dir_limit_of which, struct slice who, uint64_t limit,
                      uint32_t span_s)
{
    char member[64];
    struct spend sp = {0};
    struct dir_limit l[DIR_LIMIT_COUNT] = {0};
    int64_t frees_ms = 0;
    if (!spend_add(a->store, &sp, which, who, SLICE(""), limit, span_s) ||
        !spend_look(a->store, &sp, 0, a->now_ms, l) ||
        (sp.n > 0 && !spend_frees(a->store, &sp.key[0], a->now_ms, &frees_ms))) {
        return false;
    }
    (void)json_object_set_new(line, name, json_integer((json_int_t)limit));
    if (limit != 0) {
        (void)snprintf(member, sizeof member, "%s-used", name);
        (void)json_object_set_new(line, member, json_integer((json_int_t)l[which].used));
        (void)snprintf(member, sizeof member, "%s-frees", name);
        (void)json_object_set_new(line, member, admin_time(frees_ms));
    }
    return true;
}

bool admin_count(struct dir_admin *a, const char *member, const char *of_what,
                 bool has_default, int64_t *out, bool *given)
{
    const char *text = admin_text(a, member);
    uint64_t n = 0;
    *given = text != NULL;
    *out = 0;
    if (text == NULL || strcmp(text, "none") == 0) {
        return true;
    }
    if (has_default && strcmp(text, "default") == 0) {
        *out = -1;
        return true;
    }
    if (!slice_u64(slice_of(text), &n) || n == 0 || n > UINT32_MAX) {
        admin_fail(
            a, ADMIN_USAGE,
            "'%.60s' is no number of %s; say for example: --%s 1000, --%s none%s%s%s",
            text, of_what, member, member, has_default ? ", --" : "",
            has_default ? member : "", has_default ? " default" : "");
        return false;
    }
    *out = (int64_t)n;
    return true;
}

bool admin_step(struct dir_admin *a, sqlite3_stmt *stmt)
{
    enum db_res res = db_step(a->store, stmt);
    db_end(stmt);
    if (res == DB_CONFLICT) {
        admin_fail(a, ADMIN_SYSTEM, "the database refuses it: is it of another version?");
    } else if (res == DB_FAULT) {
        admin_fault(a);
    }
    return a->status == 0;
}

enum { NEAR_DOMAINS_MAX = 10000 };

/* The domain here that a mistyped one was to be; false: none is near. */
static bool near_domain(struct dir_admin *a, const char *name,
                        char out[DIR_DOMAIN_MAX + 1])
{
    struct nearest near = nearest_to(slice_of(name));
    char each[DIR_DOMAIN_MAX + 1] = "";
    for (unsigned i = 0; i < NEAR_DOMAINS_MAX; i++) {
        sqlite3_stmt *stmt = db_get(a->store, DB_domain_next);
        db_cstr(stmt, 1, each);
        bool any =
            db_step(a->store, stmt) == DB_ROW && db_col_cstr(stmt, 0, each, sizeof each);
        db_end(stmt);
        if (!any) {
            break;
        }
        unsigned before = near.distance;
        nearest_offer(&near, each);
        if (near.distance < before) {
            (void)snprintf(out, DIR_DOMAIN_MAX + 1, "%s", each);
        }
    }
    return near.word != NULL;
}

bool admin_domain(struct dir_admin *a, const char *name, int64_t *id)
{
    char near[DIR_DOMAIN_MAX + 1];
    enum db_res res = db_domain(a->store, slice_of(name), id);
    if (res == DB_DONE && near_domain(a, name, near)) {
        admin_fail(
            a, ADMIN_NO,
            "there is no domain %s; did you mean %s? If it is a new one, say: postern "
            "domain add %s",
            name, near, name);
    } else if (res == DB_DONE) {
        admin_fail(a, ADMIN_NO, "there is no domain %s; say: postern domain add %s", name,
                   name);
    } else if (res != DB_ROW) {
        admin_fault(a);
    }
    return a->status == 0;
}

bool admin_address(struct dir_admin *a, const char *text, const char *domain,
                   struct dir_name *out)
{
    const char *wrong = dir_name_address(text, domain, out);
    if (wrong != NULL) {
        admin_fail(a, ADMIN_USAGE, "'%.100s' %s", text, wrong);
    }
    return wrong == NULL;
}

/* User or alias of exactly this name. */
static enum db_res exists(struct dir_admin *a, int64_t domain_id, struct slice local)
{
    struct db_user user;
    int64_t id = 0;
    enum db_res res = db_user(a->store, domain_id, local, &user);
    return res == DB_DONE ? db_alias(a->store, domain_id, local, &id) : res;
}

bool admin_takes_mail(struct dir_admin *a, const struct dir_name *name)
{
    char text[DIR_NAME_TEXT_MAX];
    const char *sign = a->store->config.sub_address;
    struct slice local = slice_of(name->local);
    int64_t domain_id = 0;
    enum db_res res = db_domain(a->store, slice_of(name->domain), &domain_id);
    (void)dir_name_text(name, text);
    if (res == DB_DONE) {
        admin_fail(a, ADMIN_NO,
                   "%s is in no domain of this server, where aliases end; to send mail "
                   "on to other "
                   "servers, say: postern rule add --domain DOMAIN --direction in --name "
                   "forward "
                   "'recipient is ADDRESS' redirect %s",
                   text, text);
        return false;
    }
    if (res == DB_ROW) {
        res = exists(a, domain_id, local);
    }
    if (res == DB_DONE && sign[0] != '\0') {
        size_t at = slice_find(local, (unsigned char)sign[0]);
        res = at == 0 || at == local.len ? res
                                         : exists(a, domain_id, slice_sub(local, 0, at));
    }
    if (res == DB_DONE) {
        admin_fail(a, ADMIN_NO, "there is no user or alias %s; say: postern user add %s",
                   text, text);
    } else if (res != DB_ROW) {
        admin_fault(a);
    }
    return a->status == 0;
}

/* "local+", for the targets that carry a tag of their own. */
static void bind_pointers(struct dir_admin *a, sqlite3_stmt *stmt,
                          const struct dir_name *name, char prefix[DIR_LOCAL_MAX + 2])
{
    const char *sign = a->store->config.sub_address;
    (void)snprintf(prefix, DIR_LOCAL_MAX + 2, "%s%.1s", name->local, sign);
    db_cstr(stmt, 1, name->domain);
    db_cstr(stmt, 2, name->local);
    db_cstr(stmt, 3, sign[0] == '\0' ? NULL : prefix);
}

static bool drop_pointers(struct dir_admin *a, const struct dir_name *name)
{
    char text[DIR_NAME_TEXT_MAX], prefix[DIR_LOCAL_MAX + 2];
    sqlite3_stmt *stmt = db_get(a->store, DB_target_drop);
    bind_pointers(a, stmt, name, prefix);
    if (!admin_step(a, stmt)) {
        return false;
    }
    stmt = db_get(a->store, DB_setting_drop);
    db_cstr(stmt, 1, DB_CATCH_ALL);
    db_cstr(stmt, 2, dir_name_text(name, text));
    return admin_step(a, stmt);
}

/* Aliases that lead nowhere now, and what pointed at those. */
bool admin_drop_orphans(struct dir_admin *a)
{
    for (;;) {
        struct dir_name name;
        sqlite3_stmt *stmt = db_get(a->store, DB_alias_orphan);
        enum db_res res = db_step(a->store, stmt);
        if (res != DB_ROW) {
            if (res == DB_FAULT) {
                admin_fault(a);
            }
            return a->status == 0;
        }
        int64_t id = db_col_int(stmt, 0);
        bool ok = db_col_cstr(stmt, 1, name.local, sizeof name.local) &&
                  db_col_cstr(stmt, 2, name.domain, sizeof name.domain);
        db_end(stmt);
        stmt = db_get(a->store, DB_alias_del);
        db_int(stmt, 1, id);
        if (!admin_step(a, stmt) || (ok && !drop_pointers(a, &name))) {
            return false;
        }
    }
}

static bool refuse_if_pointed(struct dir_admin *a, const struct dir_name *name)
{
    char text[DIR_NAME_TEXT_MAX], prefix[DIR_LOCAL_MAX + 2];
    (void)dir_name_text(name, text);
    sqlite3_stmt *stmt = db_get(a->store, DB_target_who);
    bind_pointers(a, stmt, name, prefix);
    db_int(stmt, 4, 1);
    enum db_res res = db_step(a->store, stmt);
    int64_t alias = res == DB_ROW ? db_col_int(stmt, 0) : 0;
    db_end(stmt);
    if (res == DB_ROW) {
        stmt = db_get(a->store, DB_alias_name);
        db_int(stmt, 1, alias);
        if (db_step(a->store, stmt) == DB_ROW) {
            admin_fail(
                a, ADMIN_NO,
                "alias %s@%s leads to %s; change it (postern alias set) or say --force",
                (const char *)sql_column(stmt, 0).ptr,
                (const char *)sql_column(stmt, 1).ptr, text);
        }
        db_end(stmt);
    } else if (res == DB_DONE) {
        stmt = db_get(a->store, DB_setting_who);
        db_cstr(stmt, 1, DB_CATCH_ALL);
        db_cstr(stmt, 2, text);
        res = db_step(a->store, stmt);
        if (res == DB_ROW) {
            const char *domain = (const char *)sql_column(stmt, 0).ptr;
            admin_fail(
                a, ADMIN_NO,
                "%s is the catch-all of %s; say: postern domain set %s --catch-all "
                "OTHER, or --force",
                text, domain, domain);
        }
        db_end(stmt);
    }
    if (res == DB_FAULT) {
        admin_fault(a);
    }
    return a->status == 0;
}

bool admin_unpoint(struct dir_admin *a, const struct dir_name *name)
{
    if (admin_flag(a, "force")) {
        return drop_pointers(a, name);
    }
    return refuse_if_pointed(a, name);
}

bool admin_subject(struct dir_admin *a, struct dir_name *name, int64_t *domain_id)
{
    const char *subject = admin_text(a, "subject");
    if (subject == NULL) {
        admin_fail(a, ADMIN_USAGE, "whose? Give an address like alice@example.test");
        return false;
    }
    return admin_address(a, subject, NULL, name) &&
           admin_domain(a, name->domain, domain_id);
}

bool admin_list_begin(struct dir_admin *a)
{
    const char *domain = admin_text(a, "domain");
    domain = domain == NULL ? admin_text(a, "subject") : domain;
    if (domain == NULL) {
        return true;
    }
    const char *wrong = dir_name_domain(domain, &a->cursor);
    if (wrong != NULL) {
        admin_fail(a, ADMIN_USAGE, "'%.100s' %s", domain, wrong);
        return false;
    }
    a->one_domain = true;
    return admin_domain(a, a->cursor.domain, &a->cursor_domain);
}

bool admin_next_domain(struct dir_admin *a)
{
    if (a->one_domain) {
        return false;
    }
    sqlite3_stmt *stmt = db_get(a->store, DB_domain_next);
    db_cstr(stmt, 1, a->cursor.domain);
    enum db_res res = db_step(a->store, stmt);
    if (res == DB_FAULT) {
        admin_fault(a);
    }
    bool any =
        res == DB_ROW && db_col_cstr(stmt, 0, a->cursor.domain, sizeof a->cursor.domain);
    a->cursor_domain = any ? db_col_int(stmt, 1) : 0;
    a->cursor.local[0] = '\0';
    db_end(stmt);
    return any;
}

bool admin_rows(struct dir_admin *a, sqlite3_stmt *stmt,
                void (*row)(struct dir_admin *a, sqlite3_stmt *stmt))
{
    bool any = false;
    enum db_res res = DB_DONE;
    while ((res = db_step(a->store, stmt)) == DB_ROW) {
        row(a, stmt);
        any = true;
    }
    if (res == DB_FAULT) {
        admin_fault(a);
    }
    db_end(stmt);
    return any;
}

bool admin_page(struct dir_admin *a, enum db_statement which,
                void (*row)(struct dir_admin *a, sqlite3_stmt *stmt))
{
    while (a->cursor_domain != 0 || admin_next_domain(a)) {
        sqlite3_stmt *stmt = db_get(a->store, which);
        db_int(stmt, 1, a->cursor_domain);
        db_cstr(stmt, 2, a->cursor.local);
        db_int(stmt, 3, ADMIN_PAGE);
        if (admin_rows(a, stmt, row)) {
            return true;
        }
        if (a->status != 0) {
            break;
        }
        a->cursor_domain = 0;
        if (a->one_domain) {
            break;
        }
    }
    return false;
}

/* ---- the request ---- */

static int word(const char *const *words, int n, const char *text)
{
    for (int i = 0; i < n && text != NULL; i++) {
        if (strcmp(words[i], text) == 0) {
            return i;
        }
    }
    return -1;
}

static bool member_ok(const char *name, const json_t *value, uint64_t where)
{
    if (strcmp(name, "object") == 0 || strcmp(name, "action") == 0 ||
        strcmp(name, "subject") == 0) {
        return json_is_string(value);
    }
    if (strcmp(name, "targets") == 0) {
        return json_is_array(value) &&
               (where & (ALIAS(DIR_ADD) | ALIAS(DIR_SET) | RULE(DIR_ADD))) != 0;
    }
    for (size_t i = 0; i < dir_admin_option_n; i++) {
        const struct dir_admin_option *o = &dir_admin_options[i];
        if (strcmp(o->name, name) == 0 && (o->where & where) != 0) {
            return o->value != NULL ? json_is_string(value) : json_is_boolean(value);
        }
    }
    return false;
}

static bool transaction(struct dir_admin *a, enum db_statement which)
{
    return db_step(a->store, db_get(a->store, which)) == DB_DONE;
}

static void carry_out(struct dir_admin *a)
{
    int object = word(dir_objects, DIR_OBJECT_COUNT, admin_text(a, "object"));
    int action = word(dir_actions, DIR_ACTION_COUNT, admin_text(a, "action"));
    if (object < 0 || action < 0 || commands[object][action].run == NULL) {
        admin_fail(a, ADMIN_USAGE,
                   "say: domain|user|alias|relay|push add|set|list|show|remove, relay "
                   "suspend|resume, or rule add|list|show|remove|move");
        return;
    }
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach(a->request, name, value)
    {
        if (!member_ok(name, value, DIR_AT((unsigned)object, (unsigned)action))) {
            admin_fail(a, ADMIN_USAGE, "%s %s does not know '%.60s', or not so",
                       dir_objects[object], dir_actions[action], name);
        }
    }
    if (a->status != 0) {
        return;
    }
    if (!commands[object][action].changes) {
        commands[object][action].run(a);
        return;
    }
    if (!transaction(a, DB_begin)) {
        admin_fault(a);
        return;
    }
    commands[object][action].run(a);
    if (a->status == 0 && !transaction(a, DB_commit)) {
        admin_fault(a);
    }
    a->changed = a->status == 0;
    if (!a->changed) {
        (void)transaction(a, DB_rollback);
        (void)json_array_clear(a->lines);
    }
}

struct dir_admin *dir_admin_new(struct dir_store *store, json_t *request, uint64_t now_ms)
{
    struct dir_admin *a = calloc(1, sizeof *a);
    json_t *lines = json_array();
    if (a == NULL || lines == NULL) {
        free(a);
        json_decref(lines);
        return NULL;
    }
    *a = (struct dir_admin){
        .store = store, .request = request, .now_ms = now_ms, .lines = lines};
    db_fresh(store);
    carry_out(a);
    return a;
}

json_t *dir_admin_next(struct dir_admin *a)
{
    while (a->at == json_array_size(a->lines)) {
        (void)json_array_clear(a->lines);
        a->at = 0;
        if (a->page == NULL || a->status != 0 || !a->page(a)) {
            a->page = NULL;
            return NULL;
        }
    }
    return json_incref(json_array_get(a->lines, a->at++));
}

void dir_admin_free(struct dir_admin **admin)
{
    if (*admin != NULL) {
        json_decref((*admin)->lines);
        free(*admin);
    }
    *admin = NULL;
}

int dir_admin_status(const struct dir_admin *a)
{
    return a->status;
}

const char *dir_admin_error(const struct dir_admin *a)
{
    return a->status == 0 ? NULL : a->error;
}

bool dir_admin_changed(const struct dir_admin *a)
{
    return a->changed;
}
