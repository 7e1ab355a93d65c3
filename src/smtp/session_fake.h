/* smtp/session_fake.h - a session with ops that answer by rule, for tests and fuzzing.
 *
 * Own     fake_init() makes the session, fake_clear() frees all.
 * Log     `log` holds one line a call: "C: " a command line as told, "S: " a reply and its
 *         evidence, "D: " message octets (joined over calls), "M: " a message to keep, and so
 *         on; octets escaped, so that a line is a line.
 * Rules   what is answered depends on local parts. Sender: refused (at MAIL), waiting (for
 *         fake_mail()), full (at DATA),
 *         failing (with its first octets), looping (at the end), slow (kept by fake_done()).
 *         Recipient: nobody, closing (refused), later (waits for fake_rcpt()).
 *         AUTH, after decoding: ok, no, later (waits for fake_auth()); else one more challenge.
 * Checks  aborts when calls come in an order that session.h does not promise. */
#ifndef SMTP_SESSION_FAKE_H
#define SMTP_SESSION_FAKE_H
#include "smtp/session.h"

enum { FAKE_LOG_MAX = 16 * 1024 * 1024 };

struct fake {
    struct smtp_session *session;
    struct smtp_offer offer;
    struct smtp_limits limits;
    struct buf log;
    struct buf input;    /* fed and not used yet */
    struct buf message;  /* the octets of the message under way */
    struct buf rendered; /* the last reply as it would be sent */
    bool silent;  /* replies are not rendered: another one did that with the same ones */
    bool joining; /* the last call was data() */
    bool told_over; /* of BODY=BINARYMIME */
    bool in_mail, in_auth, has_ended, tls_asked, closed;
    bool block;        /* data() takes nothing until fake_resume() */
    unsigned block_in; /* > 0: data() blocks at that many calls from now, by itself */
    unsigned accepted, kept; /* messages; and those that data_end() was called for */
    uint64_t fed;            /* octets, in all */
    /* Called from data_end(), for tests that know how it must have come to it. */
    void (*on_end)(struct fake *f, const struct smtp_envelope *e);
    void *user;
};

/* PLAIN; LOGIN, where the server speaks first; EXTERNAL, over TLS only. */
enum { FAKE_MECHANISMS = 3 };
extern const struct smtp_auth_mechanism fake_mechanisms[FAKE_MECHANISMS];

/* The limits that tests start from: generous. */
struct smtp_limits fake_limits(void);

void fake_init(struct fake *f, const struct smtp_offer *offer,
               const struct smtp_limits *limits);
void fake_clear(struct fake *f);

/* Feeds octets after those that wait. */
void fake_feed(struct fake *f, struct slice s);

/* The answers. */
void fake_auth(struct fake *f, enum reply_id refused);
void fake_mail(struct fake *f, enum reply_id refused);
void fake_rcpt(struct fake *f, enum reply_id refused);
void fake_done(struct fake *f, enum reply_id refused);
void fake_resume(struct fake *f);
void fake_tls(struct fake *f);
void fake_end(struct fake *f, enum reply_id id);

/* Gives a friendly answer to whatever is waited for, until nothing is. */
void fake_settle(struct fake *f);
#endif
