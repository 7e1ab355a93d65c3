/* spool/rig.h - for tests: a store and a writer in one process, as queue and smtpd would
 * use them, with a model of what was promised for each message. */
#ifndef SPOOL_RIG_H
#define SPOOL_RIG_H
#include "spool/store.h"
#include "spool/writer.h"

#include <stdio.h>

enum { RIG_MESSAGES = 2048, RIG_REPORTS = 64, RIG_SEGMENT = SPOOL_SEGMENT_LEAST };

struct rig_message {
    struct rig *rig;
    struct spool_message *m;
    struct message_id id;
    size_t len;
    unsigned target_n;
    /* what was promised */
    bool committed, ok, failed;
    unsigned settled, synced; /* bits of targets */
    bool finished;            /* spool_store_done() was called */
    /* what the store says in this life */
    unsigned found, replayed;
    uint64_t segment, offset;
    struct spool_header header;
};

struct rig {
    char root[64], dir[128];
    unsigned life; /* number of the directory */
    struct event_base *base;
    struct spool_store *store;
    struct spool_writer *writer;
    const char *error;
    struct rig_message message[RIG_MESSAGES];
    unsigned message_n, waiting; /* waiting: done() is owed */
    char report[RIG_REPORTS][256];
    unsigned report_n;
    bool refuse; /* give no segments */
    bool deaf;   /* the queue is away: notices and seals are lost */
    unsigned asked, drained, moved, noticed;
    uint64_t drained_last;
    uint64_t random;
};

void rig_begin(struct rig *r, uint64_t seed); /* makes an empty directory */
void rig_end(struct rig *r);                  /* closes and removes everything */

/* Opens the store, and a writer on it. False: r->error. */
bool rig_open(struct rig *r);
void rig_open_writer(struct rig *r);
void rig_close_writer(struct rig *r);
void rig_close(struct rig *r);
/* The power was cut (or is now): what survives is in the directory of the next life. */
void rig_lose_power(struct rig *r);

uint32_t rig_draw(struct rig *r, uint32_t below);
/* A message of that many octets, made of its number. */
struct rig_message *rig_commit(struct rig *r, size_t len, unsigned target_n);
void rig_run(struct rig *r);  /* the loop, until nobody waits (a bounded time) */
void rig_turn(struct rig *r); /* the loop, what is there */
void rig_settle(struct rig *r, struct rig_message *m, unsigned target);
void rig_settle_all(struct rig *r, struct rig_message *m);
void rig_sync(struct rig *r);
void rig_finish_done(struct rig *r); /* spool_store_done() for all that are */

/* The octets of the message, read where the store says it lies, are right. */
bool rig_intact(struct rig *r, const struct rig_message *m);
unsigned rig_files(const struct rig *r, const char *kind);
bool rig_reported(const struct rig *r, const char *word);
#endif
