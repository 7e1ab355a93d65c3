/* config/units.h - sizes and times as people write them.
 *
 * Source  "35 MiB", "64KiB", "512" (octets); "500 ms", "300 s", "5 min", "2 h", "14 d",
 *         "0". A whole number, blanks or none, a unit in any case.
 * Pure.
 * Units   octets; milliseconds. */
#ifndef CONFIG_UNITS_H
#define CONFIG_UNITS_H
#include "base/slice.h"

enum { UNITS_TEXT_MAX = 32 };

/* NULL: *out is set. Otherwise what is wrong with the text: "it has no unit" ... */
MUST_USE const char *units_size(struct slice text, uint64_t *out);
MUST_USE const char *units_time(struct slice text, uint64_t *out);

/* With NUL, in the largest unit that leaves a whole number; parses back to the same. */
struct slice units_size_text(uint64_t octets, char out[UNITS_TEXT_MAX]);
struct slice units_time_text(uint64_t ms, char out[UNITS_TEXT_MAX]);
#endif
