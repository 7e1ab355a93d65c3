/* spool/store.c - see store.h: opening and closing, and the table of segments. */
#include "spool/store_internal.h"

#include "base/log.h"
#include "spool/io.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Octets of the lock, far behind any content: open file description locks (fcntl(2)) live
 * and die with the descriptor, in whatever process its copies are. */
static const off_t lock_writer = (off_t)1 << 62, lock_reader = lock_writer + 1;

void store_report(struct spool_store *s, const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    /* A false alarm of clang-tidy 14. NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    s->ops->report(s->arg, text);
}

void store_name(char out[STORE_NAME_MAX], const char *kind, uint64_t number)
{
    (void)snprintf(out, STORE_NAME_MAX, "%s-%016" PRIx64, kind, number);
}

uint64_t store_number(struct spool_store *s)
{
    uint32_t low = 0;
    BUG_ON(getrandom(&low, sizeof low, 0) != (ssize_t)sizeof low);
    return (uint64_t)s->next++ << 32 | low;
}

static void close_fd(int fd)
{
    if (fd >= 0) {
        (void)close(fd);
    }
}

static bool lock_set(int fd, off_t octet, short type)
{
    struct flock fl = {
        .l_type = type, .l_whence = SEEK_SET, .l_start = octet, .l_len = 1};
    return fcntl(fd, F_OFD_SETLK, &fl) == 0;
}

/* Would somebody else's descriptor be in the way of ours? */
static bool lock_taken(int fd, off_t octet)
{
    struct flock fl = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = octet, .l_len = 1};
    return fcntl(fd, F_OFD_GETLK, &fl) != 0 || fl.l_type != F_UNLCK;
}

/* ---- the table of segments ---- */

/* The first place whose id is not below. */
static size_t place_of(const struct spool_store *s, uint64_t id)
{
    size_t low = 0, high = s->segment_n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (s->segment[mid]->id < id) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

struct segment *store_find(const struct spool_store *s, uint64_t id)
{
    size_t at = place_of(s, id);
    return at < s->segment_n && s->segment[at]->id == id ? s->segment[at] : NULL;
}

struct segment *store_add(struct spool_store *s, uint64_t id, uint64_t size)
{
    if (s->segment_n == SPOOL_SEGMENTS_MAX) {
        errno = EMFILE;
        return NULL;
    }
    if (s->segment_n == s->segment_cap) {
        size_t cap = s->segment_cap == 0 ? 64 : s->segment_cap * 2;
        struct segment **more = realloc(s->segment, cap * sizeof(struct segment *));
        if (more == NULL) {
            return NULL;
        }
        s->segment = more;
        s->segment_cap = cap;
    }
    struct segment *g = malloc(sizeof *g);
    if (g == NULL) {
        return NULL;
    }
    *g = (struct segment){.id = id, .size = size, .nodes = INDEX_NONE, .fd = -1};
    size_t at = place_of(s, id);
    memmove(&s->segment[at + 1], &s->segment[at],
            (s->segment_n - at) * sizeof(struct segment *));
    s->segment[at] = g;
    s->segment_n++;
    return g;
}

static void forget(struct spool_store *s, struct segment *g)
{
    size_t at = place_of(s, g->id);
    s->segment_n--;
    memmove(&s->segment[at], &s->segment[at + 1],
            (s->segment_n - at) * sizeof(struct segment *));
    s->untold -= g->untold ? 1 : 0;
    index_drop(&s->index, &g->nodes);
    close_fd(g->fd);
    free(g);
}

static int segment_open(const struct spool_store *s, uint64_t id)
{
    char name[STORE_NAME_MAX];
    store_name(name, "segment", id);
    return openat(s->dir, name, O_RDONLY | O_CLOEXEC);
}

bool store_scan_open(struct spool_store *s, struct segment *g)
{
    if (g->fd < 0) {
        g->fd = segment_open(s, g->id);
    }
    s->scan = (struct scan){.window = s->scan.window, .fd = g->fd, .segment = g->id};
    return g->fd >= 0;
}

bool store_writer_lives(struct spool_store *s, struct segment *g)
{
    return store_scan_open(s, g) && lock_taken(g->fd, lock_writer);
}

void store_drop(struct spool_store *s, struct segment *g)
{
    char name[STORE_NAME_MAX], spare[STORE_NAME_MAX];
    store_name(name, "segment", g->id);
    store_name(spare, "spare", g->id);
    if (g->shared && g->size == s->segment_size && s->spare_n < SPOOL_SPARES_MAX &&
        spool_io_rename(s->dir, name, spare) == 0) {
        s->spare[s->spare_n++] = g->id;
    } else if (spool_io_unlink(s->dir, name) != 0 && errno != ENOENT) {
        return; /* spool_store_compact() tries again; its nodes keep the journal complete
                 */
    }
    s->ops->drained(s->arg, g->id);
    forget(s, g);
}

void store_drop_if_idle(struct spool_store *s, struct segment *g)
{
    if (g->sealed && g->live == 0 && !s->read_only) {
        store_drop(s, g);
    }
}

static void tell_end(struct spool_store *s, struct segment *g)
{
    struct buf b;
    buf_init(&b, JOURNAL_ENTRY_MAX);
    journal_write_sealed(&b, &s->journal, g->id, g->end);
    if (!b.failed && journal_append(&s->journal, buf_slice(&b))) {
        g->untold = false;
        s->untold--;
    }
    buf_clear(&b);
}

void store_tell_ends(struct spool_store *s)
{
    for (size_t i = 0; i < s->segment_n && s->untold > 0; i++) {
        if (s->segment[i]->untold) {
            tell_end(s, s->segment[i]);
        }
    }
}

void store_seal(struct spool_store *s, struct segment *g, uint64_t end)
{
    g->sealed = true;
    g->end = end;
    close_fd(g->fd);
    g->fd = -1;
    g->untold = true;
    s->untold++;
    tell_end(s, g);
    store_drop_if_idle(s, g);
}

/* ---- making segments ---- */

/* A drained file that nobody reads any more, under its new name. -1: there is none. */
static int take_spare(struct spool_store *s, const char *name)
{
    for (unsigned i = 0; i < s->spare_n; i++) {
        char spare[STORE_NAME_MAX];
        store_name(spare, "spare", s->spare[i]);
        int fd = spool_io_open(s->dir, spare, O_WRONLY);
        if (fd >= 0 && lock_taken(fd, lock_reader)) {
            (void)close(fd);
            continue;
        }
        s->spare[i] = s->spare[--s->spare_n];
        if (fd >= 0 && spool_io_rename(s->dir, spare, name) == 0) {
            return fd;
        }
        close_fd(fd);
        i--; /* forgotten: not there, or not to be renamed; the next start removes it */
    }
    return -1;
}

static int make_file(struct spool_store *s, const char *name, bool shared)
{
    int fd = spool_io_open(s->dir, name, O_WRONLY | O_CREAT | O_EXCL);
    if (fd < 0 || !shared || spool_io_fallocate(fd, (off_t)s->segment_size) == 0) {
        return fd;
    }
    if (errno == EOPNOTSUPP && spool_io_ftruncate(fd, (off_t)s->segment_size) == 0) {
        return fd;
    }
    int saved = errno;
    (void)close(fd);
    IGNORE(spool_io_unlink(s->dir, name) != 0);
    errno = saved;
    return -1;
}

struct segment *store_create(struct spool_store *s, bool shared, int *fd)
{
    char name[STORE_NAME_MAX];
    uint64_t id = store_number(s);
    store_name(name, "segment", id);
    *fd = shared ? take_spare(s, name) : -1;
    if (*fd < 0) {
        *fd = make_file(s, name, shared);
    }
    if (*fd < 0) {
        return NULL;
    }
    /* The name must be on disk before the first record that somebody is promised. */
    struct segment *g = NULL;
    if (spool_io_fsync(s->dir) == 0 && lock_set(*fd, lock_writer, F_WRLCK)) {
        g = store_add(s, id, shared ? s->segment_size : UINT64_MAX);
    }
    if (g == NULL) {
        int saved = errno;
        (void)close(*fd);
        *fd = -1;
        IGNORE(spool_io_unlink(s->dir, name) != 0);
        errno = saved;
        return NULL;
    }
    g->shared = shared;
    return g;
}

bool spool_store_create(struct spool_store *s, uint64_t octets, uint64_t *segment,
                        uint64_t *capacity, int *fd)
{
    bool shared = octets == 0;
    if (octets > spool_store_free_octets(s)) {
        errno = ENOSPC;
        return false;
    }
    struct segment *g = store_create(s, shared, fd);
    if (g == NULL) {
        return false;
    }
    *segment = g->id;
    *capacity = shared ? s->segment_size : SPOOL_MESSAGE_MAX;
    return true;
}

int spool_store_fd(struct spool_store *s, uint64_t segment)
{
    int fd = segment_open(s, segment);
    if (fd >= 0 && !lock_set(fd, lock_reader, F_RDLCK)) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

uint64_t spool_store_free_octets(const struct spool_store *s)
{
    struct statvfs v;
    return fstatvfs(s->dir, &v) == 0 ? (uint64_t)v.f_bavail * v.f_frsize : 0;
}

/* ---- opening and closing ---- */

static const char *open_dir(struct spool_store *s, const char *dir)
{
    if (!s->read_only && mkdir(dir, 0700) == 0) {
        int parent = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int up =
            parent < 0 ? -1 : openat(parent, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        bool ok = up >= 0 && fsync(up) == 0;
        close_fd(up);
        close_fd(parent);
        if (!ok) {
            return "cannot make the spool directory";
        }
    }
    s->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dir < 0) {
        return "cannot open the spool directory";
    }
    if (s->read_only) {
        return NULL;
    }
    if (mkdirat(s->dir, "bad", 0700) != 0 && errno != EEXIST) {
        return "cannot write to the spool directory";
    }
    s->lock = openat(s->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock < 0) {
        return "cannot write to the spool directory";
    }
    return flock(s->lock, LOCK_EX | LOCK_NB) == 0 ? NULL : "the spool is in use";
}

struct spool_store *spool_store_open(const char *dir, bool read_only,
                                     uint64_t segment_size,
                                     const struct spool_store_ops *ops, void *arg,
                                     const char **error)
{
    struct spool_store *s = malloc(sizeof *s);
    if (s == NULL) {
        *error = "out of memory";
        return NULL;
    }
    *s = (struct spool_store){
        .dir = -1,
        .lock = -1,
        .read_only = read_only,
        .segment_size =
            (segment_size < SPOOL_SEGMENT_LEAST ? SPOOL_SEGMENT_LEAST : segment_size) &
            ~UINT64_C(4095),
        .next = 1,
        .ops = ops,
        .arg = arg,
        .journal.fd = -1,
        .moves_fd = -1,
        .filling_fd = -1,
        .scan.window = malloc(SCAN_WINDOW),
    };
    index_init(&s->index);
    const char *wrong = s->scan.window == NULL ? "out of memory" : open_dir(s, dir);
    if (wrong == NULL && store_replay(s, &wrong)) {
        return s;
    }
    *error = wrong;
    spool_store_close(&s);
    return NULL;
}

void spool_store_close(struct spool_store **store)
{
    struct spool_store *s = *store;
    if (s == NULL) {
        return;
    }
    close_fd(s->moves_fd);
    if (s->moves != NULL) {
        store_seal(s, s->moves, s->moves->known);
    }
    IGNORE(journal_sync(&s->journal)); /* what is not synced is done once more */
    while (s->segment_n > 0) {
        forget(s, s->segment[s->segment_n - 1]);
    }
    close_fd(s->journal.fd);
    close_fd(s->filling_fd);
    close_fd(s->dir);
    close_fd(s->lock);
    index_clear(&s->index);
    free(s->segment);
    free(s->scan.window);
    free(s);
    *store = NULL;
}
