/* smtp/session_impl.h - between the parts of the engine; others use session.h.
 *
 * session.c           replies, cutting octets into lines, what comes from outside
 * session_commands.c  the table of commands and their handlers
 * session_hello.c     HELO, EHLO and what it offers, XCLIENT
 * session_auth.c      AUTH and its exchange
 * session_data.c      the octets of DATA and BDAT */
#ifndef SMTP_SESSION_IMPL_H
#define SMTP_SESSION_IMPL_H
#include "smtp/session.h"

enum phase {
    PHASE_COMMAND = 0,
    PHASE_DATA,  /* after 354 */
    PHASE_EARLY, /* octets came with DATA, before its reply: drop them as a message */
    PHASE_CHUNK, /* octets of a BDAT chunk */
    PHASE_AUTH,  /* wants the client's answer to a challenge */
    PHASE_AUTH_ASKED, /* waits for smtp_session_auth() */
    PHASE_MAIL,       /* waits for smtp_session_mail() */
    PHASE_RCPT,       /* waits for smtp_session_rcpt() */
    PHASE_DONE,       /* waits for smtp_session_done() */
    PHASE_TLS,        /* waits for smtp_session_tls() */
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
    bool mail_refused; /* what was pipelined behind it is refused too, without blame */
    bool auth_named;   /* PHASE_AUTH_ASKED is about XCLIENT: its reply is a greeting */
    bool auth_refused; /* unknown commands now may be what the client would log in with */
    bool early_answered; /* PHASE_EARLY: DATA had its refusal, no reply at the end */
    struct slice helo;
    unsigned char *login; /* login_len octets; NULL: nobody logged in */
    size_t login_len;
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

/* --- session.c --- */

/* The transaction is over; nothing of it stays. */
void session_reset(struct smtp_session *s);
void session_close(struct smtp_session *s);

/* One reply; if its row closes, the session is closed behind it. */
void session_say(struct smtp_session *s, enum reply_id id, const struct fields *evidence);
void session_say_lines(struct smtp_session *s, enum reply_id id,
                       const struct fields *evidence, const struct slice *lines,
                       size_t line_n);
void session_say_verdict(struct smtp_session *s, struct smtp_verdict v);
/* A good reply: ends a row of errors. */
void session_say_fine(struct smtp_session *s, enum reply_id id);
/* An error of the client's making: one more in the row. */
void session_say_error(struct smtp_session *s, enum reply_id id, struct fields *f);
/* syntax-error-closing. */
void session_say_gross(struct smtp_session *s, const char *command, const char *what);

/* --- session_commands.c --- */

void session_run_command(struct smtp_session *s, const struct smtp_line *line);
void session_say_syntax(struct smtp_session *s, const struct smtp_line *line,
                        const char *what, struct slice argument);
/* sequence-..., starttls-required, auth-required. */
void session_say_missing(struct smtp_session *s, enum reply_id id, enum smtp_verb verb);

struct slice session_command_name(const struct smtp_line *line);
/* sequence-..., with the command's name. */
void session_say_sequence(struct smtp_session *s, enum reply_id id,
                          const struct smtp_line *line);
void session_say_out_of_order(struct smtp_session *s, const struct smtp_line *line,
                              const char *expected);

/* --- session_hello.c --- */

void session_cmd_hello(struct smtp_session *s, const struct smtp_line *line);
void session_cmd_xclient(struct smtp_session *s, const struct smtp_line *line);
/* What parameters may be used now. */
MUST_USE struct smtp_params_rules session_params_rules(const struct smtp_session *s);

/* --- session_auth.c --- */

void session_cmd_auth(struct smtp_session *s, const struct smtp_line *line);
/* A line of the client while an exchange goes on. */
void session_auth_line(struct smtp_session *s, struct slice *in, bool *more);
/* Ends an exchange that is under way: it will have no outcome. */
void session_auth_drop(struct smtp_session *s);
void session_logout(struct smtp_session *s);
/* "AUTH PLAIN ..." for EHLO; false: nothing to offer now. */
MUST_USE bool session_auth_keyword(const struct smtp_session *s, char *out, size_t cap);
/* The most octets that the line which begins so may have. */
MUST_USE size_t session_line_max(const struct smtp_session *s, struct slice in);

/* --- session_data.c --- */

/* Each takes octets off *in until the message (the chunk) is over, the session waits or is
 * closed, or *in is empty. */
void session_feed_data(struct smtp_session *s, struct slice *in);
void session_feed_early(struct smtp_session *s, struct slice *in);
void session_feed_chunk(struct smtp_session *s, struct slice *in);
#endif
