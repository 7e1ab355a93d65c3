/* daemon/smtpd_milter_edit.c - what milters want changed: see smtpd.h, smtpd_milter.h */
#include "daemon/smtpd_milter.h"

#include "base/log.h"
#include "filter/field.h"

#include <stdio.h>

/* --- all that they want, one after the other --- */

struct walk {
    unsigned link, end; /* milters: the next, and the first that does not count */
    const struct milter *milter;
    struct slice rest;
};

struct slice milter_edits(const struct milter_link *l)
{
    bool counts = l->down == NULL && l->milter.message.verdict == MILTER_ACCEPT;
    return counts ? buf_slice(&l->milter.edits) : SLICE("");
}

static bool next_edit(const struct milter_talk *t, struct walk *w, struct milter_edit *e)
{
    while (!milter_edit_next(&w->rest, e)) {
        if (w->link == w->end) {
            return false;
        }
        const struct milter_link *l = &t->of[w->link++];
        w->milter = &l->milter;
        w->rest = milter_edits(l);
    }
    return true;
}

static struct walk walk_all(const struct milter_talk *t)
{
    return (struct walk){.end = t->n};
}

/* Do their changes hold? */
static bool holds(const struct client *c)
{
    return c->milter != NULL && c->milter->passed &&
           c->smtpd->ctx->config->checks_milter != CHECK_OBSERVE;
}

/* --- the header section --- */

/* The number of the n-th field of that name, from 1; head->n: there is none. */
static unsigned nth_field(const struct message_head *head, const char *name, uint32_t n)
{
    unsigned at = message_head_find(head, name, 0);
    for (uint32_t i = 1; i < n && at < head->n; i++) {
        at = message_head_find(head, name, at + 1);
    }
    return at;
}

static bool edit_field(struct message_head *head, const struct milter_edit *e,
                       struct slice field)
{
    enum { NAME_MAX_OCTETS = 256 };
    char name[NAME_MAX_OCTETS];
    unsigned at = head->n;
    if (e->kind == MILTER_INSERT) {
        at = e->index < head->n ? e->index : head->n;
    } else if (e->kind == MILTER_CHANGE && slice_cstr(e->name, name, sizeof name)) {
        at = nth_field(head, name, e->index);
        if (at < head->n) {
            message_head_drop(head, at);
        }
        if (e->value.len == 0) {
            return true;
        }
    }
    return message_head_insert(head, at, field);
}

static bool edit_head(struct client *c, unsigned n, struct message_head *head)
{
    struct walk w = {.end = n};
    struct milter_edit e;
    struct buf *b = &c->smtpd->scratch;
    bool ok = true;
    while (ok && next_edit(c->milter, &w, &e)) {
        buf_reset(b);
        if (e.kind <= MILTER_CHANGE &&
            filter_field(b, e.name, e.value, !milter_own_space(w.milter))) {
            ok = edit_field(head, &e, buf_slice(b));
        }
    }
    buf_reset(b);
    return ok;
}

bool mail_milter_edit(struct client *c)
{
    return !holds(c) || edit_head(c, c->milter->n, &c->head);
}

bool milter_head_before(struct client *c, unsigned n, struct buf *out)
{
    struct message_head head = {0};
    struct slice octets = buf_slice(&c->head.octets), held;
    message_head_init(&head, c->head.limits);
    message_head_feed(&head, &octets, &held);
    if (c->head.empty_line) {
        octets = SLICE("\r\n");
        message_head_feed(&head, &octets, &held);
    }
    bool ok = message_head_end(&head) && edit_head(c, n, &head) &&
              message_head_write(&head, out) && !out->failed;
    message_head_clear(&head);
    return ok;
}

/* --- the body --- */

bool mail_milter_new_body(const struct client *c, struct slice *out)
{
    bool is = holds(c) && c->milter->new_body != NULL;
    if (is) {
        *out = buf_slice(c->milter->new_body);
    }
    return is;
}

/* --- the envelope --- */

/* "<a@b>", or without the brackets. */
static bool read_path(struct slice text, bool sender, struct smtp_path *out)
{
    return smtp_path_take(text, sender, false, out) == NULL && out->used == text.len;
}

struct slice mail_milter_sender(const struct client *c, const struct smtp_envelope *e)
{
    struct slice sender = e->sender.mailbox;
    struct smtp_path path = {0};
    struct milter_edit edit;
    if (!holds(c)) {
        return sender;
    }
    struct walk w = walk_all(c->milter);
    while (next_edit(c->milter, &w, &edit)) {
        if (edit.kind == MILTER_SENDER && read_path(edit.name, true, &path) &&
            !path.utf8) {
            sender = path.mailbox;
        }
    }
    return sender;
}

/* Is the recipient away after all that they added and took? */
static bool dropped(const struct milter_talk *t, struct slice mailbox)
{
    struct walk w = walk_all(t);
    struct smtp_path path = {0};
    struct milter_edit e;
    bool away = false;
    while (next_edit(t, &w, &e)) {
        if ((e.kind == MILTER_RCPT_DROP || e.kind == MILTER_RCPT_ADD) &&
            read_path(e.name, false, &path) && slice_ieq(path.mailbox, mailbox)) {
            away = e.kind == MILTER_RCPT_DROP;
        }
    }
    return away;
}

bool mail_milter_drops(const struct client *c, const struct smtp_recipient *r)
{
    return holds(c) && dropped(c->milter, r->path.mailbox);
}

bool milter_left_nobody(struct client *c)
{
    const struct smtp_envelope *e = smtp_session_envelope(c->session);
    for (const struct smtp_recipient *r = e->first; r != NULL; r = r->next) {
        if (!dropped(c->milter, r->path.mailbox)) {
            return false;
        }
    }
    return c->milter->target_n == 0;
}

static bool is_recipient(const struct client *c, struct slice mailbox)
{
    const struct smtp_envelope *e = smtp_session_envelope(c->session);
    for (const struct smtp_recipient *r = e->first; r != NULL; r = r->next) {
        if (slice_ieq(r->path.mailbox, mailbox)) {
            return true;
        }
    }
    for (const struct milter_added *a = c->milter->added; a != NULL; a = a->next) {
        if (slice_ieq(a->given, mailbox)) {
            return true;
        }
    }
    return false;
}

static void say_left_out(const struct client *c, struct slice rcpt, const char *why)
{
    struct fields f;
    fields_reset(&f);
    fields_add(&f, "rcpt", rcpt);
    fields_add_str(&f, "what", why);
    log_event(LOG_WARN, c->id, "milter-recipient", &f);
}

/* The edit that adds a recipient which was not looked up yet. */
static bool next_added(struct client *c, struct smtp_path *out)
{
    struct milter_talk *t = c->milter;
    struct walk w = walk_all(t);
    struct milter_edit e;
    unsigned i = 0;
    while (next_edit(t, &w, &e)) {
        if (e.kind != MILTER_RCPT_ADD || i++ < t->added_n) {
            continue;
        }
        t->added_n++;
        if (!read_path(e.name, false, out) || out->utf8) {
            say_left_out(c, e.name, "a milter adds what is no address");
        } else if (!dropped(t, out->mailbox) && !is_recipient(c, out->mailbox)) {
            return true;
        }
    }
    return false;
}

bool milter_added_done(struct client *c)
{
    struct milter_talk *t = c->milter;
    if (c->smtpd->ctx->config->checks_milter == CHECK_OBSERVE) {
        return true;
    }
    while (t->report.state == FILTER_ASKED && !t->is_adding &&
           next_added(c, &t->adding)) {
        struct dir_answer answer = {0};
        t->is_adding = true;
        switch (mail_look_up(c, &t->adding, &answer)) {
        case MAIL_LOOK_KNOWN:
            mail_milter_found(c, mail_keep_targets(c, &t->adding, &answer));
            break;
        case MAIL_LOOK_ASKED:
            break;
        case MAIL_LOOK_FAULT:
            mail_milter_found(c, NULL);
            break;
        }
    }
    return t->report.state == FILTER_ASKED && !t->is_adding;
}

bool mail_milter_is_adding(const struct client *c)
{
    return c->milter != NULL && c->milter->is_adding;
}

void mail_milter_found(struct client *c, struct mail_targets *targets)
{
    struct milter_talk *t = c->milter;
    struct arena *arena = smtp_session_arena(c->session);
    struct milter_added *a = arena_alloc(arena, sizeof *a);
    t->is_adding = false;
    if (targets != NULL && targets->n == 0) {
        say_left_out(c, t->adding.mailbox, "a milter adds a recipient that is not here");
    } else if (targets == NULL || a == NULL ||
               !arena_dup(arena, t->adding.mailbox, &a->given) ||
               c->target_n + t->target_n + targets->n > SMTPD_TARGETS_MAX) {
        t->asking = false;
        t->report.state = FILTER_DOWN;
        t->report.why = "a recipient that it adds cannot be looked up now";
        t->report.down = t->report.server;
        t->report.when_down = MILTER_DOWN_DEFER;
    } else {
        a->targets = targets;
        a->next = NULL;
        *t->added_last = a;
        t->added_last = &a->next;
        t->target_n += targets->n;
    }
}

unsigned mail_milter_target_n(const struct client *c)
{
    return holds(c) ? c->milter->target_n : 0;
}

void mail_milter_targets(const struct client *c, struct spool_recipient *list)
{
    const struct milter_added *a = holds(c) ? c->milter->added : NULL;
    for (; a != NULL; a = a->next) {
        for (unsigned i = 0; i < a->targets->n; i++) {
            *list++ = (struct spool_recipient){
                .given = a->given,
                .target = a->targets->target[i].address,
                .kind = (enum spool_target)a->targets->target[i].kind,
            };
        }
    }
}

/* --- quarantine --- */

static void put_why(struct buf *b, const char *what, const char *server, struct slice why)
{
    struct buf text;
    buf_init(&text, 1024);
    (void)buf_add_fmt(&text, "%s %s%s", what, server, why.len > 0 ? ": " : "");
    for (size_t i = 0; i < why.len && i < MILTER_TEXT_MAX; i++) {
        (void)buf_add_byte(&text,
                           why.ptr[i] >= ' ' && why.ptr[i] <= '~' ? why.ptr[i] : '?');
    }
    spool_envelope_param(b, "quarantine", buf_slice(&text));
    buf_clear(&text);
}

void mail_milter_hold(const struct client *c, struct buf *b)
{
    struct milter_edit e;
    if (!holds(c)) {
        return;
    }
    const struct milter_talk *t = c->milter;
    for (unsigned i = 0; i < t->n; i++) {
        const struct config_milter *config = t->of[i].server->config;
        if (t->of[i].down != NULL && config->when_down == MILTER_DOWN_QUARANTINE) {
            put_why(b, "quarantined without the verdict of", config->server,
                    slice_of(t->of[i].down));
            return;
        }
    }
    struct walk w = walk_all(t);
    while (next_edit(t, &w, &e)) {
        if (e.kind == MILTER_QUARANTINE) {
            put_why(b, "quarantined by", t->of[w.link - 1].server->config->server,
                    e.name);
            return;
        }
    }
}

/* --- in words --- */

const char *milter_summary(struct milter_talk *t)
{
    static const char *const words[MILTER_EDIT_KINDS] = {
        [MILTER_SENDER] = "another sender",      [MILTER_RCPT_ADD] = "a recipient more",
        [MILTER_RCPT_DROP] = "a recipient less", [MILTER_QUARANTINE] = "held",
        [MILTER_ADD] = "header fields",          [MILTER_INSERT] = "header fields",
        [MILTER_CHANGE] = "header fields",
    };
    struct walk w = walk_all(t);
    struct milter_edit e;
    bool said[MILTER_EDIT_KINDS] = {false};
    size_t len = 0;
    t->summary[0] = '\0';
    if (t->new_body != NULL) {
        len = (size_t)snprintf(t->summary, sizeof t->summary, "another body");
    }
    while (next_edit(t, &w, &e)) {
        enum milter_edit_kind kind = e.kind <= MILTER_CHANGE ? MILTER_ADD : e.kind;
        if (!said[kind] && len < sizeof t->summary) {
            said[kind] = true;
            len += (size_t)snprintf(t->summary + len, sizeof t->summary - len, "%s%s",
                                    len > 0 ? ", " : "", words[kind]);
        }
    }
    return t->summary;
}
