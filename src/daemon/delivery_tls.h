/* daemon/delivery_tls.h - MTA-STS policies and counts for TLS reports in the delivery role: files, threads,
 * timers around delivery/sts.h and delivery/tls_count.h. */
#ifndef DAEMON_DELIVERY_TLS_H
#define DAEMON_DELIVERY_TLS_H
#include "delivery/sts.h"

struct event_base;
struct delivery_tls;

enum { DELIVERY_TLS_ERROR_MAX = 512 };

/* Before root is given up: opens STATE_TLS, reads the authorities. NULL: error says why. */
MUST_USE struct delivery_tls *delivery_tls_new(const struct config *config,
                                               char error[DELIVERY_TLS_ERROR_MAX]);
/* When the role is bound: threads and timers. config: as the role sees it. */
MUST_USE bool delivery_tls_start(struct delivery_tls *t, const struct config *config,
                                 struct event_base *base);
MUST_USE struct sts *delivery_tls_sts(const struct delivery_tls *t); /* NULL: off */
MUST_USE struct tls_counts *delivery_tls_counts(const struct delivery_tls *t);
/* Before the role ends. */
void delivery_tls_flush(struct delivery_tls *t);
#endif
