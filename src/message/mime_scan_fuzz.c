/* message/mime_scan_fuzz.c - what is told does not depend on how the message is cut; what begins
 * ends; limits hold; an identity message without parts is its own body. */
#include "message/mime_scan_log.h"

static void same(const struct scan_log *a, const struct scan_log *b)
{
    if (!slice_eq(buf_slice(&a->lines), buf_slice(&b->lines))) {
        abort();
    }
    for (unsigned i = 0; i < SCAN_LOG_ENTITIES; i++) {
        if (!slice_eq(buf_slice(&a->content[i]), buf_slice(&b->content[i]))) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct scan_log whole, cut;
    struct slice all = {data, len};
    const struct mime_scan_limits limits = {.depth = 6, .parts = 40};
    size_t step = len == 0 ? 1 : 1 + data[len - 1] % 7;
    scan_log_init(&whole, len * 64 + 65536);
    scan_log_init(&cut, len * 64 + 65536);
    scan_log_run(&whole, all, 0, &limits);
    scan_log_run(&cut, all, step, &limits);
    same(&whole, &cut);
    /* A uuencoded file stands one deeper than its text. */
    if (whole.open != 0 || whole.deepest > limits.depth) {
        abort();
    }
    scan_log_clear(&whole);
    scan_log_clear(&cut);
    return 0;
}
