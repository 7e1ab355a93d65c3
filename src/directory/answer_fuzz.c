/* directory/answer_fuzz.c - property: what reads as an answer has as many targets as it
 * says, and writes back to the same octets. */
#include "directory/answer.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dir_answer a;
    if (!dir_answer_read((struct slice){data, size}, &a)) {
        return 0;
    }
    struct buf out;
    buf_init(&out, size);
    dir_answer_write(&out, &a);
    if (out.failed || out.len != size || memcmp(out.ptr, data, size) != 0) {
        __builtin_trap();
    }
    buf_clear(&out);
    unsigned n = a.target_n;
    struct dir_target t;
    while (dir_answer_target(&a, &t)) {
        n--;
    }
    if (n != 0 || a.targets.len != 0) {
        __builtin_trap();
    }
    return 0;
}
