/* daemon/smtpd_routes.c - where rules send a message instead (redirect) or besides (copy): see smtpd.h
 *
 * What becomes of such an address is asked of the directory when all checks have passed. Where it
 * leads to nobody the message is refused for now, and the log says whose rule it is: nothing is
 * lost by a rule whose address went. Rules of the domain that it is sent to are not asked. */
#include "daemon/smtpd.h"

#include "base/log.h"

struct mail_route {
    struct mail_route *next;
    const struct check_effect *effect;
    struct smtp_path path;
    struct mail_targets *targets; /* NULL: not known yet */
};

/* --- which --- */

/* NULL: no room, or no address. */
static struct mail_route *route_new(struct arena *arena, const struct check_effect *e)
{
    static const struct slice open = SLICE_INIT("<"), close = SLICE_INIT(">");
    struct mail_route *r = arena_alloc(arena, sizeof *r);
    unsigned char *text = arena_alloc(arena, e->text.len + 2);
    struct buf path;
    struct slice s = {text, e->text.len + 2};
    if (r == NULL || text == NULL) {
        return NULL;
    }
    buf_init(&path, RULE_ADDRESS_MAX + 2);
    (void)buf_add(&path, open);
    (void)buf_add(&path, e->text);
    bool ok = buf_add(&path, close) && arena_dup(arena, buf_slice(&path), &s) &&
              smtp_path_take(s, false, false, &r->path) == NULL;
    buf_clear(&path);
    r->effect = e;
    r->next = NULL;
    r->targets = NULL;
    return ok ? r : NULL;
}

static bool is_same(const struct mail_route *r, const struct check_effect *e)
{
    return r->effect->act == e->act && slice_eq(r->effect->text, e->text) &&
           (e->act == RULE_COPY || (r->effect->out_going == e->out_going &&
                                    slice_eq(r->effect->domain, e->domain)));
}

/* One for each address, in the order of the effects. */
static bool find_routes(struct mail_rules *m)
{
    struct mail_route **last = &m->routes;
    for (const struct check_effect *e = m->effects.first; e != NULL; e = e->next) {
        const struct mail_route *same = m->routes;
        if (e->act != RULE_REDIRECT && e->act != RULE_COPY) {
            continue;
        }
        while (same != NULL && !is_same(same, e)) {
            same = same->next;
        }
        if (same != NULL) {
            continue;
        }
        *last = route_new(m->effects.arena, e);
        if (*last == NULL) {
            return false;
        }
        last = &(*last)->next;
    }
    return true;
}

/* --- where to --- */

static const char *wrong_with(enum dir_status status)
{
    switch (status) {
    case DIR_NO_MAILBOX:
        return "is nobody here";
    case DIR_DISABLED:
        return "is disabled";
    case DIR_OVER_QUOTA:
    case DIR_FULL_INACTIVE:
        return "has no room left";
    case DIR_OK:
    case DIR_NO_DOMAIN:
    case DIR_FAULT:
        break;
    }
    return "cannot be looked up";
}

static bool refuse(struct client *c, const struct mail_route *r, const char *wrong)
{
    const struct check_effect *e = r->effect;
    struct fields f;
    fields_reset(&f);
    fields_add_str(&f, "what", "an administrator's rule sends it where it cannot go now");
    fields_add(&f, "rule", e->rule);
    fields_add(&f, "domain", e->domain);
    fields_add(&f, "address", e->text);
    fields_add_str(&f, "text", wrong);
    log_event(LOG_ERR, c->id, "rule-address-wrong", &f);
    smtp_session_done(c->session,
                      (struct smtp_verdict){REPLY_system_temporary_problem, &f});
    return false;
}

/* False: it leads nowhere, and the client was told. */
static bool take(struct client *c, struct mail_route *r, struct dir_answer *a)
{
    if (a->status != DIR_OK && a->status != DIR_NO_DOMAIN) {
        return refuse(c, r, wrong_with(a->status));
    }
    r->targets = mail_keep_targets(c, &r->path, a);
    return r->targets != NULL || refuse(c, r, "is too much for the memory of a session");
}

bool mail_route_ready(struct client *c)
{
    struct mail_rules *m = c->rules;
    struct dir_answer a = {0};
    if (m != NULL && m->routes == NULL && !find_routes(m)) {
        struct fields f;
        fields_reset(&f);
        fields_add_str(&f, "what", "out of memory for this session");
        smtp_session_done(c->session,
                          (struct smtp_verdict){REPLY_system_temporary_problem, &f});
        return false;
    }
    for (struct mail_route *r = m == NULL ? NULL : m->routes; r != NULL; r = r->next) {
        if (r->targets != NULL) {
            continue;
        }
        switch (mail_look_up(c, &r->path, &a)) {
        case MAIL_LOOK_KNOWN:
            if (!take(c, r, &a)) {
                return false;
            }
            break;
        case MAIL_LOOK_ASKED:
            return false;
        case MAIL_LOOK_FAULT:
            return refuse(c, r, wrong_with(DIR_FAULT));
        }
    }
    return true;
}

bool mail_route_answer(struct client *c, struct dir_answer *a)
{
    struct mail_route *r = c->rules->routes;
    while (r->targets != NULL) { /* they are asked about in their order */
        r = r->next;
    }
    return take(c, r, a);
}

/* --- the envelope --- */

static const struct mail_route *redirects(const struct client *c,
                                          const struct smtp_recipient *r)
{
    const struct mail_route *i = c->rules == NULL ? NULL : c->rules->routes;
    while (i != NULL &&
           (i->effect->act != RULE_REDIRECT ||
            (!i->effect->out_going && !mail_rules_is_of(r, i->effect->domain)))) {
        i = i->next;
    }
    return i;
}

unsigned mail_route_targets(const struct client *c, const struct smtp_recipient *r,
                            const struct smtp_recipient *first,
                            const struct mail_targets **out)
{
    const struct mail_route *route = redirects(c, r);
    if (mail_milter_drops(c, r)) {
        return 0;
    }
    if (route == NULL) {
        *out = r->data;
        return (*out)->n;
    }
    /* Once, however many recipients are sent there. */
    while (first != r && (redirects(c, first) != route || mail_milter_drops(c, first))) {
        first = first->next;
    }
    *out = route->targets;
    return first == r ? route->targets->n : 0;
}

const struct mail_targets *mail_route_copy(const struct client *c, unsigned nth,
                                           struct slice *address)
{
    const struct mail_route *r = c->rules == NULL ? NULL : c->rules->routes;
    while (r != NULL && (r->effect->act != RULE_COPY || nth-- > 0)) {
        r = r->next;
    }
    *address = r == NULL ? SLICE("") : r->effect->text;
    return r == NULL ? NULL : r->targets;
}
