/* spool/store_internal.h - what the files of the store share; nobody else includes it. */
#ifndef SPOOL_STORE_INTERNAL_H
#define SPOOL_STORE_INTERNAL_H
#include "spool/index.h"
#include "spool/journal.h"
#include "spool/scan.h"

enum { STORE_NAME_MAX = 64, STORE_JOURNALS_MAX = 64 };

struct segment {
    uint64_t id, size;
    uint64_t known;     /* all records before this are in the index */
    uint64_t end;       /* sealed: nothing after it */
    uint64_t sealed_ms; /* 0: not looked at by compact() since it was sealed */
    uint64_t live_octets;
    uint32_t live;  /* nodes that are NODE_LIVE */
    uint32_t nodes; /* list, or INDEX_NONE */
    int fd;         /* for reading notices; -1: not open */
    bool sealed, shared;
    bool untold; /* the journal has not taken its end */
    bool own;    /* the store itself writes there (moves) */
    bool fixed;  /* moving failed: its records stay where they are */
    bool left;   /* found without a writer by replay, and read to its end */
};

struct spool_store {
    int dir, lock;
    bool read_only;
    uint64_t segment_size;
    uint32_t next; /* upper half of the next number */
    const struct spool_store_ops *ops;
    void *arg;
    struct segment **segment; /* by id */
    size_t segment_n, segment_cap;
    uint64_t spare[SPOOL_SPARES_MAX];
    unsigned spare_n;
    struct index index;
    struct journal journal;
    uint64_t old[STORE_JOURNALS_MAX]; /* journals that the next rewrite replaces */
    size_t old_n;
    struct scan scan; /* with its window */
    size_t untold;    /* segments that are */
    struct segment *moves;
    int moves_fd;
    int filling_fd; /* a spare in the making; -1: none */
    uint64_t filling, filled;
};

__attribute__((format(printf, 2, 3))) void store_report(struct spool_store *s,
                                                        const char *fmt, ...);
void store_name(char out[STORE_NAME_MAX], const char *kind, uint64_t number);
MUST_USE uint64_t store_number(struct spool_store *s);

MUST_USE struct segment *store_find(const struct spool_store *s, uint64_t id);
MUST_USE struct segment *store_add(struct spool_store *s, uint64_t id, uint64_t size);
/* The window, ready for that segment. False: it cannot be opened. */
MUST_USE bool store_scan_open(struct spool_store *s, struct segment *g);
MUST_USE bool store_writer_lives(struct spool_store *s, struct segment *g);
/* A new file under a number of its own, locked for a writer. *fd -1: errno. */
MUST_USE struct segment *store_create(struct spool_store *s, bool shared, int *fd);
/* Scans from g->known; new records become entries. Returns where they end. */
uint64_t store_scan(struct spool_store *s, struct segment *g, uint64_t limit,
                    enum scan_mode mode);
/* May free g: when nothing in it is live. */
void store_seal(struct spool_store *s, struct segment *g, uint64_t end);
void store_tell_ends(struct spool_store *s); /* of those that are untold */
void store_set_aside(struct spool_store *s, struct segment *g, uint64_t from, uint64_t to,
                     enum scan_bad how);
void store_drop(struct spool_store *s, struct segment *g); /* frees g when it worked */
void store_drop_if_idle(struct spool_store *s, struct segment *g);

/* store_replay.c: all that open() reads. *error as in spool_store_open(). */
MUST_USE bool store_replay(struct spool_store *s, const char **error);
/* store_journal.c */
/* A new journal in place of the present one and s->old. False: all stays as it was. */
MUST_USE bool store_rewrite(struct spool_store *s);
MUST_USE bool store_load_journal(struct spool_store *s, uint64_t number, struct buf *out);
#endif
