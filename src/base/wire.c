/* base/wire.c - see wire.h */
#include "base/wire.h"

struct slice wire_bytes(struct wire_reader *r, size_t n)
{
    if (r->failed || n > r->rest.len) {
        r->failed = true;
        return (struct slice){NULL, 0};
    }
    struct slice out = slice_sub(r->rest, 0, n);
    r->rest = slice_from(r->rest, n);
    return out;
}

static uint64_t take_le(struct wire_reader *r, size_t n)
{
    struct slice s = wire_bytes(r, n);
    uint64_t v = 0;
    for (size_t i = s.len; i-- > 0;) {
        v = v << 8 | s.ptr[i];
    }
    return v;
}

uint8_t wire_u8(struct wire_reader *r)
{
    return (uint8_t)take_le(r, 1);
}

uint16_t wire_u16(struct wire_reader *r)
{
    return (uint16_t)take_le(r, 2);
}

uint32_t wire_u32(struct wire_reader *r)
{
    return (uint32_t)take_le(r, 4);
}

uint64_t wire_u64(struct wire_reader *r)
{
    return take_le(r, 8);
}

struct slice wire_text(struct wire_reader *r)
{
    return wire_bytes(r, wire_u16(r));
}

struct slice wire_blob(struct wire_reader *r)
{
    return wire_bytes(r, wire_u32(r));
}

bool wire_done(const struct wire_reader *r)
{
    return !r->failed && r->rest.len == 0;
}

static void put_le(struct buf *b, uint64_t v, size_t n)
{
    unsigned char out[8];
    for (size_t i = 0; i < n; i++) {
        out[i] = (unsigned char)(v >> (8 * i));
    }
    (void)buf_add(b, (struct slice){out, n});
}

void wire_put_u8(struct buf *b, uint8_t v)
{
    put_le(b, v, 1);
}

void wire_put_u16(struct buf *b, uint16_t v)
{
    put_le(b, v, 2);
}

void wire_put_u32(struct buf *b, uint32_t v)
{
    put_le(b, v, 4);
}

void wire_put_u64(struct buf *b, uint64_t v)
{
    put_le(b, v, 8);
}

void wire_put_text(struct buf *b, struct slice s)
{
    if (s.len > UINT16_MAX) {
        b->failed = true;
        return;
    }
    wire_put_u16(b, (uint16_t)s.len);
    (void)buf_add(b, s);
}

void wire_put_blob(struct buf *b, struct slice s)
{
    if (s.len > UINT32_MAX) {
        b->failed = true;
        return;
    }
    wire_put_u32(b, (uint32_t)s.len);
    (void)buf_add(b, s);
}
