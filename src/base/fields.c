/* base/fields.c - see fields.h */
#include "base/fields.h"

#include <inttypes.h>
#include <stdio.h>

void fields_reset(struct fields *f)
{
    f->n = 0;
    f->dropped = 0;
}

void fields_add(struct fields *f, const char *name, struct slice value)
{
    if (f->n == FIELDS_MAX) {
        f->dropped++;
        return;
    }
    f->item[f->n++] = (struct field){name, value};
}

void fields_add_str(struct fields *f, const char *name, const char *value)
{
    fields_add(f, name, slice_of(value));
}

void fields_add_u64(struct fields *f, const char *name, uint64_t value)
{
    if (f->n == FIELDS_MAX) {
        f->dropped++;
        return;
    }
    char *at = f->digits[f->n];
    int len = snprintf(at, FIELDS_DIGITS, "%" PRIu64, value);
    f->item[f->n++] =
        (struct field){name, {(const unsigned char *)at, len > 0 ? (size_t)len : 0}};
}

bool fields_get(const struct fields *f, struct slice name, struct slice *value)
{
    for (unsigned i = 0; i < f->n; i++) {
        if (slice_eq(slice_of(f->item[i].name), name)) {
            *value = f->item[i].value;
            return true;
        }
    }
    return false;
}
