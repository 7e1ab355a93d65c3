/* check/rcpt_rate.c - does the recipient get more than one mailbox shall? Three limits, one above the
 * other: so many at once, so many an hour, and so many that the rest is given up.
 * Rows: rcpt-rate-too-fast, rcpt-rate-limit-temporary, rcpt-rate-limit-permanent. */
#include "check/rates.h"

void check_rcpt_rate(const struct check_facts *f, struct check_verdict *out)
{
    static const struct {
        size_t setting;
        enum reply_id reply;
    } steps[] = {
        {RATES_LIMIT(rate_rcpt_most), REPLY_rcpt_rate_limit_permanent},
        {RATES_LIMIT(rate_rcpt), REPLY_rcpt_rate_limit_temporary},
        {RATES_LIMIT(rate_rcpt_pace), REPLY_rcpt_rate_too_fast},
    };
    struct rates_key k;
    fields_add(&out->evidence, "rcpt", f->rcpt->mailbox);
    if (!rates_rcpt_key(f, &k)) {
        return;
    }
    struct rate_view v = rates_view(f, &k);
    for (unsigned i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        if (rates_over(f, &k, &v, steps[i].setting, 1, out)) {
            out->reply = steps[i].reply;
            out->slow = i == 0 ? REPLY_rcpt_rate_limit_temporary : steps[i].reply;
            return;
        }
    }
}
