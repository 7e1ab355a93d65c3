/* spool/scan.h - reads the records of a segment, one after the other, whatever it holds.
 *
 * I/O     reads the file in large pieces; writes nothing.
 * Limits  a place where no record reads is one of enum scan_bad; the scan goes on behind it
 *         at the next record that reads. */
#ifndef SPOOL_SCAN_H
#define SPOOL_SCAN_H
#include "spool/record.h"

enum { SCAN_WINDOW = 4 * 1024 * 1024 }; /* octets read at once */

enum scan_mode {
    SCAN_HELD,   /* a writer is at work: stop at the first place where no record begins */
    SCAN_LEFT,   /* its writer is gone: the end is to be found */
    SCAN_SEALED, /* all up to limit was on disk */
};

enum scan_bad {
    /* Begun and not ended at the end of a segment whose writer is gone: the last group of
     * records was being written. Nobody was told that they are on disk. */
    SCAN_CUT,
    /* The same, or damage, with good records of the same group behind it. */
    SCAN_TORN,
    SCAN_DAMAGED, /* it was on disk when later records were written, or when it was sealed
                   */
};

struct scan_ops {
    /* False: the message is of no interest, its body need not be checked. */
    bool (*wanted)(void *arg, struct message_id id);
    void (*record)(void *arg, uint64_t offset, const struct spool_header *h,
                   struct slice envelope);
    void (*bad)(void *arg, uint64_t from, uint64_t to, enum scan_bad how);
};

struct scan {
    unsigned char *window; /* SCAN_WINDOW octets, of the caller */
    int fd;
    uint64_t segment;
    uint64_t window_off;
    size_t window_len;
    unsigned read_errors; /* pages that the disk refused, read as zeros */
};

/* Where the records end: after the last good one, or `from`. The caller sets window, fd
 * and segment, the rest is 0. limit: no more than the size of the file. */
MUST_USE uint64_t scan_run(struct scan *sc, uint64_t from, uint64_t limit,
                           enum scan_mode mode, const struct scan_ops *ops, void *arg);

/* One record: header read and, with body, all its octets checked. envelope may be NULL.
 * Its octets live in the window until the next call. */
MUST_USE bool scan_record(struct scan *sc, uint64_t off, uint64_t limit, bool body,
                          struct spool_header *h, struct slice *envelope);
/* Octets of the file, at most SCAN_WINDOW; in the window until the next call. */
MUST_USE struct slice scan_octets(struct scan *sc, uint64_t off, size_t n,
                                  uint64_t limit);
#endif
