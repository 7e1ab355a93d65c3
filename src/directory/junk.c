/* directory/junk.c - see junk.h */
#include "directory/junk.h"

#include "base/hash.h"
#include "directory/db.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define JUNK  ".Junk"
#define TRASH ".Trash"

enum {
    FOLDERS_MAX = 200,
    ENTRIES_MAX = 20000, /* of other folders, looked through for what left */
    LEFT_MAX = 32,       /* more at once were thrown away */
    SETTLED_S = 2
};

static const char *const halves[] = {"new", "cur"};

struct file {
    ino_t ino;
    uint64_t name; /* hash of the name without flags */
    bool here, known;
    int64_t mtime, size; /* of those known */
    char text[NAME_MAX + 1];
    uint8_t half;
};

struct visit {
    struct dir_store *s;
    dir_junk_told *told;
    void *arg;
    int64_t user;
    struct dir_name name;
    int maildir, junk;
    struct file *file; /* known ones, and those that are there */
    size_t n, known_n;
    const struct file *gone[LEFT_MAX];
    unsigned gone_n, reads, entries;
    bool first, left; /* seen for the first time; more is to be done */
};

static int open_in(int dir, const char *name)
{
    return openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

/* Readers change what stands behind the colon. */
static uint64_t name_hash(const char *name)
{
    static const uint64_t key[2] = {0x4a756e6b, 0x466f6c64};
    struct slice s = slice_of(name);
    return hash_octets(key, slice_sub(s, 0, slice_find(s, ':')));
}

/* --- what is known, and what is there --- */

static bool load_known(struct visit *v)
{
    enum db_res res;
    sqlite3_stmt *stmt = db_get(v->s, DB_junk_all);
    db_int(stmt, 1, v->user);
    while ((res = db_step(v->s, stmt)) == DB_ROW) {
        if (v->n < JUNK_FILES) {
            v->file[v->n++] = (struct file){.ino = (ino_t)db_col_int(stmt, 0),
                                            .name = (uint64_t)db_col_int(stmt, 1),
                                            .mtime = db_col_int(stmt, 2),
                                            .size = db_col_int(stmt, 3),
                                            .known = true};
        }
    }
    v->known_n = v->n;
    return res == DB_DONE;
}

static struct file *find_known(const struct visit *v, ino_t ino, uint64_t name)
{
    for (size_t i = 0; i < v->known_n; i++) {
        if (v->file[i].ino == ino && v->file[i].name == name) {
            return &v->file[i];
        }
    }
    return NULL;
}

static void list_half(struct visit *v, uint8_t half)
{
    int fd = open_in(v->junk, halves[half]);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    for (struct dirent *e = NULL; dir != NULL && (e = readdir(dir)) != NULL;) {
        uint64_t name = name_hash(e->d_name);
        struct file *f = e->d_name[0] == '.' ? NULL : find_known(v, e->d_ino, name);
        if (f != NULL) {
            f->here = true;
        } else if (e->d_name[0] != '.' && v->n < 2 * JUNK_FILES) {
            f = &v->file[v->n++];
            *f = (struct file){.ino = e->d_ino, .name = name, .here = true, .half = half};
            (void)snprintf(f->text, sizeof f->text, "%s", e->d_name);
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    } else if (fd >= 0) {
        (void)close(fd);
    }
}

/* --- files --- */

/* Its first octets, and what fstat() says. */
static bool read_start(int dir, const char *name, struct buf *out, struct stat *st)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool ok = fd >= 0 && fstat(fd, st) == 0 && S_ISREG(st->st_mode);
    buf_reset(out);
    unsigned char *at = ok ? buf_room(out, JUNK_HEADER_MAX) : NULL;
    ssize_t n = at == NULL ? -1 : read(fd, at, JUNK_HEADER_MAX);
    if (n > 0) {
        buf_grew(out, (size_t)n);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return n >= 0;
}

static void tell(const struct visit *v, const struct buf *header, bool wanted)
{
    char text[DIR_NAME_TEXT_MAX];
    v->told(v->arg, slice_of(dir_name_text(&v->name, text)), buf_slice(header), wanted);
}

static void keep(struct visit *v, const struct file *f, const struct stat *st)
{
    sqlite3_stmt *stmt = db_get(v->s, DB_junk_put);
    db_int(stmt, 1, v->user);
    db_int(stmt, 2, (int64_t)f->ino);
    db_int(stmt, 3, (int64_t)f->name);
    db_int(stmt, 4, st->st_mtim.tv_sec);
    db_int(stmt, 5, st->st_size);
    IGNORE(db_step(v->s, stmt)); /* seen again next time */
}

static void forget(struct visit *v, const struct file *f)
{
    sqlite3_stmt *stmt = db_get(v->s, DB_junk_del);
    db_int(stmt, 1, v->user);
    db_int(stmt, 2, (int64_t)f->ino);
    db_int(stmt, 3, (int64_t)f->name);
    IGNORE(db_step(v->s, stmt));
}

static void came(struct visit *v, const struct file *f, struct buf *header)
{
    struct stat st;
    int half = open_in(v->junk, halves[f->half]);
    if (half < 0) {
        return;
    }
    if (v->first) {
        if (fstatat(half, f->text, &st, AT_SYMLINK_NOFOLLOW) == 0) {
            keep(v, f, &st);
        }
    } else if (v->reads == JUNK_READS) {
        v->left = true;
    } else if (v->reads++, read_start(half, f->text, header, &st)) {
        keep(v, f, &st);
        tell(v, header, false);
    }
    (void)close(half);
}

/* --- what left --- */

/* Of the files that left, the one with that inode. */
static const struct file *find_left(const struct visit *v, ino_t ino)
{
    for (unsigned i = 0; i < v->gone_n; i++) {
        if (v->gone[i]->ino == ino) {
            return v->gone[i];
        }
    }
    return NULL;
}

static void search_half(struct visit *v, int folder, const char *half, struct buf *header)
{
    int fd = open_in(folder, half);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    for (struct dirent *e = NULL;
         dir != NULL && v->entries++ < ENTRIES_MAX && (e = readdir(dir)) != NULL;) {
        struct stat st;
        const struct file *f = e->d_name[0] == '.' ? NULL : find_left(v, e->d_ino);
        if (f != NULL && v->reads < JUNK_READS && (v->reads++, true) &&
            read_start(dirfd(dir), e->d_name, header, &st) &&
            st.st_mtim.tv_sec == f->mtime && st.st_size == f->size) {
            tell(v, header, true);
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    } else if (fd >= 0) {
        (void)close(fd);
    }
}

static void search_folder(struct visit *v, const char *name, struct buf *header)
{
    int folder = open_in(v->maildir, name);
    for (unsigned i = 0; i < 2 && folder >= 0; i++) {
        search_half(v, folder, halves[i], header);
    }
    if (folder >= 0) {
        (void)close(folder);
    }
}

static void search(struct visit *v, struct buf *header)
{
    int fd = fcntl(v->maildir, F_DUPFD_CLOEXEC, 0);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    unsigned folders = 0;
    search_folder(v, ".", header);
    for (struct dirent *e = NULL; dir != NULL && (e = readdir(dir)) != NULL;) {
        bool folder = e->d_name[0] == '.' && e->d_name[1] != '\0' && e->d_name[1] != '.';
        if (folder && strcmp(e->d_name, JUNK) != 0 && strcmp(e->d_name, TRASH) != 0 &&
            folders++ < FOLDERS_MAX) {
            search_folder(v, e->d_name, header);
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    } else if (fd >= 0) {
        (void)close(fd);
    }
}

/* --- a mailbox --- */

static void compare(struct visit *v)
{
    struct buf header;
    size_t left = 0;
    buf_init(&header, JUNK_HEADER_MAX);
    list_half(v, 0);
    list_half(v, 1);
    for (size_t i = v->known_n; i < v->n; i++) {
        came(v, &v->file[i], &header);
    }
    for (size_t i = 0; i < v->known_n; i++) {
        if (!v->file[i].here && left++ < LEFT_MAX) {
            v->gone[v->gone_n++] = &v->file[i];
        }
    }
    if (left > 0 && left <= LEFT_MAX) {
        search(v, &header);
    }
    for (size_t i = 0; i < v->known_n && left > 0; i++) {
        if (!v->file[i].here) {
            forget(v, &v->file[i]);
        }
    }
    buf_clear(&header);
}

/* When the folder changed last; what changes within the clock's grain cannot be told, so it counts
 * when it has been left alone for a while. 0: there is none. */
static int64_t stamp_of(int junk, bool *settled)
{
    int64_t stamp = 0;
    for (unsigned i = 0; i < 2; i++) {
        struct stat st;
        if (fstatat(junk, halves[i], &st, AT_SYMLINK_NOFOLLOW) == 0) {
            int64_t ns = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
            stamp = ns > stamp ? ns : stamp;
        }
    }
    *settled = stamp / 1000000000 + SETTLED_S < time(NULL);
    return stamp;
}

static void put_stamp(struct visit *v, int64_t stamp)
{
    sqlite3_stmt *stmt = db_get(v->s, DB_junk_seen);
    db_int(stmt, 1, v->user);
    db_int(stmt, 2, stamp);
    IGNORE(db_step(v->s, stmt));
}

/* True: its folder had changed. seen: the stamp it had; -1: it was never looked at. */
static bool visit(struct visit *v, int64_t seen)
{
    bool settled = false;
    int64_t stamp = v->junk < 0 ? 0 : stamp_of(v->junk, &settled);
    if (stamp == seen || (v->junk >= 0 && !settled)) {
        return false;
    }
    v->first = seen < 0;
    v->file = v->junk < 0 ? NULL : calloc((size_t)2 * JUNK_FILES, sizeof *v->file);
    if (!dir_store_batch_begin(v->s)) {
        free(v->file);
        return true;
    }
    if (v->file != NULL && load_known(v)) {
        compare(v);
    }
    if (!v->left) {
        put_stamp(v, stamp);
    }
    IGNORE(dir_store_batch_end(v->s)); /* what is not kept is seen again */
    free(v->file);
    return v->junk >= 0;
}

void dir_store_junk(struct dir_store *s, int64_t *at, dir_junk_told *told, void *arg)
{
    bool changed = false;
    db_fresh(s);
    for (unsigned i = 0; i < JUNK_USERS && !changed; i++) {
        struct visit v = {.s = s, .told = told, .arg = arg};
        sqlite3_stmt *stmt = db_get(s, DB_junk_user);
        db_int(stmt, 1, *at);
        bool any = db_step(s, stmt) == DB_ROW;
        *at = any ? db_col_int(stmt, 0) : 0;
        v.user = *at;
        int64_t seen = any ? db_col_int(stmt, 3) : 0;
        bool named = any && db_col_cstr(stmt, 1, v.name.local, sizeof v.name.local) &&
                     db_col_cstr(stmt, 2, v.name.domain, sizeof v.name.domain);
        db_end(stmt);
        if (!any) {
            return;
        }
        v.maildir = named ? db_open_maildir(s, &v.name) : -1;
        v.junk = v.maildir < 0 ? -1 : open_in(v.maildir, JUNK);
        changed = v.maildir >= 0 && visit(&v, seen);
        if (v.junk >= 0) {
            (void)close(v.junk);
        }
        if (v.maildir >= 0) {
            (void)close(v.maildir);
        }
    }
}
