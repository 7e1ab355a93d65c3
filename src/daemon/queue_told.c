/* daemon/queue_told.c - see queue.h: messages that came while no queue was there are told of by the next one.
 *
 * Kept    at an orderly end, in STATE_TOLD: each segment that has open messages, and where the last of these
 *         begins. What is open later and lies behind that, or in another segment, came since. The next
 *         queue takes the file away. After a crash there is none, and what is found is not told of
 *         again: rather once too few than twice.
 * Limits  SEGMENTS_MAX segments; of more nothing is kept. */
#include "base/clock.h"
#include "base/file.h"
#include "base/map.h"
#include "config/paths.h"
#include "daemon/queue.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    PATH_ROOM = 4200,
    SEGMENTS_MAX = 65536,
    ENTRY_LEN = 16, /* u64 segment, u64 offset + 1 */
    FILE_ROOM = ENTRY_LEN * SEGMENTS_MAX + 4096,
};

static bool path_of(const struct queue_role *q, char out[PATH_ROOM])
{
    int n = snprintf(out, PATH_ROOM, "%s/" STATE_TOLD, q->ctx->config->state_dir);
    return n > 0 && n < PATH_ROOM;
}

/* Values are offsets + 1; 0: the segment is not known. */
static uint64_t last_of(const struct map *last, uint64_t segment)
{
    return (uintptr_t)map_get(last, map_key_u64(&segment));
}

static bool note(struct map *last, uint64_t segment, uint64_t value)
{
    return last_of(last, segment) >= value ||
           map_put(last, map_key_u64(&segment), (void *)(uintptr_t)value);
}

static void put_one(void *arg, struct slice key, void *value)
{
    uint64_t segment = 0;
    memcpy(&segment, key.ptr, sizeof segment); /* as map_key_u64() made it */
    wire_put_u64(arg, segment);
    wire_put_u64(arg, (uintptr_t)value);
}

void queue_told_keep(struct queue_role *q)
{
    char path[PATH_ROOM];
    struct map last;
    struct buf b;
    struct queue_cursor c;
    bool ok = true;
    map_init(&last, SEGMENTS_MAX);
    buf_init(&b, FILE_ROOM);
    queue_cursor_open(q->index, &c);
    for (const struct queue_message *m = queue_cursor_next(q->index, &c); m != NULL && ok;
         m = queue_cursor_next(q->index, &c)) {
        ok = note(&last, m->segment, m->offset + 1);
    }
    queue_cursor_close(&c);
    map_each(&last, put_one, &b);
    ok = ok && !b.failed && path_of(q, path);
    int fd = ok ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    if (fd >= 0 && write(fd, b.ptr, b.len) != (ssize_t)b.len) {
        (void)unlink(path); /* none is better than half of it */
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    map_clear(&last);
    buf_clear(&b);
}

static bool read_told(const char *path, struct map *last)
{
    struct buf b;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    buf_init(&b, FILE_ROOM);
    bool ok = file_read(fd, &b) && unlink(path) == 0;
    (void)close(fd);
    struct wire_reader r = wire_reader_of(buf_slice(&b));
    while (ok && r.rest.len > 0) {
        uint64_t segment = wire_u64(&r);
        uint64_t value = wire_u64(&r);
        ok = !r.failed && note(last, segment, value);
    }
    buf_clear(&b);
    return ok;
}

void queue_told_go_on(struct queue_role *q)
{
    char path[PATH_ROOM];
    struct map last;
    map_init(&last, SEGMENTS_MAX);
    bool known = path_of(q, path) && read_told(path, &last);
    struct queue_cursor c;
    queue_cursor_open(q->index, &c);
    for (const struct queue_message *m = queue_cursor_next(q->index, &c);
         m != NULL && known; m = queue_cursor_next(q->index, &c)) {
        if (last_of(&last, m->segment) <= m->offset) {
            story_queued(&q->story, m, clock_wall_ms());
        }
    }
    queue_cursor_close(&c);
    map_clear(&last);
}
