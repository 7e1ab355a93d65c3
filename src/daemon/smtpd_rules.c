/* daemon/smtpd_rules.c - administrators' rules of the domains that a message has to do with: see
 * smtpd.h */
#include "daemon/smtpd.h"

#include "base/log.h"
#include "directory/name.h"

#include <stdlib.h>
#include <string.h>

enum { KEY_MAX = 1 + DIR_DOMAIN_MAX };

/* The rules of a domain and direction; set NULL: asked for. */
struct entry {
    struct rule_set *set;
    struct buf told; /* what came of them so far */
    bool fault;      /* they cannot be told, or not be read */
};

static struct slice key_of(bool out_going, struct slice domain,
                           unsigned char key[KEY_MAX])
{
    size_t len = domain.len < DIR_DOMAIN_MAX ? domain.len : DIR_DOMAIN_MAX;
    key[0] = out_going ? 'o' : 'i';
    memcpy(key + 1, domain.ptr, len);
    return (struct slice){key, len + 1};
}

static void free_entry(void *arg, struct slice key, void *value)
{
    struct entry *e = value;
    (void)arg;
    (void)key;
    rule_set_free(&e->set);
    buf_clear(&e->told);
    free(e);
}

static void drop_all(struct smtpd *d)
{
    map_each(&d->rules, free_entry, NULL);
    map_clear(&d->rules);
    map_init(&d->rules, SMTPD_RULES_MAX);
}

/* --- asking --- */

/* NULL: it cannot be asked for. */
static struct entry *ask(struct smtpd *d, bool out_going, struct slice domain)
{
    unsigned char key[KEY_MAX];
    struct slice k = key_of(out_going, domain, key);
    struct entry *e = map_get(&d->rules, k);
    if (e != NULL) {
        return e;
    }
    if (d->rules.n == SMTPD_RULES_MAX) {
        drop_all(d);
        d->rules_dropped = true;
    }
    buf_reset(&d->scratch);
    wire_put_u8(&d->scratch, out_going ? 1 : 0);
    wire_put_text(&d->scratch, domain);
    e = calloc(1, sizeof *e);
    /* While the directory is away it is not asked: it will be, when it is back. */
    if (e == NULL || d->scratch.failed ||
        (d->directory != NULL &&
         !channel_send(d->directory, MSG_DIR_RULES, buf_slice(&d->scratch), -1)) ||
        !map_put(&d->rules, k, e)) {
        free(e);
        return NULL;
    }
    buf_init(&e->told, RULE_SET_MAX);
    return e;
}

static void look(struct smtpd *d, struct check_rules *of)
{
    const struct entry *e = ask(d, of->out_going, of->domain);
    of->fault = e == NULL || e->fault;
    of->set = of->fault ? NULL : e->set;
}

/* --- which domains --- */

/* As the directory knows it. */
static struct slice name_in(const struct smtp_path *path,
                            unsigned char octets[SMTP_DOMAIN_MAX])
{
    struct slice domain = {octets, path->domain.len};
    if (path->utf8 && dir_name_ascii(path->domain, octets, &domain)) {
        return domain;
    }
    for (size_t i = 0; i < path->domain.len; i++) {
        octets[i] = ascii_lower(path->domain.ptr[i]);
    }
    return (struct slice){octets, path->domain.len};
}

/* The same in the arena. False: no room. */
static bool name_of(struct arena *arena, const struct smtp_path *path, struct slice *out)
{
    unsigned char octets[SMTP_DOMAIN_MAX];
    return arena_dup(arena, name_in(path, octets), out);
}

static bool is_here(const struct smtp_recipient *r)
{
    const struct mail_targets *t = r->data;
    return t->n > 0 && t->target[0].kind == SPOOL_LOCAL && r->path.domain.len > 0;
}

/* The domain's place in the list; a new one is put there. */
static struct check_rules *place_of(struct mail_rules *m, bool out_going,
                                    struct slice domain)
{
    for (unsigned i = 0; i < m->n; i++) {
        if (m->of[i].out_going == out_going && slice_eq(m->of[i].domain, domain)) {
            return &m->of[i];
        }
    }
    m->of[m->n] = (struct check_rules){.domain = domain, .out_going = out_going};
    return &m->of[m->n++];
}

bool mail_rules_is_of(const struct smtp_recipient *r, struct slice domain)
{
    unsigned char octets[SMTP_DOMAIN_MAX];
    return is_here(r) && slice_eq(name_in(&r->path, octets), domain);
}

static unsigned words_in(struct slice words)
{
    unsigned n = 0;
    for (; words.len > 0; n++) {
        words = slice_from(words, slice_find(words, ' ') + 1);
    }
    return n;
}

/* Each name of the words once. */
static void put_groups(struct slice words, struct slice *list, unsigned *n)
{
    while (words.len > 0) {
        size_t end = slice_find(words, ' ');
        unsigned i = 0;
        while (i < *n && !slice_eq(list[i], slice_sub(words, 0, end))) {
            i++;
        }
        list[i] = slice_sub(words, 0, end);
        *n += i == *n;
        words = slice_from(words, end + 1);
    }
}

/* The recipients that the domain's rules are asked about, and their groups. False: no room. */
static bool put_recipients(struct arena *arena, const struct smtp_envelope *e,
                           struct check_rules *of)
{
    struct slice *list = arena_alloc(arena, (e->recipient_n + 1U) * sizeof *list);
    size_t words = 0;
    of->recipient = list;
    for (const struct smtp_recipient *r = e->first; r != NULL && list != NULL;
         r = r->next) {
        const struct mail_targets *t = r->data;
        if (of->out_going || mail_rules_is_of(r, of->domain)) {
            list[of->recipient_n++] = r->path.mailbox;
            words += words_in(t->groups);
        }
    }
    struct slice *group = words == 0 ? NULL : arena_alloc(arena, words * sizeof *group);
    of->group = group;
    for (const struct smtp_recipient *r = e->first; r != NULL && group != NULL;
         r = r->next) {
        const struct mail_targets *t = r->data;
        if (of->out_going || mail_rules_is_of(r, of->domain)) {
            put_groups(t->groups, group, &of->group_n);
        }
    }
    return list != NULL && (words == 0 || group != NULL);
}

bool mail_rules_begin(struct client *c, const struct smtp_envelope *e)
{
    struct arena *arena = smtp_session_arena(c->session);
    struct slice domain = {0}, last = {0};
    struct mail_rules *m =
        arena_alloc(arena, sizeof *m + (e->recipient_n + 1U) * sizeof m->of[0]);
    if (m == NULL) {
        return false;
    }
    m->effects.arena = arena;
    if (c->listener->service != SERVICE_MX && e->sender.domain.len > 0) {
        if (!name_of(arena, &e->sender, &domain)) {
            return false;
        }
        (void)place_of(m, true, domain);
    }
    for (const struct smtp_recipient *r = e->first; r != NULL; r = r->next) {
        if (!is_here(r) || slice_ieq(r->path.domain, last)) {
            continue;
        }
        if (!name_of(arena, &r->path, &domain)) {
            return false;
        }
        last = domain;
        (void)place_of(m, false, domain);
    }
    for (unsigned i = 0; i < m->n; i++) {
        if (!put_recipients(arena, e, &m->of[i])) {
            return false;
        }
        look(c->smtpd, &m->of[i]);
    }
    c->rules = m;
    return true;
}

/* --- the message --- */

unsigned mail_rules_keep(struct client *c)
{
    unsigned keep = 0;
    for (unsigned i = 0; c->rules != NULL && i < c->rules->n; i++) {
        look(c->smtpd, &c->rules->of[i]);
        const struct rule_set *set = c->rules->of[i].set;
        if (set == NULL) {
            return INSPECT_KEEP_TEXT | INSPECT_KEEP_SIZES;
        }
        keep |= (set->asks & 1U << RULE_BODY) != 0 ? INSPECT_KEEP_TEXT : 0U;
        keep |= (set->asks & 1U << RULE_ATTACHMENT_SIZE) != 0 ? INSPECT_KEEP_SIZES : 0U;
    }
    return keep;
}

void mail_rules_facts(struct client *c, struct check_facts *f)
{
    struct mail_rules *m = c->rules;
    if (m == NULL) {
        return;
    }
    for (unsigned i = 0; i < m->n; i++) {
        look(c->smtpd, &m->of[i]);
    }
    f->rules = m->of;
    f->rules_n = m->n;
    f->effects = &m->effects;
}

/* In front of the subject, where it does not stand already. */
static bool tag_subject(struct message_head *head, struct slice tag, struct buf *text)
{
    unsigned i = message_head_find(head, "Subject", 0);
    struct slice value = i < head->n ? head->field[i].value : SLICE("");
    if (slice_starts(slice_trim(value), tag)) {
        return true;
    }
    buf_reset(text);
    (void)buf_add_str(text, "Subject: ");
    (void)buf_add(text, tag);
    (void)buf_add_str(text, value.len > 0 && value.ptr[0] > ' ' ? " " : "");
    (void)buf_add(text, value);
    (void)buf_add_str(text, "\r\n");
    if (text->failed || !message_head_insert(head, i, buf_slice(text))) {
        return false;
    }
    if (i + 1 < head->n) {
        message_head_drop(head, i + 1);
    }
    return true;
}

void mail_rules_head(struct client *c, struct buf *out)
{
    struct buf *text = &c->smtpd->scratch;
    const struct check_effect *e = c->rules == NULL ? NULL : c->rules->effects.first;
    for (; e != NULL; e = e->next) {
        bool ok = true;
        if (e->act == RULE_TAG) {
            ok = tag_subject(&c->head, e->text, text);
        } else if (e->act == RULE_ADD_HEADER) {
            buf_reset(text);
            (void)buf_add(text, e->text);
            (void)buf_add_str(text, "\r\n");
            ok = !text->failed && message_head_insert(&c->head, 1, buf_slice(text));
        }
        out->failed |= !ok;
    }
}

void mail_rules_envelope(const struct client *c, struct buf *b)
{
    const struct check_effect *e = c->rules == NULL ? NULL : c->rules->effects.first;
    bool tls = false, verified = false;
    struct buf text;
    buf_init(&text, 512);
    for (; e != NULL; e = e->next) {
        tls |= e->act == RULE_REQUIRE_TLS;
        verified |= e->act == RULE_REQUIRE_TLS && e->text.len > 0;
        if (e->act != RULE_QUARANTINE || text.len > 0) {
            continue;
        }
        (void)buf_add_str(&text, "quarantined by rule ");
        (void)buf_add(&text, e->rule);
        (void)buf_add_str(&text, " of ");
        (void)buf_add(&text, e->domain);
        spool_envelope_param(b, "quarantine", buf_slice(&text));
    }
    if (tls) {
        spool_envelope_param(b, "tls", verified ? SLICE("verified") : SLICE("encrypted"));
    }
    buf_clear(&text);
}

/* --- answers --- */

/* Those whose message waits for rules look again. */
static void wake(struct smtpd *d)
{
    for (struct list *n = d->by_age.next, *next = NULL; n != &d->by_age; n = next) {
        struct client *c = LIST_ITEM(n, struct client, age_node);
        next = n->next; /* the client may go */
        if (!c->checks_wait || c->check_stage != CHECK_MESSAGE || c->rules == NULL) {
            continue;
        }
        buf_reset(&d->output);
        message_judge(c);
        if (!c->checks_wait) {
            client_continue(c);
        }
    }
}

bool mail_rules_answer(struct smtpd *d, struct slice payload)
{
    unsigned char key[KEY_MAX];
    struct wire_reader r = wire_reader_of(payload);
    uint8_t out_going = wire_u8(&r);
    struct slice domain = wire_text(&r);
    uint8_t how = wire_u8(&r);
    uint32_t before = wire_u32(&r);
    if (r.failed || out_going > 1 || how > MSG_RULES_MORE) {
        return false;
    }
    struct slice k = key_of(out_going == 1, domain, key);
    struct entry *e = map_get(&d->rules, k);
    if (e == NULL || e->set != NULL || e->told.len != before) {
        return true; /* forgotten meanwhile, or known, or the rest of an earlier answer */
    }
    (void)buf_add(&e->told, r.rest);
    if (how == MSG_RULES_MORE) {
        return true;
    }
    e->set = how == MSG_RULES_FAULT || e->told.failed ? NULL
                                                      : rule_set_new(buf_slice(&e->told));
    buf_clear(&e->told);
    e->fault = e->set == NULL;
    if (e->fault && how == MSG_RULES_LAST) {
        struct fields f;
        fields_reset(&f);
        fields_add(&f, "domain", domain);
        log_event(LOG_ERR, 0, "rules-unreadable", &f);
    }
    wake(d);
    if (map_get(&d->rules, k) == e && e->fault) { /* the next message asks again */
        (void)map_take(&d->rules, k);
        free_entry(NULL, k, e);
    }
    return true;
}

void mail_rules_forget(struct smtpd *d)
{
    drop_all(d);
    wake(d);
}

void mail_rules_tick(struct smtpd *d)
{
    if (d->rules_dropped) {
        d->rules_dropped = false;
        wake(d);
    }
}
