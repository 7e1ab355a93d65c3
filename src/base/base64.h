/* base/base64.h - base64, strictly.
 *
 * Source  RFC 4648 4: the standard alphabet, padded; decoding refuses everything else:
 *         missing or surplus padding, bits that are not zero behind the last octet, blanks
 *         (RFC 4648 3.3, 3.5), so that one string of octets has one encoding.
 * Pure. */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H
#include "base/buf.h"

#define BASE64_LEN(n)    (((n) + 2) / 3 * 4) /* of n octets, encoded */
#define BASE64_OCTETS(n) ((n) / 4 * 3)       /* that n characters stand for at most */

/* Appends; false: b->failed. */
bool base64_encode(struct buf *b, struct slice s);

/* Into out[cap]; false: s is not base64, or its octets do not fit. */
MUST_USE bool base64_decode(struct slice s, unsigned char *out, size_t cap, size_t *len);
#endif
