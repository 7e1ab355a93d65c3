/* senderauth/mta_sts.h - MTA-STS: the record, the policy file, and which MX hosts a policy allows.
 *
 * Source  RFC 8461 3.1 (TXT record), 3.2 (policy), 4.1 (MX names); 3.2 for both: unknown fields are
 *         ignored, and of a repeated one but mx all that follow the first.
 * Pure.
 * Own     what is found borrows from the text.
 * Beyond  the grammar: lines of blanks alone are passed over, values of mode may have any case, a
 *         max_age above a year counts as STS_MAX_AGE_S.
 * Limits  a policy of STS_POLICY_MAX octets (3.3). */
#ifndef SENDERAUTH_MTA_STS_H
#define SENDERAUTH_MTA_STS_H
#include "dns/answer.h"

enum {
    STS_ID_MAX = 32,
    STS_POLICY_MAX = 64 * 1024,
    STS_MAX_AGE_S = 31557600,
};

/* One TXT string that begins with "v=STSv1". NULL: *id is its id. Else what is wrong with it. */
MUST_USE const char *sts_record_parse(struct slice text, struct slice *id);

enum sts_record_status {
    STS_RECORD_OK = 0,
    STS_RECORD_NONE, /* there is none (3.1: or no single one, or a broken one: `fault`) */
    STS_RECORD_FAILED, /* the DNS does not say */
};
struct sts_record {
    enum sts_record_status status;
    struct slice id;
    const char
        *fault; /* NONE: why what there is does not count; NULL: there is nothing */
};
/* The answer to the question for the TXT records of "_mta-sts.DOMAIN". */
void sts_record_find(const struct dns_answer *answer, struct sts_record *out);

/* What a sender has of a domain, beside the record. */
struct sts_known {
    bool cached;     /* a policy that has not expired */
    struct slice id; /* of it */
    bool failed;     /* the policy that the record announces could not be had just now */
};
enum sts_step { STS_USE_NONE = 0, STS_USE_CACHED, STS_FETCH };
/* What to do next (5.1, 3.3). */
MUST_USE enum sts_step sts_step(const struct sts_record *record,
                                const struct sts_known *known);

enum sts_mode { STS_NONE = 0, STS_TESTING, STS_ENFORCE };
const char *sts_mode_name(enum sts_mode mode); /* "none", "testing", "enforce" */

struct sts_policy {
    enum sts_mode mode;
    uint32_t max_age_s;
    unsigned mx_n;
    struct slice text; /* sts_policy_next_mx() reads on in it */
};
/* NULL: *out is the policy. Else what is wrong with it. */
MUST_USE const char *sts_policy_parse(struct slice text, struct sts_policy *out);

/* The next mx pattern of *rest, which begins as the policy's text. False: none is left. */
MUST_USE bool sts_policy_next_mx(struct slice *rest, struct slice *mx);

/* May mail of the policy's domain go to that host? A dot at its end does not count. */
MUST_USE bool sts_policy_allows(const struct sts_policy *p, struct slice host);
MUST_USE bool sts_mx_matches(struct slice pattern, struct slice host);
#endif
