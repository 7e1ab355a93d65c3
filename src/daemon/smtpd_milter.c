/* daemon/smtpd_milter.c - a transaction's message is shown to a milter: see smtpd.h
 *
 * One connection a message, made when the header section is complete: then session and envelope are told, the
 * body as it comes, and the checks at the message's end wait for the verdict. So a filter's answer to a
 * recipient counts for the whole message. Of what the filter has not read yet at most FILTER_WINDOW octets are kept,
 * then the client waits. What goes wrong ends in FILTER_DOWN. */
#include "base/log.h"
#include "daemon/smtpd.h"
#include "daemon/smtpd_filter.h"
#include "filter/field.h"
#include "filter/milter.h"

#include <stdlib.h>

enum {
    HELD_MAX = SMTPD_INPUT_MAX, /* body that came with the header section's end */
    FRAMES_MAX = 4 * 1024 * 1024,
};

struct milter_talk {
    struct milter_report report;
    struct filter_link link;
    struct buf held; /* body octets, before the filter is ready */
    bool ended;      /* the message is complete */
    bool wanted;     /* the session waits for room */
};

void milter_begin(struct smtpd *d)
{
    const char *text = d->ctx->config->milter_server;
    if (text[0] != '\0' && !config_address_parse(text, &d->milter, &d->milter_len)) {
        fatal("milter.server: '%s' is no address", text); /* the configuration looked */
    }
}

/* --- the end of it --- */

static void close_link(struct milter_talk *t)
{
    filter_link_close(&t->link);
    buf_clear(&t->held);
}

/* There will be no verdict. */
static void give_up(struct client *c, const char *why)
{
    close_link(c->milter);
    c->milter->report.state = FILTER_DOWN;
    c->milter->report.why = why;
    filter_say_down("milter", c->smtpd->ctx->config->milter_server, why,
                    &c->smtpd->milter_said_ms);
}

/* The session goes on, if it waits for this. May free the client. */
static void wake(struct client *c)
{
    struct milter_talk *t = c->milter;
    if (t->wanted) {
        t->wanted = false;
        buf_reset(&c->smtpd->output);
        smtp_session_resume(c->session);
        client_continue(c);
    } else if (c->checks_wait) {
        checks_news(c);
    }
}

/* --- what the filter is told --- */

static bool send_frames(struct client *c, struct buf *b)
{
    struct milter_talk *t = c->milter;
    bool ok = !b->failed && filter_link_send(&t->link, buf_slice(b));
    buf_clear(b);
    if (!ok) {
        give_up(c, "memory is short");
    }
    return ok;
}

static void put_path(struct buf *b, struct slice mailbox)
{
    buf_reset(b);
    (void)buf_add_str(b, "<");
    (void)buf_add(b, mailbox);
    (void)buf_add_str(b, ">");
}

static void put_envelope(struct client *c, struct milter *m, struct buf *out)
{
    const struct smtp_envelope *e = smtp_session_envelope(c->session);
    struct buf *path = &c->smtpd->scratch;
    char id[ID_TEXT_MAX];
    struct fields f;
    fields_reset(&f);
    fields_add(&f, "i", id_text((struct message_id){c->id, c->n}, id));
    fields_add(&f, "{auth_authen}", smtp_session_login(c->session));
    fields_add(&f, "{mail_addr}", e->sender.mailbox);
    milter_macros(out, 'M', &f);
    put_path(path, e->sender.mailbox);
    milter_mail(m, out, buf_slice(path));
    for (const struct smtp_recipient *r = e->first; r != NULL; r = r->next) {
        fields_reset(&f);
        fields_add(&f, "{rcpt_addr}", r->path.mailbox);
        milter_macros(out, 'R', &f);
        put_path(path, r->path.mailbox);
        milter_rcpt(m, out, buf_slice(path));
    }
    buf_reset(path);
}

static void put_session(struct client *c, struct milter *m, struct buf *out)
{
    bool v6 = !ip_is_v4(&c->address);
    struct buf *host = &c->smtpd->scratch;
    struct fields f;
    fields_reset(&f);
    fields_add_str(&f, "j", c->smtpd->ctx->config->hostname);
    fields_add_str(&f, "{daemon_name}", c->listener->name);
    fields_add_str(&f, "v", "Postern");
    fields_add_str(&f, "{client_addr}", c->ip);
    milter_macros(out, 'C', &f);
    buf_reset(host);
    (void)buf_add_fmt(host, "[%s]", c->ip);
    milter_connect(m, out, buf_slice(host), v6, c->port, slice_of(c->ip));
    buf_reset(host);
    fields_reset(&f);
    if (c->conn.ssl != NULL) {
        fields_add_str(&f, "{tls_version}", conn_tls_version(&c->conn));
        fields_add_str(&f, "{cipher}", conn_tls_cipher(&c->conn));
    }
    milter_macros(out, 'H', &f);
    milter_helo(m, out, smtp_session_helo(c->session));
}

static void put_end(struct client *c, struct buf *out)
{
    char id[ID_TEXT_MAX];
    struct fields f;
    fields_reset(&f);
    fields_add(&f, "i", id_text((struct message_id){c->id, c->n}, id));
    milter_macros(out, 'E', &f);
    milter_end(&c->milter->report.milter, out);
}

/* It has said what it wants to hear. */
static void tell_all(struct client *c)
{
    struct milter_talk *t = c->milter;
    struct milter *m = &t->report.milter;
    struct slice rest = buf_slice(&c->head.octets);
    struct header_field field;
    unsigned line = 1;
    struct buf out;
    buf_init(&out, FRAMES_MAX);
    put_session(c, m, &out);
    put_envelope(c, m, &out);
    milter_data(m, &out);
    while (header_field_next(&rest, &line, &field)) {
        milter_header(m, &out, field.name, field.value);
    }
    milter_eoh(m, &out);
    milter_body(m, &out, buf_slice(&t->held));
    buf_clear(&t->held);
    if (t->ended) {
        put_end(c, &out);
    }
    (void)send_frames(c, &out);
}

/* --- the connection --- */

static void take_state(struct client *c, enum milter_state before)
{
    struct milter_talk *t = c->milter;
    struct milter *m = &t->report.milter;
    if (m->state == MILTER_OVER && m->verdict == MILTER_BROKEN) {
        give_up(c, m->why);
        wake(c);
    } else if (m->state == MILTER_OVER) {
        t->report.state = FILTER_ANSWERED;
        close_link(t);
        wake(c);
    } else if (m->state == MILTER_READY && before == MILTER_ASKING) {
        if (!t->ended) {
            filter_link_rest(&t->link); /* it was for the negotiation */
        }
        tell_all(c);
        if (t->wanted || t->report.state == FILTER_DOWN) {
            wake(c);
        }
    }
}

static bool on_octets(void *owner, struct slice s)
{
    struct client *c = owner;
    enum milter_state before = c->milter->report.milter.state;
    bool more = milter_feed(&c->milter->report.milter, s) != MILTER_OVER;
    take_state(c, before);
    return more;
}

static void on_room(void *owner)
{
    wake(owner);
}

static void on_gone(void *owner, bool at_end, const char *why)
{
    (void)at_end;
    give_up(owner, why);
    wake(owner);
}

static const struct filter_link_ops link_ops = {
    .octets = on_octets, .room = on_room, .gone = on_gone};

static bool open_link(struct client *c)
{
    struct milter_talk *t = c->milter;
    struct buf out;
    if (!filter_link_open(&t->link, c->smtpd->ctx->base, &link_ops, c,
                          c->smtpd->ctx->config->milter_time)) {
        return false;
    }
    buf_init(&out, FRAMES_MAX);
    milter_negotiate(&out);
    bool ok = !out.failed && filter_link_send(&t->link, buf_slice(&out));
    buf_clear(&out);
    return ok;
}

/* --- what the message's way calls --- */

static bool is_asked(const struct client *c)
{
    const struct config *config = c->smtpd->ctx->config;
    bool incoming = c->listener->service == SERVICE_MX;
    return c->smtpd->milter_len > 0 && config->checks_milter != CHECK_OFF &&
           (config->milter_mail == MILTER_MAIL_ALL ||
            (config->milter_mail == MILTER_MAIL_INCOMING) == incoming);
}

bool mail_milter_head(struct client *c)
{
    if (!is_asked(c)) {
        return true;
    }
    c->milter = calloc(1, sizeof *c->milter);
    if (c->milter == NULL) {
        return false;
    }
    milter_init(&c->milter->report.milter);
    buf_init(&c->milter->held, HELD_MAX);
    c->milter->report.state = FILTER_ASKED;
    if (!open_link(c)) {
        give_up(c, "memory is short");
    } else {
        filter_link_connect(&c->milter->link, &c->smtpd->milter, c->smtpd->milter_len);
    }
    return true;
}

bool mail_milter_room(struct client *c)
{
    struct milter_talk *t = c->milter;
    if (t == NULL || t->link.connection == NULL) {
        return true;
    }
    bool first = !t->wanted;
    t->wanted = t->report.milter.state == MILTER_ASKING || filter_link_full(&t->link);
    if (t->wanted && first && t->report.milter.state == MILTER_ASKING &&
        !filter_link_wait(&t->link)) {
        give_up(c, "memory is short");
        t->wanted = false;
    }
    return !t->wanted;
}

void mail_milter_body(struct client *c, struct slice s)
{
    struct milter_talk *t = c->milter;
    struct buf out;
    if (t == NULL || t->link.connection == NULL) {
        return;
    }
    if (t->report.milter.state == MILTER_ASKING) {
        if (!buf_add(&t->held, s)) {
            give_up(c, "memory is short");
        }
        return;
    }
    buf_init(&out, FRAMES_MAX);
    milter_body(&t->report.milter, &out, s);
    if (out.len > 0) {
        (void)send_frames(c, &out);
    }
}

void mail_milter_end(struct client *c)
{
    struct milter_talk *t = c->milter;
    struct buf out;
    if (t == NULL || t->link.connection == NULL) {
        return;
    }
    t->ended = true;
    if (!filter_link_wait(&t->link)) {
        give_up(c, "memory is short");
    } else if (t->report.milter.state == MILTER_READY) {
        buf_init(&out, FRAMES_MAX);
        put_end(c, &out);
        (void)send_frames(c, &out);
    }
}

const struct milter_report *mail_milter_report(const struct client *c)
{
    return c->milter == NULL ? NULL : &c->milter->report;
}

void mail_milter_forget(struct client *c)
{
    struct milter_talk *t = c->milter;
    if (t != NULL) {
        close_link(t);
        milter_clear(&t->report.milter);
        free(t);
        c->milter = NULL;
    }
}

/* --- the header section, as the filter wants it --- */

/* The number of the n-th field of that name, from 1; head.n: there is none. */
static unsigned nth_field(const struct client *c, const char *name, uint32_t n)
{
    unsigned at = message_head_find(&c->head, name, 0);
    for (uint32_t i = 1; i < n && at < c->head.n; i++) {
        at = message_head_find(&c->head, name, at + 1);
    }
    return at;
}

static bool edit(struct client *c, const struct milter_edit *e, struct slice field)
{
    enum { NAME_MAX_OCTETS = 256 };
    char name[NAME_MAX_OCTETS];
    unsigned at = c->head.n;
    if (e->kind == MILTER_INSERT) {
        at = e->index < c->head.n ? e->index : c->head.n;
    } else if (e->kind == MILTER_CHANGE && slice_cstr(e->name, name, sizeof name)) {
        at = nth_field(c, name, e->index);
        if (at < c->head.n) {
            message_head_drop(&c->head, at);
        }
        if (e->value.len == 0) {
            return true;
        }
    }
    return message_head_insert(&c->head, at, field);
}

bool mail_milter_edit(struct client *c)
{
    struct milter_talk *t = c->milter;
    struct milter_edit e;
    struct buf *b = &c->smtpd->scratch;
    bool ok = true;
    if (t == NULL || t->report.state != FILTER_ANSWERED ||
        t->report.milter.verdict != MILTER_ACCEPT ||
        c->smtpd->ctx->config->checks_milter == CHECK_OBSERVE) {
        return true;
    }
    struct slice rest = buf_slice(&t->report.milter.edits);
    while (ok && milter_edit_next(&rest, &e)) {
        buf_reset(b);
        if (filter_field(b, e.name, e.value, !milter_own_space(&t->report.milter))) {
            ok = edit(c, &e, buf_slice(b));
        }
    }
    buf_reset(b);
    return ok;
}
