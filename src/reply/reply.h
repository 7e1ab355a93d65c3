/* reply/reply.h - the catalogue compiled in, and how a row becomes a reply.
 *
 * Source  catalogue/replies.tsv (one line a row), turned into enum reply_id and a table by
 *         tools/gen-replies.py at build time; RFC 5321 4.2, RFC 2034, RFC 3463.
 * Pure. */
#ifndef REPLY_REPLY_H
#define REPLY_REPLY_H
#include "base/buf.h"
#include "base/fields.h"
#include "reply_ids.h" /* generated: enum reply_id { REPLY_NONE = 0, REPLY_rcpt_mailbox_unknown, ... } */

enum reply_profile { REPLY_GMAIL = 0, REPLY_IANA };
enum { REPLY_LINE_MAX = 512, REPLY_LINES_MAX = 8, REPLY_HOLES_MAX = 8 };

struct reply_row {
    const char *id;                /* "rcpt-mailbox-unknown" */
    uint16_t code[2];              /* by profile */
    const char *status[2];         /* by profile; "" where the reply carries none */
    const char *text;              /* with {hole}s */
    bool closes;                   /* the connection ends after it */
    bool refusal;                  /* one of the 141: carries the session id */
};

MUST_USE const struct reply_row *reply_row(enum reply_id id);

/* REPLY_NONE when there is no such row. */
MUST_USE enum reply_id reply_by_name(struct slice name);

/* Appends the whole reply, CRLF included, to out: the row's text with its holes filled from
 * the evidence (a hole without evidence prints "unknown"; a build-time test keeps the set of
 * hole names closed), values escaped to printable ASCII, broken into lines of at most
 * REPLY_LINE_MAX octets at blanks, code and status on each; a refusal ends in
 * " - <session id> postern", before it, where url is not empty, " see <url><session id>". */
bool reply_render(struct buf *out, enum reply_id id, enum reply_profile profile,
                  const struct fields *evidence, uint64_t session, struct slice url);
#endif
