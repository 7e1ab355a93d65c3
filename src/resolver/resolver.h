/* resolver/resolver.h - DNS on the event loop of a role: questions out, answers as values in.
 *
 * One resolver a process, with its cache; one scope for whoever evaluates together (a
 * session, a transaction). A scope is a dns_source: what it was asked it asks once, and the
 * answer it gives stays the same until the scope ends.
 * Source  libunbound does the work (RFC 1035, 4035 ...); answers are read by dns/decode.h and kept, as
 *         values, for their TTL in a cache of our own, so that an answer known costs a look-up.
 * I/O     UDP and TCP to the servers of the configuration, on the base handed in. Files (resolv.conf, trust
 *         anchors) are read by resolver_new() alone, so that it may be called before a sandbox closes.
 * Time    a question has dns.timeout; all of a scope's together dns.budget, which runs while one of
 *         them is open. What is late is DNS_FAILED "timeout", and the question goes on for the
 *         cache's sake. So no scope waits longer than its budget, whatever servers do.
 * Limits  dns.questions a scope, RESOLVER_OPEN_MAX a process: beyond it DNS_FAILED, at once.
 *         dns.cache-size.
 * Own     scopes belong to their makers and end before their resolver. Answers belong to the scope.
 * Errors  resolver_new(): false with the reason in `error`. A scope never fails: its answers do. */
#ifndef RESOLVER_RESOLVER_H
#define RESOLVER_RESOLVER_H
#include "config/config.h"
#include "dns/answer.h"

struct event_base;
struct resolver;
struct resolver_scope;

enum { RESOLVER_ERROR_MAX = 512, RESOLVER_OPEN_MAX = 4096, RESOLVER_TICK_MS = 50 };

struct resolver_ops {
    /* Something is known that was not: run again what waits. From the loop, never from inside
     * a call of yours; once for all that came together. May free any scope. */
    void (*news)(void *arg);
    /* An answer came to this scope, once for each question; for the trace. NULL: nobody is told.
     * ms: since it was asked. May come from inside ask(). It may not free, or ask. */
    void (*told)(void *arg, enum dns_type type, struct slice name,
                 const struct dns_answer *answer, uint64_t ms);
};

MUST_USE struct resolver *resolver_new(struct event_base *base,
                                       const struct config *config,
                                       char error[RESOLVER_ERROR_MAX]);
void resolver_free(struct resolver **r);

/* ops outlive the scope. NULL: no memory. */
MUST_USE struct resolver_scope *
resolver_scope_new(struct resolver *r, const struct resolver_ops *ops, void *arg);
/* From anywhere but told(); no news come after it. */
void resolver_scope_free(struct resolver_scope **s);

/* Good as long as the scope. */
MUST_USE const struct dns_source *resolver_scope_source(const struct resolver_scope *s);

/* Is anything open that was asked? */
MUST_USE bool resolver_scope_waits(const struct resolver_scope *s);
#endif
