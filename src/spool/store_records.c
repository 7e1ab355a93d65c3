/* spool/store_records.c - see store.h: records found, settled, done. */
#include "spool/store_internal.h"

#include "base/crc32c.h"
#include "base/log.h"
#include "spool/io.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct finder {
    struct spool_store *s;
    struct segment *g;
};

static bool wanted(void *arg, struct message_id id)
{
    const struct finder *f = arg;
    uint32_t at = index_find(&f->s->index, id);
    return at == INDEX_NONE || f->s->index.node[at].state != NODE_DONE;
}

static bool known_there(const struct spool_store *s, const struct segment *g,
                        uint64_t offset, struct message_id id)
{
    uint32_t at = index_chain(&s->index, id);
    for (; at != INDEX_NONE; at = s->index.node[at].same_hash) {
        const struct index_node *node = &s->index.node[at];
        if (node->segment == g && node->offset == offset && node->session == id.session &&
            node->n == id.n) {
            return true;
        }
    }
    return false;
}

static void found(void *arg, uint64_t offset, const struct spool_header *h,
                  struct slice envelope)
{
    const struct finder *f = arg;
    struct spool_store *s = f->s;
    struct segment *g = f->g;
    uint64_t len = spool_record_len(h);
    uint32_t at = index_find(&s->index, h->id);
    enum index_state state = NODE_LIVE;
    if (g->known == offset) {
        g->known = offset + len;
    }
    if (at != INDEX_NONE) {
        state = s->index.node[at].state == NODE_DONE ? NODE_DONE : NODE_OLD;
        if (known_there(s, g, offset, h->id)) {
            return;
        }
    }
    if (index_add(&s->index, h->id, g, offset, len, state, &g->nodes) == INDEX_NONE) {
        fatal("out of memory for the index of the spool");
    }
    if (state != NODE_LIVE) {
        return;
    }
    g->live++;
    g->live_octets += len;
    struct spool_entry e = {g->id, offset, *h, envelope};
    s->ops->entry(s->arg, &e);
}

static void copy_out(struct spool_store *s, const struct segment *g, uint64_t from,
                     uint64_t to, int out)
{
    unsigned char *piece = malloc(65536);
    uint64_t at = from;
    bool ok = piece != NULL;
    while (ok && at < to) {
        size_t want = to - at < 65536 ? (size_t)(to - at) : 65536;
        ssize_t n = pread(g->fd, piece, want, (off_t)at);
        if (n <= 0) {
            break; /* what the disk gives */
        }
        struct iovec iov = {piece, (size_t)n};
        ok = spool_io_write_all(out, &iov, 1, at - from);
        at += (uint64_t)n;
    }
    free(piece);
    if (!ok || spool_io_fdatasync(out) != 0) {
        store_report(s, "damaged octets could not be copied to bad/");
    }
}

void store_set_aside(struct spool_store *s, struct segment *g, uint64_t from, uint64_t to,
                     enum scan_bad how)
{
    const char *what = how == SCAN_TORN ? "torn" : "damaged";
    char name[STORE_NAME_MAX];
    (void)snprintf(name, sizeof name, "bad/segment-%016" PRIx64 "-%" PRIu64, g->id, from);
    if (s->read_only) {
        store_report(s, "%s: segment %016" PRIx64 " octets %" PRIu64 " to %" PRIu64, what,
                     g->id, from, to);
        return;
    }
    int fd = spool_io_open(s->dir, name, O_WRONLY | O_CREAT | O_EXCL);
    if (fd < 0 && errno == EEXIST) {
        return; /* told at an earlier start */
    }
    store_report(s, "%s: segment %016" PRIx64 " octets %" PRIu64 " to %" PRIu64 ", %s%s",
                 what, g->id, from, to,
                 fd < 0 ? "could not be set aside in " : "set aside as ", name);
    if (fd < 0) {
        return;
    }
    copy_out(s, g, from, to, fd);
    (void)close(fd);
    int bad = openat(s->dir, "bad", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (bad >= 0) {
        IGNORE(spool_io_fsync(bad) != 0); /* the report is the main thing */
        (void)close(bad);
    }
}

static void bad(void *arg, uint64_t from, uint64_t to, enum scan_bad how)
{
    const struct finder *f = arg;
    if (how != SCAN_CUT) {
        store_set_aside(f->s, f->g, from, to, how);
        return;
    }
    store_report(f->s,
                 "cut: segment %016" PRIx64 " octets %" PRIu64 " to %" PRIu64
                 ", written when the power failed or the writer died, never acknowledged",
                 f->g->id, from, to);
}

static const struct scan_ops scan_ops = {wanted, found, bad};

uint64_t store_scan(struct spool_store *s, struct segment *g, uint64_t limit,
                    enum scan_mode mode)
{
    struct finder f = {s, g};
    if (!store_scan_open(s, g)) {
        store_report(s, "segment %016" PRIx64 " cannot be opened", g->id);
        return g->known;
    }
    off_t size = lseek(g->fd, 0, SEEK_END);
    uint64_t have = size < 0 ? 0 : (uint64_t)size;
    if (mode == SCAN_SEALED && have < limit) {
        store_report(
            s, "damaged: segment %016" PRIx64 " ends at %" PRIu64 " instead of %" PRIu64,
            g->id, have, limit);
    }
    limit = limit < have ? limit : have;
    uint64_t end = limit > g->known
                       ? scan_run(&s->scan, g->known, limit, mode, &scan_ops, &f)
                       : g->known;
    if (g->sealed) {
        (void)close(g->fd); /* there may be more sealed ones than descriptors */
        g->fd = -1;
    }
    if (s->scan.read_errors > 0) {
        store_report(s, "segment %016" PRIx64 ": %u read errors", g->id,
                     s->scan.read_errors);
    }
    return end;
}

/* Header, envelope and head alone: the message was checked by who wrote it. */
static bool read_notice(struct spool_store *s, struct segment *g, uint64_t offset,
                        struct spool_header *h, struct slice *envelope)
{
    unsigned char raw[SPOOL_HEADER_LEN];
    off_t size = lseek(g->fd, 0, SEEK_END);
    uint64_t limit = g->sealed ? g->end : (uint64_t)(size < 0 ? 0 : size);
    if (pread(g->fd, raw, sizeof raw, (off_t)offset) != (ssize_t)sizeof raw ||
        spool_header_read((struct slice){raw, sizeof raw}, g->id, h) != SPOOL_HEADER_OK ||
        offset > limit || spool_record_len(h) > limit - offset) {
        return false;
    }
    struct slice rest = {s->scan.window, (size_t)h->envelope_len + h->head_len};
    off_t at = (off_t)(offset + SPOOL_HEADER_LEN + h->message_len);
    if (pread(g->fd, s->scan.window, rest.len, at) != (ssize_t)rest.len ||
        crc32c(0, rest) != h->rest_crc) {
        return false;
    }
    *envelope = slice_sub(rest, 0, h->envelope_len);
    return true;
}
_Static_assert(SPOOL_ENVELOPE_MAX + SPOOL_HEAD_MAX <= SCAN_WINDOW, "read in one piece");

bool spool_store_read(struct spool_store *s, uint64_t segment, uint64_t offset)
{
    struct segment *g = store_find(s, segment);
    struct spool_header h;
    struct slice envelope;
    if (g == NULL || offset % 8 != 0 || !store_scan_open(s, g)) {
        return false;
    }
    struct finder f = {s, g};
    bool ok = read_notice(s, g, offset, &h, &envelope);
    if (ok) {
        found(&f, offset, &h, envelope);
    }
    if (g->sealed) {
        (void)close(g->fd);
        g->fd = -1;
    }
    return ok;
}

void spool_store_seal(struct spool_store *s, uint64_t segment, uint64_t end)
{
    struct segment *g = store_find(s, segment);
    if (g == NULL || g->sealed || g == s->moves) {
        return;
    }
    /* Who seals has closed the file: nobody can cut off a writer that lives. */
    if (store_writer_lives(s, g)) {
        store_report(s, "segment %016" PRIx64 " was to be sealed while a writer has it",
                     segment);
        return;
    }
    uint64_t found_end = store_scan(s, g, end & ~UINT64_C(7), SCAN_SEALED);
    if (end < found_end) {
        end = found_end;
    }
    store_seal(s, g, end & ~UINT64_C(7));
}

void spool_store_orphans(struct spool_store *s)
{
    for (size_t i = s->segment_n; i-- > 0;) {
        struct segment *g = s->segment[i];
        if (!g->sealed && g != s->moves && !store_writer_lives(s, g)) {
            store_seal(s, g, store_scan(s, g, UINT64_MAX, SCAN_LEFT));
        }
    }
}

bool spool_store_settle(struct spool_store *s, const struct spool_settle *settle)
{
    struct buf b;
    buf_init(&b, JOURNAL_ENTRY_MAX);
    journal_write_settle(&b, &s->journal, settle);
    bool ok = !b.failed && journal_append(&s->journal, buf_slice(&b));
    buf_clear(&b);
    return ok;
}

bool spool_store_sync(struct spool_store *s)
{
    if (s->journal.broken && !store_rewrite(s)) {
        return false;
    }
    if (s->untold > 0) {
        store_tell_ends(s);
    }
    return journal_sync(&s->journal);
}

void spool_store_done(struct spool_store *s, struct message_id id)
{
    struct segment *g = NULL;
    uint32_t at = index_chain(&s->index, id);
    for (; at != INDEX_NONE; at = s->index.node[at].same_hash) {
        struct index_node *node = &s->index.node[at];
        if (node->session != id.session || node->n != id.n) {
            continue;
        }
        if (node->state == NODE_LIVE) {
            g = node->segment;
            g->live--;
            g->live_octets -= (uint64_t)node->len8 * 8;
        }
        /* Copies too: whichever file goes last must keep the journal's word on it. */
        node->state = NODE_DONE;
    }
    if (g != NULL) {
        store_drop_if_idle(s, g);
    }
}
