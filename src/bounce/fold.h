/* bounce/fold.h - one UTF-8 character in its plainest form.
 *
 * Pure    no I/O, no allocation, no locale.
 * Source  Unicode's names of the characters: letters lose their accents (é e, ß ss, ł l), case goes
 *         (Latin, Greek, Cyrillic), full-width forms become ASCII, typographic quotes, dashes,
 *         blanks and full stops the ASCII ones, invisible and combining characters nothing. */
#ifndef BOUNCE_FOLD_H
#define BOUNCE_FOLD_H
#include "base/slice.h"

enum { BOUNCE_FOLD_MAX = 4 };

/* s.len > 0. Returns how many octets of s the character takes (at least 1); *n octets of it
 * are in out, 0 where it vanishes. An octet that is no UTF-8 becomes a blank. */
MUST_USE size_t bounce_fold(struct slice s, unsigned char out[BOUNCE_FOLD_MAX],
                            size_t *n);
#endif
