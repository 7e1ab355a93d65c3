/* rate/snapshot.h - a rate table on disk: the directory role writes one every half minute, the supervisor
 * reads it when it makes the table, so that a restart forgets little.
 *
 * Format  "PRATE002", 16 octets hash key, then blocks: u32 n (1 to SNAPSHOT_BLOCK), n slots of
 *         RATE_SLOT_OCTETS, u32 CRC-32C of n and slots; a block with n 0 ends it. Numbers as the
 *         machine has them: the file does not travel.
 * I/O     the writer writes NAME.new in pieces, and renames it to NAME when it is whole; the disk is asked
 *         to begin with each piece at once, so that no step waits long for it.
 * Errors  what cannot be read is left out: a file that ends early counts up to there. */
#ifndef RATE_SNAPSHOT_H
#define RATE_SNAPSHOT_H
#include "rate/table.h"

enum { SNAPSHOT_BLOCK = 512, SNAPSHOT_PATH_MAX = 4300 };

/* The hash key of the file; false: there is none that can be used. */
MUST_USE bool snapshot_hash_key(const char *path, uint64_t out[2]);
/* Loads what fits into a table of that hash key. Returns how many keys; *broken: it did not end
 * as it should. */
size_t snapshot_load(const char *path, struct rate_table *t, uint64_t now_us,
                     bool *broken);

struct snapshot {
    char path[SNAPSHOT_PATH_MAX], new_path[SNAPSHOT_PATH_MAX];
    int fd; /* -1: none is being written */
    size_t at, keys;
};
/* False: the path is too long. */
MUST_USE bool snapshot_init(struct snapshot *s, const char *path);
enum snapshot_res { SNAPSHOT_MORE = 0, SNAPSHOT_DONE, SNAPSHOT_FAILED };
/* One piece, of so many slots of the table; begins anew after SNAPSHOT_DONE and SNAPSHOT_FAILED (errno
 * says why). */
MUST_USE enum snapshot_res snapshot_step(struct snapshot *s, const struct rate_table *t,
                                         size_t slots);
void snapshot_clear(struct snapshot *s); /* what is half written goes */
#endif
