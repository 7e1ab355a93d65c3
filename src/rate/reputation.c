/* rate/reputation.c - see reputation.h */
#include "rate/reputation.h"

/* Per cent of bad signs from which a level holds; docs/architecture.md. */
enum { NEUTRAL_FROM = 10, LOW_FROM = 50, VERY_LOW_FROM = 80 };

static const char *const names[REPUTATION_COUNT] = {
    [REPUTATION_UNKNOWN] = "unknown",   [REPUTATION_GOOD] = "good",
    [REPUTATION_NEUTRAL] = "neutral",   [REPUTATION_LOW] = "low",
    [REPUTATION_VERY_LOW] = "very low",
};

const char *reputation_name(enum reputation r)
{
    return names[r];
}

bool reputation_read(struct slice word, enum reputation *out)
{
    for (int r = 0; r < REPUTATION_COUNT; r++) {
        if (slice_ieq(word, slice_of(names[r]))) {
            *out = (enum reputation)r;
            return true;
        }
    }
    *out = REPUTATION_VERY_LOW;
    return slice_ieq(word, SLICE("very-low"));
}

enum reputation reputation_of(uint64_t good, uint64_t bad, uint64_t evidence)
{
    uint64_t all = good + bad;
    uint64_t share = all == 0 ? 0 : bad * 100 / all;
    if (all == 0 || all < evidence) {
        return REPUTATION_UNKNOWN;
    }
    if (share >= VERY_LOW_FROM && bad >= 2 * evidence) {
        return REPUTATION_VERY_LOW;
    }
    return share >= LOW_FROM       ? REPUTATION_LOW
           : share >= NEUTRAL_FROM ? REPUTATION_NEUTRAL
                                   : REPUTATION_GOOD;
}

void reputation_signs(enum reputation r, uint64_t evidence, unsigned *good, unsigned *bad)
{
    unsigned many = (unsigned)evidence * 10;
    *good = r == REPUTATION_UNKNOWN || r == REPUTATION_VERY_LOW ? 0 : many;
    *bad = r == REPUTATION_VERY_LOW || r == REPUTATION_LOW ? many
           : r == REPUTATION_NEUTRAL                       ? many / 3
                                                           : 0;
    *good = r == REPUTATION_LOW ? many / 2 : *good;
}
