/* rate/segment.c - see segment.h */
#include "rate/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static void *map(int fd, size_t octets, int flags)
{
    void *memory = mmap(NULL, octets, PROT_READ | PROT_WRITE, MAP_SHARED | flags, fd, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static bool prepare(int fd, size_t octets, const uint64_t hash_key[2])
{
    uint64_t key[2];
    if (hash_key != NULL) {
        memcpy(key, hash_key, sizeof key);
    }
    if ((hash_key == NULL && getrandom(key, sizeof key, 0) != (ssize_t)sizeof key) ||
        fallocate(fd, 0, 0, (off_t)octets) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        return false;
    }
    void *memory = map(fd, octets, MAP_POPULATE); /* zeroed here, not where mail waits */
    if (memory == NULL) {
        return false;
    }
    struct rate_table *t = rate_init(memory, octets, key);
    segment_unmap(&t, octets);
    return true;
}

/* Where the slots end stands in the head, and another role that maps the segment may be taken over: this
 * process reads a copy, which nobody changes. */
static bool own_head(void *memory)
{
    unsigned char head[RATE_HEAD_USED];
    memcpy(head, memory, sizeof head);
    void *own = mmap(memory, RATE_HEAD_OCTETS, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (own == MAP_FAILED) {
        return false;
    }
    memcpy(own, head, sizeof head);
    return mprotect(own, RATE_HEAD_OCTETS, PROT_READ) == 0;
}

int segment_create(size_t octets, const uint64_t hash_key[2])
{
    int fd = memfd_create("postern-rate", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && !prepare(fd, octets, hash_key)) {
        int why = errno;
        (void)close(fd);
        errno = why;
        return -1;
    }
    return fd;
}

struct rate_table *segment_map(int fd, size_t *octets)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return NULL;
    }
    if ((size_t)st.st_size < rate_size_for(1)) {
        errno = EINVAL;
        return NULL;
    }
    void *memory = map(fd, (size_t)st.st_size, 0);
    if (memory == NULL) {
        return NULL;
    }
    *octets = (size_t)st.st_size;
    struct rate_table *t = NULL;
    if (own_head(memory)) {
        t = rate_attach(memory, *octets);
        errno = EINVAL;
    }
    if (t == NULL) {
        int why = errno;
        (void)munmap(memory, *octets);
        errno = why;
    }
    return t;
}

void segment_unmap(struct rate_table **t, size_t octets)
{
    if (*t != NULL) {
        (void)munmap(*t, octets);
        *t = NULL;
    }
}
