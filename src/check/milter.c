/* check/milter.c - what does the milter say of the message (filter/milter.h)? Its own reply goes into
 * ours as the reason. To discard is to refuse: no mail vanishes without a word.
 * Rows: policy-custom-rule, message-rejected-temporarily. */
#include "check/check.h"

#include "filter/milter.h"

static void refuse(const struct check_facts *f, const struct milter *m,
                   struct check_verdict *out)
{
    const struct smtp_recipient *rcpt = f->envelope->first;
    if (m->text_len > 0) {
        fields_add(&out->evidence, "reason",
                   (struct slice){(const unsigned char *)m->text, m->text_len});
    }
    fields_add(&out->evidence, "domain",
               f->service == SERVICE_MX && rcpt != NULL ? rcpt->path.domain
                                                        : slice_of(f->config->hostname));
    out->reply = m->verdict == MILTER_TEMPFAIL ? REPLY_message_rejected_temporarily
                                               : REPLY_policy_custom_rule;
}

void check_milter(const struct check_facts *f, struct check_verdict *out)
{
    static const char *const verdicts[] = {[MILTER_ACCEPT] = "accept",
                                           [MILTER_REJECT] = "reject",
                                           [MILTER_TEMPFAIL] = "tempfail",
                                           [MILTER_DISCARD] = "discard",
                                           [MILTER_BROKEN] = "broken"};
    const struct milter_report *r = f->milter;
    if (r == NULL || r->state == FILTER_NONE) {
        return;
    }
    if (r->state == FILTER_ASKED) {
        out->waits = true;
        out->waits_for = "the milter";
        return;
    }
    if (r->state == FILTER_DOWN) {
        fields_add_str(&out->evidence, "what", r->why);
        out->reply = f->config->milter_when_down == WHEN_DOWN_DEFER
                         ? REPLY_message_rejected_temporarily
                         : REPLY_NONE;
        return;
    }
    fields_add_str(&out->evidence, "action", verdicts[r->milter.verdict]);
    if (r->milter.verdict != MILTER_ACCEPT) {
        refuse(f, &r->milter, out);
    }
}
