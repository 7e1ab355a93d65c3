/* smtp/client_session.h - the client's side of an SMTP session: mail by mail over one connection.
 *
 * Source  RFC 5321; RFC 1870 (SIZE), 2920 (PIPELINING), 3030 (CHUNKING, BINARYMIME), 3207 (STARTTLS),
 *         3461 (DSN), 4954 (AUTH: PLAIN, LOGIN, and SCRAM by who drives it), 6152 (8BITMIME), 6531 (SMTPUTF8), 6710, 8689
 *         (REQUIRETLS), 9422 (LIMITS).
 * Pure    octets of the server in, commands and results out. Whoever drives it sends what stands in
 *         `out` (all of it, before more input), reads, and asks smtp_client_want().
 * Own     the mail and its slices belong to the caller until want is READY or CLOSED again; a
 *         result's slices live during the call.
 * Results each target of a mail gets exactly one result: by the time that want is READY again, or
 *         CLOSED. Delivered only when the server said 2yz to the end of the message. A refusal of
 *         the connection itself (greeting, EHLO, STARTTLS, AUTH) is the host's: `fault` tells, no
 *         target has a result, and the mail can be tried with another host.
 * Errors  an answer that is none, or before its command: out of step, CLOSED; silence and a closed
 *         connection are said by smtp_client_lost().
 * Limits  SMTP_CLIENT_TARGETS_MAX targets; addresses of SMTP_CLIENT_ADDRESS_MAX octets. */
#ifndef SMTP_CLIENT_SESSION_H
#define SMTP_CLIENT_SESSION_H
#include "smtp/client_reply.h"
#include "smtp/params.h"

enum {
    SMTP_CLIENT_TARGETS_MAX = 64,
    SMTP_CLIENT_ADDRESS_MAX = 1000,
    SMTP_CLIENT_TEXT_MAX = 500, /* of a reply in a result: on one line */
};

enum smtp_client_want {
    SMTP_CLIENT_REPLY = 0, /* send `out`, then read */
    SMTP_CLIENT_TLS,       /* make the connection TLS, then smtp_client_tls() */
    SMTP_CLIENT_AUTH, /* the next response of the login: smtp_client_respond(), or _no_login() */
    SMTP_CLIENT_BODY, /* send `out`, then the message: smtp_client_bdat() or with dots; then
                          smtp_client_body_sent() */
    SMTP_CLIENT_READY,  /* smtp_client_mail(), smtp_client_quit(), or close it */
    SMTP_CLIENT_CLOSED, /* nothing more can be done here: close it */
};

enum smtp_client_stage {
    SMTP_CLIENT_AT_CONNECT = 0, /* up to the greeting */
    SMTP_CLIENT_AT_HELO,
    SMTP_CLIENT_AT_STARTTLS,
    SMTP_CLIENT_AT_AUTH,
    SMTP_CLIENT_AT_MAIL,
    SMTP_CLIENT_AT_RCPT,
    SMTP_CLIENT_AT_DATA, /* DATA or BDAT, and the message */
    SMTP_CLIENT_AT_EOM,  /* the answer to the end of the message */
    SMTP_CLIENT_AT_QUIT,
};
const char *smtp_client_stage_name(enum smtp_client_stage stage); /* "connect" ... */

enum smtp_client_tls {
    SMTP_CLIENT_TLS_MAY = 0, /* where it is offered */
    SMTP_CLIENT_TLS_MUST,    /* or the host is no good */
    SMTP_CLIENT_TLS_NEVER,
    SMTP_CLIENT_TLS_IS, /* from the first octet */
};

enum smtp_client_offer {
    SMTP_CLIENT_PIPELINING = 1,
    SMTP_CLIENT_8BITMIME = 2,
    SMTP_CLIENT_SMTPUTF8 = 4,
    SMTP_CLIENT_SIZE = 8,
    SMTP_CLIENT_CHUNKING = 16,
    SMTP_CLIENT_STARTTLS = 32,
    SMTP_CLIENT_DSN = 64,
    SMTP_CLIENT_REQUIRETLS = 128,
    SMTP_CLIENT_BINARYMIME = 256,
    SMTP_CLIENT_MT_PRIORITY = 512,
    SMTP_CLIENT_AUTH_PLAIN = 1024,
    SMTP_CLIENT_AUTH_LOGIN = 2048,
    SMTP_CLIENT_AUTH_SCRAM = 4096,      /* SCRAM-SHA-256 */
    SMTP_CLIENT_AUTH_SCRAM_PLUS = 8192, /* SCRAM-SHA-256-PLUS */
};

struct smtp_client_options {
    struct slice hostname; /* of EHLO */
    enum smtp_client_tls tls;
    struct slice user, password; /* empty user: no AUTH. Only ever sent under TLS */
    /* Which of SMTP_CLIENT_AUTH_SCRAM, _PLUS its caller can do: before PLAIN and LOGIN, which are done here. May be set up to
     * smtp_client_tls(). */
    unsigned mechanisms;
    bool
        only_mechanisms; /* and no others; else PLAIN or LOGIN where they are not offered, or refused */
    bool no_chunking; /* DATA even where CHUNKING is offered */
    /* What to wait for at most: an answer to a command, the message to be taken, an answer to its
     * end. 0: the least times of RFC 5321 4.5.3.2. */
    unsigned command_s, data_s, end_s;
};

struct smtp_client_target {
    struct slice address;
    unsigned notify;    /* enum smtp_notify, or'ed; 0: not said */
    struct slice orcpt; /* "type;" and xtext; empty: none */
};

struct smtp_client_mail {
    struct slice sender;
    uint64_t size;                /* octets with CRLF line ends, dots not doubled */
    bool eight_bit, binary, utf8; /* what the message needs */
    bool requiretls;
    bool requiretls_may; /* said where it is offered under TLS: of a notification */
    bool tls_only;       /* never in the clear, */
    bool verified_only;  /* and only where verified */
    bool verified;       /* the peer is authenticated: REQUIRETLS may go there */
    enum smtp_ret ret;
    struct slice envid; /* xtext; empty: none */
    int priority;
    unsigned target_n; /* at least 1 */
    struct smtp_client_target target[SMTP_CLIENT_TARGETS_MAX];
};

enum smtp_client_result_kind {
    SMTP_CLIENT_DELIVERED = 0,
    SMTP_CLIENT_DEFERRED,
    SMTP_CLIENT_FAILED,
    SMTP_CLIENT_NEXT, /* not tried: the server takes no more at once. Give it again */
};
/* How a connection was lost. */
enum smtp_client_loss {
    SMTP_CLIENT_NOT_LOST = 0,
    SMTP_CLIENT_UNREACHED,  /* it never stood: 4.4.1 */
    SMTP_CLIENT_CLOSED_OFF, /* the other side ended it: 4.4.2 */
    SMTP_CLIENT_TIMED_OUT,  /* 4.4.2 */
    SMTP_CLIENT_NO_TLS,     /* the handshake failed: 4.7.5 */
    SMTP_CLIENT_OURS,       /* a fault on our side: 4.3.0 */
};
struct smtp_client_result {
    enum smtp_client_result_kind kind;
    enum smtp_client_stage stage;
    enum smtp_client_loss loss;
    bool local;    /* our own words: the server said nothing */
    unsigned code; /* 550: the first digits of the reply */
    struct slice
        reply; /* "550 5.1.1 no such user", SMTP_CLIENT_TEXT_MAX octets at most */
};

struct smtp_client_ops {
    void (*result)(void *arg, unsigned target, const struct smtp_client_result *r);
    /* The host, or the way to it, is no good: before any mail was begun with it. */
    void (*fault)(void *arg, const struct smtp_client_result *r);
};

struct smtp_client_command { /* sent, and not answered */
    unsigned char what;      /* enum command of client_session.c */
    unsigned char target;
};

struct smtp_client {
    const struct smtp_client_ops *ops;
    void *arg;
    struct buf out;
    struct client_reply reply;
    struct smtp_client_options options;
    unsigned offers;     /* of the last EHLO */
    uint64_t size_max;   /* 0: not said */
    unsigned rcpt_max;   /* of LIMITS; 0: not said */
    unsigned mail_max;   /* likewise */
    unsigned mails;      /* transactions begun in this session */
    unsigned char state; /* enum state of client_session_impl.h */
    unsigned auth;       /* the mechanism (enum smtp_client_offer) that its caller does */
    bool auth_begun, proved;  /* proved: the server knows the password */
    bool auth_refused;        /* it refused that mechanism: PLAIN or LOGIN are next */
    struct buf challenge;     /* decoded */
    bool tls, closing, asked; /* asked: a mail waits or is under way */
    struct smtp_client_mail mail;
    bool settled[SMTP_CLIENT_TARGETS_MAX], accepted[SMTP_CLIENT_TARGETS_MAX];
    unsigned next_rcpt; /* first target whose RCPT was not sent */
    bool mail_refused, data_sent;
    struct smtp_client_command sent[SMTP_CLIENT_TARGETS_MAX + 4];
    unsigned sent_n, answered_n;
};

/* A new connection; options' slices are borrowed for its life. */
void smtp_client_init(struct smtp_client *c, const struct smtp_client_options *options,
                      const struct smtp_client_ops *ops, void *arg);
void smtp_client_clear(struct smtp_client *c); /* passwords in `out` are wiped */

enum smtp_client_want smtp_client_want(const struct smtp_client *c);
void smtp_client_input(struct smtp_client *c, struct slice in);
/* TLS stands, with a peer that is authenticated or not: that is then so for the mail that waits.
 * With TLS_IS it is said before the first input. When it could not be made, smtp_client_lost(). */
void smtp_client_tls(struct smtp_client *c, bool verified);

/* When AUTH is wanted: the mechanism (_SCRAM or _SCRAM_PLUS), and what the server said last; empty at first. */
MUST_USE unsigned smtp_client_auth(const struct smtp_client *c);
MUST_USE struct slice smtp_client_challenge(const struct smtp_client *c);
/* proved: the server has shown that it knows the password too; else its 235 counts for nothing. */
void smtp_client_respond(struct smtp_client *c, struct slice response, bool proved);
/* There is no response; why: "the server does not know the password". */
void smtp_client_no_login(struct smtp_client *c, const char *why);

/* On a new connection, before any input, or when READY: copied, but for its slices. */
void smtp_client_mail(struct smtp_client *c, const struct smtp_client_mail *mail);
/* When BODY is wanted: as it is (BDAT), or with dots doubled and the final dot (DATA)? */
MUST_USE bool smtp_client_bdat(const struct smtp_client *c);
void smtp_client_body_sent(struct smtp_client *c);
void smtp_client_quit(struct smtp_client *c);
/* May this session take one more mail? (LIMITS MAILMAX.) */
MUST_USE bool smtp_client_reusable(const struct smtp_client *c);

/* The connection is no more, or was never made; why: "connection refused". */
void smtp_client_lost(struct smtp_client *c, enum smtp_client_loss loss, const char *why);
/* A fault on our side while a mail is under way: reply is the whole text with its code. */
void smtp_client_abandon(struct smtp_client *c, const char *reply);

/* The stage that the session is at; what to wait for it at most. */
MUST_USE enum smtp_client_stage smtp_client_stage(const struct smtp_client *c);
MUST_USE unsigned smtp_client_patience_s(const struct smtp_client *c);
#endif
