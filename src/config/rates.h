/* config/rates.h - a line of queue.rates: how fast mail to other servers goes.
 *
 * Source  "domain" / "account" / "site", a name or "*", a limit (rate/limit.h) that is no range:
 *         "domain gmail.com 20/minute burst 5", "account * 1000/hour", "account a@b.test off",
 *         "site google.com 600/hour".
 *         "*": each that has no line of its own.
 * Pure.
 * Own     the name borrows from the text. */
#ifndef CONFIG_RATES_H
#define CONFIG_RATES_H
#include "rate/limit.h"

enum config_rate_of { RATE_OF_DOMAIN = 0, RATE_OF_ACCOUNT, RATE_OF_SITE, RATE_OF_COUNT };

struct config_rate {
    enum config_rate_of of;
    struct slice name;
    struct rate_limit limit; /* count 0: none */
};

/* NULL: *out is set. Otherwise what is wrong with the text. */
MUST_USE const char *config_rate_parse(struct slice text, struct config_rate *out);
#endif
