/* delivery/quota.c - see quota.h */
#include "delivery/quota.h"

#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* "10000000S" or "500C"; limits of other kinds are not ours to know. */
static bool parse_limit(struct slice one, struct quota *q)
{
    uint64_t n = 0;
    if (one.len < 2 || !slice_u64(slice_sub(one, 0, one.len - 1), &n)) {
        return false;
    }
    switch (one.ptr[one.len - 1]) {
    case 'S':
        q->limit = n;
        return true;
    case 'C':
        q->limit_count = n;
        return true;
    default:
        return true;
    }
}

/* A number that may be negative (mail removed), blanks before it; takes it off *s. */
static bool parse_signed(struct slice *s, int64_t *out)
{
    uint64_t n = 0;
    while (s->len > 0 && (s->ptr[0] == ' ' || s->ptr[0] == '\t')) {
        *s = slice_from(*s, 1);
    }
    bool minus = s->len > 0 && s->ptr[0] == '-';
    *s = slice_from(*s, minus);
    size_t len = 0;
    while (len < s->len && ascii_is_digit(s->ptr[len])) {
        len++;
    }
    if (!slice_u64(slice_sub(*s, 0, len), &n) || n > INT64_MAX) {
        return false;
    }
    *s = slice_from(*s, len);
    *out = minus ? -(int64_t)n : (int64_t)n;
    return true;
}

static bool parse_entry(struct slice line, int64_t *used, int64_t *count)
{
    int64_t size = 0, n = 0;
    return parse_signed(&line, &size) && parse_signed(&line, &n) &&
           slice_trim(line).len == 0 && !__builtin_add_overflow(*used, size, used) &&
           !__builtin_add_overflow(*count, n, count);
}

bool quota_parse(struct slice file, struct quota *out)
{
    struct quota q = {0};
    int64_t used = 0, count = 0;
    size_t end = slice_find(file, '\n');
    struct slice first = slice_sub(file, 0, end), rest = slice_from(file, end + 1);
    q.definition_len = first.len;
    if (first.len == 0 || first.len > QUOTA_DEFINITION_MAX || end == file.len) {
        return false;
    }
    while (first.len > 0) {
        size_t comma = slice_find(first, ',');
        if (!parse_limit(slice_sub(first, 0, comma), &q)) {
            return false;
        }
        first = slice_from(first, comma + 1);
    }
    while (rest.len > 0) {
        size_t lf = slice_find(rest, '\n');
        if (lf == rest.len || !parse_entry(slice_sub(rest, 0, lf), &used, &count)) {
            q.garbled = true;
            break;
        }
        rest = slice_from(rest, lf + 1);
    }
    q.used = used < 0 ? 0 : (uint64_t)used;
    q.count = count < 0 ? 0 : (uint64_t)count;
    *out = q;
    return true;
}

bool quota_over(const struct quota *q, uint64_t size)
{
    uint64_t sum = 0;
    if (q->limit != 0 &&
        (__builtin_add_overflow(q->used, size, &sum) || sum > q->limit)) {
        return true;
    }
    return q->limit_count != 0 && q->count >= q->limit_count;
}

bool quota_open(struct quota_file *q, int maildir)
{
    unsigned char text[QUOTA_FILE_MAX + 1];
    *q = (struct quota_file){.maildir = maildir};
    q->fd = openat(maildir, "maildirsize", O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    if (q->fd < 0) {
        q->absent = errno == ENOENT;
        return false;
    }
    ssize_t n = pread(q->fd, text, sizeof text, 0);
    if (n < 0 || !quota_parse((struct slice){text, (size_t)n}, &q->quota)) {
        quota_close(q);
        return false;
    }
    memcpy(q->definition, text, q->quota.definition_len);
    q->quota.garbled = q->quota.garbled || n >= QUOTA_FILE_MAX;
    return true;
}

void quota_close(struct quota_file *q)
{
    if (q->fd >= 0) {
        (void)close(q->fd);
    }
    q->fd = -1;
}

/* The size a name declares, ",S=1234", or that of the file. */
static uint64_t size_of(int dir, const char *name)
{
    uint64_t size = 0;
    struct stat st;
    const char *s = strstr(name, ",S=");
    if (s != NULL && s[3] >= '0' && s[3] <= '9') {
        struct slice digits = slice_of(s + 3);
        size_t len = 0;
        while (len < digits.len && ascii_is_digit(digits.ptr[len])) {
            len++;
        }
        if (slice_u64(slice_sub(digits, 0, len), &size)) {
            return size;
        }
    }
    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? (uint64_t)st.st_size : 0;
}

static void count_dir(int maildir, const char *folder, const char *sub, struct quota *q)
{
    char path[NAME_MAX + 8];
    if (snprintf(path, sizeof path, "%s/%s", folder, sub) >= (int)sizeof path) {
        return;
    }
    int fd = openat(maildir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return;
    }
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] != '.') {
            q->used += size_of(fd, e->d_name);
            q->count++;
        }
    }
    (void)closedir(dir);
}

/* All of the Maildir: its own new and cur, and those of its ".folders". */
static void count_all(int maildir, struct quota *q)
{
    int fd = openat(maildir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    q->used = q->count = 0;
    count_dir(maildir, ".", "new", q);
    count_dir(maildir, ".", "cur", q);
    if (dir == NULL) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return;
    }
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.' && strcmp(e->d_name, ".") != 0 &&
            strcmp(e->d_name, "..") != 0) {
            count_dir(maildir, e->d_name, "new", q);
            count_dir(maildir, e->d_name, "cur", q);
        }
    }
    (void)closedir(dir);
}

/* Counts all and puts a new file in place: over the old one, or only where there is none.
 * What others append meanwhile is lost with the old file: Maildir++ lives with such drift,
 * the next count mends it. */
static void recount(struct quota_file *q, const char *tmp_name, unsigned rename_flags)
{
    char path[NAME_MAX + 8], text[QUOTA_DEFINITION_MAX + 64];
    count_all(q->maildir, &q->quota);
    q->quota.garbled = false;
    if (snprintf(path, sizeof path, "tmp/%s", tmp_name) >= (int)sizeof path) {
        return;
    }
    int fd = openat(q->maildir, path,
                    O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return;
    }
    int n = snprintf(text, sizeof text, "%s\n%" PRIu64 " %" PRIu64 "\n", q->definition,
                     q->quota.used, q->quota.count);
    if (n < 0 || write(fd, text, (size_t)n) != n ||
        renameat2(q->maildir, path, q->maildir, "maildirsize", rename_flags) != 0) {
        (void)unlinkat(q->maildir, path, 0);
        (void)close(fd);
        return;
    }
    quota_close(q);
    q->fd = fd;
}

bool quota_has_room(struct quota_file *q, uint64_t size, uint64_t now_s,
                    const char *tmp_name)
{
    struct stat st;
    if (q->quota.garbled) {
        recount(q, tmp_name, 0);
    }
    if (!quota_over(&q->quota, size)) {
        return true;
    }
    if (fstat(q->fd, &st) != 0 || (uint64_t)st.st_mtime + QUOTA_RECOUNT_S > now_s) {
        return false;
    }
    recount(q, tmp_name, 0);
    return !quota_over(&q->quota, size);
}

void quota_add(struct quota_file *q, uint64_t size)
{
    char line[48];
    int n = snprintf(line, sizeof line, "%" PRIu64 " 1\n", size);
    /* one write() to an O_APPEND file: whole, whoever else appends */
    if (write(q->fd, line, (size_t)n) != n) {
        log_text(LOG_WARN, "quota-not-kept", "maildirsize: %s", strerrordesc_np(errno));
    }
}

/* Two that make it at once: the first one's stays, and the count may be off by a message
 * until it is made anew. */
void quota_make(struct quota_file *q, const char *tmp_name)
{
    if (q->absent) {
        (void)snprintf(q->definition, sizeof q->definition, "0S");
        recount(q, tmp_name, RENAME_NOREPLACE);
    }
}
