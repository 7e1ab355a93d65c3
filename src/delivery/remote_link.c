/* delivery/remote_link.c - one connection to a host, and the mails that go over it: see remote.h */
#include "base/clock.h"
#include "base/log.h"
#include "delivery/pool_source.h"
#include "delivery/remote_impl.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    READ_OCTETS = 8 * 1024,
    BODY_HIGH = 128 * 1024, /* octets encoded ahead */
    SIGNATURES_ROOM = 256 * 1024,
    TURN_OCTETS = 1024 * 1024, /* sent in one turn of the loop */
    PROGRESS_OCTETS = 16 * 1024,
};

/* --- the end of a connection --- */

static void set_idle(struct remote_link *l, bool idle)
{
    if (idle != list_empty(&l->idle)) {
        return; /* it is so already */
    }
    if (idle) {
        list_append(&l->site->remote->idle, &l->idle);
        l->site->idle_n++;
    } else {
        list_remove(&l->idle);
        l->site->idle_n--;
    }
}

static void begin_quit(struct remote_link *l)
{
    set_idle(l, false);
    l->quitting = true;
    smtp_client_quit(&l->client);
}

void link_quit(struct remote_link *l)
{
    begin_quit(l);
    event_active(l->writable, EV_WRITE, 0);
}

void link_close(struct remote_link *l)
{
    struct event *events[] = {l->readable, l->writable, l->timer};
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        if (events[i] != NULL) {
            event_free(events[i]);
        }
    }
    if (l->src_open) {
        source_close(&l->src);
    }
    link_auth_end(l);
    struct remote *r = l->site->remote;
    list_remove(&l->node);
    set_idle(l, false);
    l->site->link_n--;
    r->link_n--;
    if (!list_empty(&r->short_of_links)) {
        event_active(r->room_event, EV_TIMEOUT, 0);
    }
    conn_close(&l->conn);
    smtp_client_clear(&l->client);
    buf_clear(&l->signatures);
    buf_clear(&l->envelope);
    buf_clear(&l->body);
    free(l);
}

/* Nothing more can be done over it. Its order, if it has one that is not done, goes on without. */
static void link_end(struct remote_link *l)
{
    struct remote_site *s = l->site;
    struct remote_order *o = l->order;
    struct fault fault = l->fault;
    bool no_good = l->no_good, stale = l->stale;
    /* What is demanded is binding; else clear text is better than no mail. */
    bool clear = l->phase == LINK_HANDSHAKE && !l->need.must && !l->mail.requiretls;
    if (o == NULL) {
        link_close(l);
        site_pump(s);
        return;
    }
    l->order = NULL;
    l->quitting = true; /* it was not idle */
    link_close(l);
    if (!order_open(o)) {
        order_over(o);
    } else if (stale) {
        o->stale_n++;
        list_append(&s->waiting, &o->node);
    } else if (no_good) {
        order_no_host(o, &fault, clear);
    } else {
        order_settle(o, JOB_DEFERRED, SLICE("451 4.4.2 the connection ended"));
        order_over(o);
    }
    site_pump(s);
}

/* --- what the engine says --- */

static const enum bounce_stage stages[] = {
    [SMTP_CLIENT_AT_CONNECT] = BOUNCE_STAGE_CONNECT,
    [SMTP_CLIENT_AT_HELO] = BOUNCE_STAGE_HELO,
    [SMTP_CLIENT_AT_STARTTLS] = BOUNCE_STAGE_STARTTLS,
    [SMTP_CLIENT_AT_AUTH] = BOUNCE_STAGE_AUTH,
    [SMTP_CLIENT_AT_MAIL] = BOUNCE_STAGE_MAIL,
    [SMTP_CLIENT_AT_RCPT] = BOUNCE_STAGE_RCPT,
    [SMTP_CLIENT_AT_DATA] = BOUNCE_STAGE_DATA,
    [SMTP_CLIENT_AT_EOM] = BOUNCE_STAGE_EOM,
    [SMTP_CLIENT_AT_QUIT] = BOUNCE_STAGE_UNKNOWN,
};

static void on_fault(void *arg, const struct smtp_client_result *r)
{
    struct remote_link *l = arg;
    bool asked = r->stage == SMTP_CLIENT_AT_STARTTLS ||
                 (r->stage == SMTP_CLIENT_AT_HELO && r->local);
    bool no_starttls =
        r->loss == SMTP_CLIENT_NOT_LOST && l->need.must && !l->client.tls && asked;
    l->no_good = true;
    l->fault.loss = r->loss;
    l->fault.tls = no_starttls || l->misfit || r->loss == SMTP_CLIENT_NO_TLS;
    if (no_starttls) {
        link_tls_missing(l);
    }
    /* A policy of ours that the host does not meet (TLS, AUTH) is no refusal of the mail. */
    bool refused = !r->local && (r->stage == SMTP_CLIENT_AT_CONNECT ||
                                 r->stage == SMTP_CLIENT_AT_HELO);
    l->fault.stage = refused ? stages[r->stage] : BOUNCE_STAGE_UNKNOWN;
    l->fault.for_good = refused && r->code / 100 == 5;
    (void)snprintf(l->fault.text, sizeof l->fault.text, "%.*s%s%s%s", (int)r->reply.len,
                   (const char *)r->reply.ptr, refused ? "" : " (",
                   refused ? "" : l->where, refused ? "" : ")");
    memcpy(l->fault.where, l->where, sizeof l->fault.where);
}

static void on_result(void *arg, unsigned target, const struct smtp_client_result *r)
{
    static const enum job_result results[] = {
        [SMTP_CLIENT_DELIVERED] = JOB_DELIVERED,
        [SMTP_CLIENT_DEFERRED] = JOB_DEFERRED,
        [SMTP_CLIENT_FAILED] = JOB_FAILED,
    };
    struct remote_link *l = arg;
    struct outcome *out = &l->order->outcome[l->which[target]];
    if (r->kind == SMTP_CLIENT_NEXT) {
        return; /* it has no outcome yet: it goes with the next mail */
    }
    if (out->set) {
        return;
    }
    if (r->local && l->mail.requiretls && slice_starts(r->reply, SLICE("550 5.7.30"))) {
        l->misfit = true; /* RFC 8689 4.2.1: the other hosts are asked */
        on_fault(l, r);
        return;
    }
    /* Servers close what is idle, now and then just when it is used again. */
    if (r->loss == SMTP_CLIENT_CLOSED_OFF && r->stage == SMTP_CLIENT_AT_MAIL &&
        l->mails > 1 && l->order->stale_n < STALE_MAX) {
        l->stale = true;
        return;
    }
    if (r->loss == SMTP_CLIENT_CLOSED_OFF &&
        l->order->order->job.service == SERVICE_PUSH) {
        const struct config *config = l->site->remote->options.config;
        const struct job_target *t = &l->order->target[l->which[target]];
        struct push_row row = {.id = REPLY_push_peer_closed,
                               .profile = (enum reply_profile)config->reply_profile,
                               .rcpt = t->given,
                               .remote = slice_of(l->host),
                               .session = l->order->order->job.id.session};
        push_row_set(out, &row);
    }
    if (r->local) {
        outcome_set_fmt(out, results[r->kind], "%.*s (%s)", (int)r->reply.len,
                        (const char *)r->reply.ptr, l->where);
    } else {
        outcome_set(out, results[r->kind], r->reply);
    }
    out->own = r->local;
    outcome_where(out, slice_of(l->where));
    out->told = (l->client.offers & SMTP_CLIENT_DSN) != 0;
    /* To what the host did not say, the stage adds nothing. */
    enum bounce_stage stage = r->local ? BOUNCE_STAGE_UNKNOWN : stages[r->stage];
    enum judge_site site =
        judge(l->site->remote->classifier, stage, slice_of(l->host), out);
    if (!r->local && out->advice == JOB_pause_sender) {
        account_waits(l->order, out->wait_s, r->reply);
    }
    if (!r->local) {
        site_slower(l->site, site, out);
    }
}

static const struct smtp_client_ops client_ops = {on_result, on_fault};

static void lost(struct remote_link *l, enum smtp_client_loss loss, const char *why)
{
    smtp_client_lost(&l->client, loss, why);
}

/* --- mails --- */

static unsigned notify_of(struct slice words)
{
    static const struct {
        const char *word;
        unsigned bit;
    } known[] = {{"NEVER", SMTP_NOTIFY_NEVER},
                 {"SUCCESS", SMTP_NOTIFY_SUCCESS},
                 {"FAILURE", SMTP_NOTIFY_FAILURE},
                 {"DELAY", SMTP_NOTIFY_DELAY}};
    unsigned bits = 0;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        bits |= spool_notify_has(words, known[i].word) ? known[i].bit : 0;
    }
    return bits;
}

static void take_param(struct remote_link *l, struct slice name, struct slice value)
{
    struct smtp_client_mail *m = &l->mail;
    uint64_t priority = 0;
    if (slice_eq(name, SLICE("ret"))) {
        m->ret = slice_eq(value, SLICE("FULL")) ? SMTP_RET_FULL : SMTP_RET_HDRS;
    } else if (slice_eq(name, SLICE("envid"))) {
        m->envid = value;
    } else if (slice_eq(name, SLICE("requiretls"))) {
        m->requiretls = m->sender.len > 0;
        m->requiretls_may = m->sender.len == 0;
    } else if (slice_eq(name, SLICE("tls"))) {
        m->tls_only = true;
        m->verified_only = slice_eq(value, SLICE("verified"));
    } else if (slice_eq(name, SLICE("mt-priority"))) {
        bool less = slice_starts(value, SLICE("-"));
        if (slice_u64(slice_from(value, less), &priority)) {
            m->priority = less ? -(int)priority : (int)priority;
        }
    }
    for (unsigned i = 0; i < m->target_n; i++) {
        uint16_t number = l->order->target[l->which[i]].number;
        if (spool_param_is(name, "notify", number)) {
            m->target[i].notify = notify_of(value);
        } else if (spool_param_is(name, "orcpt", number)) {
            m->target[i].orcpt = value;
        }
    }
}

static bool read_envelope(struct remote_link *l, const struct job *j)
{
    struct spool_envelope e;
    struct spool_recipient recipient;
    struct slice name;
    struct slice value;
    buf_clear(&l->envelope);
    buf_init(&l->envelope, SPOOL_ENVELOPE_MAX);
    if (source_envelope(&l->src, j, &l->envelope) != SOURCE_OK ||
        !spool_envelope_open(buf_slice(&l->envelope), &e)) {
        return false;
    }
    while (spool_envelope_next(&e, &recipient)) {
    }
    while (spool_envelope_next_param(&e, &name, &value)) {
        take_param(l, name, value);
    }
    return !e.at.failed;
}

/* The mail to the order's targets that have no outcome. False: it cannot be read; they have one now. */
static bool make_mail(struct remote_link *l)
{
    struct remote_order *o = l->order;
    struct signer *signer = o->remote->options.signer;
    const struct job *j = &o->order->job;
    l->mail = (struct smtp_client_mail){.sender = j->sender,
                                        .size = j->message_len + j->head_len,
                                        .eight_bit = (j->flags & JOB_8BITMIME) != 0,
                                        .utf8 = (j->flags & JOB_SMTPUTF8) != 0,
                                        .verified = l->verified};
    for (unsigned i = 0; i < o->n; i++) {
        if (!o->outcome[i].set) {
            l->which[l->mail.target_n] = i;
            l->mail.target[l->mail.target_n++].address = o->target[i].address;
        }
    }
    if (l->src_open) {
        source_close(&l->src);
    }
    l->src_open = true;
    enum source_res res = source_open(&l->src, o->order->fd, j);
    if (res == SOURCE_OK && !read_envelope(l, j)) {
        res = SOURCE_DAMAGED;
    }
    buf_reset(&l->signatures);
    if (res == SOURCE_OK && signer != NULL &&
        !signer_sign(signer, &l->src, j, clock_wall_ms() / 1000, &l->signatures)) {
        res = SOURCE_IO;
    }
    l->mail.size += l->signatures.len;
    if (res != SOURCE_OK) {
        order_settle(
            o, JOB_DEFERRED,
            res == SOURCE_IO
                ? SLICE("451 4.3.0 the message in the spool cannot be read")
                : SLICE("451 4.3.0 the message in the spool is damaged (checksum)"));
        return false;
    }
    l->head_sent = l->body_over = false;
    l->dots = (struct dot_encoder){0};
    buf_reset(&l->body);
    return true;
}

static void body_piece(struct remote_link *l, struct slice s)
{
    if (smtp_client_bdat(&l->client)) {
        (void)buf_add(&l->body, s);
    } else {
        dot_encode_add(&l->dots, s, &l->body);
    }
}

/* More of the body into l->body. False: the message cannot be read on; nothing was accepted yet. */
static bool fill_body(struct remote_link *l)
{
    struct slice s;
    if (!l->head_sent) {
        body_piece(l, buf_slice(&l->signatures));
        body_piece(l, buf_slice(&l->src.head));
        l->head_sent = true;
        return true;
    }
    switch (source_next(&l->src, &s)) {
    case SOURCE_OK:
        body_piece(l, s);
        break;
    case SOURCE_END:
        if (!smtp_client_bdat(&l->client)) {
            dot_encode_end(&l->dots, &l->body);
        }
        l->body_over = true;
        break;
    case SOURCE_IO:
    case SOURCE_DAMAGED:
        return false;
    }
    return !l->body.failed;
}

/* --- talking --- */

/* What a step came to. */
enum step { STEP_ON = 0, STEP_WAIT, STEP_ENDED };

static enum step flush(struct remote_link *l, struct buf *b)
{
    while (b->len > 0) {
        size_t n = 0;
        switch (conn_write(&l->conn, buf_slice(b), &n)) {
        case CONN_OK:
            buf_consume(b, n);
            l->sent += n;
            break;
        case CONN_AGAIN:
            return STEP_WAIT;
        case CONN_EOF:
        case CONN_ERROR:
            lost(l, SMTP_CLIENT_CLOSED_OFF, "the connection broke");
            return STEP_ON; /* the engine is closed now */
        }
    }
    return STEP_ON;
}

static enum step read_reply(struct remote_link *l)
{
    unsigned char octets[READ_OCTETS];
    size_t n = 0;
    switch (conn_read(&l->conn, octets, sizeof octets, &n)) {
    case CONN_OK:
        smtp_client_input(&l->client, (struct slice){octets, n});
        return STEP_ON;
    case CONN_AGAIN:
        return STEP_WAIT;
    case CONN_EOF:
        lost(l, SMTP_CLIENT_CLOSED_OFF, "the server closed the connection");
        return STEP_ON;
    case CONN_ERROR:
        lost(l, SMTP_CLIENT_CLOSED_OFF,
             l->conn.why == NULL ? "the connection broke" : l->conn.why);
        return STEP_ON;
    }
    return STEP_ENDED;
}

static enum step send_body(struct remote_link *l, size_t *sent)
{
    /* The last octets go only when the checksum over all is known to be right: the end of a BDAT is
     * the end of the message for the server. */
    while (!l->body_over && (l->body.len < BODY_HIGH || l->src.left == 0)) {
        if (!fill_body(l)) {
            smtp_client_abandon(&l->client,
                                "451 4.3.0 the message in the spool cannot be read");
            return STEP_ON;
        }
    }
    *sent += l->body.len;
    enum step step = flush(l, &l->body);
    if (step == STEP_ON && l->body_over && l->body.len == 0) {
        smtp_client_body_sent(&l->client);
    }
    if (step != STEP_WAIT) {
        return step;
    }
    /* It does not take more for now: perhaps it says why. */
    bool wants_write = l->conn.wants_write;
    step = read_reply(l);
    l->conn.wants_write = l->conn.wants_write || wants_write;
    return step;
}

/* The mail is over. STEP_WAIT: idle, or QUIT is under way. */
static enum step next_mail(struct remote_link *l)
{
    struct remote_site *s = l->site;
    struct remote_order *o = l->order;
    if (o != NULL) {
        link_count(l);
    }
    if (l->misfit) {
        struct fault fault = l->fault;
        l->misfit = false;
        l->order = NULL;
        l->quitting = true; /* the site's other mail demands the same */
        smtp_client_quit(&l->client);
        order_no_host(o, &fault, false);
        return STEP_ON;
    }
    if (o != NULL && order_open(o)) { /* more targets than the server takes at once */
        if (!smtp_client_reusable(&l->client)) {
            return STEP_ENDED;
        }
    } else if (o != NULL) {
        l->order = NULL;
        set_idle(l, true);
        order_over(o);
        site_went_well(s);
        o = NULL;
    }
    if (o == NULL) {
        bool reusable = smtp_client_reusable(&l->client) && l->mails < REMOTE_MAILS_MAX &&
                        !site_left_alone(s);
        o = reusable ? site_take(s) : NULL;
        if (o == NULL && reusable && list_empty(&s->remote->short_of_links)) {
            return STEP_WAIT;
        }
        if (o == NULL) {
            begin_quit(l);
            return STEP_ON;
        }
        set_idle(l, false);
        l->order = o;
        site_pump(s); /* the limit has grown */
    }
    l->mails++;
    if (!make_mail(l)) {
        return STEP_ON; /* its outcomes are there: over next time round */
    }
    smtp_client_mail(&l->client, &l->mail);
    return STEP_ON;
}

/* What the server must show. Of a host with TLSA records (RFC 7672 3.2.2): the name that has them, its
 * own, or the domain's that the mail is for. */
static bool expect(struct remote_link *l)
{
    bool dane = l->need.verify == TLS_VERIFY_DANE;
    l->verified = dane || l->need.verify == TLS_VERIFY_NAME;
    return tls_client_expect(l->conn.ssl, slice_of(dane ? l->tlsa_base : l->host),
                             l->need.verify, l->tlsa, l->tlsa_n) &&
           (!dane || (tls_client_also(l->conn.ssl, slice_of(l->host)) &&
                      (l->site->smart != NULL ||
                       tls_client_also(l->conn.ssl, order_domain(l->order)))));
}

static enum step begin_tls(struct remote_link *l)
{
    const struct remote_options *options = &l->site->remote->options;
    if (!conn_connect_tls(&l->conn,
                          tls_client_context(l->site->smart != NULL ? options->smart_tls
                                                                    : options->tls))) {
        lost(l, SMTP_CLIENT_OURS, "no memory for TLS");
        return STEP_ON;
    }
    l->phase = LINK_HANDSHAKE;
    if (!expect(l)) {
        link_tls_failed(l);
        lost(l, SMTP_CLIENT_NO_TLS,
             "TLS cannot be set up for this host's name or TLSA records");
    }
    return STEP_ON;
}

static enum step talk(struct remote_link *l, size_t *sent)
{
    enum step step = flush(l, &l->client.out);
    if (step != STEP_ON) {
        return step;
    }
    switch (smtp_client_want(&l->client)) {
    case SMTP_CLIENT_REPLY:
        return read_reply(l);
    case SMTP_CLIENT_BODY:
        return send_body(l, sent);
    case SMTP_CLIENT_TLS:
        return begin_tls(l);
    case SMTP_CLIENT_AUTH:
        if (!link_auth_waits(l)) {
            link_auth_step(l);
        }
        return link_auth_waits(l) ? STEP_WAIT : STEP_ON;
    case SMTP_CLIENT_READY:
        link_auth_end(l);
        if (l->order == NULL && l->mails > 0) {
            return read_reply(l); /* idle: what comes now is a farewell */
        }
        return next_mail(l);
    case SMTP_CLIENT_CLOSED:
        break;
    }
    return STEP_ENDED;
}

static enum step shake_hands(struct remote_link *l)
{
    switch (conn_handshake(&l->conn)) {
    case CONN_OK:
        l->phase = LINK_TALKING;
        link_tls_stands(l);
        l->client.options.mechanisms = link_auth_mechanisms(l);
        smtp_client_tls(&l->client, l->verified);
        link_count(l);
        return STEP_ON;
    case CONN_AGAIN:
        return STEP_WAIT;
    case CONN_EOF:
    case CONN_ERROR:
        break;
    }
    const char *why = tls_client_fault(l->conn.ssl);
    why = why != NULL ? why : l->conn.why != NULL ? l->conn.why : "closed by the server";
    char text[200];
    (void)snprintf(text, sizeof text, "the TLS handshake failed: %s", why);
    link_tls_failed(l);
    lost(l, SMTP_CLIENT_NO_TLS, text);
    return STEP_ENDED;
}

static enum step connected(struct remote_link *l)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(l->conn.fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0) {
        error = errno;
    }
    if (error != 0) {
        lost(l, SMTP_CLIENT_UNREACHED, strerrordesc_np(error));
        return STEP_ENDED;
    }
    l->phase = LINK_TALKING;
    return l->client.options.tls == SMTP_CLIENT_TLS_IS ? begin_tls(l) : STEP_ON;
}

static bool is_idle(const struct remote_link *l)
{
    return l->order == NULL && !l->quitting;
}

/* Another number when it got further: another phase, state or answer, PROGRESS_OCTETS taken. */
static uint64_t progress(const struct remote_link *l)
{
    uint64_t n = (uint64_t)l->phase << 2 | (unsigned)is_idle(l) << 1 | l->quitting;
    n = n << 8 | l->client.state;
    n = n << 8 | (l->client.answered_n & 0xff);
    n = n << 8 | (l->mails & 0xff);
    return n << 32 | (uint32_t)(l->sent / PROGRESS_OCTETS);
}

static uint64_t patience_ms(const struct remote_link *l)
{
    if (is_idle(l)) {
        return REMOTE_IDLE_S * 1000;
    }
    return l->phase == LINK_CONNECTING
               ? l->site->remote->options.config->delivery_connect_time
               : smtp_client_patience_s(&l->client) * UINT64_C(1000);
}

static void arm(struct remote_link *l)
{
    uint64_t now_ms = clock_mono_ms();
    if (l->deadline_ms == 0 || progress(l) != l->progress) {
        l->progress = progress(l);
        l->deadline_ms = now_ms + patience_ms(l);
    }
    uint64_t left_ms = l->deadline_ms > now_ms ? l->deadline_ms - now_ms : 0;
    struct timeval tv = {(time_t)(left_ms / 1000), (suseconds_t)(left_ms % 1000 * 1000)};
    bool write = l->phase == LINK_CONNECTING || l->conn.wants_write;
    /* What nobody reads now must not wake us, again and again: answers before commands are out. */
    bool read = (!write || l->client.out.len == 0) && !link_auth_waits(l);
    if (event_add(l->timer, &tv) != 0 || (read && event_add(l->readable, NULL) != 0) ||
        (write && event_add(l->writable, NULL) != 0)) {
        lost(l, SMTP_CLIENT_OURS, "no memory for this connection");
    }
}

static void drive(struct remote_link *l)
{
    size_t sent = 0;
    enum step step = STEP_ON;
    while (step == STEP_ON && sent < TURN_OCTETS) {
        step = l->phase == LINK_CONNECTING  ? connected(l)
               : l->phase == LINK_HANDSHAKE ? shake_hands(l)
                                            : talk(l, &sent);
    }
    if (step == STEP_ENDED) {
        link_end(l);
        return;
    }
    if (step == STEP_ON) { /* the others have their turn */
        event_active(l->writable, EV_WRITE, 0);
    }
    arm(l);
}

void link_drive(struct remote_link *l)
{
    drive(l);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct remote_link *l = arg;
    (void)fd;
    if (l->phase == LINK_CONNECTING && (what & EV_WRITE) == 0) {
        return; /* an error makes it writable too */
    }
    drive(l);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct remote_link *l = arg;
    (void)fd, (void)what;
    if (is_idle(l)) {
        begin_quit(l);
        drive(l);
        return;
    }
    lost(l, l->phase == LINK_CONNECTING ? SMTP_CLIENT_UNREACHED : SMTP_CLIENT_TIMED_OUT,
         "timed out");
    link_end(l);
}

/* --- the beginning --- */

static socklen_t socket_address(const struct ip *ip, uint64_t port,
                                struct sockaddr_storage *out)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
                              .sin6_port = htons((uint16_t)port)};
    bool is_v4 = ip_is_v4(ip);
    memcpy(&v4.sin_addr, ip->octet + 12, sizeof v4.sin_addr);
    memcpy(&v6.sin6_addr, ip->octet, sizeof v6.sin6_addr);
    memcpy(out, is_v4 ? (const void *)&v4 : (const void *)&v6,
           is_v4 ? sizeof v4 : sizeof v6);
    return is_v4 ? sizeof v4 : sizeof v6;
}

/* From the source's address; its port is chosen by connect(), so that it may be in use towards
 * others. */
static bool bind_source(int fd, const struct ip *to, const struct sender_source *source)
{
    const int yes = 1;
    struct sockaddr_storage from;
    struct ip ip;
    if (source == NULL) {
        return true;
    }
    if (!pool_source_for(source, to, &ip)) {
        errno = EAFNOSUPPORT;
        return false;
    }
    socklen_t len = socket_address(&ip, 0, &from);
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
    return bind(fd, (const struct sockaddr *)&from, len) == 0;
}

static int begin_connect(const struct ip *ip, uint64_t port,
                         const struct sender_source *source)
{
    struct sockaddr_storage to;
    socklen_t len = socket_address(ip, port, &to);
    bool is_v4 = ip_is_v4(ip);
    int fd =
        socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    if (!bind_source(fd, ip, source) ||
        (connect(fd, (const struct sockaddr *)&to, len) != 0 && errno != EINPROGRESS)) {
        int error = errno;
        (void)close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static void name_link(struct remote_link *l, const struct route_hop *hop)
{
    char ip[IP_TEXT_MAX];
    size_t n = hop->host.len < sizeof l->host ? hop->host.len : sizeof l->host - 1;
    if (n > 0) {
        memcpy(l->host, hop->host.ptr, n);
    }
    l->ip = hop->ip;
    (void)ip_text(&hop->ip, ip);
    (void)snprintf(l->where, sizeof l->where, "%s[%s]", l->host, ip);
    IGNORE(!slice_cstr(hop->tlsa_base, l->tlsa_base,
                       sizeof l->tlsa_base)); /* it is a name */
    for (unsigned i = 0; hop->tlsa != NULL && i < hop->tlsa->n; i++) {
        struct slice record = hop->tlsa->record[i].data;
        if (l->tlsa_n < TLSA_MAX && tls_client_usable(record)) {
            l->tlsa[l->tlsa_n++] = record;
        }
    }
}

static bool prepare(struct remote_link *l, struct remote_site *s)
{
    struct event_base *base = s->remote->options.base;
    l->readable = event_new(base, l->conn.fd, EV_READ, on_event, l);
    l->writable = event_new(base, l->conn.fd, EV_WRITE, on_event, l);
    l->timer = evtimer_new(base, on_timer, l);
    return l->readable != NULL && l->writable != NULL && l->timer != NULL;
}

static unsigned whole_s(uint64_t ms)
{
    return (unsigned)((ms + 999) / 1000);
}

bool link_open(struct remote_site *s, struct remote_order *o, bool clear)
{
    const struct remote_options *options = &s->remote->options;
    const struct route_hop *hop = &o->route.hop[o->hop];
    struct remote_link *l = calloc(1, sizeof *l);
    if (l == NULL) {
        return false;
    }
    l->site = s;
    l->clear = clear;
    list_init(&l->node);
    list_init(&l->idle);
    name_link(l, hop);
    l->need = o->need[hop->number];
    const char *hostname = s->source == NULL ? options->hostname : s->source->helo;
    const struct config *config = options->config;
    struct smtp_client_options client = {
        .hostname = slice_of(hostname),
        .command_s = whole_s(config->delivery_command_time),
        .data_s = whole_s(config->delivery_data_time),
        .end_s = whole_s(config->delivery_end_time),
        .tls = l->need.never || clear ? SMTP_CLIENT_TLS_NEVER
               : l->need.must         ? SMTP_CLIENT_TLS_MUST
                                      : SMTP_CLIENT_TLS_MAY};
    if (s->smart != NULL) {
        link_smart(l, &client);
    }
    smtp_client_init(&l->client, &client, &client_ops, l);
    buf_init(&l->signatures, SIGNATURES_ROOM);
    buf_init(&l->envelope, SPOOL_ENVELOPE_MAX);
    buf_init(&l->body, 4 * BODY_HIGH + 2 * SPOOL_HEAD_MAX);
    list_append(&s->links, &l->node);
    s->link_n++;
    s->remote->link_n++;
    l->quitting = true; /* until it has its order: not idle */
    uint64_t port = s->smart != NULL ? s->smart->port : config->delivery_smtp_port;
    conn_init(&l->conn, begin_connect(&hop->ip, port, s->source));
    if (l->conn.fd < 0 || !prepare(l, s)) {
        link_close(l);
        return false;
    }
    l->quitting = false;
    l->order = o;
    l->mails = 1;
    if (make_mail(l)) {
        smtp_client_mail(&l->client, &l->mail);
        arm(l);
        return true;
    }
    l->order = NULL;
    l->quitting = true;
    link_close(l);
    order_over(o);
    return true;
}

void link_give(struct remote_link *l, struct remote_order *o)
{
    set_idle(l, false);
    l->order = o;
    drive(l);
}
