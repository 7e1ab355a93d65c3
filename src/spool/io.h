/* spool/io.h - every system call of the spool that changes the disk, and no other.
 *
 * Here so that tests can put a failing disk or a power cut in their place (io_fault.c; only
 * test programs link it). Reading needs no such layer.
 *
 * I/O     blocking. Results as of the system call: -1 and errno.
 * Limits  spool_io_pwritev(): at most SPOOL_IOV_MAX pieces. */
#ifndef SPOOL_IO_H
#define SPOOL_IO_H
#include "base/slice.h"

#include <sys/types.h>
#include <sys/uio.h>

enum { SPOOL_IOV_MAX = 1024 };

/* flags as of open(2), close-on-exec added; new files get mode 0600. */
MUST_USE int spool_io_open(int dir, const char *name, int flags);
MUST_USE ssize_t spool_io_pwritev(int fd, const struct iovec *iov, int n, off_t off);
MUST_USE int spool_io_fdatasync(int fd);
MUST_USE int spool_io_fsync(int fd); /* of a directory: makes its names durable */
MUST_USE int spool_io_rename(int dir, const char *from, const char *to);
MUST_USE int spool_io_unlink(int dir, const char *name);
MUST_USE int spool_io_ftruncate(int fd, off_t len);
MUST_USE int spool_io_fallocate(int fd, off_t len); /* room for and size of len octets */
/* Starts writing out what lies there, waits for nothing, promises nothing. */
void spool_io_start(int fd, off_t off, off_t len);

/* What is to be written, in the form that the calls want. */
MUST_USE static inline struct iovec spool_iov(struct slice s)
{
    const union {
        const unsigned char *in;
        void *out;
    } base = {s.ptr}; /* they do not write to it */
    return (struct iovec){base.out, s.len};
}

/* All pieces, however many, whatever short writes come between (io_all.c). iov is used
 * up. */
MUST_USE bool spool_io_write_all(int fd, struct iovec *iov, size_t n, uint64_t off);
#endif
