/* check/mode.h - what a breach leads to: the mode of a check, and ladders.
 *
 *   off      the check does not run
 *   observe  nothing is said; the trace has it
 *   defer    the check's row for now; message-rejected-temporarily where it has none
 *   reject   its row for good
 *   ladder   a sender newly in breach is slowed: of its first checks.ladder-slow messages in breach in a
 *            day a growing share is refused for now, then every one (with the row that also cuts the
 *            connection, where there is one), and beyond checks.ladder-refuse it is refused for good
 *
 * Pure    counts in facts->rates, where it is (kind "ladder", name "CHECK KEY"); without it a ladder stays
 *         on its first step, which says nothing. */
#ifndef CHECK_MODE_H
#define CHECK_MODE_H
#include "check/check.h"

/* The mode that holds for these facts; setting: offset of the check's in struct config. A
 * recipient's exception holds where it holds for all recipients that are known. */
MUST_USE enum config_mode mode_of(const struct check_facts *f, size_t setting);

/* out->reply is a breach's row: makes it what is said, or nothing. */
void mode_apply(const struct check_facts *f, const char *check,
                struct check_verdict *out);

enum ladder_step { LADDER_SPARE = 0, LADDER_SLOW, LADDER_CUT, LADDER_REFUSE };

/* n: this is the sender's n-th breach in a day, from 1 on. Of the first `slow` about half are
 * slowed: the n-th where the sum of the shares 1/slow, 2/slow ... n/slow passes another whole. */
MUST_USE enum ladder_step ladder_step(uint64_t n, uint64_t slow, uint64_t refuse);
#endif
