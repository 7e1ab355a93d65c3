/* directory/maildirsize_fuzz.c - properties: a line that is still being written changes
 * nothing; a finished line "n 1" adds exactly n, whatever stands before it (as long as
 * the sum is between its ends); a line that is no two numbers adds nothing and is
 * counted. */
#include "base/buf.h"
#include "directory/maildirsize.h"

static struct maildirsize with(struct slice file, const char *more)
{
    struct buf b;
    buf_init(&b, file.len + 64);
    (void)buf_add(&b, file);
    (void)buf_add_str(&b, more);
    struct maildirsize m = maildirsize_read(buf_slice(&b));
    buf_clear(&b);
    return m;
}

static void check(bool ok)
{
    if (!ok) {
        __builtin_trap();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice file = {data, size};
    size_t whole = slice_rfind(file, '\n');
    file = whole == size ? SLICE("S\n") : slice_sub(file, 0, whole + 1);
    struct maildirsize before = maildirsize_read(file);
    struct maildirsize torn = with(file, "12345 1");
    struct maildirsize wrong = with(file, "12345\n");
    struct maildirsize more = with(file, "12345 1\n");
    check(torn.octets == before.octets && torn.messages == before.messages);
    check(wrong.octets == before.octets && wrong.wrong_n == before.wrong_n + 1);
    check(more.octets >= before.octets && more.wrong_n == before.wrong_n);
    if (before.octets > 0 && before.octets < INT64_MAX - 12345) {
        check(more.octets == before.octets + 12345);
    }
    return 0;
}
