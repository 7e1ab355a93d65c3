/* daemon/smtpd_rspamd.c - a transaction's message is shown to rspamd: see smtpd.h
 *
 * One connection a message (rspamd ends it with its answer, whatever is asked of it), made when the header section is
 * complete. The body goes on as it comes, in
 * chunks; of what rspamd has not read yet at most FILTER_WINDOW octets are kept, then the client waits. The
 * checks at the end of the message wait for the answer. What goes wrong ends in FILTER_DOWN, and the check
 * says what becomes of that. */
#include "base/log.h"
#include "check/client_dns.h"
#include "daemon/smtpd.h"
#include "daemon/smtpd_filter.h"
#include "filter/http_answer.h"
#include "filter/rspamd.h"

#include <stdlib.h>

struct rspamd_talk {
    struct rspamd_report report;
    struct http_answer answer;
    struct filter_link link;
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

/* There will be no verdict. */
static void give_up(struct client *c, const char *why)
{
    struct rspamd_talk *t = c->rspamd;
    filter_link_close(&t->link);
    t->report.state = FILTER_DOWN;
    t->report.why = why;
    filter_say_down("rspamd", c->smtpd->ctx->config->rspamd_server, why,
                    &c->smtpd->rspamd_said_ms);
}

/* The session goes on, if it waits for this. May free the client. */
static void wake(void *owner)
{
    struct client *c = owner;
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
        filter_link_close(&t->link);
    }
}

/* --- the connection --- */

static bool on_octets(void *owner, struct slice s)
{
    struct client *c = owner;
    enum http_state state = http_answer_feed(&c->rspamd->answer, s);
    return state != HTTP_DONE && state != HTTP_BAD;
}

static void on_heard(void *owner)
{
    struct client *c = owner;
    enum http_state state = c->rspamd->answer.state;
    if (state == HTTP_DONE || state == HTTP_BAD) {
        take_answer(c);
        wake(c);
    }
}

static void on_gone(void *owner, bool at_end, const char *why)
{
    struct client *c = owner;
    struct rspamd_talk *t = c->rspamd;
    if (at_end && http_answer_end(&t->answer) == HTTP_DONE) {
        take_answer(c);
    } else {
        give_up(c, why);
    }
    wake(c);
}

static const struct filter_link_ops link_ops = {
    .octets = on_octets, .heard = on_heard, .room = wake, .gone = on_gone};

/* --- the request --- */

/* The client's name, where its address and that agree, as far as is known by now. */
static struct slice client_name(const struct client *c)
{
    struct ptr ptr;
    struct check_facts f = mail_facts(c, smtp_session_envelope(c->session));
    bool known = client_dns_judged(&f) && ptr_check(f.dns_session, &c->address, &ptr);
    return known && ptr.result == PTR_PASS ? ptr.name : SLICE("");
}

static void write_request(struct client *c, const struct smtp_envelope *e, struct buf *b)
{
    char id[ID_TEXT_MAX];
    const struct config *config = c->smtpd->ctx->config;
    rspamd_begin(b, slice_of(config->rspamd_server));
    rspamd_field(b, "IP", slice_of(c->ip));
    rspamd_field(b, "Hostname", client_name(c));
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
    struct buf request;
    if (!filter_link_open(&t->link, d->ctx->base, &link_ops, c,
                          d->ctx->config->rspamd_time)) {
        return false;
    }
    buf_init(&request, RSPAMD_REQUEST_MAX);
    write_request(c, smtp_session_envelope(c->session), &request);
    bool ok = !request.failed && filter_link_send(&t->link, buf_slice(&request));
    buf_clear(&request);
    return ok;
}

static void send_part(struct client *c, struct slice s)
{
    struct rspamd_talk *t = c->rspamd;
    char head[RSPAMD_CHUNK_HEAD_MAX];
    if (t == NULL || t->link.connection == NULL || s.len == 0) {
        return;
    }
    if (t->sent + s.len > c->smtpd->ctx->config->rspamd_size) {
        filter_link_close(&t->link);
        t->report.state = FILTER_NONE;
        t->report.why = "not asked: the message is larger than rspamd.size";
        return;
    }
    struct slice size = rspamd_chunk_head(s.len, head);
    struct slice end = RSPAMD_CHUNK_END;
    t->sent += s.len;
    if (!filter_link_send(&t->link, size) || !filter_link_send(&t->link, s) ||
        !filter_link_send(&t->link, end)) {
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
    filter_link_connect(&c->rspamd->link, &c->smtpd->rspamd, c->smtpd->rspamd_len);
    send_part(c, buf_slice(&c->head.octets));
    if (c->head.empty_line) {
        send_part(c, SLICE("\r\n"));
    }
    return true;
}

bool mail_rspamd_room(struct client *c)
{
    struct rspamd_talk *t = c->rspamd;
    if (t == NULL || t->link.connection == NULL) {
        return true;
    }
    t->wanted = filter_link_full(&t->link);
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
    if (t == NULL || t->link.connection == NULL) {
        return;
    }
    t->ended = true;
    if (!filter_link_send(&t->link, end) || !filter_link_wait(&t->link)) {
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
        filter_link_close(&t->link);
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
