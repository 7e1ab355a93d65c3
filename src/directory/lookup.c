/* directory/lookup.c - dir_store_lookup(): what becomes of a recipient.
 *
 * Work is a list, not a recursion: the address asked for is its first item, an alias
 * appends its targets. An address that stands on the list already is not put there again,
 * so that loops end by themselves (they are refused when made, but a database may be
 * edited). */
#include "base/list.h"
#include "base/log.h"
#include "directory/db.h"

#include <string.h>

enum {
    ITEMS_MAX = 1000,
    KIND_LOCAL = 1, /* SPOOL_LOCAL of spool/record.h */
};

struct item {
    struct list node;
    struct dir_name name; /* without tag */
    struct slice tag;     /* with its sign; empty: none. In the arena */
    unsigned depth;       /* aliases before it */
};

struct lookup {
    struct dir_store *s;
    struct buf *groups; /* NULL: nobody asks for them */
    struct dir_answer *out;
    uint64_t now_ms;
    struct list items;
    unsigned item_n;
    bool refused;       /* the first refusal stands in out->status */
    bool all_users;     /* whatever state and quota they have */
    int64_t root_alias; /* db_alias_wrong(): this one may not be met again */
    const char *wrong;  /* an alias that cannot be followed */
};

static const char too_many[] = "leads to too many mailboxes; split it";
static const char too_deep[] = "leads through too many aliases behind each other";
static const char loops[] = "would lead back to itself";

static bool push(struct lookup *l, const struct dir_name *name, struct slice tag,
                 unsigned depth)
{
    for (struct list *n = l->items.next; n != &l->items; n = n->next) {
        struct item *old = LIST_ITEM(n, struct item, node);
        if (strcmp(old->name.local, name->local) == 0 &&
            strcmp(old->name.domain, name->domain) == 0 && slice_eq(old->tag, tag)) {
            l->wrong = l->root_alias != 0 && old->depth == 0 ? loops : l->wrong;
            return l->wrong == NULL;
        }
    }
    struct item *item = arena_alloc(&l->s->arena, sizeof *item);
    if (depth > DIR_DEPTH_MAX || l->item_n == ITEMS_MAX || item == NULL ||
        !arena_dup(&l->s->arena, tag, &item->tag)) {
        l->wrong = depth > DIR_DEPTH_MAX ? too_deep : too_many;
        return false;
    }
    item->name = *name;
    item->depth = depth;
    list_append(&l->items, &item->node);
    l->item_n++;
    return true;
}

/* ---- users ---- */

static bool already_target(const struct lookup *l, struct slice address)
{
    struct dir_answer walk = {.target_n = l->out->target_n,
                              .targets = buf_slice(&l->s->targets)};
    struct dir_target t;
    while (dir_answer_target(&walk, &t)) {
        if (slice_eq(t.address, address)) {
            return true;
        }
    }
    return false;
}

static enum dir_status user_status(struct lookup *l, const struct dir_name *name,
                                   const struct db_user *user, struct dir_answer *facts)
{
    if (l->root_alias != 0 || l->all_users) {
        return DIR_OK; /* only the way to the users is checked */
    }
    if (user->state == DIR_USER_DISABLED || user->state < 0) {
        return DIR_DISABLED;
    }
    if (user->quota <= 0) {
        return DIR_OK;
    }
    struct usage u = db_usage(l->s, name, (uint64_t)user->quota, l->now_ms);
    uint64_t last = user->last_use_ms < 0 ? 0 : (uint64_t)user->last_use_ms;
    facts->used = u.used;
    facts->quota = (uint64_t)user->quota;
    facts->last_use_ms = last > u.cur_ms ? last : u.cur_ms;
    if (facts->used < facts->quota) {
        return DIR_OK;
    }
    bool unused = l->now_ms > facts->last_use_ms &&
                  l->now_ms - facts->last_use_ms > l->s->config.inactive_after_ms;
    return unused ? DIR_FULL_INACTIVE : DIR_OVER_QUOTA;
}

static void add_user(struct lookup *l, const struct item *item,
                     const struct db_user *user)
{
    unsigned char address[DIR_LOCAL_MAX * 2 + 1 + DIR_DOMAIN_MAX];
    struct slice local = slice_of(item->name.local);
    /* Delivery would take what follows the sign for a tag, and find another user's
     * mailbox. */
    const char *sign = l->s->config.sub_address;
    if (sign[0] != '\0' && slice_find(local, (unsigned char)sign[0]) < local.len) {
        l->wrong = "is a user with the sub-address sign in its name; rename it or change "
                   "delivery.sub-address";
        return;
    }
    struct dir_answer facts = {0};
    enum dir_status status = user_status(l, &item->name, user, &facts);
    bool none_yet = l->out->target_n == 0;
    if (none_yet && (status == DIR_OK || !l->refused)) {
        l->out->used = facts.used;
        l->out->quota = facts.quota;
        l->out->last_use_ms = facts.last_use_ms;
    }
    if (status != DIR_OK) {
        l->out->status = l->refused ? l->out->status : status;
        l->refused = true;
        return;
    }
    struct buf b;
    buf_init(&b, sizeof address);
    (void)buf_add(&b, local);
    /* A tag that makes the local part too long is left out rather than the mail refused.
     */
    (void)buf_add(&b, local.len + item->tag.len <= DIR_LOCAL_MAX ? item->tag : SLICE(""));
    (void)buf_add_byte(&b, '@');
    (void)buf_add_str(&b, item->name.domain);
    if (b.failed || (!already_target(l, buf_slice(&b)) &&
                     (l->out->target_n == DIR_TARGETS_MAX ||
                      l->s->targets.len + 3 + b.len > DIR_TARGETS_LEN_MAX))) {
        l->wrong = too_many;
    } else if (!already_target(l, buf_slice(&b))) {
        dir_target_write(&l->s->targets, &(struct dir_target){KIND_LOCAL, buf_slice(&b)});
        l->out->target_n++;
        if (l->groups != NULL && db_groups(l->s, user->id, l->groups) == DB_FAULT) {
            l->wrong = "cannot be checked for groups";
        }
    }
    buf_clear(&b);
}

/* ---- addresses ---- */

/* "local@domain" of our own database. */
static bool split(struct slice local, struct slice domain, struct dir_name *out)
{
    return slice_cstr(local, out->local, sizeof out->local) &&
           slice_cstr(domain, out->domain, sizeof out->domain);
}

static enum db_res add_alias(struct lookup *l, const struct item *item, int64_t id)
{
    if (id == l->root_alias && item->depth > 0) {
        l->wrong = loops;
        return DB_DONE;
    }
    sqlite3_stmt *stmt = db_get(l->s, DB_target_all);
    db_int(stmt, 1, id);
    enum db_res res;
    while ((res = db_step(l->s, stmt)) == DB_ROW) {
        struct dir_name target;
        if (split(sql_column(stmt, 0), sql_column(stmt, 1), &target) &&
            !push(l, &target, item->tag, item->depth + 1)) {
            break;
        }
    }
    db_end(stmt);
    return res;
}

/* DB_ROW: there is such a user or alias; DB_DONE: not. */
static enum db_res exact(struct lookup *l, const struct item *item)
{
    struct db_user user;
    int64_t domain_id = 0, alias_id = 0;
    struct slice local = slice_of(item->name.local);
    enum db_res res = db_domain(l->s, slice_of(item->name.domain), &domain_id);
    if (res != DB_ROW) {
        return res;
    }
    res = db_user(l->s, domain_id, local, &user);
    if (res == DB_ROW) {
        add_user(l, item, &user);
        return DB_ROW;
    }
    if (res == DB_DONE) {
        res = db_alias(l->s, domain_id, local, &alias_id);
    }
    if (res == DB_ROW) {
        res = add_alias(l, item, alias_id) == DB_FAULT ? DB_FAULT : DB_ROW;
    }
    return res;
}

/* The same, then without the sub-address. The tag of an alias' own target wins over the
 * one that came with the address. */
static enum db_res resolve(struct lookup *l, const struct item *item, struct slice given)
{
    const char *sign = l->s->config.sub_address;
    struct slice local = slice_of(item->name.local);
    size_t at = sign[0] == '\0' ? local.len : slice_find(local, (unsigned char)sign[0]);
    enum db_res res = exact(l, item);
    if (res != DB_DONE || at == 0 || at == local.len) {
        return res;
    }
    struct item base = *item;
    base.name.local[at] = '\0';
    base.tag = slice_from(given.len == local.len ? given : local, at);
    return exact(l, &base);
}

static enum db_res catch_all(struct lookup *l, int64_t domain_id)
{
    struct dir_name target;
    sqlite3_stmt *stmt = db_get(l->s, DB_setting_get);
    db_int(stmt, 1, domain_id);
    db_cstr(stmt, 2, DB_CATCH_ALL);
    enum db_res res = db_step(l->s, stmt);
    if (res == DB_ROW) {
        struct slice value = sql_column(stmt, 0);
        size_t at = slice_rfind(value, '@');
        if (!split(slice_sub(value, 0, at), slice_from(value, at + 1), &target) ||
            !push(l, &target, SLICE(""), 1)) {
            res = DB_DONE;
        }
    }
    db_end(stmt);
    return res;
}

static enum db_res postmaster(struct lookup *l, int64_t domain_id)
{
    struct dir_name target;
    sqlite3_stmt *stmt = db_get(l->s, DB_user_first);
    db_int(stmt, 1, domain_id);
    enum db_res res = db_step(l->s, stmt);
    if (res == DB_ROW && (!split(sql_column(stmt, 0), sql_column(stmt, 1), &target) ||
                          !push(l, &target, SLICE(""), 1))) {
        res = DB_DONE;
    }
    db_end(stmt);
    return res;
}

/* Works the list off. given: the local part as it came, for the case of its tag. */
static enum db_res work(struct lookup *l, struct slice given, int64_t domain_id)
{
    for (struct list *n = l->items.next; n != &l->items && l->wrong == NULL;
         n = n->next) {
        const struct item *item = LIST_ITEM(n, struct item, node);
        bool first = n == l->items.next;
        enum db_res res = resolve(l, item, first ? given : SLICE(""));
        if (res == DB_DONE && first && domain_id != 0) {
            res = catch_all(l, domain_id);
            if (res == DB_DONE && l->wrong == NULL &&
                strcmp(item->name.local, "postmaster") == 0) {
                res = postmaster(l, domain_id);
            }
        }
        if (res == DB_FAULT) {
            return DB_FAULT;
        }
    }
    return DB_DONE;
}

static void begin(struct lookup *l, struct dir_store *s)
{
    db_fresh(s);
    arena_reset(&s->arena);
    buf_reset(&s->targets);
    buf_reset(&s->settings);
    l->s = s;
    list_init(&l->items);
}

/* The settings that a domain has. */
static enum db_res read_settings(struct dir_store *s, int64_t domain_id)
{
    const char *value[DIR_SETTING_COUNT] = {NULL};
    sqlite3_stmt *stmt = db_get(s, DB_setting_all);
    db_int(stmt, 1, domain_id);
    enum db_res res;
    while ((res = db_step(s, stmt)) == DB_ROW) {
        struct slice name = sql_column(stmt, 0), copy = sql_column(stmt, 1);
        for (unsigned i = 0; i < DIR_SETTING_COUNT; i++) {
            char *with_nul = slice_eq(name, slice_of(dir_setting_names[i]))
                                 ? arena_alloc(&s->arena, copy.len + 1)
                                 : NULL;
            if (with_nul != NULL && slice_cstr(copy, with_nul, copy.len + 1)) {
                value[i] = with_nul;
            }
        }
    }
    db_end(stmt);
    dir_settings_encode(&s->settings, value);
    return s->settings.failed ? DB_FAULT : res;
}

/* An empty domain: the oldest one of the server. */
static enum db_res oldest_domain(struct dir_store *s, struct dir_name *name)
{
    sqlite3_stmt *stmt = db_get(s, DB_domain_any);
    enum db_res res = db_step(s, stmt);
    if (res == DB_ROW && !db_col_cstr(stmt, 0, name->domain, sizeof name->domain)) {
        res = DB_DONE;
    }
    db_end(stmt);
    return res;
}

static enum dir_status look(struct lookup *l, struct slice local, struct slice domain,
                            struct dir_name *name)
{
    int64_t domain_id = 0;
    enum db_res res = DB_ROW;
    if (domain.len == 0 && slice_ieq(local, SLICE("postmaster"))) {
        res = oldest_domain(l->s, name);
    } else if (domain.len == 0 ||
               !slice_cstr(domain, name->domain, sizeof name->domain)) {
        return DIR_NO_DOMAIN;
    }
    for (char *p = name->domain; *p != '\0'; p++) {
        *p = (char)ascii_lower((unsigned char)*p);
    }
    if (res == DB_ROW) {
        res = db_domain(l->s, slice_of(name->domain), &domain_id);
    }
    if (res != DB_ROW) {
        return res == DB_DONE ? DIR_NO_DOMAIN : DIR_FAULT;
    }
    if (read_settings(l->s, domain_id) == DB_FAULT) {
        return DIR_FAULT;
    }
    if (!slice_cstr(local, name->local, sizeof name->local) || local.len == 0) {
        return DIR_NO_MAILBOX;
    }
    for (char *p = name->local; *p != '\0'; p++) {
        *p = (char)ascii_lower((unsigned char)*p);
    }
    l->out->status = DIR_NO_MAILBOX;
    res = db_trap(l->s, domain_id, slice_of(name->local));
    if (res != DB_DONE) {
        l->out->trap = res == DB_ROW;
        return res == DB_ROW ? DIR_NO_MAILBOX : DIR_FAULT;
    }
    if (!push(l, name, SLICE(""), 0) || work(l, local, domain_id) == DB_FAULT) {
        return DIR_FAULT;
    }
    if (l->wrong != NULL) {
        struct slice shown = slice_of(name->local);
        struct fields f = {0};
        fields_add(&f, "local", shown);
        fields_add_str(&f, "domain", name->domain);
        fields_add_str(&f, "text", l->wrong);
        log_event(LOG_ERR, 0, "directory-entry-wrong", &f);
        return DIR_FAULT;
    }
    return l->out->target_n > 0 ? DIR_OK : l->out->status;
}

void dir_store_lookup(struct dir_store *s, struct slice local, struct slice domain,
                      uint64_t now_ms, struct dir_answer *out)
{
    *out = (struct dir_answer){0};
    struct buf groups;
    struct lookup l = {.out = out, .now_ms = now_ms, .groups = &groups};
    struct dir_name name = {0};
    buf_init(&groups, DIR_GROUPS_LEN_MAX);
    begin(&l, s);
    out->status = look(&l, local, domain, &name);
    if (groups.failed || !arena_dup(&s->arena, slice_of(name.domain), &out->domain) ||
        !arena_dup(&s->arena, buf_slice(&groups), &out->groups)) {
        out->status = DIR_FAULT;
        out->domain = SLICE("");
    }
    buf_clear(&groups);
    if (out->status != DIR_OK) {
        out->target_n = 0;
    }
    out->targets = out->status == DIR_OK ? buf_slice(&s->targets) : SLICE("");
    out->settings = s->settings.failed ? SLICE("") : buf_slice(&s->settings);
}

enum db_res db_leads_to(struct dir_store *s, const struct dir_name *address,
                        const struct dir_name *user)
{
    struct dir_answer out = {0};
    struct lookup l = {.out = &out, .all_users = true};
    begin(&l, s);
    if (!push(&l, address, SLICE(""), 0) || work(&l, SLICE(""), 0) == DB_FAULT) {
        return DB_FAULT;
    }
    /* A user's name has no sub-address sign in it, so what follows one is a tag. */
    const char *sign = s->config.sub_address;
    struct dir_answer walk = {.target_n = out.target_n,
                              .targets = buf_slice(&s->targets)};
    struct dir_target target;
    while (dir_answer_target(&walk, &target)) {
        size_t at = slice_rfind(target.address, '@');
        struct slice local = slice_sub(target.address, 0, at);
        struct slice domain = slice_from(target.address, at + 1);
        size_t tag = sign[0] == '\0' ? at : slice_find(local, (unsigned char)sign[0]);
        if (slice_eq(domain, slice_of(user->domain)) &&
            slice_eq(slice_sub(local, 0, tag), slice_of(user->local))) {
            return DB_ROW;
        }
    }
    return DB_DONE;
}

const char *db_alias_wrong(struct dir_store *s, const struct dir_name *alias)
{
    struct dir_answer out = {0};
    struct lookup l = {.out = &out};
    int64_t domain_id = 0;
    begin(&l, s);
    if (db_domain(s, slice_of(alias->domain), &domain_id) != DB_ROW ||
        db_alias(s, domain_id, slice_of(alias->local), &l.root_alias) != DB_ROW ||
        !push(&l, alias, SLICE(""), 0)) {
        return "cannot be checked; try again";
    }
    if (work(&l, SLICE(""), 0) == DB_FAULT) {
        return "cannot be checked; try again";
    }
    return l.wrong;
}
