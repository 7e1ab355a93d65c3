/* daemon/smtpd_mail.c - a transaction's message: see smtpd.h
 *
 * The header section stays in memory, and goes to the disk at the end, as it then is. The body
 * goes to the spool writer as it comes, through body_add(); 250 is said when the writer says
 * that all is on disk. */
#include "daemon/smtpd.h"

#include "base/clock.h"
#include "base/log.h"
#include "check/authentication.h"
#include "check/rates.h"
#include "filter/rspamd.h"

#include <stdio.h>

/* --- checks --- */

void mail_trace_check(void *arg, const struct check *check, const struct check_verdict *v)
{
    struct fields f;
    if (check->run == check_authentication) {
        mail_verify_told(arg);
    }
    fields_reset(&f);
    fields_add_str(&f, "name", check->name);
    enum reply_id id = v->reply != REPLY_NONE ? v->reply : v->observed;
    const struct reply_row *row = id == REPLY_NONE ? NULL : reply_row(id);
    fields_add_str(&f, "verdict",
                   row == NULL               ? "pass"
                   : v->reply != REPLY_NONE  ? (row->closes           ? "close"
                                                : row->code[0] >= 500 ? "reject"
                                                                      : "defer")
                   : v->mode == CHECK_LADDER ? "spare"
                                             : "observe");
    if (row != NULL) {
        fields_add_str(&f, "row", row->id);
    }
    for (unsigned i = 0; i < v->evidence.n; i++) {
        fields_add(&f, v->evidence.item[i].name, v->evidence.item[i].value);
    }
    client_event(arg, TRACE_check, &f);
}

struct check_facts mail_facts(const struct client *c, const struct smtp_envelope *e)
{
    enum spool_state spool = c->smtpd->queue_state;
    if (spool == SPOOL_READY && spool_writer_state(c->smtpd->writer) != SPOOL_NO_QUEUE) {
        spool = spool_writer_state(c->smtpd->writer);
    }
    return (struct check_facts){
        .config = c->smtpd->ctx->config,
        .service = c->listener->service,
        .ip = slice_of(c->ip),
        .address = &c->address,
        .helo = smtp_session_helo(c->session),
        .login = smtp_session_login(c->session),
        .tls = c->conn.ssl != NULL,
        .busy = c->smtpd->memory_short ? SMTPD_MEMORY_SHORT : NULL,
        .spool = spool,
        .now_ms = clock_wall_ms(),
        .envelope = e,
        .mail = e->data,
        .gathered = &c->gathered,
        .dns_session =
            c->dns_session == NULL ? NULL : resolver_scope_source(c->dns_session),
        .rates = c->smtpd->rates,
        .dns = c->dns == NULL ? NULL : resolver_scope_source(c->dns),
        .verify = c->verify,
    };
}

/* --- the message --- */

static void on_resume(void *arg)
{
    struct client *c = arg;
    buf_reset(&c->smtpd->output);
    smtp_session_resume(c->session);
    client_continue(c);
}

static void data_failed(struct client *c, const char *what)
{
    struct fields f;
    fields_reset(&f);
    fields_add_str(&f, "what", what);
    smtp_session_data_failed(c->session,
                             (struct smtp_verdict){REPLY_system_temporary_problem, &f});
    spool_message_free(&c->message);
}

struct smtp_verdict mail_data_begin(void *arg, const struct smtp_envelope *e)
{
    static struct check_verdict
        v; /* outlives the call: its evidence goes into the reply */
    struct client *c = arg;
    const struct config *config = c->smtpd->ctx->config;
    message_head_clear(&c->head);
    message_head_init(&c->head, (struct head_limits){
                                    .octets = config->limits_header_size,
                                    .fields = (unsigned)config->limits_header_fields,
                                });
    c->lines = (struct line_scan){0};
    fields_reset(&v.evidence);
    c->message = spool_message_new(c->smtpd->writer, (struct message_id){c->id, c->n},
                                   on_resume, c);
    if (c->message != NULL && mail_binary_begin(c, e) && mail_rules_begin(c, e)) {
        return (struct smtp_verdict){REPLY_NONE, NULL};
    }
    fields_add_str(&v.evidence, "what", "out of memory");
    return (struct smtp_verdict){REPLY_system_temporary_problem, &v.evidence};
}

static bool submits(const struct client *c)
{
    return c->listener->service == SERVICE_SUBMISSION ||
           c->listener->service == SERVICE_PUSH;
}

/* The header section is complete: its fields can be looked at from here on. */
static bool head_done(struct client *c)
{
    mail_inspect_head(c);
    mail_verify_head(c);
    return mail_milter_head(c) && mail_rspamd_head(c) && message_head_end(&c->head);
}

/* The body sink: every octet of the body comes here once, in order. What reads along is fed
 * once the spool took the octets, for those that it did not take come again. */
static enum spool_res body_add(struct client *c, struct slice s)
{
    enum spool_res res = spool_message_add(c->message, s);
    if (res == SPOOL_OK) {
        mail_inspect_body(c, s);
        mail_milter_body(c, s);
        mail_rspamd_body(c, s);
        mail_verify_body(c, s);
    }
    return res;
}

/* Takes a span apart into header section and body. */
static enum spool_res take_span(struct client *c, struct slice s)
{
    if (c->head.state == HEAD_DONE) {
        return body_add(c, s);
    }
    struct slice held;
    message_head_feed(&c->head, &s, &held);
    if (c->head.state != HEAD_DONE) {
        return SPOOL_OK;
    }
    if (!head_done(c) || (held.len > 0 && body_add(c, held) != SPOOL_OK)) {
        return SPOOL_FAIL;
    }
    /* Half of the span is used, so it must not wait. The spool makes nobody wait for the first
     * octets of a message, SPOOL_SINGLE_OVER and more. */
    return s.len == 0 || body_add(c, s) == SPOOL_OK ? SPOOL_OK : SPOOL_FAIL;
}

bool mail_lines(struct client *c, struct slice s)
{
    if (!mail_milter_room(c) || !mail_rspamd_room(c)) {
        return false;
    }
    switch (take_span(c, s)) {
    case SPOOL_OK:
        line_scan_feed(&c->lines, s);
        break;
    case SPOOL_WAIT:
        return false;
    case SPOOL_FAIL:
        data_failed(c, "the message cannot be written to disk");
        break;
    }
    return true;
}

bool mail_data(void *arg, struct slice s)
{
    struct client *c = arg;
    if (c->message == NULL) {
        return true; /* failed before; the session drops what still comes */
    }
    return c->binary != NULL ? mail_binary_data(c, s) : mail_lines(c, s);
}

/* The protocol of "with": RFC 5321 4.4, RFC 3848, RFC 6531 4.3. */
static const char *protocol_of(const struct client *c, const struct smtp_envelope *e)
{
    static const char *const names[2][2][2] = {
        {{"ESMTP", "ESMTPA"}, {"ESMTPS", "ESMTPSA"}},
        {{"UTF8SMTP", "UTF8SMTPA"}, {"UTF8SMTPS", "UTF8SMTPSA"}}};
    bool tls = c->conn.ssl != NULL;
    bool login = smtp_session_login(c->session).len > 0;
    if (!smtp_session_extended(c->session) && !e->params.smtputf8) {
        return "SMTP";
    }
    return names[e->params.smtputf8][tls][login];
}

/* RFC 5321 4.4: Time-stamp-line = "Received:" FWS Stamp. */
static void write_received(struct client *c, const struct smtp_envelope *e, struct buf *b)
{
    char id[ID_TEXT_MAX];
    char date[CLOCK_MAIL_DATE_MAX];
    bool v6 = slice_find(slice_of(c->ip), ':') < slice_of(c->ip).len;
    (void)buf_add_str(b, "Received: from ");
    (void)buf_add(b, smtp_session_helo(c->session));
    (void)buf_add_fmt(b, " ([%s%s])\r\n\tby %s (Postern) with %s", v6 ? "IPv6:" : "",
                      c->ip, c->smtpd->ctx->config->hostname, protocol_of(c, e));
    if (c->conn.ssl != NULL) {
        (void)buf_add_fmt(b, "\r\n\t(%s %s)", conn_tls_version(&c->conn),
                          conn_tls_cipher(&c->conn));
    }
    (void)id_text((struct message_id){c->id, c->n}, id);
    (void)buf_add_fmt(b, "\r\n\tid %s", id);
    if (e->recipient_n == 1) { /* more would tell each of the others */
        (void)buf_add_str(b, " for <");
        (void)buf_add(b, e->first->path.mailbox);
        (void)buf_add_str(b, ">");
    }
    (void)buf_add_str(b, ";\r\n\t");
    (void)buf_add(b, clock_mail_date(c->arrival_ms, date));
    (void)buf_add_str(b, "\r\n");
}

static void write_date(struct client *c, struct buf *b)
{
    char date[CLOCK_MAIL_DATE_MAX];
    (void)buf_add_str(b, "Date: ");
    (void)buf_add(b, clock_mail_date(c->arrival_ms, date));
    (void)buf_add_str(b, "\r\n");
}

static void write_message_id(struct client *c, struct buf *b)
{
    char id[ID_TEXT_MAX];
    (void)id_text((struct message_id){c->id, c->n}, id);
    (void)buf_add_fmt(b, "Message-ID: <%s@%s>\r\n", id, c->smtpd->ctx->config->hostname);
}

/* Puts the field that text holds in front, as number `at`. */
static void put_in(struct client *c, unsigned at, struct buf *text, struct buf *out)
{
    if (text->failed || !message_head_insert(&c->head, at, buf_slice(text))) {
        out->failed = true;
    }
    buf_reset(text);
}

/* The header section as it goes to the disk: what we took away and put in included. */
static void write_head(struct client *c, const struct smtp_envelope *e, struct buf *out)
{
    struct buf *text = &c->smtpd->scratch;
    struct message_head *head = &c->head;
    unsigned at = 0;
    buf_reset(text);
    mail_verify_fields(c, e, &at, out);
    write_received(c, e, text);
    put_in(c, at++, text, out);
    if (submits(c)) {
        /* RFC 5322 3.6.3: the Bcc field "is removed"; RFC 6409 8.2, 8.3: what a mail program
         * forgot comes in. */
        message_head_drop_all(head, "Bcc");
        message_head_drop_all(head, "Resent-Bcc");
        if (!message_head_has(head, "Date")) {
            write_date(c, text);
            put_in(c, at++, text, out);
        }
        if (!message_head_has(head, "Message-ID")) {
            write_message_id(c, text);
            put_in(c, at++, text, out);
        }
    }
    mail_rules_head(c, out);
    (void)message_head_write(head, out);
}

/* Whom relayed mail is counted against, where nobody logged in. */
static void put_account(const struct client *c, const struct dir_mail *m, struct buf *b)
{
    if (c->listener->service != SERVICE_RELAY || m == NULL ||
        smtp_session_login(c->session).len > 0) {
        return;
    }
    for (unsigned by = 0; by < DIR_BY_COUNT; by++) {
        const struct dir_customer *customer = &m->customer[by];
        if (customer->name.len > 0 && (by == DIR_BY_ADDRESS || customer->by_domain)) {
            spool_envelope_param(b, "account", customer->name);
            return;
        }
    }
}

static void put_targets(struct spool_recipient *list, uint16_t *n, struct slice given,
                        const struct mail_targets *t, unsigned of_them)
{
    for (unsigned i = 0; i < of_them; i++) {
        list[(*n)++] = (struct spool_recipient){
            .given = given,
            .target = t->target[i].address,
            .kind = (enum spool_target)t->target[i].kind,
        };
    }
}

/* Those of the recipients, then copies. NULL: no room, or too many. */
static struct spool_recipient *list_targets(struct client *c,
                                            const struct smtp_envelope *e, uint16_t *n)
{
    const struct mail_targets *t = NULL;
    struct slice address = {0};
    size_t all = mail_milter_target_n(c);
    for (const struct smtp_recipient *r = e->first; r != NULL; r = r->next) {
        all += mail_route_targets(c, r, e->first, &t);
    }
    for (unsigned i = 0; (t = mail_route_copy(c, i, &address)) != NULL; i++) {
        all += t->n;
    }
    struct spool_recipient *list =
        all > SMTPD_TARGETS_MAX
            ? NULL
            : arena_alloc(smtp_session_arena(c->session), all * sizeof *list);
    *n = 0;
    for (const struct smtp_recipient *r = e->first; r != NULL && list != NULL;
         r = r->next) {
        unsigned of_them = mail_route_targets(c, r, e->first, &t);
        put_targets(list, n, r->path.mailbox, t, of_them);
    }
    if (list != NULL) {
        mail_milter_targets(c, list + *n);
        *n = (uint16_t)(*n + mail_milter_target_n(c));
    }
    for (unsigned i = 0; list != NULL && (t = mail_route_copy(c, i, &address)) != NULL;
         i++) {
        put_targets(list, n, address, t, t->n);
    }
    return list;
}

/* RFC 8689 3: one field, which says No. */
static bool is_tls_optional(const struct message_head *h)
{
    unsigned i = message_head_find(h, "TLS-Required", 0);
    return i < h->n && slice_ieq(slice_strip(h->field[i].value), SLICE("No")) &&
           message_head_find(h, "TLS-Required", i + 1) >= h->n;
}

static void write_envelope(struct client *c, const struct smtp_envelope *e, struct buf *b)
{
    uint8_t flags = (uint8_t)((e->params.body != SMTP_BODY_7BIT ? SPOOL_8BITMIME : 0) |
                              (e->params.smtputf8 ? SPOOL_SMTPUTF8 : 0) |
                              (e->params.requiretls ? SPOOL_REQUIRETLS : 0) |
                              (is_tls_optional(&c->head) ? SPOOL_TLS_OPTIONAL : 0) |
                              (mail_verify_junk(c) ? SPOOL_JUNK : 0));
    spool_envelope_begin(b, (uint8_t)c->listener->service, flags,
                         mail_milter_sender(c, e), slice_of(c->ip),
                         smtp_session_helo(c->session), smtp_session_login(c->session));
    uint16_t n = 0;
    struct spool_recipient *list = list_targets(c, e, &n);
    if (list == NULL) {
        b->failed = true;
        return;
    }
    spool_envelope_recipients(b, list, n);
    client_put_params(e, c->arrival_ms, b);
    put_account(c, e->data, b);
    uint16_t at = 0;
    for (const struct smtp_recipient *r = e->first; r != NULL; r = r->next) {
        const struct mail_targets *t = NULL;
        unsigned of_this = mail_route_targets(c, r, e->first, &t);
        if (of_this > 0) {
            client_put_rcpt_params(r, at, of_this, b);
        }
        at = (uint16_t)(at + of_this);
    }
    at = (uint16_t)(at + mail_milter_target_n(c));
    if (at < n) { /* the sender has not asked for copies: nothing is said of them */
        char name[32];
        (void)snprintf(name, sizeof name, "notify#%u-%u", at, n - 1U);
        spool_envelope_param(b, name, SLICE("NEVER"));
    }
    mail_rules_envelope(c, b);
    mail_milter_hold(c, b);
}

static void tell_accepted(struct client *c)
{
    const struct smtp_envelope *e = smtp_session_envelope(c->session);
    char id[ID_TEXT_MAX];
    struct fields f;
    fields_reset(&f);
    fields_add(&f, "id", id_text((struct message_id){c->id, c->n}, id));
    fields_add_u64(&f, "size", smtp_session_data_len(c->session));
    fields_add_u64(&f, "recipients", e->recipient_n);
    fields_add(&f, "from", e->sender.mailbox);
    for (const struct smtp_recipient *r = e->first; r != NULL && f.n < FIELDS_MAX;
         r = r->next) {
        fields_add(&f, "to", r->path.mailbox);
    }
    client_event(c, TRACE_accepted, &f);
    log_event(LOG_INFO, c->id, "accepted", &f);
}

static void finish(struct client *c, enum reply_id id, const char *what)
{
    char text[ID_TEXT_MAX];
    struct fields f;
    fields_reset(&f);
    if (id == REPLY_NONE) {
        fields_add(&f, "id", id_text((struct message_id){c->id, c->n}, text));
    } else {
        fields_add_str(&f, "what", what);
    }
    smtp_session_done(c->session, (struct smtp_verdict){id, &f});
}

/* The writer says what became of it. */
static void on_done(void *arg, enum spool_res res)
{
    struct client *c = arg;
    buf_reset(&c->smtpd->output);
    c->committing = false;
    if (res == SPOOL_OK) {
        c->charged = false;
        tell_accepted(c);
        finish(c, REPLY_NONE, NULL);
    } else {
        log_text(LOG_ERR, "spool",
                 "a message could not be written: see to disk and queue");
        finish(c, REPLY_system_temporary_problem,
               "the message cannot be written to disk");
    }
    client_continue(c);
}

void mail_data_end(void *arg, const struct smtp_envelope *e)
{
    struct client *c = arg;
    (void)e;
    if ((c->head.state != HEAD_DONE && !head_done(c)) || mail_inspect_end(c) == NULL ||
        !mail_verify_end(c)) {
        finish(c, REPLY_system_temporary_problem, "out of memory");
        return;
    }
    mail_milter_end(c);
    mail_rspamd_end(c);
    message_judge(c);
}

struct check_facts mail_message_facts(const struct client *c)
{
    struct check_facts facts = mail_facts(c, smtp_session_envelope(c->session));
    facts.head = &c->head;
    facts.lines = &c->lines;
    facts.content = c->inspect == NULL ? NULL : inspect_report(c->inspect);
    facts.rspamd = mail_rspamd_report(c);
    facts.size = smtp_session_data_len(c->session);
    facts.auth = c->verify == NULL ? NULL : &c->authenticated;
    facts.reports = c->report_n > 0 && c->report_n == c->target_n;
    return facts;
}

static void message_commit(struct client *c);

/* Room for more of the body that a milter gave. */
static void on_body_resume(void *arg)
{
    struct client *c = arg;
    buf_reset(&c->smtpd->output);
    message_commit(c);
    if (!c->committing) {
        client_continue(c); /* it failed, and was answered */
    }
}

/* The body that a milter gave, in place of the one that came. SPOOL_WAIT: message_commit() is called again. */
static enum spool_res put_new_body(struct client *c, struct slice body)
{
    enum { PART = 64 * 1024 };
    if (!c->new_message) {
        spool_message_free(&c->message);
        c->message = spool_message_new(c->smtpd->writer, (struct message_id){c->id, c->n},
                                       on_body_resume, c);
        c->new_message = true;
    }
    enum spool_res res = c->message == NULL ? SPOOL_FAIL : SPOOL_OK;
    while (res == SPOOL_OK && spool_message_len(c->message) < body.len) {
        res = spool_message_add(
            c->message, slice_sub(body, (size_t)spool_message_len(c->message), PART));
    }
    return res;
}

/* All is decided: to the disk with it. */
static void message_commit(struct client *c)
{
    const struct smtp_envelope *e = smtp_session_envelope(c->session);
    struct slice body;
    struct buf head;
    struct buf envelope;
    enum spool_res res =
        mail_milter_new_body(c, &body) ? put_new_body(c, body) : SPOOL_OK;
    if (res == SPOOL_WAIT) {
        return;
    }
    buf_init(&head, SPOOL_HEAD_MAX);
    buf_init(&envelope, SPOOL_ENVELOPE_MAX);
    head.failed = res == SPOOL_FAIL || !mail_milter_edit(c) || !mail_rspamd_edit(c);
    write_head(c, e, &head);
    write_envelope(c, e, &envelope);
    if (head.failed || envelope.failed) {
        finish(c, REPLY_system_temporary_problem, "out of memory for this session");
    } else {
        c->committing = true;
        spool_message_commit(c->message, c->arrival_ms, buf_slice(&envelope),
                             buf_slice(&head), on_done);
    }
    buf_clear(&head);
    buf_clear(&envelope);
}

void message_judge(struct client *c)
{
    struct check_verdict v;
    struct check_facts facts = mail_message_facts(c);
    rates_memo_begin(&c->smtpd->memo, c);
    facts.memo = &c->smtpd->memo;
    facts.milter = mail_milter;
    facts.milter_arg = c;
    facts.spend = mail_spend;
    facts.spend_arg = c;
    mail_rules_facts(c, &facts);
    enum check_outcome outcome = dns_run_checks(c, CHECK_MESSAGE, &facts, &v);
    if (outcome == CHECK_WAITS) {
        return;
    }
    if (outcome == CHECK_REFUSED) {
        smtp_session_done(c->session, (struct smtp_verdict){v.reply, &v.evidence});
        return;
    }
    message_accept(c);
}

/* A filter calls it spam, or its author's domain wants it put aside. */
static bool is_junk(const struct client *c, const struct check_facts *f)
{
    bool answered = f->rspamd != NULL && f->rspamd->state == FILTER_ANSWERED;
    enum rspamd_action action = answered ? f->rspamd->verdict.action : RSPAMD_NO_ACTION;
    return mail_verify_junk(c) || action == RSPAMD_ADD_HEADER ||
           action == RSPAMD_REWRITE_SUBJECT;
}

void message_accept(struct client *c)
{
    if (!mail_route_ready(c)) {
        return;
    }
    struct check_facts facts = mail_message_facts(c);
    facts.junk = is_junk(c, &facts);
    facts.memo =
        c->smtpd->memo.owner == c ? &c->smtpd->memo : NULL; /* or another's came */
    if (!facts.reports) {
        rates_count(&facts);
        bulk_count(&facts);
    }
    c->arrival_ms = facts.now_ms;
    message_commit(c);
}

void mail_reset(void *arg)
{
    struct client *c = arg;
    mail_forget(c);
    dns_end_transaction(c);
    spool_message_free(&c->message);
    mail_binary_free(c);
    message_head_clear(&c->head);
    inspect_free(&c->inspect);
    mail_milter_forget(c);
    mail_rspamd_forget(c);
    c->committing = c->new_message = false;
    c->target_n = c->report_n = 0;
    c->gathered = (struct check_gathered){0};
    c->rules = NULL;
    c->policies = NULL; /* they lived in the transaction's arena */
    c->n = 0;
}

void mail_give_up(struct client *c)
{
    buf_reset(&c->smtpd->output);
    if (smtp_session_auth_asked(c->session)) {
        log_text(LOG_ERR, "directory",
                 "no answer to AUTH: is the directory role running?");
        auth_give_up(c);
    } else if (!mail_give_up_asking(c)) {
        const char *who = !c->checks_wait              ? "the spool"
                          : c->checks_wait_for == NULL ? "the DNS"
                                                       : c->checks_wait_for;
        char what[64];
        struct fields f;
        (void)snprintf(what, sizeof what, "%s does not answer", who);
        fields_reset(&f);
        fields_add_str(&f, "what", what);
        log_text(c->checks_wait && c->checks_wait_for == NULL ? LOG_INFO : LOG_ERR,
                 "no-answer", "a session ends: %s", what);
        smtp_session_end(c->session,
                         (struct smtp_verdict){REPLY_system_temporary_problem, &f});
    }
    client_continue(c);
}
