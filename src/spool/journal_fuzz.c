/* Whatever a journal holds: entries that read write back to the same octets, they stand in
 * order, and what was passed over adds up. */
#include "spool/journal.h"

#include "base/crc32c.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { NUMBER = 0x01020304 };

static void check(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void write_back(const struct journal_entry *e)
{
    uint32_t back = 0;
    memcpy(&back, e->raw.ptr + 20, sizeof back);
    struct journal j = {.number = NUMBER, .size = (uint64_t)back * 8};
    struct buf b;
    buf_init(&b, JOURNAL_ENTRY_MAX);
    switch (e->type) {
    case JOURNAL_SETTLE:
        journal_write_settle(&b, &j, &e->u.settle);
        break;
    case JOURNAL_SEALED:
        journal_write_sealed(&b, &j, e->u.sealed.segment, e->u.sealed.end);
        break;
    case JOURNAL_COMPLETE:
        journal_write_complete(&b, &j);
        break;
    }
    uint16_t payload = 0;
    memcpy(&payload, e->raw.ptr + 16, sizeof payload);
    size_t used = JOURNAL_HEAD_LEN + (size_t)payload; /* padding is nobody's */
    check(!b.failed && used <= b.len && used <= e->raw.len &&
          memcmp(b.ptr, e->raw.ptr, used) == 0);
    buf_clear(&b);
}

/* Puts right checksums where entries seem to be, which no fuzzer guesses. */
static void mend(unsigned char *p, size_t len)
{
    static const unsigned char magic[] = {'P', 'S', 'J', '1'};
    for (size_t at = 0; at + JOURNAL_HEAD_LEN <= len; at += 8) {
        uint16_t payload = 0;
        uint64_t number = NUMBER;
        memcpy(&payload, p + at + 16, sizeof payload);
        if (memcmp(p + at, magic, 4) == 0 && payload <= len - at - JOURNAL_HEAD_LEN) {
            memcpy(p + at + 8, &number, sizeof number);
            p[at + 19] = 0;
            uint32_t crc = crc32c(
                0, (struct slice){p + at + 8, JOURNAL_HEAD_LEN - 8 + (size_t)payload});
            memcpy(p + at + 4, &crc, sizeof crc);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    unsigned char *copy = malloc(len + 1);
    check(copy != NULL);
    if (len > 0) {
        memcpy(copy, data, len);
    }
    mend(copy, len);
    struct journal_reader r = {.in = {copy, len}, .number = NUMBER};
    struct journal_entry e;
    size_t good = 0, last = 0;
    while (journal_next(&r, &e)) {
        size_t at = (size_t)(e.raw.ptr - copy);
        check(at % 8 == 0 && at >= last);
        last = at + e.raw.len;
        good += e.raw.len;
        check(r.end == last);
        write_back(&e);
    }
    check(good + r.torn + r.damaged == r.end && r.end <= len);
    free(copy);
    return 0;
}
