/* content/links.h - where the links of a message lead: addresses, hosts, registered domains.
 *
 * Source  the public suffix list, as libpsl has it built in (no file is read).
 * Own     all slices lie in the struct, until the next change.
 * Limits  LINKS_MAX hosts, each once, with the first address that led there; more are counted. */
#ifndef CONTENT_LINKS_H
#define CONTENT_LINKS_H
#include "base/buf.h"

enum { LINKS_MAX = 100, LINKS_URL_MAX = 512 };

struct link {
    size_t url_at, url_len, host_len,
        domain_len; /* in octets; the host follows the address */
};

struct links {
    struct link item[LINKS_MAX];
    unsigned n;
    uint64_t total; /* links, also those that lead to the same host or are not kept */
    bool dropped;   /* there were more hosts */
    struct buf text;
};

void links_init(struct links *l);
void links_clear(struct links *l);
/* host: in lower case. */
void links_add(struct links *l, struct slice url, struct slice host);

MUST_USE struct slice links_url(const struct links *l,
                                unsigned i); /* cut at LINKS_URL_MAX */
MUST_USE struct slice links_host(const struct links *l, unsigned i);
/* What somebody registered: "example.co.uk" of "www.example.co.uk"; the host itself where it is an
 * address, a public suffix, or a single label. */
MUST_USE struct slice links_domain(const struct links *l, unsigned i);
MUST_USE struct slice links_registered(struct slice host); /* in lower case */
#endif
