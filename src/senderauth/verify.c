/* senderauth/verify.c - see verify.h */
#include "senderauth/verify.h"

#include "message/lex.h"
#include "senderauth/authres_items.h"
#include "senderauth/domain.h"

#include <stdlib.h>

enum { ITEMS_MAX = 24 };

struct verify {
    struct verify_options o;
    struct spf_query mail_from, helo;
    bool spf_known, header_seen, done;
    struct dkim_body *body;
    struct dkim *dkim;
    struct arc *arc;
    unsigned said_n;
    struct dmarc_identifier said[DKIM_RESULTS_MAX];
    struct verified result;
};

struct verify *verify_new(const struct verify_options *o)
{
    struct verify *v = calloc(1, sizeof *v);
    if (v == NULL) {
        return NULL;
    }
    v->o = *o;
    v->mail_from = (struct spf_query){.ip = o->ip,
                                      .helo = o->helo,
                                      .mail_from = o->mail_from,
                                      .identity = SPF_MAIL_FROM,
                                      .receiver = o->receiver,
                                      .now_s = (int64_t)o->now_s};
    v->helo = v->mail_from;
    v->helo.identity = SPF_HELO;
    v->result.has_helo = o->mail_from.len > 0;
    return v;
}

void verify_free(struct verify **v)
{
    if (*v != NULL) {
        dkim_free(&(*v)->dkim);
        arc_free(&(*v)->arc);
        dkim_body_free(&(*v)->body);
        free(*v);
        *v = NULL;
    }
}

static bool evaluate_spf(struct verify *v, const struct dns_source *dns)
{
    if (!v->spf_known) {
        bool known = spf_check(dns, &v->mail_from, &v->result.spf);
        v->spf_known =
            (!v->result.has_helo || spf_check(dns, &v->helo, &v->result.helo)) && known;
    }
    return v->spf_known;
}

void verify_ask(struct verify *v, const struct dns_source *dns)
{
    if (v->done) {
        return;
    }
    (void)evaluate_spf(v, dns);
    if (!v->header_seen) {
        return;
    }
    dkim_ask(v->dkim, dns);
    arc_ask(v->arc, dns);
    for (unsigned i = 0; i < v->result.author.n; i++) {
        struct dmarc_walk walk;
        IGNORE(dmarc_walk(dns, v->result.author.domain[i], &walk)); /* it asks */
    }
}

bool verify_header(struct verify *v, struct slice header)
{
    v->body = dkim_body_new(v->o.crypto);
    if (v->body == NULL) {
        return false;
    }
    struct dkim_options d = {.crypto = v->o.crypto, .body = v->body, .now = v->o.now_s};
    struct arc_options a = {.crypto = v->o.crypto, .body = v->body, .now = v->o.now_s};
    v->dkim = dkim_new(&d, header);
    v->arc = arc_new(&a, header);
    author_of_header(header, &v->result.author);
    v->header_seen = v->dkim != NULL && v->arc != NULL;
    return v->header_seen;
}

void verify_body(struct verify *v, struct slice octets)
{
    dkim_body_feed(v->body, octets);
}

void verify_body_end(struct verify *v)
{
    dkim_body_end(v->body);
}

/* --- DKIM --- */

static enum dmarc_said said_by(enum dkim_verdict verdict)
{
    return verdict == DKIM_PASS        ? DMARC_SAID_PASS
           : verdict == DKIM_TEMPERROR ? DMARC_SAID_TEMPERROR
                                       : DMARC_SAID_FAIL;
}

static void take_signatures(struct verify *v)
{
    struct verified *r = &v->result;
    r->dkim = NULL;
    r->dkim_pass = r->dkim_unknown = false;
    v->said_n = dkim_count(v->dkim);
    for (unsigned i = 0; i < v->said_n; i++) {
        const struct dkim_result *d = dkim_result(v->dkim, i);
        v->said[i] = (struct dmarc_identifier){slice_of(d->domain), said_by(d->verdict)};
        bool first_pass = d->verdict == DKIM_PASS && !r->dkim_pass;
        r->dkim = i == 0 || first_pass ? d : r->dkim;
        r->dkim_pass |= first_pass;
        r->dkim_unknown |= d->verdict == DKIM_TEMPERROR;
    }
    r->dkim_unknown &= !r->dkim_pass;
}

/* --- ARC --- */

static bool among(const struct verify_options *o, const char *domain)
{
    for (unsigned i = 0; i < o->sealer_n; i++) {
        if (slice_ieq(slice_of(o->sealers[i]), slice_of(domain))) {
            return true;
        }
    }
    return false;
}

/* RFC 8601 2.2: does "; dmarc=pass" stand in the results? */
static bool found_dmarc_pass(struct slice results)
{
    struct lex l;
    bool at_method = false; /* a ";" came last */
    lex_start(&l, results, SLICE("()<>@,;:\\\"/[]?="));
    while (l.kind != LEX_END && l.kind != LEX_BAD) {
        bool dmarc = at_method && l.kind == LEX_ATOM && slice_ieq(l.text, SLICE("dmarc"));
        at_method = lex_at(&l, ';');
        lex_next(&l);
        if (dmarc && lex_at(&l, '=')) {
            lex_next(&l);
            return l.kind == LEX_ATOM && slice_ieq(l.text, SLICE("pass"));
        }
    }
    return false;
}

/* Each sealer vouches for what it saw, so all after the one who saw the pass must be trusted not to
 * have put something else under it. */
static const char *trusted_sealer(const struct verify *v)
{
    struct arc_set set;
    const struct arc_result *arc = v->result.arc;
    for (unsigned i = arc->cv == ARC_PASS ? arc->highest : 0; i > 0; i--) {
        if (!arc_set(v->arc, i, &set) || !among(&v->o, set.domain)) {
            return NULL;
        }
        if (found_dmarc_pass(set.results)) {
            return set.domain;
        }
    }
    return NULL;
}

/* --- DMARC --- */

static struct dmarc_identifier spf_said(const struct spf *spf)
{
    return (struct dmarc_identifier){.domain = spf->domain,
                                     .said = spf->result == SPF_PASS ? DMARC_SAID_PASS
                                             : spf->result == SPF_TEMPERROR
                                                 ? DMARC_SAID_TEMPERROR
                                                 : DMARC_SAID_FAIL};
}

static bool check_author(struct verify *v, const struct dns_source *dns, unsigned i)
{
    struct dmarc_query q = {.author = v->result.author.domain[i],
                            .spf = spf_said(&v->result.spf),
                            .dkim = v->said,
                            .dkim_n = v->said_n};
    return dmarc_check(dns, &q, &v->result.dmarc);
}

static unsigned how_bad(const struct dmarc *d)
{
    return d->result == DMARC_FAIL        ? 4 + (unsigned)d->disposition
           : d->result == DMARC_TEMPERROR ? 3
           : d->result == DMARC_NONE      ? 2
                                          : 1;
}

static bool evaluate_dmarc(struct verify *v, const struct dns_source *dns)
{
    const struct author *author = &v->result.author;
    unsigned worst = 0;
    unsigned badness = 0;
    bool known = true;
    for (unsigned i = 0; i < author->n; i++) {
        if (!check_author(v, dns, i)) {
            known = false; /* the others ask, too */
        } else if (how_bad(&v->result.dmarc) > badness) {
            badness = how_bad(&v->result.dmarc);
            worst = i;
        }
    }
    if (!known || author->n == 0) {
        return known;
    }
    v->result.from = author->domain[worst];
    return check_author(v, dns, worst);
}

/* One identifier beside the author's domain. False: waiting. */
static bool align(struct verify *v, const struct dns_source *dns,
                  const struct dmarc_identifier *id, enum verify_aligned *out)
{
    struct dmarc_walk walk;
    *out = VERIFY_UNALIGNED;
    if (id->said == DMARC_SAID_FAIL || id->domain.len == 0) {
        return true;
    }
    bool same = slice_ieq(id->domain, v->result.from);
    if (!same && dns_name_below(id->domain, v->result.dmarc.org)) {
        if (!dmarc_walk(dns, id->domain, &walk)) {
            return false;
        }
        same = slice_ieq(walk.org, v->result.dmarc.org);
    }
    if (same) {
        *out = id->said == DMARC_SAID_PASS ? VERIFY_ALIGNED : VERIFY_UNKNOWN;
    }
    return true;
}

static bool evaluate_alignment(struct verify *v, const struct dns_source *dns)
{
    struct dmarc_identifier spf = spf_said(&v->result.spf);
    enum verify_aligned best = VERIFY_UNALIGNED;
    enum verify_aligned one = VERIFY_UNALIGNED;
    bool known = align(v, dns, &spf, &best);
    for (unsigned i = 0; i < v->said_n; i++) {
        known = align(v, dns, &v->said[i], &one) && known;
        if (one == VERIFY_ALIGNED && best != VERIFY_ALIGNED) {
            v->result.dkim = dkim_result(v->dkim, i);
        }
        best = one == VERIFY_ALIGNED || best == VERIFY_UNALIGNED ? one : best;
    }
    bool guessed = v->result.dmarc.walk.failed && best == VERIFY_UNALIGNED;
    v->result.aligned = guessed ? VERIFY_UNKNOWN : best;
    return known;
}

/* --- all --- */

bool verify_evaluate(struct verify *v, const struct dns_source *dns)
{
    if (v->done) {
        return true;
    }
    bool known = evaluate_spf(v, dns);
    if (!v->header_seen) {
        v->done = known;
        return known;
    }
    known = dkim_evaluate(v->dkim, dns) == DKIM_DONE && known;
    known = arc_evaluate(v->arc, dns) == DKIM_DONE && known;
    if (!known) {
        verify_ask(v, dns);
        return false;
    }
    v->result.arc = arc_result(v->arc);
    v->result.trusted = trusted_sealer(v);
    take_signatures(v);
    v->done =
        evaluate_dmarc(v, dns) && (v->result.from.len == 0 || evaluate_alignment(v, dns));
    return v->done;
}

const struct verified *verify_result(const struct verify *v)
{
    return &v->result;
}

unsigned verify_dkim_count(const struct verify *v)
{
    return v->header_seen ? dkim_count(v->dkim) : 0;
}

const struct dkim_result *verify_dkim(const struct verify *v, unsigned i)
{
    return dkim_result(v->dkim, i);
}

/* --- fields --- */

static struct authres_item spf_item(const struct spf *spf, const struct spf_query *q)
{
    bool helo = spf->identity == SPF_HELO;
    return (struct authres_item){
        .method = "spf",
        .result = spf_result_name(spf->result),
        .comment = spf->problem == NULL ? (struct slice){0} : slice_of(spf->problem),
        .prop = {{helo ? "smtp.helo" : "smtp.mailfrom", helo ? q->helo : q->mail_from}}};
}

static struct authres_item dmarc_item(const struct verified *r)
{
    const struct dmarc *d = &r->dmarc;
    struct authres_item item = {.method = "dmarc",
                                .result = dmarc_result_name(d->result),
                                .prop = {{"header.from", r->from}}};
    if (d->problem != NULL) {
        item.comment = slice_of(d->problem);
    } else if (d->record != NULL) {
        item.prop[1] = (struct authres_prop){"policy.published-domain-policy",
                                             slice_of(dmarc_policy_name(d->policy))};
    }
    return item;
}

static struct authres_item iprev_item(const struct ptr *ptr, struct slice ip)
{
    return (struct authres_item){
        .method = "iprev",
        .result = ptr_result_name(ptr->result),
        .comment = ptr->result == PTR_TEMPERROR ? slice_of(ptr->why) : ptr->name,
        .prop = {{"policy.iprev", ip}}};
}

bool verify_write_results(const struct verify *v, const struct ptr *ptr, bool utf8,
                          struct buf *out)
{
    char ip[IP_TEXT_MAX];
    const struct verified *r = &v->result;
    struct authres_item item[ITEMS_MAX];
    unsigned n = 0;
    item[n++] = spf_item(&r->spf, &v->mail_from);
    if (r->has_helo) {
        item[n++] = spf_item(&r->helo, &v->helo);
    }
    if (v->header_seen) {
        unsigned signatures = dkim_count(v->dkim);
        for (unsigned i = 0; i < signatures && n < ITEMS_MAX - 3; i++) {
            item[n++] = authres_of_dkim(dkim_result(v->dkim, i));
        }
        if (signatures == 0) {
            item[n++] = authres_of_dkim(NULL);
        }
        if (r->from.len > 0) {
            item[n++] = dmarc_item(r);
        }
        if (r->arc->cv != ARC_NONE) {
            item[n++] = authres_of_arc(r->arc);
        }
    }
    if (ptr != NULL) {
        item[n++] = iprev_item(ptr, ip_text(&v->mail_from.ip, ip));
    }
    return authres_write(out, v->o.receiver, item, n, utf8);
}

bool verify_write_spf(const struct verify *v, struct buf *out)
{
    return spf_received(&v->result.spf, &v->mail_from, out);
}
