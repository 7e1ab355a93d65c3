/* tls/tickets.c - see tickets.h */
#include "tls/tickets.h"

#include "base/log.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <string.h>

enum { CATCH_UP_MAX = 100000 }; /* periods: 68 years */

static void derive(const unsigned char seed[TLS_TICKETS_SECRET_LEN], const char *what,
                   unsigned char *out, size_t len)
{
    unsigned char octets[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    BUG_ON(HMAC(EVP_sha256(), seed, TLS_TICKETS_SECRET_LEN, (const unsigned char *)what,
                strlen(what), octets, &n) == NULL ||
           n < len);
    memcpy(out, octets, len);
    explicit_bzero(octets, sizeof octets);
}

static void make_key(struct tls_tickets *t)
{
    derive(t->seed, "name", t->now.name, sizeof t->now.name);
    derive(t->seed, "cipher", t->now.cipher, sizeof t->now.cipher);
    derive(t->seed, "mac", t->now.mac, sizeof t->now.mac);
}

static void go_on(struct tls_tickets *t, uint64_t now_s)
{
    uint64_t period = now_s / TLS_TICKETS_ROTATE_S;
    if (period <= t->period) {
        return;
    }
    /* A clock that jumps by a lifetime is wrong: then the keys differ, and tickets are refused. */
    uint64_t n = period - t->period < CATCH_UP_MAX ? period - t->period : CATCH_UP_MAX;
    for (; n > 0; n--) {
        unsigned char next[TLS_TICKETS_SECRET_LEN];
        derive(t->seed, "next", next, sizeof next);
        memcpy(t->seed, next, sizeof next);
        explicit_bzero(next, sizeof next);
        if (n <= 2) { /* of those in between nobody needs the keys */
            t->before = t->now;
            make_key(t);
        }
    }
    t->period = period;
}

void tls_tickets_init(struct tls_tickets *t,
                      const unsigned char secret[TLS_TICKETS_SECRET_LEN], uint64_t made_s)
{
    *t = (struct tls_tickets){.period = made_s / TLS_TICKETS_ROTATE_S};
    memcpy(t->seed, secret, sizeof t->seed);
    make_key(t);
    t->before = t->now;
}

void tls_tickets_clear(struct tls_tickets *t)
{
    explicit_bzero(t, sizeof *t);
}

const struct tls_ticket_key *tls_tickets_key(struct tls_tickets *t, uint64_t now_s)
{
    go_on(t, now_s);
    return &t->now;
}

const struct tls_ticket_key *
tls_tickets_find(struct tls_tickets *t, const unsigned char name[TLS_TICKETS_NAME_LEN],
                 uint64_t now_s)
{
    go_on(t, now_s);
    return memcmp(name, t->now.name, TLS_TICKETS_NAME_LEN) == 0      ? &t->now
           : memcmp(name, t->before.name, TLS_TICKETS_NAME_LEN) == 0 ? &t->before
                                                                     : NULL;
}
