/* delivery/judge.h - what an answer of another server means for the queue, and for its site (pure).
 *
 * Source  catalogue/bounces (bounce/classify.h): class, kind and action.
 * Rule    2yz: nothing. 5yz: a hard class suppresses the address; a block ends this message; a soft one
 *         passes, whatever the digit says: it is tried again, as its action says. 4yz: always tried
 *         again, never suppressed. Where an action is about the site, the site is told too.
 *         Who is greylisted and not told for how long waits JUDGE_GREY_S, and comes from the same
 *         address of ours. */
#ifndef DELIVERY_JUDGE_H
#define DELIVERY_JUDGE_H
#include "bounce/classify.h"
#include "delivery/outcome.h"

enum { JUDGE_GREY_S = 5 * 60 };

enum judge_site { JUDGE_SITE_FINE = 0, JUDGE_SITE_SLOWER, JUDGE_SITE_STOP };

/* Sets advice, class and wait of an outcome that has its reply. stage and host may be zero. */
enum judge_site judge(struct bounce_classifier *c, enum bounce_stage stage,
                      struct slice host, struct outcome *o);
#endif
