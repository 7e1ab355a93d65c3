/* cmd/check_look.h - what postern check looks at, between its files. */
#ifndef CMD_CHECK_LOOK_H
#define CMD_CHECK_LOOK_H
#include "config/config.h"
#include "dns/answer.h"
#include "senderauth/spf_survey.h"

enum severity { GOOD = 0, WARNING, ERROR };

enum { SELECTORS_MAX = 16, CHECK_TEXT_MAX = 1024, CHECK_HOSTS_MAX = 10 };

struct check_tls;

struct look {
    const char *given, *ip;
    const char *selector[SELECTORS_MAX];
    unsigned selector_n;
    bool own_keys; /* they are those of this server's keys */
    bool json;
    unsigned char octets[DNS_NAME_MAX];
    struct slice domain;
    struct ip address;
    const struct dns_source *dns;
    bool waits;
    enum severity worst;
    bool any;
    struct buf out;
    struct spf_survey survey; /* large */
    bool connect;             /* --connect: its MX hosts are asked, too */
    struct check_tls *tls;    /* what was fetched and asked, once */
};

#define ARG(s) (int)(s).len, (const char *)(s).ptr

/* --- check.c --- */

/* publish: the record to have instead; "" none. */
void check_find(struct look *l, enum severity severity, const char *topic,
                struct slice text, struct slice publish);
/* The same; the text by printf(). */
void check_say(struct look *l, enum severity severity, const char *topic,
               const char *publish, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* NULL: not known yet; it is looked again from the start when it is. */
MUST_USE const struct dns_answer *check_ask(struct look *l, enum dns_type type,
                                            struct slice name);

/* --- check_tls.c: MTA-STS, DANE, TLS reports --- */

/* I/O     the policy is fetched by HTTPS, and with --connect each MX host asked for STARTTLS, both once
 *         and when all answers of the DNS that they need are there. NULL: no memory. */
MUST_USE struct check_tls *check_tls_new(const struct config *config);
void check_tls_free(struct check_tls **t);
void check_look_at_tls(struct look *l);

/* --- check_probe.c --- */

/* What a host says to STARTTLS. */
struct probe {
    const struct config *config;
    struct slice host;
    struct ip ip;
    unsigned port;
    const struct slice *tlsa; /* usable ones */
    unsigned tlsa_n;
};
struct probe_result {
    bool connected, offered, handshake;
    bool verified;  /* by its TLSA records where there are some, else by its name */
    char text[300]; /* "TLSv1.3", or what went wrong */
};
/* Blocks; PROBE_TIME_MS a step at most. No mail is begun. */
void check_probe(const struct probe *p, struct probe_result *out);
#endif
