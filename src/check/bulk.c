/* check/bulk.c - what only bulk senders must have: those with more than checks.bulk messages of their
 * organizational From domain in a day.
 * Rows: mail-spf-fail-*, mail-dkim-fail-*, mail-dmarc-record-missing-*, mail-from-unaligned-*,
 * mail-tls-missing-*. */
#include "check/authentication.h"
#include "rate/table.h"

static bool spf_missing(const struct check_facts *f, const struct verified *r)
{
    (void)f;
    return r->spf.result != SPF_PASS && r->spf.result != SPF_TEMPERROR;
}

static bool dkim_missing(const struct check_facts *f, const struct verified *r)
{
    (void)f;
    return !r->dkim_pass && !r->dkim_unknown;
}

static bool record_missing(const struct check_facts *f, const struct verified *r)
{
    (void)f;
    return r->dmarc.result == DMARC_NONE;
}

static bool unaligned(const struct check_facts *f, const struct verified *r)
{
    (void)f;
    return r->aligned == VERIFY_UNALIGNED && r->trusted == NULL;
}

static bool clear(const struct check_facts *f, const struct verified *r)
{
    (void)r;
    return !f->tls;
}

static const struct rule {
    bool (*breach)(const struct check_facts *f, const struct verified *r);
    enum reply_id slow, reject;
} spf = {spf_missing, REPLY_mail_spf_fail_rate_limited, REPLY_mail_spf_fail_reject},
  dkim = {dkim_missing, REPLY_mail_dkim_fail_rate_limited, REPLY_mail_dkim_fail_reject},
  record = {record_missing, REPLY_mail_dmarc_record_missing_rate_limited,
            REPLY_mail_dmarc_record_missing_reject},
  alignment = {unaligned, REPLY_mail_from_unaligned_rate_limited,
               REPLY_mail_from_unaligned_reject},
  tls = {clear, REPLY_mail_tls_missing_rate_limited, REPLY_mail_tls_missing_reject};

static bool bulk_key(const struct check_facts *f, const struct verified *r,
                     struct rate_key *out)
{
    if (r == NULL || f->rates == NULL || r->from.len == 0) {
        return false;
    }
    *out = rate_key(f->rates, RATE_bulk, r->dmarc.org);
    return true;
}

void bulk_count(const struct check_facts *f)
{
    struct rate_key key;
    if (bulk_key(f, authentication_of(f), &key)) {
        (void)rate_add(f->rates, &key, 1, NULL, f->now_ms * 1000, NULL);
    }
}

/* In a day, with this message. */
static uint64_t sent_today(const struct check_facts *f, const struct verified *r)
{
    struct rate_view view = {0};
    struct rate_key key;
    if (!bulk_key(f, r, &key)) {
        return 0;
    }
    bool known = rate_read(f->rates, &key, f->now_ms * 1000, &view);
    return (known ? view.count[RATE_DAY] : 0) + 1;
}

static void judge(const struct rule *rule, const struct check_facts *f,
                  struct check_verdict *out)
{
    const struct verified *r = authentication_of(f);
    if (r == NULL) {
        return;
    }
    uint64_t sent = sent_today(f, r);
    if (sent <= f->config->checks_bulk) {
        return;
    }
    authentication_evidence(f, r, out);
    fields_add_u64(&out->evidence, "measured", sent);
    fields_add_u64(&out->evidence, "limit", f->config->checks_bulk);
    if (rule->breach(f, r)) {
        out->reply = rule->reject;
        out->slow = rule->slow;
        out->key = r->dmarc.org;
    }
}

void check_bulk_spf(const struct check_facts *f, struct check_verdict *out)
{
    judge(&spf, f, out);
}

void check_bulk_dkim(const struct check_facts *f, struct check_verdict *out)
{
    judge(&dkim, f, out);
}

void check_bulk_dmarc_record(const struct check_facts *f, struct check_verdict *out)
{
    judge(&record, f, out);
}

void check_bulk_alignment(const struct check_facts *f, struct check_verdict *out)
{
    judge(&alignment, f, out);
}

void check_bulk_tls(const struct check_facts *f, struct check_verdict *out)
{
    judge(&tls, f, out);
}
