/* spool/store_replay.c - what spool_store_open() reads: names, journals, segments. */
#include "spool/store_internal.h"

#include "base/log.h"
#include "spool/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct replay {
    struct spool_store *s;
    struct buf journal[STORE_JOURNALS_MAX];
    size_t first, last; /* the journals that count */
    bool clean;         /* one journal without a fault: it is written on */
    uint32_t ghosts;    /* nodes of messages that the journals call done */
    const char *error;
};

/* "<kind>-<16 hex>" */
static bool parse_name(const char *name, const char *kind, uint64_t *number)
{
    struct slice s = slice_of(name), k = slice_of(kind);
    uint64_t v = 0;
    if (!slice_starts(s, k) || s.len != k.len + 17 || s.ptr[k.len] != '-') {
        return false;
    }
    for (size_t i = k.len + 1; i < s.len; i++) {
        unsigned char c = s.ptr[i];
        if (!ascii_is_digit(c) && !(c >= 'a' && c <= 'f')) {
            return false;
        }
        v = v << 4 | (uint64_t)(ascii_is_digit(c) ? c - '0' : c - 'a' + 10);
    }
    *number = v;
    return v != 0;
}

static void saw_number(struct spool_store *s, uint64_t number)
{
    if (number >> 32 >= s->next) {
        s->next = (uint32_t)(number >> 32) + 1;
    }
}

static bool take_segment(struct replay *r, const char *name, uint64_t number)
{
    struct stat st;
    if (fstatat(r->s->dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        r->error = "cannot read the spool directory";
        return false;
    }
    struct segment *g = store_add(r->s, number, (uint64_t)st.st_size);
    if (g == NULL) {
        r->error = "too many segments in the spool";
        return false;
    }
    g->shared = g->size == r->s->segment_size;
    return true;
}

static void take_spare(struct spool_store *s, const char *name, uint64_t number)
{
    struct stat st;
    if (s->read_only) {
        return;
    }
    if (s->spare_n < SPOOL_SPARES_MAX &&
        fstatat(s->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        (uint64_t)st.st_size == s->segment_size) {
        s->spare[s->spare_n++] = number;
    } else {
        IGNORE(spool_io_unlink(s->dir, name) != 0); /* the next start tries again */
    }
}

/* What else stands in the directory: the queue's files (config/paths.h), with -wal, -shm or .new
 * behind the name. */
static bool is_neighbour(const char *name)
{
    static const char *const begins[] = {
        ".", "bad", "lock", "queue.db", "sent.db", "pauses", "told", "job.key", "events"};
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++) {
        if (strncmp(name, begins[i], strlen(begins[i])) == 0) {
            return true;
        }
    }
    return false;
}

static bool take_name(struct replay *r, const char *name)
{
    struct spool_store *s = r->s;
    uint64_t number = 0;
    if (parse_name(name, "segment", &number)) {
        saw_number(s, number);
        return take_segment(r, name, number);
    }
    if (parse_name(name, "spare", &number)) {
        saw_number(s, number);
        take_spare(s, name, number);
        return true;
    }
    if (parse_name(name, "journal", &number)) {
        saw_number(s, number);
        if (s->old_n == STORE_JOURNALS_MAX - 1) {
            r->error = "too many journals in the spool";
            return false;
        }
        s->old[s->old_n++] = number;
        return true;
    }
    if (!is_neighbour(name)) {
        store_report(s,
                     "the file %.100s is not of the spool, but stands in its directory; "
                     "it is left alone",
                     name);
    }
    return true;
}

static bool list_dir(struct replay *r)
{
    int fd = openat(r->s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d == NULL) {
        if (fd >= 0) {
            (void)close(fd);
        }
        r->error = "cannot read the spool directory";
        return false;
    }
    const struct dirent *e = NULL;
    do {
        errno = 0;
        e = readdir(d);
        if (e == NULL && errno != 0) {
            r->error = "cannot read the spool directory";
        }
    } while (e != NULL && take_name(r, e->d_name));
    (void)closedir(d);
    return r->error == NULL;
}

static int by_number(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void note(struct replay *r, const struct journal_entry *e)
{
    struct spool_store *s = r->s;
    if (e->type == JOURNAL_SEALED) {
        struct segment *g = store_find(s, e->u.sealed.segment);
        if (g != NULL) {
            g->sealed = true;
            g->end = e->u.sealed.end;
        }
        return;
    }
    const struct spool_settle *t = &e->u.settle;
    if (e->type == JOURNAL_SETTLE && t->target == SPOOL_ALL_TARGETS &&
        t->outcome == SPOOL_DONE && index_find(&s->index, t->id) == INDEX_NONE &&
        index_add(&s->index, t->id, NULL, 0, 0, NODE_DONE, &r->ghosts) == INDEX_NONE) {
        fatal("out of memory for the index of the spool");
    }
}

static struct journal_reader reader(const struct replay *r, size_t i)
{
    return (struct journal_reader){.in = buf_slice(&r->journal[i]),
                                   .number = r->s->old[i]};
}

static bool is_complete(const struct replay *r, size_t i)
{
    struct journal_reader in = reader(r, i);
    struct journal_entry e;
    while (journal_next(&in, &e)) {
        if (e.type == JOURNAL_COMPLETE) {
            return true;
        }
    }
    return false;
}

static void note_all(struct replay *r, size_t i)
{
    struct spool_store *s = r->s;
    struct journal_reader in = reader(r, i);
    struct journal_entry e;
    while (journal_next(&in, &e)) {
        note(r, &e);
    }
    if (in.damaged > 0) {
        store_report(s, "damaged: journal %016" PRIx64 ", %zu octets passed over",
                     s->old[i], in.damaged);
    }
    if (in.torn > 0 || in.end < in.in.len) {
        store_report(s, "cut: journal %016" PRIx64 ", %zu octets that were being written",
                     s->old[i], in.torn + (in.in.len - in.end));
    }
    r->clean = r->clean && in.damaged + in.torn == 0 && in.end == in.in.len;
}

static bool load_journals(struct replay *r)
{
    struct spool_store *s = r->s;
    qsort(s->old, s->old_n, sizeof s->old[0], by_number);
    for (size_t i = 0; i < s->old_n; i++) {
        buf_init(&r->journal[i], SIZE_MAX / 2);
        if (!store_load_journal(s, s->old[i], &r->journal[i])) {
            /* Half a journal is worse than none that opens: outcomes would come back. */
            r->error = "cannot read the journal of the spool";
            return false;
        }
    }
    /* The newest complete one says everything; with none (damage), all that there are. */
    size_t newest = s->old_n;
    while (newest > 0 && !is_complete(r, newest - 1)) {
        newest--;
    }
    r->first = newest > 0 ? newest - 1 : 0;
    r->last = newest > 0 ? newest : s->old_n;
    r->clean = s->old_n == 1 && newest == 1;
    for (size_t i = r->first; i < r->last; i++) {
        note_all(r, i);
    }
    return true;
}

static void scan_segments(struct spool_store *s)
{
    for (size_t i = s->segment_n; i-- > 0;) { /* of two copies the newer is met first */
        struct segment *g = s->segment[i];
        if (g->sealed) {
            uint64_t end = store_scan(s, g, g->end, SCAN_SEALED);
            IGNORE(end == 0); /* what is missing has been reported */
        } else if (!s->read_only && store_writer_lives(s, g)) {
            uint64_t end = store_scan(s, g, UINT64_MAX, SCAN_HELD);
            IGNORE(end == 0); /* g->known says so too */
        } else {
            g->end = store_scan(s, g, UINT64_MAX, SCAN_LEFT);
            g->left = true;
        }
    }
}

static void tell_settles(struct replay *r)
{
    struct spool_store *s = r->s;
    for (size_t i = r->first; i < r->last; i++) {
        struct journal_reader in = reader(r, i);
        struct journal_entry e;
        while (journal_next(&in, &e)) {
            uint32_t at = e.type == JOURNAL_SETTLE ? index_find(&s->index, e.u.settle.id)
                                                   : INDEX_NONE;
            if (at != INDEX_NONE && s->index.node[at].state == NODE_LIVE) {
                s->ops->settle(s->arg, &e.u.settle);
            }
        }
    }
}

/* Those that do not count go: what is written anew is made of the others. */
static void drop_journals(struct replay *r)
{
    struct spool_store *s = r->s;
    char name[STORE_NAME_MAX];
    size_t kept = 0;
    for (size_t i = 0; i < s->old_n; i++) {
        if (i >= r->first && i < r->last) {
            s->old[kept++] = s->old[i];
            continue;
        }
        store_name(name, "journal", s->old[i]);
        IGNORE(spool_io_unlink(s->dir, name) !=
               0); /* the next start passes over it again */
    }
    s->old_n = kept;
}

static void start_journal(struct replay *r)
{
    struct spool_store *s = r->s;
    drop_journals(r);
    if (r->clean) {
        char name[STORE_NAME_MAX];
        store_name(name, "journal", s->old[0]);
        int fd = spool_io_open(s->dir, name, O_RDWR);
        if (fd >= 0) {
            s->journal = (struct journal){.fd = fd,
                                          .number = s->old[0],
                                          .size = r->journal[0].len,
                                          .base = r->journal[0].len,
                                          .dirty = true};
            s->old_n = 0;
            /* Not all of it need have been synced; a failure shows at the next sync. */
            IGNORE(!journal_sync(&s->journal));
            return;
        }
    }
    if (!store_rewrite(s)) {
        store_report(s, "no journal can be written; outcomes are kept back until it can");
        s->journal.broken = true;
    }
}

bool store_replay(struct spool_store *s, const char **error)
{
    struct replay r = {.s = s, .ghosts = INDEX_NONE};
    bool ok = list_dir(&r) && load_journals(&r);
    if (ok) {
        scan_segments(s);
        index_drop(&s->index, &r.ghosts);
        tell_settles(&r);
    }
    if (ok && !s->read_only) {
        start_journal(&r);
        for (size_t i = s->segment_n; i-- > 0;) {
            struct segment *g = s->segment[i];
            if (g->sealed) {
                store_drop_if_idle(s, g);
            } else if (g->left) {
                /* Not those whose writer went since they were read: he may have written in
                 * between, and spool_store_orphans() reads that first. */
                store_seal(s, g, g->end);
            }
        }
    }
    for (size_t i = 0; i < STORE_JOURNALS_MAX; i++) {
        if (r.journal[i].max > 0) {
            buf_clear(&r.journal[i]);
        }
    }
    *error = r.error;
    return ok;
}
