/* spool/store_journal.c - the journal read whole, and written anew. */
#include "spool/store_internal.h"

#include "spool/io.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { REWRITE_PIECE = 256 * 1024 };

bool store_load_journal(struct spool_store *s, uint64_t number, struct buf *out)
{
    char name[STORE_NAME_MAX];
    store_name(name, "journal", number);
    int fd = openat(s->dir, name, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0;
    while (ok) {
        unsigned char *at = buf_room(out, REWRITE_PIECE);
        ssize_t n = at == NULL ? -1 : read(fd, at, REWRITE_PIECE);
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

struct rewriting {
    struct spool_store *s;
    struct journal to;
    struct buf piece;
    bool failed;
};

static void put_out(struct rewriting *w, size_t over)
{
    if (w->piece.len > over) {
        w->failed =
            w->failed || w->piece.failed || !journal_append(&w->to, buf_slice(&w->piece));
        buf_reset(&w->piece);
    }
}

/* What the table knows: ends of segments; messages done whose records still exist. */
static void write_table(struct rewriting *w)
{
    struct spool_store *s = w->s;
    for (size_t i = 0; i < s->segment_n; i++) {
        const struct segment *g = s->segment[i];
        if (g->sealed) {
            journal_write_sealed(&w->piece, &w->to, g->id, g->end);
        }
        for (uint32_t at = g->nodes; at != INDEX_NONE;
             at = s->index.node[at].same_segment) {
            if (s->index.node[at].state != NODE_DONE) {
                continue;
            }
            struct spool_settle done = {.id = index_id(&s->index.node[at]),
                                        .target = SPOOL_ALL_TARGETS,
                                        .outcome = SPOOL_DONE};
            journal_write_settle(&w->piece, &w->to, &done);
            put_out(w, REWRITE_PIECE / 2);
        }
        put_out(w, REWRITE_PIECE / 2);
    }
}

/* What only the old journal knows: outcomes of messages that are not done. */
static void copy_old(struct rewriting *w, uint64_t number)
{
    struct buf old;
    struct journal_entry e;
    buf_init(&old, SIZE_MAX / 2);
    if (!store_load_journal(w->s, number, &old)) {
        w->failed = true;
    }
    struct journal_reader r = {.in = buf_slice(&old), .number = number};
    while (!w->failed && journal_next(&r, &e)) {
        if (e.type != JOURNAL_SETTLE) {
            continue;
        }
        uint32_t at = index_find(&w->s->index, e.u.settle.id);
        if (at != INDEX_NONE && w->s->index.node[at].state != NODE_DONE) {
            journal_write_settle(&w->piece, &w->to, &e.u.settle);
            put_out(w, REWRITE_PIECE / 2);
        }
    }
    buf_clear(&old);
}

static void replace(struct spool_store *s, const struct journal *to)
{
    if (s->journal.fd >= 0) {
        (void)close(s->journal.fd);
        s->old[s->old_n++] = s->journal.number;
    }
    s->journal = *to;
}

/* Those before go when the new one is known to be complete, not before; and that the
 * files of dropped segments are gone must be durable before no journal speaks of what was
 * in them: the fsync of the directory in store_rewrite() has seen to that. */
static bool complete(struct spool_store *s)
{
    struct journal *j = &s->journal;
    char name[STORE_NAME_MAX];
    struct buf b;
    buf_init(&b, JOURNAL_ENTRY_MAX);
    journal_write_complete(&b, j);
    bool ok = journal_append(j, buf_slice(&b)) && journal_sync(j);
    buf_clear(&b);
    if (!ok) {
        j->broken = true;
        return false;
    }
    j->base = j->size;
    for (size_t i = 0; i < s->segment_n; i++) {
        s->segment[i]->untold = false; /* write_table() has told them */
    }
    s->untold = 0;
    for (size_t i = 0; i < s->old_n; i++) {
        store_name(name, "journal", s->old[i]);
        IGNORE(spool_io_unlink(s->dir, name) != 0); /* the next start removes it */
    }
    s->old_n = 0;
    return true;
}

bool store_rewrite(struct spool_store *s)
{
    char name[STORE_NAME_MAX];
    struct rewriting w = {.s = s, .to = {.fd = -1, .number = store_number(s)}};
    if (s->old_n == STORE_JOURNALS_MAX) {
        return false;
    }
    store_name(name, "journal", w.to.number);
    w.to.fd = spool_io_open(s->dir, name, O_RDWR | O_CREAT | O_EXCL);
    if (w.to.fd < 0) {
        return false;
    }
    buf_init(&w.piece, REWRITE_PIECE);
    for (size_t i = 0; i < s->old_n; i++) {
        copy_old(&w, s->old[i]);
    }
    if (s->journal.fd >= 0) {
        copy_old(&w, s->journal.number);
    }
    write_table(&w);
    put_out(&w, 0);
    buf_clear(&w.piece);
    w.to.dirty = true;
    if (w.failed || !journal_sync(&w.to) || spool_io_fsync(s->dir) != 0) {
        (void)close(w.to.fd);
        IGNORE(spool_io_unlink(s->dir, name) !=
               0); /* incomplete: nobody will believe it */
        return false;
    }
    /* From here on there is no way back: it may be found complete. */
    replace(s, &w.to);
    return complete(s);
}
