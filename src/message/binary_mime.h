/* message/binary_mime.h - a message with parts in "binary" becomes one that is made of lines.
 *
 * Source  RFC 3030 3 (BINARYMIME; who cannot pass it on converts it), RFC 2045 6.2, 6.4, 6.8,
 *         2046 5.1 (boundaries: a line that begins with one is one).
 * Pure    octets in, octets out.
 * Does    each leaf whose Content-Transfer-Encoding is binary goes out in base64, octet for octet;
 *         a multipart or an attached message that says binary says 8bit. All else goes out as it
 *         came: what is no line there the reader of the output has to refuse.
 * Split   what comes out in all does not depend on how the input is cut.
 * Lenient of two encodings or types none is believed, of a header with a line that is no field
 *         nothing: such an entity stays as it is.
 * Limits  header of an entity BINARY_MIME_HEADER_MAX, boundary BINARY_MIME_BOUNDARY_MAX octets,
 *         BINARY_MIME_DEPTH_MAX multiparts within each other; what is beyond stays as it is. */
#ifndef MESSAGE_BINARY_MIME_H
#define MESSAGE_BINARY_MIME_H
#include "base/buf.h"

enum {
    BINARY_MIME_HEADER_MAX = 64 * 1024,
    BINARY_MIME_BOUNDARY_MAX = 250,
    BINARY_MIME_DEPTH_MAX = 16,
    BINARY_MIME_LINE = 57, /* octets of a line of base64: 76 characters */
};

struct binary_mime {
    /* Which octets these are, and where in a line. */
    enum binary_mime_mode { BINARY_HEADER = 0, BINARY_COPY, BINARY_ENCODE } mode;
    enum binary_mime_at { BINARY_START = 0, BINARY_TEXT, BINARY_CR, BINARY_MARK } at;
    bool of_part;    /* the header is a part's, not a message's */
    bool end_held;   /* encoding: the last line end may be the next boundary's */
    bool unended;    /* what went out last is no CRLF */
    unsigned mark_n; /* BINARY_MARK: octets seen behind the boundary */
    bool mark_closes, mark_cr;
    unsigned depth, found; /* multiparts that are open; the one whose boundary this is */
    struct {
        size_t len;
        bool digest;
        unsigned char mark[2 + BINARY_MIME_BOUNDARY_MAX]; /* "--boundary" */
    } open[BINARY_MIME_DEPTH_MAX];
    size_t line_len; /* BINARY_START: octets of a line that may be a boundary */
    unsigned char line[2 + BINARY_MIME_BOUNDARY_MAX];
    size_t group_len;
    unsigned char group[BINARY_MIME_LINE];
    struct buf header; /* of the entity that begins */
    struct buf *out;   /* during a call */
};

void binary_mime_init(struct binary_mime *b);
void binary_mime_clear(struct binary_mime *b); /* frees */

/* Appends what is decided; at most twice the input and BINARY_MIME_HEADER_MAX. False: out is full or memory short, and
 * the message lost. */
MUST_USE bool binary_mime_feed(struct binary_mime *b, struct slice in, struct buf *out);
/* The message is over: appends the rest, and CRLF where the last line has none. */
MUST_USE bool binary_mime_end(struct binary_mime *b, struct buf *out);
#endif
