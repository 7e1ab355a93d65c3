/* What can be read can be written again, and reads the same: header and envelope. */
#include "spool/record.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void header(struct slice in)
{
    struct spool_header h;
    uint64_t segment = 0;
    if (in.len < SPOOL_HEADER_LEN) {
        return;
    }
    /* Hit the segment and the checksum, which no fuzzer guesses. */
    unsigned char raw[SPOOL_HEADER_LEN];
    struct spool_header made = {.id = {1, 1}};
    memcpy(&made.message_len, in.ptr, sizeof made.message_len);
    memcpy(&made.envelope_len, in.ptr + 8, sizeof made.envelope_len);
    memcpy(&made.head_len, in.ptr + 12, sizeof made.head_len);
    memcpy(&made.segment, in.ptr + 16, sizeof made.segment);
    segment = made.segment;
    spool_header_write(&made, raw);
    enum spool_header_res res =
        spool_header_read((struct slice){raw, sizeof raw}, segment, &h);
    check(res != SPOOL_HEADER_NONE);
    if (res == SPOOL_HEADER_OK) {
        unsigned char again[SPOOL_HEADER_LEN];
        spool_header_write(&h, again);
        check(memcmp(raw, again, sizeof raw) == 0);
        uint64_t len = spool_record_len(&h);
        check(len % 8 == 0 && len >= SPOOL_HEADER_LEN + h.message_len);
    }
    /* Raw input that reads well must write back to itself. */
    memcpy(&segment, in.ptr + 8, sizeof segment);
    if (spool_header_read(in, segment, &h) == SPOOL_HEADER_OK) {
        spool_header_write(&h, raw);
        check(memcmp(raw, in.ptr, sizeof raw) == 0);
    }
}

static void envelope(struct slice in)
{
    static struct spool_recipient all[SPOOL_RECIPIENTS_MAX];
    struct spool_envelope e;
    if (!spool_envelope_open(in, &e)) {
        return;
    }
    uint16_t n = 0;
    while (spool_envelope_next(&e, &all[n])) {
        n++;
        check(n <= e.recipient_n);
        if (n == SPOOL_RECIPIENTS_MAX) {
            break;
        }
    }
    if (e.at.failed || n != e.recipient_n) {
        return;
    }
    struct buf b;
    buf_init(&b, in.len);
    spool_envelope_begin(&b, e.service, e.flags, e.sender, e.client, e.helo, e.login);
    spool_envelope_recipients(&b, all, n);
    check(!b.failed && slice_starts(in, buf_slice(&b)));
    check(in.len - b.len == e.at.rest.len);
    struct slice name;
    struct slice value;
    while (spool_envelope_next_param(&e, &name, &value)) {
        wire_put_text(&b, name);
        wire_put_text(&b, value);
    }
    check(!b.failed && slice_starts(in, buf_slice(&b)) &&
          (e.at.failed || b.len == in.len));
    buf_clear(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    header((struct slice){data, len});
    envelope((struct slice){data, len});
    return 0;
}
