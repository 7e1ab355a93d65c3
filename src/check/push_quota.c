/* check/push_quota.c - may the push account send as much? Quotas are counted in recipients.
 * Rows: push-quota-monthly, push-quota-daily (nothing is left), push-quota-insufficient (less than this
 * message's recipients), system-temporary-problem (the directory cannot count).
 * What MAIL and RCPT look at may be used up by another session meanwhile: counted it is before the
 * message is accepted, and that decides. */
#include "check/check.h"

static void evidence(const struct check_facts *f, const struct dir_quota *q,
                     struct check_verdict *out)
{
    fields_add(&out->evidence, "account", f->login);
    if (q != NULL) {
        fields_add_u64(&out->evidence, "used", q->used);
        fields_add_u64(&out->evidence, "quota", q->limit);
    }
}

void check_push_quota(const struct check_facts *f, struct check_verdict *out)
{
    static const enum reply_id rows[] = {[DIR_QUOTA_MONTH] = REPLY_push_quota_monthly,
                                         [DIR_QUOTA_DAY] = REPLY_push_quota_daily};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct dir_quota *q = &f->mail->quota[i];
        if (q->limit != 0 && q->used >= q->limit) {
            evidence(f, q, out);
            out->reply = rows[i];
            return;
        }
    }
    evidence(f, NULL, out);
}

/* The quota that n more recipients pass. NULL: none. */
static const struct dir_quota *passed(const struct dir_mail *m, uint64_t n)
{
    for (unsigned i = 0; i < DIR_QUOTA_COUNT; i++) {
        const struct dir_quota *q = &m->quota[i];
        if (q->limit != 0 && (q->used >= q->limit || n > q->limit - q->used)) {
            return q;
        }
    }
    return NULL;
}

void check_push_quota_left(const struct check_facts *f, struct check_verdict *out)
{
    uint64_t n = f->envelope->recipient_n + UINT64_C(1);
    const struct dir_quota *q = passed(f->mail, n);
    evidence(f, q, out);
    fields_add_u64(&out->evidence, "measured", n);
    out->reply = q == NULL ? REPLY_NONE : REPLY_push_quota_insufficient;
}

void check_push_quota_spent(const struct check_facts *f, struct check_verdict *out)
{
    const struct dir_mail *m = f->spend == NULL ? NULL : f->spend(f->spend_arg);
    if (m == NULL) {
        out->waits = f->spend != NULL;
        out->waits_for = "the directory";
        return;
    }
    evidence(f, passed(m, f->envelope->recipient_n), out);
    fields_add_u64(&out->evidence, "measured", f->envelope->recipient_n);
    if (m->fault) {
        fields_add_str(&out->evidence, "what", "the directory cannot count it");
        out->reply = REPLY_system_temporary_problem;
    } else if (!m->spent) {
        out->reply = REPLY_push_quota_insufficient;
    }
}
