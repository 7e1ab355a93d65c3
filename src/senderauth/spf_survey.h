/* senderauth/spf_survey.h - what a domain's SPF record authorizes in all, and what in it is suspicious:
 * judged for itself, whoever the client is.
 *
 * Source  RFC 7208 4.6.4 (limits), 5.1 (all), 5.5 (ptr: "SHOULD NOT be published"), 10.1.2, 11.1.
 * Pure    the DNS comes as a struct dns_source.
 * Own     *out borrows from the DNS answers and from the domain.
 * Walk    breadth first through include and redirect. Only what ends in a pass counts as
 *         authorized. Terms with macros mean another thing for each message: they count as
 *         terms, and nothing more is asked for them. Of `a` and `mx` only those with a prefix
 *         length are asked for: the others are a few addresses.
 * Limits  SPF_SURVEY_RECORDS_MAX records, SPF_FOUND_MAX findings kept (findings has a bit for all);
 *         overlapping networks count once, as long as there are not more than
 *         SPF_SURVEY_NETS_MAX of them. */
#ifndef SENDERAUTH_SPF_SURVEY_H
#define SENDERAUTH_SPF_SURVEY_H
#include "base/buf.h"
#include "senderauth/spf.h"

enum { SPF_SURVEY_RECORDS_MAX = 24, SPF_SURVEY_NETS_MAX = 512, SPF_FOUND_MAX = 16 };

enum spf_finding {
    SPF_FINDS_ALL = 0, /* +all: everybody may send */
    SPF_FINDS_WIDE,    /* one network larger than is usual */
    SPF_FINDS_MANY,    /* too many addresses in all */
    SPF_FINDS_PTR,     /* the ptr mechanism */
    SPF_FINDS_CLOUD,   /* all customers of a cloud may send */
    SPF_FINDS_LOOKUPS, /* more than 10 terms that ask the DNS: a permerror for some messages */
    SPF_FINDS_ERROR, /* bad syntax, several records, an include or redirect without record */
};

struct spf_survey_limits {
    uint8_t widest4, widest6;  /* prefix lengths; a shorter one is wide */
    uint64_t addresses4;       /* IPv4 addresses in all; more are many */
    const struct slice *cloud; /* domains whose records list a whole cloud */
    unsigned cloud_n;
};
/* /10, /20, 2^22 addresses, and the clouds known. */
extern const struct spf_survey_limits spf_survey_defaults;

struct spf_found {
    enum spf_finding finding;
    struct slice domain;      /* whose record it stands in */
    struct slice term;        /* "" for all of the record */
    uint64_t measured, limit; /* addresses, prefix lengths, terms */
    const char *problem;      /* SPF_FINDS_ERROR: static */
};

struct spf_survey {
    bool none;         /* the domain has no record */
    bool failed;       /* a question had no answer: more might be found */
    unsigned findings; /* bit 1 << enum spf_finding */
    unsigned found_n;
    struct spf_found found[SPF_FOUND_MAX];
    uint64_t addresses4; /* authorized; 2^32 when everybody is */
    unsigned terms;      /* that ask the DNS, all of them counted */
    unsigned step_n;
    struct spf_step
        step[SPF_SURVEY_RECORDS_MAX]; /* the records, in the order they were found */
    /* Private. */
    bool authorizes[SPF_SURVEY_RECORDS_MAX];
    unsigned net_n;
    struct net net[SPF_SURVEY_NETS_MAX];
};

/* False: an answer is not there yet; call again, from the start, when one came. */
MUST_USE bool spf_survey(const struct dns_source *dns, struct slice domain,
                         const struct spf_survey_limits *limits, struct spf_survey *out);

/* A finding in a few words: "+all lets everybody send (record of example.net)". */
bool spf_found_text(const struct spf_found *found, struct buf *out);
#endif
