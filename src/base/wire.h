/* base/wire.h - little-endian encoding for messages between roles and for the disk.
 *
 * Both sides are sticky: a reader that ran past the end, or a writer that ran out of
 * room, stays failed; check once at the end (wire_done() also wants every octet read).
 * Own     a reader's slices borrow from its input. */
#ifndef BASE_WIRE_H
#define BASE_WIRE_H
#include "base/buf.h"

struct wire_reader {
    struct slice rest;
    bool failed;
};

MUST_USE static inline struct wire_reader wire_reader_of(struct slice s)
{
    return (struct wire_reader){s, false};
}

uint8_t wire_u8(struct wire_reader *r);
uint16_t wire_u16(struct wire_reader *r);
uint32_t wire_u32(struct wire_reader *r);
uint64_t wire_u64(struct wire_reader *r);
struct slice wire_bytes(struct wire_reader *r, size_t n);
/* A string: u16 (text) or u32 (blob) length, then the octets. */
struct slice wire_text(struct wire_reader *r);
struct slice wire_blob(struct wire_reader *r);
/* True when nothing failed and nothing is left. */
MUST_USE bool wire_done(const struct wire_reader *r);

void wire_put_u8(struct buf *b, uint8_t v);
void wire_put_u16(struct buf *b, uint16_t v);
void wire_put_u32(struct buf *b, uint32_t v);
void wire_put_u64(struct buf *b, uint64_t v);
void wire_put_text(struct buf *b, struct slice s); /* over 65,535 octets: b->failed */
void wire_put_blob(struct buf *b, struct slice s);
#endif
