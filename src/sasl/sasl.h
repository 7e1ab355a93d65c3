/* sasl/sasl.h - the server's side of SASL mechanisms: octets of the client in, octets of the
 * server and questions out.
 *
 * Source  RFC 4422; RFC 4616 (PLAIN); LOGIN as Murchison's draft has it; RFC 5802, 7677 and
 *         9266 (SCRAM-SHA-256, and -PLUS bound to tls-exporter); RFC 7628 (OAUTHBEARER); XOAUTH2
 *         as its makers describe it.
 * Pure    no I/O, clock, globals; random octets come from outside.
 * How     sasl_begin(), then sasl_step() with each response until it is SASL_OK, SASL_FAIL or
 *         SASL_MALFORMED. In between it may want something that only its caller knows:
 *         SASL_WANT_PASSWORD and SASL_WANT_TOKEN are answered by sasl_verdict(), SASL_WANT_KEYS
 *         by sasl_scram_keys(). SASL_CHALLENGE: s->out goes to the client.
 * Own     slices live until the next call. sasl_clear() also wipes what was secret.
 * Names   s->user is as the client wrote it: UTF-8, without NUL, 1 to SASL_USER_MAX octets. A
 *         client that wants to act for somebody else (authzid) fails.
 * Limits  responses of SASL_RESPONSE_MAX octets; longer ones are malformed. */
#ifndef SASL_SASL_H
#define SASL_SASL_H
#include "base/buf.h"

enum {
    SASL_RESPONSE_MAX = 9216,
    SASL_USER_MAX = 320,
    SASL_PASSWORD_MAX = 511,
    SASL_OUT_MAX = 2048,
    SASL_KEY_LEN = 32, /* SHA-256 */
    SASL_SALT_MAX = 64,
    SASL_NONCE_LEN = 18, /* random octets */
    SASL_CLIENT_NONCE_MAX = 256,
    SASL_BINDING_LEN = 32, /* tls-exporter: RFC 9266 2 */
    SASL_ITERATIONS_MIN = 4096,
    SASL_ITERATIONS_MAX = 10000000,
};

enum sasl_kind { SASL_PLAIN = 0, SASL_LOGIN, SASL_SCRAM, SASL_OAUTHBEARER, SASL_XOAUTH2 };

struct sasl_mechanism {
    const char *name;
    enum sasl_kind kind;
    bool in_clear; /* tells no secret to who listens (it could still be guessed at) */
    bool binding;  /* needs TLS to bind to */
    bool server_first;
    bool token; /* needs somebody who judges tokens */
};
enum { SASL_MECHANISMS = 6 };
/* Strongest first, as clients may take the first they know. */
extern const struct sasl_mechanism sasl_mechanisms[SASL_MECHANISMS];
/* NULL: there is none of that name (any case). */
MUST_USE const struct sasl_mechanism *sasl_find(struct slice name);

enum sasl_res {
    SASL_CHALLENGE = 0,
    SASL_WANT_PASSWORD, /* are s->user and s->secret right? */
    SASL_WANT_TOKEN,    /* is s->secret a token (of s->user, if that is not empty)? */
    SASL_WANT_KEYS, /* the SCRAM keys of s->user; of one that is not there, invented ones */
    SASL_OK,        /* s->user is who it says */
    SASL_FAIL,      /* wrong credentials, or one end was tampered with */
    SASL_MALFORMED, /* not of the mechanism's form: the client's fault */
};

/* What is kept of a password for SCRAM (RFC 5802 3). */
struct sasl_keys {
    unsigned char salt[SASL_SALT_MAX];
    size_t salt_len;
    uint32_t iterations;
    unsigned char stored[SASL_KEY_LEN], server[SASL_KEY_LEN];
};

struct sasl {
    const struct sasl_mechanism *mechanism;
    unsigned state;
    bool can_bind, failing;
    struct slice user, secret; /* in `in` or `name` */
    struct buf in;   /* what they borrow from; SCRAM: client-first-message-bare */
    struct buf name; /* the user, unescaped */
    struct buf out;
    struct buf first;  /* SCRAM: the server's first message */
    struct buf header; /* SCRAM: gs2 header and binding, as c= must repeat them */
    size_t nonce_len;  /* SCRAM: of client and server; it stands in first after "r=" */
    unsigned char nonce[SASL_NONCE_LEN], binding[SASL_BINDING_LEN];
    const struct sasl_keys *keys; /* SCRAM: key_n of them, borrowed */
    unsigned key_n, matched;      /* matched: the one that the client proved to have */
    bool proved;                  /* SCRAM: it did; s->out is our own proof */
};

/* binding: the exporter's SASL_BINDING_LEN octets, or empty without TLS. nonce: SASL_NONCE_LEN
 * random octets. s need not be initialized. */
void sasl_begin(struct sasl *s, const struct sasl_mechanism *m, struct slice binding,
                struct slice nonce);
void sasl_clear(struct sasl *s);

/* A response; NULL: the client sent no initial one. */
MUST_USE enum sasl_res sasl_step(struct sasl *s, const struct slice *in);

/* After SASL_WANT_PASSWORD, SASL_WANT_TOKEN. user: who the token belongs to, where the client
 * did not say (copied); ignored otherwise. */
MUST_USE enum sasl_res sasl_verdict(struct sasl *s, bool right, struct slice user);
/* After SASL_WANT_KEYS. Several: any of them will do (an account may have several passwords);
 * they must have salt and iterations in common, and outlive s. */
MUST_USE enum sasl_res sasl_scram_keys(struct sasl *s, const struct sasl_keys *keys,
                                       unsigned n);

/* Keys from a password; salt_len and iterations are set already. Costs iterations x 2 SHA-256:
 * never in an event loop. False: the library could not. */
MUST_USE bool sasl_keys_derive(struct slice password, struct sasl_keys *keys);
#endif
