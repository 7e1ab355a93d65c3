/* spool/commit.c - the commit thread: all that waits, one write, one sync. */
#include "base/log.h"
#include "spool/io.h"
#include "spool/writer_internal.h"

#include <stdlib.h>
#include <unistd.h>

enum {
    ROUND_IOV = 16384,
    ROUND_MESSAGES = 4096,
    MESSAGE_PIECES = 2, /* header and rest, beside the chunks */
};

/* What one turn of the thread takes. */
struct round {
    struct spool_writer *w;
    struct iovec *iov;
    unsigned char (*header)[SPOOL_HEADER_LEN];
    struct list small, streams;
    struct open_segment *segment; /* of the small ones */
    uint64_t end;                 /* of it, when all is written */
    size_t n, pieces;             /* small messages, and their pieces */
};

static struct spool_message *message_of(struct list *node)
{
    return LIST_ITEM(node, struct spool_message, node);
}

static void move_to(struct list *to, struct list *node)
{
    list_remove(node);
    list_append(to, node);
}

/* lock */
static void seal_current(struct spool_writer *w)
{
    if (w->current != NULL) {
        list_append(&w->sealed, &w->current->node);
    }
    w->current = w->next;
    w->next = NULL;
}

/* lock. Does the next small message find room in this round? */
static bool has_room(struct round *r, const struct spool_message *m)
{
    struct spool_writer *w = r->w;
    uint64_t len = message_record_len(m);
    if (r->n == ROUND_MESSAGES || r->pieces + m->out.n + MESSAGE_PIECES > ROUND_IOV) {
        return false;
    }
    if (r->n == 0 && w->current != NULL && len > w->current->capacity - w->current->end) {
        seal_current(w);
    }
    if (w->current == NULL) {
        return false;
    }
    if (r->n == 0) {
        r->segment = w->current;
        r->end = w->current->end;
    }
    return len <= r->segment->capacity - r->end;
}

/* lock. One round writes to one shared segment; what does not fit waits for the next. */
static void gather(struct round *r)
{
    struct spool_writer *w = r->w;
    bool full = false;
    list_init(&r->small);
    list_init(&r->streams);
    r->segment = NULL;
    r->n = r->pieces = 0;
    if (w->retire) {
        seal_current(w);
        seal_current(w);
        w->retire = false;
    }
    struct list *next = NULL;
    for (struct list *node = w->waiting.next; node != &w->waiting; node = next) {
        struct spool_message *m = message_of(node);
        next = node->next;
        if (m->step != MESSAGE_SMALL) {
            move_to(&r->streams, node);
        } else if (!full && has_room(r, m)) {
            m->place = (struct spool_place){r->segment->id, r->end};
            r->end += message_record_len(m);
            r->pieces += m->out.n + MESSAGE_PIECES;
            r->n++;
            move_to(&r->small, node);
        } else {
            full = true;
        }
    }
}

static void make_header(const struct spool_message *m, uint64_t segment, uint64_t back,
                        unsigned char out[SPOOL_HEADER_LEN])
{
    struct spool_header h = {
        .segment = segment,
        .message_len = m->len,
        .envelope_len = m->envelope_len,
        .head_len = m->head_len,
        .id = m->id,
        .back = (uint32_t)(back / 8),
        .arrival_ms = m->arrival_ms,
        .message_crc = m->crc,
        .rest_crc = m->rest_crc,
    };
    spool_header_write(&h, out);
}

static size_t add_chunks(struct iovec *iov, const struct chunks *c)
{
    size_t n = 0;
    for (struct chunk *chunk = c->head; chunk != NULL; chunk = chunk->next) {
        iov[n++] = (struct iovec){chunk->data, chunk->len};
    }
    return n;
}

/* They will be refused: nobody shall find them. As far as a disk in trouble lets us. */
static void wipe(struct round *r)
{
    unsigned char zeros[SPOOL_HEADER_LEN] = {0};
    for (struct list *node = r->small.next; node != &r->small; node = node->next) {
        struct iovec iov = {zeros, sizeof zeros};
        if (!spool_io_write_all(r->segment->fd, &iov, 1,
                                message_of(node)->place.offset)) {
            return;
        }
    }
}

static bool write_small(struct round *r)
{
    uint64_t start = r->segment->end; /* changed by this thread alone */
    size_t i = 0, n = 0;
    for (struct list *node = r->small.next; node != &r->small; node = node->next) {
        struct spool_message *m = message_of(node);
        make_header(m, r->segment->id, m->place.offset - start, r->header[i]);
        r->iov[n++] = (struct iovec){r->header[i++], SPOOL_HEADER_LEN};
        n += add_chunks(r->iov + n, &m->out);
        r->iov[n++] = (struct iovec){m->rest, m->rest_len};
    }
    if (spool_io_write_all(r->segment->fd, r->iov, n, start) &&
        spool_io_fdatasync(r->segment->fd) == 0) {
        return true;
    }
    wipe(r);
    return false;
}

static bool write_piece(struct round *r, struct spool_message *m)
{
    int fd = m->own->fd;
    uint64_t at = SPOOL_HEADER_LEN + m->written;
    size_t n = add_chunks(r->iov, &m->out);
    if (m->last) {
        r->iov[n++] = (struct iovec){m->rest, m->rest_len};
    }
    if (!spool_io_write_all(fd, r->iov, n, at)) {
        return false;
    }
    spool_io_start(fd, (off_t)at, (off_t)m->out.octets);
    m->written += m->out.octets;
    if (!m->last) {
        return true;
    }
    make_header(m, m->own->id, 0, r->header[0]);
    struct iovec header = {r->header[0], SPOOL_HEADER_LEN};
    if (!spool_io_write_all(fd, &header, 1, 0) || spool_io_fdatasync(fd) != 0) {
        return false;
    }
    m->place = (struct spool_place){m->own->id, 0};
    m->own->end = message_record_len(m);
    return true;
}

static void finish(struct spool_writer *w, struct list *messages)
{
    static const uint64_t one = 1;
    while (!list_empty(messages)) {
        move_to(&w->finished, messages->next);
    }
    (void)pthread_mutex_unlock(&w->mutex);
    ssize_t n = write(w->eventfd, &one, sizeof one);
    (void)n; /* full means: the signal stands already */
    (void)pthread_mutex_lock(&w->mutex);
}

/* Called and returns with the lock held; lets go of it while the disk works. */
static void run(struct round *r)
{
    struct spool_writer *w = r->w;
    if (r->n > 0) {
        (void)pthread_mutex_unlock(&w->mutex);
        bool ok = write_small(r);
        for (struct list *node = r->small.next; node != &r->small; node = node->next) {
            message_of(node)->res = ok ? SPOOL_OK : SPOOL_FAIL;
        }
        (void)pthread_mutex_lock(&w->mutex);
        if (ok) {
            r->segment->end = r->end;
        } else {
            seal_current(w); /* at its last durable record */
        }
    }
    finish(w, &r->small);
    while (!list_empty(&r->streams)) {
        struct spool_message *m = message_of(r->streams.next);
        struct list one;
        list_init(&one);
        move_to(&one, &m->node);
        (void)pthread_mutex_unlock(&w->mutex);
        m->res = write_piece(r, m) ? SPOOL_OK : SPOOL_FAIL;
        (void)pthread_mutex_lock(&w->mutex);
        finish(w, &one);
    }
}

void *commit_thread(void *writer)
{
    struct spool_writer *w = writer;
    struct round r = {.w = w,
                      .iov = malloc(ROUND_IOV * sizeof *r.iov),
                      .header = malloc(ROUND_MESSAGES * sizeof *r.header)};
    if (r.iov == NULL || r.header == NULL) {
        fatal("out of memory for the commit thread");
    }
    (void)pthread_mutex_lock(&w->mutex);
    for (;;) {
        bool told = !w->retire;
        gather(&r);
        if (r.n > 0 || !list_empty(&r.streams) || !told) {
            run(&r);
        } else if (w->stop) {
            break;
        } else {
            w->idle = true;
            (void)pthread_cond_wait(&w->wake, &w->mutex);
            w->idle = false;
        }
    }
    (void)pthread_mutex_unlock(&w->mutex);
    free(r.iov);
    free(r.header);
    return NULL;
}
