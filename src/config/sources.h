/* config/sources.h - from which of our addresses mail goes to other servers: the file delivery.sources.
 *
 * Lines   source POOL ADDRESS[,ADDRESS] HELO [PLAN DATE]
 *             an address of this machine (one IPv4, one IPv6, or both), the name that EHLO gives with it, and
 *             for a new one the plan by which it is warmed up since that day (2026-11-22; UTC).
 *         use POOL account NAME...     whose mail goes by it: a login, a relay customer, a sender
 *         use POOL service NAME...     of these services: submission, relay, push, mx
 *         use POOL default             all other
 *         plan PLAN COUNT...           how many recipients a day each site may be sent on day 1, day 2 ...;
 *                                      from the day behind the last on as many as come
 * Rule    the account, else the service, else default; no pool: the system chooses, and EHLO gives hostname.
 * Pure.
 * Own     sources_read() allocates, sources_free() frees.
 * Errors  NULL: error says which line and what is wrong.
 * Limits  SOURCES_MAX addresses, SOURCE_POOLS_MAX pools, SOURCE_PLANS_MAX plans. */
#ifndef CONFIG_SOURCES_H
#define CONFIG_SOURCES_H
#include "base/netset.h"
#include "config/words.h"

enum {
    SOURCES_MAX = 4096,
    SOURCE_POOLS_MAX = 256,
    SOURCE_PLANS_MAX = 64,
    SOURCE_NAME_MAX = 63,
    SOURCE_HELO_MAX = 253,
    SOURCE_DAYS_MAX = WORDS_LINE_MAX,
};
#define SOURCE_UNBOUND UINT64_MAX

struct sender_source {
    unsigned pool, line;
    int plan; /* -1: none */
    bool has_v4, has_v6;
    struct ip v4, v6;
    uint64_t first_day; /* of the plan; days since 1970 */
    char text[2 * IP_TEXT_MAX + 1], helo[SOURCE_HELO_MAX + 1];
};

struct sources;
MUST_USE struct sources *sources_read(struct slice text, char error[WORDS_ERROR_MAX]);
void sources_free(struct sources **s);

/* Of that account (in any case), service (enum config_service); -1: of none. */
MUST_USE int sources_pool(const struct sources *s, struct slice account,
                          unsigned service);
/* The pool's addresses, in the order of their lines; *n of them, at least 1. */
MUST_USE const struct sender_source *sources_of(const struct sources *s, unsigned pool,
                                                unsigned *n);
/* How many recipients a site may be sent from it on that day (since 1970). */
MUST_USE uint64_t sources_bound(const struct sources *s,
                                const struct sender_source *source, uint64_t day);
#endif
