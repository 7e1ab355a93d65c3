/* base/json.h - untrusted octets as a JSON string (RFC 8259 7), in ASCII. Pure.
 *
 * Valid UTF-8 comes back as it was; beyond ASCII it is written as \uXXXX, so that neither a
 * terminal nor a reader with other ideas of UTF-8 can be fooled. An octet that is no UTF-8
 * becomes U+FFFD: JSON cannot say it. */
#ifndef BASE_JSON_H
#define BASE_JSON_H
#include "base/buf.h"

/* With the quotes around it. Returns !b->failed. */
bool json_add_string(struct buf *b, struct slice s);
#endif
