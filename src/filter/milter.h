/* filter/milter.h - the milter protocol, version 6, on the side of the mail server.
 *
 * Source  libmilter's mfdef.h and its documentation: a frame is a length (four octets, of what follows, the
 *         highest first), a letter, data. The server says what happens in a session and a message, the filter
 *         answers each step with one letter; at the end it may ask for changes first.
 * Pure    octets in, verdict and changes out; frames are written to buffers.
 * Order   milter_negotiate(); when milter_feed() has brought MILTER_READY the steps in their order, connect to
 *         end; the filter's answers to them need not be waited for in between: they come in the same order, and
 *         the first that is not "go on" is the verdict. Steps that the filter does not want write nothing.
 * Offered changes of the header section. A filter that wants others is told so by MILTER_BROKEN.
 * Split   the outcome does not depend on how the input is cut.
 * Limits  MILTER_FRAME_MAX, MILTER_EDITS_MAX octets of all changes. */
#ifndef FILTER_MILTER_H
#define FILTER_MILTER_H
#include "base/buf.h"
#include "base/fields.h"
#include "filter/state.h"

enum {
    MILTER_FRAME_MAX = 256 * 1024,
    MILTER_EDITS_MAX = 512 * 1024,
    MILTER_TEXT_MAX = 512,
    MILTER_BODY_MAX = 65535, /* octets of a body frame */
};

enum milter_state {
    MILTER_ASKING = 0, /* what it wants to hear and do */
    MILTER_READY,      /* steps may be written */
    MILTER_OVER,       /* verdict */
};

enum milter_verdict {
    MILTER_ACCEPT = 0, /* with the changes */
    MILTER_REJECT,
    MILTER_TEMPFAIL,
    MILTER_DISCARD,
    MILTER_BROKEN, /* it does not keep to the protocol: why */
};

enum milter_edit_kind { MILTER_ADD = 0, MILTER_INSERT, MILTER_CHANGE };

struct milter_edit {
    enum milter_edit_kind kind;
    uint32_t
        index; /* INSERT: before which field, 0 the first; CHANGE: which of that name, from 1 */
    struct slice name, value; /* CHANGE with an empty value: it goes */
};

struct milter {
    enum milter_state state;
    enum milter_verdict verdict;
    const char *why; /* BROKEN */
    uint32_t steps;  /* what it does not want, or does not answer */
    uint64_t due;    /* answers */
    bool ended;      /* end was written */
    bool skip;       /* it has seen enough of the body */
    size_t text_len;
    char text[MILTER_TEXT_MAX]; /* its own reply, "550 5.7.1 ..."; printable ASCII */
    struct buf in;
    struct buf edits; /* for milter_edit_next() */
};

void milter_init(struct milter *m);
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
void milter_mail(struct milter *m, struct buf *out, struct slice path); /* "<a@b>" */
void milter_rcpt(struct milter *m, struct buf *out, struct slice path);
void milter_data(struct milter *m, struct buf *out);
/* value: what follows the colon, without the last CRLF. */
void milter_header(struct milter *m, struct buf *out, struct slice name,
                   struct slice value);
void milter_eoh(struct milter *m, struct buf *out);
void milter_body(struct milter *m, struct buf *out, struct slice s);
void milter_end(struct milter *m, struct buf *out);

/* The next change, off *rest (at first all of m->edits). */
MUST_USE bool milter_edit_next(struct slice *rest, struct milter_edit *out);
/* Does the filter write the blank behind the colon itself? */
MUST_USE bool milter_own_space(const struct milter *m);

struct milter_report {
    enum filter_state state;
    const char *why; /* DOWN; static */
    struct milter milter;
};
#endif
