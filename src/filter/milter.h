/* filter/milter.h - the milter protocol, version 6, on the side of the mail server.
 *
 * Source  libmilter's mfdef.h and its documentation: a frame is a length (four octets, of what follows, the
 *         highest first), a letter, data. The server says what happens in a session and a message, the filter
 *         answers each step with one letter; at the end it may ask for changes first.
 * Pure    octets in, verdicts and changes out; frames are written to buffers.
 * Order   milter_negotiate(); when milter_feed() has brought MILTER_READY connect and helo (that again, where the
 *         client says it again); then, a message: mail, rcpt, data, header, eoh, body, end. What it answers need not be
 *         waited for, for answers come in the order of the steps: milter_due() says how many are missing. Steps
 *         that the filter does not want, or that its verdict made idle, write nothing.
 * Verdicts of the session (on connect), of its helo, of the message, of the recipient told last. Where none of these
 *         refuses, the message's is MILTER_ACCEPT from its end on, when nothing is due any more.
 * Again   behind a message another one may come, after milter_abort() where it is not over, provided
 *         milter_in_step(): a filter that ends a message early leaves open how many of the steps
 *         behind it are answered. Else the connection is of no more use.
 * Offered all changes of a message; the filter may make those alone that it named in the negotiation.
 * Split   the outcome does not depend on how the input is cut.
 * Limits  MILTER_FRAME_MAX, MILTER_EDITS_MAX octets of all changes, a body as long as milter_init() was told. */
#ifndef FILTER_MILTER_H
#define FILTER_MILTER_H
#include "base/buf.h"
#include "base/fields.h"

enum {
    MILTER_FRAME_MAX = 1024 * 1024 + 64,
    MILTER_EDITS_MAX = 512 * 1024,
    MILTER_TEXT_MAX = 512,
    MILTER_BODY_MAX = 65535, /* octets of a body frame */
    MILTER_RUNS_MAX = 16,
};

enum milter_state {
    MILTER_ASKING = 0, /* what it wants to hear and do */
    MILTER_READY,      /* steps may be written */
    MILTER_BROKEN,     /* it does not keep to the protocol: why */
};

enum milter_verdict {
    MILTER_GO_ON = 0,
    MILTER_ACCEPT, /* it need hear no more */
    MILTER_REJECT,
    MILTER_TEMPFAIL,
    MILTER_DISCARD,
};

struct milter_say {
    enum milter_verdict verdict;
    size_t text_len;
    char text[MILTER_TEXT_MAX]; /* its own reply, "550 5.7.1 ..."; printable ASCII */
};

enum milter_edit_kind {
    MILTER_ADD = 0,
    MILTER_INSERT,
    MILTER_CHANGE,
    MILTER_SENDER,
    MILTER_RCPT_ADD,
    MILTER_RCPT_DROP,
    MILTER_QUARANTINE,
    MILTER_EDIT_KINDS,
};

struct milter_edit {
    enum milter_edit_kind kind;
    uint32_t
        index; /* INSERT: before which field, 0 the first; CHANGE: which of that name, from 1 */
    struct slice name; /* of the field; SENDER, RCPT: "<a@b>"; QUARANTINE: why */
    struct slice
        value; /* CHANGE with an empty one: the field goes; SENDER, RCPT_ADD: parameters */
};

struct milter {
    enum milter_state state;
    const char *why;  /* BROKEN */
    uint32_t actions; /* changes that it may make */
    uint32_t steps;   /* what it does not want, or does not answer */
    struct milter_say session, helo, message, rcpt;
    bool in_message;  /* from mail on */
    bool ended;       /* end was written */
    bool skip;        /* it has seen enough of the body */
    bool early;       /* a verdict came while more was due */
    bool new_body;    /* body is the message's from now on */
    struct buf edits; /* for milter_edit_next() */
    struct buf body;
    struct buf in;
    /* Steps whose answers are due, in their order: how many of which letter. */
    struct {
        char letter;
        uint64_t n;
    } run[MILTER_RUNS_MAX];
    unsigned run_n;
};

void milter_init(struct milter *m, size_t body_max);
void milter_clear(struct milter *m);

enum milter_state milter_feed(struct milter *m, struct slice s);

void milter_negotiate(struct buf *out);
/* step: of which the macros are ('C', 'H', 'M', 'R', 'T', 'E'); before it. Names with braces where they have
 * more than one letter. */
void milter_macros(struct buf *out, char step, const struct fields *macros);
/* ip: as text; port 0: not known. */
void milter_connect(struct milter *m, struct buf *out, struct slice host, bool v6,
                    uint16_t port, struct slice ip);
void milter_helo(struct milter *m, struct buf *out, struct slice name);
/* "<a@b>"; forgets the message before. */
void milter_mail(struct milter *m, struct buf *out, struct slice path);
void milter_rcpt(struct milter *m, struct buf *out, struct slice path);
void milter_data(struct milter *m, struct buf *out);
/* value: what follows the colon, without the last CRLF. */
void milter_header(struct milter *m, struct buf *out, struct slice name,
                   struct slice value);
void milter_eoh(struct milter *m, struct buf *out);
void milter_body(struct milter *m, struct buf *out, struct slice s);
void milter_end(struct milter *m, struct buf *out);

/* The message will not be ended. */
void milter_abort(struct milter *m, struct buf *out);
/* Nothing more follows. */
void milter_quit(struct milter *m, struct buf *out);

/* Answers that are missing. */
MUST_USE uint64_t milter_due(const struct milter *m);
MUST_USE bool milter_in_step(const struct milter *m);
/* What counts for the message as far as it is told: the first of session, helo and message that is not GO_ON. */
MUST_USE const struct milter_say *milter_says(const struct milter *m);
/* May it change what a filter behind it sees? */
MUST_USE bool milter_may_change(const struct milter *m);
MUST_USE bool milter_wants_body(const struct milter *m);

/* The next change, off *rest (at first all of m->edits). */
MUST_USE bool milter_edit_next(struct slice *rest, struct milter_edit *out);
/* Does the filter write the blank behind the colon itself? */
MUST_USE bool milter_own_space(const struct milter *m);
#endif
