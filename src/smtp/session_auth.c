/* smtp/session_auth.c - AUTH (RFC 4954): see session.h
 *
 * The command names a mechanism; challenges and responses go to and fro in base64, each
 * response a line of its own, until the ops have an outcome. What is in these lines is a
 * secret: it is decoded on the stack, handed over and cleared. */
#include "smtp/session_impl.h"

#include "base/base64.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

enum { RESPONSE_MAX = BASE64_OCTETS(SMTP_AUTH_LINE_OCTETS) };

/* --- what is on offer --- */

static bool usable(const struct smtp_session *s, const struct smtp_auth_mechanism *m)
{
    return s->tls || (s->offer.auth_in_clear && !m->tls_only);
}

/* The names that EHLO lists, a blank before each. False: none. */
static bool list_offered(const struct smtp_session *s, struct buf *b)
{
    bool any = false;
    for (unsigned i = 0; i < s->offer.auth_n; i++) {
        const struct smtp_auth_mechanism *m = &s->offer.auth[i];
        if (usable(s, m)) {
            (void)buf_add_byte(b, ' ');
            (void)buf_add_str(b, m->name);
            any = true;
        }
    }
    return any;
}

bool session_auth_keyword(const struct smtp_session *s, char *out, size_t cap)
{
    struct buf b;
    buf_init(&b, cap - 1);
    (void)buf_add_str(&b, "AUTH");
    bool ok = list_offered(s, &b) && !b.failed && slice_cstr(buf_slice(&b), out, cap);
    buf_clear(&b);
    return ok;
}

size_t session_line_max(const struct smtp_session *s, struct slice in)
{
    /* Tokens are long, and many clients send theirs with the command: RFC 4954 4 would have
     * them wait for a challenge. */
    bool auth = s->offer.auth_n > 0 && slice_istarts(in, SLICE("AUTH "));
    return auth ? SMTP_AUTH_LINE_OCTETS : SMTP_LINE_OCTETS;
}

/* --- outcomes --- */

static void end_exchange(struct smtp_session *s)
{
    s->phase = PHASE_COMMAND;
    s->auth_named = false;
}

void session_auth_drop(struct smtp_session *s)
{
    if (s->phase == PHASE_AUTH || s->phase == PHASE_AUTH_ASKED) {
        end_exchange(s);
        s->ops->auth_abort(s->arg);
    }
}

void session_logout(struct smtp_session *s)
{
    free(s->login);
    s->login = NULL;
    s->login_len = 0;
}

static bool log_in(struct smtp_session *s, struct slice login)
{
    BUG_ON(login.len == 0 || login.len > SMTP_LOGIN_MAX || s->login != NULL);
    s->login = malloc(login.len);
    if (s->login == NULL) {
        return false;
    }
    memcpy(s->login, login.ptr, login.len);
    s->login_len = login.len;
    return true;
}

static void say_challenge(struct smtp_session *s, struct slice octets)
{
    struct buf b;
    struct fields f;
    buf_init(&b, REPLY_CHALLENGE_MAX);
    fields_reset(&f);
    BUG_ON(!base64_encode(&b, octets)); /* whoever made it knows the limit */
    fields_add(&f, "challenge", buf_slice(&b));
    s->phase = PHASE_AUTH;
    session_say(s, REPLY_ok_auth_challenge, &f);
    buf_clear(&b);
}

void smtp_session_auth(struct smtp_session *s, struct smtp_auth_answer answer)
{
    BUG_ON(s->phase != PHASE_AUTH_ASKED);
    struct fields f;
    fields_reset(&f);
    if (answer.step == SMTP_AUTH_CHALLENGE) {
        BUG_ON(s->auth_named);
        say_challenge(s, answer.text);
        return;
    }
    bool named = s->auth_named;
    end_exchange(s);
    if (answer.step == SMTP_AUTH_REFUSED) {
        session_say(s, answer.verdict.reply, answer.verdict.evidence);
        return;
    }
    if (!log_in(s, answer.text)) {
        session_say(s, REPLY_auth_temporary_failure, NULL);
        return;
    }
    s->row_n = 0;
    s->auth_refused = false;
    if (named) {
        session_say(s, REPLY_ok_greeting, NULL);
        return;
    }
    fields_add(&f, "account", answer.text);
    session_say(s, REPLY_ok_auth, &f);
}

/* --- the exchange --- */

/* 501 (RFC 4954 4): for what cannot be decoded, and for "*", which cancels. */
static void say_undecodable(struct smtp_session *s, const char *what)
{
    struct fields f;
    fields_reset(&f);
    fields_add_str(&f, "what", what);
    session_say_error(s, REPLY_auth_response_undecodable, &f);
}

static const char not_base64[] = "it is not base64";

static void take_response(struct smtp_session *s, struct slice text)
{
    unsigned char octets[RESPONSE_MAX];
    size_t len = 0;
    bool cancel = slice_eq(text, SLICE("*"));
    if (cancel || !base64_decode(text, octets, sizeof octets, &len)) {
        session_auth_drop(s);
        say_undecodable(s, cancel ? "the client cancelled with *" : not_base64);
    } else {
        s->phase = PHASE_AUTH_ASKED;
        s->ops->auth_response(s->arg, (struct slice){octets, len});
    }
    explicit_bzero(octets, sizeof octets);
}

void session_auth_line(struct smtp_session *s, struct slice *in, bool *more)
{
    struct smtp_line line = {0};
    struct slice whole;
    switch (smtp_line_take(*in, SMTP_AUTH_LINE_OCTETS, &line)) {
    case SMTP_LINE_MORE:
        *more = true;
        return;
    case SMTP_LINE_OK:
        whole = slice_sub(*in, 0, line.used - 2);
        *in = slice_from(*in, line.used);
        s->auth_refused = true; /* until it succeeds: more of it may follow unasked */
        take_response(s, whole);
        return;
    case SMTP_LINE_TOO_LONG:
        session_say_gross(s, "AUTH", "the answer is longer than 12,288 octets");
        return;
    case SMTP_LINE_BARE_EOL:
        session_say_gross(s, "AUTH", "a CR or LF stands alone in the line");
        return;
    case SMTP_LINE_BAD_OCTET:
        session_say_gross(s, "AUTH", "a NUL stands in the line");
        return;
    }
}

/* --- the command --- */

/* RFC 4422 3.1: sasl-mech = 1*20(UPPER-ALPHA / DIGIT / HYPHEN / UNDERSCORE); any case here. */
static bool is_mechanism(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = s.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' && c != '_') {
            return false;
        }
    }
    return s.len > 0 && s.len <= SASL_MECHANISM_MAX;
}

static const struct smtp_auth_mechanism *find(const struct smtp_session *s,
                                              struct slice name)
{
    for (unsigned i = 0; i < s->offer.auth_n; i++) {
        const struct smtp_auth_mechanism *m = &s->offer.auth[i];
        if (slice_ieq(slice_of(m->name), name) && usable(s, m)) {
            return m;
        }
    }
    return NULL;
}

/* Is it a mechanism that somebody may well ask for? Anything else is not repeated: it may be
 * what a client that is out of step should have kept for the next line. */
static bool is_registered(struct slice name)
{
    static const char *const names[] = {
        "ANONYMOUS",     "CRAM-MD5",      "DIGEST-MD5",         "EXTERNAL",
        "GS2-KRB5",      "GSSAPI",        "GSS-SPNEGO",         "KERBEROS_V4",
        "LOGIN",         "NTLM",          "OAUTHBEARER",        "OPENID20",
        "PLAIN",         "SAML20",        "SCRAM-SHA-1",        "SCRAM-SHA-1-PLUS",
        "SCRAM-SHA-256", "SCRAM-SHA-512", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512-PLUS",
        "XOAUTH",        "XOAUTH2"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (slice_ieq(slice_of(names[i]), name)) {
            return true;
        }
    }
    return false;
}

static void say_unknown(struct smtp_session *s, struct slice name)
{
    struct buf b;
    struct fields f;
    buf_init(&b, REPLY_VALUE_MAX);
    fields_reset(&f);
    if (is_registered(name)) {
        fields_add(&f, "mechanism", name);
    }
    if (slice_ieq(name, SLICE("XOAUTH"))) {
        session_say_error(s, REPLY_auth_xoauth_unsupported, &f);
        return;
    }
    (void)list_offered(s, &b);
    fields_add(&f, "offered", slice_trim(buf_slice(&b)));
    session_say_error(s, REPLY_auth_mechanism_unrecognized, &f);
    buf_clear(&b);
}

static void begin(struct smtp_session *s, const struct smtp_auth_mechanism *m,
                  struct slice text)
{
    unsigned char octets[RESPONSE_MAX];
    struct slice initial = {octets, 0};
    bool empty = slice_eq(text, SLICE("=")); /* RFC 4954 4: of no octets */
    if (!empty && !base64_decode(text, octets, sizeof octets, &initial.len)) {
        say_undecodable(s, not_base64);
    } else {
        s->phase = PHASE_AUTH_ASKED;
        s->ops->auth(s->arg, m->name, text.len == 0 ? NULL : &initial);
    }
    explicit_bzero(octets, sizeof octets);
}

/* May there be an AUTH at all now? False: refused, and said so. */
static bool may_log_in(struct smtp_session *s)
{
    struct fields f;
    fields_reset(&f);
    fields_add_str(&f, "command", "AUTH");
    if (s->offer.auth_n == 0) {
        session_say_error(s, REPLY_command_unimplemented, &f);
    } else if (s->login != NULL) {
        fields_add(&f, "account", smtp_session_login(s));
        session_say_error(s, REPLY_auth_identity_change, &f);
    } else if (s->in_mail) {
        /* RFC 4954 4: "not permitted during a mail transaction" */
        fields_add_str(&f, "expected", "RSET");
        session_say_error(s, REPLY_sequence_bad, &f);
    } else if (!s->tls && !s->offer.auth_in_clear) {
        session_say_error(
            s, s->offer.starttls ? REPLY_starttls_required : REPLY_command_unimplemented,
            &f);
    } else {
        return true;
    }
    return false;
}

void session_cmd_auth(struct smtp_session *s, const struct smtp_line *line)
{
    size_t blank = slice_find(line->args, ' ');
    struct slice name = slice_sub(line->args, 0, blank);
    struct slice initial = slice_from(line->args, blank + 1);
    struct fields f;
    fields_reset(&f);
    if (!may_log_in(s)) {
        return;
    }
    if (!is_mechanism(name)) {
        /* not printed: it may be what should have followed the name */
        session_say_syntax(s, line, "expected the name of a SASL mechanism", SLICE(""));
        return;
    }
    const struct smtp_auth_mechanism *m = find(s, name);
    if (m == NULL) {
        say_unknown(s, name);
        return;
    }
    if (m->no_initial && initial.len > 0) {
        fields_add_str(&f, "mechanism", m->name);
        session_say_error(s, REPLY_auth_argument_not_permitted, &f);
        return;
    }
    begin(s, m, initial);
}
