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

/* Each name of the words, kept, as the groups of those rules' recipients. */
static bool put_groups(struct try_rules *t, struct slice words, struct check_rules *of)
{
    of->group = t->group;
    if (!arena_dup(&t->arena, words, &words)) {
        return false;
    }
    while (words.len > 0 && of->group_n < TRY_GROUPS_MAX) {
        size_t end = slice_find(words, ' ');
        t->group[of->group_n++] = slice_sub(words, 0, end);
        words = slice_from(words, end + 1);
    }
    return true;
}

/* The rules of a domain, for a message to that recipient. */
static bool put_rules(struct try_rules *t, struct dir_store *store, struct slice domain,
                      bool out_going, const struct smtp_path *rcpt)
{
    struct check_rules *of = &t->of[t->n];
    struct slice *list = arena_alloc(&t->arena, sizeof *list);
    struct buf rules;
    buf_init(&rules, RULE_SET_MAX);
    *of = (struct check_rules){.out_going = out_going, .recipient_n = 1};
    bool ok = list != NULL && arena_dup(&t->arena, domain, &of->domain) &&
              put_groups(t, t->answer.groups, of) &&
              dir_store_rules(store, of->domain, out_going, &rules);
    t->set[t->n] = ok ? rule_set_new(buf_slice(&rules)) : NULL;
    buf_clear(&rules);
    if (t->set[t->n] == NULL) {
        return false;
    }
    *list = rcpt->mailbox;
    of->recipient = list;
    of->set = t->set[t->n++];
    return true;
}

static bool load_sender(struct try_rules *t, struct dir_store *store,
                        const struct try_sender *sender)
{
    unsigned char local[SMTP_LOCAL_MAX];
    struct dir_mail_ask ask = {
        .service = SERVICE_SUBMISSION,
        .ip = *sender->ip,
        .helo = slice_of(sender->helo),
        .local = smtp_local_unquote(sender->path->local, local),
        .domain = sender->path->domain,
        .login = slice_of(sender->login),
    };
    dir_store_mail(store, &ask, clock_wall_ms(), &t->mail);
    return !t->mail.fault && arena_dup(&t->arena, t->mail.groups, &t->mail.groups);
}

static bool load(struct try_rules *t, struct dir_store *store,
                 const struct smtp_path *rcpt, const struct try_sender *sender)
{
    unsigned char local[SMTP_LOCAL_MAX];
    struct dir_answer *a = &t->answer;
    dir_store_lookup(store, smtp_local_unquote(rcpt->local, local), rcpt->domain,
                     clock_wall_ms(), a);
    if (a->status == DIR_FAULT || !arena_dup(&t->arena, a->domain, &a->domain) ||
        !arena_dup(&t->arena, a->settings, &a->settings) ||
        !arena_dup(&t->arena, a->groups, &a->groups) ||
        !dir_settings_read(a->settings, &t->settings)) {
        return false;
    }
    t->known = rcpt->domain.len > 0;
    if (sender->login != NULL &&
        (!load_sender(t, store, sender) ||
         (sender->path->domain.len > 0 &&
          !put_rules(t, store, sender->path->domain, true, rcpt)))) {
        return false;
    }
    return a->status == DIR_NO_DOMAIN || put_rules(t, store, a->domain, false, rcpt);
}

bool try_rules_load(struct try_rules *t, const struct config *cfg,
                    const struct smtp_path *rcpt, const struct try_sender *sender)
{
    arena_init(&t->arena, MEMORY_MAX);
    t->effects.arena = &t->arena;
    if (!known_here(cfg)) {
        if (sender->login != NULL) {
            (void)fputs("postern: there is no directory yet, so nobody can log in\n",
                        stderr);
        }
        return sender->login == NULL;
    }
    struct dir_store *store = cmd_open_directory(cfg);
    bool ok = store != NULL && load(t, store, rcpt, sender);
    if (store != NULL && !ok) {
        (void)fputs("postern: the directory cannot tell of the recipient and the rules\n",
                    stderr);
    }
    dir_store_close(&store);
    return ok;
}

void try_rules_mail(const struct try_rules *t, struct check_facts *f)
{
    f->mail = &t->mail;
}

bool try_rules_rcpt(const struct try_rules *t, struct check_facts *f)
{
    f->answer = &t->answer;
    f->settings = &t->settings;
    return t->known;
}

void try_rules_facts(struct try_rules *t, struct check_facts *f)
{
    f->rules = t->of;
    f->rules_n = t->n;
    f->effects = &t->effects;
}

void try_rules_clear(struct try_rules *t)
{
    for (unsigned i = 0; i < t->n; i++) {
        rule_set_free(&t->set[i]);
    }
    arena_clear(&t->arena);
}
