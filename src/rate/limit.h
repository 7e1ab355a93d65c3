/* rate/limit.h - limits as people write them, and what they allow a key of this history.
 *
 * Source  bound = "off" / number ["-" number] "/" window ["burst" number]
 *         window = "minute" / "hour" / "day"
 *         "1000/hour"; "1000/hour burst 100": so many at once at the most; "600-50000/hour": what
 *         is unusual for the key, but never less than 600 nor more than 50000. A burst goes
 *         with a single number.
 * Pure.
 * Limits  numbers from 1 to RATE_COUNT_MAX. */
#ifndef RATE_LIMIT_H
#define RATE_LIMIT_H
#include "rate/table.h"

enum {
    RATE_BOUND_TEXT_MAX = 64,
    RATE_UNUSUAL = 3, /* times what is usual */
};

struct rate_bound {
    struct rate_limit least;
    uint64_t most; /* the same as least.count: usual or not */
};

/* NULL: *out is set. Otherwise what is wrong with the text. */
MUST_USE const char *rate_bound_parse(struct slice text, struct rate_bound *out);
/* With NUL; parses back to the same. */
struct slice rate_bound_text(const struct rate_bound *bound,
                             char out[RATE_BOUND_TEXT_MAX]);

/* Signs in all, from `evidence` on: per cent of them that are bad; fewer: 0. */
MUST_USE unsigned rate_unwanted(const struct rate_view *v, uint64_t evidence);

/* What is allowed now: RATE_UNUSUAL times what is usual, between the two numbers, less the share
 * of the key's mail that is unwanted; at least 1. A limit with a burst is what it says. */
MUST_USE struct rate_limit rate_allowed(const struct rate_bound *bound,
                                        const struct rate_view *v, uint64_t evidence);

/* The view as it would be with n more: for rate_over(), rate_measured(), rate_wait_s(). */
MUST_USE struct rate_view rate_with(const struct rate_limit *limit,
                                    const struct rate_view *v, uint64_t n,
                                    uint64_t now_us);
#endif
