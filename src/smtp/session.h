/* smtp/session.h - the server's side of an SMTP session: octets in, events out.
 *
 * Source  RFC 5321 3, 4.1, 4.3; RFC 1870, 2034, 2920, 3030 (BDAT), 3207 (STARTTLS), 4954 (AUTH),
 *         6152, 6531, and those of params.h; RFC 9422 (LIMITS); Postfix's XCLIENT.
 * Pure    no I/O, clock or globals; allocates from its own bounded arenas only. What it decides it
 *         says through struct smtp_session_ops; what it must ask, it asks there and waits.
 * Split   the calls made to ops do not depend on how the input is cut (spans of `data` joined)
 *         - except for what is about timing: octets that arrive with DATA or STARTTLS, before its reply.
 *         With STARTTLS: they are dropped, starttls-pipelining. With DATA: dropped up to
 *         CRLF.CRLF; DATA's refusal stays its only reply, or, where it had none, is
 *         protocol-violation, at the end.
 * Secrets what comes between AUTH and its outcome goes to ops->auth and ops->auth_response alone,
 *         not to command() or into evidence; the session's own copy of it is cleared.
 * Own     slices handed to ops live until the call returns; those in struct smtp_envelope until
 *         the transaction ends.
 * Limits  struct smtp_limits; SMTP_LINE_OCTETS a command line; arenas SMTP_SESSION_ARENA_MAX and
 *         SMTP_TRANSACTION_ARENA_MAX (a full one is system-temporary-problem for that peer).
 * Errors  after smtp_session_feed() returned SMTP_FEED_CLOSED nothing more may be fed.
 * BUGS    ops may not free the session from inside a call. */
#ifndef SMTP_SESSION_H
#define SMTP_SESSION_H
#include "base/arena.h"
#include "base/fields.h"
#include "reply/reply.h"
#include "smtp/address.h"
#include "smtp/dot_decode.h"
#include "smtp/line.h"
#include "smtp/params.h"
#include "smtp/xclient.h"

enum {
    SMTP_LINE_OCTETS = 2048,       /* RFC 5321 4.5.3.1.4 asks 512, extensions add to it */
    SMTP_AUTH_LINE_OCTETS = 12288, /* of AUTH and of what belongs to it (RFC 4954 4) */
    SMTP_LOGIN_MAX = 320,          /* octets of who logged in: a mail address */
    SMTP_SESSION_ARENA_MAX = 4 * 1024,
    SMTP_TRANSACTION_ARENA_MAX = 1024 * 1024,
};

enum smtp_service { SMTP_MX = 0, SMTP_SUBMISSION, SMTP_RELAY, SMTP_PUSH };

struct smtp_limits {
    uint64_t message_size; /* octets */
    uint64_t recipients;
    uint64_t unknown_commands, syntax_errors; /* in the session: the last one closes it */
    /* Commands out of order, unknown or malformed with no good one between them: the last one
     * closes the session. RCPT, DATA and BDAT that a client had under way when its MAIL was
     * refused, chunks behind a refused one, and malformed addresses do not count. */
    uint64_t errors_in_a_row;
    uint64_t unauthenticated_commands;
    uint64_t by_least_s;  /* DELIVERBY: the shortest time on offer */
    uint64_t hold_most_s; /* FUTURERELEASE: the longest */
    uint64_t now_s;       /* since 1970, kept up by the owner: for FUTURERELEASE */
};

/* A SASL mechanism on offer. */
struct smtp_auth_mechanism {
    const char *name;
    bool tls_only;   /* not in clear, whatever auth_in_clear says */
    bool no_initial; /* the server speaks first: AUTH takes no initial response */
};

struct smtp_offer {
    enum smtp_service service;
    bool starttls;     /* offered */
    bool tls_required; /* MAIL only after TLS */
    bool auth_required;
    const struct smtp_auth_mechanism *auth; /* auth_n of them, outlive the session */
    unsigned auth_n;
    bool auth_in_clear; /* AUTH before TLS too */
    bool bare_lf_ok;    /* this client's bare LF counts as CRLF */
    /* enum smtp_extension, or'ed: what it has. REQUIRETLS counts under TLS alone, AUTH where
     * there are mechanisms. */
    unsigned extensions;
    bool xclient;       /* this client may say for whom it speaks (smtp/xclient.h) */
    bool xclient_login; /* and who logged in there */
    const char
        *deferred_what; /* why, it outlives the session; NULL: too many connections */
    bool deferred;      /* this client is held off: the first command gets its row */
};

/* A recipient: asked about, then accepted. */
struct smtp_recipient {
    struct smtp_recipient *next;
    struct smtp_path path;
    struct smtp_params params;
    void *data; /* of the ops, in the transaction's arena */
};

struct smtp_envelope {
    struct smtp_path sender;
    struct smtp_params params;
    struct smtp_recipient *first, *last;
    unsigned recipient_n;
    bool bdat;  /* came in chunks */
    void *data; /* of the ops, as smtp_session_mail() gave it */
};

/* An answer to something asked: REPLY_NONE lets it pass, anything else is the refusal. */
struct smtp_verdict {
    enum reply_id reply;
    const struct fields *evidence; /* NULL: none; borrowed during the call */
};

/* How an AUTH exchange goes on. */
enum smtp_auth_step {
    SMTP_AUTH_CHALLENGE = 0, /* text: octets of the challenge */
    SMTP_AUTH_OK,            /* text: who it is, 1 to SMTP_LOGIN_MAX octets */
    SMTP_AUTH_REFUSED,       /* verdict */
};
struct smtp_auth_answer {
    enum smtp_auth_step step;
    struct slice text; /* borrowed during the call */
    struct smtp_verdict verdict;
};

struct smtp_session;

struct smtp_session_ops {
    /* One reply, in order. lines: keyword lines after the first (EHLO), else NULL. */
    void (*reply)(void *arg, enum reply_id id, const struct fields *evidence,
                  const struct slice *lines, size_t line_n);
    /* A command line was taken (for the trace). Of AUTH only the mechanism is in it, and of an
     * unknown command after AUTH nothing: these may be secrets. */
    void (*command)(void *arg, enum smtp_verb verb, struct slice line);
    void (*hello)(void *arg, struct slice name, bool extended);
    /* XCLIENT: from now on the client is the one that x names. At once; REPLY_NONE: the session
     * begins anew, with the greeting (evidence goes into it) - perhaps under another offer by
     * smtp_session_offer(). Anything else refuses, and nothing changes. */
    struct smtp_verdict (*xclient)(void *arg, const struct smtp_xclient *x);
    /* XCLIENT said who logged in: is there such a login? Answered as auth(), without challenges;
     * what refuses it leaves the new client without a login. */
    void (*auth_named)(void *arg, struct slice login);
    /* A login by one of the mechanisms on offer: its name as on offer, and the initial
     * response, decoded; NULL: none. The answer comes by smtp_session_auth(), perhaps from
     * inside the call. */
    void (*auth)(void *arg, const char *mechanism, const struct slice *initial);
    /* The client's answer to a challenge, decoded. Answered as auth(). */
    void (*auth_response)(void *arg, struct slice response);
    /* The exchange ends without an answer of yours (cancelled, undecodable, session over): one
     * that is under way must not be given any more. */
    void (*auth_abort)(void *arg);
    /* May this MAIL begin a transaction? The answer comes by smtp_session_mail(), perhaps from
     * inside the call. After a refusal there is no reset(). */
    void (*mail)(void *arg, const struct smtp_envelope *e);
    /* May this recipient be added? The answer comes by smtp_session_rcpt(), perhaps from
     * inside the call. *r stays where it is; when it is refused, it goes, with all that was
     * allocated since this call from smtp_session_arena(). */
    void (*rcpt)(void *arg, const struct smtp_recipient *r);
    /* The message begins: room for it? At once. */
    struct smtp_verdict (*data_begin)(void *arg, const struct smtp_envelope *e);
    /* Message octets. False: none taken, wait for smtp_session_resume(). After
     * smtp_session_data_failed() they are counted, not handed on; of a message that is too
     * large, limits->message_size octets are. Of BODY=BINARYMIME they are any octets, and none
     * at all tell that the message is over; else lines. */
    bool (*data)(void *arg, struct slice s);
    /* The message is complete (octets as received, dots undone): keep it, then call
     * smtp_session_done(). */
    void (*data_end)(void *arg, const struct smtp_envelope *e);
    /* The transaction is over, one way or another (also EHLO, RSET, STARTTLS, the end): an
     * answer that is still under way must not be given any more. */
    void (*reset)(void *arg);
    /* The reply 220 was given: start TLS, then smtp_session_tls(). */
    void (*starttls)(void *arg);
};

enum smtp_feed {
    SMTP_FEED_MORE = 0, /* everything usable was used: feed more */
    SMTP_FEED_WAIT, /* waits for an answer or resume: keep the rest, feed it again then */
    SMTP_FEED_CLOSED, /* the session is over: flush and close */
};

MUST_USE struct smtp_session *smtp_session_new(const struct smtp_offer *offer,
                                               const struct smtp_limits *limits,
                                               const struct smtp_session_ops *ops,
                                               void *arg);
void smtp_session_free(struct smtp_session **s);

/* The client is not who it seemed to be: another offer, copied. Before the greeting, or from
 * inside ops->xclient. */
void smtp_session_offer(struct smtp_session *s, const struct smtp_offer *offer);

/* Before the greeting: this client is held off, its first command gets its row; why: static. */
void smtp_session_defer(struct smtp_session *s, const char *why);

/* Greets (220), or refuses with the row given and closes. */
void smtp_session_greet(struct smtp_session *s, struct smtp_verdict verdict);

/* Octets from the client. *used: how many were taken; the rest is fed again later. */
MUST_USE enum smtp_feed smtp_session_feed(struct smtp_session *s, struct slice in,
                                          size_t *used);

/* Answers. After each, feed again (also with nothing new). */
void smtp_session_auth(struct smtp_session *s, struct smtp_auth_answer answer);
void smtp_session_mail(struct smtp_session *s, struct smtp_verdict verdict, void *data);
void smtp_session_rcpt(struct smtp_session *s, struct smtp_verdict verdict, void *data);
void smtp_session_resume(struct smtp_session *s);
/* The message cannot be kept: its reply comes when its end is seen. */
void smtp_session_data_failed(struct smtp_session *s, struct smtp_verdict verdict);
/* The kept message's answer: REPLY_NONE means accepted, evidence {id} for the text. */
void smtp_session_done(struct smtp_session *s, struct smtp_verdict verdict);
/* TLS stands, after STARTTLS or (before the greeting) from the first octet on. */
void smtp_session_tls(struct smtp_session *s);

/* Something outside ends the session with this row (timeouts, shutdown): replies and closes.
 * In the middle of a message too. */
void smtp_session_end(struct smtp_session *s, struct smtp_verdict verdict);

/* What is going on; for timeouts and the trace. */
MUST_USE bool smtp_session_in_data(const struct smtp_session *s);
MUST_USE bool smtp_session_waits(const struct smtp_session *s);
MUST_USE bool smtp_session_idle(const struct smtp_session *s); /* between transactions */
MUST_USE struct slice smtp_session_helo(const struct smtp_session *s);
/* Who logged in; empty: nobody. */
MUST_USE struct slice smtp_session_login(const struct smtp_session *s);
MUST_USE bool smtp_session_extended(const struct smtp_session *s);
MUST_USE uint64_t smtp_session_data_len(const struct smtp_session *s);
/* The transaction so far; its recipients are those accepted. */
MUST_USE const struct smtp_envelope *smtp_session_envelope(const struct smtp_session *s);
/* MAIL waits for smtp_session_mail(), AUTH for smtp_session_auth(). */
MUST_USE bool smtp_session_mail_asked(const struct smtp_session *s);
MUST_USE bool smtp_session_auth_asked(const struct smtp_session *s);
/* The recipient that waits for smtp_session_rcpt(); NULL: none. */
MUST_USE const struct smtp_recipient *smtp_session_asked(const struct smtp_session *s);
MUST_USE struct arena *
smtp_session_arena(struct smtp_session *s); /* of the transaction */
#endif
