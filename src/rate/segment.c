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
    struct rate_table *t = rate_attach(memory, *octets);
    if (t == NULL) {
        (void)munmap(memory, *octets);
        errno = EINVAL;
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
