/* spool/record.c - see record.h */
#include "spool/record.h"

#include "base/crc32c.h"

enum { ENVELOPE_VERSION = 1, HEADER_CRC_FROM = 8 };

/* The header is read for every record of a replay: fixed places, no reader. */
static uint32_t get32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

static uint64_t get64(const unsigned char *p)
{
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static void put32(unsigned char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (unsigned char)(v >> (8 * i));
    }
}

static void put64(unsigned char *p, uint64_t v)
{
    put32(p, (uint32_t)v);
    put32(p + 4, (uint32_t)(v >> 32));
}

enum spool_header_res spool_header_read(struct slice in, uint64_t segment,
                                        struct spool_header *out)
{
    if (in.len < SPOOL_HEADER_LEN || get32(in.ptr) != SPOOL_MAGIC ||
        get64(in.ptr + 8) != segment) {
        return SPOOL_HEADER_NONE;
    }
    struct slice checked =
        slice_sub(in, HEADER_CRC_FROM, SPOOL_HEADER_LEN - HEADER_CRC_FROM);
    const unsigned char *p = in.ptr;
    struct spool_header h = {
        .segment = segment,
        .message_len = get64(p + 16),
        .envelope_len = get32(p + 24),
        .head_len = get32(p + 28),
        .id = {get64(p + 32), get32(p + 40)},
        .back = get32(p + 44),
        .arrival_ms = get64(p + 48),
        .message_crc = get32(p + 56),
        .rest_crc = get32(p + 60),
    };
    if (get32(p + 4) != crc32c(0, checked) || h.message_len > SPOOL_MESSAGE_MAX ||
        h.envelope_len > SPOOL_ENVELOPE_MAX || h.head_len > SPOOL_HEAD_MAX ||
        h.id.session == 0 || h.id.n == 0) {
        return SPOOL_HEADER_BAD;
    }
    *out = h;
    return SPOOL_HEADER_OK;
}

void spool_header_write(const struct spool_header *h, unsigned char out[SPOOL_HEADER_LEN])
{
    put32(out, SPOOL_MAGIC);
    put64(out + 8, h->segment);
    put64(out + 16, h->message_len);
    put32(out + 24, h->envelope_len);
    put32(out + 28, h->head_len);
    put64(out + 32, h->id.session);
    put32(out + 40, h->id.n);
    put32(out + 44, h->back);
    put64(out + 48, h->arrival_ms);
    put32(out + 56, h->message_crc);
    put32(out + 60, h->rest_crc);
    put32(out + 4, crc32c(0, (struct slice){out + HEADER_CRC_FROM,
                                            SPOOL_HEADER_LEN - HEADER_CRC_FROM}));
}

void spool_envelope_begin(struct buf *b, uint8_t service, uint8_t flags,
                          struct slice sender, struct slice client, struct slice helo,
                          struct slice login)
{
    wire_put_u8(b, ENVELOPE_VERSION);
    wire_put_u8(b, service);
    wire_put_u8(b, flags);
    wire_put_text(b, sender);
    wire_put_text(b, client);
    wire_put_text(b, helo);
    wire_put_text(b, login);
}

void spool_envelope_recipients(struct buf *b, const struct spool_recipient *r, uint16_t n)
{
    if (n > SPOOL_RECIPIENTS_MAX) {
        b->failed = true;
        return;
    }
    wire_put_u16(b, n);
    for (uint16_t i = 0; i < n; i++) {
        wire_put_text(b, r[i].given);
        wire_put_u8(b, (uint8_t)r[i].kind);
        wire_put_text(b, r[i].target);
    }
}

void spool_envelope_param(struct buf *b, const char *name, struct slice value)
{
    wire_put_text(b, slice_of(name));
    wire_put_text(b, value);
}

bool spool_envelope_open(struct slice in, struct spool_envelope *out)
{
    struct wire_reader r = wire_reader_of(in);
    uint8_t version = wire_u8(&r);
    struct spool_envelope e = {0};
    e.service = wire_u8(&r);
    e.flags = wire_u8(&r);
    e.sender = wire_text(&r);
    e.client = wire_text(&r);
    e.helo = wire_text(&r);
    e.login = wire_text(&r);
    e.recipient_n = wire_u16(&r);
    if (r.failed || version != ENVELOPE_VERSION || e.recipient_n > SPOOL_RECIPIENTS_MAX) {
        return false;
    }
    e.left = e.recipient_n;
    e.at = r;
    *out = e;
    return true;
}

bool spool_envelope_next(struct spool_envelope *e, struct spool_recipient *out)
{
    if (e->left == 0 || e->at.failed) {
        return false;
    }
    struct spool_recipient r = {0};
    r.given = wire_text(&e->at);
    uint8_t kind = wire_u8(&e->at);
    r.target = wire_text(&e->at);
    if (kind < SPOOL_LOCAL || kind > SPOOL_REPORT) {
        e->at.failed = true;
    }
    if (e->at.failed) {
        return false;
    }
    r.kind = (enum spool_target)kind;
    e->left--;
    *out = r;
    return true;
}

bool spool_envelope_next_param(struct spool_envelope *e, struct slice *name,
                               struct slice *value)
{
    if (e->left > 0 || e->at.failed || e->at.rest.len == 0) {
        return false;
    }
    struct slice n = wire_text(&e->at);
    struct slice v = wire_text(&e->at);
    if (e->at.failed) {
        return false;
    }
    *name = n;
    *value = v;
    return true;
}

bool spool_param_is(struct slice name, const char *kind, uint16_t number)
{
    uint64_t first = 0;
    uint64_t last = 0;
    size_t sign = slice_find(name, '#');
    struct slice range = slice_from(name, sign + 1);
    size_t hyphen = slice_find(range, '-');
    return slice_eq(slice_sub(name, 0, sign), slice_of(kind)) &&
           slice_u64(slice_sub(range, 0, hyphen), &first) &&
           slice_u64(slice_from(range, hyphen + 1), &last) && first <= number &&
           number <= last;
}

bool spool_notify_has(struct slice notify, const char *word)
{
    while (notify.len > 0) {
        size_t comma = slice_find(notify, ',');
        if (slice_ieq(slice_sub(notify, 0, comma), slice_of(word))) {
            return true;
        }
        notify = slice_from(notify, comma + 1);
    }
    return false;
}
