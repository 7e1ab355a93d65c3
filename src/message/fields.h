/* message/fields.h - the header section of a message in memory, cut into its fields.
 *
 * Source  RFC 5322 2.2 (fields), 2.2.3 (folding), 4.5 (blanks before the colon).
 * Pure    octets in, slices over them out.
 * Input   CRLF line ends (a last line may lack its own).
 * Own     fields borrow from the section.
 * Lenient a line that is neither a field nor the continuation of one ends the section, as an
 *         empty line does (message/head.h sees it the same way). */
#ifndef MESSAGE_FIELDS_H
#define MESSAGE_FIELDS_H
#include "base/slice.h"

struct header_field {
    struct slice raw; /* all of it: name, colon, folds, last CRLF */
    struct slice
        name; /* before the colon and the blanks (SP, HTAB) that may stand before it */
    struct slice value; /* after the colon, folds as they are, without the last CRLF */
    unsigned line;      /* 1: the first of the message */
};

/* Takes the next field off *rest (at first: all of the message, or its header section; *line 1).
 * False: the section is over; *rest then begins at the empty line, the line that is no field, or
 * is empty. */
MUST_USE bool header_field_next(struct slice *rest, unsigned *line,
                                struct header_field *out);
#endif
