#include "senderauth/spf.h"

#include "senderauth/domain.h"
#include "senderauth/spf_macro.h"

#include <string.h>

/* One record being walked. Includes nest, and each costs a term: so at most SPF_STEPS_MAX. */
struct frame {
    struct slice domain, record, rest; /* rest: terms not looked at yet */
    struct slice redirect, exp;        /* whole terms; "" where there are none */
    struct spf_term via;               /* the include that led here */
    unsigned step;                     /* its number in the evidence */
};

struct walk {
    const struct dns_source *dns;
    const struct spf_query *query;
    struct spf *out;
    struct spf_macro_values values;
    struct slice
        ptr_name; /* where the client's PTR record stands; "" until it was asked for */
    unsigned depth;
    struct frame frame[SPF_STEPS_MAX];
};

/* What became of a term, or of another step. */
enum turn {
    TURN_NO = 0, /* no match, nothing there */
    TURN_YES,
    TURN_ENTER, /* there is a new frame */
    TURN_END,   /* out->result stands */
    TURN_WAIT,
};

static enum turn end(struct walk *w, enum spf_result result, const char *problem)
{
    w->out->result = result;
    w->out->problem = problem;
    return TURN_END;
}

static const struct dns_answer *ask(struct walk *w, enum dns_type type, struct slice name)
{
    const struct dns_answer *answer = w->dns->ask(w->dns->arg, type, name);
    if (answer == NULL) {
        return NULL;
    }
    struct spf *out = w->out;
    out->lookups++;
    if (out->lookup_n < SPF_LOOKUPS_MAX) {
        out->lookup[out->lookup_n++] =
            (struct spf_lookup){type, answer->status, answer->n, name};
    }
    return answer;
}

static enum dns_type address_type(const struct walk *w)
{
    return ip_is_v4(&w->query->ip) ? DNS_A : DNS_AAAA;
}

/* RFC 7208 4.6.4: "SPF implementations SHOULD limit "void lookups" to two." */
static bool too_many_voids(struct walk *w, const struct dns_answer *answer)
{
    bool is_void = answer->status == DNS_NODATA || answer->status == DNS_NXDOMAIN;
    w->out->voids += is_void;
    return is_void && w->out->voids > SPF_VOIDS_MAX;
}

static enum turn void_limit(struct walk *w)
{
    return end(w, SPF_PERMERROR, "more than 2 questions to the DNS had no answer");
}

/* Expanded names live as long as *out: the lookups borrow them. */
static struct slice keep(struct walk *w, const unsigned char *name, size_t len)
{
    struct spf *out = w->out;
    if (len > sizeof out->names - out->names_len) {
        return (struct slice){0};
    }
    unsigned char *at = out->names + out->names_len;
    memcpy(at, name, len);
    out->names_len += len;
    return (struct slice){at, len};
}

/* How near a validated name is to the domain: the domain itself, below it, elsewhere. */
static unsigned nearness(struct slice name, struct slice domain)
{
    return slice_ieq(name, domain) ? 3 : dns_name_below(name, domain) ? 2 : 1;
}

/* RFC 7208 5.5: the client's names whose addresses hold the client's own. The one nearest
 * to the domain goes to *name; nearest: the least nearness that counts. */
static enum turn validated_name(struct walk *w, struct slice domain, unsigned least,
                                const struct dns_answer *ptr, struct slice *name)
{
    unsigned best = 0, n = ptr->n < SPF_HOSTS_MAX ? ptr->n : SPF_HOSTS_MAX;
    bool waiting = false;
    for (unsigned i = 0; i < n; i++) {
        unsigned near = nearness(ptr->record[i].name, domain);
        if (near < least || near <= best) {
            continue;
        }
        const struct dns_answer *a = ask(w, address_type(w), ptr->record[i].name);
        if (a == NULL) {
            waiting = true;
            continue;
        }
        /* "If a DNS error occurs while doing an A RR lookup, then that domain name is
         * skipped and the search continues." */
        for (unsigned j = 0; a->status == DNS_FOUND && j < a->n; j++) {
            if (memcmp(&a->record[j].ip, &w->query->ip, sizeof(struct ip)) == 0) {
                best = near;
                *name = ptr->record[i].name;
                break;
            }
        }
    }
    return waiting ? TURN_WAIT : best > 0 ? TURN_YES : TURN_NO;
}

static const struct dns_answer *ask_ptr(struct walk *w)
{
    char name[DNS_REVERSE_MAX];
    if (w->ptr_name.len == 0) {
        struct slice reverse = dns_reverse_name(&w->query->ip, name);
        w->ptr_name = keep(w, reverse.ptr, reverse.len);
    }
    return ask(w, DNS_PTR, w->ptr_name);
}

/* RFC 7208 7.3: "If there are no validated domain names or if a DNS error occurs, the string
 * "unknown" is used." */
static enum turn fill_validated(struct walk *w, struct slice spec, struct slice domain)
{
    w->values.validated = SLICE("unknown");
    if (!spf_macro_uses(spec, 'p')) {
        return TURN_YES;
    }
    const struct dns_answer *ptr = ask_ptr(w);
    if (ptr == NULL) {
        return TURN_WAIT;
    }
    if (ptr->status != DNS_FOUND) {
        return TURN_YES;
    }
    enum turn turn = validated_name(w, domain, 1, ptr, &w->values.validated);
    return turn == TURN_WAIT ? TURN_WAIT : TURN_YES;
}

/* The name that a domain-spec means: TURN_YES and *name, TURN_NO (none) or TURN_WAIT. */
static enum turn target(struct walk *w, const struct frame *f, struct slice spec,
                        struct slice *name)
{
    *name = spec.len == 0 ? f->domain : spec;
    if (spec.len > 0 && spec.len <= DNS_NAME_MAX && slice_find(spec, '%') == spec.len) {
        name->len -= spec.ptr[spec.len - 1] == '.';
    } else if (spec.len > 0) {
        w->values.domain = f->domain;
        if (fill_validated(w, spec, f->domain) == TURN_WAIT) {
            return TURN_WAIT;
        }
        unsigned char room[DNS_NAME_MAX];
        size_t len;
        if (!spf_macro_name(spec, &w->values, room, &len)) {
            return TURN_NO;
        }
        *name = keep(w, room, len);
    }
    return name->len > 0 && dns_name_ok(*name) ? TURN_YES : TURN_NO;
}

/* Does one of the addresses, widened to the term's prefix, hold the client? */
static bool addresses_match(const struct walk *w, const struct spf_term *term,
                            const struct dns_answer *answer)
{
    bool v4 = ip_is_v4(&w->query->ip);
    uint8_t bits = (uint8_t)(v4 ? term->bits4 + 96 : term->bits6);
    for (unsigned i = 0; answer->status == DNS_FOUND && i < answer->n; i++) {
        struct net net = net_around(&answer->record[i].ip, bits);
        if (net_has(&net, &w->query->ip)) {
            return true;
        }
    }
    return false;
}

static enum turn on_all(struct walk *w, const struct spf_term *term, struct slice name)
{
    (void)w, (void)term, (void)name;
    return TURN_YES;
}

static enum turn on_network(struct walk *w, const struct spf_term *term,
                            struct slice name)
{
    (void)name;
    bool v4 = ip_is_v4(&w->query->ip);
    return v4 == (term->kind == SPF_IP4) && net_has(&term->net, &w->query->ip) ? TURN_YES
                                                                               : TURN_NO;
}

static enum turn on_a(struct walk *w, const struct spf_term *term, struct slice name)
{
    const struct dns_answer *a = ask(w, address_type(w), name);
    if (a == NULL) {
        return TURN_WAIT;
    }
    if (a->status == DNS_FAILED) {
        return end(w, SPF_TEMPERROR, "the addresses of a name could not be found out");
    }
    if (too_many_voids(w, a)) {
        return void_limit(w);
    }
    return addresses_match(w, term, a) ? TURN_YES : TURN_NO;
}

static enum turn on_mx_hosts(struct walk *w, const struct spf_term *term,
                             const struct dns_answer *mx)
{
    bool waiting = false;
    for (unsigned i = 0; i < mx->n; i++) {
        if (mx->record[i].name.len == 0) {
            continue; /* a null MX */
        }
        if (waiting) { /* the order matters: but let the others be on their way */
            IGNORE(w->dns->ask(w->dns->arg, address_type(w), mx->record[i].name));
            continue;
        }
        const struct dns_answer *a = ask(w, address_type(w), mx->record[i].name);
        if (a == NULL) {
            waiting = true;
            continue;
        }
        if (a->status == DNS_FAILED) {
            return end(w, SPF_TEMPERROR,
                       "the addresses of an MX host could not be found out");
        }
        if (a->status == DNS_NXDOMAIN && too_many_voids(w, a)) {
            return void_limit(w);
        }
        if (addresses_match(w, term, a)) {
            return TURN_YES;
        }
    }
    return waiting ? TURN_WAIT : TURN_NO;
}

static enum turn on_mx(struct walk *w, const struct spf_term *term, struct slice name)
{
    const struct dns_answer *mx = ask(w, DNS_MX, name);
    if (mx == NULL) {
        return TURN_WAIT;
    }
    if (mx->status == DNS_FAILED) {
        return end(w, SPF_TEMPERROR, "the MX records of a name could not be found out");
    }
    if (too_many_voids(w, mx)) {
        return void_limit(w);
    }
    if (mx->status != DNS_FOUND) {
        return TURN_NO;
    }
    /* RFC 7208 4.6.4: "the evaluation of each "MX" record MUST NOT result in querying more than
     * 10 address records -- either "A" or "AAAA" resource records." */
    if (mx->n > SPF_HOSTS_MAX) {
        return end(w, SPF_PERMERROR, "a name with more than 10 MX records");
    }
    return on_mx_hosts(w, term, mx);
}

static enum turn on_ptr(struct walk *w, const struct spf_term *term, struct slice name)
{
    (void)term;
    const struct dns_answer *ptr = ask_ptr(w);
    if (ptr == NULL) {
        return TURN_WAIT;
    }
    if (too_many_voids(w, ptr)) {
        return void_limit(w);
    }
    /* RFC 7208 5.5: "If a DNS error occurs while doing the PTR RR lookup, then this mechanism
     * fails to match." */
    struct slice found;
    return ptr->status == DNS_FOUND ? validated_name(w, name, 2, ptr, &found) : TURN_NO;
}

static enum turn on_exists(struct walk *w, const struct spf_term *term, struct slice name)
{
    (void)term;
    const struct dns_answer *a = ask(w, DNS_A, name); /* for IPv6 clients too (5.7) */
    if (a == NULL) {
        return TURN_WAIT;
    }
    if (a->status == DNS_FAILED) {
        return end(w, SPF_TEMPERROR, "whether a name exists could not be found out");
    }
    if (too_many_voids(w, a)) {
        return void_limit(w);
    }
    return a->status == DNS_FOUND ? TURN_YES : TURN_NO;
}

/* RFC 7208 4.5: exactly one of the TXT records is an SPF record. */
static enum turn select_record(struct walk *w, const struct dns_answer *txt,
                               struct frame *f)
{
    unsigned n = 0;
    for (unsigned i = 0; i < txt->n; i++) {
        if (spf_record_is(txt->record[i].text, &f->rest)) {
            f->record = txt->record[i].text;
            n++;
        }
    }
    if (n == 0) {
        return TURN_NO;
    }
    if (n > 1) {
        return end(w, SPF_PERMERROR, "more than one SPF record");
    }
    return TURN_YES;
}

/* Syntax errors anywhere in a record spoil all of it (RFC 7208 4.6). */
static enum turn read_record(struct walk *w, struct frame *f)
{
    struct slice rest = f->rest;
    struct spf_term term;
    const char *fault;
    while (spf_term_next(&rest, &term, &fault)) {
        struct slice *only = term.kind == SPF_REDIRECT ? &f->redirect
                             : term.kind == SPF_EXP    ? &f->exp
                                                       : NULL;
        if (only == NULL) {
            continue;
        }
        /* RFC 7208 6: "These two modifiers MUST NOT appear in a record more than once each." */
        if (only->len > 0) {
            fault = "a modifier that may stand there only once";
            break;
        }
        *only = term.text;
    }
    if (fault != NULL) {
        w->out->term = w->out->by = term.text;
        return end(w, SPF_PERMERROR, fault);
    }
    return TURN_YES;
}

/* check_host() for one domain as far as its record: TURN_ENTER when frame[depth] is ready, TURN_NO
 * when the domain has no record. */
static enum turn enter(struct walk *w, unsigned depth, struct slice domain,
                       const struct spf_term *via)
{
    struct spf *out = w->out;
    const struct dns_answer *txt = ask(w, DNS_TXT, domain);
    if (txt == NULL) {
        return TURN_WAIT;
    }
    if (txt->status == DNS_FAILED) {
        return end(w, SPF_TEMPERROR, "the SPF record could not be fetched");
    }
    struct frame f = {.domain = domain};
    if (via != NULL) {
        f.via = *via;
        if (too_many_voids(w, txt)) {
            return void_limit(w);
        }
    }
    enum turn turn = select_record(w, txt, &f);
    if (turn == TURN_YES) {
        out->record = f.record;
        f.step = out->step_n++; /* bounded by the terms */
        out->step[f.step] = (struct spf_step){
            .domain = domain,
            .record = f.record,
            .via = f.via.text,
            .from = via == NULL ? 0 : w->frame[w->depth].step,
            .depth = depth,
        };
        turn = read_record(w, &f);
    }
    if (turn != TURN_YES) {
        return turn;
    }
    w->depth = depth;
    w->frame[depth] = f;
    return TURN_ENTER;
}

static enum turn on_include(struct walk *w, const struct spf_term *term,
                            struct slice name)
{
    enum turn turn = enter(w, w->depth + 1, name, term);
    /* RFC 7208 5.2: none of an included domain is a permerror. */
    return turn == TURN_NO ? end(w, SPF_PERMERROR, "an included domain has no SPF record")
                           : turn;
}

static const struct {
    enum turn (*run)(struct walk *w, const struct spf_term *term, struct slice name);
    bool asks; /* counts as a term that asks the DNS (RFC 7208 4.6.4) */
} mechanisms[] = {
    [SPF_ALL] = {on_all, false},     [SPF_INCLUDE] = {on_include, true},
    [SPF_A] = {on_a, true},          [SPF_MX] = {on_mx, true},
    [SPF_PTR] = {on_ptr, true},      [SPF_IP4] = {on_network, false},
    [SPF_IP6] = {on_network, false}, [SPF_EXISTS] = {on_exists, true},
};

static enum turn count_term(struct walk *w)
{
    if (w->out->terms == SPF_TERMS_MAX) {
        return end(w, SPF_PERMERROR, "more than 10 terms that ask the DNS");
    }
    w->out->terms++;
    return TURN_YES;
}

static enum turn on_mechanism(struct walk *w, const struct spf_term *term)
{
    struct slice name = {0};
    if (mechanisms[term->kind].asks) {
        enum turn turn = count_term(w);
        if (turn == TURN_YES) {
            turn = target(w, &w->frame[w->depth], term->spec, &name);
        }
        /* A name that is none exists nowhere: no match. Of an included one check_host() says
         * none (RFC 7208 4.3), which is a permerror here. */
        if (turn == TURN_NO && term->kind == SPF_INCLUDE) {
            turn = end(w, SPF_PERMERROR, "an include of what is no domain name");
        }
        if (turn != TURN_YES) {
            w->out->term = w->out->by = term->text;
            return turn;
        }
    }
    enum turn turn = mechanisms[term->kind].run(w, term, name);
    if (turn == TURN_YES || (turn == TURN_END && w->out->term.len == 0)) {
        w->out->term = w->out->by = term->text;
        w->out->target = name;
    }
    return turn;
}

/* RFC 7208 6.1: the frame's place is taken by the record of the other domain. */
static enum turn on_redirect(struct walk *w)
{
    struct frame *f = &w->frame[w->depth];
    struct slice text = f->redirect, name;
    struct spf_term term;
    const char *fault;
    IGNORE(spf_term_next(&text, &term, &fault)); /* read before */
    w->out->term = w->out->by = term.text;
    enum turn turn = count_term(w);
    if (turn == TURN_YES) {
        turn = target(w, f, term.spec, &name);
    }
    if (turn == TURN_YES) {
        struct spf_term include = f->via; /* whose frame it stays */
        turn = enter(w, w->depth, name, &term);
        if (turn == TURN_ENTER) {
            w->frame[w->depth].via = include;
            w->out->term = w->out->by = (struct slice){0};
        }
    }
    return turn == TURN_NO
               ? end(w, SPF_PERMERROR, "a redirect to a domain without SPF record")
               : turn;
}

static enum spf_result of_qualifier(unsigned char qualifier)
{
    return qualifier == '-'   ? SPF_FAIL
           : qualifier == '~' ? SPF_SOFTFAIL
           : qualifier == '?' ? SPF_NEUTRAL
                              : SPF_PASS;
}

/* The innermost record has come to a result: true when that is the result of all. */
static bool give(struct walk *w, enum spf_result result)
{
    while (w->depth > 0) {
        struct spf_term via = w->frame[w->depth].via;
        w->depth--;
        if (result != SPF_PASS) { /* the include does not match: on with the next term */
            w->out->term = w->out->by = w->out->target = (struct slice){0};
            return false;
        }
        w->out->term = via.text;
        result = of_qualifier(via.qualifier);
    }
    w->out->record = w->frame[0].record;
    w->out->result = result;
    return true;
}

/* Asks ahead for what the record's further terms are likely to need; the answers are for the
 * next time. */
static void ask_ahead(struct walk *w)
{
    const struct frame *f = &w->frame[w->depth];
    struct slice rest = f->rest, name;
    struct spf_term term;
    const char *fault;
    unsigned left = SPF_TERMS_MAX - w->out->terms;
    while (left > 0 && spf_term_next(&rest, &term, &fault) && term.kind != SPF_ALL) {
        enum dns_type type = term.kind == SPF_A        ? address_type(w)
                             : term.kind == SPF_MX     ? DNS_MX
                             : term.kind == SPF_EXISTS ? DNS_A
                                                       : DNS_TXT;
        bool asks = term.kind == SPF_A || term.kind == SPF_MX ||
                    term.kind == SPF_EXISTS || term.kind == SPF_INCLUDE ||
                    term.kind == SPF_REDIRECT;
        if (!asks || spf_macro_uses(term.spec, 'p')) {
            continue;
        }
        left--;
        size_t names_len = w->out->names_len;
        if (target(w, f, term.spec, &name) == TURN_YES) {
            IGNORE(w->dns->ask(w->dns->arg, type, name));
        }
        w->out->names_len = names_len;
    }
}

static enum turn walk(struct walk *w)
{
    enum turn turn = enter(w, 0, w->out->domain, NULL);
    if (turn == TURN_NO) {
        return end(w, SPF_NONE, "the domain has no SPF record");
    }
    while (turn == TURN_ENTER || turn == TURN_NO) {
        struct frame *f = &w->frame[w->depth];
        struct spf_term term;
        const char *fault;
        if (spf_term_next(&f->rest, &term, &fault)) {
            turn = term.kind < SPF_REDIRECT ? on_mechanism(w, &term) : TURN_NO;
            if (turn == TURN_WAIT) {
                ask_ahead(w);
            }
            if (turn == TURN_YES) {
                turn = give(w, of_qualifier(term.qualifier)) ? TURN_END : TURN_NO;
            }
        } else if (f->redirect.len > 0) {
            turn = on_redirect(w);
        } else { /* RFC 7208 4.7 */
            w->out->term = w->out->by = w->out->target = (struct slice){0};
            turn = give(w, SPF_NEUTRAL) ? TURN_END : TURN_NO;
        }
    }
    return turn;
}

/* RFC 7208 6.2; of the domain's own record (or the one it redirects to), never an included
 * one. Whatever goes wrong with it: there is none. */
static bool explain(struct walk *w)
{
    const struct frame *f = &w->frame[0];
    struct slice text = f->exp, name;
    struct spf_term term;
    const char *fault;
    if (!spf_term_next(&text, &term, &fault)) {
        return true;
    }
    enum turn turn = target(w, f, term.spec, &name);
    if (turn != TURN_YES) {
        return turn == TURN_NO;
    }
    const struct dns_answer *txt = ask(w, DNS_TXT, name);
    if (txt == NULL) {
        return false;
    }
    if (txt->status != DNS_FOUND || txt->n != 1) {
        return true;
    }
    if (fill_validated(w, txt->record[0].text, f->domain) == TURN_WAIT) {
        return false;
    }
    size_t len;
    w->values.domain = f->domain;
    if (spf_macro_text(txt->record[0].text, &w->values, w->out->text, SPF_EXPLANATION_MAX,
                       &len)) {
        w->out->explanation = (struct slice){w->out->text, len};
    }
    return true;
}

/* RFC 7208 2.4, 4.3: which local part and domain are checked; false: no domain to check. */
static bool identify(const struct spf_query *query, struct spf *out)
{
    struct slice domain = query->helo;
    out->sender_local = SLICE("postmaster");
    out->identity = SPF_HELO;
    if (query->identity == SPF_MAIL_FROM && query->mail_from.len > 0) {
        struct slice whole = query->mail_from;
        size_t at = slice_rfind(whole, '@');
        out->identity = SPF_MAIL_FROM;
        domain = at < whole.len ? slice_from(whole, at + 1) : whole;
        if (at > 0 && at < whole.len) {
            out->sender_local = slice_sub(whole, 0, at);
        }
    }
    if (!domain_take(domain, out->names, &out->names_len)) {
        out->names_len = 0;
        out->domain = domain;
        return false;
    }
    out->domain = (struct slice){out->names, out->names_len};
    return domain_labels(out->domain) > 1;
}

bool spf_check(const struct dns_source *dns, const struct spf_query *query,
               struct spf *out)
{
    memset(out, 0, offsetof(struct spf, step));
    out->names_len = 0;
    if (!identify(query, out)) {
        out->problem = "no domain name that could have an SPF record";
        return true;
    }
    struct walk w = {.dns = dns, .query = query, .out = out};
    w.values = (struct spf_macro_values){
        .local = out->sender_local,
        .sender_domain = out->domain,
        .domain = out->domain,
        .helo = query->helo,
        .receiver = query->receiver,
        .ip = &query->ip,
        .now_s = query->now_s,
    };
    if (walk(&w) == TURN_WAIT) {
        return false;
    }
    return out->result != SPF_FAIL || explain(&w);
}
