/* tests/conformance/dmarc.c - cases of kind "dmarc" and "dmarc-from". DMARC is played three times, like
 * SPF. The evaluator is one of RFC 9989: where a case of RFC 7489 alone comes out otherwise, that
 * is said and not counted. */
#include "conformance.h"

#include "senderauth/author.h"
#include "senderauth/dmarc.h"
#include "senderauth/domain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DKIM_MAX = 64, QUERIES_MAX = 64 };

static struct dmarc_identifier identifier(struct run *run, const json_t *json)
{
    const char *result = text_of(json, "result");
    struct slice domain = octets(run, json_object_get(json, "domain"));
    unsigned char name[DNS_NAME_MAX];
    size_t len;
    if (domain_take(domain, name, &len)) {
        IGNORE(arena_dup(&run->arena, (struct slice){name, len},
                         &domain)); /* or as it was */
    }

    return (struct dmarc_identifier){
        .domain = domain,
        .said = strcmp(result, "pass") == 0        ? DMARC_SAID_PASS
                : strcmp(result, "temperror") == 0 ? DMARC_SAID_TEMPERROR
                                                   : DMARC_SAID_FAIL,
    };
}

struct asking {
    struct zone *zone;
    const struct dmarc_query *query;
    struct dmarc *out;
};

static bool ask(void *arg)
{
    const struct asking *a = arg;
    return dmarc_check(&a->zone->source, a->query, a->out);
}

static bool same(const struct dmarc *a, const struct dmarc *b)
{
    return a->result == b->result && a->policy == b->policy &&
           a->disposition == b->disposition && slice_eq(a->org, b->org) &&
           slice_eq(a->policy_domain, b->policy_domain) &&
           a->spf_aligned == b->spf_aligned && a->dkim_aligned == b->dkim_aligned &&
           a->problem == b->problem;
}

static void expect_bool(struct run *run, const char *what, const json_t *allowed,
                        bool value)
{
    bool ok = json_array_size(allowed) == 0;
    for (size_t i = 0; i < json_array_size(allowed); i++) {
        ok = ok || json_is_true(json_array_get(allowed, i)) == value;
    }
    if (!ok) {
        wrong(run, "%s is %s", what, value ? "true" : "false");
    }
}

static void expect(struct run *run, const json_t *wanted, const char *what,
                   const char *word)
{
    const json_t *allowed = json_object_get(wanted, what);
    if (allowed != NULL) {
        expect_word(run, what, allowed, word);
    }
}

static void expect_name(struct run *run, const json_t *wanted, const char *what,
                        struct slice name)
{
    char text[DNS_NAME_MAX + 1];
    IGNORE(slice_cstr(name, text, sizeof text)); /* else it is empty, and so differs */
    expect(run, wanted, what, text);
}

static void expect_queries(struct run *run, const json_t *wanted, const struct zone *zone)
{
    enum dns_type type;
    struct slice name;
    size_t n = 0;
    for (unsigned i = 0; zone_question(zone, i, &type, &name); i++) {
        if (type != DNS_TXT) {
            continue;
        }
        if (!slice_eq(name, octets(run, json_array_get(wanted, n)))) {
            wrong(run, "question %zu is %.*s", n + 1, (int)name.len,
                  (const char *)name.ptr);
        }
        n++;
    }
    if (n != json_array_size(wanted)) {
        wrong(run, "%zu questions", n);
    }
}

static void judge(struct run *run, const json_t *one, const struct dmarc *dmarc)
{
    const json_t *wanted = json_object_get(one, "expect");
    expect(run, wanted, "result", dmarc_result_name(dmarc->result));
    expect(run, wanted, "policy", dmarc_policy_name(dmarc->policy));
    expect(run, wanted, "disposition", dmarc_policy_name(dmarc->disposition));
    expect_name(run, wanted, "org", dmarc->org);
    expect_name(run, wanted, "policy_domain", dmarc->policy_domain);
    expect_bool(run, "dkim_aligned", json_object_get(wanted, "dkim_aligned"),
                dmarc->dkim_aligned);
    expect_bool(run, "spf_aligned", json_object_get(wanted, "spf_aligned"),
                dmarc->spf_aligned);
}

static void play(struct run *run, const json_t *one)
{
    unsigned char author[DNS_NAME_MAX];
    size_t len;
    struct slice from = octets(run, json_object_get(one, "from"));
    struct dmarc_identifier dkim[DKIM_MAX];
    const json_t *signatures = json_object_get(one, "dkim");
    const json_t *spf = json_object_get(one, "spf");
    struct dmarc_query query = {.dkim = dkim};
    if (!domain_take(slice_from(from, slice_rfind(from, '@') + 1), author, &len)) {
        wrong(run, "its author has no domain");
        return;
    }
    query.author = (struct slice){author, len};
    for (size_t i = 0; i < json_array_size(signatures) && i < DKIM_MAX; i++) {
        dkim[query.dkim_n++] = identifier(run, json_array_get(signatures, i));
    }
    /* RFC 9989 4.4.2: "DMARC relies solely on SPF validation of the MAIL FROM identity." */
    if (json_is_object(spf) && strcmp(text_of(spf, "scope"), "helo") != 0) {
        query.spf = identifier(run, spf);
    }
    struct dmarc *got = arena_alloc(&run->arena, 3 * sizeof *got);
    for (unsigned i = 0; got != NULL && i < 3; i++) {
        struct zone zone;
        zone_init(&zone, run, json_object_get(one, "dns"), NULL);
        zone.slow = i > 0;
        if (!zone_play(&zone, i == 2, ask, &(struct asking){&zone, &query, &got[i]})) {
            return;
        }
        if (i == 0 && json_object_get(one, "queries") != NULL) {
            expect_queries(run, json_object_get(one, "queries"), &zone);
        }
    }
    if (got == NULL || !same(&got[0], &got[1]) || !same(&got[0], &got[2])) {
        wrong(run, "the outcome depends on when answers come");
        return;
    }
    judge(run, one, &got[0]);
}

/* A case of RFC 7489 alone that comes out otherwise under RFC 9989 (a public suffix list, pct, t): said,
 * and not counted. */
static bool differs(struct run *run, const json_t *one)
{
    if (run->why.len == 0 || strcmp(text_of(one, "standard"), "RFC 7489") != 0) {
        return false;
    }
    printf("%s: %s: not counted, of RFC 7489 alone:%.*s\n", text_of(run->suite, "suite"),
           text_of(one, "id"), (int)run->why.len, (const char *)run->why.ptr);
    return true;
}

void run_dmarc(struct run *run)
{
    const json_t *cases = json_object_get(run->suite, "cases");
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *one = json_array_get(cases, i);
        case_begin(run, text_of(one, "id"));
        play(run, one);
        if (!differs(run, one)) {
            case_end(run);
        }
    }
}

static int by_octets(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

/* Is this outcome, a list of domains or "invalid", the one we have? */
static bool is_outcome(struct run *run, const json_t *outcome,
                       const struct author *author)
{
    if (json_is_string(outcome)) {
        return author->status != AUTHOR_OK;
    }
    bool ok = author->status == AUTHOR_OK && json_array_size(outcome) == author->n;
    struct slice want[AUTHOR_DOMAINS_MAX], have[AUTHOR_DOMAINS_MAX];
    for (unsigned i = 0; ok && i < author->n; i++) {
        want[i] = octets(run, json_array_get(outcome, i));
        have[i] = author->domain[i];
    }
    if (ok) {
        qsort(want, author->n, sizeof want[0], by_octets);
        qsort(have, author->n, sizeof have[0], by_octets);
    }
    for (unsigned i = 0; ok && i < author->n; i++) {
        ok = slice_eq(want[i], have[i]);
    }
    return ok;
}

void run_dmarc_from(struct run *run)
{
    const json_t *cases = json_object_get(run->suite, "cases");
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *one = json_array_get(cases, i),
                     *wanted = json_object_get(one, "expect");
        struct author author;
        case_begin(run, text_of(one, "id"));
        author_of_header(octets(run, json_object_get(one, "headers")), &author);
        bool ok = false;
        for (size_t j = 0; j < json_array_size(wanted); j++) {
            ok = ok || is_outcome(run, json_array_get(wanted, j), &author);
        }
        if (!ok) {
            wrong(run, "%s",
                  author.status == AUTHOR_OK ? "its domains are" : author.problem);
        }
        for (unsigned j = 0; !ok && j < author.n; j++) {
            wrong(run, "%.*s", (int)author.domain[j].len,
                  (const char *)author.domain[j].ptr);
        }
        case_end(run);
    }
}
