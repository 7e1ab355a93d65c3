/* rate/segment.h - the memory of a rate table, shared by the processes of a server.
 *
 * I/O     memfd_create, fallocate (memory that is short is short at the start), mmap with all
 *         pages (no message pays for the first use of one), fcntl (seals: it can neither shrink nor grow, so no
 *         access can fault), mmap. The supervisor makes it once and keeps it while roles come and go; roles
 *         map the descriptor that they inherit before their sandbox closes.
 * Trust   a role that is taken over can write anything into the slots, and so wrong counts; nothing that
 *         another role would read or write elsewhere by. The head is each process's own copy. */
#ifndef RATE_SEGMENT_H
#define RATE_SEGMENT_H
#include "rate/table.h"

/* A segment with an empty table in it; its descriptor, -1: errno says why. hash_key: NULL, a new one. */
MUST_USE int segment_create(size_t octets, const uint64_t hash_key[2]);
/* NULL: errno says why (EINVAL: not such a segment). Unmap it with segment_unmap(). */
MUST_USE struct rate_table *segment_map(int fd, size_t *octets);
void segment_unmap(struct rate_table **t, size_t octets);
#endif
