/* config/smart_hosts.h - mail that goes by way of another server instead of its domain's: the file
 * delivery.smart-hosts.
 *
 * Lines   host NAME ADDRESS PORT TLS [login USER FILE [scram]]
 *             TLS is one of: never, may (where it is offered), must, verify (must, with a certificate for the name
 *             ADDRESS), implicit, implicit-verify (the same from the first octet). USER logs in with
 *             the password that is the first line of FILE; only under TLS that is a must. scram: by SCRAM-SHA-256 alone;
 *             else by that first, and by PLAIN or LOGIN where it is not offered or refused.
 *         via NAME domain DOMAIN...    recipients there, ".example.org": in all domains below
 *         via NAME account NAME...     mail of these: a login, a relay customer, a sender
 *         via NAME default             all other
 *             NAME "direct": to the domain's own servers
 * Rule    the recipient's domain, the nearest of those that it is below, the account, default; else direct.
 * Pure    passwords are not read here (delivery/smart_secret.h).
 * Own     smart_hosts_read() allocates, smart_hosts_free() frees.
 * Errors  NULL: error says which line and what is wrong.
 * Limits  SMART_HOSTS_MAX hosts. */
#ifndef CONFIG_SMART_HOSTS_H
#define CONFIG_SMART_HOSTS_H
#include "config/words.h"

enum {
    SMART_HOSTS_MAX = 100, /* their ports must fit into proc/landlock.h's */
    SMART_NAME_MAX = 63,
    SMART_ADDRESS_MAX = 253,
    SMART_USER_MAX = 255,
    SMART_PATH_MAX = 4000,
};

/* clang-format off */
#define SMART_TLS(X) \
    X(never, "never") X(may, "may") X(must, "must") X(verify, "verify") \
    X(implicit, "implicit") X(implicit_verify, "implicit-verify")
#define X(id, word) SMART_TLS_##id,
enum smart_tls { SMART_TLS(X) SMART_TLS_COUNT };
#undef X
/* clang-format on */

struct smart_host {
    unsigned number; /* 0 .. smart_hosts_n() - 1 */
    char name[SMART_NAME_MAX + 1], address[SMART_ADDRESS_MAX + 1];
    uint16_t port;
    enum smart_tls tls;
    char user[SMART_USER_MAX + 1]; /* "": no login */
    char secret[SMART_PATH_MAX + 1];
    bool scram;
};

struct smart_hosts;
MUST_USE struct smart_hosts *smart_hosts_read(struct slice text,
                                              char error[WORDS_ERROR_MAX]);
void smart_hosts_free(struct smart_hosts **s);

MUST_USE unsigned smart_hosts_n(const struct smart_hosts *s);
MUST_USE const struct smart_host *smart_hosts_at(const struct smart_hosts *s,
                                                 unsigned number);
/* NULL: direct. Both in any case. */
MUST_USE const struct smart_host *
smart_hosts_find(const struct smart_hosts *s, struct slice domain, struct slice account);
#endif
