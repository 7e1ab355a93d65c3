/* spool/io.c - see io.h */
#include "spool/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int spool_io_open(int dir, const char *name, int flags)
{
    return openat(dir, name, flags | O_CLOEXEC, 0600);
}

ssize_t spool_io_pwritev(int fd, const struct iovec *iov, int n, off_t off)
{
    return pwritev(fd, iov, n, off);
}

int spool_io_fdatasync(int fd)
{
    return fdatasync(fd);
}

int spool_io_fsync(int fd)
{
    return fsync(fd);
}

int spool_io_rename(int dir, const char *from, const char *to)
{
    return renameat(dir, from, dir, to);
}

int spool_io_unlink(int dir, const char *name)
{
    return unlinkat(dir, name, 0);
}

int spool_io_ftruncate(int fd, off_t len)
{
    return ftruncate(fd, len);
}

int spool_io_fallocate(int fd, off_t len)
{
    return fallocate(fd, 0, 0, len);
}

void spool_io_start(int fd, off_t off, off_t len)
{
    (void)sync_file_range(fd, off, len, SYNC_FILE_RANGE_WRITE);
}
