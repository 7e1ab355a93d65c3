/* spool/store.h - the spool directory: segments, journal, replay. Used by the queue role (and,
 * read only, by the command line while no server runs).
 *
 * Layout  <dir>/segment-<16 hex>, <dir>/journal-<16 hex>, <dir>/bad/ (what was set aside).
 * States  docs/architecture.md, "Spool: legal states", lists all of a segment and a journal
 *         entry; nothing else may be on disk.
 * Limits  SPOOL_SEGMENTS_MAX open segments. */
#ifndef SPOOL_STORE_H
#define SPOOL_STORE_H
#include "spool/record.h"

enum { SPOOL_SEGMENTS_MAX = 65536 };

struct spool_store;

/* A record found (by replay, or by spool_store_read() for a notice). Borrowed slices live
 * until the callback returns. */
struct spool_entry {
    uint64_t segment, offset;
    struct spool_header header;
    struct slice envelope;
};

/* What the journal says of one target (recipient number in its envelope). */
enum spool_outcome {
    SPOOL_PENDING = 0, /* retry at next_ms */
    SPOOL_DONE,        /* delivered, failed for good, or removed: nothing more to do */
    SPOOL_HELD,        /* kept until released */
};
struct spool_settle {
    struct message_id id;
    uint16_t target; /* SPOOL_ALL_TARGETS: every one that is not done */
    enum spool_outcome outcome;
    uint32_t attempts;
    uint64_t next_ms;     /* wall */
    struct slice reply;   /* the last answer, for `queue show`; cut at 512 octets */
};
enum { SPOOL_ALL_TARGETS = 0xffff };

struct spool_replay_ops {
    void (*entry)(void *arg, const struct spool_entry *e);
    void (*settle)(void *arg, const struct spool_settle *s); /* after its entry */
    /* A torn tail that was cut, a record with a bad CRC that was set aside ... */
    void (*report)(void *arg, const char *text);
};

/* Opens (makes) the directory, takes its lock, replays everything: first all entries, then
 * the settles in order. NULL: *error says why. read_only: changes nothing, takes no lock. */
MUST_USE struct spool_store *spool_store_open(const char *dir, bool read_only,
                                              const struct spool_replay_ops *ops, void *arg,
                                              const char **error);
void spool_store_close(struct spool_store **s);

/* A new empty segment for a writer; *fd is the caller's (open for writing). capacity: what
 * was asked, or the store's segment size. owner: which writer has it. False: no room, errno. */
MUST_USE bool spool_store_create(struct spool_store *s, uint64_t capacity, unsigned owner,
                                 uint64_t *segment, int *fd);
/* The record at a place; header and envelope checked, message not read. */
MUST_USE bool spool_store_read(struct spool_store *s, uint64_t segment, uint64_t offset,
                               void (*entry)(void *arg, const struct spool_entry *e),
                               void *arg);
/* The writer will write no more there. Drops the segment when nothing in it is open. */
void spool_store_seal(struct spool_store *s, uint64_t segment, uint64_t end);
/* The writer died: every segment it had is read on from its last known record; what is found
 * there that nobody was told of comes as entries; then they are sealed. */
void spool_store_orphans(struct spool_store *s, unsigned owner,
                         const struct spool_replay_ops *ops, void *arg);

/* Journals an outcome. Written at once, synced in groups by spool_store_sync() (the role calls
 * it from a timer; blocking, short). */
MUST_USE bool spool_store_settle(struct spool_store *s, const struct spool_settle *settle);
MUST_USE bool spool_store_sync(struct spool_store *s);
/* All targets of the message are done: its segment may go. */
void spool_store_done(struct spool_store *s, struct message_id id, uint64_t segment);

/* Moves few long-lived messages out of mostly settled segments, rewrites the journal when it
 * is mostly of the past. Call now and then; moved() tells the new place of a message. */
void spool_store_compact(struct spool_store *s, uint64_t now_ms,
                         void (*moved)(void *arg, struct message_id id, uint64_t segment,
                                       uint64_t offset),
                         void *arg);

/* A read descriptor of a segment, for a delivery; the caller's. -1: gone. */
MUST_USE int spool_store_fd(struct spool_store *s, uint64_t segment);
uint64_t spool_store_free_octets(const struct spool_store *s); /* of the disk */
#endif
