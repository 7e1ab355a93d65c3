/* delivery/source.h - a message read out of its spool segment, checked on the way.
 *
 * I/O     pread() on the segment's descriptor only; several sources may share one.
 * Own     the source owns its head; octets of a chunk live until the next call.
 * Errors  SOURCE_IO: errno tells; try again later. SOURCE_DAMAGED: what lies there is not the
 *         message ordered, or its checksum is wrong. It may show at the last chunk: nothing
 *         that was read may be made visible before SOURCE_END. */
#ifndef DELIVERY_SOURCE_H
#define DELIVERY_SOURCE_H
#include "base/buf.h"
#include "queue/job.h"

enum { SOURCE_CHUNK = 64 * 1024 };
enum source_res { SOURCE_OK = 0, SOURCE_END, SOURCE_IO, SOURCE_DAMAGED };

struct source {
    int fd;
    uint64_t at, left; /* of the message */
    uint32_t crc, want_crc;
    struct buf head;      /* Received and other fields that we put in front */
    unsigned char *chunk; /* SOURCE_CHUNK octets */
};

/* Reads and checks header, envelope and head. source_close() in any case. */
MUST_USE enum source_res source_open(struct source *s, int fd, const struct job *j);
void source_close(struct source *s);

/* Octets of the message, in order. */
MUST_USE enum source_res source_next(struct source *s, struct slice *out);
void source_rewind(struct source *s, const struct job *j);
/* The envelope, appended; after source_open() said SOURCE_OK, which checked it. */
MUST_USE enum source_res source_envelope(const struct source *s, const struct job *j,
                                         struct buf *out);
#endif
