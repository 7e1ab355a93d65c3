/* rate/reputation.h - from signs of what a key's mail was worth to a level.
 *
 * Source  docs/architecture.md, "Reputation": the one table of signs and levels.
 * Pure.
 * Little evidence  is unknown, and never very low: that takes twice the evidence in bad signs alone. */
#ifndef RATE_REPUTATION_H
#define RATE_REPUTATION_H
#include "rate/table.h"

enum reputation {
    REPUTATION_UNKNOWN = 0,
    REPUTATION_GOOD,
    REPUTATION_NEUTRAL,
    REPUTATION_LOW,
    REPUTATION_VERY_LOW,
    REPUTATION_COUNT
};
const char *reputation_name(enum reputation r); /* "very low" */
/* "very-low" too. */
MUST_USE bool reputation_read(struct slice word, enum reputation *out);

/* Of a key with these signs; evidence: signs below which nothing is said. */
MUST_USE enum reputation reputation_of(uint64_t good, uint64_t bad, uint64_t evidence);

/* Signs that make a key of that level, for who sets it by hand; they fade as all others. */
void reputation_signs(enum reputation r, uint64_t evidence, unsigned *good,
                      unsigned *bad);
#endif
