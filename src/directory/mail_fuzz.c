/* directory/mail_fuzz.c - property: what reads as a question or an answer about MAIL writes
 * back to the same octets. */
#include "directory/mail.h"

#include <string.h>

static void same(const struct buf *out, const uint8_t *data, size_t size)
{
    if (out->failed || out->len != size || memcmp(out->ptr, data, size) != 0) {
        __builtin_trap();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice payload = {data, size};
    struct dir_mail_ask ask;
    struct dir_mail answer;
    struct buf out;
    buf_init(&out, size);
    if (dir_mail_ask_read(payload, &ask)) {
        dir_mail_ask_write(&out, &ask);
        same(&out, data, size);
    }
    buf_reset(&out);
    if (dir_mail_read(payload, &answer)) {
        dir_mail_write(&out, &answer);
        same(&out, data, size);
    }
    buf_clear(&out);
    return 0;
}
