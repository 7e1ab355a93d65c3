/* base/prose.h - text that people read: how wide it is, where its lines break, values for its holes.
 *
 * Source  UAX 11 (East Asian Width: wide characters take two columns; ambiguous ones are taken as
 *         narrow, as terminals do), UAX 14 for the rules of breaking that are kept: at blanks, and
 *         beside wide characters, but not before closing nor behind opening marks.
 * Pure.
 * Limits  Combining marks of other scripts than Latin count as a column of their own; a word
 *         longer than the line is not broken. */
#ifndef BASE_PROSE_H
#define BASE_PROSE_H
#include "base/buf.h"

/* Octets of the UTF-8 character that begins s, which is not empty, and its code point; 1 and U+FFFD
 * where none does. */
MUST_USE size_t prose_char(struct slice s, uint32_t *point);

/* Columns that s takes. */
MUST_USE unsigned prose_columns(struct slice s);

/* Takes the next line of at most so many columns off rest, with the blanks behind it; at least a
 * word, so that rest becomes shorter. */
MUST_USE struct slice prose_line(struct slice *rest, unsigned columns);

/* Appends s, and blanks until it is so wide; before it where right is true. */
void prose_pad(struct buf *out, struct slice s, unsigned columns, bool right);

struct prose_value {
    const char *hole; /* with its braces */
    struct slice value;
};

/* Appends text with its holes replaced by these values; a hole that none is for stays. */
void prose_fill(struct buf *out, const char *text, const struct prose_value *values,
                size_t n);
#endif
