/* reply/reply.h - the catalogue compiled in, and how a row becomes a reply.
 *
 * Source  catalogue/replies.tsv (one line a row), turned into enum reply_id and a table by
 *         tools/gen-replies.py at build time; RFC 5321 4.2, RFC 2034, RFC 3463.
 * Pure.
 * Own     rows are static; out belongs to the caller; evidence is read, not kept.
 * Errors  the renderers return false, with nothing added to out, when out is full (then
 *         out->failed is set) or as they say themselves. */
#ifndef REPLY_REPLY_H
#define REPLY_REPLY_H
#include "base/buf.h"
#include "base/fields.h"
#include "reply/reply_ids.h" /* generated: enum reply_id { REPLY_NONE = 0, REPLY_ok_greeting, ... } */

enum reply_profile { REPLY_GMAIL = 0, REPLY_IANA };
enum {
    REPLY_LINE_MAX = 512,  /* octets, CRLF included (RFC 5321 4.5.3.1.5) */
    REPLY_LINES_MAX = 8,   /* the generator proves that no row needs more */
    REPLY_HOLES_MAX = 8,   /* in one text */
    REPLY_VALUE_MAX = 320, /* octets of one value, escaped: 64 @ 255 and no more */
    REPLY_URL_MAX = 256,   /* a longer one, or one not of printable ASCII, is left out */
    REPLY_CHALLENGE_MAX = 12288 - 6 /* octets of base64 (RFC 4954 4) */
};

struct reply_row {
    const char *id;        /* "rcpt-mailbox-unknown" */
    const char *services;  /* "mx+submission" */
    const char *stage;     /* "rcpt": where it is typical */
    uint16_t code[2];      /* by profile */
    const char *status[2]; /* by profile; "" where the reply carries none */
    const char *text;      /* with {hole}s and [optional {hole}]s */
    bool closes;           /* the connection ends after it */
    bool refusal;          /* one of the 141: carries the session id */
};

/* NULL for REPLY_NONE and for what is no id. */
MUST_USE const struct reply_row *reply_row(enum reply_id id);

/* REPLY_NONE when there is no such row. */
MUST_USE enum reply_id reply_by_name(struct slice name);

/* Appends the whole reply, CRLF included, to out: the row's text with its holes filled
 * from the evidence, broken at blanks into lines of at most REPLY_LINE_MAX octets, code
 * and status on each. A hole without evidence (or with an empty value) prints "unknown";
 * a [group] is left out unless all its holes have evidence. Values are escaped to
 * printable ASCII as by buf_add_escaped(), and what passes REPLY_VALUE_MAX is cut with
 * "...".
 *
 * A refusal ends in " - <session id> postern"; one with evidence "rule" (and
 * policy-custom-rule always) in " - rule <name> <session id> postern". Where url is not
 * empty, "; see <url><session id>" stands before that. Replies that are no refusals take
 * one line, and neither session nor url.
 *
 * id      one of the rows, or a bug. evidence may be NULL.
 * ok-auth-challenge prints the evidence "challenge" as it is (missing: empty); false if
 * that is not of base64's letters or passes REPLY_CHALLENGE_MAX. */
bool reply_render(struct buf *out, enum reply_id id, enum reply_profile profile,
                  const struct fields *evidence, uint64_t session, struct slice url);

/* The same for a reply that is no refusal (EHLO, HELP), with n lines of the caller's
 * after the row's own, each with the code. False if one of them is not printable ASCII or
 * is too long for one line. */
bool reply_render_lines(struct buf *out, enum reply_id id, enum reply_profile profile,
                        const struct fields *evidence, const struct slice lines[],
                        size_t n);
#endif
