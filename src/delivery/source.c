/* delivery/source.c - see source.h */
#include "delivery/source.h"

#include "base/crc32c.h"
#include "spool/record.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* All n octets at off, or why not; the end of the file is damage. */
static enum source_res read_all(int fd, unsigned char *to, size_t n, uint64_t off)
{
    while (n > 0) {
        ssize_t got = pread(fd, to, n, (off_t)off);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return SOURCE_IO;
        }
        if (got == 0) {
            return SOURCE_DAMAGED;
        }
        to += got;
        n -= (size_t)got;
        off += (uint64_t)got;
    }
    return SOURCE_OK;
}

static enum source_res read_header(struct source *s, const struct job *j,
                                   struct spool_header *h)
{
    unsigned char raw[SPOOL_HEADER_LEN];
    enum source_res res = read_all(s->fd, raw, sizeof raw, j->offset);
    if (res != SOURCE_OK) {
        return res;
    }
    if (spool_header_read((struct slice){raw, sizeof raw}, j->segment, h) !=
            SPOOL_HEADER_OK ||
        h->id.session != j->id.session || h->id.n != j->id.n ||
        h->message_len != j->message_len || h->envelope_len != j->envelope_len ||
        h->head_len != j->head_len) {
        return SOURCE_DAMAGED;
    }
    return SOURCE_OK;
}

/* The envelope is not needed here, but one checksum covers it and the head. */
static enum source_res read_head(struct source *s, const struct job *j,
                                 const struct spool_header *h)
{
    uint64_t at = j->offset + SPOOL_HEADER_LEN + h->message_len;
    uint32_t crc = 0;
    for (uint32_t left = h->envelope_len; left > 0;) {
        size_t n = left < SOURCE_CHUNK ? left : SOURCE_CHUNK;
        enum source_res res = read_all(s->fd, s->chunk, n, at);
        if (res != SOURCE_OK) {
            return res;
        }
        crc = crc32c(crc, (struct slice){s->chunk, n});
        at += n;
        left -= (uint32_t)n;
    }
    if (h->head_len == 0) {
        return crc == h->rest_crc ? SOURCE_OK : SOURCE_DAMAGED;
    }
    unsigned char *room = buf_room(&s->head, h->head_len);
    if (room == NULL) {
        return SOURCE_DAMAGED;
    }
    enum source_res res = read_all(s->fd, room, h->head_len, at);
    if (res != SOURCE_OK) {
        return res;
    }
    buf_grew(&s->head, h->head_len);
    return crc32c(crc, buf_slice(&s->head)) == h->rest_crc ? SOURCE_OK : SOURCE_DAMAGED;
}

enum source_res source_open(struct source *s, int fd, const struct job *j)
{
    struct spool_header h;
    *s = (struct source){.fd = fd, .chunk = malloc(SOURCE_CHUNK)};
    buf_init(&s->head, SPOOL_HEAD_MAX);
    if (s->chunk == NULL) {
        errno = ENOMEM;
        return SOURCE_IO;
    }
    enum source_res res = read_header(s, j, &h);
    if (res == SOURCE_OK) {
        res = read_head(s, j, &h);
    }
    if (res == SOURCE_OK) {
        s->want_crc = h.message_crc;
        source_rewind(s, j);
    }
    return res;
}

void source_close(struct source *s)
{
    free(s->chunk);
    s->chunk = NULL;
    buf_clear(&s->head);
}

enum source_res source_envelope(const struct source *s, const struct job *j,
                                struct buf *out)
{
    unsigned char *room = buf_room(out, j->envelope_len);
    if (room == NULL) {
        errno = ENOMEM;
        return SOURCE_IO;
    }
    enum source_res res = read_all(s->fd, room, j->envelope_len,
                                   j->offset + SPOOL_HEADER_LEN + j->message_len);
    if (res == SOURCE_OK) {
        buf_grew(out, j->envelope_len);
    }
    return res;
}

void source_rewind(struct source *s, const struct job *j)
{
    s->at = j->offset + SPOOL_HEADER_LEN;
    s->left = j->message_len;
    s->crc = 0;
}

enum source_res source_next(struct source *s, struct slice *out)
{
    if (s->left == 0) {
        return s->crc == s->want_crc ? SOURCE_END : SOURCE_DAMAGED;
    }
    size_t n = s->left < SOURCE_CHUNK ? (size_t)s->left : SOURCE_CHUNK;
    enum source_res res = read_all(s->fd, s->chunk, n, s->at);
    if (res != SOURCE_OK) {
        return res;
    }
    *out = (struct slice){s->chunk, n};
    s->crc = crc32c(s->crc, *out);
    s->at += n;
    s->left -= n;
    return SOURCE_OK;
}
