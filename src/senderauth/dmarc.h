/* senderauth/dmarc.h - DMARC: does the author's domain stand behind this message, and what does it
 * ask for if not?
 *
 * Source  RFC 9989 4.4 (alignment), 4.7, 4.8 (records), 4.10 (DNS tree walk), 5.3. Records written
 *         for RFC 7489 work: pct, ri, rf are unknown tags, p may stand anywhere behind v.
 * Pure    the DNS comes as a struct dns_source.
 * Own     results borrow from the query (domains) and from the DNS answers (records); they point
 *         into themselves, so they are not copied.
 * Names   domains come as A-labels in lower case, without a last dot (senderauth/domain.h,
 *         senderauth/author.h make them so).
 * Several author domains (senderauth/author.h): RFC 9989 5.3.1 leaves it open; evaluate each.
 * Limits  8 questions a walk; a walk for the author and one for each of the first
 *         DMARC_WALKS_MAX identifiers that could be aligned with it and are not identical.
 * Order   what comes out does not depend on when the answers came. */
#ifndef SENDERAUTH_DMARC_H
#define SENDERAUTH_DMARC_H
#include "dns/answer.h"

enum { DMARC_STEPS_MAX = 8, DMARC_WALKS_MAX = 16 };

enum dmarc_policy { DMARC_P_NONE = 0, DMARC_P_QUARANTINE, DMARC_P_REJECT };

enum dmarc_psd { DMARC_PSD_UNSAID = 0, DMARC_PSD_YES, DMARC_PSD_NO };

struct dmarc_record {
    struct slice text;
    enum dmarc_policy p, sp, np; /* sp, np: what holds where they are not given, too */
    bool has_p, has_sp, has_np;
    bool usable;       /* false: a policy is missing or wrong and nobody gets reports */
    const char *fault; /* what is wrong with it, or NULL; said also of usable ones */
    enum dmarc_psd psd;
    bool testing; /* t=y */
    bool strict_dkim, strict_spf;
    struct slice rua; /* as given; "" none */
};

/* Is this TXT a DMARC record ("v=DMARC1" first)? Then it is taken apart. */
MUST_USE bool dmarc_record_read(struct slice text, struct dmarc_record *out);

/* The names that a walk asked, from the longest. */
struct dmarc_step {
    struct slice domain; /* without "_dmarc." */
    enum dns_status status;
    unsigned records;           /* DMARC records there: more than one count as none */
    struct dmarc_record record; /* records is 1 */
};
struct dmarc_walk {
    struct slice org; /* the organizational domain: the start's own, or above it */
    const struct dmarc_step *org_record, *psd_record; /* NULL: there is none */
    bool failed; /* a question had no answer: org is a guess from what is known */
    unsigned n;
    struct dmarc_step step[DMARC_STEPS_MAX];
};

/* The organizational domain of any domain, for alignment and for counting. False: an answer is
 * not there yet; call again. */
MUST_USE bool dmarc_walk(const struct dns_source *dns, struct slice domain,
                         struct dmarc_walk *out);

/* A domain that SPF (of MAIL FROM, RFC 7208 2.4) or a DKIM signature (d=) speaks for. */
enum dmarc_said { DMARC_SAID_FAIL = 0, DMARC_SAID_PASS, DMARC_SAID_TEMPERROR };
struct dmarc_identifier {
    struct slice domain;
    enum dmarc_said said;
};

struct dmarc_query {
    struct slice author;         /* the domain of From */
    struct dmarc_identifier spf; /* domain "": there is none */
    const struct dmarc_identifier *dkim;
    unsigned dkim_n;
};

enum dmarc_result {
    DMARC_NONE = 0, /* no record, or none with a policy: DMARC does not apply */
    DMARC_PASS,
    DMARC_FAIL,
    DMARC_TEMPERROR,
};

struct dmarc {
    enum dmarc_result result;
    enum dmarc_policy policy;      /* that the domain asks for, before t=y */
    enum dmarc_policy disposition; /* for this message: none unless result is fail */
    const char *policy_tag; /* "p", "sp", "np": where policy stands; NULL without one */
    struct slice
        policy_domain; /* where the record stands (below _dmarc.); "" without one */
    const struct dmarc_record *record; /* in walk; NULL without one */
    struct slice org;                  /* of the author */
    bool spf_aligned, dkim_aligned;    /* passed, and aligned */
    unsigned dkim_index;               /* dkim_aligned: which one */
    const char *problem;               /* result none or temperror: why, static */
    struct dmarc_walk walk;            /* of the author */
};

/* False: an answer is not there yet; call again, from the start, when one came. */
MUST_USE bool dmarc_check(const struct dns_source *dns, const struct dmarc_query *query,
                          struct dmarc *out);

MUST_USE const char *dmarc_result_name(enum dmarc_result result);
MUST_USE const char *dmarc_policy_name(enum dmarc_policy policy);
#endif
