/* smtp/client_session_impl.h - what client_session.c and client_auth.c share; for nobody else. */
#ifndef SMTP_CLIENT_SESSION_IMPL_H
#define SMTP_CLIENT_SESSION_IMPL_H
#include "smtp/client_session.h"

enum { CLIENT_CHALLENGE_MAX = 4096 }; /* octets, decoded */

enum state {
    GREETING = 0,
    EHLO,
    HELO,
    STARTTLS,
    TLS,
    AUTH_PLAIN,
    AUTH_LOGIN,
    AUTH_USER,
    AUTH_PASSWORD,
    AUTH_STEP,   /* its caller makes the next response */
    AUTH_ANSWER, /* the server's to that */
    IDLE,
    ENVELOPE, /* MAIL, RCPT, perhaps DATA */
    BODY,
    EMPTY_BODY, /* 354 came though no target was accepted: only the dot goes out */
    FINAL,
    RSET,
    QUIT,
    DEAD,
};

/* Logged in, or without a login: the mail that waits begins. */
void client_session_ready(struct smtp_client *c);
/* The session ends, for the reply that just came, or for a reason of ours with its code. */
void client_session_die_of_reply(struct smtp_client *c);
void client_session_blame(struct smtp_client *c, const char *text);

/* client_auth.c: behind the hello, and with TLS if there is any; for each reply in a state of AUTH. */
void client_session_begin_auth(struct smtp_client *c);
void client_session_on_auth(struct smtp_client *c);
#endif
