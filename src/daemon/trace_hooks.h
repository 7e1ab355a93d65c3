/* daemon/trace_hooks.h - inside of the trace role: events of accounts are posted to their webhooks.
 *
 * Request  POST {"account": ..., "events": [...]} (trace/event.h), signed: "Postern-Signature: t=T,v1=H", H being
 *          HMAC-SHA-256 in hex, under the webhook's secret, of T (s since 1970), a point and the body.
 * Order    a webhook has one request under way. What is not answered 2yz in webhook.time is posted again,
 *          after 1 s, 2 s, 4 s ... up to an hour, as long as the trace keeps it; what follows waits. So the
 *          events of a message come in their order, each at least once.
 * Place    how far a webhook is, is on the disk before what follows is posted (trace/hooks.h).
 * DNS      by our own resolver; no proxy, no redirect.
 * Threads  one a request, webhook.connections of them; all else happens on the loop. */
#ifndef DAEMON_TRACE_HOOKS_H
#define DAEMON_TRACE_HOOKS_H
#include "proc/role.h"

struct trace_hooks;

/* Before root is given up. *out stays NULL where webhook.ports is empty. NULL: fine; else what is wrong. */
const char *trace_hooks_prepare(struct role_ctx *ctx, struct trace_hooks **out);
/* Where state-dir is as the role sees it, trace.db open, its sandbox not closed yet. */
const char *trace_hooks_open(struct trace_hooks *t);
void trace_hooks_start(struct trace_hooks *t);
/* Nothing new is posted. True: nothing is under way either. */
MUST_USE bool trace_hooks_stop(struct trace_hooks *t);
/* The role ends: what is still under way is posted again by the next one. */
void trace_hooks_end(struct trace_hooks *t);
#endif
