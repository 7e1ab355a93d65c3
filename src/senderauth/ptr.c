/* senderauth/ptr.c - see ptr.h */
#include "senderauth/ptr.h"

#include "dns/name.h"

#include <string.h>

static bool same_ip(const struct ip *a, const struct ip *b)
{
    return memcmp(a->octet, b->octet, sizeof a->octet) == 0;
}

static void keep_resolved(struct ptr *out, const struct ip *ip)
{
    for (unsigned i = 0; i < out->resolved_n; i++) {
        if (same_ip(&out->resolved[i], ip)) {
            return;
        }
    }
    if (out->resolved_n < PTR_RESOLVED_MAX) {
        out->resolved[out->resolved_n++] = *ip;
    }
}

/* Does one of the name's addresses equal ip? Else notes where it leads, or that nobody knows. */
static bool leads_back(const struct dns_answer *a, const struct ip *ip, struct ptr *out)
{
    if (a->status == DNS_FAILED) {
        out->why = out->why == NULL ? a->why : out->why;
    }
    for (unsigned i = 0; i < a->n; i++) {
        if (same_ip(&a->record[i].ip, ip)) {
            return true;
        }
        keep_resolved(out, &a->record[i].ip);
    }
    return false;
}

/* Asks for all names at once, then judges them in their order. */
static bool check_names(const struct dns_source *dns, const struct dns_answer *names,
                        const struct ip *ip, struct ptr *out)
{
    enum dns_type type = ip_is_v4(ip) ? DNS_A : DNS_AAAA;
    const struct dns_answer *answers[PTR_NAMES_MAX];
    const unsigned n = names->n < PTR_NAMES_MAX ? names->n : PTR_NAMES_MAX;
    out->names = names->n;
    out->names_seen = n;
    for (unsigned i = 0; i < n; i++) {
        answers[i] = dns->ask(dns->arg, type, names->record[i].name);
    }
    for (unsigned i = 0; i < n; i++) {
        if (answers[i] == NULL) {
            return false;
        }
        if (leads_back(answers[i], ip, out)) {
            out->result = PTR_PASS;
            out->name = names->record[i].name;
            out->why = NULL;
            return true;
        }
    }
    out->name = names->record[0].name;
    out->result = out->why != NULL ? PTR_TEMPERROR : PTR_MISMATCH;
    return true;
}

bool ptr_check(const struct dns_source *dns, const struct ip *ip, struct ptr *out)
{
    char reverse[DNS_REVERSE_MAX];
    *out = (struct ptr){.result = PTR_NONE};
    const struct dns_answer *names =
        dns->ask(dns->arg, DNS_PTR, dns_reverse_name(ip, reverse));
    if (names == NULL) {
        return false;
    }
    if (names->status == DNS_FAILED) {
        out->result = PTR_TEMPERROR;
        out->why = names->why;
        return true;
    }
    return names->n == 0 || check_names(dns, names, ip, out);
}

const char *ptr_result_name(enum ptr_result result)
{
    static const char *const names[] = {
        [PTR_PASS] = "pass",
        [PTR_NONE] = "permerror",
        [PTR_MISMATCH] = "fail",
        [PTR_TEMPERROR] = "temperror",
    };
    return names[result];
}
