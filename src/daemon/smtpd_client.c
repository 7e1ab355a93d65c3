/* daemon/smtpd_client.c - a connection: see smtpd.h */
#include "daemon/smtpd.h"

#include "base/clock.h"
#include "base/log.h"
#include "check/rates.h"
#include "sasl/sasl.h"
#include "tls/tls.h"

#include <event2/event.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- trace and log --- */

void client_event(struct client *c, enum trace_kind kind, const struct fields *f)
{
    trace_event(&c->trace, kind, clock_wall_ms(), c->n, f);
}

static void send_trace(struct client *c)
{
    struct smtpd *d = c->smtpd;
    buf_reset(&d->scratch);
    trace_take(&c->trace, clock_wall_ms(), &d->scratch);
    smtpd_trace(d, buf_slice(&d->scratch));
}

/* --- how long it waits --- */

static void set_wait(struct client *c, enum client_wait wait)
{
    c->wait = wait;
    c->since_ms = clock_mono_ms();
    list_remove(&c->wait_node);
    list_append(&c->smtpd->waits[wait], &c->wait_node);
}

void client_waits_anew(struct client *c)
{
    if (!c->delayed) {
        set_wait(c, c->wait);
    }
}

static enum client_wait wait_of(const struct client *c)
{
    if (c->lingering) {
        return WAIT_LINGER;
    }
    if (smtp_session_waits(c->session)) {
        return WAIT_ANSWER;
    }
    return smtp_session_in_data(c->session) ? WAIT_DATA : WAIT_COMMAND;
}

/* --- end --- */

/* What was kept may have been a password. */
static void drop_input(struct client *c)
{
    if (c->input.cap > 0) {
        explicit_bzero(c->input.ptr, c->input.cap);
    }
    buf_clear(&c->input);
}

static void client_free(struct client *c)
{
    struct smtpd *d = c->smtpd;
    if (c->delayed) {
        client_delay_end(c);
    }
    smtp_session_free(&c->session); /* its reset drops message and lookup */
    milter_session_end(c);
    dns_end_session(c);
    send_trace(c);
    trace_clear(&c->trace);
    if (c->reading || c->writing) {
        (void)event_del(&c->event);
    }
    conn_close(&c->conn);
    list_remove(&c->wait_node);
    list_remove(&c->age_node);
    client_uncount(c);
    drop_input(c);
    buf_clear(&c->output);
    free(c->held_off);
    buf_reset(&d->output); /* what it would have heard is nobody else's */
    free(c);
    d->client_n--;
    if (!d->accepting && !d->draining) {
        smtpd_accepting(d, true);
    }
    if (d->draining && d->client_n == 0) {
        role_finish(d->ctx);
    }
}

static void note_close(struct client *c, const char *reason)
{
    struct fields f;
    fields_reset(&f);
    fields_add_str(&f, "reason", reason);
    c->n = 0;
    client_event(c, TRACE_close, &f);
}

/* --- output --- */

static void on_event(evutil_socket_t fd, short what, void *arg);
static void await_proxy(struct client *c);

static void watch(struct client *c, bool reading, bool writing)
{
    if (c->reading == reading && c->writing == writing) {
        return;
    }
    if (c->reading || c->writing) {
        (void)event_del(&c->event);
    }
    c->reading = reading;
    c->writing = writing;
    short what = (short)((reading ? EV_READ : 0) | (writing ? EV_WRITE : 0));
    if (what != 0) {
        (void)event_assign(&c->event, c->smtpd->ctx->base, c->conn.fd,
                           (short)(what | EV_PERSIST), on_event, c);
        (void)event_add(&c->event, NULL);
    }
}

/* Writes what is there. False: the peer is gone or too slow. */
static bool flush(struct client *c)
{
    struct buf *shared = &c->smtpd->output;
    struct slice rest = buf_slice(shared);
    if (c->output.len > 0) {
        (void)buf_add(&c->output, rest);
        rest = buf_slice(&c->output);
    }
    size_t whole = rest.len;
    bool overflow = shared->failed || c->output.failed;
    enum conn_res res = CONN_OK;
    while (rest.len > 0 && res == CONN_OK) {
        size_t n = 0;
        res = conn_write(&c->conn, rest, &n);
        rest = res == CONN_OK ? slice_from(rest, n) : rest;
    }
    if (c->output.len > 0) {
        buf_consume(&c->output, whole - rest.len);
    } else if (rest.len > 0) {
        (void)buf_add(&c->output, rest);
    }
    if (c->output.len == 0 && c->output.cap > 0) {
        buf_clear(&c->output);
    }
    buf_reset(shared);
    return !overflow && !c->output.failed && (res == CONN_OK || res == CONN_AGAIN);
}

/* After the last reply: a close with octets unread would make the kernel reset the
 * connection, and the peer might never see why it was refused. So our side is shut, and what
 * still comes is read and dropped for a while. */
static void linger(struct client *c)
{
    if (c->quit || c->dead) {
        client_free(c);
        return;
    }
    conn_shutdown_write(&c->conn);
    c->lingering = true;
    buf_clear(&c->input);
    set_wait(c, WAIT_LINGER);
    watch(c, true, false);
}

static void end_for_drain(struct client *c)
{
    struct fields f;
    fields_reset(&f);
    fields_add_str(&f, "what", "it is being stopped");
    smtp_session_end(c->session,
                     (struct smtp_verdict){REPLY_system_temporary_problem, &f});
    c->closing = true;
}

/* A limit has refused it: the reply, and what would follow it, waits. False: it goes out now. */
static bool hold_back(struct client *c)
{
    if (c->dead) {
        return false;
    }
    if (c->limited && !c->delayed && !c->waited && client_delay_begin(c)) {
        client_note(c, "the reply waits (rate.refusal-delay)");
        set_wait(c, WAIT_DELAY);
        watch(c, false, false);
    }
    c->waited &= !c->limited;
    c->limited = false;
    if (c->delayed) {
        (void)buf_add(&c->output, buf_slice(&c->smtpd->output)); /* flush() looks at it */
        buf_reset(&c->smtpd->output);
    }
    return c->delayed;
}

/* After whatever happened: says what is to be said, then waits for what comes next, or ends.
 * May free the client. */
static void settle(struct client *c)
{
    if (c->smtpd->draining && !c->closing && smtp_session_idle(c->session)) {
        end_for_drain(c);
    }
    if (hold_back(c)) {
        return;
    }
    if (!c->dead && !flush(c)) {
        note_close(c, "the connection broke, or the client does not read its replies");
        c->dead = true;
    }
    if (c->dead) {
        client_free(c);
        return;
    }
    if (c->closing && c->output.len == 0) {
        linger(c);
        return;
    }
    if (trace_due(&c->trace)) {
        send_trace(c);
    }
    /* What a client sends while an answer is awaited makes the answer no younger. */
    if (wait_of(c) != WAIT_ANSWER || c->wait != WAIT_ANSWER || c->answered) {
        set_wait(c, wait_of(c));
    }
    c->answered = false;
    /* Reading goes on while the session waits, up to a bound: switching it off and on would
     * cost two system calls a message. */
    bool full = c->input.len >= SMTPD_READ_MAX || c->half_closed;
    watch(c, !full && c->output.len == 0 && !c->closing, c->output.len > 0);
    if (c->unread && c->reading) {
        event_active(&c->event, EV_READ, 0);
    }
}

/* --- input --- */

static void begin_tls(struct client *c)
{
    c->start_tls = false;
    buf_clear(&c->input);
    if (!flush(c) || c->output.len > 0 ||
        !conn_start_tls(&c->conn, tls_server_context(c->smtpd->tls))) {
        note_close(c, "TLS could not be started");
        c->dead = true;
        return;
    }
    c->handshaking = true;
}

/* Why nobody further can be served; NULL: they can. */
static const char *busy_with(const struct smtpd *d)
{
    if (d->draining) {
        return "it is being stopped";
    }
    if (d->client_n > d->client_max) {
        return "it holds as many connections as it may";
    }
    return d->memory_short ? SMTPD_MEMORY_SHORT : NULL;
}

static void greet(struct client *c)
{
    struct smtpd *d = c->smtpd;
    struct smtp_verdict verdict = {REPLY_NONE, NULL};
    struct fields f;
    fields_reset(&f);
    const char *busy = busy_with(d);
    if (busy != NULL) {
        verdict.reply = REPLY_server_busy;
        fields_add_str(&f, "what", busy);
        verdict.evidence = &f;
    }
    smtp_session_greet(c->session, verdict);
    c->closing = verdict.reply != REPLY_NONE;
}

static void handshake(struct client *c)
{
    enum conn_res res = conn_handshake(&c->conn);
    if (res == CONN_AGAIN) {
        watch(c, !c->conn.wants_write, c->conn.wants_write);
        return;
    }
    c->handshaking = false;
    if (res != CONN_OK) {
        client_tls_failed(c, res == CONN_EOF);
        c->dead = true;
        return;
    }
    client_tls_stands(c);
    smtp_session_tls(c->session);
    if (c->listener->tls == TLS_IMPLICIT) {
        greet(c);
    }
}

/* Feeds what was kept, then s; keeps what is not used. */
static void feed(struct client *c, struct slice s)
{
    bool kept = c->input.len > 0;
    if (kept && !buf_add(&c->input, s)) {
        note_close(c, "the client sends on without waiting for replies");
        c->dead = true;
        return;
    }
    struct slice in = kept ? buf_slice(&c->input) : s;
    size_t used = 0;
    c->closing |= smtp_session_feed(c->session, in, &used) == SMTP_FEED_CLOSED;
    if (kept) {
        buf_consume(&c->input, used);
    } else if (!c->closing && !buf_add(&c->input, slice_from(in, used))) {
        /* a message with a hole would be accepted else */
        note_close(c, "out of memory");
        c->dead = true;
        return;
    }
    if (c->input.len == 0 && c->input.cap > 0) {
        drop_input(c);
    }
    if (c->start_tls) {
        begin_tls(c);
    }
}

static void end_by_client(struct client *c)
{
    note_close(c, "the client closed the connection");
    c->dead = true;
}

static void read_some(struct client *c)
{
    struct smtpd *d = c->smtpd;
    c->unread = false;
    for (int i = 0; i < SMTPD_READS_MAX && !c->closing && !c->dead && !c->handshaking;
         i++) {
        size_t n = 0;
        enum conn_res res = conn_read(&c->conn, d->input, SMTPD_READ_MAX, &n);
        if (res == CONN_AGAIN) {
            return;
        }
        if (res == CONN_EOF && smtp_session_waits(c->session)) {
            /* it may still read: what it asked for is done first */
            c->half_closed = true;
            return;
        }
        if (res != CONN_OK) {
            (void)flush(c); /* it may still read */
            end_by_client(c);
            return;
        }
        /* May a password be in it? Then it shall not stay behind in memory. */
        bool secret =
            c->listener->service != SERVICE_MX && smtp_session_login(c->session).len == 0;
        feed(c, (struct slice){d->input, n});
        if (secret) {
            explicit_bzero(d->input, n);
        }
        if (smtp_session_waits(c->session)) {
            break;
        }
        if (n < SMTPD_READ_MAX && !conn_has_pending(&c->conn)) {
            return; /* the socket is empty, most likely: let others have their turn */
        }
    }
    /* More records came with what was read: the socket may be empty, and never tell. */
    c->unread = !c->closing && !c->dead && conn_has_pending(&c->conn);
}

static void drop_some(struct client *c)
{
    size_t n = 0;
    enum conn_res res = conn_read(&c->conn, c->smtpd->input, SMTPD_READ_MAX, &n);
    c->lingered += res == CONN_OK ? n : 0;
    if ((res != CONN_OK && res != CONN_AGAIN) || c->lingered > SMTPD_LINGER_MAX) {
        client_free(c);
    }
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct client *c = arg;
    (void)fd;
    (void)what;
    if (c->lingering) {
        drop_some(c);
        return;
    }
    if (c->proxying) {
        await_proxy(c);
        return;
    }
    buf_reset(&c->smtpd->output);
    if (c->handshaking) { /* command-time is for all of it: no octet makes it younger */
        handshake(c);
        if (c->handshaking) {
            return;
        }
    }
    if (c->output.len > 0) {
        settle(c); /* a slow reader gets what it asked for before it may ask for more */
        return;
    }
    if (!c->closing && !c->dead) {
        read_some(c);
    }
    if (c->handshaking && !c->dead) {
        set_wait(c, WAIT_COMMAND);
        watch(c, true, false);
        return;
    }
    settle(c);
}

void client_continue(struct client *c)
{
    c->answered = true;
    feed(c, SLICE(""));
    if (c->half_closed && !c->closing && !smtp_session_waits(c->session)) {
        (void)flush(c);
        end_by_client(c);
    }
    settle(c);
}

/* --- what the engine says --- */

/* Each line as it goes to the client, for tests: they compare it with the catalogue. */
static void log_reply(const struct client *c, const struct reply_row *row,
                      struct slice reply)
{
    while (reply.len > 0) {
        size_t line = slice_find(reply, '\n') + 1;
        struct fields f;
        fields_reset(&f);
        fields_add_str(&f, "row", row->id);
        fields_add(&f, "line", slice_sub(reply, 0, line));
        log_event(LOG_DEBUG, c->id, "reply", &f);
        reply = slice_from(reply, line);
    }
}

static void ops_reply(void *arg, enum reply_id id, const struct fields *evidence,
                      const struct slice *lines, size_t line_n)
{
    struct client *c = arg;
    struct smtpd *d = c->smtpd;
    const struct reply_row *row = reply_row(id);
    enum reply_profile profile = (enum reply_profile)d->ctx->config->reply_profile;
    struct fields host = {0};
    struct fields f;
    size_t start = d->output.len;

    if (evidence != NULL) {
        host = *evidence;
    }
    fields_add_str(&host, "host", d->ctx->config->hostname);
    if (line_n > 0) {
        (void)reply_render_lines(&d->output, id, profile, &host, lines, line_n);
    } else {
        (void)reply_render(&d->output, id, profile, &host, c->id, SLICE(""));
    }
    if (d->ctx->config->log_level == LOG_DEBUG) {
        log_reply(c, row, slice_from(buf_slice(&d->output), start));
    }
    fields_reset(&f);
    fields_add_str(&f, "row", row->id);
    fields_add_u64(&f, "code", row->code[profile]);
    if (row->refusal) {
        fields_add_str(&f, "status", row->status[profile]);
        fields_add(&f, "text", slice_from(buf_slice(&d->output), start));
    }
    for (unsigned i = 0; evidence != NULL && i < evidence->n; i++) {
        fields_add(&f, evidence->item[i].name, evidence->item[i].value);
    }
    client_event(c, TRACE_reply, &f);
    if (row->refusal) {
        fields_reset(&f);
        fields_add_str(&f, "row", row->id);
        fields_add_str(&f, "ip", c->ip);
        for (unsigned i = 0; evidence != NULL && i < evidence->n; i++) {
            fields_add(&f, evidence->item[i].name, evidence->item[i].value);
        }
        log_event(LOG_INFO, c->id, "refused", &f);
        struct check_facts facts = mail_message_facts(c);
        rates_refused(&facts, id);
        c->limited |= rates_is_limit(id);
    }
    if (d->output.len >= SMTPD_FLUSH_OVER && !c->handshaking && !flush(c)) {
        c->dead = true;
    }
    c->quit |= id == REPLY_ok_quit;
    if (row->closes) {
        note_close(c, c->quit ? "QUIT" : row->id);
    }
}

/* Only verbs whose arguments are no secret by nature are told with them: what a client out of
 * step sends as an unknown command may be its password. */
static void ops_command(void *arg, enum smtp_verb verb, struct slice line)
{
    struct client *c = arg;
    struct fields f;
    fields_reset(&f);
    fields_add(&f, "verb", verb == SMTP_UNKNOWN ? SLICE("?") : smtp_verb_name(verb));
    if (verb == SMTP_HELO || verb == SMTP_EHLO || verb == SMTP_MAIL ||
        verb == SMTP_RCPT || verb == SMTP_BDAT || verb == SMTP_XCLIENT) {
        fields_add(&f, "argument",
                   slice_trim(slice_from(line, smtp_verb_name(verb).len)));
    }
    /* Of AUTH the mechanism, where it is one: it may be anything else by mistake. */
    struct slice mechanism = slice_trim(slice_from(line, smtp_verb_name(verb).len));
    if (verb == SMTP_AUTH &&
        (sasl_find(mechanism) != NULL || slice_ieq(mechanism, SLICE("XOAUTH")))) {
        fields_add(&f, "argument", mechanism);
    }
    client_event(c, TRACE_command, &f);
}

static void ops_hello(void *arg, struct slice name, bool extended)
{
    (void)name;
    (void)extended; /* the command told it */
    milter_session_hello(arg);
}

static void ops_starttls(void *arg)
{
    ((struct client *)arg)->start_tls = true;
}

static const struct smtp_session_ops session_ops = {
    .reply = ops_reply,
    .command = ops_command,
    .hello = ops_hello,
    .xclient = client_xclient,
    .auth = auth_begin,
    .auth_named = auth_named,
    .auth_response = auth_response,
    .auth_abort = auth_abort,
    .mail = mail_begin,
    .rcpt = mail_rcpt,
    .data_begin = mail_data_begin,
    .data = mail_data,
    .data_end = mail_data_end,
    .reset = mail_reset,
    .starttls = ops_starttls,
};

/* --- beginning --- */

static struct client *client_new(struct smtpd *d, const struct role_listener *listener,
                                 int fd, const struct ip *ip, uint16_t port)
{
    struct client *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return NULL;
    }
    c->smtpd = d;
    c->listener = listener->config;
    c->port = port;
    c->xclient = netset_has(&d->ctx->config->trust_xclient_networks, ip);
    c->xclient_login = c->xclient && c->listener->service != SERVICE_MX &&
                       netset_has(&d->ctx->config->trust_login_networks, ip);
    struct smtp_offer offer = client_offer(c, ip);
    c->session =
        smtp_session_new(&offer, &d->limits[c->listener->service], &session_ops, c);
    if (c->session == NULL) {
        client_uncount(c);
        free(c->held_off);
        free(c);
        return NULL;
    }
    conn_init(&c->conn, fd);
    c->id = id_new_session();
    c->start_ms = clock_mono_ms();
    buf_init(&c->input, SMTPD_INPUT_MAX);
    buf_init(&c->output, SMTPD_OUTPUT_MAX);
    trace_init(&c->trace, c->id, clock_wall_ms());
    list_init(&c->wait_node);
    list_init(&c->age_node);
    list_append(&d->by_age, &c->age_node);
    set_wait(c, WAIT_COMMAND);
    d->client_n++;
    return c;
}

static void trace_connect(struct client *c)
{
    struct fields f;
    fields_reset(&f);
    fields_add_str(&f, "ip", c->ip);
    fields_add_u64(&f, "port", c->port);
    fields_add_str(&f, "service", config_service_name(c->listener->service));
    fields_add_str(&f, "listener", c->listener->name);
    trace_key(&c->trace, TRACE_KEY_IP, slice_of(c->ip));
    client_event(c, TRACE_connect, &f);
}

/* Where the client speaks TLS from the first octet no row can be told before a handshake, which
 * is what a busy server has the least room for: it hears an alert (RFC 8446 6). */
static void turn_away(struct client *c, const char *busy)
{
    static const unsigned char alert[] = {21, 3, 3, 0,
                                          2,  2, 80}; /* fatal internal_error */
    char text[128];
    struct fields f;
    fields_reset(&f);
    fields_add_str(&f, "ip", c->ip);
    fields_add_str(&f, "listener", c->listener->name);
    fields_add_str(&f, "what", busy);
    log_event(LOG_INFO, c->id, "turned-away", &f);
    (void)snprintf(text, sizeof text, "turned away before TLS: %s", busy);
    note_close(c, text);
    c->dead = !buf_add(&c->smtpd->output, (struct slice){alert, sizeof alert});
    c->closing = true;
    settle(c);
}

/* Of whom nothing will be taken nothing need be known. */
static void serve(struct client *c)
{
    buf_reset(&c->smtpd->output);
    const char *busy = busy_with(c->smtpd);
    if (busy == NULL && !c->held) {
        dns_begin_session(c);
        milter_session_begin(c);
    }
    if (c->listener->tls == TLS_IMPLICIT && busy != NULL) {
        turn_away(c, busy);
        return;
    }
    if (c->listener->tls == TLS_IMPLICIT) {
        begin_tls(c);
        if (c->dead) {
            client_free(c);
            return;
        }
        watch(c, true, false);
        return;
    }
    if (c->smtpd->wait_ms[WAIT_GREETING] > 0 && busy == NULL) {
        c->greeting = true;
        set_wait(c, WAIT_GREETING);
        return;
    }
    greet(c);
    settle(c);
}

static void begin(struct client *c)
{
    char text[256];
    trace_connect(c);
    const char *why = busy_with(c->smtpd) == NULL ? client_delay_why(c) : NULL;
    if (why == NULL || !client_delay_begin(c)) {
        serve(c);
        return;
    }
    (void)snprintf(text, sizeof text, "waits for its greeting (rate.refusal-delay): %s",
                   why);
    client_note(c, text);
    c->ungreeted = c->waited = true;
    c->handshaking = c->listener->tls == TLS_IMPLICIT; /* nothing may be said in clear */
    set_wait(c, WAIT_DELAY);
}

/* rate.refusal-delay is over, for it or (draining) for all. May free the client. */
static void end_delay(struct client *c)
{
    size_t n = 0;
    client_delay_end(c);
    if (!c->ungreeted) {
        buf_reset(&c->smtpd->output);
        settle(c);
        return;
    }
    c->ungreeted = c->handshaking = false;
    set_wait(c, WAIT_COMMAND);
    enum conn_res res = conn_peek(&c->conn, c->smtpd->input, 1, &n);
    if (res == CONN_OK || res == CONN_AGAIN) {
        serve(c);
        return;
    }
    note_close(c, "the client closed the connection");
    client_free(c);
}

/* limits.greet-delay is over. RFC 5321 4.3.1: the client "SHOULD wait for this greeting message
 * before sending any commands"; who cannot wait is no mail server. */
static void end_greeting(struct client *c)
{
    size_t n = 0;
    c->greeting = false;
    if (conn_peek(&c->conn, c->smtpd->input, 1, &n) == CONN_OK && n > 0) {
        smtp_session_defer(c->session, "the client spoke before the greeting");
    }
    buf_reset(&c->smtpd->output);
    greet(c);
    settle(c);
}

static void refuse_proxy(struct client *c, const char *what)
{
    struct fields f;
    fields_reset(&f);
    fields_add_str(&f, "ip", c->ip);
    fields_add_str(&f, "listener", c->listener->name);
    fields_add_str(&f, "what", what);
    log_event(LOG_WARN, c->id, "proxy-refused", &f);
    trace_connect(c);
    note_close(c, what);
    client_free(c);
}

/* More of the header has come. May free the client. */
static void await_proxy(struct client *c)
{
    switch (client_proxy(c)) {
    case PROXY_MORE:
        return;
    case PROXY_BAD:
        refuse_proxy(c, "no header of the PROXY protocol came");
        return;
    case PROXY_OK:
        c->proxying = c->handshaking = false;
        set_wait(c, WAIT_COMMAND);
        begin(c);
        return;
    }
}

static void client_start(struct client *c, const struct ip *ip)
{
    if (!c->listener->proxy) {
        begin(c);
    } else if (netset_has(&c->smtpd->ctx->config->trust_proxy_networks, ip)) {
        c->proxying = c->handshaking = true; /* nothing may be said before it is there */
        watch(c, true, false);
    } else {
        refuse_proxy(c, "this address may not speak for others (trust.proxy-networks)");
    }
}

void client_accept(struct smtpd *d, const struct role_listener *listener)
{
    for (int i = 0; i < SMTPD_ACCEPTS_MAX; i++) {
        if (d->client_n + d->parked_n >=
            d->client_max + d->client_max / 4 + SMTPD_REFUSING_MAX) {
            smtpd_accepting(d, false); /* they wait until one of these has gone */
            return;
        }
        struct sockaddr_storage peer = {0};
        struct ip ip = {0};
        int fd = conn_accept(listener->fd, &peer);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
                errno == ENOMEM) {
                log_text(LOG_WARN, "accept", "out of descriptors or memory, waiting");
                smtpd_accepting(d, false); /* the tick begins again */
            }
            return;
        }
        bool known = ip_of_sockaddr((struct sockaddr *)&peer, &ip);
        if (known && client_turned_away(d, listener->config, fd, &ip)) {
            continue;
        }
        /* sin_port and sin6_port stand at the same place */
        uint16_t port = ntohs(((struct sockaddr_in *)(void *)&peer)->sin_port);
        struct client *c = known ? client_new(d, listener, fd, &ip, port) : NULL;
        if (c == NULL) {
            (void)close(fd);
            continue;
        }
        client_start(c, &ip);
    }
}

/* --- time --- */

static void end_session(struct client *c, enum reply_id id, uint64_t after_ms)
{
    struct fields f;
    fields_reset(&f);
    fields_add_u64(&f, "time", after_ms / 1000);
    buf_reset(&c->smtpd->output);
    if (!c->handshaking) {
        smtp_session_end(c->session, (struct smtp_verdict){id, &f});
    }
    c->dead |= c->handshaking;
    if (c->dead) {
        note_close(c, id == REPLY_session_timeout ? "the handshake took too long"
                                                  : "the session took too long");
    }
    c->closing = true;
    settle(c);
}

static void time_out(struct client *c)
{
    struct smtpd *d = c->smtpd;
    uint64_t allowed = d->wait_ms[c->wait];
    if (c->delayed) {
        end_delay(c);
        return;
    }
    if (c->lingering || c->closing || c->output.len > 0) {
        if (!c->closing) {
            note_close(c, "the client does not read its replies");
        }
        client_free(c); /* nothing more to say */
        return;
    }
    if (c->greeting) {
        end_greeting(c);
        return;
    }
    if (c->wait == WAIT_ANSWER) {
        mail_give_up(c);
        return;
    }
    end_session(c, REPLY_session_timeout, allowed);
}

void client_tick(struct smtpd *d)
{
    uint64_t now = clock_mono_ms();
    delay_tick(d);
    for (int w = 0; w < WAIT_COUNT; w++) {
        while (!list_empty(&d->waits[w])) {
            struct client *c = LIST_ITEM(d->waits[w].next, struct client, wait_node);
            if (now - c->since_ms < d->wait_ms[w]) {
                break;
            }
            time_out(c);
        }
    }
    /* Old sessions end between two transactions; one that never rests at twice the age. */
    uint64_t age = d->ctx->config->limits_session_time;
    struct list *node = d->by_age.next;
    while (node != &d->by_age) {
        struct client *c = LIST_ITEM(node, struct client, age_node);
        node = node->next;
        if (now - c->start_ms < age) {
            break;
        }
        if (c->delayed) {
            continue; /* not for long */
        }
        bool over = now - c->start_ms >= 2 * age;
        bool rests = over || smtp_session_idle(c->session);
        if (c->closing) {
            if (over && !c->lingering) { /* reads its last replies octet by octet */
                client_free(c);
            }
        } else if (rests && !smtp_session_waits(c->session)) {
            end_session(c, REPLY_session_expired, age);
        }
    }
    if (!d->accepting && !d->draining) {
        smtpd_accepting(d, true);
    }
}

void client_drain(struct smtpd *d)
{
    delay_tick(d);
    struct list *node = d->by_age.next;
    while (node != &d->by_age) {
        struct client *c = LIST_ITEM(node, struct client, age_node);
        node = node->next;
        if (c->delayed) {
            end_delay(c);
            continue;
        }
        if (c->closing) {
            continue;
        }
        buf_reset(&d->output);
        c->dead = c->handshaking;
        if (c->dead || smtp_session_idle(c->session)) {
            settle(c);
        }
    }
}

void client_end_all(struct smtpd *d)
{
    struct list *node = d->by_age.next;
    while (node != &d->by_age) { /* RFC 5321 3.8: 421 before closing */
        struct client *c = LIST_ITEM(node, struct client, age_node);
        node = node->next;
        if (!c->closing && !c->handshaking && !smtp_session_waits(c->session)) {
            buf_reset(&d->output);
            end_for_drain(c);
            settle(c);
        }
    }
    while (!list_empty(&d->by_age)) {
        struct client *c = LIST_ITEM(d->by_age.next, struct client, age_node);
        note_close(c, "the server stopped");
        client_free(c);
    }
}
