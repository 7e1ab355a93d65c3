/* directory/maildirsize.h - how much a Maildir++ holds, by its own account (pure).
 *
 * Source  the Maildir++ quota file: the first line is the quota ("1000000S,100C"),
 *         each further line "octets count", negative for what was removed; the sums
 *         are what is there.
 * Format  lines end in LF; a last line without one is being written at this moment
 *         and does not count. A line that is no two numbers does not count either.
 * Errors  none: a sum below 0 reads as 0 (the file is behind), above 64 bits as the
 *         most. */
#ifndef DIRECTORY_MAILDIRSIZE_H
#define DIRECTORY_MAILDIRSIZE_H
#include "base/slice.h"

struct maildirsize {
    uint64_t octets, messages;
    unsigned wrong_n; /* lines that did not count, the unfinished one left out */
};

MUST_USE struct maildirsize maildirsize_read(struct slice file);
#endif
