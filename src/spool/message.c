/* spool/message.c - see writer.h: a message on its way into the spool (event loop's
 * side). */
#include "base/crc32c.h"
#include "spool/writer_internal.h"

#include <stdlib.h>
#include <string.h>

enum {
    CHUNK_FIRST = 2048,
    CHUNK_MOST = 64 * 1024,
    STREAM_PIECE = 128 * 1024, /* handed to the thread at once, at least */
};

void chunks_free(struct chunks *c)
{
    while (c->head != NULL) {
        struct chunk *next = c->head->next;
        free(c->head);
        c->head = next;
    }
    *c = (struct chunks){0};
}

static void release(struct spool_message *m, struct chunks *c)
{
    m->w->memory -= c->memory;
    chunks_free(c);
}

/* Chunks double from 2 to 64 KiB; a large piece gets one of its own size. */
static struct chunk *new_chunk(struct spool_message *m, size_t need)
{
    size_t cap = m->in.tail == NULL ? CHUNK_FIRST : m->in.tail->cap * 2;
    cap = cap > CHUNK_MOST ? CHUNK_MOST : cap;
    cap = cap < need ? (need + 511) & ~(size_t)511 : cap;
    if (m->w->memory + cap > m->w->memory_max) {
        return NULL;
    }
    struct chunk *c = malloc(sizeof *c + cap);
    if (c == NULL) {
        return NULL;
    }
    c->next = NULL;
    c->len = 0;
    c->cap = cap;
    if (m->in.tail == NULL) {
        m->in.head = c;
    } else {
        m->in.tail->next = c;
    }
    m->in.tail = c;
    m->in.n++;
    m->in.memory += cap;
    m->w->memory += cap;
    return c;
}

/* All of s or nothing: the room is found first. */
static bool store(struct spool_message *m, struct slice s)
{
    struct chunk *tail = m->in.tail;
    size_t room = tail == NULL ? 0 : tail->cap - tail->len;
    struct slice first = slice_sub(s, 0, room), second = slice_from(s, first.len);
    struct chunk *fresh = second.len == 0 ? tail : new_chunk(m, second.len);
    if (s.len > 0 && fresh == NULL) {
        return false;
    }
    if (first.len > 0) {
        memcpy(tail->data + tail->len, first.ptr, first.len);
        tail->len += first.len;
    }
    if (second.len > 0) {
        memcpy(fresh->data, second.ptr, second.len);
        fresh->len = second.len;
    }
    m->crc = crc32c(m->crc, s);
    m->len += s.len;
    m->in.octets += s.len;
    return true;
}

struct spool_message *spool_message_new(struct spool_writer *w, struct message_id id,
                                        void (*resume)(void *arg), void *arg)
{
    struct spool_message *m = calloc(1, sizeof *m);
    if (m == NULL) {
        return NULL;
    }
    m->w = w;
    m->id = id;
    m->resume = resume;
    m->arg = arg;
    list_init(&m->node);
    list_init(&m->asking);
    return m;
}

uint64_t spool_message_len(const struct spool_message *m)
{
    return m->len;
}

uint64_t message_record_len(const struct spool_message *m)
{
    return SPOOL_HEADER_LEN + m->len + m->rest_len;
}

void message_free(struct spool_message *m)
{
    release(m, &m->in);
    release(m, &m->out);
    list_remove(&m->node);
    list_remove(&m->asking);
    free(m->rest);
    free(m);
}

static void fail(struct spool_message *m)
{
    m->failed = true;
    release(m, &m->in);
}

static void hand_over(struct spool_message *m)
{
    m->out = m->in;
    m->in = (struct chunks){0};
    m->last = m->committed;
    m->at_thread = true;
    list_append(&m->w->ready, &m->node);
    writer_kick(m->w);
}

enum spool_res spool_message_add(struct spool_message *m, struct slice s)
{
    struct spool_writer *w = m->w;
    if (m->failed || m->committed || s.len > SPOOL_MESSAGE_MAX - m->len) {
        return SPOOL_FAIL;
    }
    if (m->step == MESSAGE_SMALL && m->len + s.len > SPOOL_SINGLE_OVER) {
        if (w->state != SPOOL_READY) {
            fail(m);
            return SPOOL_FAIL;
        }
        m->step = MESSAGE_ASKING;
        writer_ask_for(w, m);
    }
    if (m->step == MESSAGE_STREAMING && !m->at_thread && m->in.octets >= STREAM_PIECE) {
        hand_over(m);
    }
    size_t window =
        SPOOL_STREAM_WINDOW + (m->step == MESSAGE_ASKING ? SPOOL_SINGLE_OVER : 0);
    if (m->step != MESSAGE_SMALL && m->in.octets > 0 && m->in.octets + s.len > window &&
        (m->at_thread || m->step == MESSAGE_ASKING)) {
        m->wants_resume = true;
        return SPOOL_WAIT;
    }
    if (!store(m, s)) {
        fail(m);
        return SPOOL_FAIL;
    }
    return SPOOL_OK;
}

static void resume_if_wanted(struct spool_message *m)
{
    if (m->wants_resume) {
        m->wants_resume = false;
        m->resume(m->arg); /* may free m */
    }
}

void message_given(struct spool_message *m, struct open_segment *own)
{
    list_remove(&m->asking);
    m->step = MESSAGE_STREAMING;
    m->own = own;
    hand_over(m);
    resume_if_wanted(m);
}

static void defer(struct spool_message *m)
{
    list_append(&m->w->deferred, &m->node);
    writer_kick(m->w);
}

void message_refused(struct spool_message *m)
{
    list_remove(&m->asking);
    fail(m);
    if (m->committed) {
        defer(m);
    } else {
        resume_if_wanted(m);
    }
}

void message_finish(struct spool_message *m, enum spool_res res)
{
    list_remove(&m->node);
    release(m, &m->in);
    release(m, &m->out);
    if (m->own != NULL) {
        m->own->end = res == SPOOL_OK ? m->own->end : 0;
        writer_seal(m->w, m->own);
        m->own = NULL;
    }
    m->committed = false;
    m->failed = true; /* nothing can be added any more */
    if (m->abandoned) {
        message_free(m);
    } else {
        m->done(m->arg, res); /* may free m */
    }
}

void message_returned(struct spool_message *m)
{
    list_remove(&m->node);
    m->at_thread = false;
    release(m, &m->out);
    if (m->step == MESSAGE_SMALL || m->last) {
        message_finish(m, m->res);
        return;
    }
    if (m->res != SPOOL_OK) {
        fail(m);
    }
    if (m->abandoned && !m->committed) {
        m->own->end = 0;
        writer_seal(m->w, m->own);
        message_free(m);
    } else if (m->failed && m->committed) {
        message_finish(m, SPOOL_FAIL);
    } else {
        if (!m->failed && (m->committed || m->in.octets >= STREAM_PIECE)) {
            hand_over(m);
        }
        resume_if_wanted(m);
    }
}

static bool set_rest(struct spool_message *m, struct slice envelope, struct slice head)
{
    if (envelope.len > SPOOL_ENVELOPE_MAX || head.len > SPOOL_HEAD_MAX) {
        return false;
    }
    size_t len = envelope.len + head.len;
    size_t padding = (size_t)(0 - (SPOOL_HEADER_LEN + m->len + len)) & 7;
    m->rest = malloc(len + padding + 1); /* never of no octets */
    if (m->rest == NULL) {
        return false;
    }
    if (envelope.len > 0) {
        memcpy(m->rest, envelope.ptr, envelope.len);
    }
    if (head.len > 0) {
        memcpy(m->rest + envelope.len, head.ptr, head.len);
    }
    memset(m->rest + len, 0, padding);
    m->rest_len = (uint32_t)(len + padding);
    m->rest_crc = crc32c(0, (struct slice){m->rest, len});
    m->envelope_len = (uint32_t)envelope.len;
    m->head_len = (uint32_t)head.len;
    return true;
}

void spool_message_commit(struct spool_message *m, uint64_t arrival_ms,
                          struct slice envelope, struct slice head,
                          void (*done)(void *arg, enum spool_res res))
{
    m->done = done;
    m->arrival_ms = arrival_ms;
    m->committed = true;
    m->wants_resume = false;
    if (!m->failed && !set_rest(m, envelope, head)) {
        fail(m);
    }
    if (m->failed) {
        if (!m->at_thread) { /* else it ends when the thread returns it */
            defer(m);
        }
    } else if (m->step == MESSAGE_SMALL ||
               (m->step == MESSAGE_STREAMING && !m->at_thread)) {
        hand_over(m);
    }
    /* else: when the segment is given, or the piece that is being written is. */
}

void spool_message_free(struct spool_message **message)
{
    struct spool_message *m = *message;
    *message = NULL;
    if (m == NULL) {
        return;
    }
    if (m->at_thread || m->committed) {
        m->abandoned = true;
        m->wants_resume = false;
        return;
    }
    if (m->own != NULL) {
        m->own->end = 0;
        writer_seal(m->w, m->own);
    }
    message_free(m);
}
