/* delivery/push_row.h - what a push account hears of a delivery that failed before anybody refused it:
 * a row of the catalogue (push-dns-error, push-dns-host-not-found, push-dns-no-data,
 * push-connect-unreachable, push-peer-closed), on one line as any other reply (pure). */
#ifndef DELIVERY_PUSH_ROW_H
#define DELIVERY_PUSH_ROW_H
#include "delivery/outcome.h"
#include "reply/reply.h"

/* empty: not said. */
struct push_row {
    enum reply_id id;
    enum reply_profile profile;
    struct slice rcpt, domain, remote, what;
    uint64_t session;
};
/* The outcome of a target that has none yet; failed or deferred as the row's code says. */
void push_row_set(struct outcome *o, const struct push_row *row);
#endif
