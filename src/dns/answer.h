/* dns/answer.h - a question to the DNS and its answer, as values.
 *
 * Who evaluates (senderauth, the choice of MX hosts) is pure: it asks a struct dns_source, and
 * where an answer is not there yet it returns "waiting" and is called again, from its start, when
 * more is known. Answers that were given stay the same during one evaluation, so the outcome
 * does not depend on when they came; a test's source knows everything at once.
 *
 * Source  RFC 1035 3 (types, data), 2308 (no data, no name), 4035 (secure, bogus), 2181 5.
 * Pure    values only.
 * Names   octets with dots between labels, no dot at the end, "" is the root; compared without
 *         regard to ASCII case. In answers they are lower case.
 * Own     an answer belongs to its source, and is good until the source says otherwise (the
 *         resolver's: until the transaction or session that asked is over). */
#ifndef DNS_ANSWER_H
#define DNS_ANSWER_H
#include "base/netset.h"
#include "base/slice.h"

enum {
    DNS_NAME_MAX = 253,
    DNS_LABEL_MAX = 63
}; /* octets: RFC 1035 2.3.4, without last dot */

enum dns_type {
    DNS_A = 1,
    DNS_NS = 2,
    DNS_CNAME = 5,
    DNS_SOA = 6,
    DNS_PTR = 12,
    DNS_MX = 15,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_TLSA = 52,
};

enum dns_status {
    DNS_FOUND = 0, /* n > 0 records */
    DNS_NODATA,    /* the name exists, this type of it does not */
    DNS_NXDOMAIN,  /* the name does not exist */
    DNS_FAILED, /* nothing is known: timeout, SERVFAIL, bogus signatures, no server. Temporary */
};

struct dns_record {
    struct ip ip; /* A, AAAA */
    struct slice
        name; /* PTR, MX, CNAME, NS: where it points. MX: "" is a null MX (RFC 7505) */
    uint16_t preference; /* MX */
    struct slice text;   /* TXT: its strings joined without anything between */
    struct slice
        data; /* all types: the data as on the wire, names in it not compressed */
};

struct dns_answer {
    enum dns_status status;
    bool secure;     /* DNSSEC-validated, also that there is nothing */
    bool bogus;      /* DNS_FAILED since validation failed */
    const char *why; /* DNS_FAILED: what happened: "timeout", "SERVFAIL", ... */
    struct slice
        name;     /* the owner of the records: behind all CNAMEs; else the question's */
    uint32_t ttl; /* seconds, the least of all it rests on */
    const struct dns_record *record; /* n of them, in the order of the answer */
    unsigned n;
};

struct dns_source {
    /* The answer, or NULL: not known yet (asking has begun; call again when it is there).
     * A name that is no domain name (an empty or too long label, too long in all) is
     * DNS_NXDOMAIN at once. */
    const struct dns_answer *(*ask)(void *arg, enum dns_type type, struct slice name);
    void *arg;
};
#endif
