/* spool/io_fault.c - see io_fault.h. Tests only: a fault of its own aborts. */
#include "spool/io_fault.h"

#include "spool/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES_MAX = 512, SECTOR = 512, NAME_LEN = 80 };

struct op {
    unsigned char *data; /* NULL: sets the size to off */
    size_t off, len;
};
struct file { /* what is on the disk for sure, and what is on its way */
    ino_t ino;
    bool gone;  /* its inode number may be another file's by now */
    bool stuck; /* no later change of its name survives */
    unsigned char *base;
    size_t base_len, base_cap, written;
    struct op *op;
    size_t op_n, op_cap;
};
struct name {
    char text[NAME_LEN];
    struct file *file;
};
struct change {
    char from[NAME_LEN], to[NAME_LEN]; /* from empty: made; to empty: removed */
    struct file *file;
};

static struct {
    pthread_mutex_t mutex;
    unsigned long calls, hits, fail_from, fail_to, cut_at;
    enum fault_kind kind;
    int error;
    bool watching, cut;
    uint64_t random;
    struct file *file[FILES_MAX];
    size_t file_n;
    struct name name[FILES_MAX]; /* durable ones */
    size_t name_n;
    struct change change[FILES_MAX];
    size_t change_n;
} f = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void must(bool ok)
{
    if (!ok) {
        perror("io_fault");
        abort();
    }
}

static void *need(void *p)
{
    must(p != NULL);
    return p;
}

static uint32_t draw(uint32_t below)
{
    f.random = f.random * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)((f.random >> 33) % below);
}

/* ---- files and names ---- */

static struct file *new_file(ino_t ino)
{
    must(f.file_n < FILES_MAX);
    struct file *file = need(calloc(1, sizeof *file));
    file->ino = ino;
    f.file[f.file_n++] = file;
    return file;
}

static struct file *file_of(int fd)
{
    struct stat st;
    must(fstat(fd, &st) == 0);
    for (size_t i = f.file_n; i-- > 0;) {
        if (f.file[i]->ino == st.st_ino && !f.file[i]->gone) {
            return f.file[i];
        }
    }
    return NULL;
}

static void add_op(struct file *file, struct op op)
{
    if (file->op_n == file->op_cap) {
        file->op_cap = file->op_cap * 2 + 8;
        file->op = need(realloc(file->op, file->op_cap * sizeof *file->op));
    }
    file->op[file->op_n++] = op;
}

/* Untouched zeros cost nothing: base holds what was written, the rest is but a length. */
static void resize(struct file *file, size_t len)
{
    file->written = file->written < len ? file->written : len;
    file->base_len = len;
}

static void put(struct file *file, size_t off, const unsigned char *data, size_t n)
{
    if (off + n > file->base_cap) {
        file->base_cap = (off + n) * 2;
        file->base = need(realloc(file->base, file->base_cap));
    }
    must(file->base != NULL);
    if (off > file->written) {
        memset(file->base + file->written, 0, off - file->written);
    }
    memcpy(file->base + off, data, n);
    file->written = file->written > off + n ? file->written : off + n;
    file->base_len = file->base_len > off + n ? file->base_len : off + n;
}

/* Sectors of the write that reach the disk: all of it when whole. */
static void apply(struct file *file, const struct op *op, bool whole)
{
    if (op->data == NULL) {
        if (whole || draw(2) == 0) {
            resize(file, op->off);
        }
        return;
    }
    uint32_t mood = whole ? 1 : draw(4); /* none, all, some */
    for (size_t at = 0; at < op->len;) {
        size_t n = SECTOR - (op->off + at) % SECTOR;
        n = n < op->len - at ? n : op->len - at;
        if (mood == 1 || (mood > 1 && draw(2) == 0)) {
            put(file, op->off + at, op->data + at, n);
        }
        at += n;
    }
}

static void forget_ops(struct file *file)
{
    for (size_t i = 0; i < file->op_n; i++) {
        free(file->op[i].data);
    }
    file->op_n = 0;
}

static void settle_ops(struct file *file, bool whole)
{
    for (size_t i = 0; i < file->op_n; i++) {
        apply(file, &file->op[i], whole);
    }
    forget_ops(file);
}

static struct name *find_name(const char *text)
{
    for (size_t i = 0; i < f.name_n; i++) {
        if (strcmp(f.name[i].text, text) == 0) {
            return &f.name[i];
        }
    }
    return NULL;
}

static void drop_name(const char *text)
{
    struct name *name = find_name(text);
    if (name != NULL) {
        *name = f.name[--f.name_n];
    }
}

static void set_name(const char *text, struct file *file)
{
    struct name *name = find_name(text);
    if (name == NULL) {
        must(f.name_n < FILES_MAX);
        name = &f.name[f.name_n++];
        (void)snprintf(name->text, sizeof name->text, "%s", text);
    }
    name->file = file;
}

static void apply_change(const struct change *c)
{
    if (c->from[0] != '\0') {
        drop_name(c->from);
    }
    if (c->to[0] != '\0') {
        set_name(c->to, c->file);
    }
}

static void apply_changes(void)
{
    for (size_t i = 0; i < f.change_n; i++) {
        apply_change(&f.change[i]);
    }
    f.change_n = 0;
}

/* Some file systems keep the order of all changes, others that of one file's alone. */
static void apply_some_changes(void)
{
    bool ordered = draw(2) == 0;
    size_t n = draw((uint32_t)f.change_n + 1);
    for (size_t i = 0; i < f.change_n; i++) {
        struct file *file = f.change[i].file;
        if (ordered ? i >= n : file->stuck || draw(3) == 0) {
            file->stuck = true; /* what comes after it for this file is lost too */
            continue;
        }
        apply_change(&f.change[i]);
    }
    f.change_n = 0;
}

static void add_change(const char *from, const char *to, struct file *file)
{
    must(f.change_n < FILES_MAX);
    struct change *c = &f.change[f.change_n++];
    (void)snprintf(c->from, sizeof c->from, "%s", from);
    (void)snprintf(c->to, sizeof c->to, "%s", to);
    c->file = file;
}

static struct file *file_named(int dir, const char *name)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return NULL;
    }
    struct file *file = file_of(fd);
    (void)close(fd);
    return file;
}

/* ---- orders ---- */

static void clear(void)
{
    for (size_t i = 0; i < f.file_n; i++) {
        forget_ops(f.file[i]);
        free(f.file[i]->op);
        free(f.file[i]->base);
        free(f.file[i]);
    }
    f.file_n = f.name_n = f.change_n = 0;
    f.watching = f.cut = false;
    f.cut_at = 0;
}

void fault_none(void)
{
    (void)pthread_mutex_lock(&f.mutex);
    clear();
    f.calls = f.hits = f.fail_from = f.fail_to = 0;
    (void)pthread_mutex_unlock(&f.mutex);
}

void fault_order(unsigned long nth, unsigned long count, enum fault_kind kind, int error)
{
    (void)pthread_mutex_lock(&f.mutex);
    f.fail_from = f.calls + nth;
    f.fail_to = count > ULONG_MAX - f.fail_from ? ULONG_MAX : f.fail_from + count;
    f.kind = kind;
    f.error = error;
    (void)pthread_mutex_unlock(&f.mutex);
}

unsigned long fault_calls(void)
{
    (void)pthread_mutex_lock(&f.mutex);
    unsigned long n = f.calls;
    (void)pthread_mutex_unlock(&f.mutex);
    return n;
}

unsigned long fault_hits(void)
{
    (void)pthread_mutex_lock(&f.mutex);
    unsigned long n = f.hits;
    (void)pthread_mutex_unlock(&f.mutex);
    return n;
}

static void watch_file(int dir, const char *text)
{
    struct stat st;
    int fd = openat(dir, text, O_RDONLY | O_CLOEXEC);
    must(fd >= 0 && fstat(fd, &st) == 0);
    struct file *file = new_file(st.st_ino);
    static unsigned char piece[65536];
    for (off_t at = 0;
         (at = lseek(fd, at, SEEK_DATA)) >= 0;) { /* holes cost nothing either */
        ssize_t n = pread(fd, piece, sizeof piece, at);
        must(n > 0);
        put(file, (size_t)at, piece, (size_t)n);
        at += n;
    }
    resize(file, (size_t)st.st_size);
    (void)close(fd);
    set_name(text, file);
}

static void watch_dir(int top, const char *below)
{
    int fd =
        openat(top, below[0] == '\0' ? "." : below, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *e = NULL;
    while (d != NULL && (e = readdir(d)) != NULL) {
        char text[NAME_LEN];
        if (e->d_type == DT_REG && strcmp(e->d_name, "lock") != 0) {
            (void)snprintf(text, sizeof text, "%s%.60s", below, e->d_name);
            watch_file(top, text);
        }
    }
    if (d != NULL) {
        (void)closedir(d);
    }
}

void fault_watch(const char *dir, uint64_t seed)
{
    (void)pthread_mutex_lock(&f.mutex);
    clear();
    f.watching = true;
    f.random = seed;
    int top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (top >= 0) {
        watch_dir(top, "");
        watch_dir(top, "bad/");
        (void)close(top);
    }
    (void)pthread_mutex_unlock(&f.mutex);
}

void fault_cut_at(unsigned long nth)
{
    (void)pthread_mutex_lock(&f.mutex);
    f.cut_at = f.calls + nth;
    f.cut = f.cut || nth == 0;
    (void)pthread_mutex_unlock(&f.mutex);
}

bool fault_is_cut(void)
{
    (void)pthread_mutex_lock(&f.mutex);
    bool cut = f.cut;
    (void)pthread_mutex_unlock(&f.mutex);
    return cut;
}

static void write_sparse(int fd, const struct file *file)
{
    static const unsigned char zeros[65536];
    for (size_t at = 0; at < file->written;) {
        size_t n = file->written - at < sizeof zeros ? file->written - at : sizeof zeros;
        if (memcmp(file->base + at, zeros, n) != 0) {
            must(pwrite(fd, file->base + at, n, (off_t)at) == (ssize_t)n);
        }
        at += n;
    }
}

void fault_survivors(const char *to)
{
    (void)pthread_mutex_lock(&f.mutex);
    apply_some_changes();
    for (size_t i = 0; i < f.file_n; i++) {
        settle_ops(f.file[i], false);
    }
    must(mkdir(to, 0700) == 0);
    int top = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(top >= 0 && mkdirat(top, "bad", 0700) == 0);
    for (size_t i = 0; i < f.name_n; i++) {
        const struct file *file = f.name[i].file;
        int fd =
            openat(top, f.name[i].text, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        must(fd >= 0);
        must(ftruncate(fd, (off_t)file->base_len) == 0);
        write_sparse(fd, file);
        (void)close(fd);
    }
    (void)close(top);
    clear();
    (void)pthread_mutex_unlock(&f.mutex);
}

/* ---- the calls ---- */

/* Counts; 0: go on; 1: a short write; -1: fail with errno. Returns with the lock held. */
static int enter(void)
{
    (void)pthread_mutex_lock(&f.mutex);
    f.calls++;
    if (f.cut_at != 0 && f.calls >= f.cut_at) {
        f.cut = true;
    }
    if (f.cut) {
        errno = EIO;
        return -1;
    }
    if (f.calls >= f.fail_from && f.calls < f.fail_to) {
        f.hits++;
        errno = f.error;
        return f.kind == FAULT_SHORT ? 1 : -1;
    }
    return 0;
}

static int leave(int res)
{
    int saved = errno;
    (void)pthread_mutex_unlock(&f.mutex);
    errno = saved;
    return res;
}

int spool_io_open(int dir, const char *name, int flags)
{
    if (enter() != 0) {
        return leave(-1);
    }
    int fd = openat(dir, name, flags | O_CLOEXEC, 0600);
    if (fd >= 0 && f.watching && (flags & O_CREAT) != 0) {
        struct stat st;
        must(fstat(fd, &st) == 0);
        for (size_t i = 0; i < f.file_n; i++) {
            f.file[i]->gone = f.file[i]->gone || f.file[i]->ino == st.st_ino;
        }
        add_change("", name, new_file(st.st_ino));
    }
    return leave(fd);
}

static void log_write(int fd, const struct iovec *iov, int n, size_t off, size_t len)
{
    struct file *file = f.watching ? file_of(fd) : NULL;
    if (file == NULL || len == 0) {
        return;
    }
    unsigned char *data = need(malloc(len));
    size_t have = 0;
    for (int i = 0; i < n && have < len; i++) {
        size_t piece = iov[i].iov_len < len - have ? iov[i].iov_len : len - have;
        memcpy(data + have, iov[i].iov_base, piece);
        have += piece;
    }
    add_op(file, (struct op){data, off, len});
}

ssize_t spool_io_pwritev(int fd, const struct iovec *iov, int n, off_t off)
{
    int order = enter();
    if (order < 0) {
        return leave(-1);
    }
    struct iovec less = iov[0];
    if (order > 0) {
        less.iov_len = (less.iov_len + 1) / 2;
        iov = &less;
        n = 1;
    }
    ssize_t done = pwritev(fd, iov, n, off);
    log_write(fd, iov, n, (size_t)off, done < 0 ? 0 : (size_t)done);
    (void)leave(0);
    return done;
}

static int sync_file(int fd)
{
    int order = enter();
    struct stat st;
    must(fstat(fd, &st) == 0);
    struct file *file = f.watching ? file_of(fd) : NULL;
    if (f.cut) {
        return leave(-1);
    }
    if (S_ISDIR(st.st_mode)) {
        if (order == 0) {
            apply_changes();
        }
    } else if (file != NULL) {
        settle_ops(file, order == 0);
    }
    errno = order == 0 ? errno : f.error;
    return leave(order == 0 ? 0 : -1);
}

int spool_io_fdatasync(int fd)
{
    return sync_file(fd);
}

int spool_io_fsync(int fd)
{
    return sync_file(fd);
}

int spool_io_rename(int dir, const char *from, const char *to)
{
    if (enter() != 0) {
        return leave(-1);
    }
    struct file *file = f.watching ? file_named(dir, from) : NULL;
    int res = renameat(dir, from, dir, to);
    if (res == 0 && file != NULL) {
        add_change(from, to, file);
    }
    return leave(res);
}

int spool_io_unlink(int dir, const char *name)
{
    if (enter() != 0) {
        return leave(-1);
    }
    struct file *file = f.watching ? file_named(dir, name) : NULL;
    int res = unlinkat(dir, name, 0);
    if (res == 0 && file != NULL) {
        add_change(name, "", file);
    }
    return leave(res);
}

static int set_size(int fd, off_t len, bool grow)
{
    if (enter() != 0) {
        return leave(-1);
    }
    struct stat st;
    must(fstat(fd, &st) == 0);
    /* Holes do: no test is after the blocks. */
    int res = grow && len <= st.st_size ? 0 : ftruncate(fd, len);
    struct file *file = res == 0 && f.watching ? file_of(fd) : NULL;
    if (file != NULL) {
        add_op(file, (struct op){NULL, (size_t)len, 0});
    }
    return leave(res);
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
    (void)fd;
    (void)off;
    (void)len;
}
