/* directory/usage.c - how full a mailbox is and when it was used, from its Maildir; and the
 * quota that delivery goes by, in the first line of its maildirsize file. */
#include "directory/db.h"
#include "directory/maildirsize.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    USAGE_FRESH_MS = 3000,
    MAILDIRSIZE_MAX = 256 * 1024, /* octets; written anew long before */
    PATH_MAX_LEN = 4200,
};

#define QUOTA_FILE "maildirsize"
#define QUOTA_TEMP                                                                       \
    "maildirsize.new" /* beside it: a rename between directories is barred */

/* The template with %d and %u filled in. The names need none of the escapes that
 * delivery/path.h knows (directory/name.h takes no such octets). */
static bool maildir_path(const char *template, const struct dir_name *user,
                         char out[PATH_MAX_LEN])
{
    struct buf b;
    buf_init(&b, PATH_MAX_LEN - 1);
    for (const char *p = template; *p != '\0'; p++) {
        if (p[0] == '%' && (p[1] == 'd' || p[1] == 'u' || p[1] == '%')) {
            p++;
            (void)buf_add_str(&b, *p == 'd'   ? user->domain
                                  : *p == 'u' ? user->local
                                              : "%");
        } else {
            (void)buf_add_byte(&b, (unsigned char)*p);
        }
    }
    bool ok = !b.failed && slice_cstr(buf_slice(&b), out, PATH_MAX_LEN);
    buf_clear(&b);
    return ok;
}

int db_open_maildir(const struct dir_store *s, const struct dir_name *user)
{
    char path[PATH_MAX_LEN];
    if (s->config.maildir == NULL || !maildir_path(s->config.maildir, user, path)) {
        return -1;
    }
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* False: there is none, or none that can be read. */
static bool read_file(int maildir, struct buf *out)
{
    int fd = openat(maildir, QUOTA_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool ok = fd >= 0;
    while (ok && out->len < MAILDIRSIZE_MAX) {
        size_t room =
            MAILDIRSIZE_MAX - out->len < 8192 ? MAILDIRSIZE_MAX - out->len : 8192;
        unsigned char *at = buf_room(out, room);
        ssize_t n = at == NULL ? -1 : read(fd, at, room);
        ok = n >= 0;
        if (n <= 0) {
            break;
        }
        buf_grew(out, (size_t)n);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return ok;
}

static struct slice definition_of(struct slice file)
{
    return slice_sub(file, 0, slice_find(file, '\n'));
}

/* Delivery honours what the first line says, so it has to say what directory.db says. The sums
 * are kept; without them delivery is made to count, by a line that is none. What somebody
 * appends to the old file meanwhile is lost: Maildir++ lives with such drift until the next
 * count. Whatever fails here is tried again at the next lookup. */
static void define_quota(int maildir, struct slice file, bool there, uint64_t quota)
{
    char text[96], definition[32];
    struct maildirsize sums = maildirsize_read(file);
    (void)snprintf(definition, sizeof definition, "%" PRIu64 "S", quota);
    if (there && slice_eq(definition_of(file), slice_of(definition))) {
        return;
    }
    bool counted = there && sums.wrong_n == 0;
    int n = counted ? snprintf(text, sizeof text, "%s\n%" PRIu64 " %" PRIu64 "\n",
                               definition, sums.octets, sums.messages)
                    : snprintf(text, sizeof text, "%s\ncount\n", definition);
    (void)unlinkat(maildir, QUOTA_TEMP, 0); /* of a try that was cut off */
    int fd = openat(maildir, QUOTA_TEMP,
                    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return;
    }
    bool ok = n > 0 && write(fd, text, (size_t)n) == (ssize_t)n;
    ok = close(fd) == 0 && ok;
    if (!ok || renameat(maildir, QUOTA_TEMP, maildir, QUOTA_FILE) != 0) {
        (void)unlinkat(maildir, QUOTA_TEMP, 0);
    }
}

void db_quota_gone(struct dir_store *s, const struct dir_name *user, uint64_t quota)
{
    char definition[32];
    struct buf b;
    buf_init(&b, MAILDIRSIZE_MAX);
    (void)snprintf(definition, sizeof definition, "%" PRIu64 "S", quota);
    int maildir = db_open_maildir(s, user);
    if (maildir >= 0 && read_file(maildir, &b) &&
        slice_eq(definition_of(buf_slice(&b)), slice_of(definition))) {
        (void)unlinkat(maildir, QUOTA_FILE, 0);
    }
    if (maildir >= 0) {
        (void)close(maildir);
    }
    buf_clear(&b);
}

static struct usage look(struct dir_store *s, const struct dir_name *user, uint64_t quota)
{
    struct usage u = {0};
    struct stat st;
    struct buf b;
    int maildir = db_open_maildir(s, user);
    if (maildir < 0) {
        return u;
    }
    buf_init(&b, MAILDIRSIZE_MAX);
    bool there = read_file(maildir, &b);
    u.used = maildirsize_read(buf_slice(&b)).octets;
    if (quota > 0) {
        define_quota(maildir, buf_slice(&b), there, quota);
    }
    if (fstatat(maildir, "cur", &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_mtim.tv_sec > 0) {
        u.cur_ms =
            (uint64_t)st.st_mtim.tv_sec * 1000 + (uint64_t)st.st_mtim.tv_nsec / 1000000;
    }
    buf_clear(&b);
    (void)close(maildir);
    return u;
}

static void forget(void *arg, struct slice key, void *value)
{
    (void)arg, (void)key;
    free(value);
}

/* Room for one entry more; when all places are taken, all are given up. */
static struct usage *new_entry(struct dir_store *s, struct slice key)
{
    if (s->usage.n == s->usage.max) {
        size_t max = s->usage.max;
        map_each(&s->usage, forget, NULL);
        map_clear(&s->usage);
        map_init(&s->usage, max);
    }
    struct usage *u = malloc(sizeof *u);
    if (u != NULL && !map_put(&s->usage, key, u)) {
        free(u);
        u = NULL;
    }
    return u;
}

struct usage db_usage(struct dir_store *s, const struct dir_name *user, uint64_t quota,
                      uint64_t now_ms)
{
    char text[DIR_NAME_TEXT_MAX];
    struct slice key = slice_of(dir_name_text(user, text));
    struct usage *kept = map_get(&s->usage, key);
    if (kept != NULL && kept->quota == quota && now_ms >= kept->read_ms &&
        now_ms - kept->read_ms < USAGE_FRESH_MS) {
        return *kept;
    }
    struct usage now = look(s, user, quota);
    now.quota = quota;
    now.read_ms = now_ms;
    kept = kept == NULL ? new_entry(s, key) : kept;
    if (kept != NULL) {
        *kept = now;
    }
    return now;
}
