/* senderauth/spf.h - SPF: may this address send mail in the name of this domain?
 *
 * Source  RFC 7208 2.3, 2.4 (identities), 4 (check_host), 5, 6, 7 (macros), 9.1 (Received-SPF);
 *         RFC 8616 4 (local parts that are not ASCII).
 * Pure    the DNS comes as a struct dns_source, the time as a number. (A domain that is not
 *         ASCII costs libidn2 an allocation.)
 * Own     struct spf borrows from the query and from the DNS answers: good as long as both.
 * Limits  RFC 7208 4.6.4: 10 terms that ask the DNS, 10 MX names, 10 PTR names, 2 void lookups
 *         (an `a`, `mx`, `ptr`, `exists`, `include` or `redirect` whose own question has no
 *         answer; a host of an MX or PTR record counts only where its name does not exist,
 *         else an MX without an IPv6 address would count against its domain).
 * Order   what comes out does not depend on when the answers came. */
#ifndef SENDERAUTH_SPF_H
#define SENDERAUTH_SPF_H
#include "base/buf.h"
#include "dns/answer.h"
#include "senderauth/spf_record.h"

enum spf_result {
    SPF_NONE = 0, /* no record, or no domain that could have one */
    SPF_NEUTRAL,
    SPF_PASS,
    SPF_FAIL,
    SPF_SOFTFAIL,
    SPF_TEMPERROR,
    SPF_PERMERROR,
};

enum spf_identity { SPF_MAIL_FROM = 0, SPF_HELO };

enum {
    SPF_TERMS_MAX = 10,
    SPF_VOIDS_MAX = 2,
    SPF_HOSTS_MAX = 10,
    SPF_STEPS_MAX = SPF_TERMS_MAX + 1,
    SPF_LOOKUPS_MAX = 32,       /* that are kept to be told */
    SPF_EXPLANATION_MAX = 1024, /* a longer one is none */
};

struct spf_query {
    struct ip ip;
    struct slice helo;      /* as the client said it */
    struct slice mail_from; /* reverse-path without brackets; "" is the null one */
    enum spf_identity
        identity; /* SPF_HELO, and a null reverse-path: postmaster@helo is checked */
    struct slice receiver; /* our name, for %{r}; "" becomes "unknown" */
    int64_t now_s;         /* for %{t} */
};

/* A record that was read on the way. */
struct spf_step {
    struct slice domain, record;
    struct slice via; /* the include or redirect term that led here; "" for the first */
    unsigned from;    /* the step in whose record that term stands */
    unsigned depth;   /* 0, or how many includes deep */
};

struct spf_lookup {
    enum dns_type type;
    enum dns_status status;
    unsigned n; /* records in the answer */
    struct slice name;
};

struct spf {
    enum spf_result result;
    enum spf_identity identity;        /* what was checked */
    struct slice sender_local, domain; /* its parts; domain in A-labels */
    struct slice record; /* the record that decided; "" when there was none */
    struct slice term;   /* the term that matched (in the sender's own record), or is at
                                 * fault; "" when nothing matched */
    struct slice by;     /* the innermost term that matched: in an included record, or
                                 * the same as term */
    struct slice target; /* the domain it meant, expanded; "" for all, ip4, ip6 */
    const char *problem; /* result none, temperror, permerror: why, static */
    struct slice
        explanation; /* result fail: the domain's own words, printable ASCII; "" none */
    unsigned terms, voids; /* counted against the limits */
    unsigned lookups;      /* questions asked, those not kept below included */
    unsigned step_n, lookup_n;
    struct spf_step step[SPF_STEPS_MAX];
    struct spf_lookup lookup[SPF_LOOKUPS_MAX];
    /* Private: where expanded names and the explanation stand. */
    size_t names_len;
    unsigned char names[(SPF_TERMS_MAX + 3) * (DNS_NAME_MAX + 1)];
    unsigned char text[SPF_EXPLANATION_MAX];
};

/* False: an answer is not there yet; call again, from the start, when one came. Until then
 * only what *out says of lookups means anything. */
MUST_USE bool spf_check(const struct dns_source *dns, const struct spf_query *query,
                        struct spf *out);

/* "pass", "softfail" ...: the words of RFC 8601 too. */
MUST_USE const char *spf_result_name(enum spf_result result);

/* A Received-SPF field with its CRLF, folded (RFC 7208 9.1). */
bool spf_received(const struct spf *spf, const struct spf_query *query, struct buf *out);

#endif
