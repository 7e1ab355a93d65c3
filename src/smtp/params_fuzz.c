/* smtp/params_fuzz.c - libFuzzer target: a fault names octets of the input; and what was taken
 * is taken, with the same meaning, when it is written out anew. */
#include "smtp/params.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct slice in = {data + 1, size - 1};
    enum smtp_params_of of = data[0] % 2 == 0 ? SMTP_PARAMS_MAIL : SMTP_PARAMS_RCPT;
    struct smtp_params a;
    struct smtp_params b;
    struct smtp_params_fault fault = {0};
    if (!smtp_params_read(in, of, &a, &fault)) {
        if (fault.what == NULL || fault.param.len == 0 || fault.param.ptr < in.ptr ||
            fault.param.ptr + fault.param.len > in.ptr + in.len) {
            abort();
        }
        return 0;
    }
    char text[128];
    int n = snprintf(text, sizeof text, "%s%.0" PRIu64 "%s%s", a.size > 0 ? " SIZE=" : "",
                     a.size, a.body == SMTP_BODY_8BITMIME ? " BODY=8BITMIME" : "",
                     a.smtputf8 ? " SMTPUTF8" : "");
    struct slice anew = {(unsigned char *)text, (size_t)n};
    if (!smtp_params_read(anew, of, &b, &fault) || a.size != b.size || a.body != b.body ||
        a.smtputf8 != b.smtputf8 || (of == SMTP_PARAMS_RCPT && a.seen != 0)) {
        abort();
    }
    return 0;
}
