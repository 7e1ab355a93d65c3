/* spool/writer.h - append a message, be told when it is on disk. Used by smtpd.
 *
 * One writer a process. Small messages collect in memory and go to the shared segment; one
 * commit thread writes all that waits with one pwritev() and one fdatasync() (group commit).
 * A message that grows past SPOOL_SINGLE_OVER gets a segment of its own and is streamed
 * there. Segments are handed in from outside (the queue role makes the files): the writer
 * opens nothing, so it works inside the sandbox. System calls it makes there: pwritev,
 * fdatasync, sync_file_range, close, read and write (eventfd), futex, and clone for the
 * thread.
 *
 * Own     a message belongs to the caller from spool_message_new() to spool_message_free();
 *         after spool_message_commit() until `done` was called it may be abandoned with
 *         spool_message_free() too (done is then not called; what is written stays written,
 *         and is the queue's). `done` does not free it.
 * Threads all functions and callbacks: the event loop's thread only.
 * Errors  SPOOL_FAIL: this message cannot be kept (write error, no segment): answer 4yz. The
 *         writer heals by itself: a segment with a failed write is sealed at its last durable
 *         record and another one is asked for; a refused one is asked for again every second.
 * Limits  spool_writer_memory() counts octets of messages in memory; spool_message_add()
 *         gives SPOOL_FAIL beyond memory_max. A streamed message holds SPOOL_STREAM_WINDOW
 *         at most (beside what it held before it got its segment). */
#ifndef SPOOL_WRITER_H
#define SPOOL_WRITER_H
#include "spool/record.h"

enum {
    SPOOL_SINGLE_OVER = 1024 * 1024,
    SPOOL_STREAM_WINDOW = 512 * 1024,
    SPOOL_PLACES_MAX = 4096, /* of one spooled(): what fits into one SPOOLED message */
};

enum spool_state { SPOOL_READY = 0, SPOOL_DISK_FULL, SPOOL_IO_ERROR, SPOOL_NO_QUEUE };
enum spool_res { SPOOL_OK = 0, SPOOL_WAIT, SPOOL_FAIL };

struct event_base;
struct spool_writer;
struct spool_message;

struct spool_place {
    uint64_t segment, offset;
};

/* None of them may free the writer. They may be called from spool_writer_free(). */
struct spool_writer_ops {
    /* Ask the queue for a segment; octets 0: a shared one; else one for a single message
     * of which so much is there (more may follow). */
    void (*ask)(void *arg, uint64_t cookie, uint64_t octets);
    /* Records became durable: tell the queue, 1..SPOOL_PLACES_MAX of them. Called before
     * the `done` of the messages in it. While there is no queue they may be dropped:
     * spool_writer_reconnected() makes the queue look for itself. */
    void (*spooled)(void *arg, const struct spool_place *place, size_t n);
    /* Nothing follows in that segment after end. */
    void (*sealed)(void *arg, uint64_t segment, uint64_t end);
};

MUST_USE struct spool_writer *spool_writer_new(struct event_base *base,
                                               uint64_t memory_max,
                                               const struct spool_writer_ops *ops,
                                               void *arg);
/* Syncs what waits (their `done` is called; without a segment: SPOOL_FAIL), seals, joins.
 * Messages not committed must have been freed before. */
void spool_writer_free(struct spool_writer **w);

/* Starts the commit thread (once, after the sandbox is up) and asks for the first
 * segment. */
MUST_USE bool spool_writer_start(struct spool_writer *w);

/* Answers to ask(): a segment (the fd becomes the writer's), or why there is none. An
 * answer to what is not asked any more is put away (the segment is sealed at 0). */
void spool_writer_give(struct spool_writer *w, uint64_t cookie, uint64_t segment,
                       uint64_t capacity, int fd);
void spool_writer_refuse(struct spool_writer *w, uint64_t cookie, enum spool_state why);
/* The queue went away and came back: what was asked is asked again; segments in use are
 * sealed and others asked for, so that the new queue learns of every record in them. */
void spool_writer_reconnected(struct spool_writer *w);

enum spool_state spool_writer_state(const struct spool_writer *w);
uint64_t spool_writer_memory(const struct spool_writer *w);

/* resume(arg): after SPOOL_WAIT, add may be called again with what was not taken. */
MUST_USE struct spool_message *spool_message_new(struct spool_writer *w,
                                                 struct message_id id,
                                                 void (*resume)(void *arg), void *arg);
/* SPOOL_OK: all of s is taken. SPOOL_WAIT: none of it is; wait for resume. */
MUST_USE enum spool_res spool_message_add(struct spool_message *m, struct slice s);
uint64_t spool_message_len(const struct spool_message *m);

/* envelope and head are copied. done(arg, SPOOL_OK): it is on disk, say 250. Any other:
 * it is not, and never will be; say 4yz. Called from the event loop, never from inside
 * commit. */
void spool_message_commit(struct spool_message *m, uint64_t arrival_ms,
                          struct slice envelope, struct slice head,
                          void (*done)(void *arg, enum spool_res res));
void spool_message_free(struct spool_message **m);
#endif
