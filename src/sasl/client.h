/* sasl/client.h - the client's side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS.
 *
 * Source  RFC 5802 (messages, 5.1 for attributes, 9 for iterations), 7677, 9266 (tls-exporter).
 * Pure    no I/O, clock, globals; random octets come from outside.
 * How     sasl_client_begin() makes the first message in s->out; sasl_client_step() with each
 *         challenge. SEND: s->out goes to the server. WANT_KEYS: sasl_client_derive() the keys of
 *         s->keys (salt and iterations are there), then sasl_client_keys(). DONE: the server proved that
 *         it knows the password; an empty response is owed. FAIL: s->why.
 * Own     slices live until the next call; sasl_client_clear() wipes what was secret.
 * Limits  no user or password that SASLprep (RFC 4013) would change is known here: sasl_client_can(). A
 *         server may ask for SASL_CLIENT_ITERATIONS_MAX iterations. */
#ifndef SASL_CLIENT_H
#define SASL_CLIENT_H
#include "sasl/sasl.h"

enum { SASL_CLIENT_ITERATIONS_MAX = 2000000 };

enum sasl_client_res {
    SASL_CLIENT_SEND = 0,
    SASL_CLIENT_WANT_KEYS,
    SASL_CLIENT_DONE,
    SASL_CLIENT_FAIL,
};

struct sasl_client_keys {
    unsigned char salt[SASL_SALT_MAX];
    size_t salt_len;
    uint32_t iterations;
    unsigned char client[SASL_KEY_LEN], server[SASL_KEY_LEN];
};

struct sasl_client {
    unsigned state;
    const char *why;
    struct buf out;
    struct buf header;  /* gs2 header, then the binding: what c= repeats */
    struct buf message; /* AuthMessage, as it grows */
    struct buf nonce;   /* ours; then the server's too */
    struct sasl_client_keys keys;
    unsigned char expected[SASL_KEY_LEN];
};

/* Printable ASCII, and not too long: the same before and after SASLprep. */
MUST_USE bool sasl_client_can(struct slice user, struct slice password);

/* plus: -PLUS. binding: the exporter's SASL_BINDING_LEN octets; empty: it cannot be bound. Without plus and with a binding
 * the server is told that it did not offer -PLUS: who took that out of its list is found out. nonce: random octets. */
void sasl_client_begin(struct sasl_client *s, struct slice user, bool plus,
                       struct slice binding, struct slice nonce);
void sasl_client_clear(struct sasl_client *s);

MUST_USE enum sasl_client_res sasl_client_step(struct sasl_client *s,
                                               struct slice challenge);
/* After WANT_KEYS. */
MUST_USE enum sasl_client_res sasl_client_keys(struct sasl_client *s,
                                               const struct sasl_client_keys *keys);

/* Salt and iterations are set. Costs iterations x 2 SHA-256: never in an event loop. */
MUST_USE bool sasl_client_derive(struct slice password, struct sasl_client_keys *keys);
/* Are they made of the same salt and iterations? */
MUST_USE bool sasl_client_same(const struct sasl_client_keys *a,
                               const struct sasl_client_keys *b);
#endif
