/* smtp/line_fuzz.c - libFuzzer target: the first octet picks max, the rest is the input. An
 * answer other than MORE stays the same when more octets come, and a line is what stands in
 * front of the first CRLF. */
#include "smtp/line.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct slice in = {data + 1, size - 1};
    size_t max = 2U + data[0];
    struct smtp_line a = {0};
    enum smtp_line_res res = smtp_line_take(in, max, &a);
    for (size_t cut = 0; cut < in.len; cut++) {
        struct smtp_line b = {0};
        enum smtp_line_res part = smtp_line_take(slice_sub(in, 0, cut), max, &b);
        if (part != SMTP_LINE_MORE && (part != res || b.used != a.used)) {
            abort();
        }
    }
    if (res != SMTP_LINE_OK) {
        return 0;
    }
    const unsigned char *crlf = memmem(in.ptr, in.len, "\r\n", 2);
    struct slice text = slice_sub(in, 0, a.used - 2);
    if (crlf != in.ptr + text.len || a.used > max || slice_find(text, '\0') < text.len ||
        slice_find(text, '\n') < text.len || slice_find(text, '\r') < text.len ||
        !slice_starts(text, a.word) || slice_find(a.word, ' ') < a.word.len) {
        abort();
    }
    if (a.verb != SMTP_UNKNOWN && !slice_ieq(a.word, smtp_verb_name(a.verb))) {
        abort();
    }
    return 0;
}
