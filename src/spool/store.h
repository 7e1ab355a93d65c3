/* spool/store.h - the spool directory: segments, journal, replay. Used by the queue role
 * (and, read only, by the command line while no server runs).
 *
 * Layout  <dir>/lock, <dir>/segment-<16 hex>, <dir>/spare-<16 hex> (drained, kept for its
 *         blocks), <dir>/journal-<16 hex>, <dir>/bad/ (what was set aside).
 * States  docs/architecture.md, "Spool: legal states", lists all of a segment and a journal
 *         entry; nothing else may be on disk.
 * Locks   a writer's descriptor and each reader's carry a lock that ends with the last copy
 *         of it, in whatever process: so the store knows which segments have lost their
 *         writer, and uses no file again that somebody still reads. Take descriptors from
 *         here only.
 * Calls   blocking, short; all from one thread. Callbacks may call spool_store_settle(),
 *         spool_store_done() and spool_store_fd() only.
 * Limits  SPOOL_SEGMENTS_MAX segments; about 60 octets of memory a record on disk. */
#ifndef SPOOL_STORE_H
#define SPOOL_STORE_H
#include "spool/record.h"

enum {
    SPOOL_SEGMENTS_MAX = 65536,
    SPOOL_SPARES_MAX = 8,
    SPOOL_REPLY_MAX = 512,
    SPOOL_SEGMENT_LEAST = 4 * 1024 * 1024, /* a smaller segment_size is raised to this */
    SPOOL_MOVE_AFTER_MS = 10 * 60 * 1000,  /* sealed so long before its rest is moved */
};

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
    uint64_t next_ms;   /* wall */
    struct slice reply; /* the last answer, for `queue show`; cut at SPOOL_REPLY_MAX */
};
enum { SPOOL_ALL_TARGETS = 0xffff };

struct spool_store_ops {
    /* A message that is new to you: each id is told once. */
    void (*entry)(void *arg, const struct spool_entry *e);
    /* Only from spool_store_open(), after all entries, in the order of the journal. */
    void (*settle)(void *arg, const struct spool_settle *s);
    /* The message lies elsewhere now (spool_store_compact()). */
    void (*moved)(void *arg, struct message_id id, uint64_t segment, uint64_t offset);
    /* Nothing in that segment is of use any more: have readers close it. */
    void (*drained)(void *arg, uint64_t segment);
    /* For a person: a torn tail that was cut, a damaged record that was set aside ... */
    void (*report)(void *arg, const char *text);
};

/* Opens (makes) the directory, takes its lock, replays everything: first all entries,
 * then the settles in order; then call spool_store_done() for every message whose targets
 * are all done. Segments that a living writer still holds stay open; the others are
 * sealed. ops is borrowed until spool_store_close(). segment_size: of shared segments.
 * NULL: *error says why. read_only: changes nothing, takes no lock. */
MUST_USE struct spool_store *spool_store_open(const char *dir, bool read_only,
                                              uint64_t segment_size,
                                              const struct spool_store_ops *ops,
                                              void *arg, const char **error);
void spool_store_close(struct spool_store **s);

/* A new empty segment for a writer; *fd is the caller's (open for writing): hand it on
 * and close it, the store keeps no copy. octets 0: a shared one, of *capacity octets;
 * else one for a single large message (capacity: no limit). False: errno says why. */
MUST_USE bool spool_store_create(struct spool_store *s, uint64_t octets,
                                 uint64_t *segment, uint64_t *capacity, int *fd);
/* A notice: the record at that place; header and envelope checked, message not read.
 * Calls ops->entry unless the message is known already. False: there is no record. */
MUST_USE bool spool_store_read(struct spool_store *s, uint64_t segment, uint64_t offset);
/* The writer will write no more there. What is found before end that nobody was told of
 * comes as ops->entry. Drops the segment when nothing in it is open. Unknown: nothing
 * happens. */
void spool_store_seal(struct spool_store *s, uint64_t segment, uint64_t end);
/* Segments whose writer is gone (died, or its seal was lost) are read to the end and
 * sealed, as above. Call when a writer's channel is gone, and again every second or so:
 * cheap. */
void spool_store_orphans(struct spool_store *s);

/* Journals an outcome. Written at once, synced in groups by spool_store_sync() (the role
 * calls it from a timer). False: not written (disk full, error); call again later, the
 * next call repairs what it can. A message whose last target is done is best settled with
 * SPOOL_ALL_TARGETS: replay then passes over it quickly. */
MUST_USE bool spool_store_settle(struct spool_store *s,
                                 const struct spool_settle *settle);
MUST_USE bool spool_store_sync(struct spool_store *s);
/* All targets of the message are done (and so settled): its segment may go. */
void spool_store_done(struct spool_store *s, struct message_id id);

/* Moves few long-lived messages out of mostly settled segments, rewrites the journal when
 * it is mostly of the past, readies a spare. Call every second or so; bounded work a
 * call. */
void spool_store_compact(struct spool_store *s, uint64_t now_ms);

/* A read descriptor of a segment, for a delivery; the caller's. -1: gone. */
MUST_USE int spool_store_fd(struct spool_store *s, uint64_t segment);
uint64_t spool_store_free_octets(const struct spool_store *s); /* of the disk */
#endif
