/* queue/pace.h - how fast messages go to other servers: so many in a span of time to a domain, and of
 * an account.
 *
 * Slots   pace_slot() gives each message the time at which it may go, one interval behind the one
 *         before; whoever comes later gets a later one. A slot is spent when it is given, so nobody
 *         is looked at twice, however many wait. A burst lets so many go at once after a rest.
 * Rules   by name, or for all names of a kind that have none of their own.
 * Memory  of a name only while messages of it keep to a time that lies ahead; PACE_NAMES_MAX names.
 *         Beyond them nothing is held back.
 * Pure    no clock: time comes as a parameter, in wall ms. When it goes back all is forgotten. */
#ifndef QUEUE_PACE_H
#define QUEUE_PACE_H
#include "base/slice.h"

enum { PACE_NAMES_MAX = 1024 * 1024, PACE_RULES_MAX = 4096, PACE_NAME_MAX = 512 };
enum pace_kind { PACE_DOMAIN = 0, PACE_ACCOUNT, PACE_KINDS };

struct pace_rule {
    uint64_t n, span_ms; /* n messages in a span; 0: no limit */
    uint64_t burst;      /* at least 1 */
};

struct pace;
MUST_USE struct pace *pace_new(void);
void pace_free(struct pace **p);

/* name empty: of all others. In any case. False: no room, or the name is too long. */
MUST_USE bool pace_put(struct pace *p, enum pace_kind kind, struct slice name,
                       struct pace_rule rule);

/* When a message may go; not after now: at once. */
MUST_USE uint64_t pace_slot(struct pace *p, enum pace_kind kind, struct slice name,
                            uint64_t now_ms);
#endif
