/* cmd/check.c - postern check: what a strict receiver sees of a domain in the DNS, what is wrong with it
 * and what to publish instead. It looks from its start whenever an answer came, until it lacks
 * none. */
#include "base/json.h"
#include "cmd/check_look.h"
#include "cmd/cmd.h"
#include "cmd/dns_wait.h"
#include "config/paths.h"
#include "directory/name.h"
#include "senderauth/dkim_key.h"
#include "senderauth/dmarc.h"
#include "senderauth/domain.h"
#include "senderauth/ptr.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SAY "DOMAIN [--ip IP] [--selector NAME ...] [--connect] [--json]"

enum {
    KEY_BITS_USUAL = 2048,
    TEXT_MAX = CHECK_TEXT_MAX,
    OUTPUT_MAX = 4 * 1024 * 1024,
};

static const char *parse(int argc, char **argv, struct look *l)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            l->json = true;
        } else if (strcmp(argv[i], "--connect") == 0) {
            l->connect = true;
        } else if (strcmp(argv[i], "--ip") == 0 && i + 1 < argc) {
            l->ip = argv[++i];
        } else if (strcmp(argv[i], "--selector") == 0 && i + 1 < argc &&
                   l->selector_n < SELECTORS_MAX) {
            l->selector[l->selector_n++] = argv[++i];
        } else if (l->given == NULL && argv[i][0] != '-') {
            l->given = argv[i];
        } else {
            bool valued =
                strcmp(argv[i], "--ip") == 0 || strcmp(argv[i], "--selector") == 0;
            static char wrong[200];
            (void)snprintf(wrong, sizeof wrong, "%s '%.100s'",
                           valued && i + 1 < argc ? "there are too many of"
                           : valued               ? "a value is missing after"
                           : argv[i][0] == '-'    ? "there is no option"
                                                  : "one domain at a time, not also",
                           argv[i]);
            return wrong;
        }
    }
    size_t len = 0;
    struct dir_name name;
    if (l->given == NULL || dir_name_domain(l->given, &name) != NULL ||
        !domain_take(slice_of(l->given), l->octets, &len)) {
        return l->given == NULL ? "which domain?"
                                : "that is no domain name; one looks like example.org, "
                                  "without https:// or ann@";
    }
    l->domain = (struct slice){l->octets, len};
    return l->ip != NULL && !ip_parse(slice_of(l->ip), &l->address)
               ? "--ip wants an address such as 192.0.2.1 or 2001:db8::1"
               : NULL;
}

/* --- telling --- */

static void add_member(struct look *l, const char *name, struct slice value)
{
    (void)buf_add_fmt(&l->out, "\"%s\":", name);
    (void)json_add_string(&l->out, value);
}

/* With its quotes as they are, for it shall be copied; nothing else of a DNS record may reach the
 * terminal. */
static void put(struct look *l, struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '"') {
            (void)buf_add_byte(&l->out, '"');
        } else {
            (void)buf_add_escaped(&l->out, slice_sub(s, i, 1));
        }
    }
}

static const char *const severities[] = {"ok", "warning", "error"};

void check_find(struct look *l, enum severity severity, const char *topic,
                struct slice text, struct slice publish)
{
    l->worst = severity > l->worst ? severity : l->worst;
    if (l->json) {
        (void)buf_add_str(&l->out, l->any ? ",{" : "{");
        add_member(l, "severity", slice_of(severities[severity]));
        (void)buf_add_byte(&l->out, ',');
        add_member(l, "topic", slice_of(topic));
        (void)buf_add_byte(&l->out, ',');
        add_member(l, "text", text);
        (void)buf_add_byte(&l->out, ',');
        add_member(l, "publish", publish);
        (void)buf_add_byte(&l->out, '}');
    } else {
        (void)buf_add_fmt(&l->out, "%-8s %-6s ", severities[severity], topic);
        put(l, text);
        if (publish.len > 0) {
            (void)buf_add_fmt(&l->out, "\n%15s publish: ", "");
            put(l, publish);
        }
        (void)buf_add_byte(&l->out, '\n');
    }
    l->any = true;
}

static void find_str(struct look *l, enum severity severity, const char *topic,
                     const char *text, const char *publish)
{
    check_find(l, severity, topic, slice_of(text), slice_of(publish));
}

void check_say(struct look *l, enum severity severity, const char *topic,
               const char *publish, const char *fmt, ...)
{
    char text[TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    check_find(l, severity, topic, slice_of(text), slice_of(publish));
}

const struct dns_answer *check_ask(struct look *l, enum dns_type type, struct slice name)
{
    const struct dns_answer *a = l->dns->ask(l->dns->arg, type, name);
    l->waits |= a == NULL;
    return a;
}

/* --- MX --- */

/* NULL while it waits, and where there is none. */
static const struct dns_answer *address_of(struct look *l, struct slice host,
                                           bool *failed)
{
    const struct dns_answer *a4 = check_ask(l, DNS_A, host);
    const struct dns_answer *a6 = check_ask(l, DNS_AAAA, host);
    if (a4 == NULL || a6 == NULL) {
        return NULL;
    }
    *failed = a4->status == DNS_FAILED || a6->status == DNS_FAILED;
    return a4->n > 0 ? a4 : a6->n > 0 ? a6 : NULL;
}

static void look_at_host(struct look *l, const struct dns_record *mx)
{
    char text[TEXT_MAX], ip[IP_TEXT_MAX];
    bool failed = false;
    const struct dns_answer *a = address_of(l, mx->name, &failed);
    if (a != NULL) {
        (void)snprintf(text, sizeof text, "%u %.*s (%s)", mx->preference, ARG(mx->name),
                       (const char *)ip_text(&a->record[0].ip, ip).ptr);
        find_str(l, GOOD, "MX", text, "");
        return;
    }
    (void)snprintf(text, sizeof text, "%u %.*s: %s", mx->preference, ARG(mx->name),
                   failed ? "its address cannot be found out now" : "it has no address");
    find_str(l, failed ? WARNING : ERROR, "MX", text, "");
}

static void look_at_mx(struct look *l)
{
    char publish[TEXT_MAX];
    bool failed = false;
    const struct dns_answer *a = check_ask(l, DNS_MX, l->domain);
    const struct dns_answer *own = address_of(l, l->domain, &failed);
    (void)snprintf(publish, sizeof publish, "%.*s. MX 10 mail.%.*s.", ARG(l->domain),
                   ARG(l->domain));
    if (a == NULL) {
        return;
    }
    if (a->status == DNS_FAILED) {
        find_str(l, WARNING, "MX", "the DNS does not answer now", "");
    } else if (a->status == DNS_NXDOMAIN) {
        find_str(l, ERROR, "MX", "the domain does not exist", publish);
    } else if (a->n == 0 && own == NULL) {
        find_str(
            l, ERROR, "MX",
            "there is neither an MX record nor an address: mail from here is refused "
            "as it cannot be answered",
            publish);
    } else if (a->n == 0) {
        find_str(l, WARNING, "MX", "there is no MX record, only an address", publish);
    } else if (a->n == 1 && a->record[0].name.len == 0) {
        find_str(l, WARNING, "MX", "a null MX: the domain takes no mail, nor bounces",
                 "");
    }
    for (unsigned i = 0; i < a->n && i < CHECK_HOSTS_MAX && a->record[i].name.len > 0;
         i++) {
        look_at_host(l, &a->record[i]);
    }
}

/* --- PTR --- */

static void look_at_ptr(struct look *l)
{
    char text[TEXT_MAX], publish[TEXT_MAX], reverse[DNS_REVERSE_MAX];
    struct ptr ptr;
    if (l->ip == NULL) {
        return;
    }
    if (!ptr_check(l->dns, &l->address, &ptr)) {
        l->waits = true;
        return;
    }
    struct slice at = dns_reverse_name(&l->address, reverse);
    switch (ptr.result) {
    case PTR_PASS:
        (void)snprintf(text, sizeof text, "%s is %.*s, and back", l->ip, ARG(ptr.name));
        find_str(l, GOOD, "PTR", text, "");
        break;
    case PTR_NONE:
        (void)snprintf(text, sizeof text, "%s has no name", l->ip);
        (void)snprintf(publish, sizeof publish, "%.*s. PTR mail.%.*s.", ARG(at),
                       ARG(l->domain));
        find_str(l, ERROR, "PTR", text, publish);
        break;
    case PTR_MISMATCH:
        (void)snprintf(text, sizeof text, "%s is %.*s, which does not lead back to it",
                       l->ip, ARG(ptr.name));
        (void)snprintf(publish, sizeof publish, "%.*s. %s %s", ARG(ptr.name),
                       ip_is_v4(&l->address) ? "A" : "AAAA", l->ip);
        find_str(l, ERROR, "PTR", text, publish);
        break;
    case PTR_TEMPERROR:
        (void)snprintf(text, sizeof text, "unknown: %s", ptr.why);
        find_str(l, WARNING, "PTR", text, "");
        break;
    }
}

/* --- SPF --- */

/* The record with this address, too. */
static void with_address(const struct look *l, struct slice record, char out[TEXT_MAX])
{
    struct slice version = SLICE("v=spf1");
    const char *kind = ip_is_v4(&l->address) ? "ip4" : "ip6";
    (void)snprintf(out, TEXT_MAX, "%.*s. TXT \"v=spf1 %s:%s%.*s\"", ARG(l->domain), kind,
                   l->ip, ARG(slice_from(record, version.len)));
}

static void look_at_sender(struct look *l)
{
    char text[TEXT_MAX], publish[TEXT_MAX] = "", from[DNS_NAME_MAX + 16];
    struct spf spf;
    (void)snprintf(from, sizeof from, "postmaster@%.*s", ARG(l->domain));
    struct spf_query q = {
        .ip = l->address, .helo = l->domain, .mail_from = slice_of(from)};
    if (!spf_check(l->dns, &q, &spf)) {
        l->waits = true;
        return;
    }
    (void)snprintf(text, sizeof text, "%s: %s%s%.*s%s%s", l->ip,
                   spf_result_name(spf.result), spf.term.len > 0 ? " by " : "",
                   ARG(spf.term), spf.problem != NULL ? ": " : "",
                   spf.problem != NULL ? spf.problem : "");
    bool pass = spf.result == SPF_PASS;
    if (!pass && spf.result != SPF_TEMPERROR && spf.result != SPF_PERMERROR) {
        with_address(l, spf.record, publish);
    }
    find_str(l,
             pass                          ? GOOD
             : spf.result == SPF_TEMPERROR ? WARNING
                                           : ERROR,
             "SPF", text, publish);
}

/* "+all" of the domain's own record: the same with "-all". */
static void without_all(const struct look *l, const struct spf_found *found,
                        char out[TEXT_MAX])
{
    struct slice record = l->survey.step[0].record;
    size_t kept = record.len - (found->term.len < record.len ? found->term.len : 0);
    out[0] = '\0';
    if (found->finding == SPF_FINDS_ALL && slice_ieq(found->domain, l->domain) &&
        found->term.len > 0 && slice_eq(slice_from(record, kept), found->term)) {
        (void)snprintf(out, TEXT_MAX, "%.*s. TXT \"%.*s-all\"", ARG(l->domain), (int)kept,
                       (const char *)record.ptr);
    }
}

static void tell_survey(struct look *l)
{
    char text[TEXT_MAX];
    const struct spf_survey *s = &l->survey;
    for (unsigned i = 0; i < s->found_n; i++) {
        enum spf_finding f = s->found[i].finding;
        struct buf b;
        buf_init(&b, TEXT_MAX);
        (void)spf_found_text(&s->found[i], &b);
        without_all(l, &s->found[i], text);
        check_find(l, f == SPF_FINDS_PTR || f == SPF_FINDS_CLOUD ? WARNING : ERROR, "SPF",
                   buf_slice(&b), slice_of(text));
        buf_clear(&b);
    }
    (void)snprintf(text, sizeof text,
                   "%llu IPv4 addresses may send; %u of 10 terms ask the DNS%s%.*s",
                   (unsigned long long)s->addresses4, s->terms,
                   s->step_n > 0 ? "; record: " : "",
                   s->step_n > 0 ? (int)s->step[0].record.len : 0,
                   s->step_n > 0 ? (const char *)s->step[0].record.ptr : "");
    find_str(l, GOOD, "SPF", text, "");
    if (s->failed) {
        find_str(l, WARNING, "SPF", "the DNS does not answer now: more may be wrong", "");
    }
}

static void look_at_spf(struct look *l)
{
    char publish[TEXT_MAX];
    if (!spf_survey(l->dns, l->domain, &spf_survey_defaults, &l->survey)) {
        l->waits = true;
        return;
    }
    if (l->survey.none && !l->survey.failed) {
        bool v4 = l->ip != NULL && ip_is_v4(&l->address);
        (void)snprintf(publish, sizeof publish, "%.*s. TXT \"v=spf1 mx%s%s -all\"",
                       ARG(l->domain),
                       l->ip == NULL ? ""
                       : v4          ? " ip4:"
                                     : " ip6:",
                       l->ip == NULL ? "" : l->ip);
        find_str(l, ERROR, "SPF", "there is no SPF record", publish);
        return;
    }
    tell_survey(l);
    if (l->ip != NULL) {
        look_at_sender(l);
    }
}

/* --- DKIM --- */

static void look_at_key(struct look *l, const char *name, struct slice record,
                        const char *publish)
{
    char text[2 * TEXT_MAX];
    struct dkim_key_need need = {.kind = CRYPTO_RSA};
    struct dkim_key key = {0};
    struct slice detail = {0};
    struct buf octets;
    buf_init(&octets, 16 * TEXT_MAX);
    enum dkim_reason reason = dkim_key_parse(record, &need, &octets, &key, &detail);
    if (reason == DKIM_REASON_KEY_KIND) {
        need.kind = CRYPTO_ED25519;
        buf_reset(&octets);
        reason = dkim_key_parse(record, &need, &octets, &key, &detail);
    }
    bool rsa = need.kind == CRYPTO_RSA;
    if (reason != DKIM_REASON_NONE) {
        (void)snprintf(text, sizeof text, "%s: no key to verify with (%s%s%.*s)", name,
                       dkim_reason_rows[reason].id, detail.len > 0 ? ": " : "",
                       ARG(detail));
        find_str(l, ERROR, "DKIM", text, publish);
    } else {
        bool small = rsa && key.bits < KEY_BITS_USUAL;
        (void)snprintf(text, sizeof text, "%s: %s%s", name,
                       rsa ? (small ? "RSA, less than 2048 bits" : "RSA") : "Ed25519",
                       key.testing ? "; t=y: the domain only tries DKIM out" : "");
        find_str(l, small || key.testing ? WARNING : GOOD, "DKIM", text,
                 small ? publish : "");
    }
    buf_clear(&octets);
}

static void look_at_selector(struct look *l, const char *selector)
{
    char name[TEXT_MAX], text[2 * TEXT_MAX], publish[2 * TEXT_MAX];
    (void)snprintf(name, sizeof name, "%s._domainkey.%.*s", selector, ARG(l->domain));
    if (l->own_keys) {
        (void)snprintf(publish, sizeof publish,
                       "what postern domain key show %.*s prints", ARG(l->domain));
    } else {
        (void)snprintf(publish, sizeof publish,
                       "%s. TXT \"v=DKIM1; k=rsa; p=PUBLIC-KEY\", of 2048 bits", name);
    }
    const struct dns_answer *a = check_ask(l, DNS_TXT, slice_of(name));
    if (a == NULL) {
        return;
    }
    if (a->status == DNS_FAILED) {
        (void)snprintf(text, sizeof text, "%s: the DNS does not answer now", name);
        find_str(l, WARNING, "DKIM", text, "");
    } else if (a->n == 0) {
        (void)snprintf(text, sizeof text, "%s: there is no such record", name);
        find_str(l, ERROR, "DKIM", text, publish);
    }
    for (unsigned i = 0; i < a->n; i++) {
        look_at_key(l, name, a->record[i].text, publish);
    }
}

/* Where --selector names none: those of the keys that this server signs with, as far as this user may
 * see them. */
static void take_own_selectors(struct look *l, const struct config *config)
{
    static char names[SELECTORS_MAX][256];
    char path[TEXT_MAX];
    (void)snprintf(path, sizeof path, "%s/" STATE_DKIM "/%.*s", config->state_dir,
                   ARG(l->domain));
    DIR *dir = l->selector_n > 0 ? NULL : opendir(path);
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        size_t len = strlen(e->d_name);
        if (e->d_name[0] != '.' && len > 4 && strcmp(e->d_name + len - 4, ".pem") == 0 &&
            l->selector_n < SELECTORS_MAX) {
            e->d_name[len - 4] = '\0';
            (void)snprintf(names[l->selector_n], sizeof names[0], "%s", e->d_name);
            l->selector[l->selector_n] = names[l->selector_n];
            l->selector_n++;
            l->own_keys = true;
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
}

static void look_at_dkim(struct look *l)
{
    for (unsigned i = 0; i < l->selector_n; i++) {
        look_at_selector(l, l->selector[i]);
    }
    if (l->selector_n == 0) {
        find_str(
            l, WARNING, "DKIM",
            "not looked at: the DNS does not list selectors; say which with --selector",
            "");
    }
}

/* --- DMARC --- */

static void look_at_record(struct look *l, const struct dmarc_step *step,
                           const char *publish)
{
    char text[2 * TEXT_MAX];
    const struct dmarc_record *r = &step->record;
    bool own = slice_ieq(step->domain, l->domain);
    enum dmarc_policy policy = own ? r->p : r->sp;
    if (!r->usable) {
        (void)snprintf(text, sizeof text, "_dmarc.%.*s: no policy: %s", ARG(step->domain),
                       r->fault == NULL ? "" : r->fault);
        find_str(l, ERROR, "DMARC", text, publish);
        return;
    }
    (void)snprintf(text, sizeof text, "_dmarc.%.*s: %s", ARG(step->domain),
                   policy == DMARC_P_NONE
                       ? "p=none: nothing is refused that only claims to come from here"
                       : dmarc_policy_name(policy));
    find_str(l, policy == DMARC_P_NONE ? WARNING : GOOD, "DMARC", text, "");
    if (r->fault != NULL) {
        find_str(l, WARNING, "DMARC", r->fault, "");
    }
    if (r->testing) {
        find_str(l, WARNING, "DMARC", "t=y: the policy counts one step less", "");
    }
    if (r->rua.len == 0) {
        find_str(l, WARNING, "DMARC", "nobody gets reports (rua=)", "");
    }
}

static void look_at_dmarc(struct look *l)
{
    char publish[TEXT_MAX];
    struct dmarc_walk walk;
    (void)snprintf(publish, sizeof publish,
                   "_dmarc.%.*s. TXT \"v=DMARC1; p=none; rua=mailto:postmaster@%.*s\"",
                   ARG(l->domain), ARG(l->domain));
    if (!dmarc_walk(l->dns, l->domain, &walk)) {
        l->waits = true;
        return;
    }
    const struct dmarc_step *step = walk.n > 0 && walk.step[0].records == 1
                                        ? &walk.step[0]
                                    : walk.org_record != NULL ? walk.org_record
                                                              : walk.psd_record;
    if (walk.n > 0 && walk.step[0].records > 1) {
        find_str(l, ERROR, "DMARC",
                 "there are several DMARC records, which count as none", publish);
    } else if (step != NULL) {
        look_at_record(l, step, publish);
    } else if (walk.failed) {
        find_str(l, WARNING, "DMARC", "the DNS does not answer now", "");
    } else {
        find_str(l, ERROR, "DMARC", "there is no DMARC record: bulk mail is refused",
                 publish);
    }
}

/* --- all --- */

static void look(struct look *l)
{
    l->waits = l->any = false;
    l->worst = GOOD;
    buf_reset(&l->out);
    if (l->json) {
        (void)buf_add_byte(&l->out, '{');
        add_member(l, "domain", l->domain);
        (void)buf_add_str(&l->out, ",\"findings\":[");
    }
    look_at_mx(l);
    look_at_ptr(l);
    look_at_spf(l);
    look_at_dkim(l);
    look_at_dmarc(l);
    check_look_at_tls(l);
    (void)buf_add_str(&l->out, l->json ? "]}\n" : "");
}

int cmd_check(struct cmd_ctx *ctx, int argc, char **argv)
{
    static struct look l;
    const char *wrong = parse(argc, argv, &l);
    if (wrong != NULL) {
        return cmd_usage("check", wrong, SAY);
    }
    struct config *config = cmd_config(ctx);
    if (config == NULL) {
        return EXIT_CONFIG;
    }
    take_own_selectors(&l, config);
    struct dns_wait *dns = dns_wait_new(config);
    l.tls = check_tls_new(config);
    if (dns == NULL || l.tls == NULL) {
        dns_wait_free(&dns);
        check_tls_free(&l.tls);
        config_free(&config);
        return EXIT_SYSTEM;
    }
    l.dns = dns_wait_source(dns);
    buf_init(&l.out, OUTPUT_MAX);
    for (look(&l); l.waits; look(&l)) { /* ends by the budget of the DNS */
        dns_wait_news(dns);
    }
    (void)fwrite(l.out.ptr, 1, l.out.len, stdout);
    buf_clear(&l.out);
    dns_wait_free(&dns);
    check_tls_free(&l.tls);
    config_free(&config);
    return l.worst == ERROR ? EXIT_NO : EXIT_OK;
}
