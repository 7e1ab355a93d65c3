/* config/units_fuzz.c - what parses prints as text that parses to the same value, and that
 * text is a fixed point. Blanks around the unit and its case change nothing. */
#include "config/units.h"

#include <stdlib.h>
#include <string.h>

typedef const char *parser(struct slice, uint64_t *);
typedef struct slice printer(uint64_t, char *);

static void check(struct slice in, parser *parse, printer *print)
{
    uint64_t value = 0, again = 1;
    char text[UNITS_TEXT_MAX], second[UNITS_TEXT_MAX];
    if (parse(in, &value) != NULL) {
        return;
    }
    if (parse(print(value, text), &again) != NULL || again != value ||
        strcmp(text, (const char *)print(again, second).ptr) != 0) {
        abort();
    }
}

/* Any value at all has a text. */
static void check_value(struct slice in, parser *parse, printer *print)
{
    uint64_t value = 0, again = 1;
    char text[UNITS_TEXT_MAX];
    if (in.len < sizeof value) {
        return;
    }
    memcpy(&value, in.ptr, sizeof value);
    if (parse(print(value, text), &again) != NULL || again != value) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct slice in = {data, len};
    check(in, units_size, units_size_text);
    check(in, units_time, units_time_text);
    check_value(in, units_size, units_size_text);
    check_value(in, units_time, units_time_text);
    return 0;
}
