/* smtp/session_fake.c - see session_fake.h */
#include "smtp/session_fake.h"

#include "base/log.h"

#include <inttypes.h>

static void line(struct fake *f, char kind)
{
    if (f->log.len > 0) {
        (void)buf_add_byte(&f->log, '\n');
    }
    (void)buf_add_fmt(&f->log, "%c:", kind);
    f->joining = false;
}

static void note(struct fake *f, char kind, struct slice s)
{
    line(f, kind);
    (void)buf_add_byte(&f->log, ' ');
    (void)buf_add_escaped(&f->log, s);
}

static void add_evidence(struct fake *f, enum reply_id id, const struct fields *evidence)
{
    for (unsigned i = 0; evidence != NULL && i < evidence->n; i++) {
        (void)buf_add_fmt(&f->log, " %s=", evidence->item[i].name);
        if (id == REPLY_starttls_pipelining) {
            continue; /* how many octets came with it depends on the cut */
        }
        (void)buf_add_escaped(&f->log, evidence->item[i].value);
    }
}

static void on_reply(void *arg, enum reply_id id, const struct fields *evidence,
                     const struct slice *lines, size_t line_n)
{
    struct fake *f = arg;
    BUG_ON(f->closed);
    note(f, 'S', slice_of(reply_row(id)->id));
    add_evidence(f, id, evidence);
    for (size_t i = 0; i < line_n; i++) {
        note(f, 'L', lines[i]);
    }
    buf_reset(&f->rendered);
    BUG_ON(
        !(line_n > 0
              ? reply_render_lines(&f->rendered, id, REPLY_GMAIL, evidence, lines, line_n)
              : reply_render(&f->rendered, id, REPLY_GMAIL, evidence, 1, SLICE(""))));
    f->closed = reply_row(id)->closes;
    f->accepted += id == REPLY_ok_queued;
}

static void on_command(void *arg, enum smtp_verb verb, struct slice text)
{
    struct fake *f = arg;
    BUG_ON(f->closed || f->tls_asked);
    BUG_ON(verb != SMTP_UNKNOWN && !slice_istarts(text, smtp_verb_name(verb)));
    note(f, 'C', text);
}

static void on_hello(void *arg, struct slice name, bool extended)
{
    struct fake *f = arg;
    BUG_ON(!slice_eq(name, smtp_session_helo(f->session)) ||
           extended != smtp_session_extended(f->session));
    note(f, extended ? 'E' : 'H', name);
}

static struct smtp_verdict refusal(struct fake *f, enum reply_id id,
                                   struct fields *evidence)
{
    struct slice what = SLICE("of the arena");
    BUG_ON(!arena_dup(smtp_session_arena(f->session), what, &what));
    fields_reset(evidence);
    fields_add(evidence, "what", what);
    return (struct smtp_verdict){id, evidence};
}

static bool sender_is(const struct smtp_envelope *e, const char *local)
{
    return slice_eq(e->sender.local, slice_of(local));
}

/* A new client; one that comes from 192.0.2.66 is refused. */
static struct smtp_verdict on_xclient(void *arg, const struct smtp_xclient *x)
{
    struct fake *f = arg;
    char ip[IP_TEXT_MAX];
    BUG_ON(f->in_mail || f->in_auth || f->closed);
    note(f, 'P', x->has_address ? ip_text(&x->address, ip) : SLICE("-"));
    (void)buf_add_fmt(&f->log, " port=%u name=", x->port);
    (void)buf_add_escaped(&f->log, x->name);
    (void)buf_add_str(&f->log, " helo=");
    (void)buf_add_escaped(&f->log, x->helo);
    bool refused =
        x->has_address && slice_eq(ip_text(&x->address, ip), SLICE("192.0.2.66"));
    return (struct smtp_verdict){refused ? REPLY_server_busy : REPLY_NONE, NULL};
}

/* What the exchange does depends on the octets: "ok", "no", "later", or one more challenge. */
static void go_on_auth(struct fake *f, struct slice octets)
{
    struct smtp_auth_answer a = {SMTP_AUTH_CHALLENGE, octets, {REPLY_NONE, NULL}};
    if (slice_eq(octets, SLICE("ok"))) {
        a = (struct smtp_auth_answer){SMTP_AUTH_OK, SLICE("ann@x.example"), a.verdict};
    } else if (slice_eq(octets, SLICE("no"))) {
        a.step = SMTP_AUTH_REFUSED;
        a.verdict.reply = REPLY_auth_credentials_rejected;
    } else if (slice_eq(octets, SLICE("later"))) {
        return;
    }
    f->in_auth = a.step == SMTP_AUTH_CHALLENGE;
    smtp_session_auth(f->session, a);
}

static void on_auth(void *arg, const char *mechanism, const struct slice *initial)
{
    struct fake *f = arg;
    BUG_ON(f->in_auth || f->in_mail || !smtp_session_auth_asked(f->session));
    BUG_ON(smtp_session_login(f->session).len > 0);
    note(f, 'U', slice_of(mechanism));
    if (initial != NULL) {
        note(f, 'V', *initial);
    }
    f->in_auth = true;
    go_on_auth(f, initial == NULL ? SLICE("") : *initial);
}

/* As a response that says so; a challenge is no answer here. */
static void on_auth_named(void *arg, struct slice login)
{
    struct fake *f = arg;
    BUG_ON(f->in_auth || f->in_mail || !smtp_session_auth_asked(f->session));
    BUG_ON(smtp_session_login(f->session).len > 0);
    note(f, 'N', login);
    f->in_auth = true;
    bool known = slice_eq(login, SLICE("ok")) || slice_eq(login, SLICE("later"));
    go_on_auth(f, known ? login : SLICE("no"));
}

static void on_auth_response(void *arg, struct slice response)
{
    struct fake *f = arg;
    BUG_ON(!f->in_auth || f->closed || !smtp_session_auth_asked(f->session));
    note(f, 'V', response);
    go_on_auth(f, response);
}

static void on_auth_abort(void *arg)
{
    struct fake *f = arg;
    BUG_ON(!f->in_auth);
    line(f, 'W');
    f->in_auth = false;
}

static void on_mail(void *arg, const struct smtp_envelope *e)
{
    struct fields evidence;
    struct fake *f = arg;
    BUG_ON(!smtp_session_waits(f->session) || !smtp_session_mail_asked(f->session));
    BUG_ON(f->in_mail || f->in_auth || e != smtp_session_envelope(f->session) ||
           e->recipient_n != 0 || e->bdat);
    note(f, 'F', e->sender.mailbox);
    (void)buf_add_fmt(&f->log, " size=%" PRIu64 " body=%d utf8=%d", e->params.size,
                      (int)e->params.body, e->params.smtputf8);
    if (e->params.envid.len > 0) {
        (void)buf_add_str(&f->log, " envid=");
        (void)buf_add_escaped(&f->log, e->params.envid);
    }
    f->in_mail = !sender_is(e, "refused");
    if (!f->in_mail) {
        smtp_session_mail(f->session, refusal(f, REPLY_message_too_large, &evidence),
                          NULL);
    } else if (!sender_is(e, "waiting")) {
        smtp_session_mail(f->session, (struct smtp_verdict){REPLY_NONE, NULL}, f);
    }
}

static void on_rcpt(void *arg, const struct smtp_recipient *r)
{
    struct fields evidence;
    struct fake *f = arg;
    BUG_ON(smtp_session_envelope(f->session)->data != f);
    BUG_ON(!f->in_mail || r != smtp_session_asked(f->session) ||
           !smtp_session_waits(f->session));
    note(f, 'T', r->path.mailbox);
    if (r->params.seen != 0) {
        (void)buf_add_fmt(&f->log, " notify=%u orcpt=", r->params.notify);
        (void)buf_add_escaped(&f->log, r->params.orcpt);
    }
    if (slice_eq(r->path.local, SLICE("nobody"))) {
        smtp_session_rcpt(f->session, refusal(f, REPLY_rcpt_mailbox_unknown, &evidence),
                          NULL);
    } else if (slice_eq(r->path.local, SLICE("closing"))) {
        smtp_session_rcpt(f->session, refusal(f, REPLY_rcpt_tls_required, &evidence),
                          NULL);
    } else if (!slice_eq(r->path.local, SLICE("later"))) {
        smtp_session_rcpt(f->session, (struct smtp_verdict){REPLY_NONE, NULL}, f);
    }
}

static struct smtp_verdict on_data_begin(void *arg, const struct smtp_envelope *e)
{
    static struct fields evidence;
    struct fake *f = arg;
    BUG_ON(!f->in_mail || e->recipient_n == 0);
    line(f, 'B');
    buf_reset(&f->message);
    f->has_ended = f->told_over = false;
    if (sender_is(e, "full")) {
        return refusal(f, REPLY_rcpt_too_many, &evidence);
    }
    return (struct smtp_verdict){REPLY_NONE, NULL};
}

static bool on_data(void *arg, struct slice s)
{
    struct fake *f = arg;
    struct fields evidence;
    bool binary = smtp_session_envelope(f->session)->params.body == SMTP_BODY_BINARYMIME;
    BUG_ON(!f->in_mail || f->told_over || f->has_ended || f->closed);
    BUG_ON(s.len == 0 && !binary);
    BUG_ON(sender_is(smtp_session_envelope(f->session), "full"));
    if (f->block_in > 0 && --f->block_in == 0) {
        f->block = true;
    }
    if (f->block) {
        return false;
    }
    if (sender_is(smtp_session_envelope(f->session), "failing")) {
        note(f, 'X', SLICE("data failed"));
        smtp_session_data_failed(f->session, refusal(f, REPLY_hop_limit, &evidence));
        return true;
    }
    f->told_over = s.len == 0;
    if (!f->joining) {
        note(f, 'D', SLICE(""));
    }
    f->joining = true;
    (void)buf_add_escaped(&f->log, s);
    (void)buf_add(&f->message, s);
    return true;
}

static void on_data_end(void *arg, const struct smtp_envelope *e)
{
    struct fake *f = arg;
    struct fields evidence;
    unsigned n = 0;
    for (const struct smtp_recipient *r = e->first; r != NULL; r = r->next) {
        BUG_ON(r->data != f || (r->next == NULL) != (r == e->last));
        n++;
    }
    BUG_ON(!f->in_mail || f->has_ended || n == 0 || n != e->recipient_n);
    BUG_ON(f->told_over != (e->params.body == SMTP_BODY_BINARYMIME));
    BUG_ON(f->message.len != smtp_session_data_len(f->session) ||
           f->message.len > f->limits.message_size);
    f->has_ended = true;
    f->kept++;
    note(f, 'M', buf_slice(&f->message));
    (void)buf_add_fmt(&f->log, " recipients=%u bdat=%d", n, e->bdat);
    if (f->on_end != NULL) {
        f->on_end(f, e);
    }
    if (sender_is(e, "looping")) {
        smtp_session_done(f->session, refusal(f, REPLY_hop_limit, &evidence));
    } else if (!sender_is(e, "slow")) {
        smtp_session_done(f->session, (struct smtp_verdict){REPLY_NONE, NULL});
    }
}

static void on_reset(void *arg)
{
    struct fake *f = arg;
    BUG_ON(!f->in_mail);
    line(f, 'R');
    f->in_mail = false;
}

static void on_starttls(void *arg)
{
    struct fake *f = arg;
    BUG_ON(f->tls_asked || f->closed);
    line(f, 'G');
    f->tls_asked = true;
}

static const struct smtp_session_ops ops = {
    .reply = on_reply,
    .command = on_command,
    .hello = on_hello,
    .xclient = on_xclient,
    .auth = on_auth,
    .auth_named = on_auth_named,
    .auth_response = on_auth_response,
    .auth_abort = on_auth_abort,
    .mail = on_mail,
    .rcpt = on_rcpt,
    .data_begin = on_data_begin,
    .data = on_data,
    .data_end = on_data_end,
    .reset = on_reset,
    .starttls = on_starttls,
};

const struct smtp_auth_mechanism fake_mechanisms[FAKE_MECHANISMS] = {
    {"PLAIN", false, false}, {"LOGIN", false, true}, {"EXTERNAL", true, false}};

struct smtp_limits fake_limits(void)
{
    return (struct smtp_limits){
        .message_size = 1000,
        .recipients = 10,
        .unknown_commands = 20,
        .syntax_errors = 20,
        .errors_in_a_row = 20,
        .unauthenticated_commands = 20,
        .by_least_s = 60,
        .hold_most_s = 86400,
        .now_s = 1700000000,
    };
}

void fake_init(struct fake *f, const struct smtp_offer *offer,
               const struct smtp_limits *limits)
{
    *f = (struct fake){.offer = *offer, .limits = *limits};
    buf_init(&f->log, FAKE_LOG_MAX);
    buf_init(&f->input, 16 * 1024 * 1024);
    buf_init(&f->message, 16 * 1024 * 1024);
    buf_init(&f->rendered, 64 * 1024);
    f->session = smtp_session_new(&f->offer, &f->limits, &ops, f);
    BUG_ON(f->session == NULL);
}

void fake_clear(struct fake *f)
{
    smtp_session_free(&f->session);
    BUG_ON(f->in_mail || f->in_auth); /* reset(), auth_abort() were owed */
    buf_clear(&f->log);
    buf_clear(&f->input);
    buf_clear(&f->message);
    buf_clear(&f->rendered);
}

static void go_on(struct fake *f)
{
    size_t used = 0;
    if (f->closed) {
        return;
    }
    enum smtp_feed res = smtp_session_feed(f->session, buf_slice(&f->input), &used);
    BUG_ON(used > f->input.len);
    buf_consume(&f->input, used);
    BUG_ON((res == SMTP_FEED_CLOSED) != f->closed);
    BUG_ON(f->closed && f->input.len > 0);
    BUG_ON(res == SMTP_FEED_WAIT && !smtp_session_waits(f->session) && !f->tls_asked);
    BUG_ON(res == SMTP_FEED_MORE && smtp_session_in_data(f->session) && f->input.len > 0);
    BUG_ON(res == SMTP_FEED_MORE && f->input.len >= SMTP_AUTH_LINE_OCTETS);
}

void fake_feed(struct fake *f, struct slice s)
{
    if (!f->closed) {
        f->fed += s.len;
        (void)buf_add(&f->input, s);
        go_on(f);
    }
}

void fake_auth(struct fake *f, enum reply_id refused)
{
    struct smtp_verdict v = {refused, NULL};
    f->in_auth = false;
    smtp_session_auth(f->session,
                      (struct smtp_auth_answer){refused == REPLY_NONE ? SMTP_AUTH_OK
                                                                      : SMTP_AUTH_REFUSED,
                                                SLICE("bob@x.example"), v});
    go_on(f);
}

void fake_mail(struct fake *f, enum reply_id refused)
{
    struct fields evidence;
    struct smtp_verdict v = {REPLY_NONE, NULL};
    if (refused != REPLY_NONE) {
        v = refusal(f, refused, &evidence);
    }
    f->in_mail = refused == REPLY_NONE;
    smtp_session_mail(f->session, v, f);
    go_on(f);
}

void fake_rcpt(struct fake *f, enum reply_id refused)
{
    struct fields evidence;
    struct smtp_verdict v = {REPLY_NONE, NULL};
    smtp_session_rcpt(f->session,
                      refused == REPLY_NONE ? v : refusal(f, refused, &evidence), f);
    go_on(f);
}

void fake_done(struct fake *f, enum reply_id refused)
{
    struct fields evidence;
    struct smtp_verdict v = {REPLY_NONE, NULL};
    smtp_session_done(f->session,
                      refused == REPLY_NONE ? v : refusal(f, refused, &evidence));
    go_on(f);
}

void fake_resume(struct fake *f)
{
    f->block = false;
    smtp_session_resume(f->session);
    go_on(f);
}

void fake_tls(struct fake *f)
{
    f->tls_asked = false;
    smtp_session_tls(f->session);
    BUG_ON(f->in_mail || smtp_session_helo(f->session).len != 0);
    go_on(f);
}

void fake_end(struct fake *f, enum reply_id id)
{
    smtp_session_end(f->session, (struct smtp_verdict){id, NULL});
    f->closed = true;
    size_t used = 0;
    BUG_ON(smtp_session_feed(f->session, SLICE("NOOP\r\n"), &used) != SMTP_FEED_CLOSED);
}

void fake_settle(struct fake *f)
{
    while (!f->closed) {
        if (f->tls_asked) {
            fake_tls(f);
        } else if (f->block) {
            fake_resume(f);
        } else if (smtp_session_auth_asked(f->session)) {
            fake_auth(f, REPLY_NONE);
        } else if (smtp_session_mail_asked(f->session)) {
            fake_mail(f, REPLY_NONE);
        } else if (smtp_session_asked(f->session) != NULL) {
            fake_rcpt(f, REPLY_NONE);
        } else if (smtp_session_waits(f->session)) {
            fake_done(f, REPLY_NONE);
        } else {
            return;
        }
    }
}
