/* spool/io_fault.h - a disk that fails, and one that loses its power. Test programs link
 * io_fault.c in place of io.c; without orders it does what io.c does.
 *
 * Calls   every function of io.h counts as one, whatever thread it comes from.
 * Cut     from the chosen call on the machine is off: calls fail and change nothing. Then
 *         fault_survivors() writes what a disk may hold after that: all that was synced; of
 *         the other writes any sectors of 512 octets; of names made, changed and removed
 *         since the last fsync of a directory a first part. A file whose sync failed has
 *         lost any part of what was to be synced, for good, although it reads well until
 *         the power fails. */
#ifndef SPOOL_IO_FAULT_H
#define SPOOL_IO_FAULT_H
#include "base/slice.h"

enum fault_kind {
    FAULT_ERROR = 0,
    FAULT_SHORT /* a write of a part; other calls: an error */
};

void fault_none(void); /* no fault ordered; count from 0; simulation off */
/* The call number nth from now (1: the next) and those after it, count in all, fail. */
void fault_order(unsigned long nth, unsigned long count, enum fault_kind kind, int error);
unsigned long fault_calls(void);
unsigned long fault_hits(void); /* calls that were made to fail */

/* Begins to watch that directory (and its bad/): all that is there is durable. */
void fault_watch(const char *dir, uint64_t seed);
void fault_cut_at(unsigned long nth); /* from now; 0: now */
bool fault_is_cut(void);
/* Into a new directory. Ends the watch. */
void fault_survivors(const char *to);
#endif
