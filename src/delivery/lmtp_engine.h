/* delivery/lmtp_engine.h - the LMTP client as a state machine.
 *
 * Source  RFC 2033 (LMTP), RFC 5321, RFC 1870 (SIZE), RFC 6152 (8BITMIME), RFC 6531 (SMTPUTF8),
 *         RFC 2920 (PIPELINING).
 * Pure    octets of the server in, commands and outcomes out. Whoever drives it sends what
 *         stands in `out` (all of it, before more input), reads, and asks lmtp_want().
 * Own     the mail and its slices belong to the caller until want is READY or CLOSED again.
 * Holds   when want is READY or CLOSED, each target of the last mail has an outcome. A target
 *         is delivered only when the server said 2yz to it after the final dot.
 * Errors  a 5yz to MAIL, RCPT, DATA or after the dot is JOB_FAILED; a 4yz, silence, a closed
 *         connection, an answer that is none or has no command, and any refusal of the connection
 *         itself (greeting, LHLO: that is about us, not about the mail) is JOB_DEFERRED.
 * Limits  LMTP_TARGETS_MAX targets; addresses of LMTP_ADDRESS_MAX octets. */
#ifndef DELIVERY_LMTP_ENGINE_H
#define DELIVERY_LMTP_ENGINE_H
#include "delivery/outcome.h"
#include "smtp/client_reply.h"

enum { LMTP_TARGETS_MAX = JOB_TARGETS_MAX, LMTP_ADDRESS_MAX = 1000 };

enum lmtp_want {
    LMTP_WANT_REPLY = 0, /* send `out`, then read */
    LMTP_WANT_BODY, /* 354 came: send the message dot-encoded, then lmtp_body_sent() */
    LMTP_READY,     /* the mail is over: lmtp_mail(), lmtp_quit(), or close it */
    LMTP_CLOSED,    /* nothing more can be done here: close it */
};

enum lmtp_state {
    LMTP_GREETING = 0,
    LMTP_LHLO,
    LMTP_IDLE,
    LMTP_ENVELOPE, /* MAIL and RCPT */
    LMTP_DATA,
    LMTP_BODY,
    LMTP_FINAL, /* one reply for each target that RCPT accepted */
    LMTP_RSET,
    LMTP_QUIT,
    LMTP_DEAD,
};

struct lmtp_mail {
    struct slice sender;
    uint64_t size;  /* octets with CRLF line ends, dots not doubled */
    uint16_t flags; /* JOB_8BITMIME, JOB_SMTPUTF8 */
    unsigned target_n;
    struct slice target[LMTP_TARGETS_MAX]; /* addresses */
};

struct lmtp_engine {
    enum lmtp_state state;
    struct buf out;
    struct client_reply reply;
    struct slice hostname; /* borrowed */
    unsigned offers;       /* LHLO keywords */
    uint64_t size_max;     /* 0: not said */
    struct lmtp_mail mail;
    bool pending; /* the mail waits for the LHLO reply */
    /* Commands of the envelope: 0 is MAIL, i + 1 is RCPT of target rcpt[i] */
    unsigned sent, answered, rcpt_n;
    uint8_t rcpt[LMTP_TARGETS_MAX];
    unsigned final_at; /* target whose reply after the dot comes next */
    bool accepted[LMTP_TARGETS_MAX];
    struct outcome outcome[LMTP_TARGETS_MAX];
};

/* A new connection; hostname is what LHLO says. */
void lmtp_init(struct lmtp_engine *e, struct slice hostname);
void lmtp_clear(struct lmtp_engine *e);

enum lmtp_want lmtp_want(const struct lmtp_engine *e);
void lmtp_input(struct lmtp_engine *e, struct slice in);

/* On a new connection, before any input, or when READY. The outcomes of the mail before are
 * forgotten. */
void lmtp_mail(struct lmtp_engine *e, const struct lmtp_mail *mail);
/* Only when BODY was wanted: all of it went out, the final dot too. */
void lmtp_body_sent(struct lmtp_engine *e);
void lmtp_quit(struct lmtp_engine *e);
/* The connection broke, timed out, or was never made; why: "connection refused". */
void lmtp_lost(struct lmtp_engine *e, const char *why);
/* The same for a fault on our side: reply is the whole text with its code. */
void lmtp_abandon(struct lmtp_engine *e, const char *reply);

/* How long to wait for the server now (RFC 5321 4.5.3.2). */
int lmtp_patience_ms(const struct lmtp_engine *e);
#endif
