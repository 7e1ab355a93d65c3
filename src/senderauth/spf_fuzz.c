/* senderauth/spf_fuzz.c - libFuzzer target: the outcome does not depend on when the answers came; limits
 * hold; a fault of the domain's own record is a permerror; what is written for others to read
 * holds no octet that could be taken for more.
 *
 * Input: one octet that picks the order of answers, a line "ip reverse-path helo", and the lines
 * of a zone (senderauth/fake_dns.h). */
#include "base/log.h"
#include "senderauth/domain.h"
#include "senderauth/fake_dns.h"
#include "senderauth/spf.h"
#include "senderauth/spf_survey.h"

#include <string.h>

enum {
    ROUNDS_MAX = 2000,
    /* Terms, each with ten hosts, two PTR walks of ten names, the record and the explanation; and
     * what is asked ahead and not used. */
    QUESTIONS_MAX = 400,
};

static struct fake_dns dns;
static struct spf at_once, bit_by_bit;
static struct spf_survey survey, slow_survey;

static struct slice word(struct slice *line)
{
    size_t n = slice_find(*line, ' ');
    struct slice first = slice_sub(*line, 0, n);
    *line = slice_from(*line, n + 1);
    return first;
}

static void same(const struct spf *a, const struct spf *b)
{
    BUG_ON(a->result != b->result || a->problem != b->problem || a->terms != b->terms ||
           a->voids != b->voids || a->lookups != b->lookups || a->step_n != b->step_n);
    BUG_ON(!slice_eq(a->term, b->term) || !slice_eq(a->by, b->by) ||
           !slice_eq(a->target, b->target) || !slice_eq(a->explanation, b->explanation) ||
           !slice_eq(a->record, b->record));
}

static void bounds(const struct spf *s)
{
    BUG_ON(s->terms > SPF_TERMS_MAX || s->step_n > SPF_STEPS_MAX ||
           s->lookup_n > SPF_LOOKUPS_MAX || s->voids > SPF_VOIDS_MAX + 1);
    BUG_ON(s->voids > SPF_VOIDS_MAX && s->result != SPF_PERMERROR);
    BUG_ON(s->explanation.len > 0 && s->result != SPF_FAIL);
    BUG_ON((s->result == SPF_NONE || s->result >= SPF_TEMPERROR) != (s->problem != NULL));
    BUG_ON(s->target.len > DNS_NAME_MAX);
    for (size_t i = 0; i < s->explanation.len; i++) {
        BUG_ON(s->explanation.ptr[i] < 0x20 || s->explanation.ptr[i] > 0x7e);
    }
}

/* Every term lies in the record, and they stand there in order; a record with a fault is none. */
static void record(const struct spf *s)
{
    struct slice rest, where;
    if (s->step_n == 0) {
        return;
    }
    BUG_ON(!spf_record_is(s->step[0].record, &rest));
    struct slice terms = rest;
    struct spf_term term;
    const char *fault, *whole = spf_record_fault(terms, &where);
    const unsigned char *last = rest.ptr;
    while (spf_term_next(&rest, &term, &fault)) {
        BUG_ON(term.text.ptr < last ||
               term.text.ptr + term.text.len > terms.ptr + terms.len);
        last = term.text.ptr + term.text.len;
    }
    BUG_ON(fault != NULL && whole == NULL);
    BUG_ON(whole != NULL && s->result != SPF_PERMERROR);
}

/* A field is printable, its line ends are folds and the last one. */
static void received(const struct spf *s, const struct spf_query *q)
{
    struct buf out;
    buf_init(&out, 1 << 16);
    BUG_ON(!spf_received(s, q, &out));
    for (size_t i = 0; i < out.len; i++) {
        unsigned char c = out.ptr[i];
        bool end = i + 2 == out.len && c == '\r' && out.ptr[i + 1] == '\n';
        if (c == '\r') {
            BUG_ON(!end && (i + 2 >= out.len || out.ptr[i + 1] != '\n' ||
                            out.ptr[i + 2] != '\t'));
            i += 1;
            continue;
        }
        BUG_ON(c != '\t' && (c < 0x20 || c > 0x7e));
    }
    BUG_ON(out.ptr[out.len - 1] != '\n');
    buf_clear(&out);
}

static void surveys(struct slice domain, unsigned pick)
{
    fake_dns_forget(&dns, false);
    BUG_ON(!spf_survey(&dns.source, domain, &spf_survey_defaults, &survey));
    BUG_ON(survey.step_n > SPF_SURVEY_RECORDS_MAX || survey.addresses4 > (uint64_t)1
                                                                             << 32);
    uint64_t addresses4 = survey.addresses4;
    unsigned findings = survey.findings, steps = survey.step_n, terms = survey.terms;
    fake_dns_forget(&dns, true);
    for (unsigned i = 0;
         !spf_survey(&dns.source, domain, &spf_survey_defaults, &slow_survey); i++) {
        BUG_ON(i > ROUNDS_MAX || !fake_dns_reveal(&dns, pick + i));
    }
    BUG_ON(slow_survey.findings != findings || slow_survey.addresses4 != addresses4 ||
           slow_survey.step_n != steps || slow_survey.terms != terms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = {data, size}, line;
    struct spf_query q = {.receiver = SLICE("mx.example"), .now_s = 1};
    if (size < 1 || size > 1 << 14) {
        return 0;
    }
    unsigned pick = data[0];
    in = slice_from(in, 1);
    if (!slice_line(&in, &line) || !ip_parse(word(&line), &q.ip)) {
        return 0;
    }
    q.mail_from = word(&line);
    q.helo = line;
    fake_dns_init(&dns, in);
    BUG_ON(!spf_check(&dns.source, &q, &at_once));
    bounds(&at_once);
    record(&at_once);
    received(&at_once, &q);
    /* The answers of the first run go with forget(): what is compared is kept by the zone's text,
     * but names that were lowered are not; so both runs are judged with their answers there. */
    enum spf_result result = at_once.result;
    unsigned lookups = at_once.lookups;
    fake_dns_forget(&dns, true);
    for (unsigned i = 0; !spf_check(&dns.source, &q, &bit_by_bit); i++) {
        BUG_ON(i > ROUNDS_MAX || !fake_dns_reveal(&dns, pick + i));
    }
    BUG_ON(bit_by_bit.result != result || bit_by_bit.lookups != lookups);
    BUG_ON(dns.question_n > QUESTIONS_MAX);
    while (fake_dns_reveal(&dns, 0)) {
    }
    BUG_ON(!spf_check(&dns.source, &q, &at_once));
    same(&at_once, &bit_by_bit);
    surveys(at_once.domain, pick);
    fake_dns_clear(&dns);
    return 0;
}
