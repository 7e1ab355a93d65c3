/* config/units.c - see units.h */
#include "config/units.h"

#include <stdio.h>

struct unit {
    struct slice name;
    uint64_t factor;
};

struct units {
    struct unit unit[6]; /* largest first */
    unsigned n;
    const char *missing, *unknown;
};

static const struct units sizes = {
    {{SLICE_INIT("TiB"), 1ULL << 40},
     {SLICE_INIT("GiB"), 1ULL << 30},
     {SLICE_INIT("MiB"), 1ULL << 20},
     {SLICE_INIT("KiB"), 1ULL << 10},
     {SLICE_INIT(""), 1}},
    5,
    "it has no unit",
    "its unit is none of KiB, MiB, GiB, TiB (nothing: octets)",
};

static const struct units times = {
    {{SLICE_INIT("d"), 86400000},
     {SLICE_INIT("h"), 3600000},
     {SLICE_INIT("min"), 60000},
     {SLICE_INIT("s"), 1000},
     {SLICE_INIT("ms"), 1}},
    5,
    "it has no unit (ms, s, min, h, d)",
    "its unit is none of ms, s, min, h, d",
};

static const char *parse(const struct units *units, struct slice text, uint64_t *out)
{
    size_t digits = 0;
    while (digits < text.len && ascii_is_digit(text.ptr[digits])) {
        digits++;
    }
    uint64_t number, value;
    if (digits == 0) {
        return "it does not start with a whole number";
    }
    if (!slice_u64(slice_sub(text, 0, digits), &number)) {
        return "the number is too large";
    }
    struct slice name = slice_trim(slice_from(text, digits));
    for (unsigned i = 0; i < units->n; i++) {
        if (!slice_ieq(name, units->unit[i].name)) {
            continue;
        }
        if (__builtin_mul_overflow(number, units->unit[i].factor, &value)) {
            return "the number is too large";
        }
        *out = value;
        return NULL;
    }
    if (name.len == 0 && number == 0) {
        *out = 0; /* nothing is nothing in any unit */
        return NULL;
    }
    return name.len == 0 ? units->missing : units->unknown;
}

static struct slice text_of(const struct units *units, uint64_t value,
                            char out[UNITS_TEXT_MAX])
{
    const struct unit *unit = &units->unit[0];
    while (unit->factor > 1 && (value == 0 || value % unit->factor != 0)) {
        unit++;
    }
    bool bare = value == 0 || unit->name.len == 0;
    int n = snprintf(out, UNITS_TEXT_MAX, "%llu%s%.*s",
                     (unsigned long long)(value / unit->factor), bare ? "" : " ",
                     bare ? 0 : (int)unit->name.len, (const char *)unit->name.ptr);
    return (struct slice){(const unsigned char *)out, (size_t)n};
}

const char *units_size(struct slice text, uint64_t *out)
{
    return parse(&sizes, text, out);
}

const char *units_time(struct slice text, uint64_t *out)
{
    return parse(&times, text, out);
}

struct slice units_size_text(uint64_t octets, char out[UNITS_TEXT_MAX])
{
    return text_of(&sizes, octets, out);
}

struct slice units_time_text(uint64_t ms, char out[UNITS_TEXT_MAX])
{
    return text_of(&times, ms, out);
}
