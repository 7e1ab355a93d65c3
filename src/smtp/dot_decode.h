/* smtp/dot_decode.h - the octets after 354, up to the end of the message.
 *
 * Source  RFC 5321 2.3.8, 4.1.1.4, 4.5.2: only CRLF.CRLF ends; a leading dot goes.
 * Pure    octets in, spans of the same octets out (nothing is copied).
 * Strict  a CR without LF or a LF without CR stops with DOT_BARE_EOL (smuggling); with
 *         lenient a bare LF counts as CRLF inside a line (never in front of or behind the
 *         final dot), a bare CR never.
 * Split   the spans joined and the final answer do not depend on how the input is cut. */
#ifndef SMTP_DOT_DECODE_H
#define SMTP_DOT_DECODE_H
#include "base/slice.h"

enum dot_state { DOT_LINE_START = 0, DOT_DOT, DOT_DOT_CR, DOT_TEXT, DOT_CR };

struct dot_decoder {
    enum dot_state state; /* zero: at the start of the message, after the CRLF of DATA */
    bool lenient;
    bool raw; /* a BDAT chunk: no dots, no end; only the line ends are watched */
};

enum dot_res {
    DOT_SPAN = 0, /* *out is message text; call again with what is left */
    DOT_MORE,     /* all of *in is used up */
    DOT_END,      /* CRLF.CRLF seen: *in starts after it */
    DOT_BARE_EOL, /* refuse the message; *in was not advanced past the fault */
};

/* Takes from the front of *in. To undo a call, restore *d and *in from copies. Spans may be literals of this module (lenient CRLFs). */
MUST_USE enum dot_res dot_decode(struct dot_decoder *d, struct slice *in,
                                 struct slice *out);
#endif
