/* Any text: all patterns that match at a place, tried one by one, are among those that the automaton
 * gives for it, and what is known of usual words (vocabulary.h) makes no difference. */
#include "bounce/phrase_naive.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct bounce_normal n;
    size_t all;
    bounce_normalize((struct slice){data, size < 300 ? size : 300}, 0, &n);
    if (phrases_missing(&n, &all) > 0 || !phrases_alike(&n)) {
        abort();
    }
    return 0;
}
