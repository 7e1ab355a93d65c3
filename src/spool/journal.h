/* spool/journal.h - the outcomes of messages and the ends of segments, as a log.
 *
 * Format  entries from offset 0, each a multiple of 8 octets (zero padding): u32 magic
 *         "PSJ1"; u32 CRC32C of octets 8..end without padding; u64 number of the journal;
 *         u16 payload length; u8 type; u8 zero; u32 back; payload. Little-endian. The number
 *         stands in the file's name; half of it is random, so that no reply text can carry
 *         a forged entry.
 * back    Units of 8 octets from the first octet that was not synced when this entry was
 *         written to the entry: what does not read before that was damaged, not torn.
 * SETTLE  u64 session, u32 n, u16 target, u8 outcome, u32 attempts, u64 next ms, text reply
 * SEALED  u64 segment, u64 end
 * I/O     journal_append(), journal_sync(): through spool/io.h; reading is pure. */
#ifndef SPOOL_JOURNAL_H
#define SPOOL_JOURNAL_H
#include "spool/store.h"

enum journal_type { JOURNAL_SETTLE = 1, JOURNAL_SEALED = 2, JOURNAL_COMPLETE = 3 };
enum {
    JOURNAL_HEAD_LEN = 24,
    JOURNAL_ENTRY_MAX = JOURNAL_HEAD_LEN + 64 + SPOOL_REPLY_MAX
};

struct journal {
    int fd; /* -1: none */
    uint64_t number, size;
    uint64_t synced; /* so much of it is on disk */
    uint64_t base;   /* size after it was written anew */
    bool dirty;      /* something waits for a sync */
    bool broken;     /* a sync failed: what was written may be gone; write it anew */
};

struct journal_entry {
    enum journal_type type;
    union {
        struct spool_settle settle; /* reply borrows from the input */
        struct {
            uint64_t segment, end;
        } sealed;
    } u;
    struct slice raw; /* the entry as it stands */
};

struct journal_reader {
    struct slice in;
    uint64_t number;
    size_t off;
    size_t torn;    /* octets passed over that may never have been on disk */
    size_t damaged; /* and that surely were */
    size_t end;     /* after the last good entry */
};

/* The next entry; damaged places are passed over and counted. False: no more. Pure. */
MUST_USE bool journal_next(struct journal_reader *r, struct journal_entry *out);

/* One entry into out, which will be appended to j as a whole. Pure. */
void journal_write_settle(struct buf *out, const struct journal *j,
                          const struct spool_settle *s);
void journal_write_sealed(struct buf *out, const struct journal *j, uint64_t segment,
                          uint64_t end);
void journal_write_complete(struct buf *out, const struct journal *j);

/* Appends whole entries. False: nothing is added (what was half written is overwritten by
 * the next). */
MUST_USE bool journal_append(struct journal *j, struct slice entries);
MUST_USE bool journal_sync(struct journal *j);
#endif
