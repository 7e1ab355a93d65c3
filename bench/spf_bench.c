/* spf_bench - SPF and DMARC evaluations a second on one core, with all DNS answers cached.
 *
 *     spf_bench [SECONDS]
 *
 * The answers come out of a hash map by type and name, as the resolver's cache hands them out. CPU
 * time counts, so that other work on the machine does not. Records are of the sizes seen in the
 * wild: the common case has two includes. */
#include "senderauth/dmarc.h"
#include "senderauth/fake_dns.h"
#include "senderauth/spf.h"
#include "senderauth/spf_survey.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char zone[] =
    "example.com TXT v=spf1 include:_spf.mail.example include:spf.crm.example "
    "ip4:198.51.100.7 -all\n"
    "_spf.mail.example TXT v=spf1 ip4:35.190.247.0/24 ip4:64.233.160.0/19 "
    "ip4:66.102.0.0/20 "
    "ip4:66.249.80.0/20 ip4:72.14.192.0/18 ip4:74.125.0.0/16 ip4:108.177.8.0/21 "
    "ip4:173.194.0.0/16 ip4:209.85.128.0/17 ip4:216.58.192.0/19 ip4:216.239.32.0/19 "
    "~all\n"
    "spf.crm.example TXT v=spf1 ip4:167.89.0.0/17 ip4:208.117.48.0/20 ip4:50.31.32.0/19 "
    "ip4:198.37.144.0/20 ip4:192.0.2.0/24 ~all\n"
    "plain.example TXT v=spf1 ip4:192.0.2.0/24 -all\n"
    "hosts.example TXT v=spf1 a mx a:mail.hosts.example include:spf.crm.example ~all\n"
    "hosts.example A 203.0.113.1\nhosts.example MX mx1.hosts.example\n"
    "hosts.example MX mx2.hosts.example\nmx1.hosts.example A 203.0.113.2\n"
    "mx2.hosts.example A 203.0.113.3\nmail.hosts.example A 203.0.113.4\n"
    "macro.example TXT v=spf1 exists:%{ir}.%{l1r-}.%{d}._spf.%{d2} -all\n"
    "_dmarc.example.com TXT v=DMARC1; p=reject; rua=mailto:dmarc@example.com\n";

static struct fake_dns dns;

static double cpu_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool spf_once(const char *mail_from)
{
    struct spf spf;
    struct spf_query q = {.helo = SLICE("mail.example.com"),
                          .mail_from = slice_of(mail_from)};
    return ip_parse(SLICE("192.0.2.77"), &q.ip) && spf_check(&dns.source, &q, &spf) &&
           spf.result != SPF_PERMERROR && spf.result != SPF_TEMPERROR;
}

static bool dmarc_once(const char *author)
{
    struct dmarc dmarc;
    struct dmarc_identifier dkim = {SLICE("mail.example.com"), DMARC_SAID_PASS};
    struct dmarc_query q = {
        .author = slice_of(author),
        .spf = {SLICE("example.com"), DMARC_SAID_PASS},
        .dkim = &dkim,
        .dkim_n = 1,
    };
    return dmarc_check(&dns.source, &q, &dmarc) && dmarc.result == DMARC_PASS;
}

static bool survey_once(const char *domain)
{
    static struct spf_survey survey;
    return spf_survey(&dns.source, slice_of(domain), &spf_survey_defaults, &survey);
}

static const struct {
    const char *what, *argument;
    bool (*once)(const char *argument);
} rows[] = {
    {"SPF, one ip4", "ann@plain.example", spf_once},
    {"SPF, two includes", "ann@example.com", spf_once},
    {"SPF, a mx a include", "ann@hosts.example", spf_once},
    {"SPF, exists with macros", "ann-x@macro.example", spf_once},
    {"DMARC, 3 labels", "www.example.com", dmarc_once},
    {"survey, two includes", "example.com", survey_once},
};

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;
    enum { STEP = 1000 };
    fake_dns_init(&dns, slice_of(zone));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double start = cpu_s(), took = 0;
        unsigned long n = 0;
        for (; took < seconds; took = cpu_s() - start, n += STEP) {
            for (unsigned j = 0; j < STEP; j++) {
                if (!rows[i].once(rows[i].argument)) {
                    fprintf(stderr, "spf_bench: %s went wrong\n", rows[i].what);
                    return 1;
                }
            }
        }
        printf("%-24s %9.0f a second, %5.2f us\n", rows[i].what, (double)n / took,
               took * 1e6 / (double)n);
    }
    fake_dns_clear(&dns);
    return 0;
}
