/* smtp/session.c - see session.h
 *
 * Three layers: smtp_session_feed() cuts octets into lines and message spans; the table
 * `commands` says for each verb in which states it is allowed and who handles it; the
 * handlers change the state and say so through ops. */
#include "smtp/session.h"

#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum phase {
    PHASE_COMMAND = 0,
    PHASE_DATA,  /* after 354 */
    PHASE_EARLY, /* octets came with DATA, before its reply: drop them as a message */
    PHASE_CHUNK, /* octets of a BDAT chunk */
    PHASE_RCPT,  /* waits for smtp_session_rcpt() */
    PHASE_DONE,  /* waits for smtp_session_done() */
    PHASE_TLS,   /* waits for smtp_session_tls() */
    PHASE_CLOSED,
};

enum { SASL_MECHANISM_MAX = 20 }; /* octets: RFC 4422 3.1 */

enum hello { HELLO_NONE = 0, HELLO_HELO, HELLO_EHLO };

struct smtp_session {
    const struct smtp_session_ops *ops;
    void *arg;
    const struct smtp_limits *limits;
    struct smtp_offer offer;
    enum phase phase;
    enum hello hello;
    bool tls, in_mail, blocked, bdat_failed, chunk_last;
    bool
        mail_refused; /* what was pipelined behind that MAIL is refused too, without blame */
    bool auth_refused; /* unknown commands now may be what the client would log in with */
    bool early_answered; /* PHASE_EARLY: DATA had its refusal, no reply at the end */
    struct slice helo;
    unsigned unknown_n, syntax_n, row_n, command_n;
    struct arena arena;             /* of the session */
    struct arena transaction_arena; /* of the transaction */
    struct smtp_envelope envelope;
    struct smtp_recipient *asked; /* the recipient of PHASE_RCPT */
    struct arena_mark asked_mark; /* where the arena stood before it */
    struct dot_decoder decoder, early;
    uint64_t data_len, chunk_left, chunk_len;
    enum reply_id chunk_refusal; /* the chunk is dropped, then this is said */
    enum reply_id data_refusal;  /* REPLY_NONE: the message is fine so far */
    struct fields data_evidence;
};

/* --- replies --- */

static void reset_transaction(struct smtp_session *s)
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

static void close_session(struct smtp_session *s)
{
    reset_transaction(s);
    s->phase = PHASE_CLOSED;
}

static void say_lines(struct smtp_session *s, enum reply_id id,
                      const struct fields *evidence, const struct slice *lines,
                      size_t line_n)
{
    s->ops->reply(s->arg, id, evidence, lines, line_n);
    if (reply_row(id)->closes) {
        close_session(s);
    }
}

static void say(struct smtp_session *s, enum reply_id id, const struct fields *evidence)
{
    say_lines(s, id, evidence, NULL, 0);
}

static void say_fine(struct smtp_session *s, enum reply_id id)
{
    s->row_n = 0;
    say(s, id, NULL);
}

/* Which command, for evidence. */
static struct slice command_name(const struct smtp_line *line)
{
    return line->verb == SMTP_UNKNOWN ? line->word : smtp_verb_name(line->verb);
}

/* An error of the client's making. Several in a row end the session: a peer that is out of
 * step (or no mail client at all) would otherwise have its text executed line by line. */
static void say_error(struct smtp_session *s, enum reply_id id, struct fields *f)
{
    if (++s->row_n >= s->limits->errors_in_a_row && !reply_row(id)->closes) {
        fields_add_str(f, "what", "too many errors in a row");
        id = REPLY_command_deferred_closing;
    }
    say(s, id, f);
}

static void say_sequence(struct smtp_session *s, enum reply_id id,
                         const struct smtp_line *line)
{
    struct fields f;
    fields_reset(&f);
    fields_add(&f, "command", command_name(line));
    say_error(s, id, &f);
}

static void say_out_of_order(struct smtp_session *s, const struct smtp_line *line,
                             const char *expected)
{
    struct fields f;
    fields_reset(&f);
    fields_add(&f, "command", command_name(line));
    fields_add_str(&f, "expected", expected);
    say_error(s, REPLY_sequence_bad, &f);
}

static void say_syntax(struct smtp_session *s, const struct smtp_line *line,
                       const char *what, struct slice argument)
{
    struct fields f;
    fields_reset(&f);
    fields_add(&f, "command", command_name(line));
    fields_add_str(&f, "what", what);
    fields_add(&f, "argument", argument);
    bool last = ++s->syntax_n >= s->limits->syntax_errors;
    say_error(s, last ? REPLY_syntax_error_closing : REPLY_syntax_error, &f);
}

/* A line that cannot be trusted to end where it seems to: no second chance. */
static void say_gross(struct smtp_session *s, const char *command, const char *what)
{
    struct fields f;
    fields_reset(&f);
    fields_add_str(&f, "command", command);
    fields_add_str(&f, "what", what);
    say(s, REPLY_syntax_error_closing, &f);
}

static void say_verdict(struct smtp_session *s, struct smtp_verdict v)
{
    say(s, v.reply, v.evidence);
}

/* --- commands --- */

enum need {
    NEED_HELLO = 1, /* after HELO or EHLO */
    NEED_TLS = 2,   /* after STARTTLS where the listener demands it */
    NEED_AUTH = 4,  /* after AUTH where the service demands it */
    NEED_MAIL = 8,
    NEED_RCPT = 16,
    NO_ARGS = 32,
};

/* The first thing that is missing for this command; REPLY_NONE: nothing. */
static enum reply_id missing(const struct smtp_session *s, unsigned need)
{
    if ((need & NEED_HELLO) != 0 && s->hello == HELLO_NONE) {
        return REPLY_sequence_helo_first;
    }
    if ((need & NEED_TLS) != 0 && s->offer.tls_required && !s->tls) {
        return REPLY_starttls_required;
    }
    if ((need & NEED_AUTH) != 0 && s->offer.auth_required) {
        return REPLY_auth_required;
    }
    if ((need & NEED_MAIL) != 0 && !s->in_mail) {
        return REPLY_sequence_mail_first;
    }
    if ((need & NEED_RCPT) != 0 && s->envelope.recipient_n == 0) {
        return REPLY_sequence_rcpt_first;
    }
    return REPLY_NONE;
}

static void cmd_hello(struct smtp_session *s, const struct smtp_line *line)
{
    bool extended = line->verb == SMTP_EHLO;
    struct fields f;
    fields_reset(&f);
    fields_add(&f, "command", command_name(line));
    if (line->args.len == 0) {
        say(s, REPLY_helo_argument_empty, &f);
        return;
    }
    smtp_fault fault = line->args.ptr[0] == '[' ? smtp_literal_check(line->args)
                                                : smtp_domain_check(line->args, false);
    if (fault != NULL) {
        fields_add(&f, "argument", line->args);
        fields_add_str(&f, "what", fault);
        say(s, REPLY_helo_argument_invalid, &f);
        return;
    }
    /* RFC 5321 4.1.4: "the SMTP server MUST clear all buffers and reset the state exactly as
     * if a RSET command had been issued" */
    reset_transaction(s);
    arena_reset(&s->arena);
    s->hello = HELLO_NONE;
    if (!arena_dup(&s->arena, line->args, &s->helo)) {
        fields_add_str(&f, "what", "out of memory");
        say(s, REPLY_system_temporary_problem, &f);
        return;
    }
    s->hello = extended ? HELLO_EHLO : HELLO_HELO;
    s->ops->hello(s->arg, s->helo, extended);
    s->row_n = 0;
    if (!extended) {
        say(s, REPLY_ok_helo, &f);
        return;
    }
    char size[32];
    (void)snprintf(size, sizeof size, "SIZE %" PRIu64, s->limits->message_size);
    struct slice lines[] = {SLICE("PIPELINING"), slice_of(size),
                            SLICE("8BITMIME"),   SLICE("CHUNKING"),
                            SLICE("SMTPUTF8"),   SLICE("HELP"),
                            SLICE("STARTTLS"),   SLICE("ENHANCEDSTATUSCODES")};
    size_t n = sizeof lines / sizeof lines[0];
    if (!s->offer.starttls || s->tls) {
        lines[6] = lines[--n];
    }
    say_lines(s, REPLY_ok_ehlo, &f, lines, n);
}

/* "FROM:" or "TO:", then the path. A space after the colon is no RFC 5321, but common. */
static bool take_keyword(struct slice *args, struct slice keyword)
{
    if (!slice_istarts(*args, keyword)) {
        return false;
    }
    *args = slice_from(*args, keyword.len);
    while (args->len > 0 && args->ptr[0] == ' ') {
        *args = slice_from(*args, 1);
    }
    return args->len > 0 && args->ptr[0] == '<';
}

static void say_path(struct smtp_session *s, enum reply_id id, const char *name,
                     struct slice path, const char *what)
{
    struct fields f;
    fields_reset(&f);
    fields_add(&f, name, path);
    fields_add_str(&f, "what", what);
    say(s, id, &f);
}

static bool copy_path(struct arena *arena, struct smtp_path *path)
{
    struct slice copy = {0};
    if (!arena_dup(arena, path->mailbox, &copy)) {
        return false;
    }
    path->local = slice_sub(copy, 0, path->local.len);
    path->domain = path->domain.len == 0 ? slice_from(copy, copy.len)
                                         : slice_from(copy, copy.len - path->domain.len);
    path->mailbox = copy;
    return true;
}

static void say_memory(struct smtp_session *s)
{
    struct fields f;
    fields_reset(&f);
    fields_add_str(&f, "what", "out of memory for this session");
    say(s, REPLY_system_temporary_problem, &f);
}

/* Reads the arguments of MAIL. False: refused, and said so. */
static bool read_mail(struct smtp_session *s, const struct smtp_line *line,
                      struct smtp_path *sender, struct smtp_params *params)
{
    struct smtp_params_fault fault = {0};
    struct slice rest = line->args;

    if (!take_keyword(&rest, SLICE("FROM:"))) {
        say_syntax(s, line, "expected FROM:<address>", line->args);
        return false;
    }
    smtp_fault path_fault = smtp_path_take(rest, true, false, sender);
    if (path_fault != NULL) {
        say_path(s, REPLY_sender_syntax_invalid, "sender", rest, path_fault);
        return false;
    }
    if (!smtp_params_read(slice_from(rest, sender->used), SMTP_PARAMS_MAIL, params,
                          &fault)) {
        say_syntax(s, line, fault.what, fault.param);
        return false;
    }
    if (sender->utf8 && !params->smtputf8) {
        say_path(s, REPLY_sender_syntax_invalid, "sender", sender->mailbox,
                 "octets that are not ASCII need the SMTPUTF8 parameter");
        return false;
    }
    return true;
}

static void cmd_mail(struct smtp_session *s, const struct smtp_line *line)
{
    struct smtp_envelope *e = &s->envelope;
    struct smtp_path sender = {0};
    struct smtp_params params = {0};

    if (s->in_mail) {
        say_out_of_order(s, line, "RCPT, DATA or RSET"); /* RFC 5321 4.1.4: nested MAIL */
        return;
    }
    s->mail_refused = true;
    if (!read_mail(s, line, &sender, &params)) {
        return;
    }
    if (!copy_path(&s->transaction_arena, &sender)) {
        say_memory(s);
        return;
    }
    *e = (struct smtp_envelope){.sender = sender, .params = params};
    struct smtp_verdict verdict = s->ops->mail(s->arg, e);
    if (verdict.reply != REPLY_NONE) {
        say_verdict(s, verdict); /* its evidence may live in the arena */
        *e = (struct smtp_envelope){0};
        arena_reset(&s->transaction_arena);
        return;
    }
    s->in_mail = true;
    s->mail_refused = false;
    say_fine(s, REPLY_ok_mail);
}

static void cmd_rcpt(struct smtp_session *s, const struct smtp_line *line)
{
    struct smtp_path path = {0};
    struct smtp_params params = {0};
    struct smtp_params_fault fault = {0};
    struct slice rest = line->args;

    if (s->envelope.bdat) {
        say_out_of_order(s, line, "BDAT or RSET");
        return;
    }
    if (!take_keyword(&rest, SLICE("TO:"))) {
        say_syntax(s, line, "expected TO:<address>", line->args);
        return;
    }
    smtp_fault path_fault = smtp_path_take(rest, false, true, &path);
    if (path_fault == NULL && path.utf8 && !s->envelope.params.smtputf8) {
        path_fault = "octets that are not ASCII need SMTPUTF8 at MAIL";
    }
    if (path_fault != NULL) {
        say_path(s, REPLY_rcpt_syntax_invalid, "rcpt", rest, path_fault);
        return;
    }
    if (!smtp_params_read(slice_from(rest, path.used), SMTP_PARAMS_RCPT, &params,
                          &fault)) {
        say_syntax(s, line, fault.what, fault.param);
        return;
    }
    if (s->envelope.recipient_n >= s->limits->recipients) {
        struct fields f;
        fields_reset(&f);
        fields_add(&f, "rcpt", path.mailbox);
        fields_add_u64(&f, "limit", s->limits->recipients);
        say(s, REPLY_rcpt_too_many, &f);
        return;
    }
    s->asked_mark = arena_mark(&s->transaction_arena);
    struct smtp_recipient *r = arena_alloc(&s->transaction_arena, sizeof *r);
    if (r == NULL || !copy_path(&s->transaction_arena, &path)) {
        say_memory(s);
        return;
    }
    r->path = path;
    s->asked = r;
    s->phase = PHASE_RCPT;
    s->ops->rcpt(s->arg, r);
}

void smtp_session_rcpt(struct smtp_session *s, struct smtp_verdict verdict, void *data)
{
    BUG_ON(s->phase != PHASE_RCPT || s->asked == NULL);
    struct smtp_recipient *r = s->asked;
    struct smtp_envelope *e = &s->envelope;
    s->asked = NULL;
    s->phase = PHASE_COMMAND;
    if (verdict.reply != REPLY_NONE) {
        say_verdict(s, verdict);
        if (s->phase != PHASE_CLOSED) {
            /* or a client that tries names would fill the arena with those refused */
            arena_release(&s->transaction_arena, s->asked_mark);
        }
        return;
    }
    r->data = data;
    if (e->last == NULL) {
        e->first = r;
    } else {
        e->last->next = r;
    }
    e->last = r;
    e->recipient_n++;
    s->row_n = 0;
    struct fields f;
    fields_reset(&f);
    fields_add(&f, "rcpt", r->path.mailbox);
    say(s, REPLY_ok_rcpt, &f);
}

static void cmd_data(struct smtp_session *s, const struct smtp_line *line)
{
    (void)line;
    if (s->envelope.bdat) {
        say_sequence(s, REPLY_bdat_then_data, line);
        return;
    }
    struct smtp_verdict verdict = s->ops->data_begin(s->arg, &s->envelope);
    if (verdict.reply != REPLY_NONE) {
        say_verdict(s, verdict);
        return;
    }
    s->phase = PHASE_DATA; /* after_data() says 354, or finds that nobody waited */
}

/* chunk-size [SP "LAST"] */
static bool read_bdat(struct slice args, uint64_t *octets, bool *last)
{
    size_t sp = slice_find(args, ' ');
    struct slice word = slice_trim(slice_from(args, sp));
    *last = slice_ieq(word, SLICE("LAST"));
    return sp <= 20 && slice_u64(slice_sub(args, 0, sp), octets) &&
           (*last || word.len == 0);
}

static void cmd_bdat(struct smtp_session *s, const struct smtp_line *line)
{
    uint64_t octets = 0;
    bool last = false;
    if (!read_bdat(line->args, &octets, &last)) {
        /* What follows may be message text: it must not be read as commands. */
        say_gross(s, "BDAT", "the chunk size is not a number of octets");
        return;
    }
    /* RFC 3030 2: "If a failure occurs after a BDAT command is received, the receiver-SMTP
     * MUST accept and discard the associated message data before sending the appropriate 5XX
     * or 4XX code." */
    s->chunk_refusal =
        missing(s, NEED_HELLO | NEED_TLS | NEED_AUTH | NEED_MAIL | NEED_RCPT);
    if (s->chunk_refusal == REPLY_NONE && s->bdat_failed) {
        s->chunk_refusal = REPLY_sequence_bad;
    }
    s->phase = PHASE_CHUNK;
    s->chunk_left = octets;
    s->chunk_len = octets;
    s->chunk_last = last;
    if (s->chunk_refusal == REPLY_NONE && !s->envelope.bdat) {
        struct smtp_verdict verdict = s->ops->data_begin(s->arg, &s->envelope);
        s->envelope.bdat = true;
        s->decoder = (struct dot_decoder){.lenient = s->offer.bare_lf_ok, .raw = true};
        if (verdict.reply != REPLY_NONE) {
            smtp_session_data_failed(s, verdict);
        }
    }
}

static void cmd_rset(struct smtp_session *s, const struct smtp_line *line)
{
    (void)line;
    reset_transaction(s);
    say_fine(s, REPLY_ok_rset);
}

static void cmd_noop(struct smtp_session *s, const struct smtp_line *line)
{
    (void)line;
    say_fine(s, REPLY_ok_noop);
}

static void cmd_vrfy(struct smtp_session *s, const struct smtp_line *line)
{
    if (line->args.len == 0) {
        say_syntax(s, line, "expected an address or a name", line->args);
        return;
    }
    say_fine(s, REPLY_ok_vrfy); /* RFC 5321 3.5.3: 252 tells nothing, and is no lie */
}

static void cmd_help(struct smtp_session *s, const struct smtp_line *line)
{
    (void)line;
    say_fine(s, REPLY_ok_help);
}

static void cmd_quit(struct smtp_session *s, const struct smtp_line *line)
{
    (void)line;
    say(s, REPLY_ok_quit, NULL);
    close_session(s);
}

static void cmd_starttls(struct smtp_session *s, const struct smtp_line *line)
{
    if (s->tls) {
        say_sequence(s, REPLY_starttls_repeated, line);
    } else if (!s->offer.starttls) {
        say_sequence(s, REPLY_command_unimplemented, line);
    } else if (line->args.len > 0) {
        struct fields f;
        fields_reset(&f);
        fields_add(&f, "command", command_name(line));
        fields_add(&f, "argument", line->args);
        say_error(s, REPLY_starttls_parameters, &f);
    } else {
        s->phase = PHASE_TLS; /* start_tls() says 220, or finds pipelined octets */
    }
}

static void cmd_unimplemented(struct smtp_session *s, const struct smtp_line *line)
{
    say_sequence(s, REPLY_command_unimplemented, line);
}

/* A web browser or a script that was led here: RFC 5321 knows no such verb, and what follows
 * is not mail. */
static void cmd_http(struct smtp_session *s, const struct smtp_line *line)
{
    struct fields f;
    fields_reset(&f);
    fields_add(&f, "command", command_name(line));
    fields_add_str(&f, "what", "this is an SMTP server, the line is a request of HTTP");
    say(s, REPLY_syntax_error_closing, &f);
}

static void cmd_unknown(struct smtp_session *s, const struct smtp_line *line)
{
    struct fields f;
    fields_reset(&f);
    if (!s->auth_refused) {
        fields_add(&f, "command", line->word);
    }
    fields_add_u64(&f, "limit", s->limits->unknown_commands);
    if (++s->unknown_n >= s->limits->unknown_commands) {
        say(s, REPLY_command_unrecognized_too_many, &f);
        return;
    }
    say_error(s, REPLY_command_unrecognized, &f);
}

/* clang-format off */
static const struct command {
    void (*run)(struct smtp_session *s, const struct smtp_line *line);
    unsigned need;
} commands[SMTP_VERB_COUNT] = {
    [SMTP_UNKNOWN]  = {cmd_unknown, 0},
    [SMTP_HELO]     = {cmd_hello, 0},
    [SMTP_EHLO]     = {cmd_hello, 0},
    [SMTP_MAIL]     = {cmd_mail, NEED_HELLO | NEED_TLS | NEED_AUTH},
    [SMTP_RCPT]     = {cmd_rcpt, NEED_HELLO | NEED_TLS | NEED_AUTH | NEED_MAIL},
    [SMTP_DATA]     = {cmd_data, NEED_HELLO | NEED_TLS | NEED_AUTH | NEED_MAIL | NEED_RCPT | NO_ARGS},
    [SMTP_BDAT]     = {cmd_bdat, 0}, /* tests them itself: its octets must be dropped */
    [SMTP_RSET]     = {cmd_rset, NO_ARGS},
    [SMTP_NOOP]     = {cmd_noop, 0},
    [SMTP_QUIT]     = {cmd_quit, NO_ARGS},
    [SMTP_VRFY]     = {cmd_vrfy, NEED_TLS | NEED_AUTH}, /* RFC 5321 4.1.4: without EHLO too */
    [SMTP_HELP]     = {cmd_help, 0},
    [SMTP_STARTTLS] = {cmd_starttls, NEED_HELLO},
    [SMTP_AUTH]     = {cmd_unimplemented, NEED_HELLO | NEED_TLS},
    [SMTP_EXPN]     = {cmd_unimplemented, 0},
    [SMTP_TURN]     = {cmd_unimplemented, 0},
    [SMTP_ATRN]     = {cmd_unimplemented, 0},
    [SMTP_ETRN]     = {cmd_unimplemented, 0},
    [SMTP_SEND]     = {cmd_unimplemented, 0},
    [SMTP_SOML]     = {cmd_unimplemented, 0},
    [SMTP_SAML]     = {cmd_unimplemented, 0},
    [SMTP_GET]      = {cmd_http, 0},
    [SMTP_POST]     = {cmd_http, 0},
    [SMTP_PUT]      = {cmd_http, 0},
    [SMTP_HEAD]     = {cmd_http, 0},
    [SMTP_CONNECT]  = {cmd_http, 0},
    [SMTP_OPTIONS]  = {cmd_http, 0},
};
/* clang-format on */

/* Out of order, or refused for what was not done before. What a client had under way when its
 * MAIL was refused (RFC 2920) is no further error: the count of errors in a row stands still. */
static void say_missing(struct smtp_session *s, enum reply_id id, enum smtp_verb verb)
{
    struct fields f;
    fields_reset(&f);
    fields_add(&f, "command", smtp_verb_name(verb));
    if (s->mail_refused && verb != SMTP_MAIL) {
        say(s, id, &f);
        return;
    }
    s->mail_refused = verb == SMTP_MAIL;
    say_error(s, id, &f);
}

static void run_command(struct smtp_session *s, const struct smtp_line *line)
{
    /* An unknown command after AUTH may be the password, sent without waiting for an answer. */
    s->auth_refused =
        line->verb == SMTP_AUTH || (s->auth_refused && line->verb == SMTP_UNKNOWN);
    const struct command *c = &commands[line->verb];
    struct fields f;
    fields_reset(&f);
    fields_add(&f, "command", command_name(line));

    if (s->offer.deferred && line->verb != SMTP_QUIT) {
        fields_add_str(&f, "what", "too many connections from this address");
        say(s, REPLY_command_deferred_closing, &f);
        return;
    }
    if (s->offer.auth_required && line->verb != SMTP_QUIT &&
        ++s->command_n > s->limits->unauthenticated_commands) {
        fields_add_u64(&f, "limit", s->limits->unauthenticated_commands);
        say(s, REPLY_command_unauthenticated_too_many, &f);
        return;
    }
    enum reply_id refusal = missing(s, c->need);
    if (refusal != REPLY_NONE) {
        say_missing(s, refusal, line->verb);
        return;
    }
    if ((c->need & NO_ARGS) != 0 && line->args.len > 0) {
        say_syntax(s, line, "takes no argument", line->args);
        return;
    }
    c->run(s, line);
}

/* --- message octets --- */

void smtp_session_data_failed(struct smtp_session *s, struct smtp_verdict verdict)
{
    if (s->data_refusal != REPLY_NONE) {
        return; /* the first reason stands */
    }
    s->data_refusal = verdict.reply;
    fields_reset(&s->data_evidence);
    for (unsigned i = 0; verdict.evidence != NULL && i < verdict.evidence->n; i++) {
        struct slice copy = {0};
        if (arena_dup(&s->transaction_arena, verdict.evidence->item[i].value, &copy)) {
            fields_add(&s->data_evidence, verdict.evidence->item[i].name, copy);
        }
    }
}

static void refuse_too_large(struct smtp_session *s)
{
    bool measured = s->offer.service == SMTP_MX;
    s->data_refusal =
        measured ? REPLY_message_too_large_measured : REPLY_message_too_large;
    fields_reset(&s->data_evidence);
    fields_add_u64(&s->data_evidence, "size", s->data_len);
    fields_add_u64(&s->data_evidence, "limit", s->limits->message_size);
}

/* Counts a span and hands on what the limit has room for. False: not taken, wait. */
static bool take_span(struct smtp_session *s, struct slice span)
{
    uint64_t limit = s->limits->message_size;
    struct slice part = slice_sub(span, 0, s->data_len < limit ? limit - s->data_len : 0);
    if (s->data_refusal == REPLY_NONE && part.len > 0 && !s->ops->data(s->arg, part)) {
        s->blocked = s->data_refusal == REPLY_NONE;
        if (s->blocked) {
            return false;
        }
    }
    s->data_len += span.len;
    return true;
}

/* The whole message was seen: have it kept, or say why not. */
static void finish_message(struct smtp_session *s)
{
    if (s->data_refusal == REPLY_NONE && s->data_len > s->limits->message_size) {
        refuse_too_large(s);
    }
    if (s->data_refusal != REPLY_NONE) {
        s->phase = PHASE_COMMAND;
        say(s, s->data_refusal, &s->data_evidence);
        if (s->phase != PHASE_CLOSED) {
            reset_transaction(s);
        }
        return;
    }
    s->phase = PHASE_DONE;
    s->ops->data_end(s->arg, &s->envelope);
}

void smtp_session_done(struct smtp_session *s, struct smtp_verdict verdict)
{
    BUG_ON(s->phase != PHASE_DONE);
    s->phase = PHASE_COMMAND;
    s->row_n = 0;
    say(s, verdict.reply == REPLY_NONE ? REPLY_ok_queued : verdict.reply,
        verdict.evidence);
    if (s->phase != PHASE_CLOSED) {
        reset_transaction(s);
    }
}

static void feed_data(struct smtp_session *s, struct slice *in)
{
    while (in->len > 0) {
        struct dot_decoder before = s->decoder;
        struct slice at = *in;
        struct slice span = {0};
        switch (dot_decode(&s->decoder, in, &span)) {
        case DOT_MORE:
            return;
        case DOT_SPAN:
            if (!take_span(s, span)) {
                s->decoder = before;
                *in = at;
                return;
            }
            break;
        case DOT_BARE_EOL:
            /* RFC 5321 2.3.8: "MUST NOT recognize or generate any other character or
             * character sequence as a line terminator" */
            say_gross(s, "DATA", "a CR or LF stands alone in the message");
            return;
        case DOT_END:
            finish_message(s);
            return;
        }
    }
}

/* The client did not wait for the answer to DATA, as RFC 2920 3.1 demands: what it sends up to
 * the final dot is dropped unread, so that no line of it can pass for a command. DATA gets one
 * reply: its refusal before, or that of the message now. */
static void feed_early(struct smtp_session *s, struct slice *in)
{
    struct slice span = {0};
    enum dot_res res = DOT_SPAN;
    while (res == DOT_SPAN) {
        res = dot_decode(&s->early, in, &span);
    }
    if (res == DOT_BARE_EOL) {
        say_gross(s, "DATA", "a CR or LF stands alone in the message");
        return;
    }
    if (res != DOT_END) {
        return;
    }
    s->phase = PHASE_COMMAND;
    if (!s->early_answered) {
        struct fields f;
        fields_reset(&f);
        fields_add_str(&f, "command", "DATA");
        fields_add_str(&f, "what", "the message was sent before the server's reply 354");
        reset_transaction(s);
        say_error(s, REPLY_protocol_violation, &f);
    }
}

/* The chunk was dropped, now its answer is due. */
static void refuse_chunk(struct smtp_session *s)
{
    if (!s->bdat_failed) {
        say_missing(s, s->chunk_refusal, SMTP_BDAT);
        return;
    }
    /* RFC 3030 2: "the receiver SMTP MUST be prepared to accept and discard additional BDAT
     * chunks already in the pipeline after the failed BDAT": no further errors. */
    struct fields f;
    fields_reset(&f);
    fields_add_str(&f, "command", "BDAT");
    fields_add_str(&f, "expected", "RSET");
    say(s, REPLY_sequence_bad, &f);
    if (s->chunk_last) {
        reset_transaction(s);
    }
}

static void end_chunk(struct smtp_session *s)
{
    s->phase = PHASE_COMMAND;
    if (s->chunk_refusal != REPLY_NONE) {
        refuse_chunk(s);
        return;
    }
    if (s->data_refusal == REPLY_NONE && s->data_len > s->limits->message_size) {
        refuse_too_large(s);
    }
    if (s->data_refusal != REPLY_NONE) {
        /* After a failed chunk the message is lost; RSET or the last chunk makes a new start. */
        enum reply_id refusal = s->data_refusal;
        bool last = s->chunk_last;
        s->bdat_failed = true;
        say(s, refusal, &s->data_evidence);
        if (s->phase != PHASE_CLOSED && last) {
            reset_transaction(s);
        }
        return;
    }
    if (s->chunk_last) {
        finish_message(s);
        return;
    }
    struct fields f;
    fields_reset(&f);
    fields_add_u64(&f, "size", s->chunk_len);
    s->row_n = 0;
    say(s, REPLY_ok_bdat, &f);
}

/* Nobody wants the octets of this chunk. */
static bool chunk_lost(const struct smtp_session *s)
{
    return s->chunk_refusal != REPLY_NONE || s->data_refusal != REPLY_NONE;
}

/* A CR at the very end of a message, or a last line without CRLF. False: wait. */
static bool close_last_line(struct smtp_session *s)
{
    if (!s->chunk_last || chunk_lost(s)) {
        return true;
    }
    if (s->decoder.state == DOT_CR) {
        struct fields f;
        fields_reset(&f);
        fields_add_str(&f, "what", "the message ends in a bare CR");
        smtp_session_data_failed(s, (struct smtp_verdict){REPLY_message_malformed, &f});
    } else if (s->decoder.state != DOT_LINE_START && !take_span(s, SLICE("\r\n"))) {
        return false;
    }
    s->decoder.state = DOT_LINE_START;
    return true;
}

/* One step through the octets at hand, all of this chunk; *in is what it leaves. False: wait. */
static bool take_chunk(struct smtp_session *s, struct slice *in)
{
    struct dot_decoder before = s->decoder;
    struct slice at = *in;
    struct slice span = {0};
    if (chunk_lost(s)) {
        s->data_len += s->chunk_refusal == REPLY_NONE ? in->len : 0;
        *in = slice_from(*in, in->len);
        return true;
    }
    enum dot_res res = dot_decode(&s->decoder, in, &span);
    if (res == DOT_SPAN && !take_span(s, span)) {
        s->decoder = before;
        *in = at;
        return false;
    }
    if (res == DOT_BARE_EOL) {
        /* The chunk's length is known, so nothing can hide here: refuse and go on. */
        struct fields f;
        fields_reset(&f);
        fields_add_str(&f, "what", "a CR or LF stands alone in the message");
        smtp_session_data_failed(s, (struct smtp_verdict){REPLY_message_malformed, &f});
    }
    return true;
}

static void feed_chunk(struct smtp_session *s, struct slice *in)
{
    while (s->chunk_left > 0 && in->len > 0) {
        struct slice part = slice_sub(*in, 0, s->chunk_left);
        struct slice rest = part;
        if (!take_chunk(s, &rest)) {
            return;
        }
        s->chunk_left -= part.len - rest.len;
        *in = slice_from(*in, part.len - rest.len);
    }
    if (s->chunk_left == 0 && close_last_line(s)) {
        end_chunk(s);
    }
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
        say_fine(s, REPLY_ok_data);
    }
}

static void start_tls(struct smtp_session *s, struct slice in)
{
    if (in.len > 0) { /* dropped: the session ends */
        struct fields f;
        fields_reset(&f);
        fields_add_u64(&f, "measured", in.len);
        say(s, REPLY_starttls_pipelining, &f);
        return;
    }
    say_fine(s, REPLY_ok_starttls);
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

static void feed_line(struct smtp_session *s, struct slice *in, bool *more)
{
    struct smtp_line line = {0};
    switch (smtp_line_take(*in, SMTP_LINE_OCTETS, &line)) {
    case SMTP_LINE_MORE:
        *more = true;
        return;
    case SMTP_LINE_OK:
        s->ops->command(s->arg, line.verb,
                        tell(s, &line, slice_sub(*in, 0, line.used - 2)));
        run_command(s, &line);
        *in = slice_from(*in, line.used);
        if (line.verb == SMTP_DATA) {
            after_data(s, *in);
        } else if (s->phase == PHASE_TLS) {
            start_tls(s, *in);
        }
        return;
    case SMTP_LINE_TOO_LONG:
        say_gross(s, "", "the command line is longer than 2,048 octets");
        return;
    case SMTP_LINE_BARE_EOL:
        say_gross(s, "", "a CR or LF stands alone in the command line");
        return;
    case SMTP_LINE_BAD_OCTET:
        say_gross(s, "", "a NUL stands in the command line");
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
            feed_data(s, &in);
            break;
        case PHASE_EARLY:
            more = in.len == 0;
            feed_early(s, &in);
            break;
        case PHASE_CHUNK:
            more = in.len == 0 && s->chunk_left > 0;
            feed_chunk(s, &in);
            break;
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

void smtp_session_free(struct smtp_session **s)
{
    if (*s == NULL) {
        return;
    }
    reset_transaction(*s);
    arena_clear(&(*s)->arena);
    arena_clear(&(*s)->transaction_arena);
    free(*s);
    *s = NULL;
}

void smtp_session_greet(struct smtp_session *s, struct smtp_verdict verdict)
{
    if (verdict.reply == REPLY_NONE) {
        say(s, REPLY_ok_greeting, verdict.evidence);
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
    reset_transaction(s);
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
    say_verdict(s, verdict);
    if (s->phase != PHASE_CLOSED) {
        close_session(s);
    }
}

bool smtp_session_in_data(const struct smtp_session *s)
{
    return s->phase == PHASE_DATA || s->phase == PHASE_EARLY || s->phase == PHASE_CHUNK;
}

bool smtp_session_waits(const struct smtp_session *s)
{
    return s->blocked || s->phase == PHASE_RCPT || s->phase == PHASE_DONE;
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

const struct smtp_recipient *smtp_session_asked(const struct smtp_session *s)
{
    return s->asked;
}

struct arena *smtp_session_arena(struct smtp_session *s)
{
    return &s->transaction_arena;
}
