/* smtp/client_auth.c - the login of a session: see client_session.h. PLAIN and LOGIN are said here, what is computed
 * (SCRAM) by the caller. */
#include "smtp/client_session_impl.h"

#include "base/base64.h"

#include <stdio.h>
#include <string.h>

enum { SECRET_MAX = 1024 };

/* A line of AUTH: prefix, then the secret in base64. */
static void put_secret(struct smtp_client *c, const char *prefix, struct slice secret)
{
    (void)buf_add_str(&c->out, prefix);
    (void)base64_encode(&c->out, secret);
    (void)buf_add_str(&c->out, "\r\n");
}

/* Of what the host offers and the caller can do; 0: nothing. */
static unsigned by_caller(const struct smtp_client *c)
{
    unsigned both = c->auth_refused ? 0 : c->offers & c->options.mechanisms;
    return (both & SMTP_CLIENT_AUTH_SCRAM_PLUS) != 0 ? SMTP_CLIENT_AUTH_SCRAM_PLUS
                                                     : both & SMTP_CLIENT_AUTH_SCRAM;
}

/* Whether it may tell the password itself; the host's name may be proved, and there are hosts that offer SCRAM though they
 * keep nothing to check it with. */
static bool may_plain(const struct smtp_client *c)
{
    return (c->offers & (SMTP_CLIENT_AUTH_PLAIN | SMTP_CLIENT_AUTH_LOGIN)) != 0 &&
           !c->options.only_mechanisms;
}

void client_session_begin_auth(struct smtp_client *c)
{
    const struct smtp_client_options *o = &c->options;
    unsigned char plain[SECRET_MAX];
    if (o->user.len == 0) {
        client_session_ready(c);
        return;
    }
    if (!c->tls) {
        client_session_blame(
            c,
            "451 4.7.0 the route has a login, which goes over TLS only, and TLS is not "
            "offered");
        return;
    }
    if (o->user.len + o->password.len + 2 > sizeof plain) {
        client_session_blame(c, "451 4.7.0 user and password of the route are too long");
        return;
    }
    c->auth = by_caller(c);
    if (c->auth != 0) {
        c->state = AUTH_STEP;
    } else if (may_plain(c) && (c->offers & SMTP_CLIENT_AUTH_PLAIN)) {
        plain[0] = '\0';
        memcpy(plain + 1, o->user.ptr, o->user.len);
        plain[o->user.len + 1] = '\0';
        if (o->password.len > 0) {
            memcpy(plain + o->user.len + 2, o->password.ptr, o->password.len);
        }
        c->state = AUTH_PLAIN;
        put_secret(c, "AUTH PLAIN ",
                   (struct slice){plain, o->user.len + o->password.len + 2});
        explicit_bzero(plain, sizeof plain);
    } else if (may_plain(c)) {
        c->state = AUTH_LOGIN;
        (void)buf_add_str(&c->out, "AUTH LOGIN\r\n");
    } else {
        client_session_blame(
            c, c->options.only_mechanisms
                   ? "451 4.7.0 the host does not offer SCRAM-SHA-256, which is demanded"
                   : "451 4.7.0 the host offers none of the mechanisms that we have: "
                     "SCRAM-SHA-256, PLAIN, LOGIN");
    }
}

unsigned smtp_client_auth(const struct smtp_client *c)
{
    return c->auth;
}

struct slice smtp_client_challenge(const struct smtp_client *c)
{
    return buf_slice(&c->challenge);
}

void smtp_client_respond(struct smtp_client *c, struct slice response, bool proved)
{
    const char *prefix = c->auth_begun ? ""
                         : c->auth == SMTP_CLIENT_AUTH_SCRAM_PLUS
                             ? "AUTH SCRAM-SHA-256-PLUS "
                             : "AUTH SCRAM-SHA-256 ";
    if (c->state == AUTH_STEP) {
        c->state = AUTH_ANSWER;
        c->proved = proved;
        c->auth_begun = true;
        put_secret(c, prefix, response);
    }
}

void smtp_client_no_login(struct smtp_client *c, const char *why)
{
    char text[SMTP_CLIENT_TEXT_MAX];
    (void)snprintf(text, sizeof text, "451 4.7.0 no login: %s", why);
    client_session_blame(c, text);
}

/* 334 and a challenge in base64. */
static void on_challenge(struct smtp_client *c)
{
    unsigned char octets[CLIENT_CHALLENGE_MAX];
    struct slice line = {0};
    size_t len = 0;
    if (!client_reply_line(&c->reply, 0, &line) ||
        !base64_decode(slice_trim(line), octets, sizeof octets, &len)) {
        smtp_client_no_login(c, "the server's challenge is no base64");
        return;
    }
    buf_reset(&c->challenge);
    (void)buf_add(&c->challenge, (struct slice){octets, len});
    c->state = AUTH_STEP;
}

void client_session_on_auth(struct smtp_client *c)
{
    unsigned code = c->reply.code;
    if (c->state == AUTH_ANSWER && code == 334) {
        on_challenge(c);
    } else if (c->state == AUTH_ANSWER && code == 235 && !c->proved) {
        smtp_client_no_login(c, "the server did not show that it knows the password");
    } else if (c->state == AUTH_ANSWER && code == 235) {
        client_session_ready(c);
    } else if (c->state == AUTH_ANSWER && code / 100 == 5 && may_plain(c)) {
        c->auth_refused = true;
        client_session_begin_auth(c);
    } else if ((c->state == AUTH_PLAIN || c->state == AUTH_PASSWORD) && code == 235) {
        client_session_ready(c);
    } else if (c->state == AUTH_LOGIN && code == 334) {
        c->state = AUTH_USER;
        put_secret(c, "", c->options.user);
    } else if (c->state == AUTH_USER && code == 334) {
        c->state = AUTH_PASSWORD;
        put_secret(c, "", c->options.password);
    } else {
        client_session_die_of_reply(c);
    }
}
