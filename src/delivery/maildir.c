/* delivery/maildir.c - see maildir.h */
#include "delivery/maildir.h"

#include "base/clock.h"
#include "base/file.h"
#include "delivery/path.h"
#include "delivery/quota.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FRONT_MAX = 8192, /* the fields that delivery itself writes */
    NAME_LEN_MAX = 255,
};

#define JUNK ".Junk"

struct maildir_work {
    struct buf path, front;
    unsigned char out[SOURCE_CHUNK + 1];
};

/* One delivery under way. */
struct attempt {
    const struct maildir_store *m;
    struct maildir_work *w;
    struct outcome *out;
    int home; /* the Maildir */
    int dir;  /* the same, or its folder that the message goes to */
    struct quota_file quota;
    char prefix[64]; /* what all names of this message and target begin with */
    char tmp_name[NAME_LEN_MAX + 1]; /* in tmp; another one for each attempt */
    char name[NAME_LEN_MAX + 1];     /* in new */
    uint64_t size, lines;            /* as written */
    size_t filled;                   /* of the work's out: not written yet */
};

/* --- the store ------------------------------------------------------------------------- */

/* Makes what is missing of the root; with rights of the role's user. */
static bool make_root(char *path)
{
    for (char *at = path + 1;; at++) {
        if (*at != '/' && *at != 0) {
            continue;
        }
        char kept = *at;
        *at = 0;
        bool there = mkdir(path, 0700) == 0 || access(path, X_OK) == 0;
        *at = kept;
        if (!there || kept == 0) {
            return there;
        }
    }
}

static void set_host(struct maildir_store *m, const char *hostname)
{
    struct slice from = slice_of(hostname);
    size_t n = 0;
    for (; n < from.len && n < MAILDIR_HOST_MAX; n++) {
        unsigned char c = from.ptr[n];
        bool plain = ascii_is_alpha(c) || ascii_is_digit(c) || c == '.' || c == '-';
        m->host[n] = plain ? (char)c : '_';
    }
    m->host[n] = 0;
}

const char *maildir_open(struct maildir_store *m, const char *setting,
                         const char *sub_address, const char *hostname)
{
    char path[DELIVERY_PATH_MAX + 1];
    struct slice root;
    *m = (struct maildir_store){.root = -1};
    m->separator = sub_address == NULL ? 0 : (unsigned char)sub_address[0];
    set_host(m, hostname == NULL || hostname[0] == 0 ? "localhost" : hostname);
    if (!delivery_path_split(setting, &root, &m->rest) ||
        !slice_cstr(root, path, sizeof path)) {
        return "delivery.maildir: must be a path with no signs but %d, %u and %%";
    }
    if (!make_root(path)) {
        return "delivery.maildir: cannot make the directory that it is below";
    }
    m->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return m->root < 0 ? "delivery.maildir: cannot open the directory that it is below"
                       : NULL;
}

void maildir_close(struct maildir_store *m)
{
    if (m->root >= 0) {
        (void)close(m->root);
    }
    *m = (struct maildir_store){.root = -1};
}

struct maildir_work *maildir_work_new(void)
{
    struct maildir_work *w = calloc(1, sizeof *w);
    if (w != NULL) {
        buf_init(&w->path, DELIVERY_PATH_MAX + 1);
        buf_init(&w->front, FRONT_MAX);
    }
    return w;
}

void maildir_work_free(struct maildir_work **w)
{
    if (*w != NULL) {
        buf_clear(&(*w)->path);
        buf_clear(&(*w)->front);
        free(*w);
        *w = NULL;
    }
}

size_t maildir_unix(bool *cr, struct slice in, unsigned char *to, uint64_t *lines)
{
    unsigned char *at = to;
    while (in.len > 0) {
        if (*cr && in.ptr[0] != '\n') {
            *at++ = '\r'; /* it was bare */
        }
        size_t n = slice_find(in, '\r');
        for (size_t i = 0; i < n; i++) {
            *lines += in.ptr[i] == '\n';
        }
        memcpy(at, in.ptr, n);
        at += n;
        *cr = n < in.len;
        in = slice_from(in, n + *cr);
    }
    return (size_t)(at - to);
}

/* --- one attempt ----------------------------------------------------------------------- */

static const struct {
    int error;
    const char *reply;
} faults[] = {
    {ENOSPC, "452 4.3.1 mail store is full"},
    {EDQUOT, "452 4.3.1 mail store is full (disk quota)"},
    {EFBIG, "452 4.3.1 mail store takes no file of this size"},
    {ENOMEM, "452 4.3.0 out of memory"},
    {EMFILE, "452 4.3.0 too many open files"},
    {ENFILE, "452 4.3.0 too many open files"},
    {EROFS, "451 4.2.1 mail store is read-only"},
    {EACCES, "451 4.2.1 mail store gives no access"},
    {EPERM, "451 4.2.1 mail store gives no access"},
    {ENOTDIR, "451 4.2.1 something in the place of the Maildir is no directory"},
};

static bool fault(struct attempt *a, const char *what)
{
    int error = errno;
    const char *reply = "451 4.3.0 mail store fault";
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        if (faults[i].error == error) {
            reply = faults[i].reply;
        }
    }
    const char *why = strerrordesc_np(error);
    outcome_set_fmt(a->out, JOB_DEFERRED, "%s: %s: %s", reply, what, why ? why : "?");
    return false;
}

static bool sync_dir(int at, const char *path)
{
    int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    bool ok = fsync(fd) == 0;
    int error = errno;
    (void)close(fd);
    errno = error;
    return ok;
}

/* One directory, and its parent synced when it is new. path ends the parent at parent_len. */
static bool make_dir(int at, char *path, size_t parent_len)
{
    if (mkdirat(at, path, 0700) != 0) {
        return errno == EEXIST;
    }
    char kept = path[parent_len];
    path[parent_len] = 0;
    bool ok = sync_dir(at, parent_len == 0 ? "." : path);
    path[parent_len] = kept;
    return ok;
}

/* The Maildir and all that leads to it below the root. */
static bool make_path(int root, char *path)
{
    size_t parent_len = 0;
    for (size_t i = 1;; i++) {
        char kept = path[i];
        if (kept != '/' && kept != 0) {
            continue;
        }
        path[i] = 0;
        bool ok = make_dir(root, path, parent_len);
        path[i] = kept;
        if (!ok || kept == 0) {
            return ok;
        }
        parent_len = i;
    }
}

static bool make_maildir(struct attempt *a)
{
    static const char subs[][4] = {"tmp", "new", "cur"};
    for (size_t i = 0; i < sizeof subs / sizeof subs[0]; i++) {
        if (mkdirat(a->dir, subs[i], 0700) != 0 && errno != EEXIST) {
            return false;
        }
    }
    return fsync(a->dir) == 0;
}

static int open_dir(int at, const char *path)
{
    return openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Maildir++: a folder is a Maildir in the Maildir, its name begins with a dot, and a file in it
 * tells that it is one. */
static int open_folder(int home, const char *name)
{
    int dir = open_dir(home, name);
    if (dir >= 0 || errno != ENOENT ||
        (mkdirat(home, name, 0700) != 0 && errno != EEXIST)) {
        return dir;
    }
    dir = open_dir(home, name);
    int mark =
        dir < 0 ? -1 : openat(dir, "maildirfolder", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (mark >= 0) {
        (void)close(mark); /* without it readers see the folder all the same */
    }
    if (dir >= 0 && fsync(home) != 0) {
        (void)close(dir);
        return -1;
    }
    return dir;
}

static bool open_maildir(struct attempt *a, bool junk)
{
    char *path = (char *)a->w->path.ptr;
    a->home = open_dir(a->m->root, path);
    if (a->home < 0 && errno == ENOENT && make_path(a->m->root, path)) {
        a->home = open_dir(a->m->root, path);
    }
    if (a->home >= 0 && junk) {
        a->dir = open_folder(a->home, JUNK);
        a->w->path.len--; /* its NUL */
        (void)buf_add_str(&a->w->path, "/" JUNK);
        (void)buf_add_byte(&a->w->path, 0);
    } else if (a->home >= 0) {
        a->dir = fcntl(a->home, F_DUPFD_CLOEXEC, 0);
    }
    return (a->dir >= 0 && !a->w->path.failed) || fault(a, "Maildir");
}

static bool plain_octets(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < 0x20 || s.ptr[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

/* The fields in front. Addresses passed our grammar when they came; that none can begin a
 * line of its own here is checked all the same. */
static bool write_front(struct attempt *a, const struct job *j,
                        const struct job_target *t)
{
    struct buf *b = &a->w->front;
    buf_reset(b);
    if (!plain_octets(j->sender) || !plain_octets(t->given) ||
        !plain_octets(t->address)) {
        outcome_set_fmt(a->out, JOB_FAILED, "550 5.1.3 control octets in an address");
        return false;
    }
    (void)buf_add_str(b, "Return-Path: <");
    (void)buf_add(b, j->sender);
    (void)buf_add_str(b, ">\n");
    if (!slice_ieq(t->given, t->address)) {
        (void)buf_add_str(b, "X-Original-To: ");
        (void)buf_add(b, t->given);
        (void)buf_add_str(b, "\n");
    }
    (void)buf_add_str(b, "Delivered-To: ");
    (void)buf_add(b, t->address);
    (void)buf_add_str(b, "\n");
    if (b->failed) {
        outcome_set_fmt(a->out, JOB_FAILED, "550 5.1.3 address too long");
        return false;
    }
    return true;
}

static void set_names(struct attempt *a, const struct job *j, const struct job_target *t)
{
    static atomic_uint counter;
    char session[ID_TEXT_MAX];
    (void)id_text((struct message_id){j->id.session, 0}, session);
    (void)snprintf(a->prefix, sizeof a->prefix, "%" PRIu64 ".P%sN%" PRIu32 "T%u.",
                   j->arrival_ms / 1000, session, j->id.n, (unsigned)t->number);
    (void)snprintf(a->tmp_name, sizeof a->tmp_name, "%s%d-%u", a->prefix, (int)getpid(),
                   atomic_fetch_add(&counter, 1U));
}

/* Looks in one directory for a file of this message and target; name gets what it is called. */
static bool find_in(struct attempt *a, const char *sub)
{
    int fd = open_dir(a->dir, sub);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    size_t len = strlen(a->prefix);
    bool found = false;
    if (dir == NULL) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return false;
    }
    for (struct dirent *e; !found && (e = readdir(dir)) != NULL;) {
        found = strncmp(e->d_name, a->prefix, len) == 0;
        if (found) {
            memcpy(a->name, e->d_name, strlen(e->d_name) + 1);
        }
    }
    (void)closedir(dir);
    return found;
}

/* What earlier attempts left in tmp. One that still runs elsewhere loses its file and is
 * deferred: then the file of this attempt is found. */
static void sweep_tmp(struct attempt *a)
{
    char kept[sizeof a->name], path[NAME_LEN_MAX + 8];
    memcpy(kept, a->name, sizeof kept);
    for (int tries = 0; tries < 100 && find_in(a, "tmp"); tries++) {
        (void)snprintf(path, sizeof path, "tmp/%s", a->name);
        if (unlinkat(a->dir, path, 0) != 0) {
            break;
        }
    }
    memcpy(a->name, kept, sizeof kept);
}

static void add_where(struct attempt *a, const char *sub)
{
    char text[OUTCOME_WHERE_MAX];
    int n = snprintf(text, sizeof text, "%s/%s/%s", (const char *)a->w->path.ptr, sub,
                     a->name);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    outcome_where(a->out, (struct slice){(const unsigned char *)text, len});
}

/* Renamed but not synced is possible for what an earlier attempt left: sync it now. */
static bool there_already(struct attempt *a)
{
    static const char subs[][4] = {"new", "cur"};
    for (size_t i = 0; i < sizeof subs / sizeof subs[0]; i++) {
        if (!find_in(a, subs[i])) {
            continue;
        }
        if (!sync_dir(a->dir, subs[i])) {
            (void)fault(a, subs[i]);
            return true;
        }
        outcome_set_fmt(a->out, JOB_DELIVERED,
                        "250 2.0.0 found, saved by an earlier attempt");
        add_where(a, subs[i]);
        return true;
    }
    return false;
}

static bool flush(struct attempt *a, int fd)
{
    size_t n = a->filled;
    a->filled = 0;
    a->size += n;
    return file_write(fd, (struct slice){a->w->out, n}) || fault(a, "write");
}

/* Collects: most messages are one write with all that stands in front of them. */
static bool write_unix(struct attempt *a, int fd, bool *cr, struct slice in)
{
    while (in.len > 0) {
        if (a->filled >= SOURCE_CHUNK && !flush(a, fd)) {
            return false;
        }
        struct slice piece = slice_sub(in, 0, SOURCE_CHUNK - a->filled);
        a->filled += maildir_unix(cr, piece, a->w->out + a->filled, &a->lines);
        in = slice_from(in, piece.len);
    }
    return true;
}

static bool write_message(struct attempt *a, int fd, struct source *src)
{
    struct slice in;
    enum source_res res;
    bool cr = false;
    if (!write_unix(a, fd, &cr, buf_slice(&a->w->front)) ||
        !write_unix(a, fd, &cr, buf_slice(&src->head))) {
        return false;
    }
    while ((res = source_next(src, &in)) == SOURCE_OK) {
        if (!write_unix(a, fd, &cr, in)) {
            return false;
        }
    }
    if (res == SOURCE_IO) {
        return fault(a, "spool");
    }
    if (res == SOURCE_DAMAGED) {
        outcome_set_fmt(a->out, JOB_DEFERRED,
                        "451 4.3.0 the message in the spool is damaged (checksum)");
        return false;
    }
    if (a->filled > SOURCE_CHUNK && !flush(a, fd)) {
        return false;
    }
    if (cr) { /* a bare CR that ends the message */
        a->w->out[a->filled++] = '\r';
    }
    return flush(a, fd) && (fsync(fd) == 0 || fault(a, "fsync"));
}

static int create_tmp(struct attempt *a, const char *path)
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
    int fd = openat(a->dir, path, flags, 0600);
    if (fd < 0 && errno == ENOENT && make_maildir(a)) {
        fd = openat(a->dir, path, flags, 0600);
    }
    return fd;
}

/* rename() that replaces nothing. Not all file systems know how; there a link does it. */
static bool move_new(int dir, const char *from, const char *to)
{
    if (renameat2(dir, from, dir, to, RENAME_NOREPLACE) == 0) {
        return true;
    }
    if (errno != EINVAL && errno != ENOSYS) {
        return false;
    }
    return linkat(dir, from, dir, to, 0) == 0 && unlinkat(dir, from, 0) == 0;
}

/* From tmp to new. That the name is taken means: this message was saved there before. */
static bool publish(struct attempt *a, const char *tmp_path)
{
    char path[NAME_LEN_MAX + 8];
    (void)snprintf(a->name, sizeof a->name, "%s%s,S=%" PRIu64 ",W=%" PRIu64, a->prefix,
                   a->m->host, a->size, a->size + a->lines);
    (void)snprintf(path, sizeof path, "new/%s", a->name);
    bool moved = move_new(a->dir, tmp_path, path);
    if (!moved && errno == ENOENT && make_maildir(a)) {
        moved = move_new(a->dir, tmp_path, path); /* a Maildir without new */
    }
    if (!moved && errno != EEXIST) {
        return fault(a, "rename");
    }
    if (!sync_dir(a->dir, "new")) {
        (void)fault(a, "new");
        return moved; /* visible, perhaps not durable: the next attempt finds it */
    }
    if (moved && a->quota.fd >= 0) {
        quota_add(&a->quota, a->size);
    } else if (moved) {
        quota_make(&a->quota, a->tmp_name);
    }
    outcome_set_fmt(a->out, JOB_DELIVERED, "250 2.0.0 saved");
    add_where(a, "new");
    return moved;
}

static void save(struct attempt *a, struct source *src)
{
    char tmp_path[NAME_LEN_MAX + 8];
    (void)snprintf(tmp_path, sizeof tmp_path, "tmp/%s", a->tmp_name);
    int fd = create_tmp(a, tmp_path);
    if (fd < 0) {
        (void)fault(a, "tmp");
        return;
    }
    bool written = write_message(a, fd, src);
    if (close(fd) != 0 && written) {
        written = fault(a, "close");
    }
    if (!written || !publish(a, tmp_path)) {
        (void)unlinkat(a->dir, tmp_path, 0);
    }
}

/* LF ends lines in the store, so this is a little more than will be written. */
static bool has_room(struct attempt *a, const struct source *src, const struct job *j)
{
    if (!quota_open(&a->quota, a->home)) {
        return true;
    }
    uint64_t size = j->message_len + src->head.len + a->w->front.len;
    if (quota_has_room(&a->quota, size, clock_wall_ms() / 1000, a->tmp_name)) {
        return true;
    }
    outcome_set_fmt(a->out, JOB_DEFERRED,
                    "452 4.2.2 mailbox is over quota (%" PRIu64 " of %" PRIu64
                    " octets, %" PRIu64 " messages used)",
                    a->quota.quota.used, a->quota.quota.limit, a->quota.quota.count);
    return false;
}

void maildir_deliver(const struct maildir_store *m, struct maildir_work *w,
                     struct source *src, const struct job *j, const struct job_target *t,
                     struct outcome *out)
{
    struct attempt a = {
        .m = m, .w = w, .out = out, .home = -1, .dir = -1, .quota = {.fd = -1}};
    buf_reset(&w->path);
    if (!delivery_path(m->rest, t->address, m->separator, &w->path) ||
        !buf_add_byte(&w->path, 0)) {
        outcome_set_fmt(out, JOB_FAILED, "550 5.1.3 no Maildir can have this name");
        return;
    }
    set_names(&a, j, t);
    bool repeated = (j->flags & JOB_REPEATED) != 0;
    bool opened = write_front(&a, j, t) && open_maildir(&a, (j->flags & JOB_JUNK) != 0);
    if (opened && !(repeated && there_already(&a)) && has_room(&a, src, j)) {
        if (repeated) {
            sweep_tmp(&a);
        }
        source_rewind(src, j);
        save(&a, src);
    }
    quota_close(&a.quota);
    (void)close(a.dir);
    (void)close(a.home);
}
