/* senderauth/dmarc_fuzz.c - libFuzzer target: the outcome does not depend on when the answers came;
 * questions are bounded; the organizational domain is the author's or above it; a record written
 * anew from what was understood is understood the same.
 *
 * Input: one octet that picks the order of answers, a line "author spf dkim ...", and the lines of a
 * zone (senderauth/fake_dns.h). */
#include "base/buf.h"
#include "base/log.h"
#include "senderauth/dmarc.h"
#include "senderauth/domain.h"
#include "senderauth/fake_dns.h"

#include <string.h>

enum {
    DKIM_MAX = 24,
    ROUNDS_MAX = 1000,
    QUESTIONS_MAX = DMARC_STEPS_MAX * (DMARC_WALKS_MAX + 1) + 1,
};

static struct fake_dns dns;
static struct dmarc at_once, bit_by_bit;

static struct slice word(struct slice *line)
{
    size_t n = slice_find(*line, ' ');
    struct slice first = slice_sub(*line, 0, n);
    *line = slice_from(*line, n + 1);
    return first;
}

/* A name's first letter says what its identifier's check said. */
static struct dmarc_identifier identifier(struct slice name)
{
    unsigned char c = name.len > 0 ? name.ptr[0] : 0;
    return (struct dmarc_identifier){name, c < 'e'   ? DMARC_SAID_FAIL
                                           : c < 'h' ? DMARC_SAID_TEMPERROR
                                                     : DMARC_SAID_PASS};
}

static void again(const struct dmarc_record *r)
{
    static const char psd[] = {'u', 'y', 'n'};
    struct dmarc_record twice;
    struct buf out;
    buf_init(&out, 1 << 16);
    buf_add_fmt(&out, "v=DMARC1;psd=%c;t=%c;adkim=%c;aspf=%c", psd[r->psd],
                r->testing ? 'y' : 'n', r->strict_dkim ? 's' : 'r',
                r->strict_spf ? 's' : 'r');
    if (r->fault == NULL) {
        buf_add_fmt(&out, ";p=%s", dmarc_policy_name(r->p));
    }
    if (r->has_sp && r->fault == NULL) {
        buf_add_fmt(&out, ";sp=%s", dmarc_policy_name(r->sp));
    }
    if (r->has_np && r->fault == NULL) {
        buf_add_fmt(&out, ";np=%s", dmarc_policy_name(r->np));
    }
    buf_add_str(&out, ";rua=");
    buf_add(&out, r->rua);
    BUG_ON(!dmarc_record_read(buf_slice(&out), &twice));
    BUG_ON(twice.p != r->p || twice.sp != r->sp || twice.np != r->np ||
           twice.psd != r->psd || twice.usable != r->usable ||
           (twice.fault == NULL) != (r->fault == NULL));
    buf_clear(&out);
}

static void bounds(const struct dmarc *d, const struct dmarc_query *q)
{
    BUG_ON(!dns_name_below(q->author, d->org) || d->walk.n > DMARC_STEPS_MAX);
    BUG_ON((d->result == DMARC_PASS) != (d->spf_aligned || d->dkim_aligned));
    BUG_ON(d->disposition != DMARC_P_NONE && d->result != DMARC_FAIL);
    BUG_ON((d->problem != NULL) !=
           (d->result == DMARC_NONE || d->result == DMARC_TEMPERROR));
    BUG_ON(d->policy_domain.len > 0 && !dns_name_below(q->author, d->policy_domain));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = {data, size}, line;
    struct dmarc_identifier dkim[DKIM_MAX];
    struct dmarc_query q = {.dkim = dkim};
    struct dmarc_record record;
    unsigned char author[DNS_NAME_MAX];
    size_t len;
    if (size < 1 || size > 1 << 14) {
        return 0;
    }
    unsigned pick = data[0];
    in = slice_from(in, 1);
    if (dmarc_record_read(in, &record)) {
        again(&record);
    }
    if (!slice_line(&in, &line) || !domain_take(word(&line), author, &len)) {
        return 0;
    }
    q.author = (struct slice){author, len};
    q.spf = identifier(word(&line));
    while (line.len > 0 && q.dkim_n < DKIM_MAX) {
        dkim[q.dkim_n] = identifier(word(&line));
        q.dkim_n += dkim[q.dkim_n].domain.len <= DNS_NAME_MAX;
    }
    if (q.spf.domain.len > DNS_NAME_MAX) {
        return 0;
    }
    fake_dns_init(&dns, in);
    for (unsigned i = 0; i < dns.line_n; i++) {
        if (dmarc_record_read(dns.line[i].data, &record)) {
            again(&record);
        }
    }
    dns.slow = true;
    for (unsigned i = 0; !dmarc_check(&dns.source, &q, &bit_by_bit); i++) {
        BUG_ON(i > ROUNDS_MAX || !fake_dns_reveal(&dns, pick + i));
    }
    BUG_ON(dns.question_n > QUESTIONS_MAX);
    bounds(&bit_by_bit, &q);
    while (fake_dns_reveal(&dns, 0)) {
    }
    BUG_ON(!dmarc_check(&dns.source, &q, &at_once));
    BUG_ON(at_once.result != bit_by_bit.result || at_once.policy != bit_by_bit.policy ||
           at_once.problem != bit_by_bit.problem ||
           !slice_eq(at_once.org, bit_by_bit.org) ||
           at_once.dkim_aligned != bit_by_bit.dkim_aligned ||
           at_once.disposition != bit_by_bit.disposition);
    fake_dns_clear(&dns);
    return 0;
}
