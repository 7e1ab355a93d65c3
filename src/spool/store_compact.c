/* spool/store_compact.c - see store.h, spool_store_compact(): housekeeping in small
 * steps. */
#include "spool/store_internal.h"

#include "spool/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    JOURNAL_LEAST = 16 * 1024 * 1024, /* a journal below this is never rewritten */
    MOVE_OCTETS = 8 * 1024 * 1024,    /* moved in one call, more or less */
    MOVE_FRACTION = 8,                /* only from segments less than 1/8 alive */
    FILL_STEP = 8 * 1024 * 1024,      /* zeros written into a coming spare in one call */
    FILL_ROOM = 16, /* only with room for so many segments on the disk */
};

/* One record on its way: where it was, where it goes. */
struct move {
    uint32_t node;
    uint64_t offset, len;
};

struct mover {
    struct spool_store *s;
    uint64_t start; /* of this group, in the target */
    struct move move[256];
    size_t n;
};

static void close_moves(struct spool_store *s)
{
    struct segment *g = s->moves;
    (void)close(s->moves_fd);
    s->moves_fd = -1;
    s->moves = NULL;
    store_seal(s, g, g->known);
}

/* Room for len octets in the segment that takes moved records. */
static bool target(struct spool_store *s, uint64_t at, uint64_t len)
{
    if (s->moves != NULL && len <= s->moves->size - at) {
        return true;
    }
    if (s->moves != NULL) {
        close_moves(s);
    }
    s->moves = store_create(s, true, &s->moves_fd);
    return s->moves != NULL;
}

static bool write_copy(struct mover *m, struct slice record, uint64_t at,
                       struct spool_header h)
{
    unsigned char raw[SPOOL_HEADER_LEN];
    h.segment = m->s->moves->id;
    h.back = (uint32_t)((at - m->start) / 8);
    spool_header_write(&h, raw);
    struct slice body = slice_from(record, SPOOL_HEADER_LEN);
    struct iovec iov[] = {{raw, sizeof raw}, spool_iov(body)};
    return spool_io_write_all(m->s->moves_fd, iov, 2, at);
}

/* Copies are on disk: from now on they are the messages. */
static void switch_over(struct mover *m)
{
    struct spool_store *s = m->s;
    for (size_t i = 0; i < m->n; i++) {
        struct index_node *old = &s->index.node[m->move[i].node];
        struct message_id id = index_id(old);
        struct segment *from = old->segment;
        uint32_t at = index_add(&s->index, id, s->moves, m->move[i].offset,
                                m->move[i].len, NODE_LIVE, &s->moves->nodes);
        if (at == INDEX_NONE) {
            from->fixed = true;
            continue; /* two copies on disk, the old one known: nothing is lost */
        }
        s->index.node[m->move[i].node].state = NODE_OLD;
        from->live--;
        from->live_octets -= m->move[i].len;
        s->moves->live++;
        s->moves->live_octets += m->move[i].len;
        s->ops->moved(s->arg, id, s->moves->id, m->move[i].offset);
    }
}

/* False: the disk refuses; the segment stays as it is. */
static bool move_group(struct spool_store *s, struct segment *g)
{
    struct mover m = {.s = s};
    uint64_t at = 0;
    uint32_t node = g->nodes;
    if (!store_scan_open(s, g)) {
        return false;
    }
    for (; node != INDEX_NONE && m.n < 256; node = s->index.node[node].same_segment) {
        struct spool_header h;
        const struct index_node *its = &s->index.node[node];
        if (its->state != NODE_LIVE) {
            continue;
        }
        if (!scan_record(&s->scan, its->offset, g->end, true, &h, NULL)) {
            /* It was good when it was found. Its delivery will tell; it stays. */
            store_set_aside(s, g, its->offset, its->offset + (uint64_t)its->len8 * 8,
                            SCAN_DAMAGED);
            g->fixed = true;
            break;
        }
        uint64_t len = spool_record_len(&h);
        if (m.n == 0) {
            if (!target(s, s->moves == NULL ? 0 : s->moves->known, len)) {
                return false;
            }
            m.start = at = s->moves->known;
        } else if (len > s->moves->size - at || at - m.start > MOVE_OCTETS) {
            break;
        }
        struct slice record = scan_octets(&s->scan, its->offset, (size_t)len, g->end);
        if (!write_copy(&m, record, at, h)) {
            close_moves(s);
            return false;
        }
        m.move[m.n++] = (struct move){node, at, len};
        at += len;
    }
    if (m.n == 0) {
        return false;
    }
    if (spool_io_fdatasync(s->moves_fd) != 0) {
        close_moves(s);
        return false;
    }
    s->moves->known = at;
    switch_over(&m);
    return true;
}

static bool worth_moving(const struct segment *g, uint64_t now_ms)
{
    return g->sealed && g->shared && !g->fixed && g->live > 0 && g->sealed_ms != 0 &&
           now_ms >= g->sealed_ms + SPOOL_MOVE_AFTER_MS &&
           g->live_octets < g->end / MOVE_FRACTION;
}

static void tidy_segments(struct spool_store *s, uint64_t now_ms)
{
    bool moved = false;
    for (size_t i = s->segment_n; i-- > 0;) {
        if (i >= s->segment_n) {
            continue; /* dropping takes segments out of the table */
        }
        struct segment *g = s->segment[i];
        if (g->sealed && g->sealed_ms == 0) {
            g->sealed_ms = now_ms;
        }
        if (!moved && worth_moving(g, now_ms)) {
            moved = true;
            IGNORE(move_group(s, g)); /* the next call goes on, or tries again */
            if (g->fd >= 0) {
                (void)close(g->fd);
                g->fd = -1;
            }
        }
        store_drop_if_idle(s, g);
    }
}

/* The blocks of a spare have been written once: overwriting them needs no transaction of
 * the file system at each sync. */
static void fill_spare(struct spool_store *s)
{
    char name[STORE_NAME_MAX];
    if (s->filling_fd < 0) {
        if (s->spare_n > 0 || s->segment_n == 0 ||
            spool_store_free_octets(s) / FILL_ROOM < s->segment_size) {
            return;
        }
        s->filling = store_number(s);
        s->filled = 0;
        store_name(name, "spare", s->filling);
        s->filling_fd = spool_io_open(s->dir, name, O_WRONLY | O_CREAT | O_EXCL);
        if (s->filling_fd < 0 ||
            spool_io_fallocate(s->filling_fd, (off_t)s->segment_size) != 0) {
            s->filled = s->segment_size;
        }
    }
    uint64_t left = s->segment_size - s->filled;
    size_t step = left < FILL_STEP ? (size_t)left : FILL_STEP;
    unsigned char *zeros = calloc(1, FILL_STEP);
    struct iovec iov = {zeros, step};
    bool ok = step > 0 && zeros != NULL &&
              spool_io_write_all(s->filling_fd, &iov, 1, s->filled);
    free(zeros);
    if (ok) {
        spool_io_start(s->filling_fd, (off_t)s->filled, (off_t)step);
        s->filled += step;
        if (s->filled < s->segment_size) {
            return;
        }
    }
    if (s->filling_fd >= 0) {
        ok = ok && spool_io_fdatasync(s->filling_fd) == 0;
        (void)close(s->filling_fd);
        s->filling_fd = -1;
    }
    if (ok && s->spare_n < SPOOL_SPARES_MAX) {
        s->spare[s->spare_n++] = s->filling;
        return;
    }
    store_name(name, "spare", s->filling);
    IGNORE(spool_io_unlink(s->dir, name) != 0); /* the next start removes it */
}

void spool_store_compact(struct spool_store *s, uint64_t now_ms)
{
    tidy_segments(s, now_ms);
    fill_spare(s);
    if (s->journal.size > JOURNAL_LEAST && s->journal.size > 2 * s->journal.base) {
        IGNORE(
            store_rewrite(s)); /* the old one serves on; tried again at the next call */
    }
}
