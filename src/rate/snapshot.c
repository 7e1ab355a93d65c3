/* rate/snapshot.c - see snapshot.h */
#include "rate/snapshot.h"

#include "base/crc32c.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct head {
    char magic[8];
    uint64_t hash_key[2];
};
static const char magic[8] = {'P', 'R', 'A', 'T', 'E', '0', '0', '2'};

struct block {
    uint32_t n;
    unsigned char slot[SNAPSHOT_BLOCK][RATE_SLOT_OCTETS];
};

static uint32_t sum(const struct block *b)
{
    size_t octets = sizeof b->n + b->n * sizeof b->slot[0];
    return crc32c(0, (struct slice){(const unsigned char *)b, octets});
}

/* --- reading --- */

static bool read_all(int fd, void *to, size_t n)
{
    unsigned char *at = to;
    while (n > 0) {
        ssize_t got = read(fd, at, n);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return false;
        }
        at += got;
        n -= (size_t)got;
    }
    return true;
}

/* -1: there is none. It is read with the supervisor's rights, where somebody else may write. */
static int open_file(const char *path, struct head *h)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd >= 0 &&
        (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || !read_all(fd, h, sizeof *h) ||
         memcmp(h->magic, magic, sizeof magic) != 0)) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

bool snapshot_hash_key(const char *path, uint64_t out[2])
{
    struct head h;
    int fd = open_file(path, &h);
    if (fd < 0) {
        return false;
    }
    (void)close(fd);
    memcpy(out, h.hash_key, sizeof h.hash_key);
    return true;
}

/* False: it is broken. */
static bool read_block(int fd, struct block *b)
{
    uint32_t crc;
    return read_all(fd, &b->n, sizeof b->n) && b->n <= SNAPSHOT_BLOCK &&
           read_all(fd, b->slot, b->n * sizeof b->slot[0]) &&
           read_all(fd, &crc, sizeof crc) && crc == sum(b);
}

size_t snapshot_load(const char *path, struct rate_table *t, uint64_t now_us,
                     bool *broken)
{
    static struct block b;
    struct head h;
    uint64_t hash_key[2];
    size_t keys = 0;
    *broken = false;
    int fd = open_file(path, &h);
    if (fd < 0) {
        return 0;
    }
    rate_hash_key(t, hash_key);
    *broken = memcmp(hash_key, h.hash_key, sizeof hash_key) != 0;
    b.n = 1;
    while (!*broken && b.n > 0) {
        *broken = !read_block(fd, &b);
        for (uint32_t i = 0; !*broken && i < b.n; i++) {
            keys += rate_load(t, b.slot[i], now_us);
        }
    }
    (void)close(fd);
    return keys;
}

/* --- writing --- */

bool snapshot_init(struct snapshot *s, const char *path)
{
    int a = snprintf(s->path, sizeof s->path, "%s", path);
    int b = snprintf(s->new_path, sizeof s->new_path, "%s.new", path);
    s->fd = -1;
    return a > 0 && b > 0 && (size_t)b < sizeof s->new_path;
}

static bool write_all(int fd, const void *from, size_t n)
{
    return file_write(fd, (struct slice){from, n});
}

static bool begin(struct snapshot *s, const struct rate_table *t)
{
    struct head h = {{0}, {0}};
    s->at = s->keys = 0;
    memcpy(h.magic, magic, sizeof magic);
    rate_hash_key(t, h.hash_key);
    s->fd =
        open(s->new_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    return s->fd >= 0 && write_all(s->fd, &h, sizeof h);
}

static bool write_block(struct snapshot *s, struct block *b)
{
    uint32_t crc = sum(b);
    s->keys += b->n;
    return write_all(s->fd, b, sizeof b->n + b->n * sizeof b->slot[0]) &&
           write_all(s->fd, &crc, sizeof crc);
}

static bool end(struct snapshot *s)
{
    bool ok = fdatasync(s->fd) == 0;
    ok = close(s->fd) == 0 && ok;
    s->fd = -1;
    return ok && rename(s->new_path, s->path) == 0;
}

/* The slots up to `until`, in blocks. */
static bool write_slots(struct snapshot *s, const struct rate_table *t, size_t until)
{
    static struct block b;
    bool ok = true;
    b.n = SNAPSHOT_BLOCK;
    while (ok && b.n == SNAPSHOT_BLOCK) {
        b.n = 0;
        while (b.n < SNAPSHOT_BLOCK && rate_save_next(t, &s->at, until, b.slot[b.n])) {
            b.n++;
        }
        ok = b.n == 0 || write_block(s, &b);
    }
    if (ok && until == rate_capacity(t)) {
        b.n = 0;
        ok = write_block(s, &b);
    }
    return ok;
}

enum snapshot_res snapshot_step(struct snapshot *s, const struct rate_table *t,
                                size_t slots)
{
    bool ok = s->fd >= 0 || begin(s, t);
    size_t left = rate_capacity(t) - s->at;
    bool last = slots >= left;
    ok = ok && write_slots(s, t, s->at + (last ? left : slots));
    if (ok && !last) {
        (void)sync_file_range(s->fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* a hint */
        return SNAPSHOT_MORE;
    }
    if (ok && end(s)) {
        return SNAPSHOT_DONE;
    }
    int why = errno;
    snapshot_clear(s);
    errno = why;
    return SNAPSHOT_FAILED;
}

void snapshot_clear(struct snapshot *s)
{
    if (s->fd >= 0) {
        (void)close(s->fd);
        (void)unlink(s->new_path);
        s->fd = -1;
    }
}
