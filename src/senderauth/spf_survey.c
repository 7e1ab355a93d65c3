#include "senderauth/spf_survey.h"

#include "senderauth/domain.h"

#include <string.h>

/* Records that list every address of a cloud, so that any of its customers could send. */
static const struct slice clouds[] = {
    SLICE_INIT("_cloud-netblocks.googleusercontent.com"),
    SLICE_INIT("_cloud-netblocks1.googleusercontent.com"),
    SLICE_INIT("_cloud-netblocks2.googleusercontent.com"),
    SLICE_INIT("_cloud-netblocks3.googleusercontent.com"),
    SLICE_INIT("_cloud-netblocks4.googleusercontent.com"),
    SLICE_INIT("_cloud-netblocks5.googleusercontent.com"),
};

const struct spf_survey_limits spf_survey_defaults = {
    .widest4 = 10,
    .widest6 = 20,
    .addresses4 = 1U << 22,
    .cloud = clouds,
    .cloud_n = sizeof clouds / sizeof clouds[0],
};

struct survey {
    const struct dns_source *dns;
    const struct spf_survey_limits *limits;
    struct spf_survey *out;
    const struct spf_step *step; /* whose record is looked at */
    bool authorizes;             /* a pass there is a pass of the whole */
    bool waiting;
    struct spf_found dropped; /* where a finding goes that has no room */
};

static struct spf_found *found(struct survey *s, enum spf_finding finding,
                               struct slice term)
{
    struct spf_survey *out = s->out;
    out->findings |= 1U << finding;
    if (out->found_n == SPF_FOUND_MAX) {
        return &s->dropped;
    }
    struct spf_found *f = &out->found[out->found_n++];
    *f = (struct spf_found){.finding = finding, .domain = s->step->domain, .term = term};
    return f;
}

static void found_error(struct survey *s, struct slice term, const char *problem)
{
    found(s, SPF_FINDS_ERROR, term)->problem = problem;
}

static uint64_t size_of(const struct net *net)
{
    return (uint64_t)1 << (128 - net->bits);
}

/* Networks lie in one another or apart: so what is held once counts once. */
static void add_net(struct survey *s, const struct net *net)
{
    struct spf_survey *out = s->out;
    if (!s->authorizes || !ip_is_v4(&net->ip)) {
        return;
    }
    for (unsigned i = 0; i < out->net_n; i++) {
        struct net *held = &out->net[i];
        if (held->bits <= net->bits && net_has(held, &net->ip)) {
            return;
        }
        if (net->bits < held->bits && net_has(net, &held->ip)) {
            out->addresses4 -= size_of(held);
            *held = out->net[--out->net_n];
            i--;
        }
    }
    out->addresses4 += size_of(net);
    if (out->net_n < SPF_SURVEY_NETS_MAX) {
        out->net[out->net_n++] = *net;
    }
}

static void judge_width(struct survey *s, struct slice term, unsigned bits,
                        unsigned least)
{
    if (s->authorizes && bits < least) {
        struct spf_found *f = found(s, SPF_FINDS_WIDE, term);
        f->measured = bits;
        f->limit = least;
    }
}

static const struct dns_answer *ask(struct survey *s, enum dns_type type,
                                    struct slice name)
{
    const struct dns_answer *answer = s->dns->ask(s->dns->arg, type, name);
    s->waiting = s->waiting || answer == NULL;
    s->out->failed = s->out->failed || (answer != NULL && answer->status == DNS_FAILED);
    return answer;
}

static void add_addresses(struct survey *s, struct slice name, uint8_t bits4)
{
    const struct dns_answer *a = ask(s, DNS_A, name);
    for (unsigned i = 0; a != NULL && i < a->n; i++) {
        struct net net = net_around(&a->record[i].ip, (uint8_t)(bits4 + 96));
        add_net(s, &net);
    }
}

static void on_hosts(struct survey *s, const struct spf_term *term, struct slice name)
{
    judge_width(s, term->text, term->bits4, s->limits->widest4);
    judge_width(s, term->text, term->bits6, s->limits->widest6);
    if (term->bits4 == 32) {
        return;
    }
    if (term->kind == SPF_A) {
        add_addresses(s, name, term->bits4);
        return;
    }
    const struct dns_answer *mx = ask(s, DNS_MX, name);
    for (unsigned i = 0; mx != NULL && i < mx->n && i < SPF_HOSTS_MAX; i++) {
        if (mx->record[i].name.len > 0) {
            add_addresses(s, mx->record[i].name, term->bits4);
        }
    }
}

/* One more record to look at. */
static void on_record(struct survey *s, const struct spf_term *term, struct slice name)
{
    struct spf_survey *out = s->out;
    bool passes = term->kind == SPF_REDIRECT || term->qualifier == '+';
    for (unsigned i = 0; i < s->limits->cloud_n && passes && s->authorizes; i++) {
        if (slice_ieq(name, s->limits->cloud[i])) {
            found(s, SPF_FINDS_CLOUD, term->text);
        }
    }
    if (out->step_n < SPF_SURVEY_RECORDS_MAX) {
        out->authorizes[out->step_n] = s->authorizes && passes;
        out->step[out->step_n++] = (struct spf_step){
            .domain = name,
            .via = term->text,
            .from = (unsigned)(s->step - out->step),
            .depth = s->step->depth + (term->kind == SPF_INCLUDE),
        };
    }
}

static void on_network(struct survey *s, const struct spf_term *term)
{
    if (term->kind == SPF_IP4) {
        judge_width(s, term->text, term->net.bits - 96U, s->limits->widest4);
    } else {
        judge_width(s, term->text, term->net.bits, s->limits->widest6);
    }
    if (term->kind == SPF_IP4) {
        add_net(s, &term->net);
    }
}

static void on_term(struct survey *s, const struct spf_term *term)
{
    struct slice name = term->spec.len == 0 ? s->step->domain : term->spec;
    bool constant = slice_find(name, '%') == name.len;
    bool whole =
        s->authorizes; /* restored: a term that does not pass authorizes nothing */
    bool asks = term->kind != SPF_ALL && term->kind != SPF_IP4 && term->kind != SPF_IP6;
    name.len -= name.len > 0 && name.ptr[name.len - 1] == '.';
    s->out->terms += asks;
    if (term->kind == SPF_REDIRECT || term->kind == SPF_INCLUDE) {
        if (constant) {
            on_record(s, term, name);
        }
        return;
    }
    s->authorizes = whole && term->qualifier == '+';
    if (term->kind == SPF_ALL && s->authorizes) {
        found(s, SPF_FINDS_ALL, term->text);
        s->out->addresses4 = (uint64_t)1 << 32;
        s->out->net_n = 1;
        s->out->net[0] = (struct net){.ip.octet = {[10] = 0xff, [11] = 0xff}, .bits = 96};
    } else if (term->kind == SPF_PTR) {
        found(s, SPF_FINDS_PTR, term->text);
    } else if (term->kind == SPF_IP4 || term->kind == SPF_IP6) {
        on_network(s, term);
    } else if (constant && (term->kind == SPF_A || term->kind == SPF_MX)) {
        on_hosts(s, term, name);
    }
    s->authorizes = whole;
}

/* The terms as far as all; what stands behind it means nothing, nor does a redirect then. */
static void on_terms(struct survey *s, struct slice terms)
{
    struct slice where;
    const char *fault = spf_record_fault(terms, &where);
    if (fault != NULL) {
        found_error(s, where, fault);
        return;
    }
    struct spf_term term, redirect = {0};
    bool all = false;
    while (!all && spf_term_next(&terms, &term, &fault)) {
        if (term.kind == SPF_REDIRECT) {
            redirect = term;
        } else if (term.kind < SPF_REDIRECT) {
            all = term.kind == SPF_ALL;
            on_term(s, &term);
        }
    }
    if (!all && redirect.text.len > 0) {
        on_term(s, &redirect);
    }
}

static void on_step(struct survey *s, unsigned number)
{
    struct spf_survey *out = s->out;
    struct spf_step *step = &out->step[number];
    struct slice terms = {0}, rest;
    unsigned n = 0;
    s->step = step;
    s->authorizes = out->authorizes[number];
    const struct dns_answer *txt = ask(s, DNS_TXT, step->domain);
    if (txt == NULL || txt->status == DNS_FAILED) {
        return;
    }
    for (unsigned i = 0; i < txt->n; i++) {
        if (spf_record_is(txt->record[i].text, &rest)) {
            n++;
            step->record = txt->record[i].text;
            terms = rest;
        }
    }
    if (n > 1) {
        found_error(s, (struct slice){0}, "more than one SPF record");
    } else if (n == 1) {
        on_terms(s, terms);
    } else if (number > 0) {
        s->step = &out->step[step->from];
        found_error(s, step->via,
                    "a domain without SPF record is included or redirected to");
    } else {
        out->none = true;
    }
}

bool spf_survey(const struct dns_source *dns, struct slice domain,
                const struct spf_survey_limits *limits, struct spf_survey *out)
{
    struct survey s = {.dns = dns, .limits = limits, .out = out};
    memset(out, 0, offsetof(struct spf_survey, net));
    out->step[0].domain = domain;
    out->authorizes[0] = true;
    out->step_n = 1;
    for (unsigned i = 0; i < out->step_n; i++) {
        on_step(&s, i);
    }
    s.step = &out->step[0];
    if (out->addresses4 > limits->addresses4 &&
        (out->findings & 1U << SPF_FINDS_ALL) == 0) {
        struct spf_found *f = found(&s, SPF_FINDS_MANY, (struct slice){0});
        f->measured = out->addresses4;
        f->limit = limits->addresses4;
    }
    if (out->terms > SPF_TERMS_MAX) {
        struct spf_found *f = found(&s, SPF_FINDS_LOOKUPS, (struct slice){0});
        f->measured = out->terms;
        f->limit = SPF_TERMS_MAX;
    }
    return !s.waiting;
}

/* Untrusted octets: printable ASCII, and not many of them. */
static void add_shown(struct buf *out, struct slice s)
{
    enum { SHOWN_MAX = 80 };
    buf_add_escaped(out, slice_sub(s, 0, SHOWN_MAX));
    if (s.len > SHOWN_MAX) {
        buf_add_str(out, "...");
    }
}

bool spf_found_text(const struct spf_found *found, struct buf *out)
{
    unsigned long long measured = found->measured, limit = found->limit;
    add_shown(out, found->term);
    switch (found->finding) {
    case SPF_FINDS_ALL:
        buf_add_str(out, " lets everybody send");
        break;
    case SPF_FINDS_WIDE:
        buf_add_fmt(out, " is a wider range than /%llu", limit);
        break;
    case SPF_FINDS_MANY:
        buf_add_fmt(out, "%llu addresses may send, more than %llu", measured, limit);
        break;
    case SPF_FINDS_PTR:
        buf_add_str(out, " authorizes by reverse DNS names");
        break;
    case SPF_FINDS_CLOUD:
        buf_add_str(out, " lets every customer of a cloud send");
        break;
    case SPF_FINDS_LOOKUPS:
        buf_add_fmt(out, "%llu terms ask the DNS, more than %llu", measured, limit);
        break;
    case SPF_FINDS_ERROR:
        buf_add_fmt(out, "%s%s", found->term.len > 0 ? ": " : "", found->problem);
        break;
    }
    buf_add_str(out, " (record of ");
    add_shown(out, found->domain);
    return buf_add_str(out, ")");
}
