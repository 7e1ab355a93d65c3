/* daemon/smtpd_rspamd.c - a transaction's message is shown to rspamd: see smtpd.h
 *
 * One connection a message, made when the header section is complete. The body goes on as it comes, in
 * chunks; of what rspamd has not read yet at most WINDOW octets are kept, then the client waits. The
 * checks at the end of the message wait for the answer. What goes wrong ends in FILTER_DOWN, and the check
 * says what becomes of that. */
#include "base/clock.h"
#include "base/log.h"
#include "daemon/smtpd.h"
#include "filter/http_answer.h"
#include "filter/rspamd.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include <stdlib.h>

enum { WINDOW = 512 * 1024, WINDOW_LOW = 64 * 1024, SAY_EVERY_MS = 60000 };

struct rspamd_talk {
    struct rspamd_report report;
    struct http_answer answer;
    struct bufferevent *link; /* NULL: it is over */
    struct event *deadline;
    uint64_t sent; /* octets of the message */
    bool ended;    /* all of the message went out */
    bool wanted;   /* the session waits for room */
};

void rspamd_init(struct smtpd *d)
{
    const char *text = d->ctx->config->rspamd_server;
    if (text[0] != '\0' && !config_address_parse(text, &d->rspamd, &d->rspamd_len)) {
        fatal("rspamd.server: '%s' is no address", text); /* the configuration looked */
    }
}

/* --- the end of it --- */

static void close_link(struct rspamd_talk *t)
{
    if (t->link != NULL) {
        bufferevent_free(t->link);
        t->link = NULL;
    }
    if (t->deadline != NULL) {
        event_free(t->deadline);
        t->deadline = NULL;
    }
}

static void say_down(struct client *c, const char *why)
{
    struct smtpd *d = c->smtpd;
    uint64_t now = clock_mono_ms();
    if (d->rspamd_said_ms == 0 || now - d->rspamd_said_ms >= SAY_EVERY_MS) {
        d->rspamd_said_ms = now;
        log_text(LOG_WARN, "rspamd", "%s gives no verdict: %s",
                 d->ctx->config->rspamd_server, why);
    }
}

/* There will be no verdict. */
static void give_up(struct client *c, const char *why)
{
    struct rspamd_talk *t = c->rspamd;
    close_link(t);
    t->report.state = FILTER_DOWN;
    t->report.why = why;
    say_down(c, why);
}

/* The session goes on, if it waits for this. May free the client. */
static void wake(struct client *c)
{
    struct rspamd_talk *t = c->rspamd;
    if (t->wanted) {
        t->wanted = false;
        buf_reset(&c->smtpd->output);
        smtp_session_resume(c->session);
        client_continue(c);
    } else if (c->checks_wait) {
        checks_news(c);
    }
}

/* The answer is complete. */
static void take_answer(struct client *c)
{
    struct rspamd_talk *t = c->rspamd;
    const char *why = NULL;
    if (t->answer.state != HTTP_DONE) {
        give_up(c, "its answer is not HTTP, or too long");
    } else if (t->answer.status != 200) {
        give_up(c, "its answer is an error");
    } else if (!t->ended) {
        give_up(c, "it answered before it had the whole message");
    } else if (!rspamd_read(buf_slice(&t->answer.body), &t->report.verdict, &why)) {
        give_up(c, why);
    } else {
        t->report.state = FILTER_ANSWERED;
        close_link(t);
    }
}

/* --- the connection --- */

static void on_octets(struct bufferevent *link, void *arg)
{
    struct client *c = arg;
    struct rspamd_talk *t = c->rspamd;
    struct evbuffer *in = bufferevent_get_input(link);
    struct evbuffer_iovec part;
    enum http_state state = t->answer.state;
    while (state != HTTP_DONE && state != HTTP_BAD &&
           evbuffer_peek(in, -1, NULL, &part, 1) > 0 && part.iov_len > 0) {
        state = http_answer_feed(&t->answer, (struct slice){part.iov_base, part.iov_len});
        (void)evbuffer_drain(in, part.iov_len);
    }
    if (state == HTTP_DONE || state == HTTP_BAD) {
        take_answer(c);
        wake(c);
    }
}

static void on_sent(struct bufferevent *link, void *arg)
{
    struct client *c = arg;
    (void)link;
    if (c->rspamd->wanted) {
        wake(c);
    }
}

static void on_end(struct bufferevent *link, short what, void *arg)
{
    struct client *c = arg;
    struct rspamd_talk *t = c->rspamd;
    (void)link;
    if ((what & BEV_EVENT_CONNECTED) != 0) {
        return;
    }
    if ((what & BEV_EVENT_TIMEOUT) != 0) {
        give_up(c, "it takes nothing, or no connection");
    } else if ((what & BEV_EVENT_EOF) != 0 && http_answer_end(&t->answer) == HTTP_DONE) {
        take_answer(c);
    } else {
        give_up(c, (what & BEV_EVENT_EOF) != 0 ? "it closed the connection"
                                               : "no connection");
    }
    wake(c);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct client *c = arg;
    (void)fd;
    (void)what;
    give_up(c, "no answer in rspamd.time");
    wake(c);
}

/* --- the request --- */

static void write_request(struct client *c, const struct smtp_envelope *e, struct buf *b)
{
    char id[ID_TEXT_MAX];
    const struct config *config = c->smtpd->ctx->config;
    rspamd_begin(b, slice_of(config->rspamd_server));
    rspamd_field(b, "IP", slice_of(c->ip));
    rspamd_field(b, "Helo", smtp_session_helo(c->session));
    rspamd_field(b, "From", e->sender.mailbox.len > 0 ? e->sender.mailbox : SLICE("<>"));
    for (const struct smtp_recipient *r = e->first; r != NULL; r = r->next) {
        rspamd_field(b, "Rcpt", r->path.mailbox);
    }
    rspamd_field(b, "User", smtp_session_login(c->session));
    rspamd_field(b, "Queue-Id", id_text((struct message_id){c->id, c->n}, id));
    rspamd_field(b, "MTA-Name", slice_of(config->hostname));
    if (c->conn.ssl != NULL) {
        rspamd_field(b, "TLS-Version", slice_of(conn_tls_version(&c->conn)));
        rspamd_field(b, "TLS-Cipher", slice_of(conn_tls_cipher(&c->conn)));
    }
    rspamd_head_end(b);
}

static bool begin(struct client *c, struct rspamd_talk *t)
{
    struct smtpd *d = c->smtpd;
    uint64_t ms = d->ctx->config->rspamd_time;
    struct timeval time = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
    struct buf request;
    t->link = bufferevent_socket_new(d->ctx->base, -1, BEV_OPT_CLOSE_ON_FREE);
    t->deadline = evtimer_new(d->ctx->base, on_deadline, c);
    if (t->link == NULL || t->deadline == NULL) {
        return false;
    }
    bufferevent_setcb(t->link, on_octets, on_sent, on_end, c);
    bufferevent_setwatermark(t->link, EV_WRITE, WINDOW_LOW, 0);
    buf_init(&request, RSPAMD_REQUEST_MAX);
    write_request(c, smtp_session_envelope(c->session), &request);
    bool ok = !request.failed && bufferevent_set_timeouts(t->link, NULL, &time) == 0 &&
              bufferevent_write(t->link, request.ptr, request.len) == 0 &&
              bufferevent_enable(t->link, EV_READ | EV_WRITE) == 0;
    buf_clear(&request);
    return ok;
}

static void connect_link(struct client *c)
{
    struct smtpd *d = c->smtpd;
    struct sockaddr_storage to = d->rspamd;
    /* on_end() may already have been called when this fails */
    if (bufferevent_socket_connect(c->rspamd->link, (struct sockaddr *)&to,
                                   (int)d->rspamd_len) != 0 &&
        c->rspamd->report.state == FILTER_ASKED) {
        give_up(c, "no connection");
    }
}

static void send_part(struct client *c, struct slice s)
{
    struct rspamd_talk *t = c->rspamd;
    char head[RSPAMD_CHUNK_HEAD_MAX];
    if (t == NULL || t->link == NULL || s.len == 0) {
        return;
    }
    if (t->sent + s.len > c->smtpd->ctx->config->rspamd_size) {
        close_link(t);
        t->report.state = FILTER_NONE;
        t->report.why = "not asked: the message is larger than rspamd.size";
        return;
    }
    struct slice size = rspamd_chunk_head(s.len, head);
    struct slice end = RSPAMD_CHUNK_END;
    t->sent += s.len;
    if (bufferevent_write(t->link, size.ptr, size.len) != 0 ||
        bufferevent_write(t->link, s.ptr, s.len) != 0 ||
        bufferevent_write(t->link, end.ptr, end.len) != 0) {
        give_up(c, "memory is short");
    }
}

/* --- what the message's way calls --- */

bool mail_rspamd_head(struct client *c)
{
    bool asked =
        c->listener->service == SERVICE_MX || c->listener->service == SERVICE_PUSH;
    if (c->smtpd->rspamd_len == 0 || !asked ||
        c->smtpd->ctx->config->checks_rspamd == CHECK_OFF) {
        return true;
    }
    c->rspamd = calloc(1, sizeof *c->rspamd);
    if (c->rspamd == NULL) {
        return false;
    }
    rspamd_verdict_init(&c->rspamd->report.verdict);
    http_answer_init(&c->rspamd->answer, RSPAMD_ANSWER_MAX);
    c->rspamd->report.state = FILTER_ASKED;
    if (!begin(c, c->rspamd)) {
        give_up(c, "memory is short");
        return true;
    }
    connect_link(c);
    send_part(c, buf_slice(&c->head.octets));
    if (c->head.empty_line) {
        send_part(c, SLICE("\r\n"));
    }
    return true;
}

bool mail_rspamd_room(struct client *c)
{
    struct rspamd_talk *t = c->rspamd;
    if (t == NULL || t->link == NULL) {
        return true;
    }
    t->wanted = evbuffer_get_length(bufferevent_get_output(t->link)) > WINDOW;
    return !t->wanted;
}

void mail_rspamd_body(struct client *c, struct slice s)
{
    send_part(c, s);
}

void mail_rspamd_end(struct client *c)
{
    struct rspamd_talk *t = c->rspamd;
    struct slice end = RSPAMD_END;
    uint64_t ms = c->smtpd->ctx->config->rspamd_time;
    struct timeval time = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
    if (t == NULL || t->link == NULL) {
        return;
    }
    t->ended = true;
    if (bufferevent_write(t->link, end.ptr, end.len) != 0 ||
        event_add(t->deadline, &time) != 0) {
        give_up(c, "memory is short");
    }
}

const struct rspamd_report *mail_rspamd_report(const struct client *c)
{
    return c->rspamd == NULL ? NULL : &c->rspamd->report;
}

void mail_rspamd_forget(struct client *c)
{
    struct rspamd_talk *t = c->rspamd;
    if (t != NULL) {
        close_link(t);
        http_answer_clear(&t->answer);
        rspamd_verdict_clear(&t->report.verdict);
        free(t);
        c->rspamd = NULL;
    }
}

/* --- the header section, as rspamd wants it --- */

static bool put_on_top(struct client *c, struct slice field)
{
    return message_head_insert(&c->head, 0, field);
}

static bool mark_as_spam(struct client *c, const struct rspamd_verdict *v)
{
    struct buf *b = &c->smtpd->scratch;
    message_head_drop_all(&c->head, "X-Spam");
    message_head_drop_all(&c->head, "X-Spam-Status");
    buf_reset(b);
    (void)buf_add_fmt(b, "X-Spam-Status: Yes, score=%.2f required=%.2f\r\n\ttests=",
                      v->score, v->required);
    struct slice symbols = {(const unsigned char *)v->symbols, v->symbols_len};
    for (size_t i = 0; i < symbols.len; i++) {
        (void)(symbols.ptr[i] == ' ' ? buf_add_str(b, ",\r\n\t")
                                     : buf_add_byte(b, symbols.ptr[i]));
    }
    (void)buf_add_str(b, "\r\n");
    bool ok = !b->failed && put_on_top(c, buf_slice(b)) &&
              put_on_top(c, SLICE("X-Spam: Yes\r\n"));
    buf_reset(b);
    return ok;
}

bool mail_rspamd_edit(struct client *c)
{
    struct slice line, rest;
    char name[RSPAMD_TEXT_MAX];
    if (c->rspamd == NULL || c->rspamd->report.state != FILTER_ANSWERED ||
        c->smtpd->ctx->config->checks_rspamd == CHECK_OBSERVE) {
        return true;
    }
    const struct rspamd_verdict *v = &c->rspamd->report.verdict;
    for (rest = buf_slice(&v->drop); slice_line(&rest, &line);) {
        if (slice_cstr(line, name, sizeof name)) {
            message_head_drop_all(&c->head, name);
        }
    }
    bool ok = true;
    struct header_field f;
    unsigned number = 1;
    for (rest = buf_slice(&v->add); ok && header_field_next(&rest, &number, &f);) {
        ok = put_on_top(c, f.raw);
    }
    if (v->subject.len > 0) {
        message_head_drop_all(&c->head, "Subject");
        ok = ok && put_on_top(c, buf_slice(&v->subject));
    }
    bool marks = v->action == RSPAMD_ADD_HEADER || v->action == RSPAMD_REWRITE_SUBJECT;
    return ok && (!marks || mark_as_spam(c, v));
}
