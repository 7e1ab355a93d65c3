/* delivery/smart_secret.h - the passwords of smart hosts (config/smart_hosts.h), read before the role gives root up.
 *
 * File    its first line. Nobody but its owner may read it, and the owner is root or us: else it is not read.
 * I/O     open(), fstat(), read() in smart_secrets_new(); none later.
 * Own     the passwords live, and are wiped, with the set.
 * Errors  a password that cannot be had: smart_secret() says why, in words for people. The server runs
 *         without; mail for that host waits. */
#ifndef DELIVERY_SMART_SECRET_H
#define DELIVERY_SMART_SECRET_H
#include "config/smart_hosts.h"

enum { SMART_SECRET_MAX = 1000 };

struct smart_secrets;
/* NULL: no memory. */
MUST_USE struct smart_secrets *smart_secrets_new(const struct smart_hosts *hosts);
void smart_secrets_free(struct smart_secrets **s);

/* False: *why tells. */
MUST_USE bool smart_secret(const struct smart_secrets *s, const struct smart_host *host,
                           struct slice *out, const char **why);
#endif
