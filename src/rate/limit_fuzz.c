/* rate/limit_fuzz.c - what parses prints as text that parses to the same, and what it allows lies
 * between its two numbers. */
#include "rate/limit.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct rate_bound b = {0}, again = {0};
    char text[RATE_BOUND_TEXT_MAX];
    if (rate_bound_parse((struct slice){data, len}, &b) != NULL) {
        return 0;
    }
    if (rate_bound_parse(rate_bound_text(&b, text), &again) != NULL ||
        again.most != b.most || again.least.count != b.least.count ||
        again.least.burst != b.least.burst || again.least.window != b.least.window) {
        abort();
    }
    struct rate_view v = {.usual = len * 1000};
    struct rate_limit l = rate_allowed(&b, &v, 20);
    if (l.count < b.least.count || l.count > b.most) {
        abort();
    }
    return 0;
}
