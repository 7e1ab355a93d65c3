/* tls/client.h - TLS towards other servers: made once a process, before the sandbox.
 *
 * Source  RFC 8446, RFC 7435 (opportunistic: any certificate is better than clear text), RFC 6125, 8461
 *         4.2 (PKIX and the name), RFC 7672 3 (DANE: usages 2 and 3; of 3 neither name nor date count).
 * Own     the context outlives its connections.
 * Errors  a reason in words. */
#ifndef TLS_CLIENT_H
#define TLS_CLIENT_H
#include "tls/tls.h"

enum tls_verify {
    TLS_VERIFY_NONE = 0, /* encrypted, whoever it is */
    TLS_VERIFY_LOOK,     /* the same, but what NAME would say can be asked afterwards */
    TLS_VERIFY_NAME,     /* signed by a known authority, for that name */
    TLS_VERIFY_DANE,     /* as its TLSA records say */
};

struct tls_client;

/* ca: PEM file of the authorities believed; "" or NULL: those of the system. NULL: error says why. */
MUST_USE struct tls_client *tls_client_new(const char *ca, char error[TLS_ERROR_MAX]);
void tls_client_free(struct tls_client **c);
MUST_USE struct ssl_ctx_st *tls_client_context(const struct tls_client *c);

/* TLSA data as on the wire: can an SMTP client use it? A host that has only others demands TLS, and
 * nobody is verified (RFC 7672 2.2.3). */
MUST_USE bool tls_client_usable(struct slice tlsa);

/* Before the handshake: what the server is called (empty: an address), and what it must show; tlsa:
 * usable ones. */
MUST_USE bool tls_client_expect(struct ssl_st *ssl, struct slice host,
                                enum tls_verify verify, const struct slice *tlsa,
                                unsigned tlsa_n);
/* Other names than the host that its certificate may be for. Call it after tls_client_expect(). */
MUST_USE bool tls_client_also(struct ssl_st *ssl, struct slice name);

/* Why the handshake failed, if it was the certificate; else NULL. Static text. */
MUST_USE const char *tls_client_fault(const struct ssl_st *ssl);
/* The same as a value; with LOOK, what it would have been. */
enum tls_client_verdict {
    TLS_CLIENT_GOOD = 0,
    TLS_CLIENT_WRONG_HOST,
    TLS_CLIENT_EXPIRED,
    TLS_CLIENT_NOT_TRUSTED,
    TLS_CLIENT_NO_TLSA, /* no TLSA record matches */
    TLS_CLIENT_BROKEN,
};
MUST_USE enum tls_client_verdict tls_client_verdict(const struct ssl_st *ssl);
#endif
