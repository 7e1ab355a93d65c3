/* tls/tickets.h - keys of session tickets (RFC 5077, RFC 8446 4.6.1) that several processes share
 * without speaking to each other.
 *
 * How     all start from one secret, made at a time that all know. Every TLS_TICKETS_ROTATE_S
 *         seconds each of them makes the next seed from the one before, by a function that cannot
 *         be turned around, and forgets that one. So they have the same keys at the same time, and
 *         who takes over a process learns no key of before the previous period.
 * Pure    time is a parameter, in seconds since 1970. One that goes back changes nothing.
 * Secrets cleared by tls_tickets_clear(). */
#ifndef TLS_TICKETS_H
#define TLS_TICKETS_H
#include "base/slice.h"

enum {
    TLS_TICKETS_ROTATE_S = 6 * 3600,
    TLS_TICKETS_SECRET_LEN = 32,
    TLS_TICKETS_NAME_LEN = 16,
};

struct tls_ticket_key {
    unsigned char name[TLS_TICKETS_NAME_LEN]; /* goes with the ticket, in the clear */
    unsigned char cipher[32], mac[32];        /* AES-256-CBC; HMAC-SHA256 */
};

struct tls_tickets {
    unsigned char seed[TLS_TICKETS_SECRET_LEN];
    uint64_t period;
    struct tls_ticket_key now, before;
};

void tls_tickets_init(struct tls_tickets *t,
                      const unsigned char secret[TLS_TICKETS_SECRET_LEN],
                      uint64_t made_s);
void tls_tickets_clear(struct tls_tickets *t);

/* The key for new tickets. */
const struct tls_ticket_key *tls_tickets_key(struct tls_tickets *t, uint64_t now_s);
/* The key of that name; NULL: too old, or none of ours. */
MUST_USE const struct tls_ticket_key *
tls_tickets_find(struct tls_tickets *t, const unsigned char name[TLS_TICKETS_NAME_LEN],
                 uint64_t now_s);
#endif
