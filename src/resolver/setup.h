/* resolver/setup.h - libunbound, set up by the configuration. For resolver.c alone. */
#ifndef RESOLVER_SETUP_H
#define RESOLVER_SETUP_H
#include "resolver/resolver.h"

struct ub_ctx;

/* All files are read and all that is slow is done when this returns. NULL: error says why. */
MUST_USE struct ub_ctx *unbound_new(struct event_base *base, const struct config *config,
                                    char error[RESOLVER_ERROR_MAX]);

enum { UNBOUND_NAME_MAX = 4 * DNS_NAME_MAX + 2 };
/* A name as libunbound takes it: a dot at the end, octets that mean something escaped. */
void unbound_name(struct slice name, char out[UNBOUND_NAME_MAX]);
#endif
