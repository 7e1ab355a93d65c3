/* cmd/dns_wait.h - the DNS for a subcommand that may wait for it.
 *
 * I/O     what resolver/resolver.h says, on an event loop of its own; by the configuration's
 *         dns settings, with their limits.
 * Own     answers are good until dns_wait_free(). */
#ifndef CMD_DNS_WAIT_H
#define CMD_DNS_WAIT_H
#include "config/config.h"
#include "dns/answer.h"

struct dns_wait;
/* NULL: standard error says why. */
MUST_USE struct dns_wait *dns_wait_new(const struct config *config);
void dns_wait_free(struct dns_wait **w);
MUST_USE const struct dns_source *dns_wait_source(const struct dns_wait *w);
/* Until something is known that was not. */
void dns_wait_news(struct dns_wait *w);
#endif
