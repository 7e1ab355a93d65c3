/* filter/field.h - a header field as a filter names it, as one field of a message.
 *
 * Pure    strings in, octets out. Whatever the value holds, exactly one field comes of it: a line end is a
 *         fold, several in a row are one, other control octets are '?'.
 * Errors  false: the name is none (RFC 5322 3.6.8), nothing was added; or out->failed, and out->len is
 *         as it was. */
#ifndef FILTER_FIELD_H
#define FILTER_FIELD_H
#include "base/buf.h"

MUST_USE bool filter_is_name(struct slice name);
/* space: one stands between the colon and the value, unless the value begins with one. */
bool filter_field(struct buf *out, struct slice name, struct slice value, bool space);
#endif
