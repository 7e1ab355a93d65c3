/* delivery/site_names.h - sites that have a name, and how fast mail goes to them: the lines "site NAME LIMIT"
 * of queue.rates.
 *
 * Source  a line names each site (delivery/route.h) that has an MX host NAME or below it, or one of the MX
 *         hosts of the domain NAME; "*.NAME" those with a host below it alone; the first line that does
 *         counts. "*" names no site: its limit is that of each site without a line. What one line names is
 *         counted as one site.
 * Pure    who has a DNS says what NAME's MX hosts are; until then a line names none by them.
 * Own     site_names_new() allocates, site_names_free() frees; names borrow from the configuration.
 * Limits  a limit without a burst lets as many go at once as come in SITE_BURST_S, since whoever waits does
 *         so in whole seconds. */
#ifndef DELIVERY_SITE_NAMES_H
#define DELIVERY_SITE_NAMES_H
#include "config/config.h"
#include "rate/limit.h"

enum { SITE_BURST_S = 2 };

struct site_name {
    struct slice name;       /* "google.com"; "*": of each site that has none */
    struct rate_limit limit; /* count 0: none */
};

struct site_names;
/* NULL: no memory. */
MUST_USE struct site_names *site_names_new(const struct config_list *rates);
void site_names_free(struct site_names **s);

MUST_USE unsigned site_names_n(const struct site_names *s);
/* The domain whose MX hosts the line wants to know; empty: none. */
MUST_USE struct slice site_names_domain(const struct site_names *s, unsigned i);
/* Forgets the hosts of that line; one more of them. */
void site_names_forget(struct site_names *s, unsigned i);
void site_names_host(struct site_names *s, unsigned i, struct slice host);

/* The line for that site ("mx1.example,mx2.example"); NULL: none, not even "*". */
MUST_USE const struct site_name *site_names_find(const struct site_names *s,
                                                 struct slice site);
/* Does it name sites, or is it "*"? */
MUST_USE bool site_name_is_one(const struct site_name *name);
#endif
