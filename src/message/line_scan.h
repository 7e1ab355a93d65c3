/* message/line_scan.h - the lines of a message as it goes by: how long they are, and NUL in them.
 *
 * Source  RFC 5322 2.1.1 ("Each line of characters MUST be no more than 998 characters"), 4.1 (NUL
 *         is obsolete and must not be made).
 * Pure    octets in, counts out.
 * Input   CRLF line ends only (what smtp/dot_decode.h lets through).
 * Split   what is found does not depend on how the input is cut. */
#ifndef MESSAGE_LINE_SCAN_H
#define MESSAGE_LINE_SCAN_H
#include "base/slice.h"

/* All zero to begin with. Lines are counted from 1; lengths are without CRLF. */
struct line_scan {
    uint64_t ended;                 /* lines so far */
    uint64_t len;                   /* of the line that is not ended, its CR included */
    uint64_t longest, longest_line; /* among the ended ones; 0: none */
    uint64_t nul_line;              /* the first with a NUL in it; 0: none */
};

void line_scan_feed(struct line_scan *s, struct slice in);
#endif
