/* spool/journal.c - see journal.h */
#include "spool/journal.h"

#include "base/crc32c.h"
#include "spool/io.h"

#include <string.h>

enum { JOURNAL_MAGIC = 0x314a5350 }; /* "PSJ1" */

static void write_entry(struct buf *out, const struct journal *j, enum journal_type type,
                        const struct buf *payload)
{
    static const unsigned char zero[8];
    struct buf b; /* octets 8.. of the entry */
    buf_init(&b, JOURNAL_ENTRY_MAX);
    wire_put_u64(&b, j->number);
    wire_put_u16(&b, (uint16_t)payload->len);
    wire_put_u8(&b, (uint8_t)type);
    wire_put_u8(&b, 0);
    wire_put_u32(&b, (uint32_t)((j->size + out->len - j->synced) / 8));
    (void)buf_add(&b, buf_slice(payload));
    wire_put_u32(out, JOURNAL_MAGIC);
    wire_put_u32(out, crc32c(0, buf_slice(&b)));
    (void)buf_add(out, buf_slice(&b));
    (void)buf_add(out, (struct slice){zero, (8 - b.len % 8) % 8});
    out->failed = out->failed || b.failed || payload->failed;
    buf_clear(&b);
}

void journal_write_settle(struct buf *out, const struct journal *j,
                          const struct spool_settle *s)
{
    struct buf b;
    buf_init(&b, JOURNAL_ENTRY_MAX - JOURNAL_HEAD_LEN);
    wire_put_u64(&b, s->id.session);
    wire_put_u32(&b, s->id.n);
    wire_put_u16(&b, s->target);
    wire_put_u8(&b, (uint8_t)s->outcome);
    wire_put_u32(&b, s->attempts);
    wire_put_u64(&b, s->next_ms);
    wire_put_text(&b, slice_sub(s->reply, 0, SPOOL_REPLY_MAX));
    write_entry(out, j, JOURNAL_SETTLE, &b);
    buf_clear(&b);
}

void journal_write_sealed(struct buf *out, const struct journal *j, uint64_t segment,
                          uint64_t end)
{
    struct buf b;
    buf_init(&b, JOURNAL_ENTRY_MAX - JOURNAL_HEAD_LEN);
    wire_put_u64(&b, segment);
    wire_put_u64(&b, end);
    write_entry(out, j, JOURNAL_SEALED, &b);
    buf_clear(&b);
}

void journal_write_complete(struct buf *out, const struct journal *j)
{
    struct buf b;
    buf_init(&b, 0);
    write_entry(out, j, JOURNAL_COMPLETE, &b);
}

static bool read_settle(struct wire_reader *r, struct spool_settle *s)
{
    *s = (struct spool_settle){0};
    s->id.session = wire_u64(r);
    s->id.n = wire_u32(r);
    s->target = wire_u16(r);
    uint8_t outcome = wire_u8(r);
    s->attempts = wire_u32(r);
    s->next_ms = wire_u64(r);
    s->reply = wire_text(r);
    s->outcome = (enum spool_outcome)outcome;
    return outcome <= SPOOL_HELD && s->reply.len <= SPOOL_REPLY_MAX &&
           (s->target < SPOOL_RECIPIENTS_MAX || s->target == SPOOL_ALL_TARGETS);
}

/* The entry at the start of in, or a length of 0. */
static size_t read_entry(struct slice in, uint64_t number, struct journal_entry *out,
                         uint32_t *back)
{
    struct wire_reader r = wire_reader_of(in);
    uint32_t magic = wire_u32(&r);
    uint32_t crc = wire_u32(&r);
    uint64_t its_number = wire_u64(&r);
    uint16_t len = wire_u16(&r);
    uint8_t type = wire_u8(&r);
    (void)wire_u8(&r);
    *back = wire_u32(&r);
    struct wire_reader payload = wire_reader_of(wire_bytes(&r, len));
    if (r.failed || magic != JOURNAL_MAGIC || its_number != number) {
        return 0;
    }
    size_t used = in.len - r.rest.len;
    if (crc != crc32c(0, slice_sub(in, 8, used - 8))) {
        return 0;
    }
    bool ok = false;
    if (type == JOURNAL_SETTLE) {
        ok = read_settle(&payload, &out->u.settle);
    } else if (type == JOURNAL_SEALED) {
        out->u.sealed.segment = wire_u64(&payload);
        out->u.sealed.end = wire_u64(&payload);
        ok = true;
    } else if (type == JOURNAL_COMPLETE) {
        ok = true;
    }
    if (!ok || !wire_done(&payload)) {
        return 0;
    }
    used = (used + 7) & ~(size_t)7;
    used = used < in.len ? used : in.len; /* the last padding may be missing */
    out->type = (enum journal_type)type;
    out->raw = slice_sub(in, 0, used);
    return used;
}

bool journal_next(struct journal_reader *r, struct journal_entry *out)
{
    while (r->off < r->in.len) {
        uint32_t back = 0;
        size_t used = read_entry(slice_from(r->in, r->off), r->number, out, &back);
        if (used > 0) {
            uint64_t unsynced = (uint64_t)back * 8;
            bool torn = unsynced <= r->off && r->off - unsynced <= r->end;
            *(torn ? &r->torn : &r->damaged) += r->off - r->end;
            r->off += used;
            r->end = r->off;
            return true;
        }
        r->off += 8;
    }
    return false;
}

bool journal_append(struct journal *j, struct slice entries)
{
    struct iovec iov = spool_iov(entries);
    if (j->fd < 0 || j->broken || !spool_io_write_all(j->fd, &iov, 1, j->size)) {
        return false;
    }
    j->size += entries.len;
    j->dirty = true;
    return true;
}

bool journal_sync(struct journal *j)
{
    if (j->broken || j->fd < 0) {
        return false;
    }
    if (!j->dirty) {
        return true;
    }
    /* After a failed sync the kernel may have thrown the pages away and call the next one
     * a success: this file is not to be trusted again. */
    j->broken = spool_io_fdatasync(j->fd) != 0;
    j->dirty = j->broken;
    j->synced = j->broken ? j->synced : j->size;
    return !j->broken;
}
