#include "senderauth/dmarc.h"

#include "senderauth/domain.h"

#include <string.h>

const char *dmarc_result_name(enum dmarc_result result)
{
    static const char *const names[] = {[DMARC_NONE] = "none",
                                        [DMARC_PASS] = "pass",
                                        [DMARC_FAIL] = "fail",
                                        [DMARC_TEMPERROR] = "temperror"};
    return names[result];
}

static const struct dns_answer *ask_at(const struct dns_source *dns, struct slice domain)
{
    static const struct slice prefix = SLICE_INIT("_dmarc.");
    unsigned char name[DNS_NAME_MAX + 8];
    if (domain.len > DNS_NAME_MAX) {
        domain.len =
            DNS_NAME_MAX; /* too long with the prefix in any case: no such name */
    }
    memcpy(name, prefix.ptr, prefix.len);
    memcpy(name + prefix.len, domain.ptr, domain.len);
    return dns->ask(dns->arg, DNS_TXT, (struct slice){name, prefix.len + domain.len});
}

/* RFC 9989 4.10, 4 and 7: at most 7 labels after the first name, then one less each time. */
static struct slice next_target(struct slice domain)
{
    domain = domain_parent(domain);
    while (domain_labels(domain) > DMARC_STEPS_MAX - 1) {
        domain = domain_parent(domain);
    }
    return domain;
}

/* RFC 9989 4.10, 2: "Records that do not start with a "v" tag that identifies the current version
 * of DMARC are discarded.  If multiple DMARC Policy Records are returned for a single target,
 * they are all discarded." */
static void read_step(const struct dns_answer *answer, struct slice domain,
                      struct dmarc_step *step)
{
    struct dmarc_record record;
    *step = (struct dmarc_step){.domain = domain, .status = answer->status};
    for (unsigned i = 0; i < answer->n; i++) {
        if (dmarc_record_read(answer->record[i].text, &record)) {
            step->records++;
            step->record = record;
        }
    }
}

/* The name one label longer than parent on the way down to start. */
static struct slice one_below(struct slice start, struct slice parent)
{
    while (domain_labels(start) > domain_labels(parent) + 1) {
        start = domain_parent(start);
    }
    return start;
}

/* RFC 9989 4.10.2: psd=n; else the domain below psd=y (where the walk began there, that one); else
 * the record with the fewest labels; else where it began. */
static void choose_org(struct slice start, struct dmarc_walk *out)
{
    const struct dmarc_step *top = NULL;
    out->org = start;
    for (unsigned i = 0; i < out->n; i++) {
        const struct dmarc_step *step = &out->step[i];
        if (step->records != 1) {
            continue;
        }
        if (step->record.psd == DMARC_PSD_YES) {
            out->psd_record = step;
            top = NULL;
            out->org = one_below(start, step->domain);
            break; /* the walk ended there */
        }
        top = step;
    }
    if (top != NULL) {
        out->org = top->domain;
    }
    for (unsigned i = 0; i < out->n; i++) {
        if (out->step[i].records == 1 && slice_eq(out->step[i].domain, out->org)) {
            out->org_record = &out->step[i];
        }
    }
}

bool dmarc_walk(const struct dns_source *dns, struct slice domain, struct dmarc_walk *out)
{
    bool waiting = false;
    out->org = domain;
    out->org_record = out->psd_record = NULL;
    out->failed = false;
    out->n = 0;
    for (struct slice at = domain; at.len > 0 && out->n < DMARC_STEPS_MAX;
         at = next_target(at)) {
        const struct dns_answer *answer = ask_at(dns, at);
        waiting = waiting || answer == NULL;
        if (waiting) {
            out->n++; /* asks ahead for the rest of the way */
            continue;
        }
        struct dmarc_step *step = &out->step[out->n++];
        read_step(answer, at, step);
        out->failed = out->failed || answer->status == DNS_FAILED;
        if (step->records == 1 && step->record.psd != DMARC_PSD_UNSAID) {
            break;
        }
    }
    if (waiting) {
        out->n = 0;
        return false;
    }
    choose_org(domain, out);
    return true;
}

enum aligned { ALIGNED_NO = 0, ALIGNED_YES, ALIGNED_UNKNOWN, ALIGNED_WAIT };

/* Do both lie in one domain of two labels or more? Else nothing could align them. */
static bool related(struct slice a, struct slice b)
{
    while (domain_labels(a) > 1) {
        if (dns_name_below(b, a)) {
            return true;
        }
        a = domain_parent(a);
    }
    return false;
}

struct check {
    const struct dns_source *dns;
    const struct dmarc_query *query;
    struct dmarc *out;
    unsigned walks;
    bool waiting,
        unknown; /* an identifier that could pass waits for answers, or lacks them */
};

/* RFC 9989 4.4, 4.10.2. An identifier outside of the author's organizational domain cannot have the
 * same one, so that needs no walk. */
static enum aligned align(struct check *c, struct slice domain, bool strict)
{
    const struct slice author = c->query->author;
    if (slice_ieq(domain, author)) {
        return ALIGNED_YES;
    }
    if (strict) {
        return ALIGNED_NO;
    }
    if (c->out->walk.failed) {
        return related(domain, author) ? ALIGNED_UNKNOWN : ALIGNED_NO;
    }
    if (!dns_name_below(domain, c->out->org) || c->walks == DMARC_WALKS_MAX) {
        return ALIGNED_NO;
    }
    struct dmarc_walk walk;
    c->walks++;
    if (!dmarc_walk(c->dns, domain, &walk)) {
        return ALIGNED_WAIT;
    }
    if (walk.failed) {
        return ALIGNED_UNKNOWN;
    }
    return slice_ieq(walk.org, c->out->org) ? ALIGNED_YES : ALIGNED_NO;
}

/* Did this identifier pass, and is it aligned? */
static bool speaks_for(struct check *c, const struct dmarc_identifier *id, bool strict)
{
    if (id->said == DMARC_SAID_FAIL || id->domain.len == 0) {
        return false;
    }
    enum aligned aligned = align(c, id->domain, strict);
    c->waiting = c->waiting || aligned == ALIGNED_WAIT;
    c->unknown = c->unknown || aligned == ALIGNED_UNKNOWN ||
                 (aligned == ALIGNED_YES && id->said == DMARC_SAID_TEMPERROR);
    return aligned == ALIGNED_YES && id->said == DMARC_SAID_PASS;
}

/* RFC 9989 4.10.1: the author's own record, else the organizational domain's, else the public
 * suffix's. */
static const struct dmarc_step *discover(const struct dmarc_walk *walk)
{
    if (walk->n > 0 && walk->step[0].records == 1) {
        return &walk->step[0];
    }
    return walk->org_record != NULL ? walk->org_record : walk->psd_record;
}

/* Which of p, sp and np holds: false means waiting. RFC 9989 3.2.13: a domain does not exist when the
 * answer is NXDOMAIN. */
static bool choose_policy(struct check *c, const struct dmarc_step *step, bool *failed)
{
    struct dmarc *out = c->out;
    const struct dmarc_record *r = &step->record;
    *failed = false;
    out->policy = r->p;
    out->policy_tag = "p";
    if (slice_ieq(step->domain, c->query->author)) {
        return true;
    }
    out->policy = r->sp;
    out->policy_tag = r->has_sp ? "sp" : "p";
    if (r->np == r->sp) {
        return true;
    }
    const struct dns_answer *a = c->dns->ask(c->dns->arg, DNS_A, c->query->author);
    if (a == NULL) {
        return false;
    }
    *failed = a->status == DNS_FAILED;
    if (a->status == DNS_NXDOMAIN) {
        out->policy = r->np;
        out->policy_tag = "np";
    }
    return true;
}

static bool give(struct dmarc *out, enum dmarc_result result, const char *problem)
{
    out->result = result;
    out->problem = problem;
    return true;
}

static enum dmarc_policy one_level_down(enum dmarc_policy policy)
{
    return policy == DMARC_P_REJECT ? DMARC_P_QUARANTINE : DMARC_P_NONE;
}

/* Which identifiers speak for the author, and the result: false means waiting. */
static bool judge(struct check *c)
{
    struct dmarc *out = c->out;
    bool failed, waiting = !choose_policy(c, discover(&out->walk), &failed);
    out->spf_aligned = speaks_for(c, &c->query->spf, out->record->strict_spf);
    for (unsigned i = 0; i < c->query->dkim_n; i++) {
        if (speaks_for(c, &c->query->dkim[i], out->record->strict_dkim) &&
            !out->dkim_aligned) {
            out->dkim_aligned = true;
            out->dkim_index = i;
        }
    }
    if (waiting || c->waiting) {
        return false;
    }
    if (out->spf_aligned || out->dkim_aligned) {
        return give(out, DMARC_PASS, NULL);
    }
    /* RFC 9989 5.3.6: "If one or more DNS queries required to perform DMARC validation on the
     * message do not complete due to temporary or permanent DNS errors, the message cannot be
     * considered to pass or fail the DMARC mechanism check." */
    if (c->unknown) {
        return give(out, DMARC_TEMPERROR,
                    "SPF or DKIM might have passed, had the DNS answered");
    }
    if (failed) {
        return give(out, DMARC_TEMPERROR,
                    "whether the author's domain exists is not known");
    }
    out->disposition = out->record->testing ? one_level_down(out->policy) : out->policy;
    return give(out, DMARC_FAIL, NULL);
}

bool dmarc_check(const struct dns_source *dns, const struct dmarc_query *query,
                 struct dmarc *out)
{
    struct check c = {.dns = dns, .query = query, .out = out};
    memset(out, 0, offsetof(struct dmarc, walk));
    if (!dmarc_walk(dns, query->author, &out->walk)) {
        return false;
    }
    out->org = out->walk.org;
    const struct dmarc_step *step = discover(&out->walk);
    bool own = step != NULL && step == &out->walk.step[0];
    if (out->walk.failed && !own) {
        return give(out, DMARC_TEMPERROR, "the DMARC record could not be fetched");
    }
    if (step == NULL) {
        return give(out, DMARC_NONE, "there is no DMARC record");
    }
    out->policy_domain = step->domain;
    out->record = &step->record;
    if (!step->record.usable) {
        return give(out, DMARC_NONE, step->record.fault);
    }
    return judge(&c);
}
