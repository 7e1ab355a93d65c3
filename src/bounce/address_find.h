/* bounce/address_find.h - mail addresses inside running text.
 *
 * Source  RFC 5321 4.1.2 (Mailbox), 6531 (UTF-8 in it).
 * Pure. Slices point into the text. */
#ifndef BOUNCE_ADDRESS_FIND_H
#define BOUNCE_ADDRESS_FIND_H
#include "base/slice.h"

struct address_found {
    struct slice address;
    size_t off, end; /* with the angle brackets or quotes around it */
};

/* The first address at or behind `from`. */
MUST_USE bool address_find(struct slice text, size_t from, struct address_found *out);

/* All of s is one address, perhaps in angle brackets: without them, and without a source
 * route ("@relay:user@host"). */
MUST_USE bool address_bare(struct slice s, struct slice *out);
#endif
