/* daemon/smtpd_milter.c - a session's milters, in the order of milter.server: see smtpd.h
 *
 * Each has a connection a session, opened when the client connects. Connect, HELO, MAIL and RCPT are told when they
 * happen; the checks of MAIL and RCPT wait for the answers, one milter after the other, so that what one refuses the
 * next need not hear. The message is shown as it comes to the first, and to those behind it too
 * as long as none before them may change what they would see. The others are late: they are shown it at its end, as it
 * then is, from a body that is kept for them. A connection that may be out of step (filter/milter.h) or
 * has gone is made anew for the next MAIL. What goes wrong makes a milter `down` for the transaction. */
#include "daemon/smtpd_milter.h"

#include "base/log.h"
#include "check/mode.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LATE_PART = 64 * 1024 };

void milter_begin(struct smtpd *d)
{
    const struct config_milters *list = &d->ctx->config->milter_server;
    d->milters = calloc(list->n + 1U, sizeof *d->milters);
    BUG_ON(d->milters == NULL);
    map_init(&d->filter_asks, (size_t)d->client_max * CONFIG_MILTERS_MAX);
    for (unsigned i = 0; i < list->n; i++) {
        struct milter_server *s = &d->milters[i];
        s->config = &list->item[i];
        if (strncmp(s->config->server, "unix:", 5) == 0) {
            s->path = s->config->server + 5;
        } else if (!config_address_parse(s->config->server, &s->address, &s->len)) {
            fatal("milter.server: '%s' is no address", s->config->server);
        }
    }
    d->milter_n = list->n;
}

/* --- the end of it --- */

static void forget_ask(struct milter_link *l)
{
    if (l->cookie != 0) {
        (void)map_take(&l->client->smtpd->filter_asks, map_key_u64(&l->cookie));
        l->cookie = 0;
    }
}

static void close_link(struct milter_link *l)
{
    struct buf last;
    forget_ask(l);
    buf_init(&last, 64);
    if (milter_in_step(&l->milter)) {
        milter_quit(&l->milter, &last);
    }
    filter_link_close_with(&l->link, buf_slice(&last));
    buf_clear(&last);
    l->waiting = false;
}

/* There will be no verdict on this transaction. */
static void give_up(struct milter_link *l, const char *why)
{
    l->milter.early = true; /* no last words */
    close_link(l);
    l->down = why;
    filter_say_down("milter", l->server->config->server, why, &l->server->said_ms);
}

/* The session goes on, if it waits for a milter. May free the client. */
static void wake(struct client *c)
{
    if (c->milter->busy) {
        return;
    }
    if (c->milter->wanted) {
        c->milter->wanted = false;
        buf_reset(&c->smtpd->output);
        smtp_session_resume(c->session);
        client_continue(c);
    } else if (c->checks_wait) {
        checks_news(c);
    }
}

/* --- what a milter is told --- */

static void send_frames(struct milter_link *l, struct buf *b)
{
    bool ok = !b->failed && filter_link_send(&l->link, buf_slice(b));
    buf_clear(b);
    if (!ok) {
        give_up(l, "memory is short");
    } else if (l->milter.state == MILTER_BROKEN) {
        give_up(l, l->milter.why);
    }
}

/* What was told must be answered in time. */
static void await(struct milter_link *l)
{
    if (l->link.connection != NULL) {
        l->waiting = milter_due(&l->milter) > 0;
        if (l->waiting && !filter_link_wait(&l->link)) {
            give_up(l, "memory is short");
        }
    }
}

static void put_path(struct buf *b, struct slice mailbox)
{
    buf_reset(b);
    (void)buf_add_str(b, "<");
    (void)buf_add(b, mailbox);
    (void)buf_add_str(b, ">");
}

static void put_helo(struct milter_link *l, struct buf *out)
{
    struct client *c = l->client;
    struct fields f;
    fields_reset(&f);
    if (c->conn.ssl != NULL) {
        fields_add_str(&f, "{tls_version}", conn_tls_version(&c->conn));
        fields_add_str(&f, "{cipher}", conn_tls_cipher(&c->conn));
    }
    milter_macros(out, 'H', &f);
    milter_helo(&l->milter, out, smtp_session_helo(c->session));
}

static void tell_session(struct milter_link *l)
{
    struct client *c = l->client;
    struct buf *host = &c->smtpd->scratch;
    struct buf out;
    struct fields f;
    fields_reset(&f);
    fields_add_str(&f, "j", c->smtpd->ctx->config->hostname);
    fields_add_str(&f, "{daemon_name}", c->listener->name);
    fields_add_str(&f, "v", "Postern");
    fields_add_str(&f, "{client_addr}", c->ip);
    buf_init(&out, MILTER_FRAMES_MAX);
    milter_macros(&out, 'C', &f);
    buf_reset(host);
    (void)buf_add_fmt(host, "[%s]", c->ip);
    milter_connect(&l->milter, &out, buf_slice(host), !ip_is_v4(&c->address), c->port,
                   slice_of(c->ip));
    buf_reset(host);
    if (smtp_session_helo(c->session).len > 0) {
        put_helo(l, &out);
    }
    l->session_told = true;
    send_frames(l, &out);
}

static void put_mail(struct milter_link *l, struct buf *out)
{
    struct client *c = l->client;
    const struct smtp_envelope *e = smtp_session_envelope(c->session);
    char id[ID_TEXT_MAX];
    struct fields f;
    fields_reset(&f);
    fields_add(&f, "i", id_text((struct message_id){c->id, c->n}, id));
    fields_add(&f, "{auth_authen}", smtp_session_login(c->session));
    fields_add(&f, "{mail_addr}", e->sender.mailbox);
    milter_macros(out, 'M', &f);
    put_path(&c->smtpd->scratch, e->sender.mailbox);
    milter_mail(&l->milter, out, buf_slice(&c->smtpd->scratch));
    buf_reset(&c->smtpd->scratch);
    l->told_n = c->n;
}

static void put_rcpt(struct milter_link *l, const struct smtp_recipient *r,
                     struct buf *out)
{
    struct client *c = l->client;
    struct fields f;
    fields_reset(&f);
    fields_add(&f, "{rcpt_addr}", r->path.mailbox);
    milter_macros(out, 'R', &f);
    put_path(&c->smtpd->scratch, r->path.mailbox);
    milter_rcpt(&l->milter, out, buf_slice(&c->smtpd->scratch));
    buf_reset(&c->smtpd->scratch);
}

/* The envelope so far, to one that has not heard of it. */
static void put_envelope(struct milter_link *l, struct buf *out)
{
    const struct smtp_envelope *e = smtp_session_envelope(l->client->session);
    if (l->told_n == l->client->n) {
        return;
    }
    put_mail(l, out);
    for (const struct smtp_recipient *r = e->first; r != NULL; r = r->next) {
        put_rcpt(l, r, out);
    }
}

static void tell_mail(struct milter_link *l)
{
    struct buf out;
    buf_init(&out, MILTER_FRAMES_MAX);
    put_envelope(l, &out);
    send_frames(l, &out);
    await(l);
}

static void tell_rcpt(struct milter_link *l)
{
    struct buf out;
    buf_init(&out, MILTER_FRAMES_MAX);
    put_envelope(l, &out);
    put_rcpt(l, smtp_session_asked(l->client->session), &out);
    l->rcpt_told = true;
    send_frames(l, &out);
    await(l);
}

/* DATA and the header section. */
static void tell_head(struct milter_link *l, struct slice octets)
{
    struct header_field field;
    unsigned line = 1;
    struct buf out;
    buf_init(&out, MILTER_FRAMES_MAX);
    milter_data(&l->milter, &out);
    while (header_field_next(&octets, &line, &field)) {
        milter_header(&l->milter, &out, field.name, field.value);
    }
    milter_eoh(&l->milter, &out);
    send_frames(l, &out);
}

static void tell_body(struct milter_link *l, struct slice s)
{
    struct buf out;
    buf_init(&out, MILTER_FRAMES_MAX);
    milter_body(&l->milter, &out, s);
    if (out.len > 0) {
        send_frames(l, &out);
    }
}

static void tell_end(struct milter_link *l)
{
    struct client *c = l->client;
    char id[ID_TEXT_MAX];
    struct buf out;
    struct fields f;
    fields_reset(&f);
    fields_add(&f, "i", id_text((struct message_id){c->id, c->n}, id));
    buf_init(&out, MILTER_FRAMES_MAX);
    milter_macros(&out, 'E', &f);
    milter_end(&l->milter, &out);
    send_frames(l, &out);
    await(l);
}

/* --- the connection --- */

static bool is_ready(const struct milter_link *l)
{
    return l->link.connection != NULL && l->milter.state == MILTER_READY;
}

/* Is there anything left to tell it of the message? */
static bool listens(const struct milter_link *l)
{
    return is_ready(l) && milter_says(&l->milter)->verdict == MILTER_GO_ON;
}

static bool on_octets(void *owner, struct slice s)
{
    struct milter_link *l = owner;
    return milter_feed(&l->milter, s) != MILTER_BROKEN;
}

static void on_heard(void *owner)
{
    struct milter_link *l = owner;
    struct client *c = l->client;
    if (l->milter.state == MILTER_BROKEN) {
        give_up(l, l->milter.why);
    } else if (l->milter.state == MILTER_READY && !l->session_told) {
        filter_link_rest(&l->link); /* it was for the negotiation */
        tell_session(l);
    } else if (l->waiting) {
        filter_link_rest(&l->link);
        await(l); /* as long as something comes it is at work */
    }
    wake(c);
}

static void feed_late(struct milter_link *l);

static void on_room(void *owner)
{
    struct milter_link *l = owner;
    struct client *c = l->client;
    if (l->late_told) {
        feed_late(l);
    }
    wake(c);
}

static void on_gone(void *owner, bool at_end, const char *why)
{
    struct milter_link *l = owner;
    struct client *c = l->client;
    (void)at_end;
    /* between two messages that is no loss: the next one opens it anew */
    if (!l->session_told || (c->n != 0 && l->told_n == c->n)) {
        give_up(l, why);
    }
    wake(c);
}

static const struct filter_link_ops link_ops = {
    .octets = on_octets, .heard = on_heard, .room = on_room, .gone = on_gone};

/* Sockets of the file system are the supervisor's to open: we see none. */
static void ask_connection(struct milter_link *l)
{
    struct smtpd *d = l->client->smtpd;
    struct buf b;
    buf_init(&b, 256);
    l->cookie = ++d->next_cookie;
    wire_put_u64(&b, l->cookie);
    wire_put_text(&b, slice_of(l->server->path));
    bool kept = map_put(&d->filter_asks, map_key_u64(&l->cookie), l);
    l->cookie = kept ? l->cookie : 0;
    if (!kept || b.failed ||
        !role_ask_supervisor(d->ctx, MSG_FILTER_ASK, buf_slice(&b))) {
        give_up(l, "memory is short");
    }
    buf_clear(&b);
}

bool milter_connected(struct smtpd *d, const struct msg *m)
{
    struct wire_reader r = wire_reader_of(m->payload);
    uint64_t cookie = wire_u64(&r);
    struct milter_link *l = map_take(&d->filter_asks, map_key_u64(&cookie));
    if (l == NULL || l->link.connection == NULL) {
        if (m->fd >= 0) {
            (void)close(m->fd); /* nobody wants it any more */
        }
        return true;
    }
    l->cookie = 0;
    if (m->fd >= 0) {
        filter_link_attach(&l->link, m->fd);
    } else {
        struct client *c = l->client;
        give_up(l, "no connection");
        wake(c);
    }
    return true;
}

static void open_link(struct milter_link *l)
{
    struct smtpd *d = l->client->smtpd;
    struct buf out;
    close_link(l);
    milter_clear(&l->milter);
    milter_init(&l->milter, d->ctx->config->limits_message_size * 2);
    l->session_told = false;
    l->down = NULL;
    l->told_n = 0;
    buf_init(&out, 64);
    milter_negotiate(&out);
    bool ok =
        filter_link_open(&l->link, d->ctx->base, &link_ops, l, l->server->config->time) &&
        !out.failed && filter_link_send(&l->link, buf_slice(&out)) &&
        filter_link_wait(&l->link);
    buf_clear(&out);
    if (!ok) {
        give_up(l, "memory is short");
    } else if (l->server->len > 0) {
        filter_link_connect(&l->link, &l->server->address, l->server->len);
    } else {
        ask_connection(l);
    }
}

/* --- the session --- */

static bool sees(const struct client *c, const struct milter_server *s)
{
    bool incoming = c->listener->service == SERVICE_MX;
    return s->config->mail == MILTER_MAIL_ALL ||
           (s->config->mail == MILTER_MAIL_INCOMING) == incoming;
}

void milter_session_begin(struct client *c)
{
    struct smtpd *d = c->smtpd;
    unsigned n = 0;
    milter_session_end(c);
    for (unsigned i = 0; i < d->milter_n; i++) {
        n += sees(c, &d->milters[i]);
    }
    if (n == 0 || d->ctx->config->checks_milter == CHECK_OFF) {
        return;
    }
    c->milter = calloc(1, sizeof *c->milter + n * sizeof c->milter->of[0]);
    c->milter_failed = c->milter == NULL;
    if (c->milter_failed) {
        return;
    }
    c->milter->added_last = &c->milter->added;
    buf_init(&c->milter->body, d->ctx->config->limits_message_size + 1);
    for (unsigned i = 0; i < d->milter_n; i++) {
        if (sees(c, &d->milters[i])) {
            struct milter_link *l = &c->milter->of[c->milter->n++];
            *l = (struct milter_link){.client = c, .server = &d->milters[i]};
            open_link(l);
        }
    }
}

void milter_session_hello(struct client *c)
{
    for (unsigned i = 0; c->milter != NULL && i < c->milter->n; i++) {
        struct milter_link *l = &c->milter->of[i];
        struct buf out;
        if (!is_ready(l) || !l->session_told) {
            continue;
        }
        if (filter_link_full(&l->link)) {
            give_up(l, "it takes nothing");
            continue;
        }
        buf_init(&out, MILTER_FRAMES_MAX);
        put_helo(l, &out);
        send_frames(l, &out);
    }
}

void milter_session_end(struct client *c)
{
    struct milter_talk *t = c->milter;
    if (t == NULL) {
        return;
    }
    mail_milter_forget(c);
    for (unsigned i = 0; i < t->n; i++) {
        close_link(&t->of[i]);
        milter_clear(&t->of[i].milter);
    }
    buf_clear(&t->body);
    free(t);
    c->milter = NULL;
}

/* --- a stage: one after the other is asked --- */

enum ask { ASK_WAITS = 0, ASK_PASSED, ASK_REFUSED, ASK_DOWN };

static void tell_late(struct milter_link *l);

static void tell(struct milter_link *l, enum check_stage stage)
{
    switch (stage) {
    case CHECK_MAIL:
        if (l->told_n != l->client->n) {
            tell_mail(l);
        }
        break;
    case CHECK_RCPT:
        if (!l->rcpt_told) {
            tell_rcpt(l);
        }
        break;
    case CHECK_MESSAGE:
        if (l->late && !l->late_told) {
            tell_late(l);
        }
        break;
    }
}

static enum ask ask(struct milter_link *l, enum check_stage stage)
{
    struct client *c = l->client;
    if (l->link.connection == NULL && stage == CHECK_MAIL && l->opened_n != c->n) {
        l->opened_n = c->n;
        open_link(l);
    }
    if (l->link.connection != NULL && l->milter.state == MILTER_ASKING) {
        return ASK_WAITS;
    }
    if (is_ready(l) && stage == CHECK_MAIL && l->told_n != c->n &&
        l->milter.session.verdict == MILTER_GO_ON && milter_due(&l->milter) > 0) {
        await(l); /* to connect and helo */
        return ASK_WAITS;
    }
    if (is_ready(l)) {
        tell(l, stage);
    }
    if (l->link.connection == NULL) {
        l->down = l->down == NULL ? "no connection" : l->down;
        return ASK_DOWN;
    }
    const struct milter_say *say = milter_says(&l->milter);
    if (say->verdict == MILTER_GO_ON && milter_due(&l->milter) > 0) {
        return ASK_WAITS;
    }
    if (say->verdict == MILTER_GO_ON && stage == CHECK_RCPT) {
        say = &l->milter.rcpt;
    }
    c->milter->report.say = say;
    if (stage == CHECK_MESSAGE && say->verdict == MILTER_GO_ON) {
        return l->late_told ? ASK_WAITS : ASK_PASSED; /* its body is on the way */
    }
    return say->verdict == MILTER_GO_ON || say->verdict == MILTER_ACCEPT ? ASK_PASSED
                                                                         : ASK_REFUSED;
}

/* It is done with the message: those behind it see what it made of it. */
static void take_body(struct milter_talk *t, const struct milter_link *l,
                      enum check_stage stage)
{
    if (stage == CHECK_MESSAGE && l->milter.new_body && l->down == NULL) {
        t->new_body = &l->milter.body;
    }
}

static bool goes_on_without(const struct milter_link *l)
{
    int when = l->server->config->when_down;
    return when == MILTER_DOWN_ACCEPT || when == MILTER_DOWN_QUARANTINE;
}

/* All have been asked. */
static void all_passed(struct client *c)
{
    static const struct milter_say discards = {.verdict = MILTER_DISCARD};
    struct milter_talk *t = c->milter;
    if (t->stage == CHECK_MESSAGE && !milter_added_done(c)) {
        return;
    }
    t->asking = false;
    t->report.state = FILTER_ANSWERED;
    if (t->stage == CHECK_MESSAGE && milter_left_nobody(c)) {
        t->report.say = &discards;
    } else if (t->stage == CHECK_MESSAGE) {
        t->passed = true;
        t->report.changes = milter_summary(t);
        for (unsigned i = 0; i < t->n; i++) {
            t->report.edits[t->report.edits_n++] = milter_edits(&t->of[i]);
        }
    }
}

/* Goes on from where it waited. */
static void ask_all(struct client *c, enum check_stage stage)
{
    struct milter_talk *t = c->milter;
    while (t->at < t->n) {
        struct milter_link *l = &t->of[t->at];
        t->report.server = l->server->config->server;
        switch (ask(l, stage)) {
        case ASK_WAITS:
            return;
        case ASK_REFUSED:
            t->asking = false;
            t->report.state = FILTER_ANSWERED;
            return;
        case ASK_DOWN:
            t->report.why = l->down;
            t->report.down = l->server->config->server;
            t->report.when_down = (enum config_milter_down)l->server->config->when_down;
            if (!goes_on_without(l)) {
                t->asking = false;
                t->report.state = FILTER_DOWN;
                return;
            }
            break;
        case ASK_PASSED:
            break;
        }
        take_body(t, l, stage);
        t->at++;
        client_waits_anew(c);
    }
    all_passed(c);
}

const struct check_milter *mail_milter(void *arg, enum check_stage stage)
{
    static const struct check_milter failed = {.state = FILTER_DOWN,
                                               .why = "memory is short"};
    struct client *c = arg;
    struct milter_talk *t = c->milter;
    if (t == NULL) {
        return c->milter_failed ? &failed : NULL;
    }
    if (!t->asking || t->stage != stage) {
        t->report = (struct check_milter){.state = FILTER_ASKED};
        t->asking = true;
        t->stage = stage;
        t->at = 0;
    }
    t->busy = true;
    ask_all(c, stage);
    t->busy = false;
    return &t->report;
}

void mail_milter_anew(struct client *c)
{
    for (unsigned i = 0; c->milter != NULL && i < c->milter->n; i++) {
        c->milter->of[i].rcpt_told = false;
        c->milter->asking = false;
    }
}

/* --- the message --- */

static bool is_off(struct client *c)
{
    struct check_facts f = mail_facts(c, smtp_session_envelope(c->session));
    return mode_of(&f, offsetof(struct config, checks_milter)) == CHECK_OFF;
}

bool mail_milter_head(struct client *c)
{
    struct milter_talk *t = c->milter;
    bool live = true;
    if (t == NULL || is_off(c)) {
        return true;
    }
    for (unsigned i = 0; i < t->n; i++) {
        struct milter_link *l = &t->of[i];
        if (l->link.connection != NULL && l->milter.state == MILTER_ASKING) {
            give_up(l, "it was asked for this message alone, and was not ready");
        }
        if (is_ready(l) && l->told_n != c->n) {
            tell_mail(l); /* where no check of the envelope did */
        }
        if (!listens(l)) {
            continue;
        }
        l->live = live;
        l->late = !live;
        t->keep |= l->late && milter_wants_body(&l->milter);
        live = live && !milter_may_change(&l->milter);
        if (l->live) {
            tell_head(l, buf_slice(&c->head.octets));
        }
    }
    return true;
}

bool mail_milter_room(struct client *c)
{
    struct milter_talk *t = c->milter;
    for (unsigned i = 0; t != NULL && i < t->n; i++) {
        struct milter_link *l = &t->of[i];
        if (l->live && l->link.connection != NULL && filter_link_full(&l->link)) {
            t->wanted = true;
            return false;
        }
    }
    return true;
}

static void keep_body(struct client *c, struct slice s)
{
    struct milter_talk *t = c->milter;
    size_t *kept = &c->smtpd->milter_kept;
    if (!t->keep) {
        return;
    }
    if (*kept + s.len <= MILTER_KEPT_MAX && buf_add(&t->body, s)) {
        *kept += s.len;
        return;
    }
    t->keep = false;
    for (unsigned i = 0; i < t->n; i++) {
        if (t->of[i].late && milter_wants_body(&t->of[i].milter)) {
            give_up(&t->of[i], "memory is short");
        }
    }
}

void mail_milter_body(struct client *c, struct slice s)
{
    struct milter_talk *t = c->milter;
    for (unsigned i = 0; t != NULL && i < t->n; i++) {
        if (t->of[i].live && listens(&t->of[i])) {
            tell_body(&t->of[i], s);
        }
    }
    if (t != NULL) {
        keep_body(c, s);
    }
}

void mail_milter_end(struct client *c)
{
    struct milter_talk *t = c->milter;
    for (unsigned i = 0; t != NULL && i < t->n; i++) {
        if (t->of[i].live && listens(&t->of[i])) {
            tell_end(&t->of[i]);
        }
    }
}

/* As much of the body as goes, then the end. */
static void feed_late(struct milter_link *l)
{
    const struct milter_talk *t = l->client->milter;
    const struct buf *body = t->new_body != NULL ? t->new_body : &t->body;
    client_waits_anew(l->client);
    while (listens(l) && !l->milter.ended && !filter_link_full(&l->link)) {
        struct slice part = slice_sub(buf_slice(body), l->late_at, LATE_PART);
        if (part.len == 0 || l->milter.skip || !milter_wants_body(&l->milter)) {
            tell_end(l);
        } else {
            tell_body(l, part);
            l->late_at += part.len;
        }
    }
}

static void tell_late(struct milter_link *l)
{
    struct client *c = l->client;
    struct buf head;
    l->late_told = true;
    buf_init(&head, SPOOL_HEAD_MAX);
    if (milter_head_before(c, (unsigned)(l - c->milter->of), &head)) {
        tell_head(l, buf_slice(&head));
        feed_late(l);
    } else {
        give_up(l, "memory is short");
    }
    buf_clear(&head);
}

void mail_milter_forget(struct client *c)
{
    struct milter_talk *t = c->milter;
    for (unsigned i = 0; t != NULL && i < t->n; i++) {
        struct milter_link *l = &t->of[i];
        if (l->told_n != 0 && is_ready(l)) {
            struct buf out;
            bool in_step = milter_in_step(&l->milter);
            buf_init(&out, 64);
            milter_abort(&l->milter, &out);
            if (!in_step) {
                close_link(l);
            } else if (out.len > 0) {
                send_frames(l, &out);
            }
            buf_clear(&out);
        }
        l->live = l->late = l->late_told = l->rcpt_told = false;
        l->late_at = 0;
        l->told_n = l->opened_n = 0;
        l->down = NULL;
    }
    if (t != NULL) {
        c->smtpd->milter_kept -= t->body.len;
        buf_clear(&t->body);
        t->new_body = NULL;
        t->asking = t->wanted = t->keep = t->passed = t->is_adding = false;
        t->added = NULL;
        t->added_last = &t->added;
        t->added_n = t->target_n = 0;
    }
}
