/* spool/scan.c - see scan.h */
#include "spool/scan.h"

#include "base/crc32c.h"

#include <string.h>
#include <unistd.h>

enum { PAGE = 4096 };

/* The window begins at off from now on. A page that cannot be read is zeros: its record
 * then fails its checksum and is set aside, the others are saved. */
static void fill(struct scan *sc, uint64_t off, uint64_t limit)
{
    size_t want = limit - off < SCAN_WINDOW ? (size_t)(limit - off) : SCAN_WINDOW;
    size_t have = 0;
    while (have < want) {
        ssize_t n = pread(sc->fd, sc->window + have, want - have, (off_t)(off + have));
        if (n == 0) {
            break;
        }
        if (n < 0) {
            size_t page = PAGE - (size_t)((off + have) % PAGE);
            page = page < want - have ? page : want - have;
            memset(sc->window + have, 0, page);
            sc->read_errors++;
            n = (ssize_t)page;
        }
        have += (size_t)n;
    }
    /* A file cut short since its size was asked: zeros too. */
    memset(sc->window + have, 0, want - have);
    sc->window_off = off;
    sc->window_len = want;
}

/* The caller has checked off + n against limit. */
struct slice scan_octets(struct scan *sc, uint64_t off, size_t n, uint64_t limit)
{
    if (off < sc->window_off || off + n > sc->window_off + sc->window_len) {
        fill(sc, off, limit);
    }
    return (struct slice){sc->window + (off - sc->window_off), n};
}

static uint32_t crc_of(struct scan *sc, uint64_t off, uint64_t n, uint64_t limit)
{
    uint32_t crc = 0;
    while (n > 0) {
        size_t piece = n < SCAN_WINDOW ? (size_t)n : SCAN_WINDOW;
        crc = crc32c(crc, scan_octets(sc, off, piece, limit));
        off += piece;
        n -= piece;
    }
    return crc;
}

static bool check_rest(struct scan *sc, uint64_t off, uint64_t limit,
                       const struct spool_header *h, bool body, struct slice *envelope)
{
    uint64_t rest_off = off + SPOOL_HEADER_LEN + h->message_len;
    if (body &&
        crc_of(sc, off + SPOOL_HEADER_LEN, h->message_len, limit) != h->message_crc) {
        return false;
    }
    struct slice rest =
        scan_octets(sc, rest_off, (size_t)h->envelope_len + h->head_len, limit);
    if (crc32c(0, rest) != h->rest_crc) {
        return false;
    }
    if (envelope != NULL) {
        *envelope = slice_sub(rest, 0, h->envelope_len);
    }
    return true;
}

static enum spool_header_res read_header(struct scan *sc, uint64_t off, uint64_t limit,
                                         struct spool_header *h)
{
    if (off > limit || limit - off < SPOOL_HEADER_LEN) {
        return SPOOL_HEADER_NONE;
    }
    enum spool_header_res res =
        spool_header_read(scan_octets(sc, off, SPOOL_HEADER_LEN, limit), sc->segment, h);
    if (res == SPOOL_HEADER_OK && spool_record_len(h) > limit - off) {
        res = SPOOL_HEADER_BAD;
    }
    return res;
}

bool scan_record(struct scan *sc, uint64_t off, uint64_t limit, bool body,
                 struct spool_header *h, struct slice *envelope)
{
    return read_header(sc, off, limit, h) == SPOOL_HEADER_OK &&
           check_rest(sc, off, limit, h, body, envelope);
}

/* The next place from off on, in steps of 8, where the magic stands; limit: nowhere. */
static uint64_t next_magic(struct scan *sc, uint64_t off, uint64_t limit)
{
    static const uint32_t magic = SPOOL_MAGIC;
    while (off < limit && limit - off >= SPOOL_HEADER_LEN) {
        uint64_t n = limit - off < SCAN_WINDOW ? limit - off : SCAN_WINDOW;
        uint64_t window_end = sc->window_off + sc->window_len;
        if (off >= sc->window_off && off + 8 <= window_end) {
            n = window_end - off; /* what is read already */
        }
        n &= ~UINT64_C(7);
        struct slice s = scan_octets(sc, off, (size_t)n, limit);
        for (size_t i = 0; i < s.len; i += 8) {
            uint32_t word = 0;
            memcpy(&word, s.ptr + i, sizeof word);
            if (word == magic) {
                return off + i;
            }
        }
        off += n;
    }
    return limit;
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "next_magic() compares words");

uint64_t scan_run(struct scan *sc, uint64_t from, uint64_t limit, enum scan_mode mode,
                  const struct scan_ops *ops, void *arg)
{
    uint64_t off = from, end = from;
    uint64_t bad_to =
        from; /* > end: a record of this life that does not read begins here */
    while (off < limit && limit - off >= SPOOL_HEADER_LEN) {
        struct spool_header h;
        struct slice envelope;
        enum spool_header_res res = read_header(sc, off, limit, &h);
        if (res == SPOOL_HEADER_OK &&
            check_rest(sc, off, limit, &h, ops->wanted(arg, h.id), &envelope)) {
            uint64_t group = off - (uint64_t)h.back * 8;
            if (off > end) {
                ops->bad(arg, end, off, group <= end ? SCAN_TORN : SCAN_DAMAGED);
                /* bad() may have used the window. */
                envelope = scan_octets(sc, off + SPOOL_HEADER_LEN + h.message_len,
                                       (size_t)h.envelope_len + h.head_len, limit);
                envelope = slice_sub(envelope, 0, h.envelope_len);
            }
            ops->record(arg, off, &h, envelope);
            off += spool_record_len(&h);
            end = off;
            continue;
        }
        if (mode == SCAN_HELD) {
            return end;
        }
        if (res != SPOOL_HEADER_NONE) {
            bad_to =
                off + (res == SPOOL_HEADER_OK ? spool_record_len(&h) : SPOOL_HEADER_LEN);
        }
        off = next_magic(sc, off + 8, limit);
    }
    if (mode == SCAN_SEALED && end < limit) {
        ops->bad(arg, end, limit, SCAN_DAMAGED);
    } else if (mode == SCAN_LEFT && bad_to > end) {
        ops->bad(arg, end, bad_to, SCAN_CUT);
    }
    return end;
}
