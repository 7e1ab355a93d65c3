/* cmd/try_rules.c - see try_rules.h */
#include "cmd/try_rules.h"

#include "base/clock.h"
#include "cmd/cmd.h"
#include "config/paths.h"
#include "directory/store.h"

#include <stdio.h>
#include <unistd.h>

enum { MEMORY_MAX = 64 * 1024 };

static bool known_here(const struct config *cfg)
{
    char path[4200];
    (void)snprintf(path, sizeof path, "%s/" STATE_DIRECTORY_DB, cfg->state_dir);
    return access(path, F_OK) == 0;
}

/* Each name of the words, kept. */
static bool put_groups(struct try_rules *t, struct slice words)
{
    if (!arena_dup(&t->arena, words, &words)) {
        return false;
    }
    while (words.len > 0 && t->of.group_n < TRY_GROUPS_MAX) {
        size_t end = slice_find(words, ' ');
        t->group[t->of.group_n++] = slice_sub(words, 0, end);
        words = slice_from(words, end + 1);
    }
    return true;
}

static bool put_rules(struct try_rules *t, struct dir_store *store)
{
    struct buf rules;
    buf_init(&rules, RULE_SET_MAX);
    t->set = dir_store_rules(store, t->of.domain, false, &rules)
                 ? rule_set_new(buf_slice(&rules))
                 : NULL;
    buf_clear(&rules);
    return t->set != NULL;
}

static bool load(struct try_rules *t, struct dir_store *store,
                 const struct smtp_path *rcpt)
{
    unsigned char local[SMTP_LOCAL_MAX];
    struct dir_answer *a = &t->answer;
    struct slice *list = arena_alloc(&t->arena, sizeof *list);
    dir_store_lookup(store, smtp_local_unquote(rcpt->local, local), rcpt->domain,
                     clock_wall_ms(), a);
    if (list == NULL || a->status == DIR_FAULT ||
        !arena_dup(&t->arena, a->domain, &a->domain) ||
        !arena_dup(&t->arena, a->settings, &a->settings) ||
        !dir_settings_read(a->settings, &t->settings)) {
        return false;
    }
    t->known = rcpt->domain.len > 0;
    if (a->status == DIR_NO_DOMAIN) {
        return true;
    }
    *list = rcpt->mailbox;
    t->of = (struct check_rules){.recipient = list, .recipient_n = 1, .group = t->group};
    t->of.domain = a->domain;
    if (!put_groups(t, a->groups) || !put_rules(t, store)) {
        return false;
    }
    t->of.set = t->set;
    return true;
}

bool try_rules_load(struct try_rules *t, const struct config *cfg,
                    const struct smtp_path *rcpt)
{
    arena_init(&t->arena, MEMORY_MAX);
    t->effects.arena = &t->arena;
    if (!known_here(cfg)) {
        return true;
    }
    struct dir_store *store = cmd_open_directory(cfg);
    bool ok = store != NULL && load(t, store, rcpt);
    if (store != NULL && !ok) {
        (void)fputs("postern: the directory cannot tell of the recipient and the rules\n",
                    stderr);
    }
    dir_store_close(&store);
    return ok;
}

bool try_rules_rcpt(const struct try_rules *t, struct check_facts *f)
{
    f->answer = &t->answer;
    f->settings = &t->settings;
    return t->known;
}

void try_rules_facts(struct try_rules *t, struct check_facts *f)
{
    f->rules = &t->of;
    f->rules_n = t->set == NULL ? 0 : 1;
    f->effects = &t->effects;
}

void try_rules_clear(struct try_rules *t)
{
    rule_set_free(&t->set);
    arena_clear(&t->arena);
}
