/* check/spf_record.c - does the SPF record of the MAIL FROM domain authorize far too much, or is it
 * otherwise suspicious, whoever sends? All that is found is told; what checks.spf-suspicious names
 * is held against the domain.
 * Rows: spf-record-suspicious-rate-limited, spf-record-suspicious-reject. */
#include "check/authentication.h"
#include "senderauth/domain.h"
#include "senderauth/spf_survey.h"

enum { WORDS_MAX = 600 };

static const char *const words[] = {
    [SPF_FINDS_ALL] = "all",     [SPF_FINDS_WIDE] = "wide",
    [SPF_FINDS_MANY] = "many",   [SPF_FINDS_PTR] = "ptr",
    [SPF_FINDS_CLOUD] = "cloud", [SPF_FINDS_LOOKUPS] = "lookups",
    [SPF_FINDS_ERROR] = "error",
};

static bool held_against(const struct check_facts *f, enum spf_finding finding)
{
    const struct config_list *list = &f->config->checks_spf_suspicious;
    for (unsigned i = 0; i < list->n; i++) {
        if (slice_ieq(slice_of(list->item[i]), slice_of(words[finding]))) {
            return true;
        }
    }
    return false;
}

/* False: an answer is missing. */
static bool survey(const struct check_facts *f, unsigned char octets[DNS_NAME_MAX],
                   struct spf_survey *out)
{
    size_t len = 0;
    out->none = true;
    out->found_n = 0;
    return !domain_take(f->envelope->sender.domain, octets, &len) ||
           spf_survey(f->dns, (struct slice){octets, len}, &spf_survey_defaults, out);
}

void prepare_spf_record(const struct check_facts *f)
{
    unsigned char octets[DNS_NAME_MAX];
    struct spf_survey s;
    if (f->verify != NULL && f->config->checks_spf_record != CHECK_OFF) {
        IGNORE(survey(f, octets, &s)); /* it asks */
    }
}

void check_spf_record(const struct check_facts *f, struct check_verdict *out)
{
    unsigned char octets[DNS_NAME_MAX];
    struct spf_survey s;
    struct buf told;
    if (f->verify == NULL) {
        return;
    }
    if (!survey(f, octets, &s)) {
        out->waits = true;
        return;
    }
    if (s.found_n == 0) {
        return;
    }
    bool breach = false;
    buf_init(&told, WORDS_MAX);
    for (unsigned i = 0; i < s.found_n; i++) {
        breach |= held_against(f, s.found[i].finding);
        buf_add_str(&told, i == 0 ? "" : "; ");
        (void)spf_found_text(&s.found[i], &told); /* as much as there is room for */
    }
    fields_add(&out->evidence, "ip", f->ip);
    fields_add(&out->evidence, "domain", f->envelope->sender.domain);
    fields_add_str(&out->evidence, "what",
                   check_text(out, "%.*s", (int)told.len, (const char *)told.ptr));
    if (s.step_n > 0) {
        fields_add_str(&out->evidence, "record",
                       check_text(out, "%.*s", (int)s.step[0].record.len,
                                  (const char *)s.step[0].record.ptr));
    }
    buf_clear(&told);
    if (breach) {
        out->reply = REPLY_spf_record_suspicious_reject;
        out->slow = REPLY_spf_record_suspicious_rate_limited;
        out->key = f->envelope->sender.domain;
    }
}
