/* delivery/sts.h - the MTA-STS policies of other domains: had from them, kept, kept to.
 *
 * Source  RFC 8461 3.3 (when to fetch, how often to try again), 5.1 (a cached policy holds until it
 *         expires, whatever DNS and policy host say meanwhile), 10.2 (refreshed before that).
 * Files   one a domain in a directory that all delivery processes share: "s-DOMAIN", a line of our own and the
 *         policy as it came, written beside and renamed. A broken one counts as none.
 * I/O     reads and writes these; the HTTPS request is made by sts_fetch_run(), on another thread.
 * Own     a fetch belongs to the caller of `fetch` until sts_fetched(). What sts_ask() tells is good
 *         until the next call.
 * Limits  delivery.mta-sts-cache domains, in memory and on disk: beyond it new policies are not kept on
 *         disk, so that nobody can drive out those of others. */
#ifndef DELIVERY_STS_H
#define DELIVERY_STS_H
#include "config/config.h"
#include "delivery/policy_get.h"
#include "delivery/tls_count.h"
#include "senderauth/mta_sts.h"

enum {
    STS_REFRESH_S = 24 * 3600, /* a policy in use is had anew when it is older */
    STS_AGAIN_S =
        300, /* the least wait after a failure (3.3); how long a policy holds at least */
    STS_FETCHES_MAX = 64,              /* at once: beyond it mail goes by what is known */
    STS_DOMAIN_MAX = DNS_NAME_MAX - 9, /* "_mta-sts." in front */
};

struct sts;

struct sts_fetch {
    struct sts *sts; /* not touched on another thread */
    char domain[STS_DOMAIN_MAX + 1];
    char id[STS_ID_MAX + 1];
    struct policy_get get;
    int dir;
    bool keep; /* on disk */
    uint64_t now_s;
    /* What came of it. */
    enum policy_get_res res;
    const char *fault; /* RES OK: of a policy that is none */
    char why[POLICY_GET_WHY_MAX];
    struct buf text;
};

struct sts_options {
    const struct config *config;
    int dir;         /* -1: nothing is kept on disk */
    struct slice ca; /* PEM */
    struct tls_counts *counts;
    /* Runs sts_fetch_run() elsewhere, then calls sts_fetched(). False: not now. */
    bool (*fetch)(void *arg, struct sts_fetch *f);
    /* A fetch is over: who waits may ask again. Not from inside sts_ask(). */
    void (*news)(void *arg);
    void *fetch_arg, *news_arg;
};
MUST_USE struct sts *sts_new(const struct sts_options *options);
void sts_free(struct sts **s);
/* Whom `news` goes to, where it was not known at sts_new(). */
void sts_listen(struct sts *s, void (*news)(void *arg), void *arg);

struct sts_view {
    bool found; /* the domain has a policy: */
    struct sts_policy policy;
};
/* False: not known yet; `news`, or those of the source, come. domain: lower case, A-labels. */
MUST_USE bool sts_ask(struct sts *s, const struct dns_source *dns, struct slice domain,
                      struct sts_view *out);

/* On any thread; blocks. */
void sts_fetch_run(struct sts_fetch *f);
void sts_fetched(struct sts_fetch *f); /* frees it */
#endif
