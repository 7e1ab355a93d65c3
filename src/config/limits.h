/* config/limits.h - rate.exceptions: another number of a limit for some keys.
 *
 * Source  NAME KEY LIMIT: the name of a limit of the section rate, whose keys it is about, what they are
 *         allowed (rate/limit.h):
 *         "ip 192.0.2.0/24 10000/hour burst 500", "dkim-domain example.org 5000-90000/hour",
 *         "login ann@example.test 5000/hour", "rcpt example.test off".
 * Key     of a limit of addresses and networks a network: all keys within it. Of domains a domain, of
 *         senders, recipients and logins an address or a domain: it, and all below it. The smallest
 *         network, the longest name holds, whatever the order; each stands once.
 *         A sender whose SPF did not pass (its key has the network behind it) has no exceptions:
 *         anybody can say that he is that one.
 * Pure.
 * Own     an item owns its texts. The index borrows the items, which may not change while it lives.
 * Cost    a limit without exceptions: some compares. Else a bisection for each size of network, or label
 *         of the name. */
#ifndef CONFIG_LIMITS_H
#define CONFIG_LIMITS_H
#include "base/netset.h"
#include "rate/limit.h"

enum { CONFIG_LIMITS_MAX = 5000 };

struct config_limit {
    char *text;     /* as it stands in the file */
    size_t setting; /* offset of the limit in struct config */
    bool is_net;
    struct net net;
    char *name; /* else; in lower case */
    struct rate_bound bound;
};
struct config_limits {
    struct config_limit *item;
    unsigned n, cap;
};

/* NULL: it is in the list. Otherwise what is wrong with the text. */
MUST_USE const char *limits_add(struct config_limits *list, struct slice text);
void limits_clear(struct config_limits *list);
/* NULL, or why the limit of that setting may not be so. */
MUST_USE const char *limits_wrong(size_t setting, const struct rate_bound *bound);

struct limits_index;
/* NULL: memory is short. */
MUST_USE struct limits_index *limits_index_new(const struct config_limits *list);
void limits_index_free(struct limits_index **index);

/* What holds for that key of the limit. net: where keys are addresses or networks; name: in lower
 * case. NULL: there is no exception; index may be NULL. */
MUST_USE const struct config_limit *limits_find(const struct limits_index *index,
                                                size_t setting, const struct net *net,
                                                struct slice name);
#endif
