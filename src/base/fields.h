/* base/fields.h - a short list of named values: evidence of a verdict, a log line's
 * facts, a trace event's content.
 *
 * Own     borrows names (static strings) and values; numbers are printed into `digits`.
 * Limits  FIELDS_MAX entries; further ones are dropped and `dropped` counts them. */
#ifndef BASE_FIELDS_H
#define BASE_FIELDS_H
#include "base/slice.h"

enum { FIELDS_MAX = 16, FIELDS_DIGITS = 24 };

struct field {
    const char *name;
    struct slice value;
};

struct fields {
    struct field item[FIELDS_MAX];
    unsigned n, dropped;
    char digits[FIELDS_MAX][FIELDS_DIGITS];
};

void fields_reset(struct fields *f);
void fields_add(struct fields *f, const char *name, struct slice value);
void fields_add_str(struct fields *f, const char *name, const char *value);
void fields_add_u64(struct fields *f, const char *name, uint64_t value);

/* The value of the first entry of that name; false when there is none. */
MUST_USE bool fields_get(const struct fields *f, struct slice name, struct slice *value);
#endif
