/* smtp/session_commands.c - the commands of a session: a table and its handlers. */
#include "base/log.h"
#include "smtp/session_impl.h"

#include <stdio.h>

/* Which command, for evidence. */
struct slice session_command_name(const struct smtp_line *line)
{
    return line->verb == SMTP_UNKNOWN ? line->word : smtp_verb_name(line->verb);
}

void session_say_sequence(struct smtp_session *s, enum reply_id id,
                          const struct smtp_line *line)
{
    struct fields f;
    fields_reset(&f);
    fields_add(&f, "command", session_command_name(line));
    session_say_error(s, id, &f);
}

void session_say_out_of_order(struct smtp_session *s, const struct smtp_line *line,
                              const char *expected)
{
    struct fields f;
    fields_reset(&f);
    fields_add(&f, "command", session_command_name(line));
    fields_add_str(&f, "expected", expected);
    session_say_error(s, REPLY_sequence_bad, &f);
}

void session_say_syntax(struct smtp_session *s, const struct smtp_line *line,
                        const char *what, struct slice argument)
{
    struct fields f;
    fields_reset(&f);
    fields_add(&f, "command", session_command_name(line));
    fields_add_str(&f, "what", what);
    fields_add(&f, "argument", argument);
    bool last = ++s->syntax_n >= s->limits->syntax_errors;
    if (last) {
        fields_add_u64(&f, "measured", s->syntax_n);
    }
    session_say_error(s, last ? REPLY_syntax_error_closing : REPLY_syntax_error, &f);
}

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
    if ((need & NEED_AUTH) != 0 && s->offer.auth_required && s->login == NULL) {
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
    session_say(s, id, &f);
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
    session_say(s, REPLY_system_temporary_problem, &f);
}

/* Reads the arguments of MAIL. False: refused, and said so. */
static bool read_mail(struct smtp_session *s, const struct smtp_line *line,
                      struct smtp_path *sender, struct smtp_params *params)
{
    struct smtp_params_fault fault = {0};
    struct slice rest = line->args;

    if (!take_keyword(&rest, SLICE("FROM:"))) {
        session_say_syntax(s, line, "expected FROM:<address>", line->args);
        return false;
    }
    smtp_fault path_fault = smtp_path_take(rest, true, false, sender);
    if (path_fault != NULL) {
        say_path(s, REPLY_sender_syntax_invalid, "sender", rest, path_fault);
        return false;
    }
    struct smtp_params_rules rules = session_params_rules(s);
    if (!smtp_params_read(slice_from(rest, sender->used), SMTP_PARAMS_MAIL, &rules,
                          params, &fault)) {
        session_say_syntax(s, line, fault.what, fault.param);
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
        session_say_out_of_order(s, line,
                                 "RCPT, DATA or RSET"); /* RFC 5321 4.1.4: nested MAIL */
        return;
    }
    s->mail_refused = true;
    if (!read_mail(s, line, &sender, &params)) {
        return;
    }
    if (!copy_path(&s->transaction_arena, &sender) ||
        !arena_dup(&s->transaction_arena, params.envid, &params.envid)) {
        say_memory(s);
        return;
    }
    *e = (struct smtp_envelope){.sender = sender, .params = params};
    s->in_mail = true; /* so that reset() is told when the session ends meanwhile */
    s->phase = PHASE_MAIL;
    s->ops->mail(s->arg, e);
}

void smtp_session_mail(struct smtp_session *s, struct smtp_verdict verdict, void *data)
{
    BUG_ON(s->phase != PHASE_MAIL || !s->in_mail);
    s->phase = PHASE_COMMAND;
    if (verdict.reply != REPLY_NONE) {
        s->in_mail = false;
        session_say_verdict(s, verdict); /* its evidence may live in the arena */
        s->envelope = (struct smtp_envelope){0};
        arena_reset(&s->transaction_arena);
        return;
    }
    s->envelope.data = data;
    s->mail_refused = false;
    session_say_fine(s, REPLY_ok_mail);
}

static void cmd_rcpt(struct smtp_session *s, const struct smtp_line *line)
{
    struct smtp_path path = {0};
    struct smtp_params params = {0};
    struct smtp_params_fault fault = {0};
    struct slice rest = line->args;

    if (s->envelope.bdat) {
        session_say_out_of_order(s, line, "BDAT or RSET");
        return;
    }
    if (!take_keyword(&rest, SLICE("TO:"))) {
        session_say_syntax(s, line, "expected TO:<address>", line->args);
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
    struct smtp_params_rules rules = session_params_rules(s);
    if (!smtp_params_read(slice_from(rest, path.used), SMTP_PARAMS_RCPT, &rules, &params,
                          &fault)) {
        session_say_syntax(s, line, fault.what, fault.param);
        return;
    }
    if (s->envelope.recipient_n >= s->limits->recipients) {
        struct fields f;
        fields_reset(&f);
        fields_add(&f, "rcpt", path.mailbox);
        fields_add_u64(&f, "limit", s->limits->recipients);
        session_say(s, REPLY_rcpt_too_many, &f);
        return;
    }
    s->asked_mark = arena_mark(&s->transaction_arena);
    struct smtp_recipient *r = arena_alloc(&s->transaction_arena, sizeof *r);
    if (r == NULL || !copy_path(&s->transaction_arena, &path) ||
        !arena_dup(&s->transaction_arena, params.orcpt, &params.orcpt)) {
        say_memory(s);
        return;
    }
    r->path = path;
    r->params = params;
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
        session_say_verdict(s, verdict);
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
    session_say(s, REPLY_ok_rcpt, &f);
}

static void cmd_data(struct smtp_session *s, const struct smtp_line *line)
{
    if (s->envelope.params.body == SMTP_BODY_BINARYMIME) { /* RFC 3030 3 */
        session_say_out_of_order(s, line, "BDAT");
        return;
    }
    if (s->envelope.bdat) {
        session_say_sequence(s, REPLY_bdat_then_data, line);
        return;
    }
    struct smtp_verdict verdict = s->ops->data_begin(s->arg, &s->envelope);
    if (verdict.reply != REPLY_NONE) {
        session_say_verdict(s, verdict);
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
        session_say_gross(s, "BDAT", "the chunk size is not a number of octets");
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
    session_reset(s);
    session_say_fine(s, REPLY_ok_rset);
}

static void cmd_noop(struct smtp_session *s, const struct smtp_line *line)
{
    (void)line;
    session_say_fine(s, REPLY_ok_noop);
}

static void cmd_vrfy(struct smtp_session *s, const struct smtp_line *line)
{
    if (line->args.len == 0) {
        session_say_syntax(s, line, "expected an address or a name", line->args);
        return;
    }
    session_say_fine(
        s, REPLY_ok_vrfy); /* RFC 5321 3.5.3: 252 tells nothing, and is no lie */
}

static void cmd_help(struct smtp_session *s, const struct smtp_line *line)
{
    (void)line;
    char text[80];
    bool tls = s->offer.starttls && !s->tls, login = s->offer.auth_n > 0;
    (void)snprintf(text, sizeof text,
                   "EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT%s%s",
                   tls ? " STARTTLS" : "", login ? " AUTH" : "");
    struct slice verbs = slice_of(text);
    s->row_n = 0;
    session_say_lines(s, REPLY_ok_help, NULL, &verbs, 1);
}

static void cmd_quit(struct smtp_session *s, const struct smtp_line *line)
{
    (void)line;
    session_say(s, REPLY_ok_quit, NULL);
    session_close(s);
}

static void cmd_starttls(struct smtp_session *s, const struct smtp_line *line)
{
    if (s->tls) {
        session_say_sequence(s, REPLY_starttls_repeated, line);
    } else if (!s->offer.starttls) {
        session_say_sequence(s, REPLY_command_unimplemented, line);
    } else if (line->args.len > 0) {
        struct fields f;
        fields_reset(&f);
        fields_add(&f, "command", session_command_name(line));
        fields_add(&f, "argument", line->args);
        session_say_error(s, REPLY_starttls_parameters, &f);
    } else {
        s->phase = PHASE_TLS; /* start_tls() says 220, or finds pipelined octets */
    }
}

static void cmd_unimplemented(struct smtp_session *s, const struct smtp_line *line)
{
    session_say_sequence(s, REPLY_command_unimplemented, line);
}

/* A web browser or a script that was led here: RFC 5321 knows no such verb, and what follows
 * is not mail. */
static void cmd_http(struct smtp_session *s, const struct smtp_line *line)
{
    struct fields f;
    fields_reset(&f);
    fields_add(&f, "command", session_command_name(line));
    fields_add_str(&f, "what", "this is an SMTP server, the line is a request of HTTP");
    session_say(s, REPLY_syntax_error_closing, &f);
}

static void cmd_unknown(struct smtp_session *s, const struct smtp_line *line)
{
    struct fields f;
    fields_reset(&f);
    if (!s->auth_refused) {
        fields_add(&f, "command", line->word);
    }
    if (line->word.len == 0) {
        fields_add_str(&f, "what", "the line begins with none");
    }
    fields_add_u64(&f, "limit", s->limits->unknown_commands);
    if (++s->unknown_n >= s->limits->unknown_commands) {
        session_say(s, REPLY_command_unrecognized_too_many, &f);
        return;
    }
    session_say_error(s, REPLY_command_unrecognized, &f);
}

/* clang-format off */
static const struct command {
    void (*run)(struct smtp_session *s, const struct smtp_line *line);
    unsigned need;
} commands[SMTP_VERB_COUNT] = {
    [SMTP_UNKNOWN]  = {cmd_unknown, 0},
    [SMTP_HELO]     = {session_cmd_hello, 0},
    [SMTP_EHLO]     = {session_cmd_hello, 0},
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
    [SMTP_AUTH]     = {session_cmd_auth, NEED_HELLO | NEED_TLS},
    [SMTP_XCLIENT]  = {session_cmd_xclient, 0},
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
void session_say_missing(struct smtp_session *s, enum reply_id id, enum smtp_verb verb)
{
    struct fields f;
    fields_reset(&f);
    fields_add(&f, "command", smtp_verb_name(verb));
    if (s->mail_refused && verb != SMTP_MAIL) {
        session_say(s, id, &f);
        return;
    }
    s->mail_refused = verb == SMTP_MAIL;
    session_say_error(s, id, &f);
}

void session_run_command(struct smtp_session *s, const struct smtp_line *line)
{
    /* An unknown command after AUTH may be the password, sent without waiting for an answer. */
    s->auth_refused =
        line->verb == SMTP_AUTH || (s->auth_refused && line->verb == SMTP_UNKNOWN);
    const struct command *c = &commands[line->verb];
    struct fields f;
    fields_reset(&f);
    fields_add(&f, "command", session_command_name(line));

    if (s->offer.deferred && line->verb != SMTP_QUIT) {
        fields_add_str(&f, "what",
                       s->offer.deferred_what == NULL
                           ? "too many connections from this address"
                           : s->offer.deferred_what);
        session_say(s, REPLY_command_deferred_closing, &f);
        return;
    }
    if (s->offer.auth_required && s->login == NULL && line->verb != SMTP_QUIT &&
        ++s->command_n > s->limits->unauthenticated_commands) {
        fields_add_u64(&f, "limit", s->limits->unauthenticated_commands);
        session_say(s, REPLY_command_unauthenticated_too_many, &f);
        return;
    }
    enum reply_id refusal = missing(s, c->need);
    if (refusal != REPLY_NONE) {
        session_say_missing(s, refusal, line->verb);
        return;
    }
    if ((c->need & NO_ARGS) != 0 && line->args.len > 0) {
        session_say_syntax(s, line, "takes no argument", line->args);
        return;
    }
    c->run(s, line);
}
