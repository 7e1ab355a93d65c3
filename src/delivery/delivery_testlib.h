/* delivery/delivery_testlib.h - for the tests of this folder and bench/maildir_bench.c: a
 * message in a segment file, and the job that orders it. */
#ifndef DELIVERY_TESTLIB_H
#define DELIVERY_TESTLIB_H
#include "base/crc32c.h"
#include "queue/job.h"
#include "spool/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* An unlinked file in dir with one record at offset; fills what the job says of it. */
static inline int testlib_segment(const char *dir, uint64_t offset, struct slice head,
                                  struct slice message, struct job *j)
{
    char path[512];
    unsigned char raw[SPOOL_HEADER_LEN];
    struct slice envelope = SLICE("envelope, opaque to delivery");
    struct spool_header h = {
        .segment = j->segment,
        .message_len = message.len,
        .envelope_len = (uint32_t)envelope.len,
        .head_len = (uint32_t)head.len,
        .id = j->id,
        .arrival_ms = j->arrival_ms,
        .message_crc = crc32c(0, message),
        .rest_crc = crc32c(crc32c(0, envelope), head),
    };
    spool_header_write(&h, raw);
    if (snprintf(path, sizeof path, "%s/segment-XXXXXX", dir) >= (int)sizeof path) {
        return -1;
    }
    int fd = mkstemp(path);
    off_t at = (off_t)offset;
    if (fd < 0 || unlink(path) != 0 ||
        pwrite(fd, raw, sizeof raw, at) != (ssize_t)sizeof raw ||
        pwrite(fd, message.ptr, message.len, at + 64) != (ssize_t)message.len ||
        pwrite(fd, envelope.ptr, envelope.len, at + 64 + (off_t)message.len) !=
            (ssize_t)envelope.len ||
        pwrite(fd, head.ptr, head.len,
               at + 64 + (off_t)message.len + (off_t)envelope.len) != (ssize_t)head.len) {
        return -1;
    }
    j->offset = offset;
    j->message_len = message.len;
    j->envelope_len = (uint32_t)envelope.len;
    j->head_len = (uint32_t)head.len;
    return fd;
}
#endif
