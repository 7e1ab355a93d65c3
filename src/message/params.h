/* message/params.h - parameters of Content-Type and Content-Disposition; names of files in them.
 *
 * Source  RFC 2045 5.1 (parameters), 2183 2.3 (filename), 2231 3, 4 (continuations, charsets),
 *         2047 5 (encoded words, which may not stand here and do).
 * Pure    octets in; names come as UTF-8 where their charset is known (mime_to_utf8()).
 * Lenient what mail readers take for a name is one, whether the grammar allows it or not: all
 *         readings of a field are candidates.
 * Limits  MIME_NAMES_MAX names of one entity; MIME_SECTIONS_MAX continuations of one name. */
#ifndef MESSAGE_PARAMS_H
#define MESSAGE_PARAMS_H
#include "base/buf.h"

enum {
    MIME_NAMES_MAX = 16,
    MIME_NAME_MAX = 4096, /* octets of one name, decoded */
    MIME_SECTIONS_MAX = 64
};

/* --- what stands before them --- */

/* Takes a token off the front, blanks and comments around it included: what stands before a blank, comment,
 * ';' or '/'. Appended in lower case, without quotes. */
void mime_take_token(struct slice *s, struct buf *out);
/* "type/subtype" of a Content-Type; returns what stands behind it. valid: both are there. */
struct slice mime_take_type(struct slice value, struct buf *out, bool *valid);

/* --- parameters --- */

struct mime_param {
    struct slice name;  /* as written: "filename", "filename*0*" */
    struct slice value; /* as written, with its quotes; unquoted: up to ';' or a blank */
    struct slice long_value; /* unquoted: up to ';', blanks included; else as value */
};

/* Takes the next parameter off *params (what stands behind the field's first ';', or from it
 * on); false at the end. Comments are skipped, and what has no '='. */
MUST_USE bool mime_param_next(struct slice *params, struct mime_param *out);
/* Appends a value with its quotes, quoting backslashes and line ends taken off. */
bool mime_unquote(struct slice value, struct buf *out);
/* Parameter `name`, e.g. "charset", its continuations joined; appends its value. Said twice: the
 * first holds. */
bool mime_param(struct slice params, const char *name, struct buf *out);

/* --- names of files --- */

struct mime_names {
    struct {
        size_t at, len;
    } item[MIME_NAMES_MAX]; /* in octets */
    unsigned n;
    bool dropped; /* there were more, or longer ones */
    bool differ;  /* continuations are missing or said twice: readers will differ */
    struct buf octets;
};

void mime_names_init(struct mime_names *names);
void mime_names_reset(struct mime_names *names);
void mime_names_clear(struct mime_names *names);

/* Adds what parameters "filename" and "name" may be read as; none twice. */
void mime_names_add(struct mime_names *names, struct slice params);
/* Adds one as it is. */
void mime_names_put(struct mime_names *names, struct slice name);
/* Valid until the next change. */
MUST_USE struct slice mime_name(const struct mime_names *names, unsigned i);
#endif
