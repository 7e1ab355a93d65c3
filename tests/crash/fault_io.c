/* tests/crash/fault_io.c - the spool's system calls (spool/io.h) over a disk that fails when the
 * test says so, in all processes of a server; and a log from which the test tells what a power cut
 * would have left. tests/crash/faults.py steers it and says what the fields mean; the program
 * postern-fault has this in place of spool/io.c.
 *
 * Shared  one file (POSTERN_FAULT) mapped before the first fork. Without it: as spool/io.c.
 * Lock    of the mapping, robust: its holder may be killed. Held over a call, not over a wait.
 * Log     only what was done; a call that was cut off by kill -9 may be missing, so rounds that look at
 *         the log kill nothing but all. Errors abort: this is a test. */
#include "spool/io.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum call {
    OPEN = 1,
    WRITE = 2,
    SYNC = 4,
    SYNC_DIR = 8,
    RENAME = 16,
    UNLINK = 32,
    SIZE = 64
};
enum { LOG_AT = 4096, SYNC_DELAY_US = 2000 };

struct shared { /* the same in faults.py */
    _Atomic uint64_t mask, every, error,
        cut_short; /* every nth call of mask fails, 1: each */
    _Atomic uint64_t cut_at, cut, calls, hits;
    _Atomic uint64_t log_on, log_used, log_room, matching;
    pthread_mutex_t mutex;
};
struct entry {
    uint64_t kind, ino, off, len; /* then len octets, padded to 8 */
};

static struct shared *f;

static void must(bool ok)
{
    if (!ok) {
        perror("fault_io");
        abort();
    }
}

__attribute__((constructor)) static void map_shared(void)
{
    const char *path = getenv("POSTERN_FAULT");
    if (path == NULL) {
        return;
    }
    struct stat st;
    pthread_mutexattr_t attr;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    must(fd >= 0 && fstat(fd, &st) == 0 && st.st_size > LOG_AT);
    f = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    must(f != MAP_FAILED);
    (void)close(fd);
    f->log_room = (uint64_t)st.st_size - LOG_AT;
    must(pthread_mutexattr_init(&attr) == 0 &&
         pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) == 0 &&
         pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST) == 0 &&
         pthread_mutex_init(&f->mutex, &attr) == 0);
}

static void lock(void)
{
    if (f != NULL && pthread_mutex_lock(&f->mutex) == EOWNERDEAD) {
        must(pthread_mutex_consistent(&f->mutex) == 0);
    }
}

static void unlock(void)
{
    if (f != NULL) {
        int saved = errno;
        (void)pthread_mutex_unlock(&f->mutex);
        errno = saved;
    }
}

/* With the lock held: 0 go on, -1 fail with errno. *less: a part only (writes). */
static int order(enum call call, bool *less)
{
    if (f == NULL) {
        return 0;
    }
    uint64_t n = ++f->calls;
    if (f->cut_at != 0 && n >= f->cut_at) {
        f->cut = 1;
    }
    if (f->cut != 0) {
        errno = EIO;
        return -1;
    }
    uint64_t every = f->every;
    if (every == 0 || (f->mask & call) == 0 || ++f->matching % every != 0) {
        return 0;
    }
    f->hits++;
    if (less != NULL && f->cut_short != 0) {
        *less = true;
        return 0;
    }
    errno = (int)f->error;
    return -1;
}

static void log_entry(enum call kind, bool failed, uint64_t ino, uint64_t off,
                      const struct iovec *iov, size_t len)
{
    if (f == NULL || f->log_on == 0) {
        return;
    }
    uint64_t used = f->log_used;
    size_t room = sizeof(struct entry) + (len + 7) / 8 * 8;
    must(used + room <= f->log_room);
    unsigned char *at = (unsigned char *)f + LOG_AT + used;
    struct entry e = {(uint64_t)kind | (failed ? 256U : 0U), ino, off, len};
    memcpy(at, &e, sizeof e);
    for (size_t have = 0; have < len; iov++) {
        size_t n = iov->iov_len < len - have ? iov->iov_len : len - have;
        memcpy(at + sizeof e + have, iov->iov_base, n);
        have += n;
    }
    f->log_used = used + room;
}

static uint64_t inode(int fd)
{
    struct stat st;
    must(fstat(fd, &st) == 0);
    return st.st_ino;
}

static void log_names(enum call kind, uint64_t ino, const char *from, const char *to)
{
    struct iovec iov[2] = {{(void *)(uintptr_t)from, strlen(from) + 1},
                           {(void *)(uintptr_t)to, strlen(to) + 1}};
    log_entry(kind, false, ino, 0, iov, iov[0].iov_len + iov[1].iov_len);
}

int spool_io_open(int dir, const char *name, int flags)
{
    lock();
    int fd = order(OPEN, NULL) == 0 ? openat(dir, name, flags | O_CLOEXEC, 0600) : -1;
    if (fd >= 0 && f != NULL && (flags & O_CREAT) != 0) {
        log_names(OPEN, inode(fd), "", name);
    }
    unlock();
    return fd;
}

ssize_t spool_io_pwritev(int fd, const struct iovec *iov, int n, off_t off)
{
    bool less = false;
    ssize_t done = -1;
    lock();
    if (order(WRITE, &less) == 0) {
        struct iovec half = {iov[0].iov_base, (iov[0].iov_len + 1) / 2};
        done = less ? pwritev(fd, &half, 1, off) : pwritev(fd, iov, n, off);
        if (done > 0 && f != NULL) {
            log_entry(WRITE, false, inode(fd), (uint64_t)off, iov, (size_t)done);
        }
    }
    unlock();
    return done;
}

static int sync_file(int fd, enum call kind, int (*sync)(int))
{
    if (f == NULL) {
        return sync(fd);
    }
    /* What was written before the call is on disk after it; between them others write. */
    static const struct timespec delay = {0, SYNC_DELAY_US * 1000L};
    lock();
    uint64_t covered = f->log_used;
    int res = order(kind, NULL);
    bool failed = res != 0 && f->cut == 0;
    unlock();
    if (res == 0) {
        (void)nanosleep(&delay, NULL);
    }
    lock();
    if (f->cut != 0) {
        errno = EIO;
        res = -1;
    } else {
        log_entry(kind, failed, inode(fd), covered, NULL, 0);
        errno = failed ? (int)f->error : errno;
    }
    unlock();
    return res;
}

int spool_io_fdatasync(int fd)
{
    return sync_file(fd, SYNC, fdatasync);
}

int spool_io_fsync(int fd)
{
    return sync_file(fd, SYNC_DIR, fsync);
}

int spool_io_rename(int dir, const char *from, const char *to)
{
    lock();
    int res = order(RENAME, NULL) == 0 ? renameat(dir, from, dir, to) : -1;
    if (res == 0) {
        log_names(RENAME, 0, from, to);
    }
    unlock();
    return res;
}

int spool_io_unlink(int dir, const char *name)
{
    lock();
    int res = order(UNLINK, NULL) == 0 ? unlinkat(dir, name, 0) : -1;
    if (res == 0) {
        log_names(UNLINK, 0, name, "");
    }
    unlock();
    return res;
}

static int set_size(int fd, off_t len, bool grow)
{
    lock();
    int res = -1;
    if (order(SIZE, NULL) == 0) {
        res = grow ? fallocate(fd, 0, 0, len) : ftruncate(fd, len);
    }
    if (res == 0 && f != NULL) {
        struct stat st;
        must(fstat(fd, &st) == 0);
        log_entry(SIZE, false, st.st_ino, (uint64_t)st.st_size, NULL, 0);
    }
    unlock();
    return res;
}

int spool_io_ftruncate(int fd, off_t len)
{
    return set_size(fd, len, false);
}

int spool_io_fallocate(int fd, off_t len)
{
    return set_size(fd, len, true);
}

void spool_io_start(int fd, off_t off, off_t len)
{
    (void)fd, (void)off, (void)len;
}
