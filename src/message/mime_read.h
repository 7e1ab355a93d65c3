/* message/mime_read.h - a whole message in memory, taken apart: parts, fields, text.
 *
 * Source  RFC 2045, 2046 (entities, boundaries, transfer encodings), 2047 (encoded words),
 *         2231 (parameters), 5322 2.2 (fields); LF and CRLF line ends alike.
 * Pure    octets in, slices over them out. Conversion of charsets beyond UTF-8, US-ASCII,
 *         ISO-8859-1 and Windows-1252 is the caller's (struct mime_charset), since the C library
 *         reads files for it.
 * Own     parts, fields and values borrow from the message; text that had to be decoded lies
 *         in the caller's buffer.
 * Lenient what is broken is read as far as it makes sense: a boundary that is missing or was
 *         announced wrongly is looked for, what follows the last good part is kept. There is no
 *         input that is an error.
 * Limits  MIME_PARTS_MAX parts, MIME_DEPTH_MAX entities within each other; the rest stays one
 *         part. Time is linear in octets times depth.
 * BUGS    an attached message in base64 is a leaf: decode it and read it as a message. */
#ifndef MESSAGE_MIME_READ_H
#define MESSAGE_MIME_READ_H
#include "message/decode.h"
#include "message/params.h"

enum { MIME_PARTS_MAX = 64, MIME_DEPTH_MAX = 8 };

struct mime_part {
    struct slice header, body; /* as in the message; header without its blank line */
    struct slice type;         /* "text/plain" where none is stated */
    struct slice params;       /* of Content-Type, with the first ';' */
    enum mime_encoding encoding;
    unsigned depth;  /* 0: the message itself */
    unsigned parent; /* index; 0 for the message itself */
    bool is_message; /* header is that of a message, not only of a part */
    bool has_parts;  /* the body is made of the parts that follow */
};

struct mime_message {
    struct mime_part part[MIME_PARTS_MAX]; /* in the order of the message */
    unsigned n;                            /* at least 1 */
};

void mime_read(struct slice message, struct mime_message *out);

/* type: "text/plain", or "text/" with a star behind it. Without regard to case. */
MUST_USE bool mime_is(const struct mime_part *part, const char *type);

/* --- fields --- */

struct mime_field {
    struct slice name, value; /* value: all its lines, as they are */
};

/* Takes the next field off *header; false at its end. Lines that are no field are skipped. */
MUST_USE bool mime_field_next(struct slice *header, struct mime_field *out);
/* The first field of that name, without regard to case. */
MUST_USE bool mime_field_find(struct slice header, const char *name, struct slice *value);
/* Appends the value on one line: folds and runs of blanks become one blank. */
bool mime_unfold(struct slice value, struct buf *out);

/* Splits header section and body; for text that does not begin with a field the header is
 * empty. First lines "From ..." (mbox) are skipped. */
void mime_split(struct slice message, struct slice *header, struct slice *body);

/* --- text --- */

/* Appends `in` as UTF-8; false: the charset is unknown or the octets do not fit it. What was
 * appended before a failure does not matter. convert may be NULL. */
struct mime_charset {
    bool (*convert)(void *arg, struct slice charset, struct slice in, struct buf *out);
    void *arg;
};

/* Undoes the transfer encoding; appends octets. */
bool mime_decode(const struct mime_part *part, struct buf *out);

/* Appends octets of that charset as UTF-8; where that cannot be done, ASCII stays and each
 * other octet that is no UTF-8 becomes U+FFFD. */
bool mime_to_utf8(struct slice charset, struct slice in,
                  const struct mime_charset *convert, struct buf *out);

/* The body as UTF-8. *text is a slice over the message where nothing had to be done, else over
 * what was appended to `store` (so valid until that changes). */
bool mime_text(const struct mime_part *part, const struct mime_charset *convert,
               struct buf *store, struct slice *text);

/* Appends a field's value on one line, its encoded words decoded. */
bool mime_words(struct slice value, const struct mime_charset *convert, struct buf *out);

/* Appends the text of HTML: tags dropped, blocks and breaks on lines of their own, entities
 * decoded; scripts, styles and comments left out. */
bool mime_html_text(struct slice html, struct buf *out);
#endif
