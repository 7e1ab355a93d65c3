/* base/base32.h - base32 for names that lose their case on the way.
 *
 * Source  RFC 4648 6, in lower case and without padding; decoding takes either case and refuses
 *         everything else, bits that are not zero behind the last octet too, so that one string
 *         of octets has one encoding.
 * Pure. */
#ifndef BASE_BASE32_H
#define BASE_BASE32_H
#include "base/buf.h"

#define BASE32_LEN(n) (((n)*8 + 4) / 5) /* of n octets, encoded */

/* Appends; false: b->failed. */
bool base32_encode(struct buf *b, struct slice s);
/* Into out[n]; false: s is not n octets in base32. */
MUST_USE bool base32_decode(struct slice s, unsigned char *out, size_t n);
#endif
