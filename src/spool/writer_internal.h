/* spool/writer_internal.h - what the event loop's side (writer.c, message.c) and the
 * commit thread (commit.c) share; nobody else includes it.
 *
 * Rule    what stands under "lock" is touched only with the lock held. A message on
 *         `waiting` or in a round is the thread's, but for the fields marked "loop". */
#ifndef SPOOL_WRITER_INTERNAL_H
#define SPOOL_WRITER_INTERNAL_H
#include "base/list.h"
#include "spool/writer.h"

#include <pthread.h>

struct event;

struct chunk {
    struct chunk *next;
    size_t len, cap;
    unsigned char data[];
};
struct chunks {
    struct chunk *head, *tail;
    size_t octets, memory; /* content; allocated */
    size_t n;
};

struct open_segment {
    struct list node; /* on `sealed` */
    uint64_t id, capacity;
    uint64_t end; /* all before it is on disk; writing goes on here */
    int fd;
};

enum message_step {
    MESSAGE_SMALL = 0, /* in memory, for the shared segment */
    MESSAGE_ASKING,    /* grown large: waits for its own segment */
    MESSAGE_STREAMING, /* has it */
};

struct spool_message {
    struct list node; /* ready, deferred, waiting, a round, finished */
    struct spool_writer *w;
    struct message_id id;
    void (*resume)(void *arg);
    void *arg;
    void (*done)(void *arg, enum spool_res res);
    uint64_t len; /* of the message */
    uint32_t crc;
    enum message_step step;
    struct chunks in;                     /* loop: taken, not handed to the thread */
    bool wants_resume, abandoned, failed; /* loop */
    bool committed;                       /* loop: done() is owed */
    bool at_thread;            /* loop: small: handed over; streaming: a piece is */
    struct list asking;        /* loop: while its segment is asked for */
    uint64_t cookie, asked_ms; /* loop */
    /* set by commit */
    unsigned char *rest; /* envelope, head, padding */
    uint32_t envelope_len, head_len, rest_len, rest_crc;
    uint64_t arrival_ms;
    /* the thread's */
    struct chunks out;
    bool last;        /* streaming: this piece ends it: rest, header, sync */
    uint64_t written; /* streaming: octets of the message in the segment */
    struct open_segment *own;
    struct spool_place place;
    enum spool_res res;
};

struct spool_writer {
    struct event_base *base;
    const struct spool_writer_ops *ops;
    void *arg;
    uint64_t memory, memory_max;
    struct event *signal, *kick, *timer;
    int eventfd;
    struct list ready;    /* committed or to be written, since the last kick */
    struct list deferred; /* failed at once: done() comes from the kick */
    struct list asking;   /* messages that wait for a segment of their own */
    enum spool_state state;
    uint64_t next_cookie, asked, asked_ms; /* asked: the shared segment's cookie, or 0 */
    bool started;
    pthread_t thread;

    pthread_mutex_t mutex;
    pthread_cond_t wake;
    /* lock: */
    struct list waiting;  /* small ones, and streaming ones with something to write */
    struct list finished; /* from the thread */
    struct list sealed;   /* segments: to be closed and told, after what is finished */
    struct open_segment *current, *next;
    bool idle, stop;
    bool retire; /* seal what is in use, go on with another */
};

void chunks_free(struct chunks *c);
MUST_USE uint64_t message_record_len(const struct spool_message *m);
void message_free(struct spool_message *m);
void message_finish(struct spool_message *m,
                    enum spool_res res);        /* done(), or frees it */
void message_returned(struct spool_message *m); /* the thread gives it back */
void message_given(struct spool_message *m, struct open_segment *own);
void message_refused(struct spool_message *m);

void writer_kick(struct spool_writer *w);
void writer_ask_for(struct spool_writer *w, struct spool_message *m);
void writer_seal(struct spool_writer *w,
                 struct open_segment *g); /* closes, tells, frees */

void *commit_thread(void *writer);
#endif
