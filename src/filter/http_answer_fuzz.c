/* filter/http_answer_fuzz.c - however an answer is cut, its state, status and body are the same, and the
 * body stays within its limit. The input: where to cut, then the answer. */
#include "filter/http_answer.h"

#include <stdlib.h>

enum { BODY_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_answer whole, cut;
    struct slice s = {data, size};
    size_t step = size == 0 ? 1 : data[0] % 16U + 1;
    s = slice_from(s, 1);
    http_answer_init(&whole, BODY_MAX);
    http_answer_init(&cut, BODY_MAX);
    (void)http_answer_feed(&whole, s);
    for (struct slice rest = s; rest.len > 0; rest = slice_from(rest, step)) {
        (void)http_answer_feed(&cut, slice_sub(rest, 0, step));
    }
    if (whole.state != cut.state || whole.status != cut.status ||
        whole.body.len > BODY_MAX ||
        (whole.state != HTTP_BAD &&
         !slice_eq(buf_slice(&whole.body), buf_slice(&cut.body))) ||
        http_answer_end(&whole) != http_answer_end(&cut)) {
        abort();
    }
    http_answer_clear(&whole);
    http_answer_clear(&cut);
    return 0;
}
