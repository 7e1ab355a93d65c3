/* senderauth/author.h - the domains that a message's From field names.
 *
 * Source  RFC 5322 3.4, 3.6.2, 4.4 (obsolete forms are understood), RFC 6854 (groups), RFC 6532
 *         (UTF-8), RFC 9989 5.3.1.
 * Pure    a domain that is not ASCII costs libidn2 an allocation.
 * Own     *out holds all of its own; it may not be copied.
 * Strict  whatever does not parse has no author: one who guesses may guess another address
 *         than the reader's program shows. Encoded words are never decoded: an address inside
 *         one is none.
 * Limits  AUTHOR_DOMAINS_MAX different domains; comments nest as deep as they like. */
#ifndef SENDERAUTH_AUTHOR_H
#define SENDERAUTH_AUTHOR_H
#include "dns/answer.h"

enum { AUTHOR_DOMAINS_MAX = 8 };

enum author_status {
    AUTHOR_OK = 0,
    AUTHOR_MISSING, /* no From field */
    AUTHOR_FIELDS,  /* more than one */
    AUTHOR_SYNTAX,  /* what it holds is no list of addresses */
    AUTHOR_NOBODY,  /* it holds no address, as an empty group does */
    AUTHOR_DOMAIN,  /* a domain that is none, or an address literal */
    AUTHOR_TOO_MANY /* more than AUTHOR_DOMAINS_MAX domains */
};

struct author {
    enum author_status status;
    const char *problem; /* static; NULL: status is AUTHOR_OK */
    unsigned addresses;  /* in all */
    unsigned n;          /* different domains; with AUTHOR_OK at least one */
    struct slice
        domain[AUTHOR_DOMAINS_MAX]; /* A-labels in lower case, in order of appearance */
    unsigned char text[AUTHOR_DOMAINS_MAX * DNS_NAME_MAX];
};

/* Of a header section (or a whole message). */
void author_of_header(struct slice header, struct author *out);

/* Of the value of one From field, with its folds. */
void author_of_value(struct slice value, struct author *out);
#endif
