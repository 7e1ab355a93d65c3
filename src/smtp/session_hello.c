/* smtp/session_hello.c - who the client is, and what it may use: HELO, EHLO, XCLIENT. */
#include "smtp/session_impl.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>

static unsigned extensions(const struct smtp_session *s)
{
    unsigned e = s->offer.extensions & ~(unsigned)SMTP_EXT_AUTH;
    if (!s->tls) {
        e &= ~(unsigned)SMTP_EXT_REQUIRETLS; /* RFC 8689 2: only in a TLS session */
    }
    return e | (s->offer.auth_n > 0 ? (unsigned)SMTP_EXT_AUTH : 0);
}

struct smtp_params_rules session_params_rules(const struct smtp_session *s)
{
    return (struct smtp_params_rules){
        .offered = extensions(s),
        .utf8 = s->envelope.params.smtputf8,
        .by_least_s = (int64_t)s->limits->by_least_s,
        .hold_most_s = s->limits->hold_most_s,
        .now_s = s->limits->now_s,
    };
}

/* --- EHLO --- */

enum { KEYWORD_MAX = REPLY_LINE_MAX - 8 };

/* A keyword with figures in it: into out. False: not on offer now. */
static bool say_size(const struct smtp_session *s, char *out)
{
    (void)snprintf(out, KEYWORD_MAX, "SIZE %" PRIu64, s->limits->message_size);
    return true;
}

static bool say_starttls(const struct smtp_session *s, char *out)
{
    (void)snprintf(out, KEYWORD_MAX, "STARTTLS");
    return s->offer.starttls && !s->tls;
}

static bool say_auth(const struct smtp_session *s, char *out)
{
    return session_auth_keyword(s, out, KEYWORD_MAX);
}

static bool say_limits(const struct smtp_session *s, char *out)
{
    (void)snprintf(out, KEYWORD_MAX, "LIMITS RCPTMAX=%" PRIu64, s->limits->recipients);
    return true;
}

static bool say_deliver_by(const struct smtp_session *s, char *out)
{
    (void)snprintf(out, KEYWORD_MAX, "DELIVERBY %" PRIu64, s->limits->by_least_s);
    return true;
}

/* RFC 4865 3: the longest interval in seconds, and the latest date. */
static bool say_future_release(const struct smtp_session *s, char *out)
{
    char until[CLOCK_TEXT_MAX];
    struct slice date =
        clock_text((s->limits->now_s + s->limits->hold_most_s) * 1000, until);
    (void)snprintf(out, KEYWORD_MAX, "FUTURERELEASE %" PRIu64 " %.*sZ",
                   s->limits->hold_most_s, (int)slice_find(date, '.'), until);
    return true;
}

static bool say_xclient(const struct smtp_session *s, char *out)
{
    (void)snprintf(out, KEYWORD_MAX, "XCLIENT " SMTP_XCLIENT_NAMES "%s",
                   s->offer.xclient_login ? " LOGIN" : "");
    return s->offer.xclient;
}

/* clang-format off */
static const struct keyword {
    struct slice name;      /* or */
    bool (*say)(const struct smtp_session *s, char *out);
    unsigned of_extension;  /* 0: always */
} keywords[] = {
    {SLICE_INIT("PIPELINING"),          NULL,               0},
    {SLICE_INIT(""),                    say_size,           0},
    {SLICE_INIT("8BITMIME"),            NULL,               0},
    {SLICE_INIT("CHUNKING"),            NULL,               0},
    {SLICE_INIT("SMTPUTF8"),            NULL,               0},
    {SLICE_INIT("HELP"),                NULL,               0},
    {SLICE_INIT(""),                    say_starttls,       0},
    {SLICE_INIT(""),                    say_auth,           0},
    {SLICE_INIT("DSN"),                 NULL,               SMTP_EXT_DSN},
    {SLICE_INIT("REQUIRETLS"),          NULL,               SMTP_EXT_REQUIRETLS},
    {SLICE_INIT(""),                    say_deliver_by,     SMTP_EXT_DELIVERBY},
    {SLICE_INIT(""),                    say_future_release, SMTP_EXT_FUTURERELEASE},
    {SLICE_INIT("MT-PRIORITY"),         NULL,               SMTP_EXT_MT_PRIORITY},
    {SLICE_INIT("BINARYMIME"),          NULL,               SMTP_EXT_BINARYMIME},
    {SLICE_INIT(""),                    say_limits,         0},
    {SLICE_INIT(""),                    say_xclient,        0},
    {SLICE_INIT("ENHANCEDSTATUSCODES"), NULL,               0},
};
/* clang-format on */
enum { KEYWORD_N = sizeof keywords / sizeof keywords[0] };

static void say_ehlo(struct smtp_session *s, const struct fields *f)
{
    char text[KEYWORD_N][KEYWORD_MAX];
    struct slice lines[KEYWORD_N];
    size_t n = 0;
    for (unsigned i = 0; i < KEYWORD_N; i++) {
        const struct keyword *k = &keywords[i];
        if ((k->of_extension & ~extensions(s)) != 0) {
            continue;
        }
        if (k->say == NULL) {
            lines[n++] = k->name;
        } else if (k->say(s, text[i])) {
            lines[n++] = slice_of(text[i]);
        }
    }
    session_say_lines(s, REPLY_ok_ehlo, f, lines, n);
}

void session_cmd_hello(struct smtp_session *s, const struct smtp_line *line)
{
    bool extended = line->verb == SMTP_EHLO;
    struct fields f;
    fields_reset(&f);
    fields_add(&f, "command", session_command_name(line));
    if (line->args.len == 0) {
        session_say(s, REPLY_helo_argument_empty, &f);
        return;
    }
    smtp_fault fault = line->args.ptr[0] == '[' ? smtp_literal_check(line->args)
                                                : smtp_domain_check(line->args, false);
    if (fault != NULL) {
        fields_add(&f, "argument", line->args);
        fields_add_str(&f, "what", fault);
        session_say(s, REPLY_helo_argument_invalid, &f);
        return;
    }
    /* RFC 5321 4.1.4: "the SMTP server MUST clear all buffers and reset the state exactly as
     * if a RSET command had been issued" */
    session_reset(s);
    arena_reset(&s->arena);
    s->hello = HELLO_NONE;
    if (!arena_dup(&s->arena, line->args, &s->helo)) {
        fields_add_str(&f, "what", "out of memory");
        session_say(s, REPLY_system_temporary_problem, &f);
        return;
    }
    s->hello = extended ? HELLO_EHLO : HELLO_HELO;
    s->ops->hello(s->arg, s->helo, extended);
    s->row_n = 0;
    if (extended) {
        say_ehlo(s, &f);
    } else {
        session_say(s, REPLY_ok_helo, &f);
    }
}

/* --- XCLIENT --- */

void session_cmd_xclient(struct smtp_session *s, const struct smtp_line *line)
{
    struct smtp_xclient x;
    struct slice param;
    if (!s->offer.xclient) {
        session_say_sequence(s, REPLY_command_unimplemented, line);
        return;
    }
    if (s->in_mail) {
        session_say_out_of_order(s, line, "RSET");
        return;
    }
    const char *wrong = smtp_xclient_read(line->args, s->offer.xclient_login, &x, &param);
    if (wrong != NULL) {
        session_say_syntax(s, line, wrong, param);
        return;
    }
    struct smtp_verdict verdict = s->ops->xclient(s->arg, &x);
    if (verdict.reply != REPLY_NONE) {
        session_say_verdict(s, verdict);
        return;
    }
    /* "the server resets state to the initial SMTP greeting protocol stage" */
    session_reset(s);
    session_logout(s);
    arena_reset(&s->arena);
    s->helo = (struct slice){NULL, 0};
    s->hello = HELLO_NONE;
    s->row_n = s->command_n = 0;
    if (x.login.len > 0) {
        s->phase = PHASE_AUTH_ASKED;
        s->auth_named = true;
        s->ops->auth_named(s->arg, x.login);
        return;
    }
    session_say(s, REPLY_ok_greeting, verdict.evidence);
}
