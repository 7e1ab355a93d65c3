/* cmd/check_tls.c - see check_look.h: what senders learn of a domain's TLS before they connect, and with
 * --connect what its hosts then show. */
#include "cmd/check_look.h"
#include "delivery/policy_get.h"
#include "senderauth/mta_sts.h"
#include "senderauth/tls_rpt.h"
#include "tls/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORDS_MAX = 16, NAME_ROOM = DNS_NAME_MAX + 32, DAY_S = 86400, WEEK_S = 604800 };

struct check_tls {
    const struct config *config;
    bool fetched;
    enum policy_get_res res;
    char why[POLICY_GET_WHY_MAX];
    struct buf policy;
    bool probed[CHECK_HOSTS_MAX];
    struct probe_result probe[CHECK_HOSTS_MAX];
};

struct check_tls *check_tls_new(const struct config *config)
{
    struct check_tls *t = calloc(1, sizeof *t);
    if (t != NULL) {
        t->config = config;
    }
    return t;
}

void check_tls_free(struct check_tls **t)
{
    if (*t != NULL) {
        buf_clear(&(*t)->policy);
        free(*t);
        *t = NULL;
    }
}

static struct slice name_of(char out[NAME_ROOM], const char *front, struct slice rest)
{
    (void)snprintf(out, NAME_ROOM, "%s%.*s", front, ARG(rest));
    return slice_of(out);
}

/* The MX hosts, or the domain itself where there is none. False: not known, or there are none. */
static bool hosts_of(struct look *l, struct slice host[CHECK_HOSTS_MAX], unsigned *n,
                     bool *secure)
{
    const struct dns_answer *a = check_ask(l, DNS_MX, l->domain);
    *n = 0;
    if (a == NULL || a->status == DNS_FAILED || a->status == DNS_NXDOMAIN) {
        return false;
    }
    *secure = a->secure;
    for (unsigned i = 0; i < a->n && *n < CHECK_HOSTS_MAX; i++) {
        if (a->record[i].name.len > 0) {
            host[(*n)++] = a->record[i].name;
        }
    }
    if (a->status == DNS_NODATA) {
        host[(*n)++] = l->domain;
    }
    return *n > 0;
}

/* --- DANE --- */

static const char *fault_of(struct slice tlsa)
{
    if (tlsa.len <= 3) {
        return "it is too short";
    }
    if (tlsa.ptr[0] < 2) {
        return "usages 0 and 1 (PKIX-TA, PKIX-EE) are not for SMTP";
    }
    return tls_client_usable(tlsa)
               ? NULL
               : "usage, selector, matching type or the length of its "
                 "data are of no use";
}

static void tell_tlsa(struct look *l, struct slice host, const struct dns_answer *a)
{
    unsigned usable = 0;
    for (unsigned i = 0; i < a->n; i++) {
        struct slice tlsa = a->record[i].data;
        const char *fault = fault_of(tlsa);
        usable += fault == NULL;
        check_say(l, fault == NULL ? GOOD : ERROR, "DANE", "", "%.*s: TLSA %u %u %u%s%s",
                  ARG(host), tlsa.len > 0 ? tlsa.ptr[0] : 0,
                  tlsa.len > 1 ? tlsa.ptr[1] : 0, tlsa.len > 2 ? tlsa.ptr[2] : 0,
                  fault == NULL ? "" : ": ", fault == NULL ? "" : fault);
    }
    if (usable == 0) {
        check_say(
            l, ERROR, "DANE", "",
            "%.*s: no TLSA record can be used: TLS is demanded, and nobody verified",
            ARG(host));
    }
}

/* Its usable TLSA records, for the probe. */
static unsigned look_at_dane(struct look *l, struct slice host, bool mx_secure,
                             struct slice usable[RECORDS_MAX])
{
    char name[NAME_ROOM];
    unsigned n = 0;
    const struct dns_answer *a = check_ask(l, DNS_TLSA, name_of(name, "_25._tcp.", host));
    const struct dns_answer *a4 = check_ask(l, DNS_A, host);
    const struct dns_answer *a6 = check_ask(l, DNS_AAAA, host);
    if (a == NULL || a4 == NULL || a6 == NULL) {
        return 0;
    }
    bool host_secure =
        (a4->n == 0 || a4->secure) && (a6->n == 0 || a6->secure) && a4->n + a6->n > 0;
    if (a->status == DNS_FAILED && mx_secure && host_secure) {
        check_say(
            l, ERROR, "DANE", "",
            "%.*s: its TLSA records cannot be asked for (%s): senders with DANE put "
            "mail off",
            ARG(host), a->why);
    }
    if (a->status != DNS_FOUND) {
        return 0;
    }
    tell_tlsa(l, host, a);
    if (!mx_secure || !host_secure || !a->secure) {
        check_say(l, WARNING, "DANE", "",
                  "%.*s: the TLSA records do not count: %s not DNSSEC-validated here",
                  ARG(host),
                  !mx_secure     ? "the MX record is"
                  : !host_secure ? "the host's address is"
                                 : "they are");
        return 0;
    }
    for (unsigned i = 0; i < a->n && n < RECORDS_MAX; i++) {
        if (tls_client_usable(a->record[i].data)) {
            usable[n++] = a->record[i].data;
        }
    }
    return n;
}

/* --- the hosts themselves --- */

static void look_at_host(struct look *l, unsigned number, struct slice host,
                         bool mx_secure)
{
    struct slice usable[RECORDS_MAX];
    unsigned n = look_at_dane(l, host, mx_secure, usable);
    const struct dns_answer *a4 = check_ask(l, DNS_A, host);
    const struct dns_answer *a6 = check_ask(l, DNS_AAAA, host);
    if (!l->connect || l->waits || a4 == NULL || a6 == NULL || a4->n + a6->n == 0) {
        return;
    }
    struct probe_result *r = &l->tls->probe[number];
    if (!l->tls->probed[number]) {
        struct probe p = {.config = l->tls->config,
                          .host = host,
                          .ip = a4->n > 0 ? a4->record[0].ip : a6->record[0].ip,
                          .port = (unsigned)l->tls->config->delivery_smtp_port,
                          .tlsa = usable,
                          .tlsa_n = n};
        check_probe(&p, r);
        l->tls->probed[number] = true;
    }
    check_say(l,
              r->verified || (r->handshake && n == 0) ? GOOD
              : r->connected                          ? ERROR
                                                      : WARNING,
              "TLS", "", "%.*s: %s", ARG(host), r->text);
    if (r->handshake && !r->verified && n == 0) {
        check_say(l, WARNING, "TLS", "",
                  "%.*s: its certificate proves nothing to who verifies it by name",
                  ARG(host));
    }
}

/* --- MTA-STS --- */

/* False: its host's addresses are not known yet. */
static bool fetch(struct look *l)
{
    char name[NAME_ROOM], domain[DNS_NAME_MAX + 1];
    struct check_tls *t = l->tls;
    struct policy_get get = {.domain = domain,
                             .port = (unsigned)t->config->delivery_mta_sts_port,
                             .time_ms = t->config->delivery_mta_sts_time};
    struct buf ca = {0};
    struct slice host = name_of(name, "mta-sts.", l->domain);
    const struct dns_answer *a[2] = {check_ask(l, DNS_A, host),
                                     check_ask(l, DNS_AAAA, host)};
    if (a[0] == NULL || a[1] == NULL || !slice_cstr(l->domain, domain, sizeof domain)) {
        return false;
    }
    for (unsigned k = 0; k < 2; k++) {
        for (unsigned i = 0; i < a[k]->n && get.ip_n < POLICY_GET_IPS_MAX; i++) {
            get.ip[get.ip_n++] = a[k]->record[i].ip;
        }
    }
    t->fetched = true;
    t->res = POLICY_GET_FAILED;
    if (get.ip_n == 0) {
        (void)snprintf(t->why, sizeof t->why, "%.150s has no address", name);
        return true;
    }
    if (!policy_get_setup() || !policy_get_ca(t->config->delivery_tls_ca, &ca)) {
        (void)snprintf(t->why, sizeof t->why, "there are no authorities to believe here");
        return true;
    }
    get.ca = buf_slice(&ca);
    t->res = policy_get(&get, &t->policy, t->why);
    buf_clear(&ca);
    return true;
}

static void compare_hosts(struct look *l, const struct sts_policy *p)
{
    struct slice host[CHECK_HOSTS_MAX], rest = p->text, mx;
    unsigned n = 0;
    bool secure = false;
    if (p->mode == STS_NONE || !hosts_of(l, host, &n, &secure)) {
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        if (!sts_policy_allows(p, host[i])) {
            check_say(l, p->mode == STS_ENFORCE ? ERROR : WARNING, "STS", "",
                      "the policy does not name the MX host %.*s: senders that keep to "
                      "it send it nothing",
                      ARG(host[i]));
        }
    }
    while (sts_policy_next_mx(&rest, &mx)) {
        bool used = false;
        for (unsigned i = 0; i < n; i++) {
            used = used || sts_mx_matches(mx, host[i]);
        }
        if (!used) {
            check_say(l, WARNING, "STS", "", "the policy names %.*s, which is no MX host",
                      ARG(mx));
        }
    }
}

static void tell_policy(struct look *l)
{
    struct sts_policy p;
    const struct check_tls *t = l->tls;
    if (t->res != POLICY_GET_OK) {
        check_say(
            l, ERROR, "STS", "",
            "the policy https://mta-sts.%.*s/.well-known/mta-sts.txt cannot be had: "
            "%s",
            ARG(l->domain), t->why);
        return;
    }
    const char *fault = sts_policy_parse(buf_slice(&t->policy), &p);
    if (fault != NULL) {
        check_say(l, ERROR, "STS", "", "the policy is none: %s", fault);
        return;
    }
    check_say(l, p.mode == STS_ENFORCE ? GOOD : WARNING, "STS", "",
              "policy: mode %s, %u MX patterns, for %u s%s", sts_mode_name(p.mode),
              p.mx_n, p.max_age_s,
              p.mode == STS_TESTING ? ": nobody is bound by it yet" : "");
    if (p.mode == STS_ENFORCE && p.max_age_s < WEEK_S) {
        check_say(l, WARNING, "STS", "",
                  "max_age is less than a week: who keeps the policy's host from senders "
                  "needs little patience%s",
                  p.max_age_s < DAY_S ? " (less than a day)" : "");
    }
    compare_hosts(l, &p);
}

static void look_at_sts(struct look *l)
{
    char name[NAME_ROOM], publish[CHECK_TEXT_MAX];
    struct sts_record record;
    const struct dns_answer *a =
        check_ask(l, DNS_TXT, name_of(name, "_mta-sts.", l->domain));
    (void)snprintf(publish, sizeof publish,
                   "%s. TXT \"v=STSv1; id=1\", and a policy at "
                   "https://mta-sts.%.*s/.well-known/mta-sts.txt",
                   name, ARG(l->domain));
    if (a == NULL) {
        return;
    }
    sts_record_find(a, &record);
    if (record.status == STS_RECORD_FAILED) {
        check_say(l, WARNING, "STS", "", "%s: the DNS does not answer now", name);
    } else if (record.fault != NULL) {
        check_say(l, ERROR, "STS", publish, "%s: it does not count: %s", name,
                  record.fault);
    } else if (record.status == STS_RECORD_NONE) {
        check_say(l, WARNING, "STS", publish,
                  "no MTA-STS: without DANE mail for here can be led astray or read on "
                  "its way");
    } else if (l->tls->fetched || (!l->waits && fetch(l))) {
        check_say(l, GOOD, "STS", "", "%s: id %.*s", name, ARG(record.id));
        tell_policy(l);
    }
}

/* --- reports --- */

static void look_at_reports(struct look *l)
{
    char name[NAME_ROOM], publish[CHECK_TEXT_MAX];
    struct slice rua = {0};
    const char *fault = NULL;
    const struct dns_answer *a =
        check_ask(l, DNS_TXT, name_of(name, "_smtp._tls.", l->domain));
    (void)snprintf(publish, sizeof publish,
                   "%s. TXT \"v=TLSRPTv1; rua=mailto:postmaster@%.*s\"", name,
                   ARG(l->domain));
    if (a == NULL) {
        return;
    }
    if (tls_rpt_find(a, &rua, &fault)) {
        check_say(l, GOOD, "TLSRPT", "", "reports go to %.*s", ARG(rua));
    } else if (a->status == DNS_FAILED) {
        check_say(l, WARNING, "TLSRPT", "", "%s: the DNS does not answer now", name);
    } else if (fault != NULL) {
        check_say(l, ERROR, "TLSRPT", publish, "%s: %s", name, fault);
    } else {
        check_say(l, WARNING, "TLSRPT", publish,
                  "nobody is told where TLS to here fails (no TLSRPT record)");
    }
}

void check_look_at_tls(struct look *l)
{
    struct slice host[CHECK_HOSTS_MAX];
    unsigned n = 0;
    bool secure = false;
    if (hosts_of(l, host, &n, &secure)) {
        for (unsigned i = 0; i < n; i++) {
            look_at_host(l, i, host[i], secure);
        }
    }
    look_at_sts(l);
    look_at_reports(l);
}
