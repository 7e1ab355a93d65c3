/* spool/io_all.c - see io.h: the part that is no system call. */
#include "spool/io.h"

#include <errno.h>

/* Drops the first done octets; false when nothing is left. */
static bool advance(struct iovec **iov, size_t *n, size_t done)
{
    while (*n > 0 && done >= (*iov)->iov_len) {
        done -= (*iov)->iov_len;
        (*iov)++;
        (*n)--;
    }
    if (*n > 0) {
        (*iov)->iov_base = (char *)(*iov)->iov_base + done;
        (*iov)->iov_len -= done;
    }
    return *n > 0;
}

bool spool_io_write_all(int fd, struct iovec *iov, size_t n, uint64_t off)
{
    bool more = advance(&iov, &n, 0);
    while (more) {
        int count = n < SPOOL_IOV_MAX ? (int)n : SPOOL_IOV_MAX;
        ssize_t done = spool_io_pwritev(fd, iov, count, (off_t)off);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done == 0) {
            errno = ENOSPC; /* a disk that takes nothing and says nothing */
        }
        if (done <= 0) {
            return false;
        }
        off += (uint64_t)done;
        more = advance(&iov, &n, (size_t)done);
    }
    return true;
}
