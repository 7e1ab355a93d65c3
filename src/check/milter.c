/* check/milter.c - what do the milters say of sender, recipient and message (filter/milter.h)? The reply of the
 * one that refuses goes into ours as the reason. To discard is to refuse: no mail vanishes without a word.
 * Rows: policy-custom-rule, message-rejected-temporarily. */
#include "check/check.h"

#include "filter/milter.h"

static void refuse(const struct check_facts *f, enum milter_verdict verdict,
                   struct slice reason, struct check_verdict *out)
{
    const struct smtp_path *rcpt = f->rcpt != NULL ? f->rcpt
                                   : f->envelope->first != NULL
                                       ? &f->envelope->first->path
                                       : NULL;
    if (reason.len > 0) {
        fields_add(&out->evidence, "reason", reason);
    }
    fields_add(&out->evidence, "domain",
               f->service == SERVICE_MX && rcpt != NULL ? rcpt->domain
                                                        : slice_of(f->config->hostname));
    out->reply = verdict == MILTER_TEMPFAIL ? REPLY_message_rejected_temporarily
                                            : REPLY_policy_custom_rule;
}

static void tell_down(const struct check_milter *m, struct check_verdict *out)
{
    if (m->why != NULL) {
        fields_add_str(&out->evidence, "what", m->why);
        fields_add_str(&out->evidence, "down", m->down);
    }
}

static void judge(const struct check_facts *f, enum check_stage stage,
                  struct check_verdict *out)
{
    static const char *const verdicts[] = {[MILTER_GO_ON] = "go on",
                                           [MILTER_ACCEPT] = "accept",
                                           [MILTER_REJECT] = "reject",
                                           [MILTER_TEMPFAIL] = "tempfail",
                                           [MILTER_DISCARD] = "discard"};
    const struct check_milter *m =
        f->milter == NULL ? NULL : f->milter(f->milter_arg, stage);
    if (m == NULL) {
        return;
    }
    if (m->state == FILTER_ASKED) {
        out->waits = true;
        out->waits_for = "a milter";
        return;
    }
    tell_down(m, out);
    if (m->state == FILTER_DOWN) {
        refuse(f, m->when_down == MILTER_DOWN_REJECT ? MILTER_REJECT : MILTER_TEMPFAIL,
               SLICE(""), out);
        return;
    }
    const struct milter_say *say = m->say;
    if (say == NULL) {
        return; /* all are down, and none is needed */
    }
    fields_add_str(&out->evidence, "action", verdicts[say->verdict]);
    if (m->changes != NULL && m->changes[0] != '\0') {
        fields_add_str(&out->evidence, "changes", m->changes);
    }
    if (say->verdict != MILTER_GO_ON && say->verdict != MILTER_ACCEPT) {
        fields_add_str(&out->evidence, "milter", m->server);
        refuse(f, say->verdict,
               (struct slice){(const unsigned char *)say->text, say->text_len}, out);
    }
}

void check_milter_mail(const struct check_facts *f, struct check_verdict *out)
{
    judge(f, CHECK_MAIL, out);
}

void check_milter_rcpt(const struct check_facts *f, struct check_verdict *out)
{
    judge(f, CHECK_RCPT, out);
}

void check_milter(const struct check_facts *f, struct check_verdict *out)
{
    judge(f, CHECK_MESSAGE, out);
}
