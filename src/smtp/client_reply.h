/* smtp/client_reply.h - what a server answered: the reply parser of the client side.
 *
 * Source  RFC 5321 4.2 (replies), RFC 3463 and RFC 2034 (enhanced status codes), RFC 2033.
 * Pure    octets in, a reply out; the answer does not depend on how the octets are cut.
 * Own     the parser owns the text; its slices live until the next client_reply_feed() after
 *         CLIENT_REPLY_DONE, or client_reply_clear().
 * Errors  CLIENT_REPLY_BAD: this is no SMTP reply, or a hostile one. The stream is out of
 *         step and cannot go on: close the connection. Feeding on stays BAD.
 * Limits  a line of CLIENT_REPLY_LINE_MAX octets, CLIENT_REPLY_LINES_MAX lines: beyond that
 *         BAD. Text beyond CLIENT_REPLY_TEXT_MAX octets is dropped by whole lines, `cut`
 *         says so.
 * Lenient where servers in the field are: a lone LF ends a line, "250" without text, a status
 *         that is not there. Strict where leniency would guess: the first digit is 2..5 and
 *         the same on all lines (the last line's code counts). */
#ifndef SMTP_CLIENT_REPLY_H
#define SMTP_CLIENT_REPLY_H
#include "base/buf.h"

enum {
    CLIENT_REPLY_LINE_MAX = 2048, /* RFC 5321 4.5.3.1.5 says 512; some send more */
    CLIENT_REPLY_LINES_MAX = 256,
    CLIENT_REPLY_TEXT_MAX = 8192,
};

enum client_reply_res { CLIENT_REPLY_MORE = 0, CLIENT_REPLY_DONE, CLIENT_REPLY_BAD };

struct client_reply {
    struct buf
        text; /* of all lines, without codes; LF between lines; no other control octet */
    struct buf line; /* the line being read */
    uint16_t code, first_code;
    unsigned line_n;
    bool done, bad, cut;
};

void client_reply_init(struct client_reply *r);
void client_reply_clear(struct client_reply *r);

/* Takes octets off *in up to the end of one reply. DONE: what follows stays in *in (the
 * reply to a pipelined command). The next call starts a new reply. */
MUST_USE enum client_reply_res client_reply_feed(struct client_reply *r,
                                                 struct slice *in);

/* After DONE. The n-th line of the text, from 0; false: no such line. */
MUST_USE bool client_reply_line(const struct client_reply *r, unsigned n,
                                struct slice *out);

/* After DONE. "5.1.1", when the first line begins with an enhanced status code of the
 * class of the reply code; else empty. */
MUST_USE struct slice client_reply_status(const struct client_reply *r);

/* After DONE: "550 5.1.1 no such user" on one line, at most max octets of it, appended.
 */
void client_reply_flat(const struct client_reply *r, size_t max, struct buf *out);
#endif
