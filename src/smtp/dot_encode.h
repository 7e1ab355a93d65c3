/* smtp/dot_encode.h - a message as it goes over the wire after 354.
 *
 * Source  RFC 5321 4.5.2 (transparency), 2.3.8 (CR and LF only as CRLF), 4.1.1.4.
 * Pure    what comes out does not depend on how the input is cut.
 * Holds   on the wire no CR without LF and no LF without CR; each line that begins with "."
 *         has another one in front; the first CRLF.CRLF is the end. A bare CR or LF in the
 *         input becomes CRLF first (its next octet begins a line), `mended` counts them.
 * Limits  out grows by at most 2 * in.len + 2 octets per call, 5 at the end. */
#ifndef SMTP_DOT_ENCODE_H
#define SMTP_DOT_ENCODE_H
#include "base/buf.h"

struct dot_encoder {
    bool cr;         /* a CR came last, its LF did not */
    bool in_line;    /* something stands on this line already */
    uint64_t mended; /* bare CR or LF made CRLF */
};
enum { DOT_ENCODE_END_MAX = 5 };

/* {0} is a fresh encoder. */
void dot_encode_add(struct dot_encoder *d, struct slice in, struct buf *out);
/* Ends the last line if need be, then ".\r\n"; the encoder is fresh again. */
void dot_encode_end(struct dot_encoder *d, struct buf *out);
#endif
