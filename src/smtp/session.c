/* smtp/session.c - see session.h
 *
 * Three layers: smtp_session_feed() cuts octets into lines and message octets; the table of
 * session_commands.c says for each verb in which states it is allowed and who handles it; the
 * handlers change the state and say so through ops. */
#include "base/log.h"
#include "smtp/session_impl.h"

#include <stdlib.h>

/* --- replies --- */

void session_reset(struct smtp_session *s)
{
    if (s->in_mail) {
        s->ops->reset(s->arg);
    }
    s->in_mail = false;
    s->mail_refused = false;
    s->bdat_failed = false;
    s->blocked = false;
    s->data_len = 0;
    s->data_refusal = REPLY_NONE;
    fields_reset(&s->data_evidence);
    s->decoder = (struct dot_decoder){.lenient = s->offer.bare_lf_ok};
    s->envelope = (struct smtp_envelope){0};
    s->asked = NULL;
    arena_reset(&s->transaction_arena);
}

void session_close(struct smtp_session *s)
{
    session_auth_drop(s);
    session_reset(s);
    s->phase = PHASE_CLOSED;
}

void session_say_lines(struct smtp_session *s, enum reply_id id,
                       const struct fields *evidence, const struct slice *lines,
                       size_t line_n)
{
    s->ops->reply(s->arg, id, evidence, lines, line_n);
    if (reply_row(id)->closes) {
        session_close(s);
    }
}

void session_say(struct smtp_session *s, enum reply_id id, const struct fields *evidence)
{
    session_say_lines(s, id, evidence, NULL, 0);
}

void session_say_fine(struct smtp_session *s, enum reply_id id)
{
    s->row_n = 0;
    session_say(s, id, NULL);
}

/* An error of the client's making. Several in a row end the session: a peer that is out of
 * step (or no mail client at all) would otherwise have its text executed line by line. */
void session_say_error(struct smtp_session *s, enum reply_id id, struct fields *f)
{
    if (++s->row_n >= s->limits->errors_in_a_row && !reply_row(id)->closes) {
        fields_add_str(f, "what", "too many errors in a row");
        id = REPLY_command_deferred_closing;
    }
    session_say(s, id, f);
}

/* A line that cannot be trusted to end where it seems to: no second chance. */
void session_say_gross(struct smtp_session *s, const char *command, const char *what)
{
    struct fields f;
    fields_reset(&f);
    fields_add_str(&f, "command", command);
    fields_add_str(&f, "what", what);
    session_say(s, REPLY_syntax_error_closing, &f);
}

void session_say_verdict(struct smtp_session *s, struct smtp_verdict v)
{
    session_say(s, v.reply, v.evidence);
}

/* --- octets in --- */

/* DATA was answered or may be: 354, unless the client went on without waiting. */
static void after_data(struct smtp_session *s, struct slice in)
{
    bool accepted = s->phase == PHASE_DATA;
    if (s->phase == PHASE_CLOSED) {
        return;
    }
    if (in.len > 0) {
        s->phase = PHASE_EARLY;
        s->early = (struct dot_decoder){.lenient = s->offer.bare_lf_ok};
        s->early_answered = !accepted;
    } else if (accepted) {
        session_say_fine(s, REPLY_ok_data);
    }
}

static void start_tls(struct smtp_session *s, struct slice in)
{
    if (in.len > 0) { /* dropped: the session ends */
        struct fields f;
        fields_reset(&f);
        fields_add_u64(&f, "measured", in.len);
        session_say(s, REPLY_starttls_pipelining, &f);
        return;
    }
    session_say_fine(s, REPLY_ok_starttls);
    s->ops->starttls(s->arg);
}

/* The line as the trace may see it: without what may be a secret. */
static struct slice tell(const struct smtp_session *s, const struct smtp_line *line,
                         struct slice whole)
{
    if (line->verb == SMTP_UNKNOWN && s->auth_refused) {
        return SLICE("");
    }
    if (line->verb != SMTP_AUTH) {
        return whole;
    }
    size_t mechanism = slice_find(line->args, ' ');
    if (mechanism > SASL_MECHANISM_MAX) {
        return line->word;
    }
    return slice_sub(whole, 0, (size_t)(line->args.ptr - whole.ptr) + mechanism);
}

/* A line without an end that can be trusted; in: where it begins. */
static void say_gross_line(struct smtp_session *s, struct slice in, const char *what)
{
    /* RFC 8446 5.1: ContentType handshake(22), legacy_record_version 0x03.. */
    bool tls = slice_starts(in, SLICE("\x16\x03"));
    session_say_gross(
        s, "",
        tls ? "a TLS handshake stands in its place; give STARTTLS first, or "
              "use the port where TLS begins at once"
            : what);
}

static void feed_line(struct smtp_session *s, struct slice *in, bool *more)
{
    struct smtp_line line = {0};
    switch (smtp_line_take(*in, session_line_max(s, *in), &line)) {
    case SMTP_LINE_MORE:
        *more = true;
        return;
    case SMTP_LINE_OK:
        s->ops->command(s->arg, line.verb,
                        tell(s, &line, slice_sub(*in, 0, line.used - 2)));
        session_run_command(s, &line);
        *in = slice_from(*in, line.used);
        if (line.verb == SMTP_DATA) {
            after_data(s, *in);
        } else if (s->phase == PHASE_TLS) {
            start_tls(s, *in);
        }
        return;
    case SMTP_LINE_TOO_LONG:
        say_gross_line(s, *in, "the command line is too long");
        return;
    case SMTP_LINE_BARE_EOL:
        say_gross_line(s, *in, "a CR or LF stands alone in the command line");
        return;
    case SMTP_LINE_BAD_OCTET:
        say_gross_line(s, *in, "a NUL stands in the command line");
        return;
    }
}

enum smtp_feed smtp_session_feed(struct smtp_session *s, struct slice in, size_t *used)
{
    size_t whole = in.len;
    bool more = false;
    while (!more && !s->blocked) {
        switch (s->phase) {
        case PHASE_COMMAND:
            feed_line(s, &in, &more);
            break;
        case PHASE_DATA:
            more = in.len == 0;
            session_feed_data(s, &in);
            break;
        case PHASE_EARLY:
            more = in.len == 0;
            session_feed_early(s, &in);
            break;
        case PHASE_CHUNK:
            more = in.len == 0 && s->chunk_left > 0;
            session_feed_chunk(s, &in);
            break;
        case PHASE_AUTH:
            session_auth_line(s, &in, &more);
            break;
        case PHASE_AUTH_ASKED:
        case PHASE_MAIL:
        case PHASE_RCPT:
        case PHASE_DONE:
        case PHASE_TLS:
            *used = whole - in.len;
            return SMTP_FEED_WAIT;
        case PHASE_CLOSED:
            *used = whole;
            return SMTP_FEED_CLOSED;
        }
    }
    *used = whole - in.len;
    return s->blocked ? SMTP_FEED_WAIT : SMTP_FEED_MORE;
}

/* --- from outside --- */

struct smtp_session *smtp_session_new(const struct smtp_offer *offer,
                                      const struct smtp_limits *limits,
                                      const struct smtp_session_ops *ops, void *arg)
{
    struct smtp_session *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->offer = *offer;
    s->limits = limits;
    s->ops = ops;
    s->arg = arg;
    s->decoder.lenient = offer->bare_lf_ok;
    arena_init(&s->arena, SMTP_SESSION_ARENA_MAX);
    arena_init(&s->transaction_arena, SMTP_TRANSACTION_ARENA_MAX);
    return s;
}

void smtp_session_offer(struct smtp_session *s, const struct smtp_offer *offer)
{
    s->offer = *offer;
    s->decoder.lenient = offer->bare_lf_ok;
}

void smtp_session_defer(struct smtp_session *s, const char *why)
{
    s->offer.deferred = true;
    s->offer.deferred_what = why;
}

void smtp_session_free(struct smtp_session **s)
{
    if (*s == NULL) {
        return;
    }
    session_auth_drop(*s);
    session_logout(*s);
    session_reset(*s);
    arena_clear(&(*s)->arena);
    arena_clear(&(*s)->transaction_arena);
    free(*s);
    *s = NULL;
}

void smtp_session_greet(struct smtp_session *s, struct smtp_verdict verdict)
{
    if (verdict.reply == REPLY_NONE) {
        session_say(s, REPLY_ok_greeting, verdict.evidence);
        return;
    }
    smtp_session_end(s, verdict);
}

void smtp_session_resume(struct smtp_session *s)
{
    s->blocked = false;
}

void smtp_session_tls(struct smtp_session *s)
{
    /* RFC 3207 4.2: "The server MUST discard any knowledge obtained from the client" */
    session_reset(s);
    session_logout(s);
    arena_reset(&s->arena);
    s->helo = (struct slice){NULL, 0};
    s->hello = HELLO_NONE;
    s->auth_refused = false;
    s->tls = true;
    s->phase = s->phase == PHASE_CLOSED ? PHASE_CLOSED : PHASE_COMMAND;
}

void smtp_session_end(struct smtp_session *s, struct smtp_verdict verdict)
{
    if (s->phase == PHASE_CLOSED) {
        return;
    }
    session_say_verdict(s, verdict);
    if (s->phase != PHASE_CLOSED) {
        session_close(s);
    }
}

bool smtp_session_in_data(const struct smtp_session *s)
{
    return s->phase == PHASE_DATA || s->phase == PHASE_EARLY || s->phase == PHASE_CHUNK;
}

bool smtp_session_waits(const struct smtp_session *s)
{
    return s->blocked || s->phase == PHASE_AUTH_ASKED || s->phase == PHASE_MAIL ||
           s->phase == PHASE_RCPT || s->phase == PHASE_DONE;
}

bool smtp_session_idle(const struct smtp_session *s)
{
    return s->phase == PHASE_COMMAND && !s->in_mail;
}

struct slice smtp_session_helo(const struct smtp_session *s)
{
    return s->helo;
}

bool smtp_session_extended(const struct smtp_session *s)
{
    return s->hello == HELLO_EHLO;
}

uint64_t smtp_session_data_len(const struct smtp_session *s)
{
    return s->data_len;
}

const struct smtp_envelope *smtp_session_envelope(const struct smtp_session *s)
{
    return &s->envelope;
}

struct slice smtp_session_login(const struct smtp_session *s)
{
    return (struct slice){s->login, s->login_len};
}

bool smtp_session_mail_asked(const struct smtp_session *s)
{
    return s->phase == PHASE_MAIL;
}

bool smtp_session_auth_asked(const struct smtp_session *s)
{
    return s->phase == PHASE_AUTH_ASKED;
}

const struct smtp_recipient *smtp_session_asked(const struct smtp_session *s)
{
    return s->asked;
}

struct arena *smtp_session_arena(struct smtp_session *s)
{
    return &s->transaction_arena;
}
