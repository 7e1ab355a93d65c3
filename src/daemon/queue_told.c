/* daemon/queue_told.c - see queue.h: messages that came while no queue was there are told of by the next one; and
 * it tells again what the trace role may not have written.
 *
 * Events  at an orderly end what the trace role had not committed is written to STATE_EVENTS; the next queue
 *         goes on from it (trace/keep.h).
 * Kept    at an orderly end, in STATE_TOLD: each segment that has open messages, and where the last of these
 *         begins. What is open later and lies behind that, or in another segment, came since. The next
 *         queue takes the file away. After a crash there is none, and what is found is not told of
 *         again: rather once too few than twice.
 * Limits  SEGMENTS_MAX segments; of more nothing is kept. QUEUE_EVENTS_MAX octets of events. */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
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
    EVENTS_ROOM = QUEUE_EVENTS_MAX + 8192,
};

static bool path_of(const struct queue_role *q, const char *file, char out[PATH_ROOM])
{
    int n = snprintf(out, PATH_ROOM, "%s/%s", q->ctx->config->state_dir, file);
    return n > 0 && n < PATH_ROOM;
}

/* For the next queue. None is better than half of it. */
static void leave(const struct queue_role *q, const char *file, const struct buf *b)
{
    char path[PATH_ROOM];
    int fd = b->failed || !path_of(q, file, path)
                 ? -1
                 : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0 && !file_write(fd, buf_slice(b))) {
        (void)unlink(path);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
}

/* What the queue before left, which is taken away. False: nothing that could be read. */
static bool take(const struct queue_role *q, const char *file, struct buf *b)
{
    char path[PATH_ROOM];
    int fd = path_of(q, file, path) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) {
        return false;
    }
    bool ok = file_read(fd, b) && unlink(path) == 0;
    (void)close(fd);
    return ok;
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

static void keep_events(struct queue_role *q)
{
    struct buf b;
    buf_init(&b, EVENTS_ROOM);
    if (q->keep.records.len > 0) {
        trace_keep_save(&q->keep, &b);
        leave(q, STATE_EVENTS, &b);
    }
    buf_clear(&b);
}

void queue_told_keep(struct queue_role *q)
{
    keep_events(q);
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
    if (ok) {
        leave(q, STATE_TOLD, &b);
    }
    map_clear(&last);
    buf_clear(&b);
}

static bool read_told(const struct queue_role *q, struct map *last)
{
    struct buf b;
    buf_init(&b, FILE_ROOM);
    bool ok = take(q, STATE_TOLD, &b);
    struct wire_reader r = wire_reader_of(buf_slice(&b));
    while (ok && r.rest.len > 0) {
        uint64_t segment = wire_u64(&r);
        uint64_t value = wire_u64(&r);
        ok = !r.failed && note(last, segment, value);
    }
    buf_clear(&b);
    return ok;
}

static void go_on_with_events(struct queue_role *q)
{
    struct buf b;
    buf_init(&b, EVENTS_ROOM);
    if (take(q, STATE_EVENTS, &b) && !trace_keep_load(&q->keep, buf_slice(&b))) {
        log_text(LOG_WARN, "events", STATE_EVENTS " cannot be read: some may be lost");
    }
    buf_clear(&b);
}

void queue_told_go_on(struct queue_role *q)
{
    struct map last;
    go_on_with_events(q);
    map_init(&last, SEGMENTS_MAX);
    bool known = read_told(q, &last);
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
