/* message/yenc.h - lines of a file that stands yEnc-encoded in a text.
 *
 * Source  the yEnc draft 1.3: "=ybegin line=128 size=123 name=FILE" (of a part of several: "part=1 ..." before),
 *         perhaps "=ypart", lines of octets 42 too high, "=yend".
 * Pure. */
#ifndef MESSAGE_YENC_H
#define MESSAGE_YENC_H
#include "base/slice.h"

/* Is it "=ybegin ..."? Then its name. */
MUST_USE bool yenc_begin(struct slice line, struct slice *name);
/* Is it another of its keyword lines? */
MUST_USE bool yenc_is_keyword(struct slice line);
MUST_USE bool yenc_is_end(struct slice line);
/* Octets of a line into out, which has room for line.len; how many. */
MUST_USE size_t yenc_decode(struct slice line, unsigned char *out);
#endif
